//! Each session's ledger of events: appended, voided, and pruned to the newest; never changed.

use super::connection::Conn;
use super::schema::events;
use super::statement::Statement;
use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::InteractionId;
use crate::base::id::SessionId;
use crate::base::time::Time;
use diesel::prelude::*;
use std::cmp::Reverse;

const EVENTS_KEPT: usize = 16;

/// Appends proofs to a session's ledger. Of each credential the newest 16 are kept, so a long session stays short.
pub fn append(c: &mut Conn, session: &SessionId, proofs: &[Event], now: Time) -> QueryResult<()> {
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
            .run(c)?;
        prune(c, session, &event.credential, now)?;
    }
    Ok(())
}

fn prune(c: &mut Conn, session: &SessionId, credential: &CredentialId, now: Time) -> QueryResult<()> {
    let mut all = events::table
        .filter(events::session_id.eq(session.as_str()))
        .filter(events::credential_id.eq(credential.as_str()))
        .select((events::at, events::id))
        .rows::<(i64, String)>(c)?;
    // Those of a clock that was ahead go first: they prove nothing, and would push out those of now.
    all.sort_by_key(|(at, id)| Reverse((Time::from_micros(*at).has_come(now), *at, id.clone())));
    let old = all.get(EVENTS_KEPT..).unwrap_or_default().iter().map(|(_, id)| id).collect::<Vec<_>>();
    if !old.is_empty() {
        diesel::delete(events::table.filter(events::id.eq_any(old))).run(c)?;
    }
    Ok(())
}

/// Voids every event that was made with a factor.
pub fn void(c: &mut Conn, credential: &CredentialId, now: Time) -> QueryResult<()> {
    diesel::update(events::table)
        .filter(events::credential_id.eq(credential.as_str()))
        .filter(events::voided_at.is_null())
        .set(events::voided_at.eq(now.micros()))
        .run(c)
        .map(drop)
}

/// Whether every one of these events of the session stands.
pub fn all_stand(c: &mut Conn, session: &SessionId, needed: &[EventId]) -> QueryResult<bool> {
    // One or two, each by a statement that is prepared once; a list of any length is prepared anew each time.
    for id in needed {
        let standing = events::table
            .find(id.as_str())
            .filter(events::session_id.eq(session.as_str()))
            .filter(events::voided_at.is_null())
            .select(events::id)
            .row::<String>(c)?;
        if standing.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same of any number, and so until this transaction ends: those that stand are held.
pub fn all_held(c: &mut Conn, session: &SessionId, shown: &[EventId]) -> QueryResult<bool> {
    let of_session = events::table.filter(events::session_id.eq(session.as_str()));
    let standing =
        of_session.filter(events::voided_at.is_null()).select(events::id).held().rows::<String>(c)?;
    Ok(shown.iter().all(|id| standing.iter().any(|one| one == id.as_str())))
}

/// Whether one of these events was voided. Those that are gone with their session, or made room for newer ones, were not.
pub fn any_voided(c: &mut Conn, ids: &[EventId]) -> QueryResult<bool> {
    for id in ids {
        let voided = events::table
            .find(id.as_str())
            .filter(events::voided_at.is_not_null())
            .select(events::id)
            .row::<String>(c)?;
        if voided.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

type Columns = (
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
pub(super) type Row = (String, String, i64, String, String, bool, bool, bool, i64, Option<i64>);
pub(super) const COLUMNS: Columns = (
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

pub(super) fn standing(row: Row) -> Option<Event> {
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
