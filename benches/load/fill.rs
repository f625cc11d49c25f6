//! A database that has seen much, filled by SQL while no server runs.

use super::server::Place;
use diesel::Connection;
use diesel::QueryableByName;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use std::time::Instant;

/// Users, each with a password, a browser, a session with an event, and a grant that was redeemed.
pub fn living(place: &Place, count: u32) {
    let now = "CAST(strftime('%s') AS INTEGER) * 1000000";
    let later = format!("{now} + 86400000000");
    let grant = "'{\"scope\":[\"openid\"]}', '{\"acr\":\"urn:stepgate:acr:pwd\",\"amr\":[\"pwd\"],\"auth_time\":0,\"events\":[],\"credentials\":[]}'";
    let rows = [
        format!(
            "users (id, username, claims, second_factor, created_at) SELECT 'user-' || n, 'person' || n, '{{}}', 'step-up', {now}"
        ),
        format!(
            "login_names (name, user_id, kind, verified_at) SELECT 'person' || n, 'user-' || n, 'username', {now}"
        ),
        format!(
            "credentials (id, user_id, kind, secret, last_step, enrolled_at) SELECT 'password-' || n, 'user-' || n, 'pwd', 'x', 0, {now}"
        ),
        format!(
            "browsers (id, secret_hash, expires_at) SELECT 'browser-' || n, 'browser-hash-' || n, {later}"
        ),
        format!(
            "sessions (id, browser_id, user_id, started_at, seen_at, expires_at) \
             SELECT 'session-' || n, 'browser-' || n, 'user-' || n, {now}, {now}, {later}"
        ),
        format!(
            "events (id, session_id, method, at, interaction_id, credential_id, uv, device_bound, attested, factor_enrolled_at) \
             SELECT 'event-' || n, 'session-' || n, 'pwd', {now}, 'i', 'password-' || n, FALSE, FALSE, FALSE, {now}"
        ),
        grants(&format!("{grant}, {now}, {now}, {now}, {later}"), "grant"),
    ];
    insert(place, count, &rows);
}

/// Grants whose time is over.
pub fn expired(place: &Place, count: u32) {
    insert(place, count, &[grants("'{}', '{}', 0, 0, 0, 1", "old-grant")]);
}

pub fn expired_left(place: &Place) -> i64 {
    let count = "SELECT count(*) AS count FROM grants WHERE expires_at = 1";
    diesel::sql_query(count).get_result::<Count>(&mut open(place)).unwrap().count
}

/// Looks for one of them only: asked while others are measured.
pub fn is_swept(place: &Place) -> bool {
    let count = "SELECT EXISTS (SELECT 1 FROM grants WHERE expires_at < 2) AS count";
    diesel::sql_query(count).get_result::<Count>(&mut open(place)).unwrap().count == 0
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn grants(rest: &str, name: &str) -> String {
    format!(
        "grants (id, code_hash, client_id, user_id, session_id, scope, request, assurance, granted_at, code_expires_at, redeemed_at, expires_at) \
         SELECT '{name}-' || n, '{name}-hash-' || n, 'es256', 'user-' || n, 'session-' || n, 'openid', {rest}"
    )
}

fn insert(place: &Place, count: u32, rows: &[String]) {
    let began = Instant::now();
    let mut c = open(place);
    c.batch_execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN").unwrap();
    for row in rows {
        // Other ids than those of a smaller filling before this one.
        let numbers = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT {count} UNION ALL SELECT n + 1 FROM numbers WHERE n < 2 * {count} - 1)"
        );
        let (table, select) = row.split_once(" SELECT ").unwrap();
        c.batch_execute(&format!("INSERT INTO {table} {numbers} SELECT {select} FROM numbers")).unwrap();
    }
    c.batch_execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    eprintln!("{count} rows of {} tables in {:.0} s", rows.len(), began.elapsed().as_secs_f64());
}

fn open(place: &Place) -> SqliteConnection {
    SqliteConnection::establish(place.database.strip_prefix("sqlite://").unwrap()).unwrap()
}
