//! For resource servers that want a recent, strong authentication behind a token (RFC 9470), and for the applications
//! that meet their challenges. No I/O, no server: say what you require, evaluate a verified token, print the challenge.
//!
//! ```
//! use stepgate_resource::requirement::Requirement;
//! use stepgate_resource::requirement::Shown;
//!
//! let payments = Requirement { acr: vec!["urn:stepgate:acr:mfa".into()], max_age: Some(300) };
//! let shown = Shown { acr: Some("urn:stepgate:acr:pwd".into()), auth_time: Some(1_800_000_000) };
//! let challenge = payments.evaluate(&shown, 1_800_000_042).unwrap_err();
//! assert_eq!(
//!     challenge.to_string(),
//!     "Bearer error=\"insufficient_user_authentication\", \
//!      error_description=\"A different authentication level is required\", \
//!      acr_values=\"urn:stepgate:acr:mfa\", max_age=\"300\""
//! );
//! ```

pub mod challenge;
pub mod requirement;
