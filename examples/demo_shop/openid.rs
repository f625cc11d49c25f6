//! The conversation with the OpenID Provider, by the `openidconnect` crate: discovery, code flow with PKCE, and the
//! validation of what comes back (OIDC Core §3.1). It discovers anew each time; an application of more use would cache.

use super::payment::Round;
use super::session::Customer;
use openidconnect::AuthenticationContextClass;
use openidconnect::AuthenticationFlow;
use openidconnect::AuthorizationCode;
use openidconnect::ClientId;
use openidconnect::ClientSecret;
use openidconnect::CsrfToken;
use openidconnect::EndpointMaybeSet;
use openidconnect::EndpointNotSet;
use openidconnect::EndpointSet;
use openidconnect::HttpRequest;
use openidconnect::HttpResponse;
use openidconnect::IssuerUrl;
use openidconnect::Nonce;
use openidconnect::OAuth2TokenResponse;
use openidconnect::PkceCodeChallenge;
use openidconnect::PkceCodeVerifier;
use openidconnect::RedirectUrl;
use openidconnect::Scope;
use openidconnect::TokenResponse;
use openidconnect::core::CoreAuthPrompt;
use openidconnect::core::CoreClient;
use openidconnect::core::CoreProviderMetadata;
use openidconnect::core::CoreResponseType;
use reqwest::redirect::Policy;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

pub struct OpenId(Settings);

pub struct Settings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    /// Where the shop is, as browsers see it.
    pub shop: String,
    /// The API that access tokens are for (RFC 8707).
    pub resource: String,
}

/// What a request asks of the authentication.
#[derive(Default)]
pub struct Wish {
    acr_values: Vec<String>,
    max_age: Option<u32>,
    insist: bool,
    id_token_hint: Option<String>,
}

/// What has to be remembered until the answer comes.
pub struct Open {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// An authorization response (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Deserialize)]
pub struct Answer {
    pub state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// What went wrong, for the log; the customer gets [`Problem::sentence`].
#[derive(Debug)]
pub enum Problem {
    Refused(String),
    Unreachable(String),
    Untrue(String),
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Wish {
    /// RFC 9470 §4: the values of the challenge, and that it shall be the same person.
    pub fn of(round: &Round, customer: &Customer) -> Self {
        Self {
            acr_values: round.challenge.acr_values.clone(),
            max_age: round.challenge.max_age,
            insist: round.insist,
            id_token_hint: Some(customer.id_token.clone()),
        }
    }
}

impl Open {
    pub fn is_answered_by(&self, state: &str) -> bool {
        self.state.secret() == state
    }
}

impl OpenId {
    pub fn new(settings: Settings) -> Self {
        Self(settings)
    }

    /// Where to send the browser, and what to remember.
    pub async fn authorize(&self, wish: Wish) -> Result<(String, Open), Problem> {
        let client = self.client().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(["profile", "email", "payments"].map(|scope| Scope::new(scope.into())))
            .add_extra_param("resource", self.0.resource.clone())
            .set_pkce_challenge(challenge);
        for acr in wish.acr_values {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr));
        }
        if let Some(seconds) = wish.max_age {
            request = request.set_max_age(Duration::from_secs(seconds.into()));
        }
        if wish.insist {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        if let Some(hint) = wish.id_token_hint {
            request = request.add_extra_param("id_token_hint", hint);
        }
        let (url, state, nonce) = request.url();
        Ok((url.into(), Open { state, nonce, verifier }))
    }

    /// Takes the answer of the provider apart; the state was compared before.
    pub async fn redeem(&self, answer: &Answer, open: &Open) -> Result<Customer, Problem> {
        // RFC 9207 §2.4: an answer of another provider is not looked at (mix-up).
        if answer.iss.as_deref() != Some(&self.0.issuer) {
            return Err(Problem::Untrue("iss is not the issuer that was asked".into()));
        }
        if let Some(error) = &answer.error {
            return Err(Problem::Refused(error.clone()));
        }
        let code = answer.code.clone().ok_or_else(|| Problem::Untrue("neither code nor error".into()))?;
        let client = self.client().await?;
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|why| Problem::Unreachable(why.to_string()))?
            .add_extra_param("resource", self.0.resource.clone())
            .set_pkce_verifier(PkceCodeVerifier::new(open.verifier.secret().clone()));
        let tokens = exchange.request_async(&http).await.map_err(|why| Problem::Untrue(why.to_string()))?;
        let id_token = tokens.id_token().ok_or_else(|| Problem::Untrue("no ID token".into()))?;
        let claims = id_token
            .claims(&client.id_token_verifier(), &open.nonce)
            .map_err(|why| Problem::Untrue(why.to_string()))?;
        Ok(Customer {
            sub: claims.subject().to_string(),
            claims: payload(&id_token.to_string()),
            id_token: id_token.to_string(),
            access_token: tokens.access_token().secret().clone(),
        })
    }

    async fn client(&self) -> Result<Client, Problem> {
        let unreachable = |why: &dyn fmt::Display| Problem::Unreachable(why.to_string());
        let issuer = IssuerUrl::new(self.0.issuer.clone()).map_err(|why| unreachable(&why))?;
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|why| unreachable(&why))?;
        let redirect =
            RedirectUrl::new(format!("{}/callback", self.0.shop)).map_err(|why| unreachable(&why))?;
        let secret = ClientSecret::new(self.0.client_secret.clone());
        let id = ClientId::new(self.0.client_id.clone());
        Ok(CoreClient::from_provider_metadata(metadata, id, Some(secret)).set_redirect_uri(redirect))
    }
}

impl Problem {
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Refused(error) => match error.as_str() {
                "access_denied" => {
                    "You stopped at the sign-in. Nothing has changed; try again whenever you like."
                }
                "unmet_authentication_requirements" => {
                    "The payment needs a second factor, and it was not shown. Nothing was paid."
                }
                "login_required" | "interaction_required" => "Please sign in first.",
                "temporarily_unavailable" => {
                    "The sign-in is busy at the moment. Please try again in a minute."
                }
                _ => "The sign-in did not work. Please try again; if it happens again, tell us.",
            },
            Self::Unreachable(_) => {
                "The sign-in can't be reached at the moment. Please try again in a minute."
            }
            Self::Untrue(_) => "The answer of the sign-in could not be verified, so we did not use it.",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "the provider refused: {why:?}"),
            Self::Unreachable(why) => write!(f, "the provider can't be reached: {why}"),
            Self::Untrue(why) => write!(f, "the answer is not believed: {why}"),
        }
    }
}

/// Every claim of a token that was verified, to be shown.
fn payload(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).and_then(stepgate::base::secret::from_base64url);
    payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

async fn http(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let request = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
    let answer = request.send().await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}
