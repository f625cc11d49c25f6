//! Brings a database to the shape this program expects, under a lock, so that of several programs that start together
//! one migrates and the others wait.

use super::StoreError;
use super::connection::Conn;
use super::connection::DatabaseUrl;
use super::connection::Manager;
use super::unavailable;
use diesel::connection::SimpleConnection;
use diesel::r2d2::ManageConnection;
use diesel_migrations::EmbeddedMigrations;
use diesel_migrations::MigrationHarness;
use diesel_migrations::embed_migrations;
use std::fs::File;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
/// Any number that no other program locks in this database.
const LOCK: i64 = 0x5354_4550_4741_5445;

/// Applies the migrations that are missing; says how many there were.
pub fn migrate(url: &DatabaseUrl) -> Result<usize, StoreError> {
    let mut c = Manager::writer(url.clone()).connect().map_err(unavailable)?;
    match (&mut c, url) {
        (Conn::Postgres(c), _) => {
            c.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
            // The lock ends with the connection.
            c.run_pending_migrations(MIGRATIONS).map(|done| done.len()).map_err(unavailable)
        }
        (Conn::Sqlite(c), DatabaseUrl::Sqlite(path)) => {
            let lock = File::create(path.with_added_extension("migrate.lock")).map_err(unavailable)?;
            lock.lock().map_err(unavailable)?;
            c.run_pending_migrations(MIGRATIONS).map(|done| done.len()).map_err(unavailable)
        }
        (Conn::Sqlite(_), DatabaseUrl::Postgres(_)) => Err(unavailable("the connection is of another kind")),
    }
}
