//! The artefacts that two features share: what a grant remembers, and the tokens that state it.
//! `acr`, `amr` and `auth_time` are copied from the grant's assurance, never computed here.

pub mod access_token;
pub mod granted;
pub mod id_token;
