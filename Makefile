.PHONY: help run code test lint bench soak fuzz clean

help: ## what can be done here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

run: ## the provider, a shop and an API to try it with; installs what it needs
	@scripts/demo

code: ## the demo user's one-time code, now
	@cargo run --quiet --example demo_code

test: ## everything, on both databases; installs what it needs
	@scripts/test

lint: ## formatting and lints, as strict as they get
	@scripts/install
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

bench: ## what flows cost, and whether that is what they shall cost at most; takes some minutes
	@scripts/bench

soak: ## the hard tests in great numbers, fuzzing, an hour of load; takes hours
	@scripts/soak

fuzz: ## a minute for each parser, to find an input that breaks it; installs what it needs
	@scripts/fuzz

clean: ## forget what was built
	cargo clean
