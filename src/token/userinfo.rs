//! The UserInfo endpoint (OIDC Core §5.3): the claims that a token's scopes open, as they are now.
//! The token comes in the header or a form body, once; never in the query (RFC 9700 §4.3.2).

use super::active;
use super::active::Holder;
use crate::app::App;
use crate::base::id::ClientId;
use crate::base::id::UserId;
use crate::client::Caller;
use crate::mint::access_token::AccessToken;
use crate::mint::access_token::read_own;
use crate::mint::access_token::text;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::standard_claims::released;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::What;
use crate::store::grants;
use serde_json::Value;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum UserInfoError {
    /// No token at all: RFC 6750 §3.1 wants no error code then.
    #[error("no token")]
    NoToken,
    #[error("{0}")]
    Fault(Fault),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `body` is the form of a POST, empty otherwise.
pub async fn answer(app: &App, caller: Caller<'_>, body: &str) -> Result<Value, UserInfoError> {
    let parameters = Parameters::parse(body).map_err(UserInfoError::Fault)?;
    let in_body = parameters.one("access_token").map_err(UserInfoError::Fault)?;
    let token = match (caller.authorization.and_then(bearer), in_body) {
        (None, None) => return Err(UserInfoError::NoToken),
        (Some(token), None) | (None, Some(token)) => token,
        (Some(_), Some(_)) => {
            return Err(UserInfoError::Fault(Fault::invalid_request(
                "The token is given twice; send it once.",
            )));
        }
    };
    let token = read_own(app, token, app.now()).ok_or_else(invalid_token)?;
    if !token.scope.contains("openid") {
        refused(app, &token, &caller.source, "the token lacks the scope openid").await?;
        return Err(UserInfoError::Fault(Fault::new(
            ErrorCode::InsufficientScope,
            "The token lacks the scope openid.",
        )));
    }
    let Some(Holder::User(claims)) = active::holder(app, &token).await? else {
        refused(app, &token, &caller.source, "the token does not stand any more").await?;
        return Err(invalid_token());
    };
    let mut answer = released(&claims, &token.scope);
    answer.insert("sub".into(), token.claims.get("sub").cloned().unwrap_or_default());
    Ok(Value::Object(answer))
}

/// Who holds a token that we signed is known.
async fn refused(app: &App, token: &AccessToken, source: &str, reason: &str) -> Result<(), StoreError> {
    let client = ClientId::from_text(&token.client_id);
    let mut entry = app.entry(Actor::Client, What::UserInfo).client(&client).source(source).refused(reason);
    if let (Some(_), Some(sub)) = (&token.grant, text(&token.claims, "sub")) {
        entry = entry.user(&UserId::from_text(sub));
    }
    let grant = token.grant.clone();
    app.store
        .write(move |c| {
            let session = grants::session_of(c, grant.as_ref())?;
            audit::append(c, &session.map_or(entry.clone(), |session| entry.session(&session)))
        })
        .await
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn invalid_token() -> UserInfoError {
    UserInfoError::Fault(Fault::new(
        ErrorCode::InvalidToken,
        "The access token is not valid here: it has expired, was revoked, or is for another audience.",
    ))
}
