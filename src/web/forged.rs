//! A form that was not made here, for this browser (attack: a form on another site that acts for whoever is signed in). Nothing
//! is done; where it is known whom it was to act for, their audit has it.

use super::edge;
use super::respond;
use crate::app::App;
use crate::base::id::UserId;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::What;
use crate::store::sessions::Browser;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;

/// 403, with `sentence`.
pub async fn refused(app: &App, request: &HttpRequest, users: Vec<UserId>, sentence: &str) -> HttpResponse {
    tracing::info!("form.forged");
    let source = edge::source(app, request);
    let entry = |user| app.entry(Actor::User, What::Form).user(user).source(&source).refused("forged");
    let entries = users.iter().map(entry).collect::<Vec<_>>();
    if !entries.is_empty() {
        let written = app.store.write(move |c| entries.iter().try_for_each(|entry| audit::append(c, entry)));
        if let Err(error) = written.await {
            return respond::unavailable(app, request, &error);
        }
    }
    respond::problem(app, request, StatusCode::FORBIDDEN, sentence)
}

/// Everybody who is signed in there.
pub fn users(browser: &Browser) -> Vec<UserId> {
    browser.sessions.iter().map(|session| session.user.clone()).collect()
}
