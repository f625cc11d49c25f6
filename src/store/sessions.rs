//! Browsers, their sessions, and each session's ledger of events.
//! A browser's row is found by its cookie's hash only; an id out of a URL opens nothing.

use super::connection::Conn;
use super::schema::browsers;
use super::schema::events;
use super::schema::session_clients;
use super::schema::sessions;
use super::schema::users;
use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::base::id::BrowserId;
use crate::base::id::ClientId;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::InteractionId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::SecretHash;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;

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

const EVENTS_KEPT: usize = 16;

pub fn insert_browser(c: &mut Conn, id: &BrowserId, hash: &SecretHash, expires_at: Time) -> QueryResult<()> {
    diesel::insert_into(browsers::table)
        .values((
            browsers::id.eq(id.as_str()),
            browsers::secret_hash.eq(hash.as_str()),
            browsers::expires_at.eq(expires_at.micros()),
        ))
        .execute(c)
        .map(drop)
}

/// Keeps a browser's row until `until` at least: an open interaction needs it.
pub fn keep_browser(c: &mut Conn, id: &BrowserId, until: Time) -> QueryResult<()> {
    diesel::update(browsers::table.find(id.as_str()))
        .filter(browsers::expires_at.lt(until.micros()))
        .set(browsers::expires_at.eq(until.micros()))
        .execute(c)
        .map(drop)
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
        .first::<String>(c)
        .optional()?;
    let Some(id) = found else { return Ok(None) };
    let sessions = live_sessions(c, &id, life, now)?;
    Ok(Some(Browser { id: BrowserId::from_text(id), secret_hash: hash.clone(), sessions }))
}

fn live_sessions(c: &mut Conn, browser: &str, life: SessionLife, now: Time) -> QueryResult<Vec<Session>> {
    let rows = sessions::table
        .inner_join(users::table)
        .left_join(events::table)
        .filter(sessions::browser_id.eq(browser))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()))
        .filter(sessions::seen_at.gt(now.minus(life.idle).micros()))
        .filter(users::disabled_at.is_null())
        .order((sessions::id, events::at, events::id))
        .select((sessions::id, sessions::user_id, users::username, sessions::seen_at, EVENT.nullable()))
        .load::<(String, String, String, i64, Option<EventRow>)>(c)?;
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
        if let (Some(session), Some(event)) = (live.last_mut(), row.and_then(standing)) {
            session.events.push(event);
        }
    }
    // A session with no standing event has ended.
    live.retain(|session| !session.events.is_empty());
    Ok(live)
}

/// Replaces the browser's secret; `false` if another answer did so first.
pub fn rotate(c: &mut Conn, browser: &Browser, new: &SecretHash, expires_at: Time) -> QueryResult<bool> {
    diesel::update(browsers::table)
        .filter(browsers::id.eq(browser.id.as_str()))
        .filter(browsers::secret_hash.eq(browser.secret_hash.as_str()))
        .set((browsers::secret_hash.eq(new.as_str()), browsers::expires_at.eq(expires_at.micros())))
        .execute(c)
        .map(|rows| rows == 1)
}

/// Opens a session for `user`, ending what is left of an expired one of theirs in this browser.
pub fn open(
    c: &mut Conn,
    session: &SessionId,
    of: (&BrowserId, &UserId),
    life: SessionLife,
    now: Time,
) -> QueryResult<()> {
    let (browser, user) = of;
    diesel::update(sessions::table)
        .filter(sessions::browser_id.eq(browser.as_str()))
        .filter(sessions::user_id.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now.micros()))
        .execute(c)?;
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(session.as_str()),
            sessions::browser_id.eq(browser.as_str()),
            sessions::user_id.eq(user.as_str()),
            sessions::started_at.eq(now.micros()),
            sessions::seen_at.eq(now.micros()),
            sessions::expires_at.eq(now.plus(life.whole).micros()),
        ))
        .execute(c)
        .map(drop)
}

/// Appends proofs to a session's ledger. Of each credential the newest 16 are kept, so a long session stays short.
pub fn append(c: &mut Conn, session: &SessionId, proofs: &[Event]) -> QueryResult<()> {
    for event in proofs {
        diesel::insert_into(events::table)
            .values((
                events::id.eq(event.id.as_str()),
                events::session_id.eq(session.as_str()),
                events::method.eq(event.method.as_str()),
                events::at.eq(event.at.micros()),
                events::interaction_id.eq(event.interaction.as_str()),
                events::credential_id.eq(event.credential.as_str()),
                events::uv.eq(event.uv),
                events::device_bound.eq(event.device_bound),
                events::attested.eq(event.attested),
                events::factor_enrolled_at.eq(event.factor_enrolled_at.micros()),
            ))
            .execute(c)?;
        prune(c, session, &event.credential)?;
    }
    Ok(())
}

