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

/// Everybody who is signed in there.
pub fn everybody(app: &App, request: &HttpRequest, browser: &Browser) -> Vec<Entry> {
    let source = edge::source(app, request);
    let actors = browser.sessions.iter().map(|session| Actor::User(&session.user, Some(&session.id)));
    actors.map(|actor| app.entry(actor, What::Form).source(&source)).collect()
}
