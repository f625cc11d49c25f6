//! A code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §2.1.1). One statement redeems it. Whatever is wrong
//! with the right client's try burns the code; a try of another client changes nothing.

use super::endpoint::TokenError;
use super::endpoint::Tokens;
use super::issue;
use super::issue::Basis;
use super::issue::Wish;
use crate::app::App;
use crate::base::secret::GrantSecret;
use crate::base::time::Time;
use crate::client::AuthenticatedClient;
use crate::mint::access_token::Audience;
use crate::mint::granted::GrantedRequest;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::metadata::ClientMetadata;
use crate::protocol::parameters::Parameters;
use crate::protocol::pkce::Verifier;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::grants;
use crate::store::grants::Grant;
use crate::store::sessions;
use std::sync::Arc;

/// What the client presents.
struct Presented {
    code: GrantSecret,
    redirect_uri: Option<String>,
    verifier: Option<String>,
    wish: Wish,
}

/// What the client is told, and what the log is.
struct Refused {
    fault: Fault,
    reason: &'static str,
    /// The code is somebody's, whose audit has the line.
    found: bool,
}

pub async fn redeem(
    app: &Arc<App>,
    by: &AuthenticatedClient,
    parameters: &Parameters,
) -> Result<Tokens, TokenError> {
    let client = by.client();
    let presented = presented(parameters)?;
    let (now, id, shared) = (app.now(), client.id.clone(), app.clone());
    let refreshes = client.metadata.grant_types.iter().any(|grant| grant == "refresh_token");
    let kept_until = refreshes.then(|| issue::kept_until(&app.config.lifetimes, now));
    let (entry, metadata) = (by.entry(app, What::CodeRedeemed), client.metadata.clone());
    let outcome = app.store.write(move |c| {
        let hash = presented.code.hash();
        let Some(grant) = grants::redeem(c, &hash, &id, kept_until, now)? else {
            let Some(replayed) = grants::revoke_replayed(c, &hash, &id, now)? else {
                let refused = Refused { found: false, ..refused("code unknown or expired") };
                return Ok(Err(refused));
            };
            let entry = entry.user(&replayed.user).session(&replayed.session);
            audit::append(c, &entry.refused("code replayed"))?;
            return Ok(Err(refused("code replayed")));
        };
        let whole = grant.clone();
        let (basis, audience) = match judge(&shared, c, grant, (&metadata, &presented), now)? {
            Ok(buys) => buys,
            Err(refused) => {
                grants::revoke(c, &whole.id, refused.reason, now)?;
                let entry = entry.user(&whole.user).session(&whole.session);
                audit::append(c, &entry.refused(refused.reason))?;
                return Ok(Err(refused));
            }
        };
        let entry = entry.user(&whole.user).session(&whole.session).acr(&basis.stated.acr);
        audit::append(c, &entry)?;
        if !refreshes {
            return Ok(Ok((basis, audience, None)));
        }
        let token = issue::refresh_token(&shared, &basis.grant, 1);
        issue::write_refresh_token(c, &basis.grant, (1, &token), now, now)?;
        Ok(Ok((basis, audience, Some(token))))
    });
    match outcome.await? {
        Ok((basis, audience, refresh_token)) => {
            issue::tokens(app, client, &basis, &audience, true, refresh_token)
        }
        Err(Refused { fault, reason, found }) => Err(TokenError::Fault { fault, reason, recorded: found }),
    }
}

fn presented(parameters: &Parameters) -> Result<Presented, Fault> {
    let owned = |value: Option<&str>| value.map(str::to_owned);
    Ok(Presented {
        code: GrantSecret::presented(parameters.required("code")?),
        redirect_uri: owned(parameters.one("redirect_uri")?),
        verifier: owned(parameters.one("code_verifier")?),
        // The scope of a code was settled with it (RFC 6749 §4.1.3 knows no such parameter).
        wish: Wish { scope: None, ..Wish::parse(parameters)? },
    })
}

fn judge(
    app: &App,
    c: &mut Conn,
    grant: Grant,
    (client, presented): (&ClientMetadata, &Presented),
    now: Time,
) -> Written<Result<(Basis, Audience), Refused>> {
    let Some(basis) = Basis::of(grant, now) else { return Ok(Err(refused("grant unreadable"))) };
    if presented.redirect_uri.as_ref() != Some(&basis.request.redirect_uri) {
        return Ok(Err(refused("redirect_uri differs")));
    }
    // Given up since: whoever has the address by now is not who registered it (a code that was on its way meanwhile).
    let address =
        ReturnAddress::verify(&client.redirect_uris, &basis.request.redirect_uri, client.is_native());
    if address.is_none() {
        return Ok(Err(refused("redirect_uri not registered any more")));
    }
    if let Err(reason) = verifier(&basis.request, presented) {
        return Ok(Err(refused(reason)));
    }
    let audience = match issue::audience(app, &basis.request, &presented.wish) {
        Ok(audience) => audience,
        Err(fault) => return Ok(Err(Refused { fault, ..refused("audience or scope") })),
    };
    // Ages were judged when the code was written; what it rests on must stand still.
    let claims = sessions::standing(c, &basis.grant.session, &basis.stated.events, now)?;
    let Some(claims) = claims else { return Ok(Err(refused("session or events gone"))) };
    Ok(Ok((basis.with_claims(&claims), audience)))
}

fn verifier(request: &GrantedRequest, presented: &Presented) -> Result<(), &'static str> {
    match (&request.challenge, &presented.verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => Err("code_verifier missing"),
        // RFC 9700 §4.8.2: a verifier without a challenge is the mark of a downgrade.
        (None, Some(_)) => Err("code_verifier without a code_challenge"),
        (Some(challenge), Some(text)) => match Verifier::parse(text) {
            Some(verifier) if challenge.accepts(&verifier) => Ok(()),
            _ => Err("code_verifier differs"),
        },
    }
}

fn refused(reason: &'static str) -> Refused {
    let description = "The code is not valid: it has expired, was used, or is not for this client, redirect_uri and code_verifier.";
    Refused { fault: Fault::new(ErrorCode::InvalidGrant, description), reason, found: true }
}
