//! Assertions of clients (RFC 7523 §3), under keys that the client registered by value. The key decides the algorithm; what the
//! header says must agree with it, and `jwk`, `jku` and `x5u` are never read.

use crate::base::secret::from_base64url;
use crate::protocol::metadata::SigningAlg;
use josekit::jwk::Jwk;
use josekit::jws::ES256;
use josekit::jws::EdDSA;
use josekit::jws::JwsVerifier;
use josekit::jws::PS256;
use josekit::jws::RS256;
use serde_json::Map;
use serde_json::Value;

const MOST_KEYS: usize = 20;
const SMALLEST_RSA: usize = 2048 / 8;
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Whether these are public keys that assertions can be verified with; else what is wrong.
pub fn check_keys(jwks: &Value) -> Result<(), String> {
    let keys = keys(jwks);
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(format!("jwks: give 1 to {MOST_KEYS} keys (RFC 7517 §5)"));
    }
    for (index, key) in keys.iter().enumerate() {
        let bad = |why: &str| Err(format!("jwks.keys[{index}]: {why}"));
        if PRIVATE.iter().any(|member| key.contains_key(*member)) {
            return bad("holds a private key; register the public one, and make a new pair");
        }
        if key.contains_key("x5u") {
            return bad("points to a certificate elsewhere (x5u), and nothing is fetched; leave that out");
        }
        if text(key, "use").is_some_and(|usage| usage != "sig") {
            return bad("is not for signatures (use)");
        }
        if kinds(key).is_empty() {
            return bad(
                "is neither RSA of 2048 bits, nor EC P-256, nor OKP Ed25519, or its alg is another one",
            );
        }
        if kinds(key).into_iter().any(|alg| verifier(key, alg).is_none()) {
            return bad("can't be read as a public key");
        }
    }
    Ok(())
}

/// The claims of a token that one of `jwks` signed, with `alg` if one is registered.
pub fn verify(jwks: &Value, alg: Option<SigningAlg>, token: &str) -> Option<Map<String, Value>> {
    let (signed, signature) =
        token.rsplit_once('.').filter(|(signed, _)| signed.matches('.').count() == 1)?;
    let signature = from_base64url(signature)?;
    let header = part(token, 0)?;
    let said = alg_of(text(&header, "alg")?)?;
    // RFC 7515 §4.1.11: an extension that we don't understand must not be ignored.
    if header.contains_key("crit") || alg.is_some_and(|registered| registered != said) {
        return None;
    }
    let kid = text(&header, "kid");
    let named =
        |key: &&Map<String, Value>| kid.is_none() || text(key, "kid").is_none_or(|own| Some(own) == kid);
    let fitting = keys(jwks).into_iter().filter(|key| kinds(key).contains(&said) && named(key));
    let mut verifiers = fitting.filter_map(|key| verifier(key, said));
    verifiers.find(|verifier| verifier.verify(signed.as_bytes(), &signature).is_ok())?;
    part(token, 1)
}

/// RFC 9864 §2.2 calls EdDSA with Ed25519 by the name of the curve.
fn alg_of(text: &str) -> Option<SigningAlg> {
    if text == "Ed25519" { Some(SigningAlg::EdDSA) } else { SigningAlg::parse(text) }
}

/// What an assertion says of its client, before anything is known to be true: only to look that client up.
pub fn claimed_client(token: &str) -> Option<String> {
    text(&part(token, 1)?, "sub").map(str::to_owned)
}

fn part(token: &str, index: usize) -> Option<Map<String, Value>> {
    serde_json::from_slice(&from_base64url(token.split('.').nth(index)?)?).ok()
}

fn keys(jwks: &Value) -> Vec<&Map<String, Value>> {
    let keys = jwks.get("keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_object).collect()
}

/// The algorithms that suit a key: those of its type, and its own `alg` if it names one.
fn kinds(key: &Map<String, Value>) -> Vec<SigningAlg> {
    let suiting: &[SigningAlg] = match (text(key, "kty"), text(key, "crv")) {
        (Some("RSA"), _) if modulus(key) >= SMALLEST_RSA => &[SigningAlg::RS256, SigningAlg::PS256],
        (Some("EC"), Some("P-256")) => &[SigningAlg::ES256],
        (Some("OKP"), Some("Ed25519")) => &[SigningAlg::EdDSA],
        _ => &[],
    };
    let own = text(key, "alg");
    suiting.iter().copied().filter(|alg| own.is_none_or(|own| alg_of(own) == Some(*alg))).collect()
}

/// Bytes.
fn modulus(key: &Map<String, Value>) -> usize {
    let bytes = text(key, "n").and_then(from_base64url).unwrap_or_default();
    bytes.iter().skip_while(|byte| **byte == 0).count()
}

fn verifier(key: &Map<String, Value>, alg: SigningAlg) -> Option<Box<dyn JwsVerifier>> {
    let mut jwk = Jwk::from_map(key.clone()).ok()?;
    jwk.set_algorithm(alg.as_str());
    Some(match alg {
        SigningAlg::RS256 => Box::new(RS256.verifier_from_jwk(&jwk).ok()?),
        SigningAlg::PS256 => Box::new(PS256.verifier_from_jwk(&jwk).ok()?),
        SigningAlg::ES256 => Box::new(ES256.verifier_from_jwk(&jwk).ok()?),
        SigningAlg::EdDSA => Box::new(EdDSA.verifier_from_jwk(&jwk).ok()?),
    })
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}
