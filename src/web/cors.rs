//! Which web pages may read what programs are answered (Fetch §3.2): those of the origins of registered redirect URIs, at
//! `/token`, `/revoke` and `/userinfo`, and never with cookies. Discovery and the keys are for everybody; nothing else is for any.

use super::respond;
use crate::app::App;
use crate::store::clients;
use actix_web::Error;
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header;
use actix_web::http::header::HeaderMap;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::web::Data;

const LONGEST_ORIGIN: usize = 300;

pub async fn cors(
    app: Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let origin = match known_origin(&app, &request).await {
        Ok(origin) => origin,
        Err(error) => return Ok(request.into_response(respond::store_json(&error))),
    };
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = match preflight {
        true => request.into_response(HttpResponse::NoContent().finish()),
        false => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        allow(headers, origin, preflight);
    }
    Ok(answer)
}

/// The origin that the request names, if it is registered. `null` is none: any sandbox has it.
async fn known_origin(
    app: &App,
    request: &ServiceRequest,
) -> Result<Option<HeaderValue>, crate::store::StoreError> {
    let Some(value) = request.headers().get(header::ORIGIN) else { return Ok(None) };
    let Ok(origin) = value.to_str() else { return Ok(None) };
    if origin.len() > LONGEST_ORIGIN {
        return Ok(None);
    }
    let wanted = origin.to_owned();
    let known = app.store.read(move |c| clients::has_origin(c, &wanted)).await?;
    Ok(known.then(|| value.clone()))
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    let mut insert = |name, value| headers.insert(name, HeaderValue::from_static(value));
    if preflight {
        insert(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
        insert(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type");
        insert(header::ACCESS_CONTROL_MAX_AGE, "600");
    } else {
        insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after");
    }
}
