//! Failed sign-ins, counted for the owner of an account to be told: what success clears is told first. Brakes have counters of
//! their own (`throttles.rs`). Names that nobody has share sixty-four rows, for the same work.

use super::connection::Conn;
use super::schema::failed_sign_ins;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::UserId;
use crate::base::time::Time;
use diesel::prelude::*;

/// What an owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedSignIns {
    pub count: i64,
    pub last_at: Time,
}

/// One more: the same two statements and one row, whoever `about` is.
pub fn count(c: &mut Conn, about: &str, now: Time) -> QueryResult<()> {
    diesel::insert_into(failed_sign_ins::table)
        .values((
            failed_sign_ins::about.eq(about),
            failed_sign_ins::failures.eq(0),
            failed_sign_ins::last_at.eq(now.micros()),
            failed_sign_ins::told.eq(0),
            failed_sign_ins::told_last_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .run(c)?;
    let one_more = (
        failed_sign_ins::failures.eq(failed_sign_ins::failures + 1),
        failed_sign_ins::last_at.eq(now.micros()),
    );
    change(failed_sign_ins::table, failed_sign_ins::about.eq(about), one_more).run(c).map(drop)
}

/// The user signs in: what was counted until now is what they are told.
pub fn tell(c: &mut Conn, user: &UserId) -> QueryResult<()> {
    let own = failed_sign_ins::about.eq(user.as_str());
    let any = failed_sign_ins::failures.gt(0).or(failed_sign_ins::told.gt(0));
    let values = (
        failed_sign_ins::told.eq(failed_sign_ins::failures),
        failed_sign_ins::told_last_at.eq(failed_sign_ins::last_at),
        failed_sign_ins::failures.eq(0),
    );
    change(failed_sign_ins::table, own.and(any), values).run(c).map(drop)
}

/// What there is to tell: before the last sign-in, and since.
pub fn of_user(c: &mut Conn, user: &UserId) -> QueryResult<Option<FailedSignIns>> {
    let row = failed_sign_ins::table.find(user.as_str()).select((
        failed_sign_ins::failures,
        failed_sign_ins::last_at,
        failed_sign_ins::told,
        failed_sign_ins::told_last_at,
    ));
    let told = row.row::<(i64, i64, i64, i64)>(c)?.map(|(failures, last_at, told, told_last_at)| {
        let last_at = if failures > 0 { last_at } else { told_last_at };
        FailedSignIns { count: failures + told, last_at: Time::from_micros(last_at) }
    });
    Ok(told.filter(|told| told.count > 0))
}

/// The user is deleted.
pub fn forget(c: &mut Conn, user: &UserId) -> QueryResult<()> {
    diesel::delete(failed_sign_ins::table.find(user.as_str())).run(c).map(drop)
}
