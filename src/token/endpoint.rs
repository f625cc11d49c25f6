//! The phases that all grants share: the client is authenticated first, then its grant type is looked at.

use super::authorization_code;
use super::client_credentials;
use super::refresh_token;
use crate::app::App;
use crate::client::AuthenticatedClient;
use crate::client::Caller;
use crate::client::ClientError;
use crate::client::authenticate;
use crate::jose::keyring::SignError;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::What;
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

/// The fault says it all.
const REQUEST: &str = "request";

#[derive(Debug, Error)]
pub enum TokenError {
    /// What the client is told, and what the log is.
    #[error("{fault} [{reason}]")]
    Fault {
        fault: Fault,
        reason: &'static str,
        /// Something of somebody's was found: its line in the audit rode with what was done about it.
        recorded: bool,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

pub async fn answer(app: &Arc<App>, caller: Caller<'_>, body: &str) -> Result<Tokens, TokenError> {
    let parameters = Parameters::parse(body)?;
    parameters.all_sound()?;
    let client = authenticate(app, caller, &parameters).await?;
    let grant_type = parameters.required("grant_type");
    let (known, what) = known(grant_type.as_ref().copied().unwrap_or_default());
    let answered = match grant_type {
        Ok(grant_type) => grant(app, &client, grant_type, &parameters).await,
        Err(fault) => Err(fault.into()),
    };
    let outcome = match &answered {
        Ok(_) => "issued",
        Err(TokenError::Fault { fault, .. }) => fault.code.as_str(),
        Err(TokenError::Store(_) | TokenError::Sign(_)) => "unavailable",
    };
    app.metrics.token(known, outcome);
    if let Err(TokenError::Fault { fault, reason, recorded: false }) = &answered {
        let reason = if *reason == REQUEST { fault.code.as_str() } else { reason };
        if let Some(entry) = client.refusal(app, what, reason) {
            app.store.write(move |c| audit::append(c, &entry)).await?;
        }
    }
    answered
}

/// A name of ours for what a stranger wrote.
fn known(grant_type: &str) -> (&'static str, What) {
    match grant_type {
        "authorization_code" => ("authorization_code", What::CodeRedeemed),
        "refresh_token" => ("refresh_token", What::TokenRefreshed),
        "client_credentials" => ("client_credentials", What::ClientCredentials),
        _ => ("other", What::ClientCredentials),
    }
}

async fn grant(
    app: &Arc<App>,
    client: &AuthenticatedClient,
    grant_type: &str,
    parameters: &Parameters,
) -> Result<Tokens, TokenError> {
    let registered = client.client().metadata.grant_types.iter().any(|own| own == grant_type);
    match grant_type {
        "authorization_code" | "refresh_token" | "client_credentials" if !registered => {
            let description = "The client is not registered for this grant_type.";
            Err(Fault::new(ErrorCode::UnauthorizedClient, description).into())
        }
        "authorization_code" => authorization_code::redeem(app, client, parameters).await,
        "refresh_token" => refresh_token::refresh(app, client, parameters).await,
        "client_credentials" => client_credentials::grant(app, client.client(), parameters).await,
        _ => {
            let description = "This grant_type is not supported; see grant_types_supported.";
            Err(Fault::new(ErrorCode::UnsupportedGrantType, description).into())
        }
    }
}

impl From<Fault> for TokenError {
    fn from(fault: Fault) -> Self {
        Self::Fault { fault, reason: REQUEST, recorded: false }
    }
}

impl From<ClientError> for TokenError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Fault(fault, reason) => Self::Fault { fault, reason, recorded: false },
            ClientError::Store(error) => Self::Store(error),
        }
    }
}
