//! A refresh token for new tokens (RFC 6749 §6, RFC 9700 §4.14.2): used once, with one successor. Reuse revokes the
//! family, except that the same client repeating the same request within ten seconds, because an answer was lost, gets the
//! same successor as long as nobody used it. A family that is refreshed too often waits, and nothing is spent. `acr`, `amr` and
//! `auth_time` stay those of the authorization (OIDC Core §12.2).

use super::endpoint::TokenError;
use super::endpoint::Tokens;
use super::issue;
use super::issue::Basis;
use super::issue::Wish;
use crate::app::App;
use crate::base::secret::GrantSecret;
use crate::base::secret::SecretHash;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::client::AuthenticatedClient;
use crate::mint::access_token::Audience;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::events;
use crate::store::grants;
use crate::store::grants::Grant;
use crate::store::pace;
use crate::store::refresh_tokens;
use crate::store::refresh_tokens::Found;
use crate::store::sessions;
use std::sync::Arc;

/// A family, what it buys now, and the generation that its client holds from now on.
type Rotated = Result<(Basis, Audience, i64), Refused>;

/// What the client is told, and what the log is.
struct Refused {
    fault: Fault,
    reason: &'static str,
    about: Option<Box<Grant>>,
}

const LOST_ANSWER: Seconds = Seconds(10);

pub async fn refresh(
    app: &Arc<App>,
    by: &AuthenticatedClient,
    parameters: &Parameters,
) -> Result<Tokens, TokenError> {
    let client = by.client();
    let hash = GrantSecret::presented(parameters.required("refresh_token")?).hash();
    let wish = Wish::parse(parameters)?;
    let (shared, client_id, now) = (app.clone(), client.id.clone(), app.now());
    let entry = by.entry(app, What::TokenRefreshed);
    let rotated = app.store.write(move |c| {
        // Another client's token is as unknown as one made up, and stays as it is.
        let found = refresh_tokens::find(c, &hash)?.filter(|found| found.grant.client == client_id);
        let Some(found) = found else { return Ok(refused("refresh token unknown", None)) };
        let rotated = rotate(&shared, c, &hash, found, &wish, now)?;
        let entry = match &rotated {
            Ok((Basis { grant, stated, .. }, ..)) => {
                entry.user(&grant.user).session(&grant.session).acr(&stated.acr)
            }
            Err(Refused { reason, about: Some(grant), .. }) => {
                entry.user(&grant.user).session(&grant.session).refused(reason)
            }
            Err(Refused { about: None, .. }) => return Ok(rotated),
        };
        audit::append(c, &entry)?;
        Ok(rotated)
    });
    match rotated.await? {
        Ok((basis, audience, generation)) => {
            let token = issue::refresh_token(app, &basis.grant, generation);
            issue::tokens(app, client, &basis, &audience, false, Some(token))
        }
        Err(Refused { fault, reason, about }) => {
            Err(TokenError::Fault { fault, reason, recorded: about.is_some() })
        }
    }
}

fn rotate(
    app: &App,
    c: &mut Conn,
    hash: &SecretHash,
    found: Found,
    wish: &Wish,
    now: Time,
) -> Written<Rotated> {
    let grant = found.grant.clone();
    if !found.stands {
        return Ok(refused("family revoked or user disabled", Some(grant)));
    }
    if found.expires_at <= now {
        return Ok(refused("refresh token expired", Some(grant)));
    }
    let generation = found.generation;
    let Some(basis) = Basis::of(found.grant, now) else {
        return Ok(refused("grant unreadable", Some(grant)));
    };
    let basis = basis.with_claims(&found.claims);
    if !grant.offline && !sessions::is_in_use(c, &grant.session, app.session_life(), now)? {
        return Ok(refused("session ended", Some(grant)));
    }
    if events::any_voided(c, &basis.stated.events)? {
        return Ok(refused("events voided", Some(grant)));
    }
    // Nothing is spent on a request that can't be served.
    let audience = match issue::audience(app, &basis.request, wish) {
        Ok(audience) => audience,
        Err(fault) => {
            let about = Some(Box::new(grant));
            return Ok(Err(Refused { fault, reason: "audience or scope", about }));
        }
    };
    if found.used_at.is_none() {
        let Some(paid_until) = pace::one_more(found.paid_until, now) else {
            return Ok(Err(too_often(grant)));
        };
        if refresh_tokens::spend(c, hash, now)? {
            let successor = issue::refresh_token(app, &basis.grant, generation + 1);
            let new = (generation + 1, &successor);
            let until = issue::write_refresh_token(c, &basis.grant, new, paid_until, now)?;
            grants::keep(c, &basis.grant.id, until.max(answered_until(app, now)))?;
            return Ok(Ok((basis, audience, generation + 1)));
        }
    }
    again(app, c, hash, (basis, audience), generation, now)
}

/// How long the tokens live that are answered now: longer than the refresh token where its family is about to end.
fn answered_until(app: &App, now: Time) -> Time {
    now.plus(app.config.lifetimes.longest_token())
}

/// The token was used before. Read anew: whoever used it may have done so a moment ago.
fn again(
    app: &App,
    c: &mut Conn,
    hash: &SecretHash,
    (basis, audience): (Basis, Audience),
    generation: i64,
    now: Time,
) -> Written<Rotated> {
    let used_at = refresh_tokens::find(c, hash)?.and_then(|found| found.used_at);
    let recent = used_at.is_some_and(|at| at.has_come(now) && now <= at.plus(LOST_ANSWER));
    let successor = if recent { refresh_tokens::unused(c, &basis.grant.id, generation + 1)? } else { None };
    if let Some(paid_until) = successor {
        if pace::one_more(paid_until, now).is_none() {
            return Ok(Err(too_often(basis.grant)));
        }
        if refresh_tokens::repeat(c, &basis.grant.id, generation + 1)? {
            grants::keep(c, &basis.grant.id, answered_until(app, now))?;
            return Ok(Ok((basis, audience, generation + 1)));
        }
    }
    grants::revoke(c, &basis.grant.id, "refresh token reused", now)?;
    Ok(refused("refresh token reused", Some(basis.grant)))
}

fn too_often(grant: Grant) -> Refused {
    let description = "These tokens were refreshed too often within an hour. The refresh token is still good; wait and try again.";
    let fault = Fault::new(ErrorCode::TemporarilyUnavailable, description);
    Refused { fault, reason: "refreshed too often", about: Some(Box::new(grant)) }
}

fn refused(reason: &'static str, about: Option<Grant>) -> Rotated {
    let description =
        "The refresh token is not valid: it was used, has expired, was revoked, or is another client's.";
    let fault = Fault::new(ErrorCode::InvalidGrant, description);
    Err(Refused { fault, reason, about: about.map(Box::new) })
}
