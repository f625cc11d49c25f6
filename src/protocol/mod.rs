//! The vocabulary of OAuth 2.0 and OpenID Connect: parse and print, nothing else. No I/O, no time, no decisions.

pub mod claims_request;
pub mod error;
pub mod json;
pub mod language;
pub mod list;
pub mod metadata;
pub mod parameters;
pub mod pkce;
pub mod prompt;
pub mod redirect_uri;
pub mod standard_claims;
