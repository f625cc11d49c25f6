//! The database: the one home of diesel. SQLite or PostgreSQL behind two doors, [`Store::read`] and [`Store::write`].
//! A job is one closure over a connection and, in `write`, one transaction; nothing waits inside it but the database.
//! What must happen once is one conditional statement in `store/*.rs`; nothing is read, changed and written back.

pub mod audit;
pub mod ceremonies;
pub mod clients;
pub mod connection;
pub mod consents;
pub mod credentials;
pub mod events;
pub mod failed_sign_ins;
pub mod grants;
pub mod interactions;
pub mod keys;
pub mod mail_codes;
pub mod mails;
pub mod migrate;
pub mod pace;
pub mod password_costs;
pub mod recoveries;
pub mod recovery_codes;
pub mod refresh_tokens;
pub mod remembered;
pub mod replays;
pub mod revoked_tokens;
mod schema;
pub mod sessions;
pub mod statement;
pub mod sweep;
pub mod throttles;
pub mod users;
mod writer;

use crate::base::crowd::Crowd;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use connection::Conn;
use connection::DatabaseUrl;
use connection::Doubt;
use connection::IDLE;
use connection::Manager;
use diesel::QueryResult;
use diesel::r2d2::Pool;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;
use writer::Writer;

/// A handle to the database; clones share it.
#[derive(Clone)]
pub struct Store {
    reads: Pool<Manager>,
    writes: Writes,
    /// A job failed since the last write that was made to find out.
    failing: Arc<AtomicBool>,
    doubt: Doubt,
    pub crowd: Crowd,
}

#[derive(Clone)]
enum Writes {
    /// SQLite: one connection writes, and commits what waits together.
    One(Writer),
    /// PostgreSQL: a transaction each, on as many connections as there are permits. Who has none waits without a thread: while the
    /// database is silent, jobs hang in as many threads as there are connections, and passwords and keys have the others.
    Pool(Arc<Semaphore>),
}

#[derive(Debug, Error)]
pub enum StoreError {
    /// Nothing was done, or nothing is known to have been done; try again later.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    #[error("the database refused: {0}")]
    Query(Error),
    /// Another request was first; nothing was done.
    #[error("another request was first")]
    Lost,
}

/// What a job answers, for those who write one outside this module.
pub type Written<T> = QueryResult<T>;

/// What a job answers when it finds that another request was first: its transaction leaves nothing behind.
pub fn lost<T>() -> QueryResult<T> {
    Err(Error::NotFound)
}

/// `true` for an insert that was done, `false` for one that found its place taken. In a transaction of its own, which is
/// a savepoint inside another one: nothing else is lost with it.
fn unless_taken(inserted: QueryResult<usize>) -> QueryResult<bool> {
    match inserted {
        Ok(_) => Ok(true),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Only what is committed while its caller still waits.
fn unless_late<T>(until: Instant, value: T) -> QueryResult<T> {
    if Instant::now() < until { Ok(value) } else { Err(Error::RollbackTransaction) }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            // Lookups answer `Option`, so nothing else says this.
            Error::NotFound => Self::Lost,
            error => Self::Query(error),
        }
    }
}

const READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(5);
/// For a connection, and for the longest statement (`PATIENCE`): the database keeps that bound only while it can be heard, and libpq
/// waits for it without one.
const WAIT_FOR_JOB: Duration = Duration::from_secs(15);

