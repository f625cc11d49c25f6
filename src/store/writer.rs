//! The one writer of a SQLite file: jobs that wait are committed together, each behind the first in a savepoint of its own, so
//! that the price of durability is one `fdatasync` a batch. A job is answered after COMMIT and never before.

use super::StoreError;
use super::connection::Conn;
use super::connection::Manager;
use super::unavailable;
use crate::base::crowd::Crowd;
use diesel::QueryResult;
use diesel::connection::AnsiTransactionManager;
use diesel::connection::TransactionManager;
use diesel::connection::TransactionManagerStatus;
use diesel::r2d2::ManageConnection;
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Sends jobs to the writer's thread, which ends with its last handle.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// Runs in the batch; says whether the transaction around it is still whole, and how to answer.
type Job = Box<dyn FnOnce(&mut Conn, Place) -> (Whole, Answer) + Send>;
/// Told whether the batch was committed.
type Answer = Box<dyn FnOnce(bool) + Send>;
type Whole = bool;

/// Of a job in its batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Whoever undoes it undoes the transaction, and nobody else's work.
    First,
    Later,
}

const WAITING: usize = 4096;
/// How long the first job of a batch waits for others, where a processor is waited for.
const COMPANY: Duration = Duration::from_millis(10);
const BATCH: usize = 256;

impl Writer {
    /// `crowd`: those who wait for a processor.
    pub fn start(manager: Manager, crowd: Crowd) -> Result<Self, StoreError> {
        let conn = manager.connect().map_err(unavailable)?;
        let (jobs, queue) = mpsc::channel(WAITING);
        let thread = thread::Builder::new().name("sqlite-writer".into());
        thread.spawn(move || write_batches(queue, conn, &manager, &crowd)).map_err(unavailable)?;
        Ok(Self { jobs })
    }

    /// Queues `job` and waits for its commit. A caller that goes away does not take its job back.
    pub async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |c, place| {
            let outcome = whole_or_undone(c, place, job);
            let whole = outcome.is_ok();
            let answer = move |committed: bool| {
                let _ = reply.send(match outcome {
                    Ok(Ok(value)) if committed => Ok(value),
                    Ok(Err(error)) => Err(error.into()),
                    Ok(Ok(_)) | Err(_) => Err(unavailable("the transaction could not be committed")),
                });
            };
            (whole, Box::new(answer))
        });
        self.jobs.send(job).await.map_err(|_| unavailable("the writer has ended"))?;
        answer.await.map_err(|_| unavailable("the writer has ended"))?
    }
}

fn write_batches(mut queue: mpsc::Receiver<Job>, conn: Conn, manager: &Manager, crowd: &Crowd) {
    let mut conn = Some(conn);
    while let Some(first) = queue.blocking_recv() {
        // Most who write now wait for a processor next: they lose nothing by waiting here, and others come to share the commit.
        if crowd.waits() {
            thread::sleep(COMPANY);
        }
        let Some(mut c) = conn.take().or_else(|| manager.connect().ok()) else {
            tracing::error!("the database file can't be opened; a write was refused");
            continue;
        };
        let (committed, answers) = batch(&mut c, first, &mut queue);
        // A connection whose transaction went wrong is dropped, which rolls back whatever it still holds.
        conn = committed.then_some(c);
        for answer in answers {
            answer(committed);
        }
    }
}

fn batch(c: &mut Conn, first: Job, queue: &mut mpsc::Receiver<Job>) -> (bool, Vec<Answer>) {
    // IMMEDIATE: a transaction that reads first and writes later fails at once when a command writes beside us.
    let begun = match sqlite(c) {
        Ok(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"),
        Err(error) => Err(error),
    };
    if let Err(error) = begun {
        tracing::error!(%error, "no write transaction could be opened");
        // Those behind would each wait as long again for whoever holds the file.
        while queue.try_recv().is_ok() {}
        return (false, Vec::new());
    }
    let mut answers = Vec::new();
    let mut next = Some((first, Place::First));
    let mut whole = true;
    while let Some((job, place)) = next.take() {
        let (still_whole, answer) = job(c, place);
        answers.push(answer);
        whole = still_whole;
        if whole && depth(c) == Ok(0) {
            // The first was undone, and the transaction with it.
            return (true, answers);
        }
        if whole && answers.len() < BATCH {
            next = waiting(queue).map(|job| (job, Place::Later));
        }
    }
    let committed = whole && {
        let committed = sqlite(c).and_then(AnsiTransactionManager::commit_transaction);
        committed.inspect_err(|error| tracing::error!(%error, "a batch could not be committed")).is_ok()
    };
    (committed, answers)
}

/// The next job, if there is one after others had a moment to send theirs: what many jobs change is written once a batch.
fn waiting(queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
    const MOMENTS: usize = 2;
    (0..=MOMENTS).find_map(|moment| {
        if moment > 0 {
            thread::yield_now();
        }
        queue.try_recv().ok()
    })
}

/// The inner result is the job's; the outer one fails when the transaction around it is lost.
fn whole_or_undone<T>(
    c: &mut Conn,
    place: Place,
    job: impl FnOnce(&mut Conn) -> QueryResult<T>,
) -> QueryResult<QueryResult<T>> {
    if place == Place::Later {
        AnsiTransactionManager::begin_transaction(sqlite(c)?)?;
    }
    let base = depth(c)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| job(c)));
    let outcome = match outcome {
        Ok(Ok(value)) if depth(c)? == base => {
            if place == Place::Later {
                AnsiTransactionManager::commit_transaction(sqlite(c)?)?;
            }
            return Ok(Ok(value));
        }
        Ok(Err(error)) => Err(error),
        // A panic, or a transaction left open: what the job did can't be told, so it did nothing.
        Ok(Ok(_)) | Err(_) => Err(Error::RollbackTransaction),
    };
    let undone = undo(c, base);
    undone.inspect_err(|_| tracing::error!(error = ?outcome.as_ref().err(), "a batch was lost"))?;
    Ok(outcome)
}

/// Takes back what was done at this depth and below it, and nothing else. A full disk makes SQLite roll back the whole batch by
/// itself: then there is no savepoint any more, or, where that was in the middle of the job, nothing at all.
fn undo(c: &mut Conn, base: u32) -> QueryResult<()> {
    while depth(c)? >= base {
        AnsiTransactionManager::rollback_transaction(sqlite(c)?)?;
    }
    if depth(c)? + 1 == base { Ok(()) } else { Err(Error::BrokenTransactionManager) }
}

fn depth(c: &mut Conn) -> QueryResult<u32> {
    match AnsiTransactionManager::transaction_manager_status_mut(sqlite(c)?) {
        TransactionManagerStatus::Valid(status) => Ok(status.transaction_depth().map_or(0, u32::from)),
        TransactionManagerStatus::InError => Err(Error::BrokenTransactionManager),
    }
}

fn sqlite(c: &mut Conn) -> QueryResult<&mut SqliteConnection> {
    match c {
        Conn::Sqlite(c) => Ok(c),
        Conn::Postgres(_) => Err(Error::BrokenTransactionManager),
    }
}
