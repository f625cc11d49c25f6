//! Access tokens: JWTs of the type `at+jwt` (RFC 9068), with what RFC 9470 §6.2 wants known of the authentication.
//! `jti` begins with the grant's id, so that a token leads to its grant without a row of its own.

use super::granted::Stated;
use crate::app::App;
use crate::base::entropy::random;
use crate::base::id::ClientId;
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
pub struct Audience {
    pub aud: String,
    pub scope: TokenList,
    /// What its resource server wants its tokens signed with.
    pub alg: SigningAlg,
}

/// A token that one of our keys signed and that has not expired (RFC 9068 §4); whether it still stands is another
/// question.
pub struct AccessToken {
    /// `None` for a token of the client itself.
    pub grant: Option<GrantId>,
    pub jti: String,
    pub client_id: String,
    pub aud: String,
    /// Seconds since 1970, UTC.
    pub exp: i64,
    pub scope: TokenList,
    pub claims: Map<String, Value>,
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
    app.keys.sign(for_.alg, TYPE, &claims, now)
}

/// A token for a client and nobody else: it states no authentication (RFC 9068 §2.2).
pub fn mint_for_client(app: &App, client: &ClientId, for_: &Audience) -> Result<String, SignError> {
    let now = app.now();
    let claims = json!({
        "iss": app.config.issuer.as_str(),
        "sub": client,
        "aud": for_.aud,
        "client_id": client,
        "scope": for_.scope.to_string(),
        "iat": now.unix_seconds(),
        "exp": now.plus(app.config.lifetimes.access_token).unix_seconds(),
        "jti": base64url(&random::<18>(app.entropy.as_ref())),
    });
    app.keys.sign(for_.alg, TYPE, &claims, now)
}

/// Reads a token of ours that is good at that time. An ID token is none (RFC 8725 §3.11).
pub fn read(app: &App, token: &str, now: Time) -> Option<AccessToken> {
    let verified = app.keys.verify(token)?;
    let claims = verified.claims;
    if verified.typ.as_deref() != Some(TYPE) || text(&claims, "iss") != Some(app.config.issuer.as_str()) {
        return None;
    }
    let exp = claims.get("exp").and_then(Value::as_i64).filter(|exp| *exp > now.unix_seconds())?;
    let jti = text(&claims, "jti")?.to_owned();
    Some(AccessToken {
        grant: jti.split_once('.').map(|(grant, _)| GrantId::from_text(grant)),
        client_id: text(&claims, "client_id")?.to_owned(),
        aud: text(&claims, "aud")?.to_owned(),
        scope: TokenList::parse("scope", text(&claims, "scope")?).ok()?,
        jti,
        exp,
        claims,
    })
}

/// Reads a token whose audience is this server.
pub fn read_own(app: &App, token: &str, now: Time) -> Option<AccessToken> {
    read(app, token, now).filter(|token| token.aud == app.config.issuer.as_str())
}

/// A claim that is a string.
pub fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
