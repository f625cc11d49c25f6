.PHONY: help run test lint clean

help: ## what can be done here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

lint: ## formatting and lints, as strict as they get
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

test: ## everything
	cargo test --workspace

clean: ## forget what was built
	cargo clean
