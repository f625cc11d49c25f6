//! A relying party written by hand, for requests that no library would send. It checks every answer that it gets.

use super::app::CALLBACK;
use super::app::ISSUER;
use super::app::SECRET;
use super::app::TestApp;
use super::browser::Browser;
use super::browser::Reply;
use serde_json::Value;
use stepgate::base::secret::base64url;
use stepgate::base::secret::from_base64url;
use url::form_urlencoded::Serializer;

pub const STATE: &str = "a state/+ü";
pub const NONCE: &str = "a nonce";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An authorization request of `rp`, sound until it is changed.
#[derive(Clone)]
pub struct Request(Vec<(String, String)>);

/// A token response that was taken apart, its signatures checked.
#[derive(Debug)]
pub struct Tokens {
    pub raw: Value,
    pub id_token: Value,
    pub access_token: Value,
}

impl Request {
    pub fn new() -> Self {
        let own = [
            ("response_type", "code"),
            ("client_id", "rp"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", STATE),
            ("nonce", NONCE),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Self(own.map(|(name, value)| (name.into(), value.into())).into())
    }

    /// Sets a parameter; replaces what was there.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    /// Adds a parameter beside what is there.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub fn path(&self) -> String {
        format!("/authorize?{}", self.query())
    }

    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub fn query(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Checks what every authorization response must have, and gives the code.
pub fn code(reply: &Reply) -> String {
    let answer = reply.answer();
    assert!(reply.location().unwrap().starts_with(&format!("{CALLBACK}?")), "{reply:?}");
    assert_eq!(answer.get("state").map(String::as_str), Some(STATE));
    // RFC 9207 §2.4.
    assert_eq!(answer.get("iss").map(|iss| iss.trim_end_matches('#')), Some(ISSUER));
    answer.get("code").unwrap_or_else(|| panic!("{answer:?}")).clone()
}

/// The error of an authorization response, which carries no code.
pub fn error(reply: &Reply) -> String {
    let answer = reply.answer();
    assert!(reply.location().unwrap().starts_with(&format!("{CALLBACK}?")), "{reply:?}");
    assert_eq!(answer.get("iss").map(|iss| iss.trim_end_matches('#')), Some(ISSUER));
    assert!(!answer.contains_key("code"), "{answer:?}");
    assert!(answer["error_description"].ends_with('.'), "{answer:?}");
    answer["error"].clone()
}

/// Posts a form to the token endpoint as `client`.
pub async fn token(app: &TestApp, client: &str, form: &[(&str, &str)]) -> Reply {
    post_as(app, client, "/token", form).await
}

/// RFC 6749 §2.3.1: form-encoded before it is joined.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub async fn redeem(app: &TestApp, code: &str) -> Reply {
    redeem_as(app, "rp", code).await
}

pub async fn redeem_as(app: &TestApp, client: &str, code: &str) -> Reply {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    token(app, client, &form).await
}

pub async fn refresh_as(app: &TestApp, client: &str, refresh_token: &str) -> Reply {
    token(app, client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

/// Redeems the code of `reply` and takes the tokens apart.
pub async fn tokens(app: &TestApp, reply: &Reply) -> Tokens {
    let answer = redeem(app, &code(reply)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let raw: Value = serde_json::from_str(&answer.body).unwrap();
    let claims = |name: &str| raw[name].as_str().map(|token| verified(app, token)).unwrap_or_default();
    Tokens { id_token: claims("id_token"), access_token: claims("access_token"), raw }
}

/// The claims of a token whose signature one of our keys made; the test of signatures is the keyring's.
fn verified(app: &TestApp, token: &str) -> Value {
    Value::Object(app.app.keys.verify(token).unwrap_or_else(|| panic!("{token}")).claims)
}

pub fn header(token: &str) -> Value {
    serde_json::from_slice(&from_base64url(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// A token with another header or payload and the old signature.
pub fn forged(token: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts = token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mut json: Value = serde_json::from_slice(&from_base64url(&parts[part]).unwrap()).unwrap();
    change(&mut json);
    parts[part] = base64url(json.to_string().as_bytes());
    parts.join(".")
}

/// What the introspection endpoint tells `client` of a token.
pub async fn introspect(app: &TestApp, client: &str, token: &str) -> Value {
    let reply = post_as(app, client, "/introspect", &[("token", token)]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// Posts a form as `client`, with HTTP Basic.
pub async fn post_as(app: &TestApp, client: &str, path: &str, form: &[(&str, &str)]) -> Reply {
    let http = reqwest::Client::new().post(format!("{}{path}", app.address));
    let request = http.basic_auth(client, Some(encoded(SECRET))).form(form);
    let reply = Browser::new(app).send(request, path).await;
    assert_eq!(reply.header("cache-control"), "no-store");
    reply
}

pub async fn userinfo(app: &TestApp, access_token: &str) -> Reply {
    let mut browser = Browser::new(app);
    let request = reqwest::Client::new().get(format!("{}/userinfo", app.address)).bearer_auth(access_token);
    browser.send(request, "/userinfo").await
}
