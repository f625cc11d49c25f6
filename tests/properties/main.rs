//! What must hold of the decision for every policy, account, ledger and need, and of the parsers for every input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../fuzz/checks/mod.rs"]
mod checks;
mod decide;
mod guard;
mod oracle;
mod parsers;
mod world;
