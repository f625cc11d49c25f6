//! Counters: of failures in a row, and of what there is only so much of in a time. One of failures is raised before the proof is looked
//! at, and taken back when it was right.

use super::connection::Conn;
use super::schema::throttles;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;
use diesel::result::Error;

/// A counter, and how it brakes.
#[derive(Clone, Debug)]
pub struct Counter {
    pub key: String,
    /// Failures that cost nothing.
    pub free: i64,
    /// The wait after the first failure beyond; it doubles with each further one.
    pub first_wait: Seconds,
    pub longest_wait: Seconds,
    /// How long failures are remembered without another.
    pub memory: Seconds,
}

/// At most so many in a time that begins with the first of them.
#[derive(Clone, Debug)]
pub struct Ration {
    pub key: String,
    pub most: i64,
    pub time: Seconds,
}

/// What counts the failures of one factor, wherever they come from. It goes with the factor.
pub fn of_factor(user: &UserId, factor: &CredentialId) -> String {
    format!("{}{factor}", of_factors(user))
}

/// How those of all factors of a user begin.
pub fn of_factors(user: &UserId) -> String {
    format!("factor {user} ")
}

/// Takes one of the ration; or says when there is a new one. Of those who take at once, no more get one than there are.
pub fn spend(c: &mut Conn, ration: &Ration, now: Time) -> QueryResult<Result<(), Time>> {
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let this = throttles::key.eq(&ration.key);
        let left = this.and(throttles::expires_at.gt(now.micros())).and(throttles::failures.lt(ration.most));
        let one_more = throttles::failures.eq(throttles::failures + 1);
        if change(throttles::table, left, one_more).run(c)? == 1 {
            return Ok(Ok(()));
        }
        if insert(c, &ration.key, 0, now.plus(ration.time).micros())? {
            return Ok(Ok(()));
        }
        let until = throttles::table
            .find(&ration.key)
            .filter(throttles::expires_at.gt(now.micros()))
            .filter(throttles::failures.ge(ration.most))
            .select(throttles::expires_at)
            .row::<i64>(c)?;
        if let Some(until) = until {
            return Ok(Err(Time::from_micros(until)));
        }
        forget(c, &ration.key, now)?;
    }
    super::lost()
}

/// Counts one try on every counter; or, if one of them brakes, counts nothing and says until when. Of tries at once each is
/// counted: nothing is read that is written back. Everybody takes the rows in the same order, so that nobody waits in a circle.
pub fn raise(c: &mut Conn, counters: &[Counter], now: Time) -> QueryResult<Result<(), Time>> {
    let mut ordered = counters.iter().collect::<Vec<_>>();
    ordered.sort_by(|one, other| one.key.cmp(&other.key));
    let mut until = None;
    let raised = c.transaction(|c| {
        for counter in ordered {
            until = until.max(raise_one(c, counter, now)?.err());
        }
        if until.is_some() { Err(Error::RollbackTransaction) } else { Ok(()) }
    });
    match (until, raised) {
        (Some(until), _) => Ok(Err(until)),
        (None, raised) => raised.map(Ok),
    }
}

/// Until when the counter brakes, if it does.
pub fn braked(c: &mut Conn, key: &str, now: Time) -> QueryResult<Option<Time>> {
    let until = throttles::table
        .find(key)
        .filter(throttles::expires_at.gt(now.micros()))
        .select(throttles::not_before)
        .row::<i64>(c)?;
    Ok(until.map(Time::from_micros).filter(|until| *until > now))
}

/// Takes a counter back to nothing: the proof was right.
pub fn clear(c: &mut Conn, key: &str) -> QueryResult<()> {
    diesel::delete(throttles::table.find(key)).run(c).map(drop)
}

/// Takes back every counter whose key begins so. For administrators, not for requests.
pub fn clear_all(c: &mut Conn, beginning: &str) -> QueryResult<()> {
    diesel::delete(throttles::table.filter(throttles::key.like(format!("{beginning}%")))).run(c).map(drop)
}

/// Takes one try back, and no more: the other failures of a source may have been about others.
pub fn lower(c: &mut Conn, key: &str) -> QueryResult<()> {
    let raised = throttles::key.eq(key).and(throttles::failures.gt(0));
    let values = (throttles::failures.eq(throttles::failures - 1), throttles::not_before.eq(0));
    change(throttles::table, raised, values).run(c).map(drop)
}

/// Forgets a counter that counts nothing.
pub fn forget_empty(c: &mut Conn, key: &str) -> QueryResult<()> {
    diesel::delete(throttles::table.find(key)).filter(throttles::failures.le(0)).run(c).map(drop)
}

