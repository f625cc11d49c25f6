//! Which database, and how a connection to it is made. The variant is picked by the URL's scheme and by nothing else:
//! trying one after the other would turn a typo into a new, empty SQLite file.

use super::statement::either;
use diesel::connection::AnsiTransactionManager;
use diesel::connection::SimpleConnection;
use diesel::connection::TransactionManager;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::Error;
use diesel::r2d2::ManageConnection;
use diesel::result::Error as Refused;
use diesel::sqlite::SqliteConnection;
use rustix::fs::Access;
use rustix::fs::access;
use std::fmt;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;
use url::Url;

/// A connection to either database. A [`Statement`](super::statement::Statement) runs on both.
pub enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Where the database is. `Debug` and `Display` leave the password out.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(Url),
}

/// Makes connections.
pub struct Manager {
    url: DatabaseUrl,
    is_pooled: bool,
    doubt: Doubt,
}

/// Since when the connections of a pool are in doubt: one has failed its user, and a database that started anew has cut them all.
#[derive(Clone, Default)]
pub struct Doubt(Arc<Mutex<Option<Instant>>>);

/// How long a connection may wait in a pool to be used.
pub const IDLE: Duration = Duration::from_secs(600);
/// Who asks is told in time: a statement that waits for a lock, or for the database, is given up. Nothing waits inside a transaction
/// but the database, so one that does nothing is of a program that is gone or cut off, and keeps its locks from the others.
const PATIENCE: &str = "SET lock_timeout = '5s'; SET statement_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '10s';";
/// libpq itself waits for a silent host as long as TCP does: two hours for an answer, a quarter of one for what it has sent. In
/// seconds, `tcp_user_timeout` in milliseconds.
const SILENCE: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
];

impl Conn {
    /// Runs `job` in a transaction, or in a savepoint of the one that is open; an error leaves nothing behind.
    pub fn transaction<T>(&mut self, job: impl FnOnce(&mut Self) -> QueryResult<T>) -> QueryResult<T> {
        either!(self, c => AnsiTransactionManager::begin_transaction(c))?;
        let failed = match job(self) {
            Ok(value) => {
                return either!(self, c => AnsiTransactionManager::commit_transaction(c)).map(|()| value);
            }
            Err(failed) => failed,
        };
        match either!(self, c => AnsiTransactionManager::rollback_transaction(c)) {
            Ok(()) | Err(Refused::BrokenTransactionManager) => Err(failed),
            Err(broken) => Err(broken),
        }
    }

    /// Statements without values.
    pub fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        either!(self, c => c.batch_execute(sql))
    }
}

impl DatabaseUrl {
    /// Reads `sqlite://path` or `postgres://…`; the error is the mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        const MEND: &str = "write sqlite://path/to/file or postgres://user@host/database";
        if let Some(path) = text.strip_prefix("sqlite://") {
            let sound = !path.is_empty() && !path.contains(['?', '#']);
            return sound.then(|| Self::Sqlite(path.into())).ok_or_else(|| format!("names no file; {MEND}"));
        }
        match Url::parse(text) {
            Ok(url) if ["postgres", "postgresql"].contains(&url.scheme()) => Ok(Self::Postgres(url)),
            Ok(url) => Err(format!("has the unknown scheme {:?}; {MEND}", url.scheme())),
            Err(_) => Err(format!("is not a URL; {MEND}")),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                write!(f, "postgres://{}{}", url.host_str().unwrap_or_default(), url.path())
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Manager {
    /// For requests: with limits on how long a statement may take; of SQLite to read only.
    pub fn pooled(url: DatabaseUrl, doubt: Doubt) -> Self {
        Self { url, is_pooled: true, doubt }
    }

    pub fn writer(url: DatabaseUrl) -> Self {
        Self { url, is_pooled: false, doubt: Doubt::default() }
    }
}

impl Doubt {
    pub fn begin(&self) {
        if let Ok(mut since) = self.0.lock() {
            *since = Some(Instant::now());
        }
    }

    /// As long as a connection from before may still lie in the pool.
    fn lasts(&self) -> bool {
        self.0.lock().map_or(true, |since| since.is_some_and(|since| since.elapsed() < 2 * IDLE))
    }
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn, Error> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => sqlite(path, self.is_pooled).map(Conn::Sqlite),
            DatabaseUrl::Postgres(url) => {
                let mut c =
                    PgConnection::establish(impatient(url).as_str()).map_err(Error::ConnectionError)?;
                if self.is_pooled {
                    c.batch_execute(PATIENCE).map_err(Error::QueryError)?;
                }
                Ok(Conn::Postgres(c))
            }
        }
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), Error> {
        if !self.doubt.lasts() {
            return Ok(());
        }
        conn.batch_execute("SELECT 1").map_err(Error::QueryError)
    }

