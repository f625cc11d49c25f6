//! Verifying an access token (RFC 9068 §4): the key is chosen by `kid` among those that the issuer publishes, and the
//! algorithm is the key's. Keys are fetched when an unknown one is named, at most every ten seconds.

use josekit::jwk::Jwk;
use josekit::jws;
use josekit::jws::ES256;
use josekit::jws::JwsHeader;
use josekit::jws::JwsVerifier;
use josekit::jws::RS256;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Mutex;
use stepgate_resource::requirement::Shown;

pub struct Issuer {
    issuer: String,
    resource: String,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    keys: Vec<Jwk>,
    fetched_at: i64,
}

/// What a verified token says.
#[derive(Deserialize)]
pub struct Token {
    pub sub: String,
    #[serde(default)]
    pub scope: String,
    #[serde(flatten)]
    pub shown: Shown,
    iss: String,
    aud: String,
    exp: i64,
}

pub enum Refused {
    Invalid,
    /// The issuer does not answer, so nothing can be said of the token.
    NoKeys(reqwest::Error),
}

const FETCH_EVERY: i64 = 10;

impl Issuer {
    pub fn new(issuer: String, resource: String) -> Self {
        Self { issuer, resource, keys: Mutex::default() }
    }

    pub async fn verify(&self, token: &str, now: i64) -> Result<Token, Refused> {
        let header = jws_header(token).ok_or(Refused::Invalid)?;
        // RFC 9068 §4: nothing that was signed for another purpose, an ID token say, passes for an access token.
        if header.token_type() != Some("at+jwt") || header.claim("crit").is_some() {
            return Err(Refused::Invalid);
        }
        let kid = header.key_id().ok_or(Refused::Invalid)?;
        let key = self.key(kid, now).await?.ok_or(Refused::Invalid)?;
        let claims = signed_by(&key, token).ok_or(Refused::Invalid)?;
        let token = serde_json::from_slice::<Token>(&claims).map_err(|_| Refused::Invalid)?;
        let sound = token.iss == self.issuer && token.aud == self.resource && token.exp > now;
        if sound { Ok(token) } else { Err(Refused::Invalid) }
    }

    async fn key(&self, kid: &str, now: i64) -> Result<Option<Jwk>, Refused> {
        let known = |keys: &Keys| keys.keys.iter().find(|key| key.key_id() == Some(kid)).cloned();
        if let Ok(mut keys) = self.keys.lock() {
            let known = known(&keys);
            // A stranger who makes kids up must not make us fetch without end.
            if known.is_some() || now.saturating_sub(keys.fetched_at) < FETCH_EVERY {
                return Ok(known);
            }
            keys.fetched_at = now;
        }
        let fetched = fetch(&self.issuer).await.map_err(|why| {
            self.forget();
            Refused::NoKeys(why)
        })?;
        let keys = Keys { keys: fetched, fetched_at: now };
        let key = known(&keys);
        if let Ok(mut own) = self.keys.lock() {
            *own = keys;
        }
        Ok(key)
    }

    /// A fetch that failed does not count.
    fn forget(&self) {
        if let Ok(mut keys) = self.keys.lock() {
            keys.fetched_at = 0;
        }
    }
}

async fn fetch(issuer: &str) -> Result<Vec<Jwk>, reqwest::Error> {
    let get = async |url: &str| reqwest::get(url).await?.error_for_status()?.json::<Value>().await;
    let metadata = get(&format!("{issuer}/.well-known/openid-configuration")).await?;
    let jwks = get(metadata.get("jwks_uri").and_then(Value::as_str).unwrap_or_default()).await?;
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    Ok(keys.filter_map(|key| Jwk::from_map(key.as_object()?.clone()).ok()).collect())
}

fn jws_header(token: &str) -> Option<JwsHeader> {
    let (header, _) = token.split_once('.')?;
    JwsHeader::from_bytes(&stepgate::base::secret::from_base64url(header)?).ok()
}

fn signed_by(key: &Jwk, token: &str) -> Option<Vec<u8>> {
    let verifier: Box<dyn JwsVerifier> = match key.algorithm()? {
        "ES256" => Box::new(ES256.verifier_from_jwk(key).ok()?),
        "RS256" => Box::new(RS256.verifier_from_jwk(key).ok()?),
        _ => return None,
    };
    jws::deserialize_compact(token, verifier.as_ref()).ok().map(|(claims, _)| claims)
}
