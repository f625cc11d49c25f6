//! Recovery codes: ten, derived from the master key for one page and shown there; what is kept of each is a
//! keyed hash over its owner and the whole of it. 80 random bits each.

use super::seal::MasterKey;
use crate::base::id::UserId;
use std::fmt;
use zeroize::Zeroizing;

pub const CODES: usize = 10;

/// `ABCD-EFGH-JKMN-PQRS`. `Debug` is mute.
pub struct RecoveryCode(Zeroizing<String>);

/// HMAC-SHA-256 under a key derived from the master key: nobody who has the database alone can try codes.
pub struct CodeHash(String);

/// Without I, L, O and U, which are misread (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 16;

impl RecoveryCode {
    /// The codes of one page: the same ones however often it is loaded, and of no other.
    pub fn set(master: &MasterKey, page: &[&str]) -> Vec<Self> {
        let code = |n: usize| {
            let number = n.to_string();
            let parts = page.iter().copied().chain([number.as_str()]).collect::<Vec<_>>();
            let bytes = master.bytes("recovery codes", &parts);
            let places = bytes.iter().map(|byte| usize::from(byte % 32));
            let letters = places.take(LETTERS).filter_map(|place| ALPHABET.get(place));
            Self(Zeroizing::new(letters.map(|letter| char::from(*letter)).collect()))
        };
        (0..CODES).map(code).collect()
    }

    /// A code as somebody types it: in any case, with or without hyphens, with the letters that are mistaken for others.
    pub fn parse(text: &str) -> Option<Self> {
        let read = |c: char| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let text = text.trim();
        if text.len() > 2 * LETTERS {
            return None;
        }
        let letters = text.chars().filter(|c| !matches!(c, '-' | ' ')).map(read).collect::<String>();
        let sound = letters.len() == LETTERS && letters.bytes().all(|b| ALPHABET.contains(&b));
        sound.then(|| Self(Zeroizing::new(letters)))
    }

    /// What is kept of it.
    pub fn hash(&self, master: &MasterKey, user: &UserId) -> CodeHash {
        CodeHash(master.code("recovery code", &[user.as_str(), &self.0]))
    }

    /// For its owner's eyes only.
    pub fn reveal(&self) -> String {
        let groups = self.0.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group));
        groups.collect::<Vec<_>>().join("-")
    }
}

impl CodeHash {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_ten_different_codes_of_its_own_and_they_are_read_as_people_type_them() {
        let master = MasterKey::from_bytes(&[7; 32]).unwrap();
        let set =
            |page| RecoveryCode::set(&master, &[page]).iter().map(RecoveryCode::reveal).collect::<Vec<_>>();
        let mut codes = set("one");
        assert_eq!(codes, set("one"));
        assert!(codes.iter().all(|code| !set("two").contains(code)));
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), CODES);
        for code in codes {
            assert_eq!(code.len(), 19, "{code}");
            let typed = [code.clone(), code.to_lowercase(), code.replace('-', ""), code.replace('0', "O")];
            for text in typed {
                assert_eq!(RecoveryCode::parse(&text).map(|code| code.reveal()), Some(code.clone()));
            }
        }
        let hash = |master: &MasterKey, user, code| {
            let code = RecoveryCode::parse(code).unwrap();
            code.hash(master, &UserId::from_text(user)).as_str().to_owned()
        };
        let (code, other) = ("ABCD-EFGH-JKMN-PQRS", "BBCD-EFGH-JKMN-PQRS");
        assert_eq!(hash(&master, "ada", code), hash(&master, "ada", "abcd efgh jkmn pqrs"));
        let another = MasterKey::from_bytes(&[8; 32]).unwrap();
        for different in
            [hash(&master, "bob", code), hash(&master, "ada", other), hash(&another, "ada", code)]
        {
            assert_ne!(hash(&master, "ada", code), different);
        }
        for wrong in ["", "ABCD", "ABCD-EFGH-JKMN-PQRU", "ＡBCD-EFGH-JKMN-PQRS", &"A".repeat(10_000)] {
            assert!(RecoveryCode::parse(wrong).is_none(), "{wrong}");
        }
    }
}
