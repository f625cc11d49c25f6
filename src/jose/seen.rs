//! A verifier that remembers what it has verified: whether a signature is good under a key can't change, and resource servers
//! ask about the same token again and again. Nothing else is remembered: the key's state, the token's times, its grant and
//! its revocation are judged anew each time.

use josekit::JoseError;
use josekit::jws::JwsAlgorithm;
use josekit::jws::JwsVerifier;
use quick_cache::sync::Cache;
use sha2::Digest;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// Of one key.
#[derive(Clone)]
pub struct Remembering {
    verifier: Box<dyn JwsVerifier>,
    /// SHA-256 over signature and message. Only what verified is in it (attack: forgeries that drive out what is good).
    seen: Arc<Cache<[u8; 32], ()>>,
}

/// Of each key; some 60 bytes a token.
const REMEMBERED: usize = 10_000;

impl Remembering {
    pub fn new(verifier: Box<dyn JwsVerifier>) -> Self {
        Self { verifier, seen: Arc::new(Cache::new(REMEMBERED)) }
    }
}

impl JwsVerifier for Remembering {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        self.verifier.algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        self.verifier.key_id()
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        // The signature goes first, after its length: nothing of it can be taken for a part of the message.
        let length = signature.len().to_be_bytes();
        let name = Sha256::new()
            .chain_update(length)
            .chain_update(signature)
            .chain_update(message)
            .finalize()
            .into();
        if self.seen.get(&name).is_none() {
            self.verifier.verify(message, signature)?;
            self.seen.insert(name, ());
        }
        Ok(())
    }

    fn box_clone(&self) -> Box<dyn JwsVerifier> {
        Box::new(self.clone())
    }
}

impl fmt::Debug for Remembering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembering").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use josekit::jwk::Jwk;
    use josekit::jwk::alg::ec::EcCurve;
    use josekit::jws::ES256;
    use josekit::jws::JwsSigner;

    fn pair() -> (impl JwsSigner, Remembering) {
        let key = Jwk::generate_ec_key(EcCurve::P256).unwrap();
        let verifier = ES256.verifier_from_jwk(&key.to_public_key().unwrap()).unwrap();
        (ES256.signer_from_jwk(&key).unwrap(), Remembering::new(Box::new(verifier)))
    }

    #[test]
    fn what_was_verified_is_known_and_nothing_beside_it() {
        let (signer, verifier) = pair();
        let signature = signer.sign(b"head.body").unwrap();
        let other = signer.sign(b"head.other").unwrap();
        for _ in 0..2 {
            assert!(verifier.verify(b"head.body", &signature).is_ok());
            assert!(verifier.verify(b"head.bodies", &signature).is_err());
            assert!(verifier.verify(b"head.body", &other).is_err());
            assert!(verifier.verify(b"ead.body", &[&signature[..], b"h"].concat()).is_err());
            assert!(verifier.verify(b"head.body", b"").is_err());
        }
        assert_eq!(verifier.seen.len(), 1);
    }

    #[test]
    fn another_key_has_not_seen_it() {
        let ((signer, verifier), (_, stranger)) = (pair(), pair());
        let signature = signer.sign(b"head.body").unwrap();
        assert!(verifier.verify(b"head.body", &signature).is_ok());
        assert!(stranger.verify(b"head.body", &signature).is_err());
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (signer, verifier) = pair();
        let signature = signer.sign(b"head.body").unwrap();
        assert!(verifier.verify(b"head.body", &signature).is_ok());
        for n in 0..REMEMBERED * 2 {
            verifier.seen.insert(Sha256::digest(n.to_string()).into(), ());
        }
        assert!((REMEMBERED / 2..=REMEMBERED).contains(&verifier.seen.len()));
        assert!(verifier.verify(b"head.body", &signature).is_ok(), "who was driven out is verified again");
    }
}
