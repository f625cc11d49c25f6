//! The phases that all grants share: the client is authenticated first, then its grant type is looked at.

use super::authorization_code;
use super::client_credentials;
use super::refresh_token;
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
use std::sync::Arc;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
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

pub async fn answer(app: &Arc<App>, authorization: Option<&str>, body: &str) -> Result<Tokens, TokenError> {
    let parameters = Parameters::parse(body)?;
    parameters.all_sound()?;
    let client = authenticate(app, authorization, &parameters).await?;
    grant(app, &client, &parameters).await
}

async fn grant(
    app: &Arc<App>,
    client: &AuthenticatedClient,
    parameters: &Parameters,
) -> Result<Tokens, TokenError> {
    let (grant_type, client) = (parameters.required("grant_type")?, client.client());
    let registered = client.metadata.grant_types.iter().any(|own| own == grant_type);
    match grant_type {
        "authorization_code" | "refresh_token" | "client_credentials" if !registered => {
            let description = "The client is not registered for this grant_type.";
            Err(Fault::new(ErrorCode::UnauthorizedClient, description).into())
        }
        "authorization_code" => authorization_code::redeem(app, client, parameters).await,
        "refresh_token" => refresh_token::refresh(app, client, parameters).await,
        "client_credentials" => client_credentials::grant(app, client, parameters).await,
        _ => {
            let description = "This grant_type is not supported; see grant_types_supported.";
            Err(Fault::new(ErrorCode::UnsupportedGrantType, description).into())
        }
    }
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
