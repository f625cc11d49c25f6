use crate::NOW;
use crate::database::TestDatabase;
use crate::database::databases;
use crate::database::postgresql;
use crate::database::sqlite;
use futures_util::future::join;
use futures_util::future::join_all;
use futures_util::future::join4;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::id::CredentialId;
use stepgate::base::id::UserId;
use stepgate::store::Store;
use stepgate::store::StoreError;
use stepgate::store::connection::Conn;
use stepgate::store::connection::DatabaseUrl;
use stepgate::store::credentials;
use stepgate::store::credentials::Credential;
use stepgate::store::credentials::Kind;
use stepgate::store::keys;
use stepgate::store::migrate::migrate;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

#[tokio::test]
async fn a_failed_job_leaves_nothing_and_its_neighbours_stay() {
    for db in databases() {
        for failing in 0..3 {
            let (go, wait) = mpsc::channel::<()>();
            let mut wait = Some(wait);
            let jobs = (0..3).map(|place| {
                let gate = wait.take();
                db.store.write(move |c| {
                    // The first goes on when the others wait behind it.
                    gate.iter().for_each(|gate| gate.recv().unwrap());
                    keys::record(c, &format!("{place} of {failing}"), "RS256", NOW)?;
                    if place != failing {
                        return Ok(());
                    }
                    let id = CredentialId::from_text("c1");
                    let factor = Credential::new(id, Kind::Password, String::new(), NOW);
                    // A factor of nobody.
                    credentials::insert(c, &UserId::from_text("nobody"), &factor)
                })
            });
            let (done, ()) = join(join_all(jobs), async { go.send(()).unwrap() }).await;
            for (place, done) in done.into_iter().enumerate() {
                let refused = matches!(done, Err(StoreError::Query(_)));
                assert_eq!((done.is_ok(), refused), (place != failing, place == failing), "{}", db.name);
            }
        }
        let mut kept = db.store.read(keys::recorded).await.unwrap().signing;
        kept.sort();
        let expected = ["0 of 1", "0 of 2", "1 of 0", "1 of 2", "2 of 0", "2 of 1"];
        assert_eq!(kept, expected, "{}", db.name);
    }
}

/// A full disk makes SQLite undo the whole transaction, also where it happens behind a savepoint of the job's own.
#[tokio::test]
async fn who_shares_a_batch_that_sqlite_undid_is_not_told_that_it_is_done() {
    for swallowed in [false, true] {
        let db = sqlite();
        let (go, wait) = mpsc::channel::<()>();
        let first = db.store.write(move |c| {
            wait.recv().unwrap();
            // As large as it is, and no larger.
            c.batch_execute("PRAGMA max_page_count = 1")?;
            keys::record(c, "first", "RS256", NOW)
        });
        let fills = db.store.write(move |c| {
            let filled = c.transaction(|c| {
                (0..100).try_for_each(|n| keys::record(c, &format!("{n}").repeat(2000), "RS256", NOW))
            });
            if swallowed { Ok(()) } else { filled }
        });
        let last = db.store.write(|c| keys::record(c, "last", "RS256", NOW));
        let (first, fills, last, ()) = join4(first, fills, last, async { go.send(()).unwrap() }).await;
        assert!(fills.is_err(), "{fills:?}");
        let kept = db.store.read(keys::recorded).await.unwrap().signing;
        let told = [("first", first.is_ok()), ("last", last.is_ok())];
        let told = told.into_iter().filter_map(|(name, is_done)| is_done.then_some(name)).collect::<Vec<_>>();
        assert_eq!(kept, told, "what was told is what is there");
    }
}

async fn fastest(db: &TestDatabase, name: &str) -> Duration {
    let mut fastest = Duration::MAX;
    for n in 0..9 {
        let (began, key) = (Instant::now(), format!("{name} {n}"));
        db.store.write(move |c| keys::record(c, &key, "RS256", NOW)).await.unwrap();
        fastest = fastest.min(began.elapsed());
    }
    fastest
}

#[tokio::test]
async fn while_a_processor_is_waited_for_the_first_job_of_a_batch_waits_for_company() {
    let db = sqlite();
    let alone = fastest(&db, "alone").await;
    let waits = db.store.crowd.join();
    let in_a_crowd = fastest(&db, "in a crowd").await;
    // What the disk takes is in both.
    assert!(in_a_crowd >= alone + Duration::from_millis(5), "{alone:?}, {in_a_crowd:?}");
    drop(waits);
    assert!(!db.store.crowd.waits());
}

#[tokio::test]
async fn a_panicking_job_leaves_nothing_and_the_next_one_goes_on() {
    for db in databases() {
        let panicked = db
            .store
            .write::<(), _>(|c| {
                keys::record(c, "lost", "RS256", NOW)?;
                panic!("a job that panics, on purpose")
            })
            .await;
        assert!(panicked.is_err(), "{}", db.name);
        db.store.write(|c| keys::record(c, "kept", "RS256", NOW)).await.unwrap();
        assert_eq!(db.store.read(keys::recorded).await.unwrap().signing, ["kept"], "{}", db.name);
    }
}

#[tokio::test]
async fn what_its_caller_was_told_is_not_known_to_be_done_is_not_done_afterwards() {
    let db = postgresql();
    let late = db.store.write(|c| {
        keys::record(c, "late", "RS256", NOW)?;
        // Each is short enough for the database.
        c.batch_execute("SELECT pg_sleep(8)")?;
        c.batch_execute("SELECT pg_sleep(8)")
    });
    assert!(matches!(late.await, Err(StoreError::Unavailable(_))));
    // Waits until the other transaction has ended, either way.
    db.store.write(|c| c.batch_execute("LOCK TABLE keys IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    assert!(db.store.read(keys::recorded).await.unwrap().signing.is_empty());
}

/// In the others passwords are verified.
#[test]
fn jobs_that_hang_have_a_thread_for_each_connection_and_those_behind_them_none() {
    const CONNECTIONS: usize = 16;
    let db = postgresql();
    let runtime = Builder::new_multi_thread().max_blocking_threads(CONNECTIONS + 1).enable_time().build();
    runtime.unwrap().block_on(async {
        let jobs = (0..2 * CONNECTIONS).map(|_| db.store.read(|c| c.batch_execute("SELECT pg_sleep(1)")));
        let beside = async {
            sleep(Duration::from_millis(100)).await;
            let began = Instant::now();
            spawn_blocking(|| ()).await.unwrap();
            began.elapsed()
        };
        let (done, waited) = join(join_all(jobs), beside).await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert!(waited < Duration::from_millis(500), "{waited:?}");
    });
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    for db in databases() {
        assert_eq!(migrate(&db.url, nothing).unwrap().0, 0, "{}", db.name);
    }
}

#[test]
fn a_postgresql_that_is_down_is_an_error_and_never_a_sqlite_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let url = DatabaseUrl::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
    assert!(migrate(&url, nothing).is_err());
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_database_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("new/stepgate.db");
    let url = DatabaseUrl::parse(&format!("sqlite://{}", file.display())).unwrap();
    migrate(&url, nothing).unwrap();
    let _store = Store::open(&url).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

fn nothing(_: &mut Conn) -> Result<(), StoreError> {
    Ok(())
}
