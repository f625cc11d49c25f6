//! Answers of authenticators: of an assertion nothing may be changed, of a registration not what the server asked for. The
//! first byte says what is changed, the rest how: a place of two bytes and what stands there from now on. What begins with
//! `{` is an answer of its own.

use super::authenticator::Authenticator;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;
use std::sync::LazyLock;
use stepgate::base::id::UserId;
use stepgate::base::secret::base64url;
use stepgate::base::secret::from_base64url;
use stepgate::credential::passkey::Ceremony;
use stepgate::credential::passkey::Kind;
use stepgate::credential::passkey::Passkeys;
use stepgate::credential::passkey::Presented;
use url::Url;

const ORIGIN: &str = "https://op.test";
const USER: &str = "0190b3c4-0000-7000-8000-000000000001";

struct Setting {
    passkeys: Passkeys,
    user: UserId,
    stored: String,
    sign_in: Ceremony,
    assertion: String,
    registration: Ceremony,
    made: String,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let passkeys = Passkeys::of(&Url::parse(ORIGIN).unwrap(), "Stepgate").unwrap();
    let (user, mut phone) = (UserId::from_text(USER), Authenticator::new(ORIGIN));
    let mut register = || {
        let begun = passkeys.begin_registration(Kind::Passkey, &user, "ada", &[]).unwrap();
        let made = phone.create(&begun.options);
        (begun, made)
    };
    let (registration, made) = register();
    let stored = passkeys.finish_registration(&registration.state, &made).unwrap().stored;
    let sign_in = passkeys.begin_sign_in().unwrap();
    let assertion = phone.get(&sign_in.options);
    let presented = Presented::parse(&assertion).unwrap();
    assert!(passkeys.finish_proof(&sign_in.state, &presented, &stored).unwrap().user_verified);
    Setting { passkeys, user, stored, sign_in, assertion, registration, made }
});

pub fn check(input: &[u8]) {
    let setting = &*SETTING;
    match input.split_first() {
        Some((b'{', _)) => {
            let Ok(answer) = std::str::from_utf8(input) else { return };
            assertion(setting, answer);
            registration(setting, answer);
        }
        Some((what, edits)) => match what % 7 {
            0 => assertion(setting, &edited(&setting.assertion, edits)),
            1 => assertion(setting, &with_edited(&setting.assertion, "authenticatorData", edits)),
            2 => assertion(setting, &with_edited(&setting.assertion, "clientDataJSON", edits)),
            3 => assertion(setting, &with_edited(&setting.assertion, "signature", edits)),
            4 => registration(setting, &with_edited(&setting.made, "attestationObject", edits)),
            5 => registration(setting, &with_edited(&setting.made, "clientDataJSON", edits)),
            _ => registration(setting, &edited(&setting.made, edits)),
        },
        None => {}
    }
}

fn edited(text: &str, edits: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    edit(&mut bytes, edits);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn with_edited(answer: &str, member: &str, edits: &[u8]) -> String {
    let mut answer = serde_json::from_str::<Value>(answer).unwrap();
    let mut bytes = part(&answer, member).unwrap();
    edit(&mut bytes, edits);
    answer["response"][member] = base64url(&bytes).into();
    answer.to_string()
}

/// A place past the end shortens.
fn edit(bytes: &mut Vec<u8>, edits: &[u8]) {
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        match bytes.get_mut(at) {
            Some(byte) => *byte = edit[2],
            None => bytes.truncate(bytes.len().saturating_sub(usize::from(edit[2]))),
        }
    }
}

fn part(answer: &Value, member: &str) -> Option<Vec<u8>> {
    from_base64url(answer["response"][member].as_str()?)
}

/// WebAuthn Level 3 §7.2.
fn assertion(setting: &Setting, answer: &str) {
    let Ok(presented) = Presented::parse(answer) else { return };
    let _ = (presented.lookup(), presented.is_of(&setting.user));
    let Ok(asserted) = setting.passkeys.finish_proof(&setting.sign_in.state, &presented, &setting.stored)
    else {
        return;
    };
    assert!(asserted.user_verified);
    not_framed(answer);
    let [sent, own] = [answer, &setting.assertion].map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert!(sent["response"]["userHandle"].is_string(), "it says whose it is");
    for member in ["authenticatorData", "clientDataJSON"] {
        let decoded = |answer: &Value| lenient(answer["response"][member].as_str().unwrap());
        assert_eq!(decoded(&sent), decoded(&own), "{member}");
    }
    assert!(setting.passkeys.finish_registration(&setting.registration.state, answer).is_err());
}

/// WebAuthn Level 3 §7.1.
fn registration(setting: &Setting, answer: &str) {
    let Ok(made) = setting.passkeys.finish_registration(&setting.registration.state, answer) else { return };
    let sent = serde_json::from_str::<Value>(answer).unwrap();
    let client = lenient(sent["response"]["clientDataJSON"].as_str().unwrap());
    let client = serde_json::from_slice::<Value>(&client).unwrap();
    not_framed(answer);
    assert_eq!(client["type"], "webauthn.create");
    assert_eq!(client["challenge"], setting.registration.options["challenge"]);
    let origin = Url::parse(client["origin"].as_str().unwrap()).unwrap();
    assert_eq!(origin.origin(), Url::parse(ORIGIN).unwrap().origin());
    let attestation = lenient(sent["response"]["attestationObject"].as_str().unwrap());
    let attestation = ciborium::from_reader::<ciborium::Value, _>(attestation.as_slice()).unwrap();
    let members = attestation.as_map().unwrap();
    let data = members.iter().find(|(name, _)| name.as_text() == Some("authData")).unwrap();
    let data = data.1.as_bytes().unwrap();
    assert_eq!(data[..32], Sha256::digest("op.test")[..]);
    // §6.1: UP and UV.
    assert_eq!(data[32] & 0x05, 0x05);
    assert!(made.kind == Kind::Passkey && !from_base64url(&made.lookup).unwrap().is_empty());
    assert!(setting.passkeys.begin_proof(Kind::Passkey, &[&made.stored]).is_ok());
}

/// WebAuthn Level 3 §5.8.1.
fn not_framed(answer: &str) {
    let answer = serde_json::from_str::<Value>(answer).unwrap();
    let client = lenient(answer["response"]["clientDataJSON"].as_str().unwrap());
    let client = serde_json::from_slice::<Value>(&client).unwrap();
    assert_ne!(client.get("crossOrigin"), Some(&Value::Bool(true)));
    if let Some(top) = client.get("topOrigin").and_then(Value::as_str) {
        assert_eq!(Url::parse(top).unwrap().origin(), Url::parse(ORIGIN).unwrap().origin());
    }
}

/// As the library reads base64: with or without padding, in either alphabet.
fn lenient(text: &str) -> Vec<u8> {
    let plain = text.replace('+', "-").replace('/', "_");
    from_base64url(plain.trim_end_matches('=')).unwrap_or_else(|| panic!("{text}"))
}
