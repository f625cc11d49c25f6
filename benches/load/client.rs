//! Somebody who is signed in, and the relying party of theirs: one keep-alive connection, one flow at a time. An answer that is
//! not what it shall be ends the run: of each redirect its state and issuer, of each token its signature, of whom and for whom it is,
//! and what it states.

use super::server::CALLBACK;
use super::server::PASSWORD;
use super::server::Place;
use super::server::RESOURCE;
use super::server::SECRET;
use super::server::Server;
use futures_util::future::join_all;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::Response;
use reqwest::redirect::Policy;
use serde_json::Map;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::base::time::SystemClock;
use stepgate::credential::totp::TotpSecret;
use stepgate::jose::folder;
use stepgate::jose::keyring::Keyring;
use tokio::sync::Mutex;
use url::Url;

/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const NONCE: Option<&str> = Some("n");
/// A step-up that the session meets already.
const MET: [(&str, &str); 2] = [("acr_values", MFA), ("max_age", "86400")];
const PWD: &str = "urn:stepgate:acr:pwd";
const MFA: &str = "urn:stepgate:acr:mfa";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Silent,
    SilentEs256,
    ClientCredentials,
    Refresh,
    Introspection,
    UserInfo,
    MetStepUp,
    UnmetStepUp,
    Password,
}

impl Flow {
    pub const ALL: [Self; 9] = [
        Self::Silent,
        Self::SilentEs256,
        Self::ClientCredentials,
        Self::Refresh,
        Self::Introspection,
        Self::UserInfo,
        Self::MetStepUp,
        Self::UnmetStepUp,
        Self::Password,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent code flow, RS256 ID token",
            Self::SilentEs256 => "silent code flow, ES256 for both",
            Self::ClientCredentials => "client_credentials",
            Self::Refresh => "refresh (ES256)",
            Self::Introspection => "introspection",
            Self::UserInfo => "userinfo",
            Self::MetStepUp => "step-up that is met (/authorize)",
            Self::UnmetStepUp => "step-up that is not met (to its page)",
            Self::Password => "password sign-in (pages and tokens)",
        }
    }
}

pub struct Person {
    http: Client,
    address: String,
    issuer: Arc<str>,
    /// What an authorization response ends with: our state, and who answers (RFC 9207).
    ends: Arc<str>,
    name: String,
    cookie: String,
    keys: Arc<Keyring>,
    sub: String,
    /// Of the session, and what is stated when nothing is asked for.
    acr: &'static str,
    /// Replaced with each refresh: an hour is longer than it lives.
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    access: String,
    refresh: String,
}

/// How somebody signs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum With {
    Password,
    PasswordAndTotp,
}

/// The users `u0` and so on, each signed in.
pub async fn sign_in_all(place: &Place, server: &Server, count: usize, with: With) -> Vec<Person> {
    let keys = folder::load(&place.keys()).unwrap().signing;
    let keys = Arc::new(Keyring::new(keys, Seconds::hours(1)));
    join_all((0..count).map(|n| Person::sign_in(place, server, keys.clone(), (format!("u{n}"), with)))).await
}

/// Against the floor: how many flows there were.
pub async fn bare(address: &str, alg: &str, connections: usize, span: Duration) -> usize {
    let until = Instant::now() + span;
    let counts = (0..connections).map(|_| async {
        let (http, mut count) = (client(), 0);
        while Instant::now() < until {
            let led = http.get(format!("{address}/authorize?state=s")).send().await.unwrap();
            assert_eq!(led.status(), 303);
            let answer = http.post(format!("{address}/token")).body(alg.to_owned()).send().await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            assert!(answer["id_token"].is_string());
            count += 1;
        }
        count
    });
    join_all(counts).await.into_iter().sum()
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).pool_max_idle_per_host(1).build().unwrap()
}

