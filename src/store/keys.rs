//! Which keys this database has been used with. Not the keys: those are files.

use super::connection::Conn;
use super::schema::keys;
use super::statement::Statement;
use crate::base::time::Time;
use diesel::prelude::*;

/// What is recorded: the fingerprint of the master key, and the `kid` of each signing key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedKeys {
    pub master: Option<String>,
    pub signing: Vec<String>,
}

pub fn recorded(c: &mut Conn) -> QueryResult<RecordedKeys> {
    let rows = keys::table.order(keys::id).select((keys::id, keys::kind)).rows::<(String, String)>(c)?;
    let mut recorded = RecordedKeys::default();
    for (id, kind) in rows {
        match kind.as_str() {
            "master" => recorded.master = Some(id),
            _ => recorded.signing.push(id),
        }
    }
    Ok(recorded)
}

/// Once more changes nothing.
pub fn record(c: &mut Conn, id: &str, kind: &str, now: Time) -> QueryResult<()> {
    let recorded = c.transaction(|c| {
        diesel::insert_into(keys::table)
            .values((keys::id.eq(id), keys::kind.eq(kind), keys::recorded_at.eq(now.micros())))
            .run(c)
    });
    super::unless_taken(recorded).map(drop)
}
