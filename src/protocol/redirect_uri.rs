//! Redirect URIs (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1) and the one value that lets an answer reach them.
//! Nothing is ever normalised or decoded before it is compared.

use serde::Deserialize;
use serde::Serialize;
use url::Host;
use url::Url;
use url::form_urlencoded::Serializer;

/// A redirect URI that was found sound at registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Where an authorization response may go. Only [`ReturnAddress::verify`] makes one, so without a registered
/// redirect URI there is no redirect; none is stored, since what is registered may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnAddress {
    uri: String,
    state: Option<String>,
    mode: ResponseMode,
}

/// How a response travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    #[default]
    Query,
    FormPost,
}

/// An authorization response, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To this `Location`.
    Redirect(String),
    /// As a form that the browser posts.
    Post { uri: String, origin: String, members: Vec<(String, String)> },
}

/// Members of an authorization response: a registered query that has one could pose as an answer.
const RESPONSE_MEMBERS: [&str; 10] = [
    "access_token",
    "code",
    "error",
    "error_description",
    "error_uri",
    "id_token",
    "iss",
    "response",
    "session_state",
    "state",
];

impl RedirectUri {
    /// Registers `text`, or says in one sentence what is wrong with it.
    pub fn register(text: &str, native: bool) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("{text:?} {why}"));
        if text.len() > 2048 {
            return bad("is longer than 2048 bytes");
        }
        if text.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b"\\\"<>^`{|}".contains(&b)) {
            return bad("has a character that must be percent-encoded");
        }
        let Ok(url) = Url::parse(text) else { return bad("is not an absolute URI") };
        if text.contains('#') {
            return bad("has a fragment, which a redirect URI may not have");
        }
        if let Some(member) =
            url.query_pairs().map(|(name, _)| name).find(|n| RESPONSE_MEMBERS.contains(&n.as_ref()))
        {
            return bad(&format!("has {member} in its query, which belongs to the response"));
        }
        // Looked for in the text: an empty one is nowhere in the URL, and `com.example.app://@` with a query behind it is none.
        if authority(text).contains('@') {
            return bad("has user information, which a redirect URI may not have");
        }
        match url.scheme() {
            // WHATWG URL §4.4: without both slashes, it is resolved against the page on which it is followed.
            "https" | "http" if !is_written_out(text, url.scheme()) => bad(
                "must be written out, as https://host/path, its host in letters, digits, dots and hyphens",
            ),
            "https" => Ok(Self(text.to_owned())),
            "http" if is_loopback(&url) => Ok(Self(text.to_owned())),
            "http" => bad("must use https; plain http is for loopback hosts only"),
            scheme if native && scheme.contains('.') => Ok(Self(text.to_owned())),
            _ => bad(
                "must use https, or for application_type native a private scheme with a dot (RFC 8252 §7.1)",
            ),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port; `None` for a private scheme.
    pub fn origin(&self) -> Option<String> {
        let origin = Url::parse(&self.0).ok()?.origin();
        origin.is_tuple().then(|| origin.ascii_serialization())
    }

    /// Byte for byte; for native clients on a loopback address the port is free (RFC 8252 §7.3).
    fn admits(&self, presented: &str, native: bool) -> bool {
        self.0 == presented || (native && self.admits_other_port(presented))
    }

    fn admits_other_port(&self, presented: &str) -> bool {
        let (Some(ours), Some(theirs)) = (LoopbackUri::split(&self.0), LoopbackUri::split(presented)) else {
            return false;
        };
        ours == theirs
    }
}

/// `http://HOST[:PORT]REST` with a literal loopback host; the port is left out of the comparison.
#[derive(PartialEq, Eq)]
struct LoopbackUri<'a> {
    host: &'a str,
    rest: &'a str,
}

impl<'a> LoopbackUri<'a> {
    fn split(uri: &'a str) -> Option<Self> {
        let after = uri.strip_prefix("http://")?;
        let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| after.starts_with(host))?;
        let after_host = after.get(host.len()..)?;
        let rest = match after_host.strip_prefix(':') {
            None => after_host,
            Some(port) => {
                let digits = port.bytes().take_while(u8::is_ascii_digit).count();
                port.get(..digits)?.parse::<u16>().ok()?;
                port.get(digits..)?
            }
        };
        (rest.is_empty() || rest.starts_with('/') || rest.starts_with('?')).then_some(Self { host, rest })
    }
}

