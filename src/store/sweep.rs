//! Takes away what has expired, in small batches, so that no request waits for it.

use super::connection::Conn;
use super::mails;
use super::schema::audit;
use super::schema::browsers;
use super::schema::ceremonies;
use super::schema::grants;
use super::schema::interactions;
use super::schema::replays;
use super::schema::revoked_tokens;
use super::schema::sessions;
use super::schema::throttles;
use super::statement::Statement;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;

const BATCH: i64 = 500;
/// So far the clock of another instance may be behind: what it still looks for is still there.
pub const SLACK: Seconds = Seconds::minutes(5);

/// Deletes one batch of a table's expired rows, unless one is kept longer by now.
macro_rules! expired {
    ($c:ident, $now:ident, $gone:ident, $table:ident, $key:ident) => {
        let old = $table::table.filter($table::expires_at.lt($now)).limit(BATCH);
        let old = old.select($table::$key).rows::<String>($c)?;
        if !old.is_empty() {
            let old = $table::table.filter($table::$key.eq_any(old)).filter($table::expires_at.lt($now));
            $gone += diesel::delete(old).run($c)?;
        }
    };
}

/// Deletes at most one batch of each kind; says how many rows went. The audit is kept for `audit`.
pub fn batch(c: &mut Conn, now: Time, audit: Seconds) -> QueryResult<usize> {
    let mut gone = audited(c, now.minus(audit))? + mails::forget(c, now, BATCH)?;
    let now = now.minus(SLACK).micros();
    expired!(c, now, gone, ceremonies, id);
    expired!(c, now, gone, interactions, id);
    expired!(c, now, gone, grants, id);
    expired!(c, now, gone, revoked_tokens, jti);
    expired!(c, now, gone, replays, key);
    expired!(c, now, gone, throttles, key);
    expired!(c, now, gone, sessions, id);
    expired!(c, now, gone, browsers, id);
    Ok(gone)
}

fn audited(c: &mut Conn, before: Time) -> QueryResult<usize> {
    let old = audit::table.filter(audit::at.lt(before.micros())).limit(BATCH).select(audit::id);
    let old = old.rows::<String>(c)?;
    if old.is_empty() {
        return Ok(0);
    }
    diesel::delete(audit::table.filter(audit::id.eq_any(old))).run(c)
}
