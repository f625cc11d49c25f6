//! PostgreSQL can't be reached, or falls silent (a cable is pulled, its host hangs): it is said in time, nothing is decided from memory,
//! what was told not to be done is not done later, and it is over by itself.

use crate::app::PASSWORD;
use crate::full::Stage;
use crate::full::is_unavailable;
use crate::full::ready;
use crate::full::what_needs_no_database_is_there_at_once;
use crate::provider::Provider;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;
use tokio::time::sleep;

/// Of each kind of request so many at once: together more than there are connections.
const EACH: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_told_decides_nothing_and_is_over_once_it_is_back() {
    let (provider, wire) = Provider::on_wire(1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    stage.the_access_token_is_seen().await;
    wire.is_gone();
    everybody_is_told(&mut stage, Duration::from_secs(10)).await;
    // Nor has one who asks later.
    everybody_is_told(&mut stage, Duration::from_secs(10)).await;
    wire.passes();
    it_is_over(&mut stage).await;
    provider.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_is_told_decides_nothing_and_is_over_once_it_is_heard() {
    let (provider, wire) = Provider::on_wire(1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    stage.the_access_token_is_seen().await;
    // One transaction is in the middle when it happens: it has redeemed the code and heard nothing of that.
    let mut holder = provider.postgres();
    holder.batch_execute("BEGIN; SELECT id FROM grants FOR UPDATE").unwrap();
    let caught = stage.clone();
    let caught = tokio::spawn(async move { caught.redeem().await });
    until(&provider, "wait_event_type = 'Lock'", 1).await;
    wire.is_silent();
    drop(holder);
    until(&provider, "state = 'idle in transaction'", 1).await;
    everybody_is_told(&mut stage, Duration::from_secs(20)).await;
    is_unavailable(&caught.await.unwrap());
    // It keeps no other instance from the rows that it has changed.
    until(&provider, "state = 'idle in transaction'", 0).await;
    everybody_is_told(&mut stage, Duration::from_secs(20)).await;
    wire.passes();
    it_is_over(&mut stage).await;
    provider.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_database_falls_silent_says_so_and_ends_with_nothing_done() {
    let (provider, wire) = Provider::on_wire(0);
    let mut holder = provider.postgres();
    holder.batch_execute("BEGIN; LOCK TABLE users IN SHARE MODE").unwrap();
    let mut command = provider.place.command(&["user", "add", "ada", "--password-stdin"]);
    let mut command = command.spawn().unwrap();
    command.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    until(&provider, "wait_event_type = 'Lock'", 1).await;
    wire.is_silent();
    drop(holder);
    let began = Instant::now();
    while command.try_wait().unwrap().is_none() {
        // For what it asked, and for the line in the audit that tells of it.
        assert!(began.elapsed() < Duration::from_secs(25), "it waits for ever");
        sleep(Duration::from_millis(50)).await;
    }
    let said = command.wait_with_output().unwrap();
    assert!(!said.status.success() && said.stdout.is_empty());
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("the database does not answer"), "{said}");
    println!("a command ended after {:?}: {said}", began.elapsed());
    wire.passes();
    until(&provider, "xact_start IS NOT NULL", 0).await;
    assert_eq!(provider.number("SELECT count(*) FROM users"), 0);
}

async fn everybody_is_told(stage: &mut Stage, in_time: Duration) {
    let began = Instant::now();
    let stages = (0..EACH).map(|_| stage.clone()).collect::<Vec<_>>();
    let told = join_all(stages.into_iter().map(|mut stage| async move { stage.everything_at_once().await }));
    let (told, ()) = tokio::join!(told, what_needs_no_database_is_there_at_once(&mut stage.visitor));
    told.iter().flatten().for_each(is_unavailable);
    println!("{} were told after {:?}", told.iter().flatten().count(), began.elapsed());
    assert!(began.elapsed() < in_time, "{:?}", began.elapsed());
}

async fn it_is_over(stage: &mut Stage) {
    let took = ready(&mut stage.visitor).await;
    let began = Instant::now();
    stage.everything_goes_on().await;
    println!("ready after {took:?}, and everything went on in {:?}", began.elapsed());
}

/// Until so many connections to the database are in this state.
async fn until(provider: &Provider, state: &str, connections: i64) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {state}"
    );
    let began = Instant::now();
    while provider.number(&sql) != connections {
        assert!(began.elapsed() < Duration::from_secs(5), "{state}: not {connections}");
        sleep(Duration::from_millis(20)).await;
    }
}
