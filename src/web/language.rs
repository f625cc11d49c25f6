//! The language of an answer: the one that the application named (`ui_locales`), else what the browser prefers, else
//! English.

use crate::protocol::language::Language;
use crate::protocol::parameters::Parameters;
use crate::texts;
use crate::texts::Texts;
use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::http::header;

/// Rests with the request from the moment that it is known.
#[derive(Clone, Copy)]
struct Named(Language);

/// What the answer to `request` says.
pub fn texts(request: &HttpRequest) -> &'static Texts {
    let named = request.extensions().get::<Named>().map(|Named(language)| *language);
    texts::of(named.or_else(|| accepted(request)).unwrap_or_default())
}

/// Every answer to `request` is in `language` from now on, if the application named one.
pub fn prefer(request: &HttpRequest, language: Option<Language>) {
    if let Some(language) = language {
        request.extensions_mut().insert(Named(language));
    }
}

/// OIDC Core §3.1.2.1, RP-Initiated Logout 1.0 §2. What is wrong with it is told by whoever reads the whole request.
pub fn prefer_ui_locales(request: &HttpRequest, parameters: &Parameters) {
    let tags = parameters.one("ui_locales").ok().flatten();
    prefer(request, tags.and_then(Language::of_ui_locales));
}

fn accepted(request: &HttpRequest) -> Option<Language> {
    // RFC 9110 §5.3: several lines are one list.
    let lines = request.headers().get_all(header::ACCEPT_LANGUAGE).filter_map(|line| line.to_str().ok());
    Language::of_accept_language(&lines.collect::<Vec<_>>().join(","))
}
