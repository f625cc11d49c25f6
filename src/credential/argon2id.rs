//! argon2id (RFC 9106) in memory that is used again. Owns how a password becomes a PHC string; never sees whose it is, never waits.

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Block;
use argon2::Params;
use argon2::Version;
use argon2::password_hash;
use argon2::password_hash::CustomizedPasswordHasher;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::Output;
use argon2::password_hash::phc::ParamsString;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::phc::Salt;
use std::cell::RefCell;
use zeroize::Zeroizing;

#[derive(Clone)]
pub struct Hasher {
    params: Params,
}

/// What one hash works in. It grows to what is needed, holds what the last password left, and is cleared when it is dropped.
#[derive(Default)]
pub struct Memory(Zeroizing<Vec<Block>>);

impl Hasher {
    pub fn new(params: Params) -> Self {
        Self { params }
    }

    /// The PHC string to store.
    pub fn hash(&self, password: &[u8], salt: &[u8; 16], memory: &mut Memory) -> Option<String> {
        let hash = self.within(memory).hash_password_with_salt(password, salt).ok()?;
        Some(hash.to_string())
    }

    /// Whether `password` is the one behind `stored`, at the price that is written there; `None` if nothing could be compared.
    pub fn verify(&self, stored: &str, password: &[u8], memory: &mut Memory) -> Option<bool> {
        let stored = PasswordHash::new(stored).ok()?;
        Some(self.within(memory).verify_password(password, &stored).is_ok())
    }

    /// Whether anything can be compared with it.
    pub fn can_read(&self, stored: &str) -> bool {
        PasswordHash::new(stored).is_ok_and(|stored| Params::try_from(&stored).is_ok())
    }

    fn within<'a>(&'a self, memory: &'a mut Memory) -> Within<'a> {
        Within { params: &self.params, memory: RefCell::new(memory) }
    }
}

/// The library compares and reads PHC strings; only the memory is ours.
struct Within<'a> {
    params: &'a Params,
    memory: RefCell<&'a mut Memory>,
}

impl PasswordHasher<PasswordHash> for Within<'_> {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<PasswordHash> {
        self.hash_password_customized(password, salt, None, None, self.params.clone())
    }
}

impl CustomizedPasswordHasher<PasswordHash> for Within<'_> {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map_or(Ok(Algorithm::Argon2id), Algorithm::try_from)?;
        let version = version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let (salt, written) = (Salt::new(salt)?, ParamsString::try_from(&params)?);
        let mut buffer = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let out = buffer.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
        let mut memory = self.memory.borrow_mut();
        let needed = params.block_count();
        if memory.0.len() < needed {
            memory.0 = Zeroizing::new(vec![Block::default(); needed]);
        }
        let blocks = memory.0.get_mut(..needed).ok_or(password_hash::Error::OutOfMemory)?;
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, &salt, out, blocks)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: written,
            salt: Some(salt),
            hash: Some(Output::new(out)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(memory: u32) -> Params {
        Params::new(memory, 2, 1, None).unwrap()
    }

    #[test]
    fn what_the_last_password_left_in_the_memory_changes_no_hash() {
        let mut memory = Memory::default();
        let salt = [7; 16];
        for (cost, password) in
            [(64, "correct horse"), (16, "battery staple"), (128, ""), (16, "correct horse")]
        {
            let ours = Hasher::new(params(cost)).hash(password.as_bytes(), &salt, &mut memory).unwrap();
            let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, params(cost));
            let theirs = library.hash_password_with_salt(password.as_bytes(), &salt).unwrap();
            assert_eq!(ours, theirs.to_string());
        }
    }

    #[test]
    fn a_password_is_compared_at_the_price_that_was_stored() {
        let mut memory = Memory::default();
        let (then, now) = (Hasher::new(params(16)), Hasher::new(params(64)));
        let stored = then.hash(b"correct horse", &[1; 16], &mut memory).unwrap();
        assert_eq!(now.verify(&stored, b"correct horse", &mut memory), Some(true));
        assert_eq!(now.verify(&stored, b"correct hors", &mut memory), Some(false));
        assert_eq!(now.verify("garbage", b"correct horse", &mut memory), None);
    }
}
