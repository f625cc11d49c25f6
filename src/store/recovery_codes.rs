//! Recovery codes: ten to a set, each once. The first part of a code says which one it is, the rest is hashed.

use super::connection::Conn;
use super::schema::recovery_codes;
use super::statement::Statement;
use crate::base::id::CredentialId;
use crate::base::time::Time;
use diesel::prelude::*;

/// A code as it is stored.
pub struct Stored {
    pub id: String,
    pub selector: String,
    /// PHC string.
    pub secret: String,
}

pub fn insert(c: &mut Conn, set: &CredentialId, codes: &[Stored]) -> QueryResult<()> {
    for code in codes {
        diesel::insert_into(recovery_codes::table)
            .values((
                recovery_codes::id.eq(&code.id),
                recovery_codes::credential_id.eq(set.as_str()),
                recovery_codes::selector.eq(&code.selector),
                recovery_codes::secret.eq(&code.secret),
            ))
            .run(c)?;
    }
    Ok(())
}

/// How many are not spent.
pub fn left(c: &mut Conn, set: &CredentialId) -> QueryResult<i64> {
    recovery_codes::table
        .filter(recovery_codes::credential_id.eq(set.as_str()))
        .filter(recovery_codes::spent_at.is_null())
        .count()
        .row(c)
        .map(Option::unwrap_or_default)
}

/// The code that was not spent and is selected so.
pub fn find(c: &mut Conn, set: &CredentialId, selector: &str) -> QueryResult<Option<Stored>> {
    let row = recovery_codes::table
        .filter(recovery_codes::credential_id.eq(set.as_str()))
        .filter(recovery_codes::selector.eq(selector))
        .filter(recovery_codes::spent_at.is_null())
        .select((recovery_codes::id, recovery_codes::selector, recovery_codes::secret))
        .row::<(String, String, String)>(c)?;
    Ok(row.map(|(id, selector, secret)| Stored { id, selector, secret }))
}

/// Spends a code. Of all who try, in any process, one is told `true`.
pub fn spend(c: &mut Conn, id: &str, now: Time) -> QueryResult<bool> {
    diesel::update(recovery_codes::table)
        .filter(recovery_codes::id.eq(id))
        .filter(recovery_codes::spent_at.is_null())
        .set(recovery_codes::spent_at.eq(now.micros()))
        .run(c)
        .map(|rows| rows == 1)
}