impl ReturnAddress {
    /// The address, if `presented` is one of the client's registered URIs.
    pub fn verify(registered: &[RedirectUri], presented: &str, native: bool) -> Option<Self> {
        let known = registered.iter().any(|uri| uri.admits(presented, native));
        known.then(|| Self { uri: presented.to_owned(), state: None, mode: ResponseMode::Query })
    }

    pub fn with_state(self, state: Option<&str>) -> Self {
        Self { state: state.map(str::to_owned), ..self }
    }

    pub fn with_mode(self, mode: ResponseMode) -> Self {
        Self { mode, ..self }
    }

    /// The response of these members, with `state` and `iss` (RFC 9207 §2), in the mode that was asked for.
    pub fn respond(&self, issuer: &str, members: &[(&str, &str)]) -> Response {
        if self.mode == ResponseMode::Query {
            return Response::Redirect(self.location(issuer, members));
        }
        let own = self.state.as_deref().map(|state| ("state", state)).into_iter().chain([("iss", issuer)]);
        let members = members.iter().copied().chain(own);
        let members = members.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Response::Post { uri: self.uri.clone(), origin: self.origin(), members }
    }

    pub fn uri(&self) -> &str {
        &self.uri
    }

    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    pub const fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// The `Location` of an answer in response mode `query`: `members`, then `state` and `iss` (RFC 9207 §2).
    fn location(&self, issuer: &str, members: &[(&str, &str)]) -> String {
        let mut answer = Serializer::new(String::new());
        answer.extend_pairs(members);
        if let Some(state) = &self.state {
            answer.append_pair("state", state);
        }
        answer.append_pair("iss", issuer);
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        // RFC 9700 §4.1.3: an empty fragment of our own keeps the browser from re-attaching the request's.
        format!("{}{separator}{}#", self.uri, answer.finish())
    }

    /// Where a sign-out leads back to: the address and its state, and nothing that belongs to an authorization response.
    pub fn plain_location(&self) -> String {
        let Some(state) = &self.state else { return self.uri.clone() };
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        let state = Serializer::new(String::new()).append_pair("state", state).finish();
        format!("{}{separator}{state}", self.uri)
    }

    /// Scheme, host and port, for `form-action`; private schemes give the scheme alone.
    pub fn origin(&self) -> String {
        let Ok(url) = Url::parse(&self.uri) else { return String::new() };
        match url.origin() {
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            url::Origin::Opaque(_) => format!("{}:", url.scheme()),
        }
    }

    /// Loopback or a private scheme: whatever runs on the device may be who listens there (RFC 8252 §8.6).
    pub fn is_on_the_device(&self) -> bool {
        !self.uri.starts_with("https://") || Url::parse(&self.uri).is_ok_and(|url| is_loopback(&url))
    }

    /// The host that a person may recognise.
    pub fn host(&self) -> Option<String> {
        Url::parse(&self.uri).ok()?.host_str().map(str::to_owned)
    }
}

/// A host that never leaves the machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The address of a page, written out; nothing that a browser would resolve, run or open.
pub fn is_web_address(text: &str) -> bool {
    let sound =
        text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b));
    let Some(url) = Url::parse(text).ok().filter(|_| sound) else { return false };
    is_on_the_web(url.scheme()) && is_written_out(text, url.scheme()) && url.host().is_some()
}

pub fn is_on_the_web(scheme: &str) -> bool {
    ["https", "http"].contains(&scheme)
}

/// Nothing but the scheme and a host, whose characters can stand in a policy too (attack: `;` in a host ends a directive,
/// CSP Level 3 §2.2.1).
fn is_written_out(text: &str, scheme: &str) -> bool {
    let after = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    after.is_some() && !authority(text).is_empty() && authority(text).bytes().all(plain)
}

