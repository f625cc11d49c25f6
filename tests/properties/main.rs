//! What must hold of the decision for every policy, account, ledger and need.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod decide;
mod oracle;
mod world;
