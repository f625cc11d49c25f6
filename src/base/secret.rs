//! Bearer secrets: 256 random bits that are shown once and stored only as a hash.
//! [`Secret`] goes to its holder, [`SecretHash`] to the row; neither type can be taken for the other.

use super::entropy::Entropy;
use super::entropy::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;
use std::fmt;

/// A cookie value, a code, a client secret: 43 characters of base64url when made here. `Debug` is mute.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// SHA-256 of a [`Secret`], base64url. Of 256 random bits a plain hash gives nothing away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretHash(String);

impl Secret {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(base64url(&random::<32>(entropy)))
    }

    /// Takes what a stranger presents. Only its hash is ever compared, so any text will do.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash(base64url(&Sha256::digest(self.0.as_bytes())))
    }

    /// The plain text, for its holder's eyes only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl SecretHash {
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// base64url without padding (RFC 4648 §5), as JOSE and OAuth write bytes.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse of [`base64url`]; strict about alphabet and padding.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SystemEntropy;

    #[test]
    fn a_secret_is_43_characters_and_never_printed() {
        let secret = Secret::generate(&SystemEntropy);
        assert_eq!(secret.reveal().len(), 43);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_ne!(secret.hash().as_str(), secret.reveal());
        assert_eq!(Secret::presented(secret.reveal()).hash(), secret.hash());
    }
}
