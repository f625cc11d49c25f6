//! Browsers and their sessions; each session's ledger is in `events`.
//! A browser's row is found by its cookie's hash only; an id out of a URL opens nothing.

use super::connection::Conn;
use super::events;
use super::grants;
use super::pace;
use super::schema;
use super::schema::browsers;
use super::schema::interactions;
use super::schema::remembered_accounts;
use super::schema::session_clients;
use super::schema::sessions;
use super::schema::users;
use super::statement::Statement;
use super::statement::change;
use crate::assurance::ledger::Event;
use crate::base::id::BrowserId;
use crate::base::id::ClientId;
use crate::base::id::EventId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::SecretHash;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::dsl::case_when;
use diesel::dsl::exists;
use diesel::dsl::not;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// A browser and the sessions that live in it.
#[derive(Clone, Debug)]
pub struct Browser {
    pub id: BrowserId,
    pub secret_hash: SecretHash,
    pub sessions: Vec<Session>,
}

/// A live session: a user who is enabled, with the events that stand, oldest first.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub username: String,
    pub seen_at: Time,
    pub events: Vec<Event>,
}

/// How long a session may live: idle, and in all.
#[derive(Clone, Copy, Debug)]
pub struct SessionLife {
    pub idle: Seconds,
    pub whole: Seconds,
}

impl Session {
    /// Whether it is known well enough that the session is in use: of silent requests that follow one upon another the first one
    /// writes. The session ends by a thousandth of its idle time too early at most, never too late.
    pub fn is_noted(&self, life: SessionLife, now: Time) -> bool {
        let (since, thousandth) = (now.micros() - self.seen_at.micros(), i64::from(life.idle.0) * 1_000);
        (0..thousandth).contains(&since)
    }
}

pub fn insert_browser(c: &mut Conn, id: &BrowserId, hash: &SecretHash, expires_at: Time) -> QueryResult<()> {
    diesel::insert_into(browsers::table)
        .values((
            browsers::id.eq(id.as_str()),
            browsers::secret_hash.eq(hash.as_str()),
            browsers::expires_at.eq(expires_at.micros()),
        ))
        .run(c)
        .map(drop)
}

/// Keeps a browser's row until `until` at least: an open interaction needs it.
pub fn keep_browser(c: &mut Conn, id: &BrowserId, until: Time) -> QueryResult<()> {
    let shorter = browsers::id.eq(id.as_str()).and(browsers::expires_at.lt(until.micros()));
    change(browsers::table, shorter, browsers::expires_at.eq(until.micros())).run(c).map(drop)
}

/// Takes browsers away in which nobody ever was and nothing is open; says how many. Nobody misses them: the next page gives them another
/// cookie.
pub fn forget_idle(c: &mut Conn, ids: &[String]) -> QueryResult<usize> {
    let sessions = sessions::table.filter(sessions::browser_id.eq(browsers::id)).select(sessions::id);
    let open = interactions::table.filter(interactions::browser_id.eq(browsers::id)).select(interactions::id);
    let known = remembered_accounts::table
        .filter(remembered_accounts::browser_id.eq(browsers::id))
        .select(remembered_accounts::user_id);
    diesel::delete(browsers::table)
        .filter(browsers::id.eq_any(ids))
        .filter(not(exists(sessions)))
        .filter(not(exists(open)))
        .filter(not(exists(known)))
        .run(c)
}

/// The browser that holds this cookie, its live sessions and their standing events.
pub fn browser(
    c: &mut Conn,
    hash: &SecretHash,
    life: SessionLife,
    now: Time,
) -> QueryResult<Option<Browser>> {
    let found = browsers::table
        .filter(browsers::secret_hash.eq(hash.as_str()))
        .filter(browsers::expires_at.gt(now.micros()))
        .select(browsers::id)
        .row::<String>(c)?;
    let Some(id) = found else { return Ok(None) };
    let sessions = live_sessions(c, &id, life, now)?;
    Ok(Some(Browser { id: BrowserId::from_text(id), secret_hash: hash.clone(), sessions }))
}

