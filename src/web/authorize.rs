//! `/authorize`: GET does the work; POST comes without our cookie and is led to it.

use super::cookie;
use super::destination;
use super::destination::Destination;
use super::edge;
use super::language;
use super::respond;
use crate::app::App;
use crate::authorize;
use crate::authorize::AuthorizeError;
use crate::authorize::Begun;
use crate::authorize::answer::error_response;
use crate::base::time::Seconds;
use crate::interaction::Visitor;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::prompt::Prompt;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::web::Data;

pub const LONGEST_FORM: usize = 12 * 1024;

pub async fn get(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let parameters = Parameters::parse(request.query_string());
    if let Ok(parameters) = &parameters {
        language::prefer_ui_locales(&request, parameters);
    }
    match destination::of(&request) {
        Destination::Window => {}
        // It is answered without a page, whatever the answer is.
        Destination::Frame if parameters.as_ref().is_ok_and(is_silent) => {}
        Destination::Frame | Destination::Unseen => return not_in_a_window(&app, &request),
    }
    let begun = match parameters {
        Ok(parameters) => begin(&app, &request, &parameters).await,
        Err(fault) => Err(AuthorizeError::Page(fault)),
    };
    match begun {
        Ok(Begun::Answer(response)) => respond::authorization(&app, &request, &response, None),
        Ok(Begun::Page { interaction, cookie }) => {
            let mut answer = respond::see_other(&format!("/interaction/{interaction}"));
            if let Some(secret) = cookie {
                answer.cookie(cookie::set(&app, &secret));
            }
            answer.finish()
        }
        Err(error) => refused(&app, &request, error),
    }
}

fn is_silent(parameters: &Parameters) -> bool {
    let prompt = parameters.one("prompt").ok().flatten();
    prompt.is_some_and(|prompt| Prompt::parse(prompt, false).is_ok_and(|prompt| prompt.none))
}

/// Only a person opens a page: what goes into a frame or into nothing at all has no effect.
pub fn not_in_a_window(app: &App, request: &HttpRequest) -> HttpResponse {
    let shown =
        request.headers().get("sec-fetch-dest").map(|value| String::from_utf8_lossy(value.as_bytes()));
    tracing::info!(destination = shown.as_deref(), "page.not_in_a_window");
    respond::problem(app, request, StatusCode::FORBIDDEN, language::texts(request).not_in_a_window)
}

/// OIDC Core §3.1.2.1: the same request as a form. SameSite keeps our cookie away from it, so it has no effect of
/// its own: the browser comes back with GET.
pub async fn post(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let form = match edge::form(&request, &body) {
        Ok(form) => form,
        Err(fault) => return respond::fault_page(&app, &request, &fault),
    };
    // Attack: a second client_id in the other place, read by another reader.
    if !request.query_string().is_empty() {
        let fault = Fault::invalid_request("Send the parameters in the query or in the form, not in both.");
        return respond::fault_page(&app, &request, &fault);
    }
    // It comes back as an address, and proxies take no longer ones.
    if form.len() > LONGEST_FORM {
        let fault = Fault::invalid_request("The form is longer than 12 KiB; send less.");
        return respond::fault_page(&app, &request, &fault);
    }
    if !form.bytes().all(|b| b.is_ascii_graphic()) {
        let fault = Fault::invalid_request("The form is not percent-encoded UTF-8; encode it again.");
        return respond::fault_page(&app, &request, &fault);
    }
    respond::see_other(&format!("/authorize?{form}")).finish()
}

async fn begin(app: &App, request: &HttpRequest, parameters: &Parameters) -> Result<Begun, AuthorizeError> {
    let browser = cookie::browser(app, request).await?;
    let visitor = Visitor { browser, source: edge::source(app, request) };
    authorize::begin(app, parameters, &visitor).await
}

fn refused(app: &App, request: &HttpRequest, error: AuthorizeError) -> HttpResponse {
    match error {
        AuthorizeError::Page(fault) => respond::fault_page(app, request, &fault),
        AuthorizeError::Client(address, fault) => {
            tracing::info!(code = fault.code.as_str(), reason = %fault.description, "authorize.refused");
            respond::authorization(app, request, &error_response(app, &address, &fault), None)
        }
        AuthorizeError::TooMany => too_many(app, request),
        AuthorizeError::AskedAgain(who, until) => {
            let wait = until.seconds_since(app.now()).max(Seconds(1));
            let sentence = (language::texts(request).asked_again)(&who, wait);
            respond::too_many(app, request, &sentence, wait)
        }
        AuthorizeError::Store(error) => respond::unavailable(app, request, &error),
    }
}

/// Too many pages of this source are open.
pub fn too_many(app: &App, request: &HttpRequest) -> HttpResponse {
    tracing::info!("interactions.too_many");
    respond::too_many(app, request, language::texts(request).too_many_open, Seconds::minutes(10))
}
