//! The edge: a request's id and its one line in the log, the headers of every answer, and where it came from.

use super::hop;
use super::hop::Hop;
use super::respond;
use super::respond::RequestId;
use crate::app::App;
use crate::base::entropy::random;
use crate::base::secret::base64url;
use crate::protocol::error::Fault;
use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::body::BodyStream;
use actix_web::body::BoxBody;
use actix_web::body::MessageBody;
use actix_web::dev::Payload;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::http::header::HeaderMap;
use actix_web::http::header::HeaderName;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::web::Data;
use futures_util::FutureExt;
use ipnet::IpNet;
use std::future::poll_fn;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use tokio::time::timeout;
use tracing::Instrument;

/// Of the request line and the headers together.
const MOST_HEAD: usize = 16 * 1024;
const MOST_BODY: usize = 64 * 1024;
const SLOW_BODY: Duration = Duration::from_secs(10);

/// What an answer that is not a page allows a browser: nothing.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";

pub async fn edge(
    app: Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = base64url(&random::<9>(app.entropy.as_ref()));
    let span = tracing::info_span!("request", id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path, began) = (request.method().clone(), shown_path(request.path()), Instant::now());
    async move {
        let mut answer = match taken(request).await {
            Ok(request) => match AssertUnwindSafe(next.call(request)).catch_unwind().await {
                Ok(answered) => answered?.map_into_boxed_body(),
                Err(_) => return Err(broken(&app, &id, began)),
            },
            Err(refused) => refused,
        };
        headers(&app, answer.headers_mut(), &id);
        let status = answer.status().as_u16();
        let route = answer.request().match_pattern().unwrap_or_else(|| "other".into());
        // A sign-in in a pop-up has to answer the page that opened it.
        if !["/authorize", "/interaction"].iter().any(|path| route.starts_with(path)) {
            respond::apart(answer.headers_mut());
        }
        app.metrics.request(route, status, began.elapsed());
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(%method, path, status, micros, "answered");
        Ok(answer)
    }
    .instrument(span)
    .await
}

/// A defect of ours: the connection stays, the answer says nothing, and the log has where it was. The request is lost with
/// the handler, so there is nobody left but the server to send this to.
fn broken(app: &App, id: &str, began: Instant) -> Error {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let mut answer = HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(format!(
            "Something went wrong here that should not have. Try again; if it happens again, tell those who run this \
             service that the request was {id}.\n"
        ));
    headers(app, answer.headers_mut(), id);
    app.metrics.request("other".into(), status.as_u16(), began.elapsed());
    tracing::error!(status = status.as_u16(), "handler.panicked");
    InternalError::from_response("a handler panicked", answer).into()
}

/// The request with its body read, within the limits of size and time; or the answer to one that is past them.
async fn taken(mut request: ServiceRequest) -> Result<ServiceRequest, ServiceResponse<BoxBody>> {
    let head = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let head = request.uri().to_string().len() + head.sum::<usize>();
    let mut payload = BodyStream::new(request.take_payload());
    let read = async {
        match head > MOST_HEAD {
            true => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            false => whole(&mut payload).await,
        }
    };
    let status = match timeout(SLOW_BODY, read).await {
        Ok(Ok(body)) => {
            request.set_payload(body.into());
            return Ok(request);
        }
        Ok(Err(status)) => status,
        Err(_) => StatusCode::REQUEST_TIMEOUT,
    };
    tracing::info!(status = status.as_u16(), "request.past_limits");
    let mut refused = HttpResponse::build(status).force_close().finish();
    // What is left of the body is kept until this is sent (attack: of a chunked body that nobody holds any more, actix takes in
    // the rest, however long that takes; one that is held and not read ends the connection).
    refused.extensions_mut().insert(payload);
    Err(request.into_response(refused))
}

async fn whole(payload: &mut BodyStream<Payload>) -> Result<Bytes, StatusCode> {
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|context| Pin::new(&mut *payload).poll_next(context)).await {
        let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        if body.len() + piece.len() > MOST_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// The form in a body (OAuth 2.0 knows no other), as text.
pub fn form<'a>(request: &HttpRequest, body: &'a Bytes) -> Result<&'a str, Fault> {
    if !request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let description = "Send the parameters as a form (application/x-www-form-urlencoded).";
        return Err(Fault::invalid_request(description));
    }
    let broken = || Fault::invalid_request("The form is not percent-encoded UTF-8; encode it again.");
    std::str::from_utf8(body).map_err(|_| broken())
}

