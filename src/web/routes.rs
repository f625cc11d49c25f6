//! Every path once. What is not here is 404, and a known path with another method 405.

use super::account;
use super::authorize;
use super::cors::cors;
use super::interaction;
use super::logout;
use super::oauth;
use super::plain;
use super::respond;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::web::ServiceConfig;

pub fn routes(config: &mut ServiceConfig) {
    let path = |path: &str| web::resource(path).default_service(web::to(respond::method_not_allowed));
    config
        .service(path("/").route(web::get().to(plain::home)))
        .service(
            path("/authorize").route(web::get().to(authorize::get)).route(web::post().to(authorize::post)),
        )
        .service(path("/interaction/{id}").route(web::get().to(interaction::show)))
        .service(path("/interaction/{id}/{page}").route(web::post().to(interaction::submit)))
        .service(path("/interaction/{id}/{page}/options").route(web::post().to(interaction::options)))
        .service(
            path("/account/passkeys")
                .route(web::get().to(account::passkeys))
                .route(web::post().to(account::change_passkeys)),
        )
        .service(path("/account/password").route(web::get().to(account::password)))
        .service(
            path("/account/recovery")
                .route(web::get().to(account::recovery))
                .route(web::post().to(account::cancel_recovery)),
        )
        .service(path("/.well-known/change-password").route(web::get().to(plain::change_password)))
        .service(path("/.well-known/passkey-endpoints").route(web::get().to(plain::passkey_endpoints)))
        .service(path("/token").wrap(from_fn(cors)).route(web::post().to(oauth::token)))
        .service(path("/introspect").route(web::post().to(oauth::introspect)))
        .service(path("/revoke").wrap(from_fn(cors)).route(web::post().to(oauth::revoke)))
        .service(
            path("/userinfo")
                .wrap(from_fn(cors))
                .route(web::get().to(oauth::userinfo))
                .route(web::post().to(oauth::userinfo)),
        )
        .service(path("/logout").route(web::get().to(logout::get)).route(web::post().to(logout::post)))
        .service(path("/jwks").route(web::get().to(plain::jwks)))
        .service(path("/.well-known/openid-configuration").route(web::get().to(plain::discovery)))
        .service(path("/.well-known/oauth-authorization-server").route(web::get().to(plain::discovery)))
        .service(path("/metrics").route(web::get().to(plain::metrics)))
        .service(path("/healthz").route(web::get().to(plain::healthz)))
        .service(path("/readyz").route(web::get().to(plain::readyz)));
}
