use crate::NOW;
use crate::database::databases;
use futures_util::future::join;
use futures_util::future::join_all;
use std::sync::mpsc;
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
