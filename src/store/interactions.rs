//! Requests that need a page. A row belongs to one browser, moves one step at a time, and finishes once: then it is gone.
//! What it needs, what was proved and what follows are JSON that only their owners read.

use super::ceremonies;
use super::connection::Conn;
use super::schema::interactions;
use super::sessions;
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

/// Of those in which a form was taken, the most that a source may have open with nobody known in them, and a browser in which
/// somebody is known.
pub const MOST_POSTED: i64 = 50;
/// Of those that nobody has answered yet: one more, and the oldest go, a few at once. It shuts nobody out.
const MOST_UNPOSTED_OF_SOURCE: i64 = 200;
const MOST_UNPOSTED_OF_BROWSER: i64 = 50;
const AT_ONCE: usize = 10;
/// So many rows at most are taken away at once.
const PIECE: i64 = 100;

/// Whose bound an interaction is under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An anonymous visitor's network.
    Source(String),
    /// One in which somebody has proved who they are: no stranger behind the same address takes its place.
    Browser(BrowserId),
}

/// Makes room for one more of `owner`; `false` when too many are open in which a form was taken. The oldest of those that nobody
/// has answered go, and the browsers that were only there for them.
pub fn make_room(c: &mut Conn, owner: &Owner, now: Time) -> QueryResult<bool> {
    if posted(c, owner, now)? >= MOST_POSTED {
        return Ok(false);
    }
    let unposted = interactions::posted.eq(false).and(interactions::finished_at.is_null());
    let (id, browser) = (interactions::id, interactions::browser_id);
    let old = match owner {
        Owner::Source(source) => interactions::table
            .filter(interactions::source.eq(source))
            .filter(unposted)
            .order(id.desc())
            .offset(MOST_UNPOSTED_OF_SOURCE - AT_ONCE as i64)
            .limit(PIECE)
            .select((id, browser))
            .rows::<(String, String)>(c)?,
        Owner::Browser(own) => interactions::table
            .filter(browser.eq(own.as_str()))
            .filter(unposted)
            .order(id.desc())
            .offset(MOST_UNPOSTED_OF_BROWSER - AT_ONCE as i64)
            .limit(PIECE)
            .select((id, browser))
            .rows::<(String, String)>(c)?,
    };
    if old.len() >= AT_ONCE {
        let (old, browsers): (Vec<_>, Vec<_>) = old.into_iter().unzip();
        // One that was answered in this very moment stays.
        let old = interactions::table.filter(id.eq_any(old)).filter(unposted);
        let gone = diesel::delete(old).returning(id).rows::<String>(c)?;
        ceremonies::end(c, &gone)?;
        if let Owner::Source(_) = owner {
            sessions::forget_idle(c, &browsers)?;
        }
    }
    Ok(true)
}

/// Whether a form of the interaction may be taken: its first one makes it one of those that are counted.
pub fn may_post(c: &mut Conn, row: &InteractionRow, browser: &BrowserId, now: Time) -> QueryResult<bool> {
    let source = interactions::table
        .filter(interactions::id.eq(row.id.as_str()))
        .filter(interactions::posted.eq(false))
        .select(interactions::source)
        .row::<Option<String>>(c)?;
    let owner = match source {
        None => return Ok(true),
        Some(Some(source)) => Owner::Source(source),
        Some(None) => Owner::Browser(browser.clone()),
    };
    Ok(posted(c, &owner, now)? < MOST_POSTED)
}

/// How many are open of which a form was taken.
fn posted(c: &mut Conn, owner: &Owner, now: Time) -> QueryResult<i64> {
    let posted = interactions::posted.eq(true).and(interactions::finished_at.is_null());
    let open = posted.and(interactions::expires_at.gt(now.micros()));
    let count = match owner {
        Owner::Source(source) => {
            interactions::table.filter(interactions::source.eq(source)).filter(open).count().row::<i64>(c)
        }
        Owner::Browser(own) => interactions::table
            .filter(interactions::browser_id.eq(own.as_str()))
            .filter(open)
            .count()
            .row::<i64>(c),
    };
    Ok(count?.unwrap_or_default())
}

/// Opens an interaction, for which there is room.
pub fn open(
    c: &mut Conn,
    row: &InteractionRow,
    browser: &BrowserId,
    owner: &Owner,
    expires_at: Time,
) -> QueryResult<()> {
    let source = match owner {
        Owner::Source(source) => Some(source),
        Owner::Browser(_) => None,
    };
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
        .run(c)
        .map(drop)
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
        interactions::posted.eq(true),
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

/// Finishes whatever is open in a browser about this user; those of others who are signed in beside them go on. For administrators,
/// not for requests.
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

/// Takes away whatever a form was taken of in a browser and is about this user; those of others who are signed in beside them go
/// on. Proofs rest in no others, and of these there are never many.
pub fn end_posted(c: &mut Conn, browser: &BrowserId, user: &UserId) -> QueryResult<()> {
    let own = interactions::browser_id.eq(browser.as_str()).and(interactions::posted.eq(true));
    let own = own.and(interactions::user_id.eq(user.as_str()));
    let gone = diesel::delete(interactions::table.filter(own)).returning(interactions::id).rows(c)?;
    ceremonies::end(c, &gone)
}

/// Takes away a piece of the others, from `after` on, likewise; says where the next one begins.
pub fn end_piece(
    c: &mut Conn,
    browser: &BrowserId,
    user: &UserId,
    after: &str,
) -> QueryResult<Option<String>> {
    let piece = interactions::table
        .filter(interactions::browser_id.eq(browser.as_str()))
        .filter(interactions::posted.eq(false))
        .filter(interactions::finished_at.is_null())
        .filter(interactions::id.gt(after))
        .order(interactions::id)
        .limit(PIECE)
        .select(interactions::id)
        .rows::<String>(c)?;
    let Some(last) = piece.last().cloned() else { return Ok(None) };
    let own = interactions::table.filter(interactions::id.eq_any(piece));
    let own = own.filter(interactions::user_id.eq(user.as_str()));
    let gone = diesel::delete(own).returning(interactions::id).rows(c)?;
    ceremonies::end(c, &gone)?;
    Ok(Some(last))
}

/// Finishes the interaction at the step that was read, likewise: it is answered once, and nothing of it is left.
pub fn finish(c: &mut Conn, row: &InteractionRow, now: Time) -> QueryResult<()> {
    let finished = diesel::delete(interactions::table)
        .filter(interactions::id.eq(row.id.as_str()))
        .filter(interactions::step.eq(row.step))
        .filter(interactions::finished_at.is_null())
        .filter(interactions::expires_at.gt(now.micros()))
        .run(c)?;
    match finished {
        1 => ceremonies::end(c, &[row.id.to_string()]),
        _ => super::lost(),
    }
}
