//! Counters of failures in a row. A counter is raised before the proof is looked at, and taken back when it was right.

use super::connection::Conn;
use super::schema::throttles;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;

/// A counter, and how it brakes.
#[derive(Clone, Debug)]
pub struct Counter {
    pub key: String,
    /// Failures that cost nothing.
    pub free: i64,
    /// The wait after the first failure beyond; it doubles with each further one.
    pub first_wait: Seconds,
    pub longest_wait: Seconds,
}

/// Failures are forgotten after a day without another.
const MEMORY: Seconds = Seconds::days(1);

/// Counts one try on every counter; or, if one of them brakes, counts nothing and says until when.
pub fn raise(c: &mut Conn, counters: &[Counter], now: Time) -> QueryResult<Result<(), Time>> {
    let mut seen = Vec::new();
    for counter in counters {
        let row = throttles::table
            .find(&counter.key)
            .filter(throttles::expires_at.gt(now.micros()))
            .select((throttles::failures, throttles::not_before))
            .first::<(i64, i64)>(c)
            .optional()?;
        seen.push(row.map(|(failures, not_before)| (failures, Time::from_micros(not_before))));
    }
    if let Some(until) = seen.iter().flatten().map(|(_, until)| *until).filter(|until| *until > now).max() {
        return Ok(Err(until));
    }
    for (counter, seen) in counters.iter().zip(seen) {
        let failures = seen.map_or(1, |(failures, _)| failures + 1);
        if !write(c, counter, seen.map(|(failures, _)| failures), failures, now)? {
            // Another try was counted meanwhile; whoever sent both at once may send one of them again.
            return super::lost();
        }
    }
    Ok(Ok(()))
}

/// Takes a counter back to nothing: the proof was right.
pub fn clear(c: &mut Conn, key: &str) -> QueryResult<()> {
    diesel::delete(throttles::table.find(key)).execute(c).map(drop)
}

/// Takes one try back, and no more: the other failures of a source may have been about others.
pub fn lower(c: &mut Conn, key: &str) -> QueryResult<()> {
    diesel::update(throttles::table.find(key))
        .filter(throttles::failures.gt(0))
        .set((throttles::failures.eq(throttles::failures - 1), throttles::not_before.eq(0)))
        .execute(c)
        .map(drop)
}

/// Writes the number that follows the one that was seen; `false` if it is another one by now.
fn write(c: &mut Conn, counter: &Counter, seen: Option<i64>, failures: i64, now: Time) -> QueryResult<bool> {
    let (not_before, expires_at) = (now.plus(counter.wait(failures)), now.plus(MEMORY));
    if let Some(seen) = seen {
        return diesel::update(throttles::table.find(&counter.key))
            .filter(throttles::failures.eq(seen))
            .set((
                throttles::failures.eq(failures),
                throttles::not_before.eq(not_before.micros()),
                throttles::expires_at.eq(expires_at.micros()),
            ))
            .execute(c)
            .map(|rows| rows == 1);
    }
    diesel::delete(throttles::table.find(&counter.key))
        .filter(throttles::expires_at.le(now.micros()))
        .execute(c)?;
    let inserted = c.transaction(|c| {
        diesel::insert_into(throttles::table)
            .values((
                throttles::key.eq(&counter.key),
                throttles::failures.eq(failures),
                throttles::not_before.eq(not_before.micros()),
                throttles::expires_at.eq(expires_at.micros()),
            ))
            .execute(c)
    });
    super::unless_taken(inserted)
}

impl Counter {
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
        let counter =
            Counter { key: "k".into(), free: 5, first_wait: Seconds(2), longest_wait: Seconds::minutes(15) };
        let waits = [0, 5, 6, 7, 8, 14, 15, 16, i64::MAX].map(|failures| counter.wait(failures).0);
        assert_eq!(waits, [0, 0, 2, 4, 8, 512, 900, 900, 900]);
    }
}
