//! The phases that all grants share: the client is authenticated first, then its grant type is looked at.

use super::authorization_code;
use crate::app::App;
use crate::client::AuthenticatedClient;
use crate::client::ClientError;
use crate::client::authenticate;
use crate::jose::keyring::SignError;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use serde::Serialize;
use thiserror::Error;

/// A token response (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub struct Tokens {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u32,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

#[derive(Debug, Error)]
pub enum TokenError {
    /// What the client is told, and what the log is.
    #[error("{fault} [{reason}]")]
    Fault { fault: Fault, reason: &'static str },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

pub async fn answer(app: &App, authorization: Option<&str>, body: &str) -> Result<Tokens, TokenError> {
    let parameters = Parameters::parse(body)?;
    parameters.all_sound()?;
    let client = authenticate(app, authorization, &parameters).await?;
    grant(app, &client, &parameters).await
}

async fn grant(
    app: &App,
    client: &AuthenticatedClient,
    parameters: &Parameters,
) -> Result<Tokens, TokenError> {
    let grant_type = parameters.required("grant_type")?;
    if grant_type != "authorization_code" {
        let description = "This grant_type is not supported; see grant_types_supported.";
        return Err(Fault::new(ErrorCode::UnsupportedGrantType, description).into());
    }
    if !client.client().metadata.grant_types.iter().any(|own| own == grant_type) {
        let description = "The client is not registered for this grant_type.";
        return Err(Fault::new(ErrorCode::UnauthorizedClient, description).into());
    }
    authorization_code::redeem(app, client.client(), parameters).await
}

impl From<Fault> for TokenError {
    fn from(fault: Fault) -> Self {
        Self::Fault { fault, reason: "request" }
    }
}

impl From<ClientError> for TokenError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Fault(fault) => Self::Fault { fault, reason: "client authentication" },
            ClientError::Store(error) => Self::Store(error),
        }
    }
}
