//! What a grant remembers of its request and of the assurance that answered it: the JSON of its row.

use crate::assurance::ledger::Assurance;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::time::Time;
use crate::protocol::list::TokenList;
use crate::protocol::metadata::SigningAlg;
use crate::protocol::pkce::Challenge;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The authorization request, as far as the token endpoint needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrantedRequest {
    pub redirect_uri: String,
    pub nonce: Option<String>,
    pub challenge: Option<Challenge>,
    /// The OpenID Connect scopes that were granted.
    pub scope: TokenList,
    /// The resource servers that tokens may be for, each with the scopes that it defines.
    pub resources: Vec<GrantedResource>,
    /// Claims that `claims` wants in the ID token (OIDC Core §5.5).
    pub id_token_claims: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedResource {
    pub identifier: String,
    pub scope: TokenList,
    /// What access tokens for it are signed with.
    #[serde(default = "SigningAlg::of_access_tokens")]
    pub alg: SigningAlg,
}

/// The assurance as stored; it stays the same for everything that the grant buys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stated {
    pub acr: String,
    pub amr: Vec<String>,
    pub auth_time: Time,
    pub events: Vec<EventId>,
    pub credentials: Vec<CredentialId>,
}

impl From<&Assurance> for Stated {
    fn from(assurance: &Assurance) -> Self {
        Self {
            acr: assurance.acr.clone(),
            amr: assurance.amr.iter().map(|method| (*method).to_owned()).collect(),
            auth_time: assurance.auth_time,
            events: assurance.events.clone(),
            credentials: assurance.credentials.clone(),
        }
    }
}

/// A row's JSON, or `None` with a line in the log: what can't be read is not acted on.
pub fn read<T: DeserializeOwned>(json: &str) -> Option<T> {
    serde_json::from_str(json).inspect_err(|why| tracing::error!(%why, "grant.unreadable")).ok()
}
