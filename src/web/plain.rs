//! What anyone may read: discovery (OIDC Discovery §3, RFC 8414), the keys, health, and the home page.
//! Discovery names what is built and nothing else.

use super::cookie;
use super::edge;
use super::logout;
use super::respond;
use crate::account;
use crate::app::App;
use crate::base::secret::Secret;
use crate::pages::HomePage;
use crate::protocol::language::Language;
use crate::protocol::metadata::SigningAlg;
use crate::protocol::standard_claims;
use crate::protocol::standard_claims::OFFLINE;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::Data;
use serde_json::Value;
use serde_json::json;

pub async fn discovery(app: Data<App>) -> HttpResponse {
    public(&metadata(&app))
}

pub async fn jwks(app: Data<App>) -> HttpResponse {
    public(&app.keys.jwks(app.now()))
}

pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

pub async fn readyz(app: Data<App>) -> HttpResponse {
    let once = Secret::generate(app.entropy.as_ref()).hash();
    match app.store.ready(once, app.now()).await {
        Ok(()) => HttpResponse::Ok().content_type("text/plain").body("ready\n"),
        Err(error) => respond::store_json(&error),
    }
}

/// For those whom `metrics_allow` names; for everybody else there is nothing here.
pub async fn metrics(app: Data<App>, request: HttpRequest) -> HttpResponse {
    if !edge::is_from(&app, &request, &app.config.metrics_allow) {
        return respond::not_found(app, request).await;
    }
    match app.metrics.text() {
        Ok(text) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(why) => respond::unavailable(&app, &request, &why),
    }
}

pub async fn home(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let browser = match cookie::browser(&app, &request).await {
        Ok(browser) => browser,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let code = browser.as_ref().map(|browser| logout::form_code(&app, browser, "")).unwrap_or_default();
    let remembers = match &browser {
        Some(browser) => logout::remembers(&app, browser).await,
        None => Ok(false),
    };
    let remembers = match remembers {
        Ok(remembers) => remembers,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let sessions = browser.map(|browser| browser.sessions).unwrap_or_default();
    let people = sessions.into_iter().map(|session| session.username).collect();
    respond::page(&app, &request, StatusCode::OK, None, |frame| HomePage { frame, people, remembers, code })
}

/// Where passkeys are made and managed, for password managers (W3C passkey endpoints).
pub async fn passkey_endpoints(app: Data<App>) -> HttpResponse {
    let address = app.config.issuer.url("/account/passkeys");
    public(&json!({"enroll": address, "manage": address}))
}

/// Where a password is changed, for password managers (W3C well-known URL for changing passwords).
pub async fn change_password() -> HttpResponse {
    respond::see_other(account::PASSWORD).finish()
}

/// Scripts of any origin may read it; there is nothing in it that depends on who asks.
fn public(body: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .json(body)
}

/// The last one proves nothing, and introspection wants a proof.
const AUTH_METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

fn metadata(app: &App) -> Value {
    let issuer = &app.config.issuer;
    let own = ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "nonce", "at_hash"];
    let algs = SigningAlg::ALL.map(SigningAlg::as_str);
    let prompts = ["none", "login", "consent", "select_account"].into_iter();
    let prompts = prompts.chain(app.config.create_accounts.then_some("create")).collect::<Vec<_>>();
    json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url("/authorize"),
        "token_endpoint": issuer.url("/token"),
        "introspection_endpoint": issuer.url("/introspect"),
        "revocation_endpoint": issuer.url("/revoke"),
        "userinfo_endpoint": issuer.url("/userinfo"),
        "end_session_endpoint": issuer.url("/logout"),
        "jwks_uri": issuer.url("/jwks"),
        "scopes_supported": standard_claims::SCOPES.into_iter().chain([OFFLINE]).collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algs,
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS.get(..3),
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "introspection_endpoint_auth_signing_alg_values_supported": algs,
        "revocation_endpoint_auth_signing_alg_values_supported": algs,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": app.config.policy.names().collect::<Vec<_>>(),
        "prompt_values_supported": prompts,
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "claims_supported": own.into_iter().chain(standard_claims::all()).collect::<Vec<_>>(),
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    })
}
