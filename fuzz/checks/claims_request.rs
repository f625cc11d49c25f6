//! The `claims` parameter: what is accepted is what another reader of JSON finds there, once, and prints to the same.

use super::refused;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use stepgate::protocol::claims_request::AcrRequest;
use stepgate::protocol::claims_request::ClaimsRequest;

pub fn check(input: &[u8]) {
    let Ok(raw) = std::str::from_utf8(input) else { return };
    match ClaimsRequest::parse(raw) {
        Err(fault) => refused(&fault),
        Ok(asked) => {
            agrees(raw, &asked);
            assert_eq!(ClaimsRequest::parse(&printed(&asked)), Ok(asked));
        }
    }
}

pub fn agrees(raw: &str, asked: &ClaimsRequest) {
    let request = serde_json::from_str::<Map<String, Value>>(raw).unwrap();
    assert_eq!(colons(raw), request.values().map(members).sum::<usize>() + request.len(), "{raw}");
    let member = |section: &str, name: &str| request.get(section).and_then(|section| section.get(name));
    let acr = member("id_token", "acr");
    assert_eq!(asked.acr.is_some(), acr.is_some());
    if let (Some(asked), Some(acr)) = (&asked.acr, acr) {
        assert!(acr.is_null() || acr.is_object());
        assert_eq!(asked.essential, acr.get("essential") == Some(&Value::Bool(true)));
        let values = match acr.get("value") {
            Some(one) => json!([one]),
            None => acr.get("values").cloned().unwrap_or(json!([])),
        };
        assert_eq!(json!(asked.values), values);
        assert!(asked.values.len() <= 50);
    }
    assert_eq!(asked.auth_time, member("id_token", "auth_time").is_some());
    let subs = ["id_token", "userinfo"].map(|s| member(s, "sub").and_then(|sub| sub.get("value")));
    for sub in subs.into_iter().flatten() {
        assert_eq!(sub.as_str(), asked.sub.as_deref());
    }
    assert_eq!(asked.sub.is_some(), subs.iter().any(Option::is_some));
    for (section, names) in [("id_token", &asked.id_token), ("userinfo", &asked.userinfo)] {
        assert!(names.len() <= 50 && names.iter().all(|name| member(section, name).is_some()));
    }
}

/// As many as there are members, if none is given twice.
fn colons(raw: &str) -> usize {
    let (mut colons, mut quoted, mut escaped) = (0, false, false);
    for c in raw.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ':' if !quoted => colons += 1,
            _ => {}
        }
    }
    colons
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
        Value::Array(elements) => elements.iter().map(members).sum(),
        _ => 0,
    }
}

fn printed(asked: &ClaimsRequest) -> String {
    let null = |names: &[String]| names.iter().map(|name| (name.clone(), Value::Null)).collect::<Map<_, _>>();
    let (mut id_token, userinfo) = (null(&asked.id_token), null(&asked.userinfo));
    if let Some(AcrRequest { essential, values }) = &asked.acr {
        let acr = if values.is_empty() {
            json!({ "essential": essential })
        } else {
            json!({"essential": essential, "values": values})
        };
        id_token.insert("acr".into(), acr);
    }
    if asked.auth_time {
        id_token.insert("auth_time".into(), Value::Null);
    }
    if let Some(sub) = &asked.sub {
        id_token.insert("sub".into(), json!({ "value": sub }));
    }
    json!({"id_token": id_token, "userinfo": userinfo}).to_string()
}
