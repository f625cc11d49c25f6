//! Acme Payments, a resource server: one payment, for which it wants a second factor no older than five minutes.
//! It verifies access tokens by itself (RFC 9068 §4) and answers what is not enough with a challenge (RFC 9470 §3).

mod token;

use actix_web::App;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::HttpServer;
use actix_web::http::header;
use actix_web::web;
use actix_web::web::Data;
use serde_json::json;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;
use stepgate_resource::requirement::Requirement;
use token::Issuer;
use token::Refused;

const SCOPE: &str = "payments";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let issuer = Data::new(Issuer::new(
        setting("DEMO_ISSUER", "http://localhost:8080"),
        setting("DEMO_API_RESOURCE", "http://localhost:8082"),
    ));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(issuer.clone())
            .route("/pay", web::post().to(pay))
            .route("/healthz", web::get().to(async || "ok\n"))
    });
    Ok(server.workers(1).bind(setting("DEMO_API_LISTEN", "127.0.0.1:8082"))?.run().await?)
}

async fn pay(issuer: Data<Issuer>, request: HttpRequest) -> HttpResponse {
    let Some(token) = bearer(&request) else { return unauthorized("Bearer".into()) };
    let token = match issuer.verify(token, now()).await {
        Ok(token) => token,
        Err(Refused::Invalid) => return unauthorized("Bearer error=\"invalid_token\"".into()),
        Err(Refused::NoKeys(why)) => {
            eprintln!("demo api: the keys of the issuer can't be had: {why}");
            return HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, "2")).finish();
        }
    };
    if !token.scope.split(' ').any(|scope| scope == SCOPE) {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{SCOPE}\"");
        return HttpResponse::Forbidden().insert_header((header::WWW_AUTHENTICATE, challenge)).finish();
    }
    let requirement = Requirement { acr: vec!["urn:stepgate:acr:mfa".into()], max_age: Some(300) };
    match requirement.evaluate(&token.shown, now()) {
        Ok(()) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "paid": true,
            "amount": "49.00 EUR",
            "sub": token.sub,
            "acr": token.shown.acr,
            "auth_time": token.shown.auth_time,
        })),
        Err(challenge) => unauthorized(challenge.to_string()),
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn unauthorized(challenge: String) -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
