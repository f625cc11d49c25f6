//! The keys that sign: which one does now, what the world may see of them, and what they once signed.
//! A token chooses among our keys by `kid` and nothing else: its `alg` must be the key's, `jwk` and `jku` are not read.

use super::key::KeyState;
use super::key::SigningKey;
use super::key::state;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::protocol::metadata::SigningAlg;
use arc_swap::ArcSwap;
use josekit::JoseError;
use josekit::jws;
use josekit::jws::JwsHeader;
use josekit::jws::JwsVerifier;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use thiserror::Error;

pub struct Keyring {
    /// Replaced as a whole when the folder changes; whoever signs meanwhile keeps what it has.
    keys: ArcSwap<Vec<Arc<SigningKey>>>,
    /// The longest that a token may live: how long a retired key stays published.
    longest_life: Seconds,
}

#[derive(Debug, Error)]
pub enum SignError {
    #[error("no {0} key signs now; look at `stepgate key list`")]
    NoKey(&'static str),
    #[error("signing failed: {0}")]
    Failed(#[from] JoseError),
}

/// What one of our keys has signed.
#[derive(Debug)]
pub struct Verified {
    pub typ: Option<String>,
    pub claims: Map<String, Value>,
}

const LONGEST_TOKEN: usize = 16 * 1024;

impl Keyring {
    pub fn new(keys: Vec<SigningKey>, longest_life: Seconds) -> Self {
        Self { keys: ArcSwap::from_pointee(shared(keys)), longest_life }
    }

    pub fn replace(&self, keys: Vec<SigningKey>) {
        self.keys.store(Arc::new(shared(keys)));
    }

    /// Every key with its state, the oldest first.
    pub fn keys(&self, now: Time) -> Vec<(Arc<SigningKey>, KeyState)> {
        let keys = self.keys.load();
        keys.iter().map(|key| (key.clone(), self.state(&keys, key, now))).collect()
    }

    /// Signs `claims` as a JWS of the media type `typ` (RFC 7515 §4.1.9).
    pub fn sign(&self, alg: SigningAlg, typ: &str, claims: &Value, now: Time) -> Result<String, SignError> {
        let keys = self.keys.load();
        let current =
            |key: &&Arc<SigningKey>| key.alg == alg && self.state(&keys, key, now) == KeyState::Current;
        let key = keys.iter().find(current).ok_or(SignError::NoKey(alg.as_str()))?;
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        header.set_key_id(&key.kid);
        Ok(jws::serialize_compact(claims.to_string().as_bytes(), &header, key.signer.as_ref())?)
    }

    /// The published keys (RFC 7517 §5).
    pub fn jwks(&self, now: Time) -> Value {
        let keys = self.keys(now).into_iter();
        let published = keys.filter(|(_, state)| !matches!(state, KeyState::Gone | KeyState::Withdrawn));
        json!({ "keys": published.map(|(key, _)| key.public()).collect::<Vec<_>>() })
    }

    /// The content of a token that one of our keys signed; its times and its audience are for the caller to judge.
    pub fn verify(&self, token: &str) -> Option<Verified> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let keys = self.keys.load();
        let by_kid = |header: &JwsHeader| {
            // RFC 7515 §4.1.11: an extension that we don't understand must not be ignored.
            if header.claim("crit").is_some() {
                return Ok(None);
            }
            let own = |key: &&Arc<SigningKey>| header.key_id() == Some(key.kid.as_str());
            let key = keys.iter().find(own).filter(|key| key.withdrawn_at.is_none());
            Ok(key.map(|key| &key.verifier as &dyn JwsVerifier))
        };
        let (payload, header) = jws::deserialize_compact_with_selector(token, by_kid).ok()?;
        let claims = serde_json::from_slice(&payload).ok()?;
        Some(Verified { typ: header.token_type().map(str::to_owned), claims })
    }

    fn state(&self, keys: &[Arc<SigningKey>], key: &SigningKey, now: Time) -> KeyState {
        let same = keys.iter().filter(|other| other.alg == key.alg).map(|key| key.times());
        state(key.times(), &same.collect::<Vec<_>>(), self.longest_life, now)
    }
}

fn shared(keys: Vec<SigningKey>) -> Vec<Arc<SigningKey>> {
    keys.into_iter().map(Arc::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::base64url;
    use crate::base::secret::from_base64url;

    const NOW: Time = Time::from_unix_seconds(1_800_000_000);

    fn ring() -> Keyring {
        let key = |alg| SigningKey::generate(alg, NOW, NOW).unwrap();
        Keyring::new(SigningAlg::ALL.map(key).into(), Seconds::hours(1))
    }

    fn signed(ring: &Keyring, alg: SigningAlg) -> String {
        ring.sign(alg, "JWT", &json!({"sub": "ada"}), NOW).unwrap()
    }

    #[test]
    fn what_was_signed_verifies_under_its_own_key_only() {
        let ring = ring();
        for alg in SigningAlg::ALL {
            let token = signed(&ring, alg);
            let verified = ring.verify(&token).unwrap();
            assert_eq!(verified.typ.as_deref(), Some("JWT"));
            assert_eq!(Value::Object(verified.claims), json!({"sub": "ada"}));
            assert!(super::tests::ring().verify(&token).is_none(), "a stranger's key");
        }
        let none = Keyring::new(Vec::new(), Seconds::hours(1));
        assert!(none.sign(SigningAlg::ES256, "JWT", &json!({}), NOW).is_err());
    }

    #[test]
    fn a_token_cannot_choose_its_own_algorithm_or_key() {
        let ring = ring();
        let token = signed(&ring, SigningAlg::RS256);
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let own: Value = serde_json::from_slice(&from_base64url(header).unwrap()).unwrap();
        let forged = |changes: Value, signature: &str| {
            let mut header = own.clone();
            header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            format!("{}.{payload}.{signature}", base64url(header.to_string().as_bytes()))
        };
        let jwk = ring.keys(NOW)[0].0.public();
        for (changes, signature) in [
            (json!({"alg": "none"}), ""),
            (json!({"alg": "none"}), signature),
            (json!({"alg": "HS256"}), signature),
            (json!({"alg": "ES256"}), signature),
            (json!({"kid": "other"}), signature),
            (json!({"jwk": jwk, "kid": null}), signature),
            (json!({"crit": ["exp"], "exp": 1}), signature),
            (json!({"kid": "../master.key"}), signature),
        ] {
            assert!(ring.verify(&forged(changes.clone(), signature)).is_none(), "{changes}");
        }
        for broken in ["", ".", "..", "a.b.c", &token[1..], &"x".repeat(20_000)] {
            assert!(ring.verify(broken).is_none());
        }
    }

    #[test]
    fn every_key_is_published_with_kid_and_alg() {
        let ring = ring();
        let jwks = ring.jwks(NOW);
        let algs = jwks["keys"].as_array().unwrap().iter().map(|k| k["alg"].clone()).collect::<Vec<_>>();
        assert_eq!(algs, ["RS256", "ES256", "EdDSA", "PS256"]);
        assert!(!jwks.to_string().contains("\"d\""));
    }
}
