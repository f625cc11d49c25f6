//! Refresh tokens: each is used once and leaves one successor; their grant is the family. Only hashes are stored.

use super::connection::Conn;
use super::grants;
use super::grants::Grant;
use super::pace;
use super::schema::grants as grants_table;
use super::schema::refresh_tokens;
use super::schema::users;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::GrantId;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use diesel::prelude::*;

pub struct NewToken<'a> {
    pub hash: &'a SecretHash,
    pub grant: &'a GrantId,
    /// Counts up from 1 within the family.
    pub generation: i64,
    pub issued_at: Time,
    pub expires_at: Time,
    /// How often the family was refreshed lately ([`pace`]).
    pub paid_until: Time,
}

/// A token as it was found, with its family.
#[derive(Clone, Debug)]
pub struct Found {
    pub grant: Grant,
    pub generation: i64,
    pub expires_at: Time,
    pub used_at: Option<Time>,
    /// How often the family was refreshed lately ([`pace`]).
    pub paid_until: Time,
    /// The family is not revoked, and its user is enabled.
    pub stands: bool,
    /// Of the user, as JSON.
    pub claims: String,
}

pub fn insert(c: &mut Conn, token: &NewToken) -> QueryResult<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::token_hash.eq(token.hash.as_str()),
            refresh_tokens::grant_id.eq(token.grant.as_str()),
            refresh_tokens::generation.eq(token.generation),
            refresh_tokens::issued_at.eq(token.issued_at.micros()),
            refresh_tokens::expires_at.eq(token.expires_at.micros()),
            refresh_tokens::paid_until.eq(token.paid_until.micros()),
        ))
        .run(c)
        .map(drop)
}

pub fn find(c: &mut Conn, hash: &SecretHash) -> QueryResult<Option<Found>> {
    let row = refresh_tokens::table
        .inner_join(grants_table::table)
        .inner_join(users::table.on(users::id.eq(grants_table::user_id)))
        .filter(refresh_tokens::token_hash.eq(hash.as_str()))
        .select((
            grants::COLUMNS,
            refresh_tokens::generation,
            refresh_tokens::expires_at,
            refresh_tokens::used_at,
            refresh_tokens::paid_until,
            grants_table::revoked_at,
            users::disabled_at,
            users::claims,
        ))
        .row::<(grants::Row, i64, i64, Option<i64>, i64, Option<i64>, Option<i64>, String)>(c)?;
    Ok(row.map(|(grant, generation, expires_at, used_at, paid_until, revoked_at, disabled_at, claims)| {
        Found {
            grant: grants::grant(grant),
            generation,
            expires_at: Time::from_micros(expires_at),
            used_at: used_at.map(Time::from_micros),
            paid_until: Time::from_micros(paid_until),
            stands: revoked_at.is_none() && disabled_at.is_none(),
            claims,
        }
    }))
}

/// Uses a token. Of all who try, one is told `true`.
pub fn spend(c: &mut Conn, hash: &SecretHash, now: Time) -> QueryResult<bool> {
    let unused = refresh_tokens::token_hash.eq(hash.as_str()).and(refresh_tokens::used_at.is_null());
    let values = refresh_tokens::used_at.eq(now.micros());
    change(refresh_tokens::table, unused, values).run(c).map(|rows| rows == 1)
}

/// The token of this generation, where it was not used: its family's pace.
pub fn unused(c: &mut Conn, grant: &GrantId, generation: i64) -> QueryResult<Option<Time>> {
    let unused = refresh_tokens::table
        .filter(refresh_tokens::grant_id.eq(grant.as_str()))
        .filter(refresh_tokens::generation.eq(generation))
        .filter(refresh_tokens::used_at.is_null())
        .select(refresh_tokens::paid_until)
        .row::<i64>(c)?;
    Ok(unused.map(Time::from_micros))
}

/// Notes that an unused token is answered once more; `false` where it was used meanwhile. Of those at once each counts.
pub fn repeat(c: &mut Conn, grant: &GrantId, generation: i64) -> QueryResult<bool> {
    let this = refresh_tokens::grant_id.eq(grant.as_str());
    let this = this.and(refresh_tokens::generation.eq(generation)).and(refresh_tokens::used_at.is_null());
    let values = refresh_tokens::paid_until.eq(refresh_tokens::paid_until + pace::EACH.micros());
    change(refresh_tokens::table, this, values).run(c).map(|rows| rows == 1)
}
