//! Bearer secrets: 256 random bits that are shown once and stored only as a hash.
//! [`Secret`] and [`GrantSecret`] go to their holder, [`SecretHash`] to the row; none can be taken for another.

use super::entropy::Entropy;
use super::entropy::random;
use super::id::GrantId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;
use std::fmt;

/// A cookie value or a client secret: 43 characters of base64url when made here. `Debug` is mute.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// An authorization code or a refresh token: the 12 hexadecimal digits of its grant's time, then a [`Secret`]. Its hash begins
/// with the time too, so what is granted in one moment lies side by side in an index, and one page of it is written, not many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantSecret(Secret);

/// SHA-256 of a secret, base64url. Of 256 random bits a plain hash gives nothing away.
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

/// Of the 128 bits of a UUIDv7 the first 48 are the time (RFC 9562 §5.7).
const TIME_DIGITS: usize = 12;
const SECRET_LENGTH: usize = 43;

impl GrantSecret {
    pub fn new(grant: &GrantId, secret: &Secret) -> Self {
        let digits = grant.as_str().chars().filter(|c| *c != '-').take(TIME_DIGITS);
        Self(Secret(digits.chain(secret.reveal().chars()).collect()))
    }

    /// Takes what a stranger presents, of any form.
    pub fn presented(text: &str) -> Self {
        Self(Secret::presented(text))
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash(self.time().unwrap_or_default().to_owned() + self.0.hash().as_str())
    }

    /// The plain text, for its holder's eyes only.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Nothing of what has another form than ours may stand in a row.
    fn time(&self) -> Option<&str> {
        let (time, secret) = self.reveal().split_at_checked(TIME_DIGITS)?;
        let is_ours = secret.len() == SECRET_LENGTH && time.bytes().all(|b| b.is_ascii_hexdigit());
        is_ours.then_some(time)
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
    use crate::base::time::Time;

    #[test]
    fn a_secret_is_43_characters_and_never_printed() {
        let secret = Secret::generate(&SystemEntropy);
        assert_eq!(secret.reveal().len(), 43);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_ne!(secret.hash().as_str(), secret.reveal());
        assert_eq!(Secret::presented(secret.reveal()).hash(), secret.hash());
    }

    #[test]
    fn what_a_grant_is_claimed_with_sorts_by_its_time_and_is_never_printed() {
        let at = |second| Time::from_unix_seconds(second);
        let made = |second| {
            let grant = GrantId::generate(&SystemEntropy, at(second));
            (grant.clone(), GrantSecret::new(&grant, &Secret::generate(&SystemEntropy)))
        };
        let (grant, first) = made(1_800_000_000);
        let (_, later) = made(1_800_000_001);
        assert!(first.hash().as_str() < later.hash().as_str());
        assert_eq!((first.reveal().len(), first.hash().as_str().len()), (55, 55));
        assert_eq!(first.hash().as_str()[..8], grant.as_str()[..8]);
        assert_eq!(GrantSecret::presented(first.reveal()).hash(), first.hash());
        assert_eq!(format!("{first:?}"), "GrantSecret(Secret(…))");
    }

    #[test]
    fn the_hash_of_what_is_presented_holds_none_of_it_but_a_time() {
        let of = |text: &str| GrantSecret::presented(text).hash();
        let (hex, other) = ("0123456789ab", "x123456789ab");
        let rest = Secret::generate(&SystemEntropy);
        assert_eq!(of(&format!("{hex}{}", rest.reveal())).as_str()[..12], *hex);
        for text in ["", "é", "0123456789é", hex, rest.reveal(), &format!("{other}{}", rest.reveal())] {
            assert_eq!(of(text), Secret::presented(text).hash());
        }
    }
}
