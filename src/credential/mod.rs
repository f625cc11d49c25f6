//! What people prove themselves with, and what seals it at rest. No database and no pages.

pub mod password;
pub mod seal;
pub mod totp;
