//! Redirect URIs: what is registered is sound, what is not registered never matches, and an answer goes where the
//! registered URI leads. The first line is registered, the second presented.

use stepgate::protocol::redirect_uri::RedirectUri;
use stepgate::protocol::redirect_uri::Response;
use stepgate::protocol::redirect_uri::ReturnAddress;
use url::Url;

const ISSUER: &str = "https://op.test";
const STATE: &str = "a&b=c #\"<ü";

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (registered, presented) = text.split_once('\n').unwrap_or((text, ""));
    for native in [false, true] {
        let Ok(uri) = RedirectUri::register(registered, native) else { continue };
        sound(registered, native);
        let known = [uri];
        leads_home(&ReturnAddress::verify(&known, registered, native).unwrap(), registered);
        match ReturnAddress::verify(&known, presented, native) {
            None => assert_ne!(registered, presented),
            Some(address) => {
                assert_eq!(address.uri(), presented);
                admitted(registered, presented, native);
                leads_home(&address, presented);
            }
        }
    }
}

/// RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1.
fn sound(text: &str, native: bool) {
    let url = Url::parse(text).unwrap();
    assert!(text.chars().all(|c| c.is_ascii_graphic()) && !text.contains('#'), "{text}");
    assert!(url.username().is_empty() && url.password().is_none(), "{text}");
    for (name, _) in url.query_pairs() {
        assert!(!["code", "state", "iss", "error", "id_token"].contains(&name.as_ref()), "{text}");
    }
    match url.scheme() {
        "https" => {}
        "http" => {
            let host = url.host_str().unwrap();
            assert!(host == "localhost" || host == "[::1]" || host.starts_with("127."), "{text}");
        }
        scheme => assert!(native && scheme.contains('.'), "{text}"),
    }
}

/// Byte for byte, but for the port of a native client's loopback host (RFC 8252 §7.3).
pub fn admitted(registered: &str, presented: &str, native: bool) {
    if registered == presented {
        return;
    }
    let (ours, theirs) = (Url::parse(registered).unwrap(), Url::parse(presented).unwrap());
    assert!(native && ours.scheme() == "http", "{presented}");
    let parts = |url: &Url| {
        let host = url.host_str().unwrap().to_owned();
        assert!(["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str()), "{url}");
        assert!(url.username().is_empty() && url.password().is_none(), "{url}");
        let (path, query, fragment) = (url.path().to_owned(), url.query(), url.fragment());
        (url.scheme().to_owned(), host, path, query.map(str::to_owned), fragment.map(str::to_owned))
    };
    assert_eq!(parts(&ours), parts(&theirs));
}

/// An answer reaches what `uri` names, whatever page it is sent from, and adds what belongs to it and nothing else.
pub fn leads_home(address: &ReturnAddress, uri: &str) {
    let members = [("code", "a+b/c")];
    let Response::Redirect(location) = address.clone().with_state(Some(STATE)).respond(ISSUER, &members)
    else {
        return;
    };
    assert!(location.chars().all(|c| c.is_ascii_graphic()) && location.starts_with(uri), "{location}");
    let (home, there) = (Url::parse(uri).unwrap(), Url::parse(&location).unwrap());
    let place = |url: &Url| {
        let host = url.host_str().map(str::to_owned);
        (url.scheme().to_owned(), host, url.port(), url.path().to_owned())
    };
    assert_eq!(place(&there), place(&home), "{location}");
    for from in [ISSUER, "http://localhost:8080"] {
        let page = Url::parse(from).unwrap().join("/interaction/1").unwrap();
        assert_eq!(page.join(&location), Ok(there.clone()), "{location}");
    }
    assert_eq!(there.fragment(), Some(""));
    let own = home.query_pairs().into_owned();
    let added = [("code", "a+b/c"), ("state", STATE), ("iss", ISSUER)];
    let added = added.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(there.query_pairs().into_owned().collect::<Vec<_>>(), own.chain(added).collect::<Vec<_>>());
    one_source(&address.origin());
}

/// What stands in `form-action` is one source, and ends no directive (CSP Level 3 §2.3.1).
fn one_source(origin: &str) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-._:/[]".contains(c);
    assert!(!origin.is_empty() && origin.chars().all(allowed), "{origin}");
}
