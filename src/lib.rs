//! Stepgate: an OpenID Provider for re-authentication and step-up (RFC 9470).
//! `docs/architecture.md` says how the house stands; arrows between these modules point down only.

pub mod account;
pub mod app;
pub mod assurance;
pub mod authorize;
pub mod base;
pub mod cli;
pub mod client;
pub mod config;
pub mod credential;
pub mod interaction;
pub mod jose;
pub mod logout;
pub mod mail;
pub mod metrics;
pub mod mint;
pub mod open_files;
pub mod outbox;
pub mod pages;
pub mod password_costs;
pub mod protocol;
pub mod rotation;
pub mod server;
pub mod store;
pub mod texts;
pub mod token;
pub mod web;
