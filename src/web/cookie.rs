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
use actix_web::http::header;

const NAME: &str = "__Host-stepgate";

/// Read as it was sent (attack: a sibling host may set `__Host%2Dstepgate`, which decodes to ours, or a cookie that can't be
/// decoded at all). A browser keeps one of this name: of two, one is somebody else's.
pub fn presented(request: &HttpRequest) -> Option<Secret> {
    let lines = request.headers().get_all(header::COOKIE);
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut own = pairs.filter_map(value);
    match (own.next(), own.next()) {
        (Some(value), None) => std::str::from_utf8(value).ok().map(Secret::presented),
        _ => None,
    }
}

/// Of a pair with our name.
fn value(pair: &[u8]) -> Option<&[u8]> {
    pair.trim_ascii().strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")
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

/// The browser forgets it, as its row is forgotten.
pub fn forget() -> Cookie<'static> {
    Cookie::build(NAME, "")
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::ZERO)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    fn read(lines: &[&[u8]]) -> Option<String> {
        let line = |line: &&[u8]| (header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        let request = lines.iter().map(line).fold(TestRequest::default(), TestRequest::append_header);
        presented(&request.to_http_request()).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn no_other_cookie_takes_the_place_of_ours_or_hides_it() {
        for line in [
            "__Host%2Dstepgate=evil",
            "__%48ost-stepgate=evil",
            "%5F%5FHost-stepgate=evil",
            "__host-stepgate=evil",
            "__Host-stepgate =evil",
            "__Host-stepgate",
            "x__Host-stepgate=evil",
            "a=__Host-stepgate=evil",
            "=;;a;==",
            "a=\"",
        ] {
            assert_eq!(read(&[line.as_bytes()]), None, "{line}");
            let ours = format!("{line}; __Host-stepgate=ours; {line}");
            assert_eq!(read(&[ours.as_bytes()]).as_deref(), Some("ours"), "{line}");
        }
        assert_eq!(read(&[b"a=\xff", b"__Host-stepgate=ours"]).as_deref(), Some("ours"));
        assert_eq!(read(&[b"a=\xff; __Host-stepgate=ours"]).as_deref(), Some("ours"));
        assert_eq!(read(&[b"__Host-stepgate=a%20b"]).as_deref(), Some("a%20b"));
        assert_eq!(read(&[b"__Host-stepgate=ours; __Host-stepgate=evil"]), None);
        assert_eq!(read(&[b"__Host-stepgate=ours", b"__Host-stepgate=evil"]), None);
        assert_eq!(read(&[]), None);
    }
}