impl Person {
    async fn sign_in(
        place: &Place,
        server: &Server,
        keys: Arc<Keyring>,
        (name, with): (String, With),
    ) -> Self {
        let issuer = place.issuer();
        let encoded = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect::<String>();
        let mut person = Self {
            http: client(),
            address: server.address.clone(),
            issuer: issuer.into(),
            ends: format!("&state=s&iss={encoded}").into(),
            cookie: String::new(),
            keys,
            sub: String::new(),
            acr: if with == With::Password { PWD } else { MFA },
            tokens: Mutex::default(),
            name: name.clone(),
        };
        // A step of TOTP is used once, so a second sign-in of the same moment waits.
        let uri = Url::parse(&place.otpauth_uri(&name)).unwrap();
        let secret = uri.query_pairs().find(|(name, _)| name == "secret").unwrap().1.into_owned();
        let secret = TotpSecret::from_bytes(base32(&secret));
        loop {
            let location = match with {
                With::Password => Some(person.typed("es256", &[]).await.1),
                With::PasswordAndTotp => {
                    let (page, _) = person.typed("es256", &[("acr_values", MFA)]).await;
                    let code = secret.code_at(SystemClock.now()).unwrap();
                    location(&person.filled(&page, &[("code", &code)]).await)
                }
            };
            if let Some(location) = location.filter(|location| location.starts_with(CALLBACK)) {
                let answer = person.redeemed("es256", &location).await;
                *person.tokens.lock().await = tokens(&answer);
                let id_token = person.keys.verify(&text(&answer, "id_token")).unwrap();
                person.sub = id_token.claims["sub"].as_str().unwrap().to_owned();
                person.checked(&answer, "es256", NONCE, person.acr);
                return person;
            }
            person.cookie.clear();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A flow, and what it leaves to be shown: the code of a step-up that is met states it.
    pub async fn begin(&self, flow: Flow) {
        self.go(flow).await;
        if flow == Flow::MetStepUp {
            let location = self.asked("es256", &MET).await;
            self.checked(&self.redeemed("es256", &location).await, "es256", NONCE, MFA);
        }
    }

    /// One flow, from its first request to its last answer.
    pub async fn go(&self, flow: Flow) {
        match flow {
            Flow::Silent => self.silent("rs256").await,
            Flow::SilentEs256 => self.silent("es256").await,
            Flow::ClientCredentials => {
                let form = [("grant_type", "client_credentials"), ("resource", RESOURCE), ("scope", "x")];
                let answer = json(self.as_client("es256", "/token", &form).await).await;
                let token = self.keys.verify(&text(&answer, "access_token")).unwrap().claims;
                are(&token, &[("iss", &self.issuer), ("sub", "es256"), ("aud", RESOURCE)]);
            }
            Flow::Refresh => {
                let mut own = self.tokens.lock().await;
                let form = [("grant_type", "refresh_token"), ("refresh_token", own.refresh.as_str())];
                let answer = json(self.as_client("es256", "/token", &form).await).await;
                // OIDC Core §12.2: the nonce was the code's.
                self.checked(&answer, "es256", None, self.acr);
                *own = tokens(&answer);
            }
            Flow::Introspection => {
                let token = self.tokens.lock().await.access.clone();
                let form = [("token", token.as_str())];
                let answer = json(self.as_client("es256", "/introspect", &form).await).await;
                assert_eq!(
                    (&answer["active"], answer["sub"].as_str()),
                    (&Value::Bool(true), Some(self.sub.as_str()))
                );
            }
            Flow::UserInfo => {
                let token = self.tokens.lock().await.access.clone();
                let request = self.http.get(format!("{}/userinfo", self.address)).bearer_auth(token);
                assert_eq!(
                    json(request.send().await.unwrap()).await["sub"].as_str(),
                    Some(self.sub.as_str())
                );
            }
            Flow::MetStepUp => {
                let location = self.asked("es256", &MET).await;
                assert!(self.is_answer(&location), "{location}");
            }
            Flow::UnmetStepUp => {
                let location = self.asked("es256", &[("acr_values", MFA), ("max_age", "0")]).await;
                let answer = self.get(&location).send().await.unwrap();
                let (status, page) = (answer.status(), answer.text().await.unwrap());
                assert!(status == 200 && page.contains("data-page=\"password\""), "{status}: {page}");
            }
            Flow::Password => {
                let stranger = Self {
                    http: self.http.clone(),
                    address: self.address.clone(),
                    issuer: self.issuer.clone(),
                    ends: self.ends.clone(),
                    name: self.name.clone(),
                    cookie: String::new(),
                    keys: self.keys.clone(),
                    sub: self.sub.clone(),
                    acr: PWD,
                    tokens: Mutex::default(),
                };
                stranger.with_password().await;
            }
        }
    }

    async fn silent(&self, client: &str) {
        let location = self.asked(client, &[]).await;
        self.checked(&self.redeemed(client, &location).await, client, NONCE, self.acr);
    }

    async fn with_password(mut self) {
        let (_, location) = self.typed("es256", &[]).await;
        self.checked(&self.redeemed("es256", &location).await, "es256", NONCE, self.acr);
    }

    /// Both tokens are signed by the server, of this person, and state what was done.
    fn checked(&self, tokens: &Value, client: &str, nonce: Option<&str>, acr: &str) {
        let id_token = self.keys.verify(&text(tokens, "id_token")).unwrap().claims;
        are(&id_token, &[("iss", &self.issuer), ("sub", &self.sub), ("aud", client), ("acr", acr)]);
        assert_eq!(id_token.get("nonce").and_then(Value::as_str), nonce);
        let access_token = self.keys.verify(&text(tokens, "access_token")).unwrap().claims;
        are(&access_token, &[("iss", &self.issuer), ("sub", &self.sub), ("client_id", client), ("acr", acr)]);
    }

    /// An authorization response with a code; after a page it ends with an empty fragment.
    fn is_answer(&self, location: &str) -> bool {
        let rest = location
            .trim_end_matches('#')
            .strip_prefix(CALLBACK)
            .and_then(|rest| rest.strip_prefix("?code="));
        rest.and_then(|rest| rest.strip_suffix(&*self.ends)).is_some_and(|code| code.len() > 20)
    }

    /// The page or the address after user name and password.
    async fn typed(&mut self, client: &str, more: &[(&str, &str)]) -> (String, String) {
        let opened = self.authorize(client, more).send().await.unwrap();
        self.keep(&opened);
        let page = self.get(&location(&opened).unwrap()).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("data-page=\"login\""), "{page}");
        let answer = self.filled(&page, &[("username", &self.name.clone()), ("password", PASSWORD)]).await;
        let location = location(&answer).unwrap_or_default();
        (answer.text().await.unwrap(), location)
    }

    /// What the form of a page leads to: another page, or an address elsewhere.
    async fn filled(&mut self, page: &str, fields: &[(&str, &str)]) -> Response {
        let action = between(page, "<form method=\"post\" action=\"", "\"");
        let mut form = vec![("action", "continue".to_owned())];
        form.push(("form", between(page, "name=\"form\" value=\"", "\"")));
        form.push(("step", between(page, "name=\"step\" value=\"", "\"")));
        form.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let request = self.http.post(format!("{}{action}", self.address)).form(&form);
        let taken = request.header("cookie", self.cookie.as_str()).send().await.unwrap();
        let answer = self.get(&location(&taken).unwrap()).send().await.unwrap();
        self.keep(&answer);
        answer
    }

    /// Where the browser is led.
    async fn asked(&self, client: &str, more: &[(&str, &str)]) -> String {
        let answer = self.authorize(client, more).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        location(&answer).unwrap()
    }

    fn authorize(&self, client: &str, more: &[(&str, &str)]) -> RequestBuilder {
        let own = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", "s"),
            ("nonce", NONCE.unwrap()),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(own).extend_pairs(more);
        self.get(&format!("/authorize?{}", query.finish()))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        let request = self.http.get(format!("{}{path}", self.address));
        if self.cookie.is_empty() { request } else { request.header("cookie", &self.cookie) }
    }

    fn keep(&mut self, answer: &Response) {
        if let Some(set) = answer.headers().get("set-cookie") {
            set.to_str().unwrap().split(';').next().unwrap().clone_into(&mut self.cookie);
        }
    }

    async fn redeemed(&self, client: &str, location: &str) -> Value {
        assert!(self.is_answer(location), "{location}");
        let code = between(location, "code=", "&");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        json(self.as_client(client, "/token", &form).await).await
    }

    async fn as_client(&self, client: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let request = self.http.post(format!("{}{path}", self.address)).form(form);
        request.basic_auth(client, Some(secret)).send().await.unwrap()
    }
}

fn are(claims: &Map<String, Value>, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(claims.get(*name).and_then(Value::as_str), Some(*value), "{name}");
    }
}

fn location(answer: &Response) -> Option<String> {
    answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned())
}

async fn json(answer: Response) -> Value {
    let (status, body) = (answer.status(), answer.bytes().await.unwrap());
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

fn tokens(answer: &Value) -> Tokens {
    Tokens { access: text(answer, "access_token"), refresh: text(answer, "refresh_token") }
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap().to_owned()
}

fn base32(text: &str) -> Vec<u8> {
    let value = |letter| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|b| *b == letter).unwrap();
    let bits = text.bytes().flat_map(|letter| (0..5).rev().map(move |bit| (value(letter) >> bit & 1) as u8));
    bits.collect::<Vec<_>>()
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit))
        .collect()
}
