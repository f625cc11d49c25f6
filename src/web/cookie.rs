//! The one cookie: `__Host-stepgate`, the browser's secret. Host-only, https (or loopback), unseen by scripts.

use crate::app::App;
use crate::base::secret::Secret;
use crate::store::StoreError;
use crate::store::sessions;
use crate::store::sessions::Browser;
use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use actix_web::cookie::SameSite;
use actix_web::cookie::time::Duration;

const NAME: &str = "__Host-stepgate";

pub fn presented(request: &HttpRequest) -> Option<Secret> {
    request.cookie(NAME).map(|cookie| Secret::presented(cookie.value()))
}

/// The browser that the request's cookie names.
pub async fn browser(app: &App, request: &HttpRequest) -> Result<Option<Browser>, StoreError> {
    let Some(secret) = presented(request) else { return Ok(None) };
    let (hash, life, now) = (secret.hash(), app.session_life(), app.now());
    app.store.read(move |c| sessions::browser(c, &hash, life, now)).await
}

/// Gone from the browser when its row is.
pub fn set(app: &App, secret: &Secret) -> Cookie<'static> {
    Cookie::build(NAME, secret.reveal().to_owned())
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(i64::from(
            app.config.lifetimes.remember.max(app.config.lifetimes.session).0,
        )))
        .finish()
}
