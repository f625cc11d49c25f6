//! Replacements that wait: one for a user at most. Each ends once, in effect or cancelled. It is due at no time until the notices of it
//! are settled: each was taken by a mail server, or refused for good.

use super::connection::Conn;
use super::credentials::Credential;
use super::schema::recoveries;
use super::schema::users;
use super::statement::Statement;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::secret::SecretHash;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;
use diesel::result::Error;

/// A replacement, and what it replaces.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub user: UserId,
    pub lost: CredentialId,
    pub replacement: Credential,
    /// When it takes effect; or ends, where nobody could be told. `None` while notices are out.
    pub due_at: Option<Time>,
    /// A mail server took a notice of it.
    pub is_told: bool,
}

/// What begins to wait.
pub struct New<'a> {
    pub user: &'a UserId,
    pub lost: &'a CredentialId,
    pub replacement: &'a Credential,
    pub cancel: &'a SecretHash,
    /// How long it waits once its notices are settled.
    pub delay: Seconds,
    /// How many are written with it.
    pub notices: i64,
}

/// With the name of its owner.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub recovery: Recovery,
    pub username: String,
}

/// `false` where one waits already for this user.
pub fn begin(c: &mut Conn, new: &New) -> QueryResult<bool> {
    let replacement = serde_json::to_string(new.replacement);
    let replacement = replacement.map_err(|why| Error::SerializationError(why.into()))?;
    let inserted = c.transaction(|c| {
        diesel::insert_into(recoveries::table)
            .values((
                recoveries::id.eq(new.replacement.id.as_str()),
                recoveries::user_id.eq(new.user.as_str()),
                recoveries::lost_id.eq(new.lost.as_str()),
                recoveries::replacement.eq(replacement),
                recoveries::cancel_hash.eq(new.cancel.as_str()),
                recoveries::delay.eq(new.delay.micros()),
                recoveries::unsettled.eq(new.notices),
                recoveries::told.eq(0),
            ))
            .run(c)
    });
    super::unless_taken(inserted)
}

/// A notice of a replacement was taken by a mail server, or never will be; told once of each. With the last one the time begins to run,
/// or is over at once where nobody could be told.
pub(super) fn notice_settled(c: &mut Conn, id: &str, taken: bool, now: Time) -> QueryResult<()> {
    let settled = diesel::update(recoveries::table.find(id))
        .filter(recoveries::unsettled.gt(0))
        .set((
            recoveries::unsettled.eq(recoveries::unsettled - 1),
            recoveries::told.eq(recoveries::told + i64::from(taken)),
        ))
        .returning((recoveries::unsettled, recoveries::told, recoveries::delay))
        .row::<(i64, i64, i64)>(c)?;
    // The row is this transaction's by now: whoever settles another notice waits for it.
    let Some((0, told, delay)) = settled else { return Ok(()) };
    let wait = if told > 0 { delay } else { 0 };
    diesel::update(recoveries::table.find(id))
        .set(recoveries::due_at.eq(now.micros().saturating_add(wait)))
        .run(c)
        .map(drop)
}

pub fn of_user(c: &mut Conn, user: &UserId) -> QueryResult<Option<Waiting>> {
    let row = recoveries::table
        .inner_join(users::table)
        .filter(recoveries::user_id.eq(user.as_str()))
        .select((COLUMNS, users::username))
        .row::<(Row, String)>(c)?;
    row.map(waiting).transpose()
}

/// Those whose time has come.
pub fn due(c: &mut Conn, now: Time) -> QueryResult<Vec<Waiting>> {
    const MOST: i64 = 100;
    let rows = recoveries::table
        .inner_join(users::table)
        .filter(recoveries::due_at.le(now.micros()))
        .order(recoveries::due_at)
        .limit(MOST)
        .select((COLUMNS, users::username))
        .rows::<(Row, String)>(c)?;
    rows.into_iter().map(waiting).collect()
}

/// The one that was begun with this secret.
pub fn of_secret(c: &mut Conn, cancel: &SecretHash) -> QueryResult<Option<Waiting>> {
    let row = recoveries::table
        .inner_join(users::table)
        .filter(recoveries::cancel_hash.eq(cancel.as_str()))
        .select((COLUMNS, users::username))
        .row::<(Row, String)>(c)?;
    row.map(waiting).transpose()
}

/// Takes one whose time has come. Of all who try, one gets it.
pub fn take(c: &mut Conn, id: &CredentialId, now: Time) -> QueryResult<Option<Recovery>> {
    let row = diesel::delete(recoveries::table.find(id.as_str()))
        .filter(recoveries::due_at.le(now.micros()))
        .returning(COLUMNS)
        .row::<Row>(c)?;
    row.map(recovery).transpose()
}

/// Ends one before its time. Of all who try, one is told `true`.
pub fn end(c: &mut Conn, id: &CredentialId) -> QueryResult<bool> {
    diesel::delete(recoveries::table.find(id.as_str())).run(c).map(|rows| rows == 1)
}

/// Ends the user's, if one waits.
pub fn end_of_user(c: &mut Conn, user: &UserId) -> QueryResult<bool> {
    diesel::delete(recoveries::table.filter(recoveries::user_id.eq(user.as_str())))
        .run(c)
        .map(|rows| rows > 0)
}

/// Ends the one for a factor of the user, if it waits.
pub fn end_of_lost(c: &mut Conn, user: &UserId, lost: &CredentialId) -> QueryResult<bool> {
    diesel::delete(recoveries::table)
        .filter(recoveries::user_id.eq(user.as_str()))
        .filter(recoveries::lost_id.eq(lost.as_str()))
        .run(c)
        .map(|rows| rows > 0)
}

type Row = (String, String, String, Option<i64>, i64);
type Columns =
    (recoveries::user_id, recoveries::lost_id, recoveries::replacement, recoveries::due_at, recoveries::told);
const COLUMNS: Columns =
    (recoveries::user_id, recoveries::lost_id, recoveries::replacement, recoveries::due_at, recoveries::told);

fn recovery((user, lost, replacement, due_at, told): Row) -> QueryResult<Recovery> {
    Ok(Recovery {
        user: UserId::from_text(user),
        lost: CredentialId::from_text(lost),
        replacement: serde_json::from_str(&replacement)
            .map_err(|why| Error::DeserializationError(why.into()))?,
        due_at: due_at.map(Time::from_micros),
        is_told: told > 0,
    })
}

fn waiting((row, username): (Row, String)) -> QueryResult<Waiting> {
    Ok(Waiting { recovery: recovery(row)?, username })
}
