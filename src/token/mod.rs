//! The token endpoint (RFC 6749 §3.2, OIDC Core §3.1.3) and what its tokens open at this server.

pub mod authorization_code;
pub mod endpoint;
pub mod userinfo;
