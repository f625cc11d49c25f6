//! A form that was not made here, for this browser (attack: a form on another site that acts for whoever is signed in). Nothing
//! is done; where it is known whom it was to act for, their audit has it.

use super::edge;
use super::respond;
use crate::app::App;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::sessions::Browser;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::http::header::HeaderValue;
use url::Url;

/// 403, with `sentence`; `tried` are the lines of those whom it was to act for.
pub async fn refused(app: &App, request: &HttpRequest, tried: Vec<Entry>, sentence: &str) -> HttpResponse {
    tracing::info!("form.forged");
    let entries = tried.into_iter().map(|entry| entry.refused("forged")).collect::<Vec<_>>();
    if !entries.is_empty() {
        let written = app.store.write(move |c| entries.iter().try_for_each(|entry| audit::append(c, entry)));
        if let Err(error) = written.await {
            return respond::unavailable(app, request, &error);
        }
    }
    respond::problem(app, request, StatusCode::FORBIDDEN, sentence)
}

/// Whether another site's page sent the form, by what its browser says: a second line behind the code that each form of ours carries.
/// Old browsers say nothing.
pub fn is_from_elsewhere(app: &App, request: &HttpRequest) -> bool {
    let own = app.config.issuer.address().map(|address| address.origin());
    let is_own = |origin: &str| Url::parse(origin).ok().is_some_and(|url| Some(url.origin()) == own);
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    let mut origins = request.headers().get_all(header::ORIGIN).map(text);
    let mut sites = request.headers().get_all("sec-fetch-site").map(text);
    origins.any(|origin| !is_own(&origin))
        || sites.any(|site| !["same-origin", "none"].contains(&site.as_str()))
}

/// Everybody who is signed in there.
pub fn everybody(app: &App, request: &HttpRequest, browser: &Browser) -> Vec<Entry> {
    let source = edge::source(app, request);
    let actors = browser.sessions.iter().map(|session| Actor::User(&session.user, Some(&session.id)));
    actors.map(|actor| app.entry(actor, What::Form).source(&source)).collect()
}
