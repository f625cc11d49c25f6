//! Who is calling: registered clients, and their authentication at the token endpoint (RFC 6749 §2.3, OIDC Core §9).
//! A client is authenticated before anything that it presents is looked at.

use crate::app::App;
use crate::base::id::ClientId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use crate::config::Issuer;
use crate::jose::assertion::claimed_client;
use crate::jose::assertion::verify;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::metadata::AssertionAudience;
use crate::protocol::metadata::AuthMethod;
use crate::protocol::metadata::ClientMetadata;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::clients;
use crate::store::clients::ClientRow;
use crate::store::replays;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_cache::sync::Cache;
use serde_json::Value;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A registered client that is not disabled.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: ClientId,
    /// Of what it is registered with.
    pub version: i64,
    pub metadata: Arc<ClientMetadata>,
    secret_hash: Option<SecretHash>,
}

/// A client that has shown who it is, as far as it can: a public one has nothing to show. And where it called from.
pub struct AuthenticatedClient {
    client: Client,
    pub source: String,
}

#[derive(Debug, Error)]
pub enum ClientError {
    /// What the client is told, and what the log is.
    #[error("{0} [{1}]")]
    Fault(Fault, &'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What comes with a request of a client, besides its form.
pub struct Caller<'a> {
    pub authorization: Option<&'a str>,
    /// The network address, or its /64.
    pub source: String,
}

/// What a client presents (RFC 6749 §2.3).
#[derive(Debug)]
pub struct Presented {
    pub id: ClientId,
    pub proof: Proof,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    None,
    Secret(AuthMethod, Secret),
    Assertion(String),
}

/// What an assertion is good for, once.
pub struct Once {
    jti: SecretHash,
    pub until: Time,
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LONGEST_ASSERTION: i64 = 300;
/// Seconds that a client's clock may be ahead of ours.
const SKEW: i64 = 60;

/// Metadata that was read before, by its text: what a text says can't change. Whose it is now is read from the database each time.
pub struct Registered(Cache<String, Arc<ClientMetadata>>);

const REMEMBERED: usize = 1_000;

impl Default for Registered {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Registered {
    /// `None` for a client that is disabled, or whose metadata this version can't read.
    pub fn client(&self, row: ClientRow) -> Option<Client> {
        if row.disabled {
            return None;
        }
        let metadata = self.0.get(&row.metadata).or_else(|| {
            let read = serde_json::from_str::<ClientMetadata>(&row.metadata)
                .inspect_err(|why| tracing::error!(client = %row.id, %why, "client.unreadable"));
            let read = Arc::new(read.ok()?);
            self.0.insert(row.metadata, read.clone());
            Some(read)
        })?;
        Some(Client { id: row.id, version: row.version, metadata, secret_hash: row.secret_hash })
    }
}

impl Client {
    /// How a person knows the application.
    pub fn name(&self) -> &str {
        self.metadata.client_name.as_deref().unwrap_or(self.id.as_str())
    }
}

impl AuthenticatedClient {
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A line of the audit that this client is the cause of.
    pub fn entry(&self, app: &App, what: What) -> Entry {
        app.entry(Actor::Client, what).client(&self.client.id).source(&self.source)
    }

