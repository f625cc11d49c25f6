//! The token endpoint (RFC 6749 §3.2, OIDC Core §3.1.3) and what its tokens open at this server.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod active;
pub mod authorization_code;
pub mod client_credentials;
pub mod endpoint;
pub mod introspect;
pub mod issue;
pub mod refresh_token;
pub mod userinfo;
