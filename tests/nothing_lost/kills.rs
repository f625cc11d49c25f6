//! `kill -9` at any moment, with many at work.

use crate::any;
use crate::provider::Provider;
use crate::times;
use crate::visitor::Visitor;
use crate::worker::Worker;
use futures_util::future::join_all;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::secret::GrantSecret;
use tokio::time::sleep;

const PEOPLE: usize = 8;
const WORKERS: usize = 16;
/// Writes that are answered before the next kill, at least.
const EACH_TIME: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_kills_under_load_on_sqlite() {
    survives_kills("SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_kills_under_load_on_postgresql() {
    survives_kills("PostgreSQL").await;
}

async fn survives_kills(database: &str) {
    let kills = times("STEPGATE_KILLS", 20);
    let provider = Provider::on(database, PEOPLE);
    let (http, address) = (Visitor::http(), provider.place.address());
    let mut workers = (0..WORKERS).map(|n| Worker::new(&http, &address, n, PEOPLE)).collect::<Vec<_>>();
    let counts = workers.iter().map(|worker| worker.answered.clone()).collect::<Vec<_>>();
    let answered = || counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>();
    let (mut serving, _) = provider.serve();
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        let killed = async {
            // On a busy machine, too, there is something to lose.
            let (enough, began) = (answered() + EACH_TIME, Instant::now());
            while answered() < enough {
                assert!(began.elapsed() < Duration::from_secs(60), "{database}: nobody is answered");
                sleep(Duration::from_millis(5)).await;
            }
            sleep(Duration::from_micros(any(300_000))).await;
            serving.0.kill().unwrap();
            serving.0.wait().unwrap();
        };
        tokio::join!(killed, join_all(workers.iter_mut().map(Worker::work)));
        let took;
        (serving, took) = provider.serve();
        slowest = slowest.max(took);
        join_all(workers.iter_mut().map(Worker::look)).await;
        if kill % 10 == 0 {
            provider.is_whole();
        }
    }
    join_all(workers.iter_mut().map(Worker::look_at_all)).await;
    provider.is_whole();
    unanswered_codes_are_worth_nothing(&provider, &workers);
    println!("{database}: {} writes answered, {kills} kills, slowest start {slowest:?}", answered());
    // Within the ten seconds in which a refresh whose answer was lost may be repeated.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

/// The redemption had been done when the kill came, and the second try revoked what the first had bought.
fn unanswered_codes_are_worth_nothing(provider: &Provider, workers: &[Worker]) {
    for code in workers.iter().flat_map(|worker| &worker.unanswered) {
        let hash = GrantSecret::presented(code).hash();
        let sql = format!(
            "SELECT count(*) FROM grants WHERE code_hash = '{}' AND redeemed_at IS NOT NULL \
             AND revoked_for = 'code replayed'",
            hash.as_str()
        );
        assert_eq!(provider.number(&sql), 1, "a code that was answered and is neither good nor used");
    }
}
