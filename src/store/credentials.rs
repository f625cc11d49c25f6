//! What users prove themselves with: one row per factor. Secrets are a PHC string or sealed; never plain.

use super::connection::Conn;
use super::schema::credentials;
use super::users;
use crate::assurance::factors::Account;
use crate::assurance::factors::Factor;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::time::Time;
use diesel::prelude::*;

#[derive(Clone, Debug)]
pub struct Credential {
    pub id: CredentialId,
    pub method: Method,
    /// PHC string of a password, or a sealed TOTP secret.
    pub secret: String,
    /// The last TOTP step that was spent (RFC 6238 §5.2).
    pub last_step: i64,
    pub enrolled_at: Time,
}

impl Credential {
    pub fn factor(&self) -> Factor {
        Factor {
            credential: self.id.clone(),
            method: self.method,
            uv: false,
            device_bound: false,
            attested: false,
            enrolled_at: self.enrolled_at,
        }
    }
}

pub fn insert(c: &mut Conn, user: &UserId, credential: &Credential) -> QueryResult<()> {
    diesel::insert_into(credentials::table)
        .values((
            credentials::id.eq(credential.id.as_str()),
            credentials::user_id.eq(user.as_str()),
            credentials::kind.eq(credential.method.as_str()),
            credentials::secret.eq(&credential.secret),
            credentials::last_step.eq(credential.last_step),
            credentials::enrolled_at.eq(credential.enrolled_at.micros()),
        ))
        .execute(c)
        .map(drop)
}

/// Every factor of a user.
pub fn of_user(c: &mut Conn, user: &UserId) -> QueryResult<Vec<Credential>> {
    let rows = credentials::table
        .filter(credentials::user_id.eq(user.as_str()))
        .select((
            credentials::id,
            credentials::kind,
            credentials::secret,
            credentials::last_step,
            credentials::enrolled_at,
        ))
        .order(credentials::enrolled_at)
        .load::<(String, String, String, i64, i64)>(c)?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, kind, secret, last_step, enrolled_at)| {
            let method = Method::parse(&kind)?;
            let enrolled_at = Time::from_micros(enrolled_at);
            Some(Credential { id: CredentialId::from_text(id), method, secret, last_step, enrolled_at })
        })
        .collect())
}

/// What an enabled user has to prove themself with.
pub fn account(c: &mut Conn, id: &UserId) -> QueryResult<Option<Account>> {
    let user = users::by_id(c, id)?.filter(|user| !user.disabled);
    let Some(user) = user else { return Ok(None) };
    let factors = of_user(c, id)?.iter().map(Credential::factor).collect();
    Ok(Some(Account { user: user.id, factors, second_factor: user.second_factor }))
}

/// Spends a TOTP step. Of all who try, in any process, one is told `true`; an earlier step never comes back.
pub fn spend_step(c: &mut Conn, id: &CredentialId, step: i64) -> QueryResult<bool> {
    diesel::update(credentials::table)
        .filter(credentials::id.eq(id.as_str()))
        .filter(credentials::last_step.lt(step))
        .set(credentials::last_step.eq(step))
        .execute(c)
        .map(|rows| rows == 1)
}

/// Removes a factor. What was shown with it is voided by [`super::events::void`].
pub fn remove(c: &mut Conn, id: &CredentialId) -> QueryResult<()> {
    diesel::delete(credentials::table.find(id.as_str())).execute(c).map(drop)
}

/// Whether the user still has every one of these.
pub fn are_there(c: &mut Conn, user: &UserId, ids: &[CredentialId]) -> QueryResult<bool> {
    let there = credentials::table
        .filter(credentials::user_id.eq(user.as_str()))
        .filter(credentials::id.eq_any(ids.iter().map(CredentialId::as_str)))
        .select(credentials::id)
        .load::<String>(c)?;
    Ok(ids.iter().all(|id| there.iter().any(|known| known == id.as_str())))
}
