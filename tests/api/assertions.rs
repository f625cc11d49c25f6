//! `private_key_jwt` (RFC 7523, OIDC Core §9): one key, one server, one use, for minutes.

use crate::app::ISSUER;
use crate::app::SECRET;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::logs;
use futures_util::future::join_all;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jwk::alg::ed::EdCurve;
use josekit::jws;
use josekit::jws::HS256;
use josekit::jws::JwsHeader;
use josekit::jws::JwsSigner;
use serde_json::Value;
use serde_json::json;
use stepgate::base::secret::base64url;
use stepgate::base::time::Clock;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with a key of its own.
pub struct Client {
    key: Jwk,
    alg: &'static str,
}

impl Client {
    pub fn new(alg: &'static str) -> Self {
        let key = match alg {
            "ES256" => Jwk::generate_ec_key(EcCurve::P256),
            "EdDSA" => Jwk::generate_ed_key(EdCurve::Ed25519),
            _ => Jwk::generate_rsa_key(2048),
        };
        Self { key: key.unwrap(), alg }
    }

    fn public(&self) -> Value {
        json!({"keys": [self.key.to_public_key().unwrap().as_ref()]})
    }

    pub async fn register(&self, app: &TestApp, id: &str) {
        app.client(id, self.metadata()).await;
    }

    fn metadata(&self) -> Value {
        let grants = ["authorization_code", "client_credentials"];
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": self.public(), "grant_types": grants})
    }

    fn signer(&self) -> Box<dyn JwsSigner> {
        match self.alg {
            "ES256" => Box::new(jws::ES256.signer_from_jwk(&self.key).unwrap()),
            "EdDSA" => Box::new(jws::EdDSA.signer_from_jwk(&self.key).unwrap()),
            "PS256" => Box::new(jws::PS256.signer_from_jwk(&self.key).unwrap()),
            _ => Box::new(jws::RS256.signer_from_jwk(&self.key).unwrap()),
        }
    }

    pub fn sign(&self, claims: &Value) -> String {
        jws::serialize_compact(claims.to_string().as_bytes(), &JwsHeader::new(), self.signer().as_ref())
            .unwrap()
    }
}

pub fn claims(app: &TestApp, id: &str, jti: &str) -> Value {
    let now = app.clock.now().unix_seconds();
    json!({"iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti})
}

pub async fn present(app: &TestApp, assertion: &str, more: &[(&str, &str)]) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    Browser::new(app).post("/token", &[form.as_slice(), more].concat()).await
}

fn outcome(reply: &Reply) -> (u16, String) {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    (reply.status.as_u16(), body["error"].as_str().unwrap_or("issued").to_owned())
}

#[tokio::test]
async fn a_client_proves_itself_with_a_key_of_any_supported_kind() {
    let app = TestApp::spawn().await;
    for alg in ["RS256", "PS256", "ES256", "EdDSA"] {
        let client = Client::new(alg);
        client.register(&app, alg).await;
        for (aud, jti) in [(json!(ISSUER), "a"), (json!([ISSUER]), "b")] {
            let mut claims = claims(&app, alg, jti);
            claims["aud"] = aud;
            let reply = present(&app, &client.sign(&claims), &[]).await;
            assert_eq!(outcome(&reply), (200, "issued".into()), "{alg}");
        }
        let named = present(&app, &client.sign(&claims(&app, alg, "c")), &[("client_id", alg)]).await;
        assert_eq!(named.status, 200);
        let other = present(&app, &client.sign(&claims(&app, alg, "d")), &[("client_id", "rp")]).await;
        assert_eq!(outcome(&other), (400, "invalid_request".into()));
    }
}

#[tokio::test]
async fn an_assertion_counts_once_in_any_process_and_after_a_restart() {
    for database in databases() {
        let several = database.name == "PostgreSQL";
        let app = TestApp::on(database, "").await;
        let client = Client::new("ES256");
        client.register(&app, "c").await;
        let other = several.then(|| app.beside());
        let assertion = client.sign(&claims(&app, "c", "once"));
        let tries =
            (0..20).map(|n| present(other.as_ref().filter(|_| n % 2 == 1).unwrap_or(&app), &assertion, &[]));
        let outcomes = join_all(tries).await.iter().map(outcome).collect::<Vec<_>>();
        assert_eq!(outcomes.iter().filter(|o| o.0 == 200).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|o| o.0 == 200 || *o == (401, "invalid_client".into())), "{outcomes:?}");
        // Another one of the same second has another name.
        assert_eq!(present(&app, &client.sign(&claims(&app, "c", "twice")), &[]).await.status, 200);
    }
}

#[tokio::test]
async fn an_assertion_is_for_this_server_of_this_client_and_for_minutes() {
    logs::record();
    let app = TestApp::spawn().await;
    let client = Client::new("ES256");
    client.register(&app, "c").await;
    let now = app.clock.now().unix_seconds();
    for (name, value) in [
        ("iss", json!("rp")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("aud", json!("https://other.test")),
        ("aud", json!([])),
        ("aud", json!([[ISSUER]])),
        ("aud", json!([ISSUER, ISSUER])),
        ("aud", json!([ISSUER, "https://other.test"])),
        ("aud", json!({"0": ISSUER})),
        ("aud", json!(format!("{ISSUER}/token"))),
        ("aud", json!([format!("{ISSUER}/token")])),
        ("aud", json!([ISSUER, format!("{ISSUER}/token")])),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", Value::Null),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(now + 301)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("nbf", json!(now + 120)),
        ("iat", json!(now + 120)),
        ("iat", json!("now")),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!(1)),
    ] {
        let mut claims = claims(&app, "c", "bad");
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            ref value => claims.as_object_mut().unwrap().insert(name.into(), value.clone()),
        };
        let reply = present(&app, &client.sign(&claims), &[]).await;
        assert_eq!(outcome(&reply), (401, "invalid_client".into()), "{name}: {value}");
        // Which member it was is for the administrator alone.
        let said = logs::of_request(reply.header("x-request-id")).join("\n");
        let named = if name == "sub" { "client authentication" } else { name };
        assert!(said.contains("reason=\"client a") && said.contains(named), "{said}");
    }
    let mut ahead = claims(&app, "c", "ahead");
    ahead["iat"] = json!(now + 5);
    assert_eq!(present(&app, &client.sign(&ahead), &[]).await.status, 200, "a clock may be a little ahead");
}

