//! From parameters to a request that can be answered, each check once, in the order in which it may be told to whom:
//! client and redirect URI first, on a page; everything after at the redirect URI. What was asked is kept apart from what it gets of
//! the client and the resource servers: those may change while a page is open.

use super::AuthorizeError;
use super::need::Wishes;
use super::need::need;
use crate::app::App;
use crate::assurance::need::Need;
use crate::base::id::ClientId;
use crate::base::id::UserId;
use crate::client;
use crate::client::Client;
use crate::config::Config;
use crate::interaction::Asker;
use crate::interaction::approval::Approval;
use crate::interaction::approval::AskedScope;
use crate::interaction::approval::ResourceName;
use crate::interaction::ground::Askers;
use crate::jose::keyring::Keyring;
use crate::mint::granted::GrantedRequest;
use crate::mint::granted::GrantedResource;
use crate::mint::id_token;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::language::Language;
use crate::protocol::list::TokenList;
use crate::protocol::metadata::ClientMetadata;
use crate::protocol::parameters::Parameters;
use crate::protocol::pkce::Challenge;
use crate::protocol::prompt::Prompt;
use crate::protocol::prompt::parse_max_age;
use crate::protocol::redirect_uri::ResponseMode;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::protocol::standard_claims;
use crate::protocol::standard_claims::OFFLINE;
use crate::store::clients;
use serde::Deserialize;
use serde::Serialize;

/// What a request says by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    pub client: ClientId,
    redirect_uri: String,
    state: Option<String>,
    mode: ResponseMode,
    wishes: Wishes,
    scope: TokenList,
    resources: Vec<String>,
    challenge: Option<Challenge>,
    nonce: Option<String>,
    id_token_claims: Vec<String>,
    login_hint: Option<String>,
    language: Option<Language>,
}

/// A request whose every parameter was found sound, as its client and its resource servers are registered.
pub struct AuthorizationRequest {
    pub asked: Asked,
    pub client: Client,
    pub resources: Vec<Client>,
    pub address: ReturnAddress,
    pub need: Need,
    pub select_account: bool,
    /// An account shall be made.
    pub create: bool,
    pub approval: Approval,
    pub login_hint: Option<String>,
    /// The first of `ui_locales` that is known here; an unknown one is no error (OIDC Core §3.1.2.1).
    pub language: Option<Language>,
    pub granted: GrantedRequest,
}

pub async fn receive(app: &App, parameters: &Parameters) -> Result<AuthorizationRequest, AuthorizeError> {
    let client = the_client(app, parameters).await?;
    let address = return_address(&client, parameters)?;
    let told = |fault: Fault| AuthorizeError::Client(Box::new(address.clone()), fault);
    shape(&client, parameters).map_err(told)?;
    let identifiers = named(parameters).map_err(told)?;
    let resources = resource_servers(app, &identifiers).await?.map_err(told)?;
    read(&app.config, &app.keys, client, &address, &resources, parameters).map_err(told)
}

/// What was asked before, held against the client and the resource servers as they are now.
pub async fn again(app: &App, asked: Asked) -> Result<AuthorizationRequest, AuthorizeError> {
    let client = client::find(app, &asked.client).await?.ok_or_else(unknown_client)?;
    let address = the_address(&client, &asked.redirect_uri)?;
    let address = address.with_mode(asked.mode).with_state(asked.state.as_deref());
    let told = |fault: Fault| AuthorizeError::Client(Box::new(address.clone()), fault);
    let resources = resource_servers(app, &asked.resources).await?.map_err(told)?;
    held(&app.config, client, &address, &resources, asked).map_err(told)
}

/// Where the client is answered, with its state if that is sound.
pub fn return_address(client: &Client, parameters: &Parameters) -> Result<ReturnAddress, AuthorizeError> {
    let presented = parameters.required("redirect_uri").map_err(AuthorizeError::Page)?;
    let address = the_address(client, presented)?.with_mode(response_mode(parameters));
    match parameters.one("state") {
        Ok(state) => Ok(address.with_state(state)),
        Err(fault) => Err(AuthorizeError::Client(Box::new(address), fault)),
    }
}

