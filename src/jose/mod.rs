//! Signed tokens and the keys behind them (RFC 7515, RFC 7517, RFC 7518, RFC 7638): the one home of josekit.

pub mod assertion;
pub mod folder;
pub mod key;
pub mod keyring;
mod seen;
