//! Takes away what has expired, in small batches, so that no request waits for it.

use super::connection::Conn;
use super::schema::browsers;
use super::schema::grants;
use super::schema::interactions;
use super::schema::sessions;
use crate::base::time::Time;
use diesel::prelude::*;

const BATCH: i64 = 500;

/// Deletes at most one batch of each kind; says how many rows went.
pub fn batch(c: &mut Conn, now: Time) -> QueryResult<usize> {
    let now = now.micros();
    let old = interactions::table.filter(interactions::expires_at.lt(now)).limit(BATCH);
    let old = old.select(interactions::id).load::<String>(c)?;
    let mut gone = diesel::delete(interactions::table.filter(interactions::id.eq_any(old))).execute(c)?;
    let old = grants::table.filter(grants::expires_at.lt(now)).limit(BATCH);
    let old = old.select(grants::id).load::<String>(c)?;
    gone += diesel::delete(grants::table.filter(grants::id.eq_any(old))).execute(c)?;
    let old = sessions::table.filter(sessions::expires_at.lt(now)).limit(BATCH);
    let old = old.select(sessions::id).load::<String>(c)?;
    gone += diesel::delete(sessions::table.filter(sessions::id.eq_any(old))).execute(c)?;
    let old = browsers::table.filter(browsers::expires_at.lt(now)).limit(BATCH);
    let old = old.select(browsers::id).load::<String>(c)?;
    gone += diesel::delete(browsers::table.filter(browsers::id.eq_any(old))).execute(c)?;
    Ok(gone)
}
