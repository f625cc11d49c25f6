//! Recovery codes: ten to a set, each once, each as a keyed hash and nothing else.

use super::connection::Conn;
use super::schema::recovery_codes;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::CredentialId;
use crate::base::time::Time;
use crate::credential::recovery::CodeHash;
use diesel::prelude::*;

pub fn insert(c: &mut Conn, set: &CredentialId, codes: &[CodeHash]) -> QueryResult<()> {
    for code in codes {
        diesel::insert_into(recovery_codes::table)
            .values((
                recovery_codes::credential_id.eq(set.as_str()),
                recovery_codes::code_hash.eq(code.as_str()),
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

/// Spends a code of the set. Of all who try, in any process, one is told `true`.
pub fn spend(c: &mut Conn, set: &CredentialId, code: &CodeHash, now: Time) -> QueryResult<bool> {
    let own = recovery_codes::credential_id.eq(set.as_str()).and(recovery_codes::code_hash.eq(code.as_str()));
    let unspent = own.and(recovery_codes::spent_at.is_null());
    let spent = recovery_codes::spent_at.eq(now.micros());
    change(recovery_codes::table, unspent, spent).run(c).map(|rows| rows == 1)
}
