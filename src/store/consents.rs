//! What users have approved, by client and scope: remembered until client or user are gone.

use super::connection::Conn;
use super::schema::consents;
use super::statement::Statement;
use crate::base::id::ClientId;
use crate::base::id::UserId;
use crate::base::time::Time;
use diesel::prelude::*;

/// The scopes that the user has approved for the client.
pub fn of(c: &mut Conn, user: &UserId, client: &ClientId) -> QueryResult<Vec<String>> {
    consents::table
        .filter(consents::user_id.eq(user.as_str()))
        .filter(consents::client_id.eq(client.as_str()))
        .select(consents::scope)
        .rows(c)
}

/// Whether the user's approval of all of these is remembered, until this transaction ends.
pub fn stand(c: &mut Conn, user: &UserId, client: &ClientId, scopes: &[String]) -> QueryResult<bool> {
    let remembered = consents::table
        .filter(consents::user_id.eq(user.as_str()))
        .filter(consents::client_id.eq(client.as_str()))
        .select(consents::scope)
        .held()
        .rows::<String>(c)?;
    Ok(scopes.iter().all(|scope| remembered.contains(scope)))
}

/// Remembers `scopes` beside what was approved before.
pub fn add(c: &mut Conn, user: &UserId, client: &ClientId, scopes: &[String], now: Time) -> QueryResult<()> {
    for scope in scopes {
        let inserted = c.transaction(|c| {
            diesel::insert_into(consents::table)
                .values((
                    consents::user_id.eq(user.as_str()),
                    consents::client_id.eq(client.as_str()),
                    consents::scope.eq(scope),
                    consents::granted_at.eq(now.micros()),
                ))
                .run(c)
        });
        super::unless_taken(inserted)?;
    }
    Ok(())
}
