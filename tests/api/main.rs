//! The real server over HTTP, on a port of its own, with a clock that tests move.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/app.rs"]
mod app;
#[path = "../support/authenticator.rs"]
mod authenticator;
#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/clock.rs"]
mod clock;
#[path = "../support/database.rs"]
mod database;
#[path = "../support/logs.rs"]
mod logs;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/relying_party.rs"]
mod relying_party;
#[path = "../support/smtp.rs"]
mod smtp;

mod accounts;
mod administration;
mod assertions;
mod audit;
mod bad_input;
mod bounds;
mod brakes;
mod changes;
mod clients;
mod codes;
mod commands;
mod consent;
mod cors;
mod dependencies;
mod documents;
mod endings;
mod explain;
mod failed_sign_ins;
mod faults;
mod held_again;
mod interactions;
mod keys;
mod languages;
mod limits;
mod logout;
mod mail_codes;
mod mails;
mod matrix;
mod metrics;
mod moments;
mod native;
mod openid_connect;
mod openid_connect_tokens;
mod own_password;
mod passkeys;
mod password_costs;
mod plans;
mod processes;
mod races;
mod recovery;
mod requests;
mod routes;
mod sign_in;
mod step_up;
mod tokens;
mod windows;