/// Of the peer, or of whom a trusted proxy names; an IPv6 source is its /64, which is one household.
pub fn source(app: &App, request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else { return "unknown".into() };
    match address(app, request, peer) {
        Hop::Read(address) => network(address),
        Hop::Unreadable => {
            if !app.unreadable_hop.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    %peer,
                    "X-Forwarded-For of a trusted proxy names no address; let the proxy write the address of the client"
                );
            }
            // The same for the whole of this request.
            let mut own = request.extensions_mut();
            if let Some(Nameless(source)) = own.get() {
                return source.clone();
            }
            let source = hop::nameless(app.entropy.as_ref());
            own.insert(Nameless(source.clone()));
            source
        }
    }
}

/// Stands for the source of a request.
struct Nameless(String);

fn address(app: &App, request: &HttpRequest, peer: IpAddr) -> Hop {
    let mut chain = Vec::new();
    for value in request.headers().get_all("x-forwarded-for") {
        // A byte that can't be read stands for one that is in no address, and is not skipped (attack: one such byte, and whoever
        // sent it passes for the proxy).
        chain.extend(String::from_utf8_lossy(value.as_bytes()).split(',').map(Hop::parse));
    }
    client_address(&app.config.trusted_proxies, peer, &chain)
}

/// Whether the request was sent by one of `allowed` itself. A request that some proxy passed on was not, unless the proxy is
/// a trusted one and says so: a proxy on this machine must not open to the world what is for this machine.
pub fn is_from(app: &App, request: &HttpRequest, allowed: &[IpNet]) -> bool {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else { return false };
    let is_trusted = app.config.trusted_proxies.iter().any(|network| network.contains(&peer));
    let passed_on = ["x-forwarded-for", "forwarded"].iter().any(|name| request.headers().contains_key(*name));
    let address = address(app, request, peer);
    let is_allowed = |address| allowed.iter().any(|network| network.contains(&address));
    (is_trusted || !passed_on) && matches!(address, Hop::Read(address) if is_allowed(address))
}

/// The last hop that is not a proxy of ours: what stands before it in the header, anyone could have written.
fn client_address(trusted: &[IpNet], peer: IpAddr, chain: &[Hop]) -> Hop {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut source = peer;
    for hop in chain.iter().rev() {
        if !is_trusted(&source) {
            break;
        }
        source = match hop {
            Hop::Read(address) => *address,
            Hop::Unreadable => return *hop,
        };
    }
    Hop::Read(source)
}

fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
    }
}

fn headers(app: &App, headers: &mut HeaderMap, id: &str) {
    let mut default = |name: HeaderName, value: &str| {
        if let (false, Ok(value)) = (headers.contains_key(&name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    default(header::CONTENT_SECURITY_POLICY, NOTHING);
    default(header::CACHE_CONTROL, "no-store");
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::X_FRAME_OPTIONS, "DENY");
    default(header::REFERRER_POLICY, "same-origin");
    default(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if app.config.issuer.as_str().starts_with("https:") {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    default(HeaderName::from_static("x-request-id"), id);
}

/// Without what is secret or without bound in it.
fn shown_path(path: &str) -> String {
    path.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_of(trusted: &[&str], peer: &str, chain: &[&str]) -> String {
        let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect::<Vec<_>>();
        let chain = chain.iter().map(|hop| Hop::parse(hop)).collect::<Vec<_>>();
        match client_address(&trusted, peer.parse().unwrap(), &chain) {
            Hop::Read(address) => network(address),
            Hop::Unreadable => "unreadable".into(),
        }
    }

    #[test]
    fn only_a_trusted_proxy_may_say_where_a_request_comes_from() {
        assert_eq!(source_of(&[], "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        let proxy = ["10.0.0.0/8"];
        assert_eq!(source_of(&proxy, "10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(source_of(&proxy, "10.0.0.1", &["198.51.100.7:4711", "10.0.0.2:80"]), "198.51.100.7");
        assert_eq!(source_of(&proxy, "10.0.0.1", &["1.2.3.4", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(source_of(&proxy, "10.0.0.1", &["198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(source_of(&proxy, "10.0.0.1", &["198.51.100.7", "garbage"]), "unreadable");
        assert_eq!(source_of(&proxy, "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn an_ipv6_source_is_its_64() {
        assert_eq!(source_of(&[], "2001:db8:1:2:3:4:5:6", &[]), "2001:db8:1:2::/64");
        assert_eq!(source_of(&[], "::ffff:192.0.2.1", &[]), "192.0.2.1");
    }
}