#[tokio::test]
async fn the_token_endpoint_is_an_audience_for_a_client_that_is_registered_for_it_alone() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let client = Client::new("ES256");
        client.register(&app, "plain").await;
        let mut metadata = client.metadata();
        metadata["assertion_audience"] = json!("token_endpoint");
        app.client("older", metadata).await;
        let endpoint = format!("{ISSUER}/token");
        for (id, aud, status) in [
            ("plain", json!(endpoint), 401),
            ("plain", json!([endpoint]), 401),
            ("older", json!(endpoint), 200),
            ("older", json!([endpoint]), 200),
            ("older", json!(ISSUER), 200),
            ("older", json!([ISSUER]), 200),
            ("older", json!([ISSUER, endpoint]), 401),
            ("older", json!(format!("{ISSUER}/introspect")), 401),
        ] {
            let mut claims = claims(&app, id, &aud.to_string());
            claims["aud"] = aud.clone();
            let reply = present(&app, &client.sign(&claims), &[]).await;
            assert_eq!(reply.status, status, "{id} {aud}");
        }
    }
}

#[tokio::test]
async fn the_registered_key_decides_and_the_header_does_not() {
    let app = TestApp::spawn().await;
    let (client, stranger) = (Client::new("RS256"), Client::new("RS256"));
    client.register(&app, "c").await;
    let payload = claims(&app, "c", "forged").to_string();
    let forged = |header: Value, signature: &str| {
        let part = |text: &str| base64url(text.as_bytes());
        format!("{}.{}.{signature}", part(&header.to_string()), part(&payload))
    };
    let own = client.sign(&claims(&app, "c", "x"));
    let signature = own.rsplit('.').next().unwrap();
    let public = serde_json::to_string(client.key.to_public_key().unwrap().as_ref()).unwrap();
    let pem = String::from_utf8(client.key.to_public_key().unwrap().to_string().into_bytes()).unwrap();
    let mut tries = vec![
        stranger.sign(&claims(&app, "c", "forged")),
        forged(json!({"alg": "none"}), ""),
        forged(json!({"alg": "none"}), signature),
        forged(json!({"alg": "RS256", "kid": "../../dev/null"}), signature),
        forged(json!({"alg": "RS256", "crit": ["b64"], "b64": true}), signature),
        forged(json!({"alg": "ES256"}), signature),
        "e30.e30.e30".into(),
        "x".into(),
        "..".into(),
        format!("{own}.{own}"),
    ];
    // The public key as a shared secret; a key that the token brings along.
    for secret in [public.as_bytes(), pem.as_bytes(), SECRET.as_bytes()] {
        let signer = HS256.signer_from_bytes(secret).unwrap();
        tries.push(jws::serialize_compact(payload.as_bytes(), &JwsHeader::new(), &signer).unwrap());
    }
    let mut header = JwsHeader::new();
    header.set_jwk(stranger.key.to_public_key().unwrap());
    tries.push(jws::serialize_compact(payload.as_bytes(), &header, stranger.signer().as_ref()).unwrap());
    for assertion in tries {
        let reply = present(&app, &assertion, &[]).await;
        assert_eq!(outcome(&reply), (401, "invalid_client".into()), "{assertion}");
    }
    assert_eq!(present(&app, &own, &[]).await.status, 200);
}

#[tokio::test]
async fn one_method_in_a_request_and_no_other_than_the_registered_one() {
    let app = TestApp::spawn().await;
    let client = Client::new("ES256");
    client.register(&app, "c").await;
    let good = client.sign(&claims(&app, "c", "good"));
    for (more, expected) in [
        (vec![("client_secret", SECRET)], (400, "invalid_request")),
        (vec![("client_secret", SECRET), ("client_id", "c")], (400, "invalid_request")),
    ] {
        assert_eq!(outcome(&present(&app, &good, &more).await), (expected.0, expected.1.to_owned()));
    }
    let mut browser = Browser::new(&app);
    for form in [
        vec![("client_id", "c")],
        vec![("client_id", "c"), ("client_secret", SECRET)],
        // Its own method is a secret.
        vec![("client_id", "rp"), ("client_assertion_type", TYPE), ("client_assertion", good.as_str())],
    ] {
        let reply = browser
            .post("/token", &[form.as_slice(), &[("grant_type", "client_credentials")]].concat())
            .await;
        assert!([400, 401].contains(&reply.status.as_u16()), "{form:?}");
    }
    let rp = client.sign(&claims(&app, "rp", "rp"));
    assert_eq!(outcome(&present(&app, &rp, &[]).await), (401, "invalid_client".into()));
    // Nothing of this has used the good one up.
    assert_eq!(present(&app, &good, &[]).await.status, 200);
}
