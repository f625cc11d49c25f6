//! Introspection (RFC 7662, RFC 9470 §6.2) and revocation (RFC 7009). Introspection answers the token's audience, the
//! confidential client it was issued to, and gateways; everybody else sees an inactive token.

use super::active;
use super::endpoint::TokenError;
use crate::app::App;
use crate::base::id::UserId;
use crate::base::secret::GrantSecret;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use crate::client::AuthenticatedClient;
use crate::client::Caller;
use crate::client::Client;
use crate::client::authenticate;
use crate::mint::access_token::AccessToken;
use crate::mint::access_token::read;
use crate::mint::access_token::text;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::grants;
use crate::store::refresh_tokens;
use crate::store::revoked_tokens;
use crate::store::sessions;
use crate::store::sweep::SLACK;
use serde_json::Value;
use serde_json::json;

pub async fn introspect(app: &App, caller: Caller<'_>, body: &str) -> Result<Value, TokenError> {
    let (by, token) = presented(app, caller, body, What::Introspection).await?;
    let client = by.client();
    if client.metadata.is_public() {
        let description = "Introspection is for clients that can prove who they are.";
        let fault = Fault::new(ErrorCode::InvalidClient, description);
        return Err(refused(app, &by, What::Introspection, fault).await?);
    }
    let answer = match read(app, &token, app.now()) {
        Some(token) => access_token(app, client, token).await?,
        None => refresh_token(app, client, GrantSecret::presented(&token).hash()).await?,
    };
    Ok(answer.unwrap_or_else(|reason| {
        tracing::info!(client = %client.id, reason, "introspection.inactive");
        json!({"active": false})
    }))
}

/// RFC 7009 §2.2: a token that is unknown, or another client's, is no error and no effect. One that has just expired may be good by
/// another clock.
pub async fn revoke(app: &App, caller: Caller<'_>, body: &str) -> Result<(), TokenError> {
    let (by, token) = presented(app, caller, body, What::TokenRevoked).await?;
    let (client, now, entry) = (by.client().clone(), app.now(), by.entry(app, What::TokenRevoked));
    if let Some(token) = read(app, &token, now.minus(SLACK)) {
        if token.client_id == client.id.as_str() {
            let expires_at = Time::from_unix_seconds(token.exp);
            let entry = entry.because("an access token");
            let subject = text(&token.claims, "sub").filter(|_| token.grant.is_some());
            let entry = subject.map_or(entry.clone(), |user| entry.user(&UserId::from_text(user)));
            app.store
                .write(move |c| {
                    revoked_tokens::insert(c, &token.jti, expires_at)?;
                    let session = grants::session_of(c, token.grant.as_ref())?;
                    audit::append(c, &session.map_or(entry.clone(), |session| entry.session(&session)))
                })
                .await?;
        } else {
            app.store.write(move |c| audit::append(c, &entry.refused(OF_ANOTHER))).await?;
        }
        return Ok(());
    }
    let hash = GrantSecret::presented(&token).hash();
    app.store
        .write(move |c| match refresh_tokens::find(c, &hash)? {
            Some(found) if found.grant.client == client.id => {
                grants::revoke(c, &found.grant.id, "revoked by its client", now)?;
                let entry = entry.because("a refresh token and its family").user(&found.grant.user);
                audit::append(c, &entry.session(&found.grant.session))
            }
            Some(_) => audit::append(c, &entry.refused(OF_ANOTHER)),
            None => Ok(()),
        })
        .await?;
    Ok(())
}

const OF_ANOTHER: &str = "another client's token";

async fn presented(
    app: &App,
    caller: Caller<'_>,
    body: &str,
    what: What,
) -> Result<(AuthenticatedClient, String), TokenError> {
    let parameters = Parameters::parse(body)?;
    parameters.all_sound()?;
    let client = authenticate(app, caller, &parameters).await?;
    match parameters.required("token") {
        Ok(token) => Ok((client, token.to_owned())),
        Err(fault) => Err(refused(app, &client, what, fault).await?),
    }
}

/// Told to the client, and in the audit if it has proved itself: nothing of anybody's was found.
async fn refused(
    app: &App,
    by: &AuthenticatedClient,
    what: What,
    fault: Fault,
) -> Result<TokenError, StoreError> {
    if let Some(entry) = by.refusal(app, what, fault.code.as_str()) {
        app.store.write(move |c| audit::append(c, &entry)).await?;
    }
    Ok(fault.into())
}

/// What the client is told, or why it is told nothing (RFC 7662 §2.2).
type Told = Result<Value, &'static str>;

async fn access_token(app: &App, client: &Client, token: AccessToken) -> Result<Told, StoreError> {
    let may_ask = client.metadata.gateway
        || client.id.as_str() == token.client_id
        || client.metadata.resource.as_deref() == Some(&token.aud);
    if !may_ask {
        return Ok(Err("not this client's business"));
    }
    if active::holder(app, &token).await?.is_none() {
        return Ok(Err("what it rests on does not stand"));
    }
    let mut answer = token.claims;
    answer.insert("active".into(), json!(true));
    answer.insert("token_type".into(), json!("Bearer"));
    Ok(Ok(Value::Object(answer)))
}

async fn refresh_token(app: &App, client: &Client, hash: SecretHash) -> Result<Told, StoreError> {
    let (id, now, life) = (client.id.clone(), app.now(), app.session_life());
    let active = app.store.read(move |c| {
        let found = refresh_tokens::find(c, &hash)?;
        let Some(found) = found.filter(|found| found.grant.client == id) else {
            return Ok(Err("unknown here, expired, or another client's"));
        };
        let usable = found.stands && found.used_at.is_none() && found.expires_at > now;
        let lives = found.grant.offline || sessions::is_in_use(c, &found.grant.session, life, now)?;
        Ok(Some(found).filter(|_| usable && lives).ok_or("used, expired, or its session has ended"))
    });
    let issuer = app.config.issuer.as_str();
    Ok(active.await?.map(|found| {
        json!({
            "active": true,
            "iss": issuer,
            "client_id": found.grant.client,
            "sub": found.grant.user,
            "scope": found.grant.scope,
            "exp": found.expires_at.unix_seconds(),
        })
    }))
}
