//! A code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §2.1.1). One statement redeems it. Whatever is wrong
//! with the right client's try burns the code; a try of another client changes nothing.

use super::endpoint::TokenError;
use super::endpoint::Tokens;
use crate::app::App;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::client::Client;
use crate::mint::access_token;
use crate::mint::access_token::Audience;
use crate::mint::granted;
use crate::mint::granted::GrantedRequest;
use crate::mint::granted::Stated;
use crate::mint::id_token;
use crate::mint::id_token::IdTokenFor;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::pkce::Verifier;
use crate::protocol::standard_claims;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::grants;
use crate::store::grants::Grant;
use crate::store::sessions;
use crate::store::users;
use serde_json::Map;
use serde_json::Value;

/// What the client presents.
struct Presented {
    code: Secret,
    redirect_uri: Option<String>,
    verifier: Option<String>,
    resource: Option<String>,
}

/// A grant whose code was just redeemed, and rightly.
struct Redeemed {
    grant: Grant,
    request: GrantedRequest,
    stated: Stated,
    user_claims: Map<String, Value>,
}

type Outcome = Result<Redeemed, &'static str>;

pub async fn redeem(app: &App, client: &Client, parameters: &Parameters) -> Result<Tokens, TokenError> {
    let presented = presented(parameters)?;
    let (now, id) = (app.now(), client.id.clone());
    let resource = presented.resource.clone();
    let outcome = app.store.write(move |c| {
        let hash = presented.code.hash();
        let Some(grant) = grants::redeem(c, &hash, &id, now)? else {
            let replayed = grants::revoke_replayed(c, &hash, &id, now)?;
            return Ok(Err(if replayed.is_some() { "code replayed" } else { "code unknown or expired" }));
        };
        let grant_id = grant.id.clone();
        let judged = judge(c, grant, &presented, now)?;
        if let Err(reason) = &judged {
            grants::revoke(c, &grant_id, reason, now)?;
        }
        Ok(judged)
    });
    match outcome.await? {
        Ok(redeemed) => tokens(app, client, &redeemed, resource.as_deref(), now),
        Err(reason) => Err(TokenError::Fault { fault: invalid_grant(), reason }),
    }
}

fn presented(parameters: &Parameters) -> Result<Presented, Fault> {
    let owned = |value: Option<&str>| value.map(str::to_owned);
    let resource = match parameters.many("resource")?.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        _ => return Err(Fault::new(ErrorCode::InvalidTarget, "A token is for one resource; name one.")),
    };
    Ok(Presented {
        code: Secret::presented(parameters.required("code")?),
        redirect_uri: owned(parameters.one("redirect_uri")?),
        verifier: owned(parameters.one("code_verifier")?),
        resource,
    })
}

fn judge(c: &mut Conn, grant: Grant, presented: &Presented, now: Time) -> Written<Outcome> {
    let (Some(request), Some(stated)) =
        (granted::read::<GrantedRequest>(&grant.request), granted::read::<Stated>(&grant.assurance))
    else {
        return Ok(Err("grant unreadable"));
    };
    if presented.redirect_uri.as_ref() != Some(&request.redirect_uri) {
        return Ok(Err("redirect_uri differs"));
    }
    if let Err(reason) = verifier(&request, presented) {
        return Ok(Err(reason));
    }
    // Ages were judged when the code was written; what it rests on must stand still.
    if !sessions::stands(c, &grant.session, &stated.events, now)? {
        return Ok(Err("session or events gone"));
    }
    let user = users::by_id(c, &grant.user)?;
    let claims = user.and_then(|user| serde_json::from_str(&user.claims).ok());
    Ok(Ok(Redeemed { grant, request, stated, user_claims: claims.unwrap_or_default() }))
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

fn tokens(
    app: &App,
    client: &Client,
    redeemed: &Redeemed,
    resource: Option<&str>,
    now: Time,
) -> Result<Tokens, TokenError> {
    let Redeemed { grant, request, stated, .. } = redeemed;
    let audience = audience(app, request, resource)?;
    let access_token = access_token::mint(app, grant, stated, &audience, now)?;
    let id_token = if request.scope.contains("openid") {
        let for_ = IdTokenFor {
            grant,
            stated,
            alg: client.metadata.id_token_signed_response_alg,
            nonce: request.nonce.as_deref(),
            access_token: &access_token,
            claims: wanted_claims(redeemed),
        };
        Some(id_token::mint(app, for_, now)?)
    } else {
        None
    };
    Ok(Tokens {
        access_token,
        token_type: "Bearer",
        expires_in: app.config.lifetimes.access_token.0,
        scope: audience.scope.to_string(),
        id_token,
    })
}

/// RFC 8707 §2.2: one audience, among those that the authorization request named; none named: this server.
fn audience<'a>(
    app: &'a App,
    request: &'a GrantedRequest,
    wanted: Option<&str>,
) -> Result<Audience<'a>, Fault> {
    let target = |description| Fault::new(ErrorCode::InvalidTarget, description);
    let resource = match (wanted, request.resources.as_slice()) {
        (None, []) => return Ok(Audience { aud: app.config.issuer.as_str(), scope: &request.scope }),
        (None, [only]) => only,
        (None, _) => {
            return Err(target("Several resources were granted; name the one that the token is for."));
        }
        (Some(wanted), granted) => granted
            .iter()
            .find(|resource| resource.identifier == wanted)
            .ok_or_else(|| target("resource was not named in the authorization request."))?,
    };
    Ok(Audience { aud: &resource.identifier, scope: &resource.scope })
}

/// OIDC Core §5.5: claims that were asked for by name, as far as the granted scopes open them.
fn wanted_claims(redeemed: &Redeemed) -> Map<String, Value> {
    let open = standard_claims::released(&redeemed.user_claims, &redeemed.request.scope);
    let wanted = &redeemed.request.id_token_claims;
    open.into_iter().filter(|(name, _)| wanted.contains(name)).collect()
}

fn invalid_grant() -> Fault {
    Fault::new(
        ErrorCode::InvalidGrant,
        "The code is not valid: it has expired, was used, or is not for this client, redirect_uri and code_verifier.",
    )
}
