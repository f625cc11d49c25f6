//! What must hold of every input to a parser, whatever it is. The fuzz targets look for an input of which it does not; a
//! test replays the seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "../../tests/support/authenticator.rs"]
mod authenticator;
pub mod authorization;
pub mod challenge;
pub mod claims_request;
pub mod client_assertion;
pub mod client_authentication;
pub mod cookie;
pub mod form;
pub mod id_token_hint;
pub mod redirect_uri;
pub mod webauthn;

use stepgate::protocol::error::Fault;

pub type Check = fn(&[u8]);

/// By the name of the target, which is that of its folder of seeds.
pub const ALL: [(&str, Check); 10] = [
    ("authorization", authorization::check),
    ("challenge", challenge::check),
    ("claims_request", claims_request::check),
    ("client_assertion", client_assertion::check),
    ("client_authentication", client_authentication::check),
    ("cookie", cookie::check),
    ("form", form::check),
    ("id_token_hint", id_token_hint::check),
    ("redirect_uri", redirect_uri::check),
    ("webauthn", webauthn::check),
];

/// A refusal that fits into a header and says what to do (RFC 6749 §5.2).
fn refused(fault: &Fault) {
    let description = &fault.description;
    assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
    assert!(description.ends_with('.'), "{description}");
    assert!(description.len() <= 300, "{} bytes", description.len());
}