/// What a request of sound shape asks for, of `client` and of the resource servers that it names. Pure.
pub fn read(
    config: &Config,
    keys: &Keyring,
    client: Client,
    address: &ReturnAddress,
    resources: &[Client],
    parameters: &Parameters,
) -> Result<AuthorizationRequest, Fault> {
    let asked = asked(config, keys, &client, address, parameters)?;
    held(config, client, address, resources, asked)
}

/// What `asked` gets of the client and of the resource servers, as they are registered. Pure.
fn held(
    config: &Config,
    client: Client,
    address: &ReturnAddress,
    resources: &[Client],
    asked: Asked,
) -> Result<AuthorizationRequest, Fault> {
    may_ask(&client)?;
    let metadata = resources.iter().map(|server| ClientMetadata::clone(&server.metadata)).collect::<Vec<_>>();
    let need = need(&asked.wishes, &client.metadata, &metadata, &config.policy)?;
    let granted = granted(&client, &asked, resources)?;
    let prompt = asked.wishes.prompt;
    Ok(AuthorizationRequest {
        address: address.clone(),
        select_account: prompt.select_account,
        create: prompt.create && need.subject.is_none(),
        need,
        approval: Approval {
            anew: prompt.consent,
            never_silent: client.metadata.is_public() && address.is_on_the_device(),
            ..approval(&client, &granted, resources)
        },
        login_hint: asked.login_hint.clone(),
        language: asked.language,
        granted,
        resources: resources.to_vec(),
        client,
        asked,
    })
}

impl AuthorizationRequest {
    pub fn asker(&self) -> Asker {
        let host = if self.client.metadata.first_party { None } else { self.address.host() };
        Asker { name: self.client.name().to_owned(), host, origin: self.address.origin() }
    }

    /// The client and the resource servers, each in the version that this was held against.
    pub fn askers(&self) -> Askers {
        Askers::of(std::iter::once(&self.client).chain(&self.resources).map(|one| (&one.id, one.version)))
    }
}

async fn the_client(app: &App, parameters: &Parameters) -> Result<Client, AuthorizeError> {
    let presented = parameters.required("client_id").map_err(AuthorizeError::Page)?;
    let id = ClientId::parse(presented).ok_or_else(unknown_client)?;
    client::find(app, &id).await?.ok_or_else(unknown_client)
}

fn unknown_client() -> AuthorizeError {
    AuthorizeError::Page(Fault::new(
        ErrorCode::InvalidClient,
        "The application that sent you here is not registered; check its client_id.",
    ))
}

/// RFC 9700 §2.1: compared as it stands. A request without a registered address is answered nowhere.
fn the_address(client: &Client, presented: &str) -> Result<ReturnAddress, AuthorizeError> {
    ReturnAddress::verify(&client.metadata.redirect_uris, presented, client.metadata.is_native()).ok_or_else(|| {
        AuthorizeError::Page(Fault::invalid_request(
            "The redirect_uri is not one that the application registered; it must be the same, byte for byte.",
        ))
    })
}

/// Errors travel in the mode that was asked for, those about other parameters too.
fn response_mode(parameters: &Parameters) -> ResponseMode {
    match parameters.one("response_mode") {
        Ok(Some("form_post")) => ResponseMode::FormPost,
        _ => ResponseMode::Query,
    }
}

