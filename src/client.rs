//! Who is calling: registered clients, and their authentication at the token endpoint (RFC 6749 §2.3, OIDC Core §9).
//! A client is authenticated before anything that it presents is looked at.

use crate::app::App;
use crate::base::id::ClientId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::metadata::AuthMethod;
use crate::protocol::metadata::ClientMetadata;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::clients;
use crate::store::clients::ClientRow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A registered client that is not disabled.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: ClientId,
    pub metadata: ClientMetadata,
    secret_hash: Option<SecretHash>,
}

/// A client that has shown who it is.
pub struct AuthenticatedClient(Client);

#[derive(Debug, Error)]
pub enum ClientError {
    #[error("{0}")]
    Fault(Fault),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a client presents (RFC 6749 §2.3.1).
struct Presented {
    id: ClientId,
    secret: Option<Secret>,
    method: AuthMethod,
}

impl Client {
    /// `None` for a client that is disabled, or whose metadata this version can't read.
    pub fn from_row(row: ClientRow) -> Option<Self> {
        if row.disabled {
            return None;
        }
        let metadata = serde_json::from_str(&row.metadata)
            .inspect_err(|why| tracing::error!(client = %row.id, %why, "client.unreadable"))
            .ok()?;
        Some(Self { id: row.id, metadata, secret_hash: row.secret_hash })
    }

    /// How a person knows the application.
    pub fn name(&self) -> &str {
        self.metadata.client_name.as_deref().unwrap_or(self.id.as_str())
    }
}

impl AuthenticatedClient {
    pub fn client(&self) -> &Client {
        &self.0
    }
}

pub async fn find(app: &App, id: &ClientId) -> Result<Option<Client>, StoreError> {
    let id = id.clone();
    let row = app.store.read(move |c| clients::by_id(c, &id)).await?;
    Ok(row.and_then(Client::from_row))
}

/// Authenticates by the one method that the client is registered with.
pub async fn authenticate(
    app: &App,
    authorization: Option<&str>,
    parameters: &Parameters,
) -> Result<AuthenticatedClient, ClientError> {
    let presented = presented(authorization, parameters).map_err(ClientError::Fault)?;
    let known = find(app, &presented.id).await?;
    match known.filter(|client| is_proved(client, &presented)) {
        Some(client) => Ok(AuthenticatedClient(client)),
        None => Err(ClientError::Fault(invalid_client())),
    }
}

fn is_proved(client: &Client, presented: &Presented) -> bool {
    if client.metadata.token_endpoint_auth_method != presented.method {
        return false;
    }
    match (&client.secret_hash, &presented.secret) {
        (None, None) => presented.method == AuthMethod::None,
        (Some(known), Some(secret)) => {
            known.as_str().as_bytes().ct_eq(secret.hash().as_str().as_bytes()).into()
        }
        _ => false,
    }
}

fn presented(authorization: Option<&str>, parameters: &Parameters) -> Result<Presented, Fault> {
    let id = parameters.one("client_id")?;
    let secret = parameters.one("client_secret")?;
    let Some(header) = authorization else {
        let id =
            id.ok_or_else(|| Fault::new(ErrorCode::InvalidClient, "The client does not say who it is."))?;
        let method = if secret.is_some() { AuthMethod::ClientSecretPost } else { AuthMethod::None };
        return Ok(Presented { id: ClientId::from_text(id), secret: secret.map(Secret::presented), method });
    };
    // RFC 6749 §2.3: one method in each request.
    if secret.is_some() {
        return Err(Fault::invalid_request("The client authenticates twice; use the header or the body."));
    }
    let (basic_id, basic_secret) = basic(header).ok_or_else(invalid_client)?;
    if id.is_some_and(|id| id != basic_id) {
        return Err(Fault::invalid_request("client_id differs from the one in the Authorization header."));
    }
    Ok(Presented {
        id: ClientId::from_text(basic_id),
        secret: Some(Secret::presented(&basic_secret)),
        method: AuthMethod::ClientSecretBasic,
    })
}

/// RFC 7617, with both halves form-encoded before (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let half = |text: &str| Parameters::parse(&format!("v={text}")).ok()?.one("v").ok()?.map(str::to_owned);
    // A bare & would end the pair: what is not form-encoded is refused, not guessed at.
    if decoded.contains('&') {
        return None;
    }
    Some((half(id)?, half(secret)?))
}

fn invalid_client() -> Fault {
    Fault::new(
        ErrorCode::InvalidClient,
        "The client is unknown, or does not authenticate as it is registered to.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        basic(&format!("Basic {}", STANDARD.encode(text)))
    }

    #[test]
    fn basic_credentials_are_form_decoded_and_strict() {
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("shop:s%2Bc%3Aret+x"), pair("shop", "s+c:ret x"));
        assert_eq!(read("shop:a:b"), pair("shop", "a:b"));
        for text in ["", "shop", "shop:", ":secret", "shop:%zz", "shop:a&b=c", "shop:%00"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(basic("Bearer abc"), None);
        assert_eq!(basic("Basic ###"), None);
    }

    #[test]
    fn a_client_authenticates_once() {
        let said = |header: Option<&str>, body: &str| {
            let presented = presented(header, &Parameters::parse(body).unwrap());
            presented.map(|p| (p.id.to_string(), p.method)).map_err(|f| f.code)
        };
        let header = format!("Basic {}", STANDARD.encode("shop:secret"));
        let basic = Ok(("shop".to_owned(), AuthMethod::ClientSecretBasic));
        assert_eq!(said(Some(&header), ""), basic);
        assert_eq!(said(Some(&header), "client_id=shop"), basic);
        assert_eq!(said(Some(&header), "client_id=other"), Err(ErrorCode::InvalidRequest));
        assert_eq!(said(Some(&header), "client_secret=x"), Err(ErrorCode::InvalidRequest));
        let post = Ok(("shop".to_owned(), AuthMethod::ClientSecretPost));
        assert_eq!(said(None, "client_id=shop&client_secret=x"), post);
        assert_eq!(said(None, "client_id=shop"), Ok(("shop".to_owned(), AuthMethod::None)));
        assert_eq!(said(None, ""), Err(ErrorCode::InvalidClient));
        assert_eq!(said(None, "client_id=a&client_id=b"), Err(ErrorCode::InvalidRequest));
    }
}