fn live_sessions(c: &mut Conn, browser: &str, life: SessionLife, now: Time) -> QueryResult<Vec<Session>> {
    let mut rows = sessions::table
        .inner_join(users::table)
        .left_join(schema::events::table)
        .filter(sessions::browser_id.eq(browser))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()))
        .filter(sessions::seen_at.gt(now.minus(life.idle).micros()))
        .filter(users::disabled_at.is_null())
        .select((
            sessions::id,
            sessions::user_id,
            users::username,
            sessions::seen_at,
            events::COLUMNS.nullable(),
        ))
        .rows::<Row>(c)?;
    // Here: SQLite builds a table of its own to sort a handful of rows.
    rows.sort_by(|one, other| place(one).cmp(&place(other)));
    let mut live = Vec::<Session>::new();
    for (id, user, username, seen_at, row) in rows {
        if live.last().is_none_or(|session| session.id.as_str() != id) {
            live.push(Session {
                id: SessionId::from_text(id),
                user: UserId::from_text(user),
                username,
                seen_at: Time::from_micros(seen_at),
                events: Vec::new(),
            });
        }
        if let (Some(session), Some(event)) = (live.last_mut(), row.and_then(events::standing)) {
            session.events.push(event);
        }
    }
    // A session with no standing event has ended.
    live.retain(|session| !session.events.is_empty());
    Ok(live)
}

/// Session, user, their name, when it was seen, and one of its events.
type Row = (String, String, String, i64, Option<events::Row>);

/// Session by session, and of each the oldest event first.
fn place(row: &Row) -> (&str, Option<(i64, &str)>) {
    let (session, _, _, _, event) = row;
    (session, event.as_ref().map(|(event, _, at, ..)| (*at, event.as_str())))
}

/// Replaces the browser's secret; `false` if another answer did so first.
pub fn rotate(c: &mut Conn, browser: &Browser, new: &SecretHash, expires_at: Time) -> QueryResult<bool> {
    let same = browsers::id.eq(browser.id.as_str());
    let same = same.and(browsers::secret_hash.eq(browser.secret_hash.as_str()));
    let values = (browsers::secret_hash.eq(new.as_str()), browsers::expires_at.eq(expires_at.micros()));
    change(browsers::table, same, values).run(c).map(|rows| rows == 1)
}

/// Of one person, those that have ended and are still known included; one more, and the oldest is over and gone.
const MOST_OF_USER: i64 = 500;
const PIECE: i64 = 100;

/// Opens a session for `user`, ending what is left of an expired one of theirs in this browser.
pub fn open(
    c: &mut Conn,
    session: &SessionId,
    of: (&BrowserId, &UserId),
    life: SessionLife,
    now: Time,
) -> QueryResult<()> {
    let (browser, user) = of;
    let before = sessions::browser_id.eq(browser.as_str()).and(sessions::user_id.eq(user.as_str()));
    let before = before.and(sessions::ended_at.is_null());
    change(sessions::table, before, sessions::ended_at.eq(now.micros())).run(c)?;
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(session.as_str()),
            sessions::browser_id.eq(browser.as_str()),
            sessions::user_id.eq(user.as_str()),
            sessions::started_at.eq(now.micros()),
            sessions::seen_at.eq(now.micros()),
            sessions::expires_at.eq(now.plus(life.whole).micros()),
        ))
        .run(c)?;
    let old = sessions::table
        .filter(sessions::user_id.eq(user.as_str()))
        .order(sessions::id.desc())
        .offset(MOST_OF_USER)
        .limit(PIECE)
        .select(sessions::id)
        .rows::<String>(c)?;
    for old in old {
        diesel::delete(sessions::table.find(&old)).run(c)?;
        grants::end_with_session(c, user, &SessionId::from_text(old), now)?;
    }
    Ok(())
}

