//! HTTP: extract, call, respond. No SQL, no JOSE and no policy here; features do the work.

pub mod account;
pub mod authorize;
pub mod cookie;
pub mod cors;
pub mod destination;
pub mod edge;
pub mod forged;
pub mod hop;
pub mod interaction;
pub mod interaction_pages;
pub mod language;
pub mod logout;
pub mod oauth;
pub mod plain;
pub mod respond;
pub mod routes;
