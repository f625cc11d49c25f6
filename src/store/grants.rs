//! Grants: one row per authorization, made with its code. Redeemed by one statement; revoked for good.

use super::connection::Conn;
use super::schema::clients;
use super::schema::grants;
use super::schema::users;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::ClientId;
use crate::base::id::CredentialId;
use crate::base::id::GrantId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use diesel::prelude::*;
use diesel::sql_types::Bool;

/// What was granted; `request` and `assurance` are JSON that the features read.
#[derive(Clone, Debug)]
pub struct Grant {
    pub id: GrantId,
    pub client: ClientId,
    pub user: UserId,
    pub session: SessionId,
    pub scope: String,
    pub request: String,
    pub assurance: String,
    /// It survives the session it was made in (`offline_access`).
    pub offline: bool,
    pub granted_at: Time,
}

pub struct CodeTimes {
    pub code_expires_at: Time,
    /// The row is kept as long as what the code bought.
    pub expires_at: Time,
}

pub fn insert(c: &mut Conn, grant: &Grant, code: &SecretHash, times: &CodeTimes) -> QueryResult<()> {
    diesel::insert_into(grants::table)
        .values((
            grants::id.eq(grant.id.as_str()),
            grants::code_hash.eq(code.as_str()),
            grants::client_id.eq(grant.client.as_str()),
            grants::user_id.eq(grant.user.as_str()),
            grants::session_id.eq(grant.session.as_str()),
            grants::scope.eq(&grant.scope),
            grants::request.eq(&grant.request),
            grants::assurance.eq(&grant.assurance),
            grants::offline.eq(grant.offline),
            grants::granted_at.eq(grant.granted_at.micros()),
            grants::code_expires_at.eq(times.code_expires_at.micros()),
            grants::expires_at.eq(times.expires_at.micros()),
        ))
        .run(c)
        .map(drop)
}

/// Redeems a code for the client it was issued to. Of all who try, one gets the grant, which is kept until `kept_until` if that
/// is given.
pub fn redeem(
    c: &mut Conn,
    code: &SecretHash,
    client: &ClientId,
    kept_until: Option<Time>,
    now: Time,
) -> QueryResult<Option<Grant>> {
    diesel::update(grants::table)
        .filter(grants::code_hash.eq(code.as_str()))
        .filter(grants::client_id.eq(client.as_str()))
        .filter(grants::redeemed_at.is_null())
        .filter(grants::revoked_at.is_null())
        .filter(grants::code_expires_at.gt(now.micros()))
        .set((
            grants::redeemed_at.eq(now.micros()),
            kept_until.map(|until| grants::expires_at.eq(until.micros())),
        ))
        .returning(COLUMNS)
        .kept()
        .row::<Row>(c)
        .map(|row| row.map(grant))
}

/// RFC 6749 §4.1.2: a code presented again by its own client revokes what it bought. Another client's try changes nothing.
pub fn revoke_replayed(
    c: &mut Conn,
    code: &SecretHash,
    client: &ClientId,
    now: Time,
) -> QueryResult<Option<Grant>> {
    diesel::update(grants::table)
        .filter(grants::code_hash.eq(code.as_str()))
        .filter(grants::client_id.eq(client.as_str()))
        .filter(grants::redeemed_at.is_not_null())
        .filter(grants::revoked_at.is_null())
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq("code replayed")))
        .returning(COLUMNS)
        .row::<Row>(c)
        .map(|row| row.map(grant))
}

pub fn revoke(c: &mut Conn, id: &GrantId, reason: &str, now: Time) -> QueryResult<()> {
    diesel::update(grants::table.find(id.as_str()))
        .filter(grants::revoked_at.is_null())
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq(reason)))
        .run(c)
        .map(drop)
}

/// Revokes what was granted to a user in a session that ends: everything but what is to outlive it, and what was never redeemed.
pub fn end_with_session(c: &mut Conn, user: &UserId, session: &SessionId, now: Time) -> QueryResult<()> {
    revoke_of_session(c, (user, session), true, "signed out", now).map(drop)
}

/// The session that it was granted in, for the audit.
pub fn session_of(c: &mut Conn, id: Option<&GrantId>) -> QueryResult<Option<SessionId>> {
    let Some(id) = id else { return Ok(None) };
    let session = grants::table.find(id.as_str()).select(grants::session_id).row::<String>(c)?;
    Ok(session.map(SessionId::from_text))
}

/// Whose session it was that something was granted in. For administrators, not for requests.
pub fn owner_in(c: &mut Conn, session: &SessionId) -> QueryResult<Option<UserId>> {
    let of_session = grants::table.filter(grants::session_id.eq(session.as_str()));
    let user = of_session.select(grants::user_id).limit(1).row::<String>(c)?;
    Ok(user.map(UserId::from_text))
}

