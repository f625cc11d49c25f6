//! An independent relying party: the `openidconnect` crate goes from discovery to userinfo and judges every answer.

use crate::app::CALLBACK;
use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use openidconnect::AccessTokenHash;
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
use openidconnect::RedirectUrl;
use openidconnect::Scope;
use openidconnect::TokenResponse;
use openidconnect::core::CoreAuthPrompt;
use openidconnect::core::CoreClient;
use openidconnect::core::CoreIdTokenClaims;
use openidconnect::core::CoreProviderMetadata;
use openidconnect::core::CoreResponseType;
use openidconnect::core::CoreUserInfoClaims;
use std::time::Duration;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What a request asks for beside the rest.
#[derive(Default)]
struct Asking {
    prompt: Option<CoreAuthPrompt>,
    max_age: Option<u64>,
    acr_values: Option<&'static str>,
    claims: Option<&'static str>,
}

/// The library speaks to the issuer's address; the bytes go to where the server of this test listens.
pub async fn http(address: String, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let url = parts.uri.to_string().replace(ISSUER, &address);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let answer = client.request(parts.method, url).headers(parts.headers).body(body).send().await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}

async fn discovered(app: &TestApp) -> Client {
    let address = app.address.clone();
    let http = move |request| http(address.clone(), request);
    let metadata =
        CoreProviderMetadata::discover_async(IssuerUrl::new(ISSUER.into()).unwrap(), &http).await.unwrap();
    let secret = ClientSecret::new(SECRET.into());
    CoreClient::from_provider_metadata(metadata, ClientId::new("rp".into()), Some(secret))
        .set_redirect_uri(RedirectUrl::new(CALLBACK.into()).unwrap())
}

/// Goes through one authorization; `pages` says what the person does on the way.
async fn authenticated(
    app: &TestApp,
    browser: &mut Browser,
    asking: Asking,
    pages: &[(&str, &[(&str, &str)])],
) -> Result<(CoreIdTokenClaims, CoreUserInfoClaims), String> {
    let client = discovered(app).await;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
    let mut request = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".into()))
        .set_pkce_challenge(challenge);
    if let Some(prompt) = asking.prompt {
        request = request.add_prompt(prompt);
    }
    if let Some(seconds) = asking.max_age {
        request = request.set_max_age(Duration::from_secs(seconds));
    }
    if let Some(acr) = asking.acr_values {
        request = request.add_auth_context_value(AuthenticationContextClass::new(acr.into()));
    }
    if let Some(claims) = asking.claims {
        request = request.add_extra_param("claims", claims);
    }
    let (url, state, nonce) = request.url();
    let mut reply: Reply = browser.open(url.as_str().strip_prefix(ISSUER).unwrap()).await;
    for (page, fields) in pages {
        assert_eq!(reply.page(), *page);
        reply = browser.submit(&reply, fields).await;
    }
    let answer = reply.answer();
    assert_eq!(answer.get("state"), Some(state.secret()));
    if let Some(error) = answer.get("error") {
        return Err(error.clone());
    }
    let address = app.address.clone();
    let http = move |request| http(address.clone(), request);
    let exchange = client.exchange_code(AuthorizationCode::new(answer["code"].clone())).unwrap();
    let tokens = exchange.set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    let now = app.clock.now().unix_seconds();
    let id_verifier =
        client.id_token_verifier().set_time_fn(move || chrono::DateTime::from_timestamp(now, 0).unwrap());
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&id_verifier, &nonce).unwrap().clone();
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&id_verifier).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));
    let userinfo = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap();
    Ok((claims, userinfo.request_async(&http).await.unwrap()))
}

fn amr(claims: &CoreIdTokenClaims) -> Vec<&str> {
    claims.auth_method_refs().unwrap().iter().map(|method| method.as_str()).collect()
}

fn acr(claims: &CoreIdTokenClaims) -> &str {
    claims.auth_context_ref().unwrap().as_str()
}

fn auth_time(claims: &CoreIdTokenClaims) -> i64 {
    claims.auth_time().unwrap().timestamp()
}

#[tokio::test]
async fn an_independent_relying_party_signs_in_steps_up_and_reads_userinfo() {
    let app = TestApp::spawn().await;
    let ada: TestUser = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let login: (&str, &[(&str, &str)]) = ("login", &[("username", "ada"), ("password", PASSWORD)]);
    let password: (&str, &[(&str, &str)]) = ("password", &[("password", PASSWORD)]);

    let silent = || Asking { prompt: Some(CoreAuthPrompt::None), ..Asking::default() };
    assert_eq!(authenticated(&app, &mut browser, silent(), &[]).await.unwrap_err(), "login_required");

    let (first, userinfo) = authenticated(&app, &mut browser, Asking::default(), &[login]).await.unwrap();
    assert_eq!(first.subject().as_str(), ada.id.as_str());
    assert_eq!((acr(&first), amr(&first)), ("urn:stepgate:acr:pwd", vec!["pwd"]));
    assert_eq!(userinfo.email().unwrap().as_str(), "ada@op.test");

    app.clock.advance(100);
    let (again, _) = authenticated(&app, &mut browser, silent(), &[]).await.unwrap();
    assert_eq!(auth_time(&again), auth_time(&first));

    let fresh = |max_age| Asking { max_age: Some(max_age), ..Asking::default() };
    let (young, _) = authenticated(&app, &mut browser, fresh(100), &[]).await.unwrap();
    assert_eq!(auth_time(&young), auth_time(&first));
    let (renewed, _) = authenticated(&app, &mut browser, fresh(99), &[password]).await.unwrap();
    assert_eq!(auth_time(&renewed), auth_time(&first) + 100);
    app.clock.advance(1);
    let (zero, _) = authenticated(&app, &mut browser, fresh(0), &[password]).await.unwrap();
    assert_eq!(auth_time(&zero), auth_time(&first) + 101);
    app.clock.advance(1);
    let login_again = Asking { prompt: Some(CoreAuthPrompt::Login), ..Asking::default() };
    let (prompted, _) = authenticated(&app, &mut browser, login_again, &[password]).await.unwrap();
    assert_eq!(auth_time(&prompted), auth_time(&first) + 102);

    let code = ada.code(&app);
    let mfa = || Asking { acr_values: Some("urn:stepgate:acr:mfa"), ..Asking::default() };
    let (stepped, _) =
        authenticated(&app, &mut browser, mfa(), &[("totp", &[("code", &code)])]).await.unwrap();
    assert_eq!((acr(&stepped), amr(&stepped)), ("urn:stepgate:acr:mfa", vec!["pwd", "otp", "mfa"]));

    let essential = |claims| Asking { claims: Some(claims), ..Asking::default() };
    let met = essential(r#"{"id_token":{"acr":{"essential":true,"value":"urn:stepgate:acr:mfa"}}}"#);
    assert_eq!(acr(&authenticated(&app, &mut browser, met, &[]).await.unwrap().0), "urn:stepgate:acr:mfa");
    let unmet = essential(r#"{"id_token":{"acr":{"essential":true,"value":"phr"}}}"#);
    let decline: (&str, &[(&str, &str)]) = ("password", &[("action", "decline")]);
    let error = authenticated(&app, &mut browser, unmet, &[decline]).await.unwrap_err();
    assert_eq!(error, "unmet_authentication_requirements");
}
