//! Access tokens that were revoked one by one: a short list of `jti`, each kept until its token has expired by every clock.

use super::connection::Conn;
use super::schema::revoked_tokens;
use super::statement::Statement;
use crate::base::time::Time;
use diesel::prelude::*;

/// Revokes a token; once more changes nothing.
pub fn insert(c: &mut Conn, jti: &str, expires_at: Time) -> QueryResult<()> {
    let inserted = c.transaction(|c| {
        diesel::insert_into(revoked_tokens::table)
            .values((revoked_tokens::jti.eq(jti), revoked_tokens::expires_at.eq(expires_at.micros())))
            .run(c)
    });
    super::unless_taken(inserted).map(drop)
}

pub fn contains(c: &mut Conn, jti: &str) -> QueryResult<bool> {
    let found = revoked_tokens::table.find(jti).select(revoked_tokens::jti).row::<String>(c)?;
    Ok(found.is_some())
}