impl Store {
    /// Connects to a database that has been migrated.
    pub fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let size = match url {
            DatabaseUrl::Sqlite(_) => READERS,
            DatabaseUrl::Postgres(_) => POSTGRES_CONNECTIONS,
        };
        let crowd = Crowd::default();
        let writes = match url {
            DatabaseUrl::Sqlite(_) => {
                Writes::One(Writer::start(Manager::writer(url.clone()), crowd.clone())?)
            }
            DatabaseUrl::Postgres(_) => {
                Writes::Pool(Arc::new(Semaphore::new(size.try_into().map_err(unavailable)?)))
            }
        };
        // None ahead of time: a short command could end while a connection is still being made in the background, which libpq
        // and OpenSSL do not survive.
        let pool = Pool::builder().max_size(size).min_idle(Some(0)).connection_timeout(WAIT_FOR_CONNECTION);
        let pool = pool.idle_timeout(Some(IDLE)).test_on_check_out(true);
        let doubt = Doubt::default();
        let reads = pool.build(Manager::pooled(url.clone(), doubt.clone())).map_err(unavailable)?;
        Ok(Self { reads, writes, failing: Arc::default(), doubt, crowd })
    }

    /// Runs `job` on a connection of its own, outside any transaction.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    {
        let read = match &self.writes {
            Writes::Pool(places) => self.in_time(places, |_| job).await,
            // Of SQLite a small look-up costs less than the way to another thread and back; who would wait for a connection goes there.
            Writes::One(_) => match self.reads.try_get() {
                Some(mut c) => self.on(&mut c, job),
                None => self.on_pool(WAIT_FOR_CONNECTION, job).await,
            },
        };
        self.noted(read)
    }

    /// Runs `job` in a transaction and answers once it is durable; an error leaves nothing behind.
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    {
        let written = match &self.writes {
            Writes::One(writer) => writer.run(job).await,
            Writes::Pool(places) => {
                let bounded = |until| move |c: &mut Conn| c.transaction(|c| unless_late(until, job(c)?));
                self.in_time(places, bounded).await
            }
        };
        self.noted(written)
    }

    /// Whether the database answers; and, where a job has failed, whether it takes a write: a full disk can still be read, and
    /// where every table is locked, a question about none is answered. Only then is anything written (attack: whoever may ask could
    /// fill the disk); `once` is a name that nobody had before.
    pub async fn ready(&self, once: SecretHash, now: Time) -> Result<(), StoreError> {
        self.read(|c| c.batch_execute("SELECT 1")).await?;
        if self.failing.load(Ordering::Relaxed) {
            self.write(move |c| replays::first(c, &once, now)).await?;
            self.failing.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn noted<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Unavailable(_) | StoreError::Query(_)) = done {
            self.failing.store(true, Ordering::Relaxed);
        }
        done
    }

    /// The answer of the job that is made of the moment until when it may take, or nothing by then. Who was told so asks again: from
    /// then on the job must not come true.
    async fn in_time<T, F>(
        &self,
        places: &Arc<Semaphore>,
        job: impl FnOnce(Instant) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    {
        let began = Instant::now();
        let until = began + WAIT_FOR_JOB;
        let job = job(until);
        let place = timeout_at(began + WAIT_FOR_CONNECTION, places.clone().acquire_owned()).await;
        let place = place.map_err(|_| unavailable("no connection was free in time"))?.map_err(unavailable)?;
        let wait = WAIT_FOR_CONNECTION.saturating_sub(began.elapsed());
        let work = self.on_pool(wait, move |c| {
            // Kept until the job has ended, whenever that is.
            let _place = place;
            job(c)
        });
        timeout_at(until, work).await.unwrap_or_else(|_| {
            self.doubt.begin();
            Err(unavailable("it was silent for too long"))
        })
    }

    async fn on_pool<T, F>(&self, wait: Duration, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    {
        let store = self.clone();
        let work = move || store.on(&mut *store.reads.get_timeout(wait).map_err(unavailable)?, job);
        tokio::task::spawn_blocking(work).await.map_err(unavailable)?
    }

    fn on<T>(&self, c: &mut Conn, job: impl FnOnce(&mut Conn) -> QueryResult<T>) -> Result<T, StoreError> {
        let done = job(c).map_err(StoreError::from);
        if let Err(StoreError::Query(_)) = done {
            self.doubt.begin();
        }
        done
    }
}

fn unavailable(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(why.to_string())
}
