//! Access tokens: JWTs of the type `at+jwt` (RFC 9068), with what RFC 9470 §6.2 wants known of the authentication.
//! `jti` begins with the grant's id, so that a token leads to its grant without a row of its own.

use super::granted::Stated;
use crate::app::App;
use crate::base::entropy::random;
use crate::base::id::GrantId;
use crate::base::secret::base64url;
use crate::base::time::Time;
use crate::jose::keyring::SignError;
use crate::protocol::list::TokenList;
use crate::protocol::metadata::SigningAlg;
use crate::store::grants::Grant;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// What the token opens: one audience, and its scopes.
pub struct Audience<'a> {
    pub aud: &'a str,
    pub scope: &'a TokenList,
}

/// A token that one of our keys signed, that has not expired, and is for us (RFC 9068 §4).
pub struct OwnToken {
    pub grant: GrantId,
    pub scope: TokenList,
}

pub const TYPE: &str = "at+jwt";

pub fn mint(
    app: &App,
    grant: &Grant,
    stated: &Stated,
    for_: &Audience,
    now: Time,
) -> Result<String, SignError> {
    let claims = json!({
        "iss": app.config.issuer.as_str(),
        "sub": grant.user,
        "aud": for_.aud,
        "client_id": grant.client,
        "scope": for_.scope.to_string(),
        "iat": now.unix_seconds(),
        "exp": now.plus(app.config.lifetimes.access_token).unix_seconds(),
        "jti": format!("{}.{}", grant.id, base64url(&random::<12>(app.entropy.as_ref()))),
        "sid": grant.session,
        "acr": stated.acr,
        "amr": stated.amr,
        "auth_time": stated.auth_time.unix_seconds(),
    });
    app.keys.sign(SigningAlg::ES256, TYPE, &claims, now)
}

/// Reads a token whose audience is this server. An ID token is not one (RFC 8725 §3.11).
pub fn read_own(app: &App, token: &str, now: Time) -> Option<OwnToken> {
    let verified = app.keys.verify(token)?;
    let claims = verified.claims;
    let issuer = app.config.issuer.as_str();
    let sound = verified.typ.as_deref() == Some(TYPE)
        && text(&claims, "iss") == Some(issuer)
        && text(&claims, "aud") == Some(issuer)
        && claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp > now.unix_seconds());
    if !sound {
        return None;
    }
    let (grant, _) = text(&claims, "jti")?.split_once('.')?;
    let scope = TokenList::parse("scope", text(&claims, "scope")?).ok()?;
    Some(OwnToken { grant: GrantId::from_text(grant), scope })
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
