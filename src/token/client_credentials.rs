//! A token for the client itself (RFC 6749 §4.4): no user, no authentication to state, nothing written.

use super::endpoint::TokenError;
use super::endpoint::Tokens;
use super::issue::Wish;
use crate::app::App;
use crate::client::Client;
use crate::mint::access_token;
use crate::mint::access_token::Audience;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::list::TokenList;
use crate::protocol::metadata::ClientMetadata;
use crate::protocol::metadata::SigningAlg;
use crate::protocol::parameters::Parameters;
use crate::store::clients;
use std::sync::Arc;

pub async fn grant(app: &App, client: &Client, parameters: &Parameters) -> Result<Tokens, TokenError> {
    if client.metadata.is_public() {
        let description =
            "A public client has nothing to prove itself with; client_credentials is not for it.";
        return Err(Fault::new(ErrorCode::UnauthorizedClient, description).into());
    }
    let wish = Wish::parse(parameters)?;
    let asked = wish.scope.unwrap_or_default();
    let own = |scope: &str| client.metadata.scope.as_ref().is_none_or(|own| own.contains(scope));
    let audience = match wish.resource {
        None => Audience {
            aud: app.config.issuer.as_str().to_owned(),
            scope: TokenList::default(),
            alg: SigningAlg::of_access_tokens(),
        },
        Some(resource) => {
            let server = resource_server(app, &resource).await?;
            let defined = |scope: &str| server.scopes_supported.iter().any(|known| known == scope);
            let scope = asked.filtered(|scope| own(scope) && defined(scope));
            Audience { aud: resource, scope, alg: server.access_token_signed_response_alg }
        }
    };
    Ok(Tokens {
        access_token: access_token::mint_for_client(app, &client.id, &audience)?,
        token_type: "Bearer",
        expires_in: app.config.lifetimes.access_token.0,
        scope: audience.scope.to_string(),
        id_token: None,
        refresh_token: None,
    })
}

async fn resource_server(app: &App, resource: &str) -> Result<Arc<ClientMetadata>, TokenError> {
    let identifier = resource.to_owned();
    let rows = app.store.read(move |c| clients::by_resources(c, &[&identifier])).await?;
    let server = rows.into_iter().find_map(|row| app.clients.client(row));
    let unknown = || Fault::new(ErrorCode::InvalidTarget, "resource is not registered here.");
    Ok(server.ok_or_else(unknown)?.metadata)
}
