//! A fresh database of each kind for every test. Without PostgreSQL a run fails: half a suite is not a pass.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::PathBuf;
use std::process;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use stepgate::store::Store;
use stepgate::store::StoreError;
use stepgate::store::connection::DatabaseUrl;
use stepgate::store::migrate::migrate;
use tempfile::TempDir;

pub struct TestDatabase {
    pub name: &'static str,
    pub store: Store,
    pub url: DatabaseUrl,
    pub raw_url: String,
    _folder: TempDir,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One migrated SQLite file and one migrated PostgreSQL database.
pub fn databases() -> Vec<TestDatabase> {
    vec![sqlite(), postgresql()]
}

pub fn sqlite() -> TestDatabase {
    let folder = TempDir::new().unwrap();
    let file = PathBuf::from(folder.path()).join("stepgate.db");
    open("SQLite", &format!("sqlite://{}", file.display()), folder)
}

pub fn postgresql() -> TestDatabase {
    open("PostgreSQL", &postgres(), TempDir::new().unwrap())
}

fn open(name: &'static str, raw_url: &str, folder: TempDir) -> TestDatabase {
    let url = DatabaseUrl::parse(raw_url).unwrap();
    migrate(&url, |_| Ok::<_, StoreError>(())).unwrap();
    let store = Store::open(&url).unwrap();
    TestDatabase { name, store, url, raw_url: raw_url.to_owned(), _folder: folder }
}

/// The URL of an empty database.
pub fn postgres() -> String {
    let server = std::env::var("TEST_POSTGRES_URL")
        .expect("TEST_POSTGRES_URL names a PostgreSQL server; `make test` starts one, `scripts/postgres start DIR` too");
    let name = format!("test_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let created =
        process::Command::new("psql").args([&server, "-qc", &format!("CREATE DATABASE {name}")]).status();
    assert!(created.unwrap().success(), "CREATE DATABASE {name}");
    let (head, _) = server.rsplit_once('/').unwrap();
    format!("{head}/{name}")
}
