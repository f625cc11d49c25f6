//! The master key and what is derived from it: seals for secrets at rest, codes that bind a form to its step.
//! One key per purpose, so that nothing made for one is worth anything for another.

use crate::base::entropy::Entropy;
use crate::base::entropy::random;
use crate::base::secret::base64url;
use crate::base::secret::from_base64url;
use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::Nonce;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use hmac::Hmac;
use hmac::Mac;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroize;

/// 32 random bytes; everything that is sealed or derived hangs on them. `Debug` is mute.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

const SEAL: &str = "v1.";
const NONCE: usize = 12;

impl MasterKey {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(random(entropy))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A name for this key that gives nothing of it away.
    pub fn fingerprint(&self) -> String {
        base64url(&self.derived("fingerprint"))
    }

    /// Seals `plain` for `owner`: a row's secret can't be moved to another row (AES-256-GCM, the owner authenticated).
    pub fn seal(&self, owner: &str, plain: &[u8], entropy: &dyn Entropy) -> Option<String> {
        let nonce = random::<NONCE>(entropy);
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload).ok()?;
        Some(format!("{SEAL}{}", base64url(&[nonce.as_slice(), &sealed].concat())))
    }

    /// What was sealed for `owner` under this key; anything else is `None`.
    pub fn open(&self, owner: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = from_base64url(sealed.strip_prefix(SEAL)?)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let nonce = <[u8; NONCE]>::try_from(nonce).ok()?;
        self.cipher().decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: owner.as_bytes() }).ok()
    }

    /// Binds `parts` together for one purpose; the parts can't be shifted into each other.
    pub fn code(&self, purpose: &str, parts: &[&str]) -> String {
        base64url(&self.mac(purpose, parts).finalize().into_bytes())
    }

    /// 32 bytes that nobody else can make: for what is shown once and not kept.
    pub fn bytes(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        self.mac(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether `code` is the one of these parts, in constant time.
    pub fn is_code(&self, code: &str, purpose: &str, parts: &[&str]) -> bool {
        from_base64url(code).is_some_and(|code| self.mac(purpose, parts).verify_slice(&code).is_ok())
    }

    fn mac(&self, purpose: &str, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.derived(purpose));
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut mac = keyed(&self.0);
        mac.update(b"stepgate/1/");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.derived("seal").into())
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104 §2)")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length will do")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SystemEntropy;

    #[test]
    fn a_sealed_secret_opens_for_its_owner_under_its_key_only() {
        let key = MasterKey::generate(&SystemEntropy);
        let sealed = key.seal("c1", b"secret", &SystemEntropy).unwrap();
        assert_eq!(key.open("c1", &sealed), Some(b"secret".to_vec()));
        assert_eq!(key.open("c2", &sealed), None);
        assert_eq!(MasterKey::generate(&SystemEntropy).open("c1", &sealed), None);
        for tampered in ["", "v1.", "v1.AAAA", &sealed[3..], &format!("{sealed}A")] {
            assert_eq!(key.open("c1", tampered), None, "{tampered}");
        }
        assert_ne!(key.seal("c1", b"secret", &SystemEntropy).unwrap(), sealed);
    }

    #[test]
    fn a_code_binds_its_purpose_and_every_part() {
        let key = MasterKey::from_bytes(&[7; 32]).unwrap();
        let code = key.code("form", &["i1", "2"]);
        assert!(key.is_code(&code, "form", &["i1", "2"]));
        for (purpose, parts) in [("form", ["i1", "3"]), ("form", ["i12", ""]), ("other", ["i1", "2"])] {
            assert!(!key.is_code(&code, purpose, &parts));
        }
        assert!(!key.is_code("", "form", &["i1", "2"]));
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
        assert!(MasterKey::from_bytes(&[7; 31]).is_none());
    }
}
