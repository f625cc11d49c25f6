//! WebAuthn ceremonies that are under way. A row belongs to one interaction and one purpose, and is taken once: of all who
//! come with an answer, in any process, one gets its state (WebAuthn §13.4.3: a challenge is used once).

use super::connection::Conn;
use super::schema::ceremonies;
use super::statement::Statement;
use crate::base::id::CeremonyId;
use crate::base::time::Time;
use diesel::prelude::*;

pub struct NewCeremony {
    pub id: CeremonyId,
    /// Whose it is: an interaction.
    pub owner: String,
    pub purpose: &'static str,
    pub state: String,
    pub expires_at: Time,
}

/// Tabs of one interaction may each have one under way; more than this nobody needs.
const KEPT: usize = 8;

/// Begins a ceremony; of its owner's older ones the newest stay.
pub fn begin(c: &mut Conn, new: &NewCeremony) -> QueryResult<()> {
    let known = ceremonies::table
        .filter(ceremonies::owner.eq(&new.owner))
        .order(ceremonies::id.desc())
        .select(ceremonies::id)
        .rows::<String>(c)?;
    let old = known.get(KEPT - 1..).unwrap_or_default();
    if !old.is_empty() {
        diesel::delete(ceremonies::table.filter(ceremonies::id.eq_any(old))).run(c)?;
    }
    diesel::insert_into(ceremonies::table)
        .values((
            ceremonies::id.eq(new.id.as_str()),
            ceremonies::owner.eq(&new.owner),
            ceremonies::purpose.eq(new.purpose),
            ceremonies::state.eq(&new.state),
            ceremonies::expires_at.eq(new.expires_at.micros()),
        ))
        .run(c)
        .map(drop)
}

/// Takes the state of a ceremony, which is gone with it; `None` for one of somebody else, for something else, too late, or of a
/// clock that was ahead: it ends after `latest`.
pub fn take(
    c: &mut Conn,
    id: &CeremonyId,
    owner: &str,
    purpose: &str,
    (now, latest): (Time, Time),
) -> QueryResult<Option<String>> {
    diesel::delete(ceremonies::table)
        .filter(ceremonies::id.eq(id.as_str()))
        .filter(ceremonies::owner.eq(owner))
        .filter(ceremonies::purpose.eq(purpose))
        .filter(ceremonies::expires_at.gt(now.micros()))
        .filter(ceremonies::expires_at.le(latest.micros()))
        .returning(ceremonies::state)
        .row::<String>(c)
}

/// Those of interactions that are over.
pub fn end(c: &mut Conn, owners: &[String]) -> QueryResult<()> {
    if owners.is_empty() {
        return Ok(());
    }
    diesel::delete(ceremonies::table.filter(ceremonies::owner.eq_any(owners))).run(c).map(drop)
}
