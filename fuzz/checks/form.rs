//! Forms and queries: what is accepted is what another reader reads, once, and prints to the same.

use super::refused;
use actix_web::http::header;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use std::collections::BTreeSet;
use std::str::from_utf8;
use stepgate::protocol::parameters::Parameters;
use stepgate::protocol::pkce::Verifier;
use stepgate::web::edge;
use url::form_urlencoded;
use url::form_urlencoded::Serializer;

pub fn check(input: &[u8]) {
    let form = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = TestRequest::default().insert_header(form).to_http_request();
    let body = Bytes::copy_from_slice(input);
    match edge::form(&request, &body) {
        Err(fault) => {
            refused(&fault);
            assert!(from_utf8(input).is_err());
        }
        Ok(text) => {
            assert_eq!(text.as_bytes(), input);
            parameters(text);
        }
    }
}

/// Every value of a name, as another reader has it; without the empty ones.
pub fn given(raw: &str, name: &str) -> Vec<String> {
    let pairs =
        form_urlencoded::parse(raw.as_bytes()).filter(|(own, value)| own == name && !value.is_empty());
    pairs.map(|(_, value)| value.into_owned()).collect()
}

/// The parameters of `raw`, after they were compared with what another reader makes of it.
pub fn parameters(raw: &str) -> Option<Parameters> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty()).count();
    let parameters = match Parameters::parse(raw) {
        Ok(parameters) => parameters,
        Err(fault) => {
            refused(&fault);
            assert!(pairs > 100);
            return None;
        }
    };
    assert!(pairs <= 100);
    let names = form_urlencoded::parse(raw.as_bytes()).map(|(name, _)| name.into_owned());
    // A name that can't be decoded is nobody's.
    let names = names.filter(|name| !name.contains(['%', '\u{fffd}'])).collect::<BTreeSet<_>>();
    for name in &names {
        let given = given(raw, name);
        match parameters.one(name) {
            Ok(None) => assert!(given.is_empty(), "{name}: {given:?}"),
            Ok(Some(value)) => {
                assert_eq!(given, [value], "{name}");
                assert!(value.len() <= 8192 && !value.chars().any(char::is_control), "{name}");
                verifier(value);
            }
            Err(fault) => refused(&fault),
        }
        if let Ok(values) = parameters.many(name) {
            assert_eq!(values, given, "{name}");
        }
    }
    match parameters.all_sound() {
        Err(fault) => refused(&fault),
        Ok(()) => survives(&parameters, raw, &names),
    }
    Some(parameters)
}

fn survives(parameters: &Parameters, raw: &str, names: &BTreeSet<String>) {
    let mut printed = Serializer::new(String::new());
    for name in names {
        let given = given(raw, name);
        assert!(given.len() <= 1 || name == "resource", "{name}");
        printed.extend_pairs(given.iter().map(|value| (name, value)));
    }
    let again = Parameters::parse(&printed.finish()).unwrap();
    again.all_sound().unwrap();
    for name in names {
        assert_eq!(again.many(name), parameters.many(name), "{name}");
    }
}

/// RFC 7636 §4.1.
fn verifier(text: &str) {
    let unreserved = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    assert_eq!(Verifier::parse(text).is_some(), unreserved && (43..=128).contains(&text.len()), "{text}");
}
