//! What a browser means to do with an answer (Fetch Metadata): a person sees only what goes into a window of its own. Attack: fifty
//! `<img>` of anybody's page, each of which would open a sign-in.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The whole window; or a client that says nothing, as old browsers and programs don't.
    Window,
    /// A part of somebody's page.
    Frame,
    /// An image, a script, what a script fetches, what is fetched ahead: nobody sees it.
    Unseen,
}

pub fn of(request: &HttpRequest) -> Destination {
    let headers = request.headers();
    if is_ahead(headers) {
        return Destination::Unseen;
    }
    let mut values = headers.get_all("sec-fetch-dest").map(|value| value.as_bytes());
    match (values.next(), values.next()) {
        (None, _) | (Some(b"document"), None) => Destination::Window,
        (Some(b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe"), None) => Destination::Frame,
        (Some(_), _) => Destination::Unseen,
    }
}

/// Fetched before anybody has followed the link; who follows it asks again.
fn is_ahead(headers: &HeaderMap) -> bool {
    let mut values = ["sec-purpose", "purpose"].iter().flat_map(|name| headers.get_all(*name));
    values.any(|value| value.as_bytes().starts_with(b"prefetch"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn read(headers: &[(&str, &str)]) -> Destination {
        let with = |request: TestRequest, header: &(&str, &str)| request.append_header(*header);
        of(&headers.iter().fold(TestRequest::default(), with).to_http_request())
    }

    #[test]
    fn only_a_document_or_silence_is_a_window() {
        assert_eq!(read(&[]), Destination::Window);
        assert_eq!(read(&[("sec-fetch-dest", "document")]), Destination::Window);
        for frame in ["iframe", "frame", "embed", "object", "fencedframe"] {
            assert_eq!(read(&[("sec-fetch-dest", frame)]), Destination::Frame, "{frame}");
        }
        for unseen in ["image", "script", "style", "empty", "font", "audio", "webidentity", "", "Document"] {
            assert_eq!(read(&[("sec-fetch-dest", unseen)]), Destination::Unseen, "{unseen}");
        }
        let twice = [("sec-fetch-dest", "document"), ("sec-fetch-dest", "image")];
        assert_eq!(read(&twice), Destination::Unseen);
        for ahead in ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"] {
            assert_eq!(read(&[("sec-fetch-dest", "document"), ("sec-purpose", ahead)]), Destination::Unseen);
        }
    }
}
