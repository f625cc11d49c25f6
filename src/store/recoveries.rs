//! Replacements that wait: one for a user at most. Each ends once, in effect or cancelled.

use super::connection::Conn;
use super::credentials::Credential;
use super::schema::recoveries;
use super::schema::users;
use super::statement::Statement;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use diesel::prelude::*;
use diesel::result::Error;

/// A replacement, and what it replaces.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub user: UserId,
    pub lost: CredentialId,
    pub replacement: Credential,
    /// When it takes effect.
    pub due_at: Time,
}

/// With the name of its owner.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub recovery: Recovery,
    pub username: String,
}

/// `false` where one waits already for this user.
pub fn begin(c: &mut Conn, recovery: &Recovery, cancel: &SecretHash) -> QueryResult<bool> {
    let replacement = serde_json::to_string(&recovery.replacement);
    let replacement = replacement.map_err(|why| Error::SerializationError(why.into()))?;
    let inserted = c.transaction(|c| {
        diesel::insert_into(recoveries::table)
            .values((
                recoveries::id.eq(recovery.replacement.id.as_str()),
                recoveries::user_id.eq(recovery.user.as_str()),
                recoveries::lost_id.eq(recovery.lost.as_str()),
                recoveries::replacement.eq(replacement),
                recoveries::cancel_hash.eq(cancel.as_str()),
                recoveries::due_at.eq(recovery.due_at.micros()),
            ))
            .run(c)
    });
    super::unless_taken(inserted)
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
pub fn cancel_of_user(c: &mut Conn, user: &UserId) -> QueryResult<bool> {
    diesel::delete(recoveries::table.filter(recoveries::user_id.eq(user.as_str())))
        .run(c)
        .map(|rows| rows > 0)
}

type Row = (String, String, String, i64);
type Columns = (recoveries::user_id, recoveries::lost_id, recoveries::replacement, recoveries::due_at);
const COLUMNS: Columns =
    (recoveries::user_id, recoveries::lost_id, recoveries::replacement, recoveries::due_at);

fn recovery((user, lost, replacement, due_at): Row) -> QueryResult<Recovery> {
    Ok(Recovery {
        user: UserId::from_text(user),
        lost: CredentialId::from_text(lost),
        replacement: serde_json::from_str(&replacement)
            .map_err(|why| Error::DeserializationError(why.into()))?,
        due_at: Time::from_micros(due_at),
    })
}

fn waiting((row, username): (Row, String)) -> QueryResult<Waiting> {
    Ok(Waiting { recovery: recovery(row)?, username })
}
