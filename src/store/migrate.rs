//! Brings a database to the shape this program expects, under a lock, so that of several programs that start together
//! one migrates and the others wait.

use super::StoreError;
use super::connection::Conn;
use super::connection::DatabaseUrl;
use super::connection::Manager;
use super::statement::either;
use super::unavailable;
use diesel::r2d2::ManageConnection;
use diesel_migrations::EmbeddedMigrations;
use diesel_migrations::MigrationHarness;
use diesel_migrations::embed_migrations;
use std::fs::File;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
/// Any number that no other program locks in this database.
const LOCK: i64 = 0x5354_4550_4741_5445;

/// Applies the migrations that are missing and then runs `first` under the same lock; says how many there were.
pub fn migrate<T, E: From<StoreError>>(
    url: &DatabaseUrl,
    first: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<(usize, T), E> {
    let mut c = Manager::writer(url.clone()).connect().map_err(unavailable)?;
    let _lock = lock(&mut c, url)?;
    let done = either!(&mut c, c => c.run_pending_migrations(MIGRATIONS).map(|done| done.len()));
    let done = done.map_err(unavailable)?;
    Ok((done, first(&mut c)?))
}

/// On PostgreSQL the lock ends with the connection, on SQLite with the file handle.
fn lock(c: &mut Conn, url: &DatabaseUrl) -> Result<Option<File>, StoreError> {
    match (c, url) {
        (Conn::Sqlite(_), DatabaseUrl::Sqlite(path)) => {
            let lock = File::create(path.with_added_extension("migrate.lock")).map_err(unavailable)?;
            lock.lock().map_err(unavailable)?;
            Ok(Some(lock))
        }
        (c, _) => {
            c.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
            Ok(None)
        }
    }
}
