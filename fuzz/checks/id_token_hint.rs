//! ID tokens that come back as hints: only what our keys signed, as an ID token, of this issuer. The first line is the type
//! of a token, the second its claims, both signed here; the whole is a token of a stranger too.

use serde_json::Map;
use serde_json::Value;
use std::sync::LazyLock;
use stepgate::base::secret::base64url;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::config::Issuer;
use stepgate::jose::key::SigningKey;
use stepgate::jose::keyring::Keyring;
use stepgate::mint::id_token::Hint;
use stepgate::mint::id_token::read;
use stepgate::protocol::metadata::SigningAlg;

const NOW: Time = Time::from_unix_seconds(1_800_000_000);
const ISSUER: &str = "https://op.test";

static RINGS: LazyLock<[Keyring; 2]> = LazyLock::new(|| {
    [(), ()].map(|()| {
        let key = SigningKey::generate(SigningAlg::EdDSA, NOW, NOW).unwrap();
        Keyring::new(vec![key], Seconds::hours(1))
    })
});

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert!(hint(&RINGS[0], text).is_none(), "{text}");
    let Some((typ, claims)) = text.split_once('\n') else { return };
    // Of a stranger, under the name of our key.
    let header = format!("{{\"alg\":\"none\",\"kid\":\"{}\"}}", RINGS[0].keys(NOW)[0].0.kid);
    for signature in ["", "e30"] {
        let token = format!("{}.{}.{signature}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        assert!(hint(&RINGS[0], &token).is_none(), "{claims}");
    }
    let Ok(claims) = serde_json::from_str::<Map<String, Value>>(claims) else { return };
    let token = RINGS[0].sign(SigningAlg::EdDSA, typ, &Value::Object(claims.clone()), NOW).unwrap();
    let told = hint(&RINGS[0], &token).map(|hint| [hint.subject.to_string(), hint.client.to_string()]);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_ours = typ == "JWT" && text("iss") == Some(ISSUER) && text("sid").is_some();
    let expected = text("sub").zip(text("aud")).filter(|_| is_ours && token.len() <= 16 * 1024);
    assert_eq!(told, expected.map(|(sub, aud)| [sub.to_owned(), aud.to_owned()]), "{typ} {claims:?}");
    assert!(hint(&RINGS[1], &token).is_none(), "a stranger's key");
}

fn hint(keys: &Keyring, token: &str) -> Option<Hint> {
    read(keys, &Issuer::parse(ISSUER).unwrap(), token)
}
