//! Every store function, on SQLite and on PostgreSQL; and the races, which have one winner on both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/database.rs"]
mod database;

mod endings;
mod grants;
mod interactions;
mod mails;
mod migrations;
mod people;
mod recoveries;
mod sessions;
mod sqlite;
mod throttles;
mod transactions;

use futures_util::future::join_all;
use std::future::Future;
use stepgate::base::time::Time;

pub const NOW: Time = Time::from_unix_seconds(1_800_000_000);

/// Runs 50 at once and counts those that were told `true`.
pub async fn winners<F: Future<Output = bool> + Send + 'static>(each: impl Fn(usize) -> F) -> usize {
    let all = (0..50).map(|n| tokio::spawn(each(n)));
    join_all(all).await.into_iter().filter(|won| *won.as_ref().unwrap()).count()
}