    /// Diesel sees no more than a transaction that was left open: a connection that is cut beside one passes.
    fn has_broken(&self, conn: &mut Conn) -> bool {
        match conn {
            Conn::Sqlite(c) => diesel::r2d2::R2D2Connection::is_broken(c),
            Conn::Postgres(c) => diesel::r2d2::R2D2Connection::is_broken(c),
        }
    }
}

/// With a bound on silence, where the administrator has not set one.
fn impatient(url: &Url) -> Url {
    let mut bounded = url.clone();
    for (name, value) in SILENCE {
        if url.query_pairs().all(|(set, _)| set != name) {
            bounded.query_pairs_mut().append_pair(name, value);
        }
    }
    bounded
}

/// Every acknowledged write survives a power cut (`synchronous=FULL`); readers never wait for the writer (WAL).
fn sqlite(path: &Path, read_only: bool) -> Result<SqliteConnection, Error> {
    let refused =
        |why: std::io::Error| Error::ConnectionError(ConnectionError::BadConnection(why.to_string()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
    }
    // Only what is not there yet is opened: to close a file takes away every lock that the process holds on it (fcntl(2)), and
    // whoever opened the database next would take itself for the only one and delete the log that we write to.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(refused(why)),
        _ => {}
    }
    if !read_only {
        may_be_written_to(path).map_err(refused)?;
    }
    let mut c = SqliteConnection::establish(&path.to_string_lossy()).map_err(Error::ConnectionError)?;
    c.batch_execute(
        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON;",
    )
    .map_err(Error::QueryError)?;
    // What a savepoint may have to undo is kept in memory, not in a file for each; 16 MiB of pages; the log is copied back
    // every 32 MiB, so that a page that changes all the time is copied once.
    c.batch_execute(
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 8192;",
    )
    .map_err(Error::QueryError)?;
    if read_only {
        // Who reads waits for nobody but another program that keeps the whole file to itself, and others wait behind them.
        c.batch_execute("PRAGMA query_only = ON; PRAGMA busy_timeout = 1000;").map_err(Error::QueryError)?;
    }
    Ok(c)
}

/// SQLite opens what it may only read, and refuses each write; the log that it leaves there may not be written to by anybody later.
fn may_be_written_to(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [folder, path] {
        access(place, Access::WRITE_OK).map_err(|why| {
            std::io::Error::other(format!(
                "{} may not be written to ({why}); file and folder must belong to the user as whom Stepgate runs",
                place.display()
            ))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_chosen_by_its_scheme_and_a_typo_makes_no_file() {
        assert!(matches!(DatabaseUrl::parse("sqlite://var/a.db"), Ok(DatabaseUrl::Sqlite(_))));
        assert!(matches!(DatabaseUrl::parse("postgres://u:p@db/x"), Ok(DatabaseUrl::Postgres(_))));
        for text in ["sqlite://", "sqlite:a.db", "postgress://db", "host=db port=1", "var/a.db", ""] {
            assert!(DatabaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn silence_has_a_bound_and_what_the_administrator_says_of_it_stays() {
        let bounded = |text: &str| impatient(&Url::parse(text).unwrap()).to_string();
        let idle = "keepalives_idle=5&keepalives_interval=2&keepalives_count=3";
        let all = format!("connect_timeout=3&tcp_user_timeout=10000&{idle}");
        for (text, expected) in [
            ("postgres://ada:p%40ss@db/x", format!("postgres://ada:p%40ss@db/x?{all}")),
            ("postgres://db/x?", format!("postgres://db/x?{all}")),
            ("postgres:///x?host=%2Frun%2Fpg", format!("postgres:///x?host=%2Frun%2Fpg&{all}")),
            (
                "postgres://db/x?connect_timeout=30&sslmode=verify-full&tcp%5Fuser_timeout=0",
                format!("postgres://db/x?connect_timeout=30&sslmode=verify-full&tcp%5Fuser_timeout=0&{idle}"),
            ),
        ] {
            assert_eq!(bounded(text), expected);
            assert_eq!(bounded(&expected), expected, "once is enough");
        }
    }

    #[test]
    fn a_database_password_is_never_printed() {
        let url = DatabaseUrl::parse("postgres://ada:hunter22@db.example/stepgate").unwrap();
        assert_eq!(format!("{url:?} {url}"), "postgres://db.example/stepgate postgres://db.example/stepgate");
    }
}
