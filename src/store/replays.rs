//! What may be presented once: a name for it, kept until it would be refused for its age anyway.

use super::connection::Conn;
use super::schema::replays;
use super::statement::Statement;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use diesel::prelude::*;

/// `true` for the first who presents it, in any process.
pub fn first(c: &mut Conn, key: &SecretHash, expires_at: Time) -> QueryResult<bool> {
    let inserted = c.transaction(|c| {
        diesel::insert_into(replays::table)
            .values((replays::key.eq(key.as_str()), replays::expires_at.eq(expires_at.micros())))
            .run(c)
    });
    super::unless_taken(inserted)
}