fn prune(c: &mut Conn, session: &SessionId, credential: &CredentialId) -> QueryResult<()> {
    let ids = events::table
        .filter(events::session_id.eq(session.as_str()))
        .filter(events::credential_id.eq(credential.as_str()))
        .order((events::at.desc(), events::id.desc()))
        .select(events::id)
        .load::<String>(c)?;
    let old = ids.get(EVENTS_KEPT..).unwrap_or_default();
    if !old.is_empty() {
        diesel::delete(events::table.filter(events::id.eq_any(old))).execute(c)?;
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
        .load::<(String, i64, i64)>(c)?;
    let listed = rows.into_iter().map(|(id, started_at, seen_at)| Listed {
        id: SessionId::from_text(id),
        started_at: Time::from_micros(started_at),
        seen_at: Time::from_micros(seen_at),
    });
    Ok(listed.collect())
}

/// Voids every event that was made with a factor.
pub fn void(c: &mut Conn, credential: &CredentialId, now: Time) -> QueryResult<()> {
    diesel::update(events::table)
        .filter(events::credential_id.eq(credential.as_str()))
        .filter(events::voided_at.is_null())
        .set(events::voided_at.eq(now.micros()))
        .execute(c)
        .map(drop)
}

/// Ends a session, which never comes back.
pub fn end(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<()> {
    diesel::update(sessions::table.find(session.as_str()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now.micros()))
        .execute(c)
        .map(drop)
}

/// Ends every session of a user; none of them comes back.
pub fn end_all(c: &mut Conn, user: &UserId, now: Time) -> QueryResult<()> {
    diesel::update(sessions::table)
        .filter(sessions::user_id.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now.micros()))
        .execute(c)
        .map(drop)
}

/// Notes that the session is in use.
pub fn touch(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<()> {
    diesel::update(sessions::table.find(session.as_str()))
        .set(sessions::seen_at.eq(now.micros()))
        .execute(c)
        .map(drop)
}

/// Notes that this session answered this client, for logout and for choosing among accounts.
pub fn answered(c: &mut Conn, session: &SessionId, client: &ClientId, now: Time) -> QueryResult<()> {
    let known = diesel::update(session_clients::table.find((session.as_str(), client.as_str())))
        .set(session_clients::answered_at.eq(now.micros()))
        .execute(c)?;
    if known == 0 {
        diesel::insert_into(session_clients::table)
            .values((
                session_clients::session_id.eq(session.as_str()),
                session_clients::client_id.eq(client.as_str()),
                session_clients::answered_at.eq(now.micros()),
            ))
            .execute(c)?;
    }
    Ok(())
}

/// Of these sessions, the one that answered `client` last.
pub fn last_answered(c: &mut Conn, of: &[Session], client: &ClientId) -> QueryResult<Option<SessionId>> {
    let ids = of.iter().map(|session| session.id.as_str()).collect::<Vec<_>>();
    let last = session_clients::table
        .filter(session_clients::session_id.eq_any(ids))
        .filter(session_clients::client_id.eq(client.as_str()))
        .order(session_clients::answered_at.desc())
        .select(session_clients::session_id)
        .first::<String>(c)
        .optional()?;
    Ok(last.map(SessionId::from_text))
}

/// Whether the session lives, its user is enabled, and every one of `needed` events stands.
pub fn stands(c: &mut Conn, session: &SessionId, needed: &[EventId], now: Time) -> QueryResult<bool> {
    if !lives(c, session, now)? {
        return Ok(false);
    }
    let ids = needed.iter().map(EventId::as_str).collect::<Vec<_>>();
    let standing = events::table
        .filter(events::id.eq_any(ids))
        .filter(events::session_id.eq(session.as_str()))
        .filter(events::voided_at.is_null())
        .select(events::id)
        .load::<String>(c)?;
    Ok(standing.len() == needed.len())
}

/// Whether the session has not ended and its user is enabled.
pub fn lives(c: &mut Conn, session: &SessionId, now: Time) -> QueryResult<bool> {
    let alive = sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(session.as_str()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()))
        .filter(users::disabled_at.is_null())
        .select(sessions::id)
        .first::<String>(c)
        .optional()?;
    Ok(alive.is_some())
}

/// Whether one of these events was voided. Those that are gone with their session, or made room for newer ones, were not.
pub fn any_voided(c: &mut Conn, ids: &[EventId]) -> QueryResult<bool> {
    let voided = events::table
        .filter(events::id.eq_any(ids.iter().map(EventId::as_str).collect::<Vec<_>>()))
        .filter(events::voided_at.is_not_null())
        .select(events::id)
        .first::<String>(c)
        .optional()?;
    Ok(voided.is_some())
}

type EventColumns = (
    events::id,
    events::method,
    events::at,
    events::interaction_id,
    events::credential_id,
    events::uv,
    events::device_bound,
    events::attested,
    events::factor_enrolled_at,
    events::voided_at,
);
type EventRow = (String, String, i64, String, String, bool, bool, bool, i64, Option<i64>);
const EVENT: EventColumns = (
    events::id,
    events::method,
    events::at,
    events::interaction_id,
    events::credential_id,
    events::uv,
    events::device_bound,
    events::attested,
    events::factor_enrolled_at,
    events::voided_at,
);

fn standing(row: EventRow) -> Option<Event> {
    let (id, method, at, interaction, credential, uv, device_bound, attested, enrolled_at, voided_at) = row;
    if voided_at.is_some() {
        return None;
    }
    Some(Event {
        id: EventId::from_text(id),
        method: Method::parse(&method)?,
        at: Time::from_micros(at),
        interaction: InteractionId::from_text(interaction),
        credential: CredentialId::from_text(credential),
        uv,
        device_bound,
        attested,
        factor_enrolled_at: Time::from_micros(enrolled_at),
    })
}
