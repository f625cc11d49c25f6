//! Assertions of clients: only what the client signed is one, as it stands, and only while it is about that client, for
//! this server. The first line is a header, the second the claims, both signed here; the whole is a token of a stranger too.

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jwk::alg::ed::EdCurve;
use josekit::jws::EdDSA;
use josekit::jws::JwsSigner;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::LazyLock;
use stepgate::base::id::ClientId;
use stepgate::base::secret::base64url;
use stepgate::base::secret::from_base64url;
use stepgate::base::time::Time;
use stepgate::client::Client;
use stepgate::client::Registered;
use stepgate::client::asserted;
use stepgate::config::Issuer;
use stepgate::jose::assertion::check_keys;
use stepgate::jose::assertion::claimed_client;
use stepgate::jose::assertion::verify;
use stepgate::protocol::metadata::SigningAlg;
use stepgate::store::clients::ClientRow;

const NOW: i64 = 1_800_000_000;
const KID: &str = "ed";

struct Setting {
    client: Client,
    jwks: Value,
    signer: Box<dyn JwsSigner>,
    issuer: Issuer,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let key = Jwk::generate_ed_key(EdCurve::Ed25519).unwrap();
    let others = [Jwk::generate_ec_key(EcCurve::P256).unwrap(), Jwk::generate_rsa_key(2048).unwrap()];
    let mut public = key.to_public_key().unwrap();
    public.set_key_id(KID);
    let others = others.map(|key| key.to_public_key().unwrap());
    let jwks = json!({"keys": [others[0].as_ref(), others[1].as_ref(), public.as_ref()]});
    check_keys(&jwks).unwrap();
    let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks});
    let id = ClientId::from_text("shop");
    let row =
        ClientRow { id, version: 1, metadata: metadata.to_string(), secret_hash: None, disabled: false };
    let client = Registered::default().client(row).unwrap();
    let signer = Box::new(EdDSA.signer_from_jwk(&key).unwrap());
    Setting { client, jwks, signer, issuer: Issuer::parse("https://op.test").unwrap() }
});

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    of_a_stranger(text);
    if let Some((header, claims)) = text.split_once('\n') {
        signed(header, claims);
    }
    if let Ok(jwks) = serde_json::from_str::<Value>(text) {
        registered(&jwks);
    }
}

fn of_a_stranger(token: &str) {
    assert!(verify(&SETTING.jwks, None, token).is_none(), "{token}");
    assert!(asserted(&SETTING.issuer, Time::from_unix_seconds(NOW), &SETTING.client, token).is_err());
    if let Some(client) = claimed_client(token) {
        let claims = from_base64url(token.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["sub"], client);
    }
}

fn signed(header: &str, claims: &str) {
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let mut signature = SETTING.signer.sign(signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", base64url(&signature));
    let verified = verify(&SETTING.jwks, None, &token);
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
    let expected = object(header).filter(is_ours).and_then(|_| object(claims));
    assert_eq!(verified, expected, "{header} {claims}");
    assert!(verify(&SETTING.jwks, Some(SigningAlg::RS256), &token).is_none());
    let once = asserted(&SETTING.issuer, Time::from_unix_seconds(NOW), &SETTING.client, &token);
    let until = once.ok().map(|once| once.until.unix_seconds());
    assert_eq!(until, expected.as_ref().and_then(counts_until), "{claims}");
    signature[0] ^= 1;
    assert!(verify(&SETTING.jwks, None, &format!("{signed}.{}", base64url(&signature))).is_none());
    assert!(verify(&SETTING.jwks, None, &format!("{token}.")).is_none());
}

/// RFC 7515 §4.1: our algorithm, our key or none by name, and no extension.
fn is_ours(header: &Map<String, Value>) -> bool {
    let alg = header.get("alg").and_then(Value::as_str);
    let kid = header.get("kid").and_then(Value::as_str);
    matches!(alg, Some("EdDSA" | "Ed25519"))
        && kid.is_none_or(|kid| kid == KID)
        && !header.contains_key("crit")
}

/// RFC 7523 §3.
fn counts_until(claims: &Map<String, Value>) -> Option<i64> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let seconds = |name: &str| claims.get(name).map(|at| at.as_f64().map(f64::trunc));
    let about = text("iss") == Some("shop") && text("sub") == Some("shop");
    let issuer = Value::from("https://op.test");
    let here = claims.get("aud").is_some_and(|aud| *aud == issuer || *aud == json!([issuer]));
    let exp = seconds("exp")??;
    let now = NOW as f64;
    let begun = |name| seconds(name).is_none_or(|at| at.is_some_and(|at| at <= now + 60.0));
    let timely = exp > now && exp <= now + 300.0 && begun("iat") && begun("nbf");
    let named = text("jti").is_some_and(|jti| !jti.is_empty());
    (about && here && timely && named).then(|| exp as i64 + 60)
}

/// What may be registered holds no secret, and no key of a stranger's verifies what we signed.
fn registered(jwks: &Value) {
    if check_keys(jwks).is_err() {
        return;
    }
    let keys = jwks["keys"].as_array().unwrap().iter().filter_map(Value::as_object).collect::<Vec<_>>();
    assert!((1..=20).contains(&keys.len()));
    assert!(keys.iter().all(|key| ["d", "p", "q", "k"].iter().all(|member| !key.contains_key(*member))));
    for alg in SigningAlg::ALL {
        let header = json!({ "alg": alg.as_str() }).to_string();
        let signed = format!("{}.e30", base64url(header.as_bytes()));
        let signature = SETTING.signer.sign(signed.as_bytes()).unwrap();
        assert!(verify(jwks, None, &format!("{signed}.{}", base64url(&signature))).is_none());
    }
}