/// What concerns no other party than the client.
pub fn shape(client: &Client, parameters: &Parameters) -> Result<(), Fault> {
    // OIDC Core §6: not built, and judged before anything that a request object could have replaced.
    if !matches!(parameters.one("request"), Ok(None)) {
        return Err(Fault::new(
            ErrorCode::RequestNotSupported,
            "Request objects are not supported; send parameters.",
        ));
    }
    if !matches!(parameters.one("request_uri"), Ok(None)) {
        return Err(Fault::new(
            ErrorCode::RequestUriNotSupported,
            "request_uri is not supported; send parameters.",
        ));
    }
    parameters.all_sound()?;
    match parameters.required("response_type")? {
        "code" => {}
        _ => {
            return Err(Fault::new(
                ErrorCode::UnsupportedResponseType,
                "Only response_type=code is supported.",
            ));
        }
    }
    if parameters.one("response_mode")?.is_some_and(|mode| !["query", "form_post"].contains(&mode)) {
        return Err(Fault::invalid_request("response_mode is neither query nor form_post; leave it out."));
    }
    may_ask(client)
}

fn may_ask(client: &Client) -> Result<(), Fault> {
    if client.metadata.grant_types.iter().any(|grant| grant == "authorization_code") {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::UnauthorizedClient,
        "The client is not registered for the grant type authorization_code.",
    ))
}

/// The resource servers that a request names, each once (RFC 8707 §2).
fn named(parameters: &Parameters) -> Result<Vec<String>, Fault> {
    let mut named = parameters.many("resource")?.into_iter().map(str::to_owned).collect::<Vec<_>>();
    named.sort();
    named.dedup();
    Ok(named)
}

async fn resource_servers(
    app: &App,
    wanted: &[String],
) -> Result<Result<Vec<Client>, Fault>, AuthorizeError> {
    let names = wanted.to_vec();
    let rows = app
        .store
        .read(move |c| clients::by_resources(c, &names.iter().map(String::as_str).collect::<Vec<_>>()));
    let known = rows.await?.into_iter().filter_map(|row| app.clients.client(row));
    let known = known.collect::<Vec<_>>();
    if known.len() < wanted.len() {
        return Ok(Err(Fault::new(
            ErrorCode::InvalidTarget,
            "resource names a resource server that is not registered here.",
        )));
    }
    Ok(Ok(known))
}

fn asked(
    config: &Config,
    keys: &Keyring,
    client: &Client,
    address: &ReturnAddress,
    parameters: &Parameters,
) -> Result<Asked, Fault> {
    let owned = |name| Ok::<_, Fault>(parameters.one(name)?.map(str::to_owned));
    let scope = parameters.one("scope")?.map(|raw| TokenList::parse("scope", raw)).transpose()?;
    Ok(Asked {
        client: client.id.clone(),
        redirect_uri: address.uri().to_owned(),
        state: address.state().map(str::to_owned),
        mode: address.mode(),
        wishes: wishes(config, keys, client, parameters)?,
        challenge: Challenge::parse(
            parameters.one("code_challenge")?,
            parameters.one("code_challenge_method")?,
        )?,
        scope: scope.unwrap_or_default(),
        resources: named(parameters)?,
        nonce: owned("nonce")?,
        id_token_claims: claims(parameters)?.id_token,
        login_hint: owned("login_hint")?,
        language: parameters.one("ui_locales")?.and_then(Language::of_ui_locales),
    })
}

fn wishes(
    config: &Config,
    keys: &Keyring,
    client: &Client,
    parameters: &Parameters,
) -> Result<Wishes, Fault> {
    let prompt = parameters.one("prompt")?.map(|raw| Prompt::parse(raw, config.create_accounts));
    let prompt = prompt.transpose()?.unwrap_or_default();
    let claims = claims(parameters)?;
    let acr_values =
        parameters.one("acr_values")?.map(|raw| TokenList::parse("acr_values", raw)).transpose()?;
    Ok(Wishes {
        prompt,
        max_age: parameters.one("max_age")?.map(parse_max_age).transpose()?,
        acr_values: acr_values.map(|list| list.to_vec()).unwrap_or_default(),
        subject: subject(config, keys, client, parameters, claims.sub)?,
        acr_claim: claims.acr,
    })
}

