//! Answers: pages with their policy, redirects, JSON, and errors, each said once to the person and once to the log.

use super::language;
use crate::app::App;
use crate::base::entropy::random;
use crate::base::secret::base64url;
use crate::base::time::Seconds;
use crate::pages::ErrorPage;
use crate::pages::FormPostPage;
use crate::pages::Frame;
use crate::protocol::error::Fault;
use crate::protocol::redirect_uri::Response;
use crate::store::StoreError;
use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use askama::Template;
use serde_json::json;

/// Ties what a person reads on a page to the log.
#[derive(Clone)]
pub struct RequestId(pub String);

/// Seconds.
const RETRY: &str = "5";

/// What a page may do beside showing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    None,
    /// Press its own button.
    Press,
    /// Ask us for a ceremony and the browser for a passkey.
    Passkeys,
}

/// A page whose forms may lead to `origin`: browsers check the redirects after a form too.
pub fn page<P: Template>(
    app: &App,
    request: &HttpRequest,
    status: StatusCode,
    origin: Option<&str>,
    page: impl FnOnce(Frame) -> P,
) -> HttpResponse {
    page_with(app, request, (status, Scripts::None), origin, page)
}

/// A page with a script of ours.
pub fn page_with<P: Template>(
    app: &App,
    request: &HttpRequest,
    (status, scripts): (StatusCode, Scripts),
    origin: Option<&str>,
    page: impl FnOnce(Frame) -> P,
) -> HttpResponse {
    let frame = frame(app, request);
    let (nonce, language) = (frame.nonce.clone(), frame.t.language);
    match page(frame).render() {
        Ok(html) => HttpResponse::build(status)
            .insert_header((header::CONTENT_SECURITY_POLICY, policy(&nonce, origin, scripts)))
            .insert_header((header::CONTENT_LANGUAGE, language.tag()))
            .content_type("text/html; charset=utf-8")
            .body(html),
        Err(why) => {
            tracing::error!(%why, "page.unrenderable");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn frame(app: &App, request: &HttpRequest) -> Frame {
    Frame {
        name: app.config.page.name.clone(),
        support: app.config.page.support.as_ref().map(ToString::to_string),
        nonce: base64url(&random::<16>(app.entropy.as_ref())),
        t: language::texts(request),
    }
}

fn policy(nonce: &str, origin: Option<&str>, scripts: Scripts) -> String {
    let origin = origin.filter(|origin| !origin.is_empty()).map(|origin| format!(" {origin}"));
    let origin = origin.unwrap_or_default();
    let scripts = match scripts {
        Scripts::None => String::new(),
        Scripts::Press => format!("; script-src 'nonce-{nonce}'"),
        Scripts::Passkeys => format!("; script-src 'nonce-{nonce}'; connect-src 'self'"),
    };
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self' https:{origin}; \
         base-uri 'none'; frame-ancestors 'none'{scripts}"
    )
}

/// A page of ours is out of reach of a window that opened it (HTML §7.1.3). Only pages: a redirect on the way back to an application
/// in a pop-up must leave the two together.
pub fn apart(headers: &mut HeaderMap) {
    let is_page =
        headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        let name = header::HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(name, header::HeaderValue::from_static("same-origin"));
    }
}

/// An authorization response, in its mode, with the browser's new cookie if there is one.
pub fn authorization(
    app: &App,
    request: &HttpRequest,
    response: &Response,
    cookie: Option<Cookie<'static>>,
) -> HttpResponse {
    let mut answer = match response {
        Response::Redirect(location) => see_other(location).finish(),
        Response::Post { uri, origin, members } => form_post(app, request, uri, origin, members),
    };
    if let Some(Err(why)) = cookie.map(|cookie| answer.add_cookie(&cookie)) {
        tracing::error!(%why, "cookie.unsendable");
    }
    answer
}

/// A page that presses its own button.
fn form_post(
    app: &App,
    request: &HttpRequest,
    uri: &str,
    origin: &str,
    members: &[(String, String)],
) -> HttpResponse {
    page_with(app, request, (StatusCode::OK, Scripts::Press), Some(origin), |frame| FormPostPage {
        frame,
        uri: uri.to_owned(),
        members,
    })
}

/// 303: the browser follows with GET, and no form is ever sent on (RFC 9700 §4.12).
pub fn see_other(location: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((header::LOCATION, location));
    answer
}

/// An error that only the person can be told.
pub fn problem(app: &App, request: &HttpRequest, status: StatusCode, sentence: &str) -> HttpResponse {
    error_page(app, request, status, sentence, None)
}

/// What is wrong with a request, in the words for whoever made the application.
pub fn fault_page(app: &App, request: &HttpRequest, fault: &Fault) -> HttpResponse {
    tracing::info!(code = fault.code.as_str(), reason = %fault.description, "refused");
    error_page(app, request, StatusCode::BAD_REQUEST, &fault.description, Some(fault.code.as_str()))
}

fn error_page(
    app: &App,
    request: &HttpRequest,
    status: StatusCode,
    sentence: &str,
    code: Option<&'static str>,
) -> HttpResponse {
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let t = language::texts(request);
    let title = match status.as_u16() {
        404 => t.title_not_found,
        405 => t.title_method,
        429 => t.title_too_many,
        500.. => t.title_unavailable,
        _ => t.title_refused,
    };
    let sentence = sentence.to_owned();
    page(app, request, status, None, |frame| ErrorPage { frame, title, sentence, code, request_id })
}

/// The database does not answer: nothing is decided without it.
pub fn unavailable(app: &App, request: &HttpRequest, why: &dyn std::fmt::Display) -> HttpResponse {
    tracing::error!(%why, "unavailable");
    let sentence = language::texts(request).unavailable;
    let mut answer = problem(app, request, StatusCode::SERVICE_UNAVAILABLE, sentence);
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY));
    answer
}

/// Says when it may be tried again.
pub fn too_many(app: &App, request: &HttpRequest, sentence: &str, wait: Seconds) -> HttpResponse {
    let mut answer = problem(app, request, StatusCode::TOO_MANY_REQUESTS, sentence);
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(wait.0));
    answer
}

/// RFC 6749 §5.2, RFC 6750 §3: an error that a client reads.
pub fn fault_json(status: StatusCode, fault: &Fault) -> HttpResponse {
    HttpResponse::build(status).json(json!({
        "error": fault.code.as_str(),
        "error_description": fault.description,
    }))
}

pub fn store_json(error: &StoreError) -> HttpResponse {
    tracing::error!(why = %error, "unavailable");
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, RETRY))
        .json(json!({"error": "temporarily_unavailable", "error_description": "Try again in a few seconds."}))
}

pub async fn not_found(app: Data<App>, request: HttpRequest) -> HttpResponse {
    problem(&app, &request, StatusCode::NOT_FOUND, language::texts(&request).not_found)
}

pub async fn method_not_allowed(app: Data<App>, request: HttpRequest) -> HttpResponse {
    problem(&app, &request, StatusCode::METHOD_NOT_ALLOWED, language::texts(&request).method_not_allowed)
}