    /// A line of what is refused to this client before anything of anybody's was found. A public client has none: whoever names
    /// it passes for it (attack: a stranger fills the audit).
    pub fn refusal(&self, app: &App, what: What, reason: &str) -> Option<Entry> {
        (!self.client.metadata.is_public()).then(|| self.entry(app, what).refused(reason))
    }
}

pub async fn find(app: &App, id: &ClientId) -> Result<Option<Client>, StoreError> {
    let id = id.clone();
    let row = app.store.read(move |c| clients::by_id(c, &id)).await?;
    Ok(row.and_then(|row| app.clients.client(row)))
}

/// Authenticates by the one method that the client is registered with.
pub async fn authenticate(
    app: &App,
    caller: Caller<'_>,
    parameters: &Parameters,
) -> Result<AuthenticatedClient, ClientError> {
    let presented = presented(caller.authorization, parameters)
        .map_err(|fault| ClientError::Fault(fault, "client authentication"))?;
    let known = find(app, &presented.id).await?;
    let refused = |reason| ClientError::Fault(invalid_client(), reason);
    let client = known.ok_or_else(|| refused("client unknown or disabled"))?;
    match &presented.proof {
        Proof::Assertion(assertion) => {
            let once = asserted(&app.config.issuer, app.now(), &client, assertion).map_err(refused)?;
            if !app.store.write(move |c| replays::first(c, &once.jti, once.until)).await? {
                return Err(refused("client assertion used before"));
            }
        }
        proof if is_proved(&client, proof) => {}
        _ => return Err(refused("client secret or method differs")),
    }
    Ok(AuthenticatedClient { client, source: caller.source })
}

fn is_proved(client: &Client, proof: &Proof) -> bool {
    let registered = client.metadata.token_endpoint_auth_method;
    match (&client.secret_hash, proof) {
        (None, Proof::None) => registered == AuthMethod::None,
        (Some(known), Proof::Secret(method, secret)) if *method == registered => {
            known.as_str().as_bytes().ct_eq(secret.hash().as_str().as_bytes()).into()
        }
        _ => false,
    }
}

/// RFC 7523 §3: about this client, for this server, for minutes, under a key that the client registered; else why it is not.
pub fn asserted(issuer: &Issuer, now: Time, client: &Client, assertion: &str) -> Result<Once, &'static str> {
    let metadata = &client.metadata;
    let jwks =
        metadata.jwks.as_ref().filter(|_| metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt);
    let jwks = jwks.ok_or("client secret or method differs")?;
    let claims = verify(jwks, metadata.token_endpoint_auth_signing_alg, assertion)
        .ok_or("client assertion: signature, key or alg")?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let about_itself = [text("iss"), text("sub")].iter().all(|id| *id == Some(client.id.as_str()));
    let for_us = claims.get("aud").and_then(only_one).is_some_and(|aud| match metadata.assertion_audience {
        AssertionAudience::Issuer => aud == issuer.as_str(),
        AssertionAudience::TokenEndpoint => aud == issuer.as_str() || aud == issuer.url("/token"),
    });
    let now = now.unix_seconds();
    let time = |name: &str| claims.get(name).map(|value| value.as_f64().map(|seconds| seconds as i64));
    let begun = |name| time(name).is_none_or(|at| at.is_some_and(|at| at <= now + SKEW));
    if !about_itself {
        return Err("client assertion: iss or sub");
    }
    if !for_us {
        return Err("client assertion: aud");
    }
    let timely = |exp: &i64| *exp > now && *exp <= now + LONGEST_ASSERTION;
    let exp = time("exp").flatten().filter(timely).ok_or("client assertion: exp")?;
    if !begun("nbf") || !begun("iat") {
        return Err("client assertion: nbf or iat");
    }
    let jti = text("jti").filter(|jti| !jti.is_empty()).ok_or("client assertion: jti")?;
    let jti = Secret::presented(&format!("assertion {} {jti}", client.id)).hash();
    Ok(Once { jti, until: Time::from_unix_seconds(exp + SKEW) })
}

/// A string, or a list of one: a longer one names another server, where the assertion would be good too.
fn only_one(aud: &Value) -> Option<&str> {
    aud.as_array()
        .map_or(Some(aud), |list| match list.as_slice() {
            [one] => Some(one),
            _ => None,
        })?
        .as_str()
}

/// Who a request says that it is of, and by what; nothing of it is believed yet.
pub fn presented(authorization: Option<&str>, parameters: &Parameters) -> Result<Presented, Fault> {
    let id = parameters.one("client_id")?;
    let secret = parameters.one("client_secret")?;
    let assertion = parameters.one("client_assertion")?;
    let kind = parameters.one("client_assertion_type")?;
    // RFC 6749 §2.3: one method in each request.
    if [authorization, secret, assertion.or(kind)].iter().flatten().count() > 1 {
        return Err(Fault::invalid_request("The client authenticates twice; use one method."));
    }
    if assertion.is_some() || kind.is_some() {
        return by_assertion(id, assertion, kind);
    }
    let Some(header) = authorization else {
        let id =
            id.ok_or_else(|| Fault::new(ErrorCode::InvalidClient, "The client does not say who it is."))?;
        let post = |secret| Proof::Secret(AuthMethod::ClientSecretPost, Secret::presented(secret));
        let id = ClientId::parse(id).ok_or_else(invalid_client)?;
        return Ok(Presented { id, proof: secret.map_or(Proof::None, post) });
    };
    let (basic_id, basic_secret) = basic(header).ok_or_else(invalid_client)?;
    if id.is_some_and(|id| id != basic_id) {
        return Err(Fault::invalid_request("client_id differs from the one in the Authorization header."));
    }
    let proof = Proof::Secret(AuthMethod::ClientSecretBasic, Secret::presented(&basic_secret));
    Ok(Presented { id: ClientId::parse(basic_id).ok_or_else(invalid_client)?, proof })
}

/// RFC 7521 §4.2: `client_id` may be left out, and must agree where it is not.
fn by_assertion(id: Option<&str>, assertion: Option<&str>, kind: Option<&str>) -> Result<Presented, Fault> {
    let (Some(assertion), Some(ASSERTION)) = (assertion, kind) else {
        return Err(Fault::invalid_request(
            "client_assertion and client_assertion_type go together; the type is that of RFC 7523 §2.2.",
        ));
    };
    let claimed = claimed_client(assertion).and_then(ClientId::parse).ok_or_else(invalid_client)?;
    if id.is_some_and(|id| id != claimed.as_str()) {
        return Err(Fault::invalid_request("client_id differs from the sub of client_assertion."));
    }
    Ok(Presented { id: claimed, proof: Proof::Assertion(assertion.to_owned()) })
}

/// RFC 7617, with both halves form-encoded before (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let half = |text: &str| Parameters::parse(&format!("v={text}")).ok()?.one("v").ok()?.map(str::to_owned);
    // A bare & would end the pair: what is not form-encoded is refused, not guessed at.
    if decoded.contains('&') {
        return None;
    }
    Some((half(id)?, half(secret)?))
}

fn invalid_client() -> Fault {
    Fault::new(
        ErrorCode::InvalidClient,
        "The client is unknown, or does not authenticate as it is registered to.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::base64url;

    fn read(text: &str) -> Option<(String, String)> {
        basic(&format!("Basic {}", STANDARD.encode(text)))
    }

    #[test]
    fn basic_credentials_are_form_decoded_and_strict() {
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("shop:s%2Bc%3Aret+x"), pair("shop", "s+c:ret x"));
        assert_eq!(read("shop:a:b"), pair("shop", "a:b"));
        for text in ["", "shop", "shop:", ":secret", "shop:%zz", "shop:a&b=c", "shop:%00"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(basic("Bearer abc"), None);
        assert_eq!(basic("Basic ###"), None);
    }

    #[test]
    fn a_client_authenticates_once() {
        let said = |header: Option<&str>, body: &str| {
            let presented = presented(header, &Parameters::parse(body).unwrap());
            let method = |proof| match proof {
                Proof::None => AuthMethod::None,
                Proof::Secret(method, _) => method,
                Proof::Assertion(_) => AuthMethod::PrivateKeyJwt,
            };
            presented.map(|p| (p.id.to_string(), method(p.proof))).map_err(|f| f.code)
        };
        let header = format!("Basic {}", STANDARD.encode("shop:secret"));
        let basic = Ok(("shop".to_owned(), AuthMethod::ClientSecretBasic));
        assert_eq!(said(Some(&header), ""), basic);
        assert_eq!(said(Some(&header), "client_id=shop"), basic);
        assert_eq!(said(Some(&header), "client_id=other"), Err(ErrorCode::InvalidRequest));
        assert_eq!(said(Some(&header), "client_secret=x"), Err(ErrorCode::InvalidRequest));
        let post = Ok(("shop".to_owned(), AuthMethod::ClientSecretPost));
        assert_eq!(said(None, "client_id=shop&client_secret=x"), post);
        assert_eq!(said(None, "client_id=shop"), Ok(("shop".to_owned(), AuthMethod::None)));
        assert_eq!(said(None, ""), Err(ErrorCode::InvalidClient));
        assert_eq!(said(None, "client_id=a&client_id=b"), Err(ErrorCode::InvalidRequest));
        let assertion = format!(
            "client_assertion_type={ASSERTION}&client_assertion=e30.{}.x",
            base64url(br#"{"sub":"shop"}"#)
        );
        assert_eq!(said(None, &assertion), Ok(("shop".to_owned(), AuthMethod::PrivateKeyJwt)));
        assert_eq!(said(None, &format!("{assertion}&client_id=other")), Err(ErrorCode::InvalidRequest));
        assert_eq!(said(None, &format!("{assertion}&client_secret=x")), Err(ErrorCode::InvalidRequest));
        assert_eq!(said(Some(&header), &assertion), Err(ErrorCode::InvalidRequest));
        assert_eq!(said(None, "client_assertion=a.b.c"), Err(ErrorCode::InvalidRequest));
    }
}
