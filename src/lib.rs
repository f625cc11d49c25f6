//! Stepgate: an OpenID Provider for re-authentication and step-up (RFC 9470).
//! `docs/architecture.md` says how the house stands; arrows between these modules point down only.

pub mod assurance;
pub mod base;
pub mod config;
pub mod credential;
pub mod jose;
pub mod protocol;
pub mod store;