/// Revokes what was granted to a user in a session; says how much. `keep_offline` spares what is to outlive the session, once it was
/// redeemed.
pub fn revoke_of_session(
    c: &mut Conn,
    (user, session): (&UserId, &SessionId),
    keep_offline: bool,
    reason: &str,
    now: Time,
) -> QueryResult<usize> {
    diesel::update(grants::table)
        .filter(grants::user_id.eq(user.as_str()))
        .filter(grants::session_id.eq(session.as_str()))
        .filter(grants::revoked_at.is_null())
        .filter(
            grants::offline
                .eq(false)
                .or(grants::redeemed_at.is_null())
                .or((!keep_offline).into_sql::<Bool>()),
        )
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq(reason)))
        .run(c)
}

/// How much of what was granted to a user in a session is left.
pub fn standing_in(c: &mut Conn, (user, session): (&UserId, &SessionId), now: Time) -> QueryResult<usize> {
    let left = grants::table
        .filter(grants::user_id.eq(user.as_str()))
        .filter(grants::session_id.eq(session.as_str()))
        .filter(grants::revoked_at.is_null())
        .filter(grants::expires_at.gt(now.micros()))
        .count()
        .row::<i64>(c)?;
    Ok(left.and_then(|left| usize::try_from(left).ok()).unwrap_or_default())
}

pub fn revoke_of_user(c: &mut Conn, user: &UserId, reason: &str, now: Time) -> QueryResult<()> {
    diesel::update(grants::table)
        .filter(grants::user_id.eq(user.as_str()))
        .filter(grants::revoked_at.is_null())
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq(reason)))
        .run(c)
        .map(drop)
}

/// Revokes what was granted in every other session of the user, whether it was to outlive that or not.
pub fn revoke_of_others(
    c: &mut Conn,
    user: &UserId,
    own: &SessionId,
    reason: &str,
    now: Time,
) -> QueryResult<()> {
    diesel::update(grants::table)
        .filter(grants::user_id.eq(user.as_str()))
        .filter(grants::session_id.ne(own.as_str()))
        .filter(grants::revoked_at.is_null())
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq(reason)))
        .run(c)
        .map(drop)
}

/// For administrators, not for requests: a client has as many grants as it has users.
pub fn revoke_of_client(c: &mut Conn, client: &ClientId, now: Time) -> QueryResult<()> {
    diesel::update(grants::table)
        .filter(grants::client_id.eq(client.as_str()))
        .filter(grants::revoked_at.is_null())
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq("client deleted")))
        .run(c)
        .map(drop)
}

/// Revokes a user's grants whose assurance rests on a factor: it names the factor's id, which is found nowhere else.
pub fn revoke_resting_on(
    c: &mut Conn,
    user: &UserId,
    credential: &CredentialId,
    now: Time,
) -> QueryResult<()> {
    diesel::update(grants::table)
        .filter(grants::user_id.eq(user.as_str()))
        .filter(grants::revoked_at.is_null())
        .filter(grants::assurance.like(format!("%\"{credential}\"%")))
        .set((grants::revoked_at.eq(now.micros()), grants::revoked_for.eq("factor removed")))
        .run(c)
        .map(drop)
}

/// Keeps a grant until `until` at least: something that it bought lives that long.
pub fn keep(c: &mut Conn, id: &GrantId, until: Time) -> QueryResult<()> {
    let shorter = grants::id.eq(id.as_str()).and(grants::expires_at.lt(until.micros()));
    change(grants::table, shorter, grants::expires_at.eq(until.micros())).run(c).map(drop)
}

/// A grant that still stands, with its user's claims: not revoked, user and client enabled.
pub fn standing(c: &mut Conn, id: &GrantId) -> QueryResult<Option<(Grant, String)>> {
    let row = grants::table
        .inner_join(users::table.on(users::id.eq(grants::user_id)))
        .inner_join(clients::table.on(clients::id.eq(grants::client_id)))
        .filter(grants::id.eq(id.as_str()))
        .filter(grants::redeemed_at.is_not_null())
        .filter(grants::revoked_at.is_null())
        .filter(users::disabled_at.is_null())
        .filter(clients::disabled_at.is_null())
        .select((COLUMNS, users::claims))
        .row::<(Row, String)>(c)?;
    Ok(row.map(|(row, claims)| (grant(row), claims)))
}

pub(super) type Row = (String, String, String, String, String, String, String, bool, i64);
type Columns = (
    grants::id,
    grants::client_id,
    grants::user_id,
    grants::session_id,
    grants::scope,
    grants::request,
    grants::assurance,
    grants::offline,
    grants::granted_at,
);
pub(super) const COLUMNS: Columns = (
    grants::id,
    grants::client_id,
    grants::user_id,
    grants::session_id,
    grants::scope,
    grants::request,
    grants::assurance,
    grants::offline,
    grants::granted_at,
);

pub(super) fn grant(row: Row) -> Grant {
    let (id, client, user, session, scope, request, assurance, offline, granted_at) = row;
    Grant {
        id: GrantId::from_text(id),
        client: ClientId::from_text(client),
        user: UserId::from_text(user),
        session: SessionId::from_text(session),
        scope,
        request,
        assurance,
        offline,
        granted_at: Time::from_micros(granted_at),
    }
}
