//! PostgreSQL cuts the connections, or takes its time: it is said in time, nothing that was answered is lost, and it is over by itself.

use crate::full::CUT;
use crate::full::Stage;
use crate::full::is_unavailable;
use crate::full::ready;
use crate::full::what_needs_no_database_is_there_at_once;
use crate::provider::Provider;
use crate::times;
use crate::visitor::Visitor;
use crate::worker::Worker;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_lose_nothing_that_was_answered() {
    let provider = Provider::on("PostgreSQL", 8);
    let (_serving, _) = provider.serve();
    let (http, address) = (Visitor::http(), provider.place.address());
    let enough = Arc::new(AtomicBool::new(false));
    let workers = (0..16).map(|n| Worker::new(&http, &address, n, 8).through_outages(&enough));
    let mut workers = workers.collect::<Vec<_>>();
    let mut visitor = Visitor::new(&http, &address, "10.0.0.4");
    let (mut slowest, mut in_transactions) = (Duration::ZERO, 0);
    let cuts = times("STEPGATE_CUTS", 15);
    for _ in 0..cuts {
        enough.store(false, Ordering::Relaxed);
        let cut = async {
            for _ in 0..3 {
                sleep(Duration::from_micros(30_000 + crate::any(100_000))).await;
                in_transactions += provider.number(CUT);
            }
            enough.store(true, Ordering::Relaxed);
        };
        tokio::join!(
            cut,
            join_all(workers.iter_mut().map(Worker::work_again_and_again)),
            what_needs_no_database_is_there_at_once(&mut visitor),
        );
        slowest = slowest.max(ready(&mut visitor).await);
        // All of the sixteen connections are good again, or are made anew.
        join_all(workers.iter_mut().map(Worker::look)).await;
    }
    join_all(workers.iter_mut().map(Worker::look_at_all)).await;
    provider.is_whole();
    let answered = workers.iter().map(|worker| worker.answered.load(Ordering::Relaxed)).sum::<usize>();
    let outages = workers.iter().map(|worker| worker.outages_seen).sum::<usize>();
    println!(
        "{answered} writes answered, {cuts} times three cuts of {in_transactions} transactions, seen as {outages} outages, \
         ready again after {slowest:?} at most"
    );
    assert!(
        in_transactions > 0 && outages > 0,
        "{in_transactions} transactions were cut, {outages} outages seen"
    );
    assert!(answered > 5 * cuts, "{answered} writes answered are too few to show anything");
}

/// After one answer that the cut has cost, whoever comes next gets a connection that is good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_noticed_once_and_not_by_everybody_who_gets_an_old_connection() {
    let provider = Provider::on("PostgreSQL", 1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    let visitors = (0..64).map(|_| stage.visitor.clone()).collect::<Vec<_>>();
    join_all(visitors.into_iter().map(|mut visitor| async move { visitor.get("/").await.unwrap() })).await;
    provider.run(CUT);
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(stage.visitor.get("/").await.unwrap().status == 503);
    }
    assert!(refused <= 1, "{refused} were refused");
    stage.everything_goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_somebody_holds_locked_is_503_in_time_and_good_again_after() {
    let provider = Provider::on("PostgreSQL", 1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    let mut holder = provider.postgres();
    holder.batch_execute("BEGIN").unwrap();
    holder.batch_execute("LOCK TABLE grants IN ACCESS EXCLUSIVE MODE").unwrap();
    everybody_is_told_in_time(&mut stage).await;
    holder.batch_execute("ROLLBACK").unwrap();
    ready(&mut stage.visitor).await;
    stage.everything_goes_on().await;
    provider.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_everything_is_locked_it_is_not_ready_until_it_is_free() {
    let provider = Provider::on("PostgreSQL", 1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    let mut holder = provider.postgres();
    holder.batch_execute("BEGIN").unwrap();
    holder.batch_execute(&of_each_table("LOCK TABLE %I IN ACCESS EXCLUSIVE MODE")).unwrap();
    everybody_is_told_in_time(&mut stage).await;
    is_unavailable(&stage.visitor.get("/readyz").await.unwrap());
    holder.batch_execute("ROLLBACK").unwrap();
    ready(&mut stage.visitor).await;
    stage.everything_goes_on().await;
    provider.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_its_time_is_503_in_time_and_good_again_after() {
    let provider = Provider::on("PostgreSQL", 1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    provider.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$",
    );
    provider.run(&of_each_table(
        "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION slow()",
    ));
    everybody_is_told_in_time(&mut stage).await;
    is_unavailable(&stage.visitor.get("/readyz").await.unwrap());
    provider.run("DROP FUNCTION slow CASCADE");
    ready(&mut stage.visitor).await;
    stage.everything_goes_on().await;
    provider.is_whole();
}

/// The statement for one table, for each.
fn of_each_table(statement: &str) -> String {
    format!(
        "DO $$ DECLARE name text; BEGIN \
         FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
         EXECUTE format('{statement}', name); END LOOP; END $$"
    )
}

async fn everybody_is_told_in_time(stage: &mut Stage) {
    let began = Instant::now();
    let all = (0..30).map(|n| {
        let mut stage = stage.clone();
        async move {
            match n % 3 {
                0 => stage.silent().await,
                1 => stage.redeem().await,
                _ => stage.refresh().await,
            }
        }
    });
    let told = join_all(all);
    let (told, ()) = tokio::join!(told, what_needs_no_database_is_there_at_once(&mut stage.visitor));
    told.iter().for_each(is_unavailable);
    println!("told after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