/// Takes one of the `most` that may be had under this key, and one more, which is the last; says which one it is. `None`: there are
/// none left.
pub fn take_one(c: &mut Conn, key: &str, most: i64, expires_at: Time) -> QueryResult<Option<i64>> {
    let more = |c: &mut Conn| {
        diesel::update(throttles::table.find(key))
            .filter(throttles::failures.le(most))
            .set(throttles::failures.eq(throttles::failures + 1))
            .returning(throttles::failures)
            .row::<i64>(c)
    };
    if let Some(taken) = more(c)? {
        return Ok(Some(taken));
    }
    let first = diesel::insert_into(throttles::table)
        .values((
            throttles::key.eq(key),
            throttles::failures.eq(1),
            throttles::not_before.eq(0),
            throttles::expires_at.eq(expires_at.micros()),
        ))
        .on_conflict_do_nothing()
        .run(c)?;
    // Another one was the first, in this very moment.
    if first == 1 { Ok(Some(1)) } else { more(c) }
}

fn raise_one(c: &mut Conn, counter: &Counter, now: Time) -> QueryResult<Result<(), Time>> {
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let raised = diesel::update(throttles::table.find(&counter.key))
            .filter(throttles::expires_at.gt(now.micros()))
            .filter(throttles::not_before.le(now.micros()))
            .set(throttles::failures.eq(throttles::failures + 1))
            .returning(throttles::failures)
            .kept()
            .row::<i64>(c)?;
        if let Some(failures) = raised {
            return brake(c, counter, failures, now).map(Ok);
        }
        if begin(c, counter, now)? {
            return Ok(Ok(()));
        }
        if let Some(until) = braked(c, &counter.key, now)? {
            return Ok(Err(until));
        }
        forget(c, &counter.key, now)?;
    }
    super::lost()
}

/// The row is this transaction's since it was raised.
fn brake(c: &mut Conn, counter: &Counter, failures: i64, now: Time) -> QueryResult<()> {
    let values = (
        throttles::not_before.eq(counter.not_before(failures, now)),
        throttles::expires_at.eq(counter.expires_at(failures, now)),
    );
    change(throttles::table, throttles::key.eq(&counter.key), values).run(c).map(drop)
}

/// The first failure; `false` if others are remembered.
fn begin(c: &mut Conn, counter: &Counter, now: Time) -> QueryResult<bool> {
    insert(c, &counter.key, counter.not_before(1, now), counter.expires_at(1, now))
}

fn insert(c: &mut Conn, key: &str, not_before: i64, expires_at: i64) -> QueryResult<bool> {
    diesel::insert_into(throttles::table)
        .values((
            throttles::key.eq(key),
            throttles::failures.eq(1),
            throttles::not_before.eq(not_before),
            throttles::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .run(c)
        .map(|rows| rows == 1)
}

/// What is remembered no longer.
fn forget(c: &mut Conn, key: &str, now: Time) -> QueryResult<()> {
    diesel::delete(throttles::table.find(key)).filter(throttles::expires_at.le(now.micros())).run(c).map(drop)
}

impl Counter {
    /// Where there is nothing to wait for, no time at all: a try beside this one, or an instance beside us, may have read a clock
    /// that is a little behind.
    fn not_before(&self, failures: i64, now: Time) -> i64 {
        match self.wait(failures) {
            Seconds(0) => 0,
            wait => now.plus(wait).micros(),
        }
    }

    fn expires_at(&self, failures: i64, now: Time) -> i64 {
        now.plus(self.wait(failures)).plus(self.memory).micros()
    }

    fn wait(&self, failures: i64) -> Seconds {
        let beyond = failures - self.free;
        if beyond <= 0 {
            return Seconds(0);
        }
        let doublings = u32::try_from(beyond - 1).unwrap_or(u32::MAX).min(20);
        Seconds(self.first_wait.0.saturating_mul(1 << doublings)).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_after_the_free_failures_and_doubles_up_to_the_longest() {
        let counter = Counter {
            key: "k".into(),
            free: 5,
            first_wait: Seconds(2),
            longest_wait: Seconds::minutes(15),
            memory: Seconds::days(1),
        };
        let waits = [0, 5, 6, 7, 8, 14, 15, 16, i64::MAX].map(|failures| counter.wait(failures).0);
        assert_eq!(waits, [0, 0, 2, 4, 8, 512, 900, 900, 900]);
    }
}
