//! Requests that need a page. A row belongs to one browser, moves one step at a time, and finishes once.
//! What it needs, what was proved and what follows are JSON that only their owners read.

use super::connection::Conn;
use super::schema::interactions;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::BrowserId;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use diesel::prelude::*;

#[derive(Clone, Debug)]
pub struct InteractionRow {
    pub id: InteractionId,
    pub need: String,
    pub then_kind: String,
    pub then_body: String,
    pub resting: Resting,
    /// Counts completed steps; a form carries the step it was made for.
    pub step: i64,
    pub asked_at: Time,
}

/// What rests in an interaction between two steps.
#[derive(Clone, Debug)]
pub struct Resting {
    /// Whom it is about, once that is known.
    pub user: Option<UserId>,
    pub progress: String,
}

/// The most interactions that one source may have open without anybody known in them.
pub const OPEN_PER_SOURCE: i64 = 50;

/// Opens an interaction; `false` when its source has too many open already. `source` is that of an anonymous visitor:
/// those who are signed in are not counted.
pub fn open(
    c: &mut Conn,
    row: &InteractionRow,
    browser: &BrowserId,
    source: Option<&str>,
    expires_at: Time,
) -> QueryResult<bool> {
    if let Some(source) = source {
        let open = interactions::table
            .filter(interactions::source.eq(source))
            .filter(interactions::expires_at.gt(row.asked_at.micros()))
            .filter(interactions::finished_at.is_null())
            .count()
            .row::<i64>(c)?;
        if open.is_some_and(|open| open >= OPEN_PER_SOURCE) {
            return Ok(false);
        }
    }
    diesel::insert_into(interactions::table)
        .values((
            interactions::id.eq(row.id.as_str()),
            interactions::browser_id.eq(browser.as_str()),
            interactions::source.eq(source),
            interactions::need.eq(&row.need),
            interactions::then_kind.eq(&row.then_kind),
            interactions::then_body.eq(&row.then_body),
            interactions::user_id.eq(row.resting.user.as_ref().map(UserId::as_str)),
            interactions::progress.eq(&row.resting.progress),
            interactions::step.eq(row.step),
            interactions::asked_at.eq(row.asked_at.micros()),
            interactions::expires_at.eq(expires_at.micros()),
        ))
        .run(c)?;
    Ok(true)
}

/// The open interaction of this browser.
pub fn load(
    c: &mut Conn,
    id: &InteractionId,
    browser: &BrowserId,
    now: Time,
) -> QueryResult<Option<InteractionRow>> {
    let row = interactions::table
        .filter(interactions::id.eq(id.as_str()))
        .filter(interactions::browser_id.eq(browser.as_str()))
        .filter(interactions::finished_at.is_null())
        .filter(interactions::expires_at.gt(now.micros()))
        .select((
            interactions::need,
            interactions::then_kind,
            interactions::then_body,
            interactions::user_id,
            interactions::progress,
            interactions::step,
            interactions::asked_at,
        ))
        .row::<(String, String, String, Option<String>, String, i64, i64)>(c)?;
    Ok(row.map(|(need, then_kind, then_body, user, progress, step, asked_at)| InteractionRow {
        id: id.clone(),
        need,
        then_kind,
        then_body,
        resting: Resting { user: user.map(UserId::from_text), progress },
        step,
        asked_at: Time::from_micros(asked_at),
    }))
}

/// Takes the step that `row` was read at. Of two forms sent for one step, one does; the other one's transaction is
/// [lost](super::lost).
pub fn advance(c: &mut Conn, row: &InteractionRow, to: &Resting, expires_at: Time) -> QueryResult<()> {
    let values = (
        interactions::step.eq(row.step + 1),
        interactions::user_id.eq(to.user.as_ref().map(UserId::as_str)),
        interactions::progress.eq(&to.progress),
        interactions::expires_at.eq(expires_at.micros()),
    );
    let as_read = interactions::id.eq(row.id.as_str()).and(interactions::step.eq(row.step));
    let as_read = as_read.and(interactions::finished_at.is_null());
    match change(interactions::table, as_read, values).run(c)? {
        1 => Ok(()),
        _ => super::lost(),
    }
}

/// Finishes whatever is open in a browser about this user; those of others who are signed in beside them go on.
pub fn finish_of(c: &mut Conn, browser: &BrowserId, user: &UserId, now: Time) -> QueryResult<()> {
    diesel::update(interactions::table)
        .filter(interactions::user_id.eq(user.as_str()))
        .filter(interactions::browser_id.eq(browser.as_str()))
        .filter(interactions::finished_at.is_null())
        .set(interactions::finished_at.eq(now.micros()))
        .run(c)
        .map(drop)
}

/// Finishes whatever is open about this user, in every browser. Who records a proof holds the user's row until it is written
/// ([`stays`](super::users::stays)), and is waited for by [`hold`](super::users::hold), so that none is left behind.
pub fn finish_all(c: &mut Conn, user: &UserId, now: Time) -> QueryResult<()> {
    diesel::update(interactions::table)
        .filter(interactions::user_id.eq(user.as_str()))
        .filter(interactions::finished_at.is_null())
        .set(interactions::finished_at.eq(now.micros()))
        .run(c)
        .map(drop)
}

/// Finishes the interaction at the step that was read, likewise: it is answered once.
pub fn finish(c: &mut Conn, row: &InteractionRow, now: Time) -> QueryResult<()> {
    let as_read = interactions::id.eq(row.id.as_str()).and(interactions::step.eq(row.step));
    let as_read = as_read.and(interactions::finished_at.is_null());
    let values = interactions::finished_at.eq(now.micros());
    match change(interactions::table, as_read, values).run(c)? {
        1 => Ok(()),
        _ => super::lost(),
    }
}
