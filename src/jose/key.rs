//! One signing key: its JWK, its times, and the objects that sign and verify, which are dear to make and kept.
//! The key's name (`kid`) is its thumbprint (RFC 7638), so a name can't point to another key.

use super::seen::Remembering;
use crate::base::secret::base64url;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::protocol::metadata::SigningAlg;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jwk::alg::ed::EdCurve;
use josekit::jws::ES256;
use josekit::jws::EdDSA;
use josekit::jws::JwsSigner;
use josekit::jws::JwsVerifier;
use josekit::jws::PS256;
use josekit::jws::RS256;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

pub struct SigningKey {
    pub kid: String,
    pub alg: SigningAlg,
    pub created_at: Time,
    /// Published from the start, it signs from here on, when every relying party has seen it.
    pub signs_from: Time,
    /// Pulled: nothing that it signed counts from here on.
    pub withdrawn_at: Option<Time>,
    jwk: Jwk,
    pub(super) signer: Box<dyn JwsSigner>,
    pub(super) verifier: Remembering,
}

/// A pure function of the times in the key files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, not signing yet.
    Next,
    Current,
    /// Its successor signs; it stays published for as long as a token of its own may live.
    Retired,
    /// No token of its own is left; it is published no more.
    Gone,
    /// Pulled before its time; it is published no more, and what it signed is refused.
    Withdrawn,
}

/// What the state of a key depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub signs_from: Time,
    pub withdrawn_at: Option<Time>,
}

/// A key as it lies in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    created_at: String,
    signs_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<String>,
    jwk: Map<String, Value>,
}

const RSA_BITS: u32 = 2048;

impl SigningKey {
    /// A new key, whose name can't be taken for an option on a command line.
    pub fn generate(alg: SigningAlg, created_at: Time, signs_from: Time) -> Result<Self, String> {
        loop {
            let key = Self::draw(alg, created_at, signs_from)?;
            if !key.kid.starts_with('-') {
                return Ok(key);
            }
        }
    }

    pub fn from_file(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let time = |name: &str, text: &str| {
            Time::parse_rfc3339(text).ok_or_else(|| format!("{name} is not a time (RFC 3339)"))
        };
        let jwk = Jwk::from_map(file.jwk).map_err(|why| why.to_string())?;
        let alg = jwk.algorithm().and_then(SigningAlg::parse);
        let alg = alg.ok_or("its alg is none of RS256, ES256, EdDSA, PS256")?;
        let withdrawn_at = file.withdrawn_at.map(|text| time("withdrawn_at", &text)).transpose()?;
        let (created_at, signs_from) =
            (time("created_at", &file.created_at)?, time("signs_from", &file.signs_from)?);
        Ok(Self { withdrawn_at, ..Self::new(jwk, alg, created_at, signs_from)? })
    }

    pub fn times(&self) -> Times {
        Times { signs_from: self.signs_from, withdrawn_at: self.withdrawn_at }
    }

    pub fn to_file(&self) -> Result<String, String> {
        let file = File {
            created_at: self.created_at.rfc3339(),
            signs_from: self.signs_from.rfc3339(),
            withdrawn_at: self.withdrawn_at.map(Time::rfc3339),
            jwk: self.jwk.as_ref().clone(),
        };
        serde_json::to_string_pretty(&file).map_err(|why| why.to_string())
    }

    /// What anyone may know of the key: built from its public members, so that no private one can slip through.
    pub fn public(&self) -> Value {
        let mut public = public_members(&self.jwk, self.alg);
        public.insert("kid".into(), json!(self.kid));
        public.insert("alg".into(), json!(self.alg.as_str()));
        public.insert("use".into(), json!("sig"));
        Value::Object(public)
    }

    /// OpenSSL draws its randomness itself.
    fn draw(alg: SigningAlg, created_at: Time, signs_from: Time) -> Result<Self, String> {
        let jwk = match alg {
            SigningAlg::RS256 | SigningAlg::PS256 => Jwk::generate_rsa_key(RSA_BITS),
            SigningAlg::ES256 => Jwk::generate_ec_key(EcCurve::P256),
            SigningAlg::EdDSA => Jwk::generate_ed_key(EdCurve::Ed25519),
        };
        let mut jwk = jwk.map_err(|why| why.to_string())?;
        jwk.set_algorithm(alg.as_str());
        Self::new(jwk, alg, created_at, signs_from)
    }

    fn new(mut jwk: Jwk, alg: SigningAlg, created_at: Time, signs_from: Time) -> Result<Self, String> {
        let kid = thumbprint(&jwk, alg);
        jwk.set_key_id(&kid);
        let told = |why: josekit::JoseError| why.to_string();
        let public = jwk.to_public_key().map_err(told)?;
        let (signer, verifier): (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) = match alg {
            SigningAlg::RS256 => (
                Box::new(RS256.signer_from_jwk(&jwk).map_err(told)?),
                Box::new(RS256.verifier_from_jwk(&public).map_err(told)?),
            ),
            SigningAlg::PS256 => (
                Box::new(PS256.signer_from_jwk(&jwk).map_err(told)?),
                Box::new(PS256.verifier_from_jwk(&public).map_err(told)?),
            ),
            SigningAlg::ES256 => (
                Box::new(ES256.signer_from_jwk(&jwk).map_err(told)?),
                Box::new(ES256.verifier_from_jwk(&public).map_err(told)?),
            ),
            SigningAlg::EdDSA => (
                Box::new(EdDSA.signer_from_jwk(&jwk).map_err(told)?),
                Box::new(EdDSA.verifier_from_jwk(&public).map_err(told)?),
            ),
        };
        let verifier = Remembering::new(verifier);
        Ok(Self { kid, alg, created_at, signs_from, withdrawn_at: None, jwk, signer, verifier })
    }
}

