//! What people prove themselves with, and what seals it at rest. No database and no pages.

mod aaguid;
mod argon2id;
pub mod costs;
pub mod guessable;
pub mod passkey;
pub mod password;
pub mod recovery;
pub mod seal;
mod shares;
pub mod totp;