fn authority(text: &str) -> &str {
    let after = text.split_once(':').and_then(|(_, rest)| rest.strip_prefix("//")).unwrap_or("");
    after.split(['/', '?', '#']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(uri: &str, native: bool) -> Vec<RedirectUri> {
        vec![RedirectUri::register(uri, native).unwrap()]
    }

    #[test]
    fn a_redirect_uri_matches_byte_for_byte() {
        let known = registered("https://rp.test/cb", false);
        let admits = |presented: &str| ReturnAddress::verify(&known, presented, false).is_some();
        assert!(admits("https://rp.test/cb"));
        for presented in [
            "https://rp.test.evil.test/cb",
            "https://rp.test/cb.evil",
            "https://rp.test/cb/../evil",
            "https://rp.test/cb%2f..%2fx",
            "https://rp.test/cb%252f",
            "https://rp.test/cb..;/",
            "https://rp.test@evil.test/cb",
            "https://rp.test\\@evil.test",
            "https:/\\evil.test",
            "/\t//evil.test",
            "https://rp.test/cb#x",
            "https://rp.test/cb/",
            "https://rp.test:443/cb",
            "HTTPS://rp.test/cb",
            "",
        ] {
            assert!(!admits(presented), "{presented}");
        }
    }

    #[test]
    fn only_a_native_client_on_a_literal_loopback_host_has_a_free_port() {
        let known = registered("http://127.0.0.1/cb", true);
        let admits = |presented: &str| ReturnAddress::verify(&known, presented, true).is_some();
        assert!(admits("http://127.0.0.1/cb") && admits("http://127.0.0.1:51234/cb"));
        for presented in [
            "http://127.0.0.1:51234/cb2",
            "http://localhost:51234/cb",
            "http://127.0.0.1.evil.test/cb",
            "http://127.0.0.1@evil.test/cb",
            "http://127.0.0.1:1@evil.test/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:/cb",
            "https://127.0.0.1:1/cb",
        ] {
            assert!(!admits(presented), "{presented}");
        }
        let known = registered("http://127.0.0.1/cb", false);
        assert!(ReturnAddress::verify(&known, "http://127.0.0.1:1/cb", false).is_none());
    }

    #[test]
    fn unsound_uris_are_not_registered() {
        for uri in [
            "http://rp.test/cb",
            "https://user@rp.test/cb",
            "https://@rp.test/cb",
            "https://rp.test/cb#f",
            "https://rp.test/cb?code=a&iss=b",
            "https://rp.test/cb?%63ode=a",
            "https://rp.test\\cb",
            "https://rp.test/c b",
            "https:rp.test/cb",
            "https:ada@rp.test/cb",
            "https:///ada@rp.test/cb",
            "https:/rp.test/cb",
            "https:///rp.test/cb",
            "HTTPS://rp.test/cb",
            "http:localhost/cb",
            "https://a;b.test/cb",
            "https://a,b.test/cb",
            "https://a'b.test/cb",
            "https://*/cb",
            "https://%72p.test/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "com.example.app:/cb",
            "/cb",
        ] {
            assert!(RedirectUri::register(uri, false).is_err(), "{uri}");
        }
        assert!(RedirectUri::register("com.example.app:/cb", true).is_ok());
        assert!(RedirectUri::register("com.example.app:/cb?from=https://a@rp.test", true).is_ok());
        for uri in ["com.example.app://user@host/cb", "com.example.app://@host/cb", "com.example.app://@"] {
            assert!(RedirectUri::register(uri, true).is_err(), "{uri}");
        }
        assert!(RedirectUri::register("http://localhost:8081/cb", false).is_ok());
        assert!(RedirectUri::register("https://rp.test/cb?tenant=1", false).is_ok());
        assert!(RedirectUri::register("https://xn--bcher-kva.rp.test:8443", false).is_ok());
        assert!(RedirectUri::register("http://[::1]:8081/cb", false).is_ok());
    }

    #[test]
    fn an_answer_keeps_the_registered_query_and_encodes_the_state() {
        let known = registered("https://rp.test/cb?tenant=1", false);
        let to = ReturnAddress::verify(&known, "https://rp.test/cb?tenant=1", false).unwrap();
        let to = to.with_state(Some("a&b=c\"<ü"));
        assert_eq!(
            to.location("https://op.test", &[("code", "x")]),
            "https://rp.test/cb?tenant=1&code=x&state=a%26b%3Dc%22%3C%C3%BC&iss=https%3A%2F%2Fop.test#"
        );
        assert_eq!(to.origin(), "https://rp.test");
    }
}
