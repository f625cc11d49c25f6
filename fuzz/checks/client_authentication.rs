//! Authentication of clients: one method, of one client, read as it was written. The first line is the `Authorization`
//! header, the rest the form.

use super::form;
use super::refused;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepgate::client::Presented;
use stepgate::client::Proof;
use stepgate::client::presented;
use stepgate::jose::assertion::claimed_client;
use stepgate::protocol::error::ErrorCode;
use stepgate::protocol::metadata::AuthMethod;
use url::form_urlencoded;

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (header, body) = text.split_once('\n').unwrap_or((text, ""));
    let authorization = (!header.is_empty()).then_some(header);
    let Some(parameters) = form::parameters(body) else { return };
    match presented(authorization, &parameters) {
        Err(fault) => {
            refused(&fault);
            assert!([ErrorCode::InvalidClient, ErrorCode::InvalidRequest].contains(&fault.code));
        }
        Ok(presented) => holds(header, body, &presented),
    }
}

fn holds(header: &str, body: &str, presented: &Presented) {
    let id = presented.id.as_str();
    assert!(!id.is_empty() && !id.chars().any(char::is_control), "{id:?}");
    let given = |name: &str| form::given(body, name);
    assert!(given("client_id").iter().all(|given| given == id), "{id}");
    let (secrets, assertions) = (given("client_secret"), given("client_assertion"));
    let ways = [!header.is_empty(), !secrets.is_empty(), !assertions.is_empty()];
    assert!(ways.iter().filter(|given| **given).count() <= 1);
    match &presented.proof {
        Proof::None => assert_eq!(ways, [false; 3]),
        Proof::Secret(AuthMethod::ClientSecretPost, secret) => assert_eq!(secrets, [secret.reveal()]),
        Proof::Secret(AuthMethod::ClientSecretBasic, secret) => basic(header, id, secret.reveal()),
        Proof::Secret(method, _) => panic!("no secret goes with {method:?}"),
        Proof::Assertion(assertion) => {
            assert_eq!(assertions, [assertion.as_str()]);
            assert_eq!(claimed_client(assertion).as_deref(), Some(id));
        }
    }
}

/// RFC 6749 §2.3.1, by another reader; and printed to a header that is read as the same.
fn basic(header: &str, id: &str, secret: &str) {
    let (scheme, encoded) = header.split_once(' ').unwrap();
    assert!(scheme.eq_ignore_ascii_case("basic"));
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).unwrap()).unwrap();
    // RFC 6749 appendix B: what is form-encoded has none.
    assert!(!decoded.contains('&'), "{decoded}");
    let (first, second) = decoded.split_once(':').unwrap();
    let half = |text: &str| form::given(&format!("v={text}"), "v");
    assert_eq!((half(first), half(second)), (vec![id.to_owned()], vec![secret.to_owned()]));
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let printed = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))));
    let again = presented(Some(&printed), &form::parameters("").unwrap()).unwrap();
    assert_eq!(again.id.as_str(), id);
    assert!(
        matches!(again.proof, Proof::Secret(AuthMethod::ClientSecretBasic, again) if again.reveal() == secret)
    );
}
