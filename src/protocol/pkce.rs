//! Proof Key for Code Exchange (RFC 7636), `S256` only: `plain` protects nothing once the request has leaked.

use super::error::Fault;
use crate::base::secret::base64url;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A `code_challenge` of method `S256`: 43 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenge(String);

/// A `code_verifier`: 43 to 128 unreserved characters (§4.1).
#[derive(Clone)]
pub struct Verifier(String);

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`. A missing method means `plain` (§4.3) and is refused.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>, Fault> {
        match (challenge, method) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Fault::invalid_request(
                "code_challenge is missing though its method is given; send both.",
            )),
            (Some(_), None | Some("plain")) => Err(Fault::invalid_request(
                "code_challenge_method must be S256; plain, its default, is refused.",
            )),
            (Some(text), Some("S256")) => {
                let sound =
                    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
                sound.then(|| Some(Self(text.to_owned()))).ok_or_else(|| {
                    Fault::invalid_request(
                        "code_challenge is not the base64url SHA-256 of a verifier (43 characters).",
                    )
                })
            }
            (Some(_), Some(_)) => Err(Fault::invalid_request("code_challenge_method is unknown; use S256.")),
        }
    }

    pub fn accepts(&self, verifier: &Verifier) -> bool {
        let hashed = base64url(&Sha256::digest(verifier.0.as_bytes()));
        hashed.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

impl Verifier {
    pub fn parse(text: &str) -> Option<Self> {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        ((43..=128).contains(&text.len()) && text.bytes().all(unreserved)).then(|| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_holds() {
        let challenge = Challenge::parse(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256"));
        let challenge = challenge.unwrap().unwrap();
        let verifier = Verifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert!(challenge.accepts(&verifier));
        assert!(!challenge.accepts(&Verifier::parse(&"a".repeat(43)).unwrap()));
    }

    #[test]
    fn plain_and_malformed_challenges_are_refused() {
        let sound = "a".repeat(43);
        assert_eq!(Challenge::parse(None, None), Ok(None));
        for (challenge, method) in [
            (Some(sound.as_str()), None),
            (Some(&sound), Some("plain")),
            (Some(&sound), Some("s256")),
            (Some("short"), Some("S256")),
            (Some(&"+".repeat(43)), Some("S256")),
            (None, Some("S256")),
        ] {
            assert!(Challenge::parse(challenge, method).is_err(), "{challenge:?} {method:?}");
        }
        for verifier in ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43))] {
            assert!(Verifier::parse(&verifier).is_none(), "{verifier}");
        }
    }
}
