//! The program itself, killed, starved, cut off and flooded: what it has answered is kept, what it has not is whole or not there,
//! and it comes back by itself.
//!
//! The default is small enough for `make test`. For a soak, by environment variable:
//!
//! - `STEPGATE_KILLS`: how often `serve` is killed under load, on each database (20)
//! - `STEPGATE_COMMAND_KILLS`: how often each command is killed, on each database (30 resets, 20 migrations)
//! - `STEPGATE_CUTS`: how often the connections to PostgreSQL are cut under load (15)
//! - `STEPGATE_CONNECTIONS`: how many idle connections are held (500; `ulimit -n` has to allow twice as many). Given,
//!   the floods are measured for longer and forgiven nothing, so let no other test run beside them
//! - `STEPGATE_SIGN_INS`: how many sign in over two processes (1500)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../support/app.rs"]
mod app;
#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../support/authenticator.rs"]
mod authenticator;
#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../support/browser.rs"]
mod browser;
#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../support/clock.rs"]
mod clock;
#[path = "../support/database.rs"]
mod database;
#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../support/program.rs"]
mod program;
#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../support/relying_party.rs"]
mod relying_party;

mod attacks;
mod commands;
mod crowd;
mod cuts;
mod floods;
mod full;
mod gone;
mod held;
mod kills;
mod provider;
mod visitor;
mod wire;
mod worker;

use stepgate::base::entropy::SystemEntropy;
use stepgate::base::entropy::random;

pub const DATABASES: [&str; 2] = ["SQLite", "PostgreSQL"];

/// How often, or how many; the environment may say otherwise.
pub fn times(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Any number below `end`.
pub fn any(end: u64) -> u64 {
    u64::from_le_bytes(random::<8>(&SystemEntropy)) % end
}