fn claims(parameters: &Parameters) -> Result<ClaimsRequest, Fault> {
    Ok(parameters.one("claims")?.map(ClaimsRequest::parse).transpose()?.unwrap_or_default())
}

/// OIDC Core §3.1.2.1 and §5.5.1: the one user that the answer must be about.
fn subject(
    config: &Config,
    keys: &Keyring,
    client: &Client,
    parameters: &Parameters,
    claimed: Option<String>,
) -> Result<Option<UserId>, Fault> {
    let hinted = match parameters.one("id_token_hint")? {
        None => None,
        Some(hint) => {
            let hint = id_token::read(keys, &config.issuer, hint).filter(|hint| hint.client == client.id);
            Some(hint.map(|hint| hint.subject).ok_or_else(|| {
                Fault::invalid_request(
                    "id_token_hint is not an ID token that was issued to this client here.",
                )
            })?)
        }
    };
    let claimed = claimed.map(|sub| {
        let unsound = || Fault::invalid_request("The sub in claims has a control character; remove it.");
        UserId::parse(sub).ok_or_else(unsound)
    });
    match (hinted, claimed.transpose()?) {
        (Some(hinted), Some(claimed)) if hinted != claimed => {
            Err(Fault::invalid_request("id_token_hint and claims name two different users."))
        }
        (hinted, claimed) => Ok(hinted.or(claimed)),
    }
}

fn granted(client: &Client, asked: &Asked, resources: &[Client]) -> Result<GrantedRequest, Fault> {
    if asked.challenge.is_none() && client.metadata.needs_pkce() {
        return Err(Fault::invalid_request("code_challenge is missing; send one of method S256 (RFC 7636)."));
    }
    // RFC 6749 §3.3: scopes that nobody defines, or the client may not have, are left out.
    let allowed = |scope: &str| client.metadata.scope.as_ref().is_none_or(|own| own.contains(scope));
    let defined = |scopes: &[String]| {
        asked.scope.filtered(|scope| allowed(scope) && scopes.iter().any(|known| known == scope))
    };
    let mut scope = defined(&standard_claims::SCOPES.map(str::to_owned)).to_vec();
    // OIDC Core §11: the approval names it; nobody gets it unasked.
    let refreshes = client.metadata.grant_types.iter().any(|grant| grant == "refresh_token");
    if refreshes && asked.scope.contains(OFFLINE) && allowed(OFFLINE) {
        scope.push(OFFLINE.to_owned());
    }
    let resources = resources.iter().map(|server| GrantedResource {
        identifier: server.metadata.resource.clone().unwrap_or_default(),
        scope: defined(&server.metadata.scopes_supported),
        alg: server.metadata.access_token_signed_response_alg,
    });
    Ok(GrantedRequest {
        redirect_uri: asked.redirect_uri.clone(),
        nonce: asked.nonce.clone(),
        challenge: asked.challenge.clone(),
        scope: TokenList::from_tokens(scope),
        resources: resources.collect(),
        id_token_claims: asked.id_token_claims.clone(),
    })
}

/// What the client would get, to be approved: each scope, and the resource servers whose tokens it would hold.
fn approval(client: &Client, granted: &GrantedRequest, resources: &[Client]) -> Approval {
    let own = granted.scope.iter().map(|scope| AskedScope { name: scope.to_owned(), at: None });
    let mut scopes = own.collect::<Vec<_>>();
    for (resource, server) in granted.resources.iter().zip(resources) {
        let name = server.name().to_owned();
        let at = Some(ResourceName { identifier: resource.identifier.clone(), name });
        scopes.extend(resource.scope.iter().map(|s| AskedScope { name: s.to_owned(), at: at.clone() }));
        if resource.scope.is_empty() {
            scopes.push(AskedScope { name: String::new(), at });
        }
    }
    if scopes.is_empty() {
        scopes.push(AskedScope { name: String::new(), at: None });
    }
    let given = client.metadata.skip_consent;
    Approval { client: client.id.clone(), scopes, anew: false, given, never_silent: false }
}
