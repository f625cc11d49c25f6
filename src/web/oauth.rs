//! `/token`, `/introspect`, `/revoke` and `/userinfo`: what programs call.

use super::edge;
use super::respond;
use crate::app::App;
use crate::client::Caller;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::token::endpoint;
use crate::token::endpoint::TokenError;
use crate::token::introspect;
use crate::token::userinfo as claims;
use crate::token::userinfo::UserInfoError;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use actix_web::web::Data;
use serde_json::json;

pub async fn token(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let answered = match edge::form(&request, &body) {
        Ok(form) => endpoint::answer(&app, caller(&app, &request), form).await,
        Err(fault) => Err(fault.into()),
    };
    respond(&request, answered.map(|tokens| HttpResponse::Ok().json(tokens)))
}

pub async fn introspect(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let answered = match edge::form(&request, &body) {
        Ok(form) => introspect::introspect(&app, caller(&app, &request), form).await,
        Err(fault) => Err(fault.into()),
    };
    respond(&request, answered.map(|answer| HttpResponse::Ok().json(answer)))
}

pub async fn revoke(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let answered = match edge::form(&request, &body) {
        Ok(form) => introspect::revoke(&app, caller(&app, &request), form).await,
        Err(fault) => Err(fault.into()),
    };
    respond(&request, answered.map(|()| HttpResponse::Ok().finish()))
}

fn respond(request: &HttpRequest, answered: Result<HttpResponse, TokenError>) -> HttpResponse {
    match answered {
        Ok(answer) => answer,
        Err(TokenError::Fault { fault, reason, .. }) => {
            tracing::info!(code = fault.code.as_str(), told = %fault.description, reason, "token.refused");
            refused(request, &fault)
        }
        Err(TokenError::Store(error)) => respond::store_json(&error),
        Err(TokenError::Sign(error)) => {
            tracing::error!(%error, "token.unsigned");
            HttpResponse::InternalServerError().json(json!({"error": "server_error"}))
        }
    }
}

pub async fn userinfo(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    // RFC 6750 §2.2: a token in the body comes in a form.
    let form = match request.method() {
        &Method::POST => edge::form(&request, &body).unwrap_or_default(),
        _ => "",
    };
    match claims::answer(&app, caller(&app, &request), form).await {
        Ok(claims) => HttpResponse::Ok().json(claims),
        Err(UserInfoError::NoToken) => {
            HttpResponse::Unauthorized().insert_header((header::WWW_AUTHENTICATE, "Bearer")).finish()
        }
        Err(UserInfoError::Fault(fault)) => {
            tracing::info!(code = fault.code.as_str(), reason = %fault.description, "userinfo.refused");
            bearer_refused(&fault)
        }
        Err(UserInfoError::Store(error)) => respond::store_json(&error),
    }
}

fn caller<'a>(app: &App, request: &'a HttpRequest) -> Caller<'a> {
    Caller { authorization: authorization(request), source: edge::source(app, request) }
}

fn authorization(request: &HttpRequest) -> Option<&str> {
    // What is there but can't be read is not absent.
    request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or("unreadable"))
}

/// RFC 6749 §5.2: 401 for a client that is not believed, with the scheme that it used.
fn refused(request: &HttpRequest, fault: &Fault) -> HttpResponse {
    if fault.code == ErrorCode::TemporarilyUnavailable {
        // RFC 6585 §4.
        let mut answer = respond::fault_json(StatusCode::TOO_MANY_REQUESTS, fault);
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return answer;
    }
    if fault.code != ErrorCode::InvalidClient {
        return respond::fault_json(StatusCode::BAD_REQUEST, fault);
    }
    let mut answer = respond::fault_json(StatusCode::UNAUTHORIZED, fault);
    if authorization(request).is_some() {
        let basic = HeaderValue::from_static("Basic realm=\"stepgate\", charset=\"UTF-8\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    }
    answer
}

/// RFC 6750 §3.
fn bearer_refused(fault: &Fault) -> HttpResponse {
    let status = match fault.code {
        ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let said =
        format!("Bearer error=\"{}\", error_description=\"{}\"", fault.code.as_str(), fault.description);
    let mut answer = respond::fault_json(status, fault);
    if let Ok(value) = HeaderValue::from_str(&said) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}