/// The state of a key, among all keys of its algorithm.
pub fn state(own: Times, all: &[Times], longest_life: Seconds, now: Time) -> KeyState {
    let is_withdrawn = |key: &Times| key.withdrawn_at.is_some_and(|at| at <= now);
    if is_withdrawn(&own) {
        return KeyState::Withdrawn;
    }
    let others = || all.iter().filter(|key| !is_withdrawn(key)).map(|key| key.signs_from);
    // The first of its algorithm signs whatever a clock says that went back: there is nothing else to sign with.
    let is_first = others().all(|signs_from| signs_from >= own.signs_from);
    match others().filter(|signs_from| *signs_from > own.signs_from).min() {
        _ if own.signs_from > now && !is_first => KeyState::Next,
        Some(successor) if successor.plus(longest_life) <= now => KeyState::Gone,
        Some(successor) if successor <= now => KeyState::Retired,
        _ => KeyState::Current,
    }
}

/// RFC 7638 §3: SHA-256 of the required members in lexical order.
fn thumbprint(jwk: &Jwk, alg: SigningAlg) -> String {
    let mut members = public_members(jwk, alg).into_iter().collect::<Vec<_>>();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    let canonical = Value::Object(members.into_iter().collect()).to_string();
    base64url(&Sha256::digest(canonical.as_bytes()))
}

fn public_members(jwk: &Jwk, alg: SigningAlg) -> Map<String, Value> {
    let names: &[&str] = match alg {
        SigningAlg::RS256 | SigningAlg::PS256 => &["kty", "n", "e"],
        SigningAlg::ES256 => &["kty", "crv", "x", "y"],
        // RFC 8037 §2.
        SigningAlg::EdDSA => &["kty", "crv", "x"],
    };
    names.iter().filter_map(|name| Some(((*name).to_owned(), jwk.as_ref().get(*name)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
        let example = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let jwk = Jwk::from_bytes(example).unwrap();
        assert_eq!(thumbprint(&jwk, SigningAlg::RS256), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_key_survives_its_file_and_publishes_no_private_member() {
        let at = Time::from_unix_seconds(1_800_000_000);
        let key = SigningKey::generate(SigningAlg::ES256, at, at.plus(Seconds::days(1))).unwrap();
        let read = SigningKey::from_file(&key.to_file().unwrap()).unwrap();
        assert_eq!((&read.kid, read.created_at, read.signs_from), (&key.kid, key.created_at, key.signs_from));
        let public = key.public();
        let names = public.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(names, ["kty", "crv", "x", "y", "kid", "alg", "use"]);
        assert!(SigningKey::from_file("{}").is_err() && SigningKey::from_file("").is_err());
    }

    #[test]
    fn no_key_is_named_like_an_option_on_a_command_line() {
        let at = Time::from_unix_seconds(1_800_000_000);
        // One thumbprint in 64 begins with a hyphen: that none of so many does has a chance of one in a million.
        let mut kids = (0..900).map(|_| SigningKey::generate(SigningAlg::EdDSA, at, at).unwrap().kid);
        assert_eq!(kids.find(|kid| kid.starts_with('-')), None);
    }

    #[test]
    fn a_key_is_next_then_current_then_retired_then_gone() {
        let at = Time::from_unix_seconds;
        let key = |signs_from, withdrawn_at: Option<i64>| Times {
            signs_from: at(signs_from),
            withdrawn_at: withdrawn_at.map(at),
        };
        let states = |both: [Times; 2], now| both.map(|key| state(key, &both, Seconds(50), at(now)));
        let both = [key(0, None), key(100, None)];
        assert_eq!(states(both, 99), [KeyState::Current, KeyState::Next]);
        assert_eq!(states(both, 100), [KeyState::Retired, KeyState::Current]);
        assert_eq!(states(both, 149), [KeyState::Retired, KeyState::Current]);
        assert_eq!(states(both, 150), [KeyState::Gone, KeyState::Current]);
        // A key that was withdrawn is nobody's successor.
        let pulled = [key(0, None), key(100, Some(120))];
        assert_eq!(states(pulled, 119), [KeyState::Retired, KeyState::Current]);
        assert_eq!(states(pulled, 120), [KeyState::Current, KeyState::Withdrawn]);
        // What waited takes the place of a key that was withdrawn.
        let first_pulled = [key(0, Some(50)), key(100, None)];
        assert_eq!(states(first_pulled, 49), [KeyState::Current, KeyState::Next]);
        assert_eq!(states(first_pulled, 50), [KeyState::Withdrawn, KeyState::Current]);
        assert_eq!(states(both, -1), [KeyState::Current, KeyState::Next], "a clock that went back");
    }
}