/// A live session, for administrators.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: SessionId,
    pub started_at: Time,
    pub seen_at: Time,
}

pub fn of_user(c: &mut Conn, user: &UserId, life: SessionLife, now: Time) -> QueryResult<Vec<Listed>> {
    let rows = sessions::table
        .filter(sessions::user_id.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()))
        .filter(sessions::seen_at.gt(now.minus(life.idle).micros()))
        .order(sessions::started_at)
        .select((sessions::id, sessions::started_at, sessions::seen_at))
        .rows::<(String, i64, i64)>(c)?;
    let listed = rows.into_iter().map(|(id, started_at, seen_at)| Listed {
        id: SessionId::from_text(id),
        started_at: Time::from_micros(started_at),
        seen_at: Time::from_micros(seen_at),
    });
    Ok(listed.collect())
}

/// A user's live sessions with their events, whatever the browser. For administrators, not for requests.
pub fn live_of_user(c: &mut Conn, user: &UserId, life: SessionLife, now: Time) -> QueryResult<Vec<Session>> {
    let browsers = sessions::table
        .filter(sessions::user_id.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .order(sessions::started_at)
        .select(sessions::browser_id)
        .rows::<String>(c)?;
    let mut live = Vec::new();
    for browser in browsers {
        live.extend(live_sessions(c, &browser, life, now)?.into_iter().filter(|s| s.user == *user));
    }
    Ok(live)
}

/// Ends a session, which never comes back.
pub fn end(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<()> {
    diesel::update(sessions::table.find(session.as_str()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now.micros()))
        .run(c)
        .map(drop)
}

/// Ends every session of a user; none of them comes back.
pub fn end_all(c: &mut Conn, user: &UserId, now: Time) -> QueryResult<()> {
    diesel::update(sessions::table)
        .filter(sessions::user_id.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now.micros()))
        .run(c)
        .map(drop)
}

/// Ends every other session of the user.
pub fn end_others(c: &mut Conn, user: &UserId, own: &SessionId, now: Time) -> QueryResult<()> {
    diesel::update(sessions::table)
        .filter(sessions::user_id.eq(user.as_str()))
        .filter(sessions::id.ne(own.as_str()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now.micros()))
        .run(c)
        .map(drop)
}

/// Notes that the session is in use; `false` if it has ended.
pub fn touch(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<bool> {
    let this = sessions::id.eq(session.as_str()).and(sessions::ended_at.is_null());
    change(sessions::table, this, sessions::seen_at.eq(now.micros())).run(c).map(|rows| rows == 1)
}

/// Notes that this session answers this client, for logout and for choosing among accounts; `false`, and nothing is noted, where it
/// did so too often. Of those that are answered at once each counts.
pub fn answered(c: &mut Conn, session: &SessionId, client: &ClientId, now: Time) -> QueryResult<bool> {
    Ok(answered_again(c, session, client, now)?
        || answered_first(c, session, client, now)?
        // Two tabs may be the first at once.
        || answered_again(c, session, client, now)?)
}

/// As [`pace::one_more`] decides, in the statement.
fn answered_again(c: &mut Conn, session: &SessionId, client: &ClientId, now: Time) -> QueryResult<bool> {
    let (first, last) = pace::present(now);
    let (paid_until, last) = (session_clients::paid_until, last.micros());
    let past_or_of_another_clock = || paid_until.le(first.micros()).or(paid_until.gt(last));
    let each = pace::EACH.micros();
    let this = session_clients::session_id.eq(session.as_str());
    let this = this.and(session_clients::client_id.eq(client.as_str()));
    let this = this.and(past_or_of_another_clock().or(paid_until.le(last - each)));
    let from_now = now.plus(pace::EACH).micros().into_sql::<BigInt>();
    let next = case_when(past_or_of_another_clock(), from_now).otherwise(paid_until + each);
    let values = (session_clients::answered_at.eq(now.micros()), paid_until.eq(next));
    change(session_clients::table, this, values).run(c).map(|rows| rows == 1)
}

fn answered_first(c: &mut Conn, session: &SessionId, client: &ClientId, now: Time) -> QueryResult<bool> {
    diesel::insert_into(session_clients::table)
        .values((
            session_clients::session_id.eq(session.as_str()),
            session_clients::client_id.eq(client.as_str()),
            session_clients::answered_at.eq(now.micros()),
            session_clients::paid_until.eq(now.plus(pace::EACH).micros()),
        ))
        .on_conflict_do_nothing()
        .run(c)
        .map(|rows| rows == 1)
}

/// Of these sessions, the one that answered `client` last.
pub fn last_answered(c: &mut Conn, of: &[Session], client: &ClientId) -> QueryResult<Option<SessionId>> {
    let ids = of.iter().map(|session| session.id.as_str()).collect::<Vec<_>>();
    let last = session_clients::table
        .filter(session_clients::session_id.eq_any(ids))
        .filter(session_clients::client_id.eq(client.as_str()))
        .order(session_clients::answered_at.desc())
        .select(session_clients::session_id)
        .limit(1)
        .row::<String>(c)?;
    Ok(last.map(SessionId::from_text))
}

/// The claims of the session's user, as JSON, if the session lives, its user is enabled, and every one of `needed` events stands.
pub fn standing(
    c: &mut Conn,
    session: &SessionId,
    needed: &[EventId],
    now: Time,
) -> QueryResult<Option<String>> {
    let Some(living) = living(c, session, now)? else { return Ok(None) };
    Ok(events::all_stand(c, session, needed)?.then_some(living.claims))
}

/// Whose session this is, if it has not ended and its user is enabled.
pub fn owner(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<Option<UserId>> {
    Ok(living(c, session, now)?.map(|living| UserId::from_text(living.user)))
}

/// Whose session this is or was, and in which browser. For administrators, not for requests.
pub fn place_of(c: &mut Conn, session: &SessionId) -> QueryResult<Option<(UserId, BrowserId)>> {
    let row = sessions::table.find(session.as_str()).select((sessions::user_id, sessions::browser_id));
    let row = row.row::<(String, String)>(c)?;
    Ok(row.map(|(user, browser)| (UserId::from_text(user), BrowserId::from_text(browser))))
}

/// Whether it has not been idle for too long either.
pub fn is_in_use(c: &mut Conn, session: &SessionId, life: SessionLife, now: Time) -> QueryResult<bool> {
    Ok(living(c, session, now)?.is_some_and(|living| living.seen_at > now.minus(life.idle).micros()))
}

/// Of a session that has not ended, and of its user, who is enabled.
#[derive(Queryable)]
struct Living {
    user: String,
    /// Microseconds.
    seen_at: i64,
    /// As JSON.
    claims: String,
}

fn living(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<Option<Living>> {
    sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(session.as_str()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()))
        .filter(users::disabled_at.is_null())
        .select((sessions::user_id, sessions::seen_at, users::claims))
        .row(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_noted_as_seen_once_in_a_thousandth_of_its_idle_time() {
        let seen_at = Time::from_unix_seconds(1_800_000_000);
        let life = SessionLife { idle: Seconds::hours(10), whole: Seconds::days(7) };
        let (id, user) = (SessionId::from_text("s"), UserId::from_text("u"));
        let session = Session { id, user, username: "ada".into(), seen_at, events: Vec::new() };
        let noted = |after: i64| session.is_noted(life, Time::from_micros(seen_at.micros() + after));
        assert!(noted(0) && noted(35_999_999));
        assert!(!noted(36_000_000), "a thousandth of ten hours");
        assert!(!noted(-1), "a clock that went back must not keep a session for longer");
    }
}
