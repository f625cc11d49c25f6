//! The `claims` parameter (OIDC Core §5.5), as far as authentication is concerned: `acr`, `auth_time`, `sub`; of the
//! other members only the names are kept.

use super::error::Fault;
use super::json;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

/// What `claims` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    pub acr: Option<AcrRequest>,
    /// `auth_time` is wanted in the ID token.
    pub auth_time: bool,
    /// The answer must be about this subject (§5.5.1).
    pub sub: Option<String>,
    /// Other claims wanted in the ID token.
    pub id_token: Vec<String>,
    /// Other claims wanted at the UserInfo endpoint.
    pub userinfo: Vec<String>,
}

/// The `acr` member (§5.5.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcrRequest {
    pub essential: bool,
    /// In order of preference; empty: any class will do.
    pub values: Vec<String>,
}

const MOST_VALUES: usize = 50;

impl ClaimsRequest {
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        let Ok(Value::Object(request)) = json::parse(raw) else {
            return Err(bad("is not a JSON object that names each member once"));
        };
        let id_token = section(&request, "id_token")?;
        let userinfo = section(&request, "userinfo")?;
        let sub = match (wanted_sub(id_token)?, wanted_sub(userinfo)?) {
            (Some(a), Some(b)) if a != b => return Err(bad("names two different values of sub")),
            (a, b) => a.or(b),
        };
        let acr = id_token.and_then(|s| s.get("acr")).map(acr_request).transpose()?;
        let auth_time = id_token.is_some_and(|s| s.contains_key("auth_time"));
        Ok(Self { acr, auth_time, sub, id_token: names(id_token), userinfo: names(userinfo) })
    }
}

fn section<'a>(request: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, Fault> {
    match request.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(section)) => Ok(Some(section)),
        Some(_) => Err(bad(&format!("has a member {name} that is not an object"))),
    }
}

fn acr_request(member: &Value) -> Result<AcrRequest, Fault> {
    let Value::Object(member) = member else {
        return match member {
            Value::Null => Ok(AcrRequest { essential: false, values: Vec::new() }),
            _ => Err(bad("asks for acr with something that is neither null nor an object")),
        };
    };
    let essential = essential(member)?;
    let values = match (member.get("value"), member.get("values")) {
        (None, None) => Vec::new(),
        (Some(Value::String(value)), None) => vec![value.clone()],
        (None, Some(Value::Array(values))) if !values.is_empty() && values.len() <= MOST_VALUES => values
            .iter()
            .map(|v| v.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(wrong_acr)?,
        _ => return Err(wrong_acr()),
    };
    Ok(AcrRequest { essential, values })
}

fn essential(member: &Map<String, Value>) -> Result<bool, Fault> {
    match member.get("essential") {
        None => Ok(false),
        Some(Value::Bool(essential)) => Ok(*essential),
        Some(_) => Err(bad("has an essential that is neither true nor false")),
    }
}

fn wanted_sub(section: Option<&Map<String, Value>>) -> Result<Option<String>, Fault> {
    let Some(Value::Object(member)) = section.and_then(|s| s.get("sub")) else { return Ok(None) };
    match member.get("value") {
        None => Ok(None),
        Some(Value::String(sub)) => Ok(Some(sub.clone())),
        Some(_) => Err(bad("asks for a sub that is not a string")),
    }
}

fn names(section: Option<&Map<String, Value>>) -> Vec<String> {
    let own = ["acr", "auth_time", "sub", "amr"];
    let all = section.into_iter().flat_map(|s| s.keys());
    all.filter(|name| !own.contains(&name.as_str())).take(MOST_VALUES).cloned().collect()
}

fn wrong_acr() -> Fault {
    bad("asks for acr with neither one string as value nor 1 to 50 strings as values")
}

fn bad(why: &str) -> Fault {
    Fault::invalid_request(format!("claims {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn value_and_values_are_the_same_wish() {
        let acr = |raw: &str| ClaimsRequest::parse(raw).unwrap().acr.unwrap();
        let wish = AcrRequest { essential: true, values: vec!["phr".into()] };
        assert_eq!(acr(r#"{"id_token":{"acr":{"essential":true,"value":"phr"}}}"#), wish);
        assert_eq!(acr(r#"{"id_token":{"acr":{"essential":true,"values":["phr"]}}}"#), wish);
        assert_eq!(acr(r#"{"id_token":{"acr":null}}"#), AcrRequest { essential: false, values: vec![] });
    }

    #[test]
    fn auth_time_and_sub_are_heard() {
        let raw =
            r#"{"id_token":{"auth_time":{"essential":true},"sub":{"value":"u1"}},"userinfo":{"email":null}}"#;
        let request = ClaimsRequest::parse(raw).unwrap();
        assert!(request.auth_time);
        assert_eq!(request.sub.as_deref(), Some("u1"));
        assert_eq!(request.userinfo, ["email"]);
    }

    #[test]
    fn malformed_claims_are_refused() {
        for raw in [
            "",
            "[]",
            "x",
            "null",
            r#"{"id_token":[]}"#,
            r#"{"id_token":{"acr":"phr"}}"#,
            r#"{"id_token":{"acr":{"value":1}}}"#,
            r#"{"id_token":{"acr":{"values":"phr"}}}"#,
            r#"{"id_token":{"acr":{"values":[]}}}"#,
            r#"{"id_token":{"acr":{"values":[1]}}}"#,
            r#"{"id_token":{"acr":{"value":"a","values":["a"]}}}"#,
            r#"{"id_token":{"acr":{"essential":"true"}}}"#,
            r#"{"id_token":{"sub":{"value":1}}}"#,
            r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#,
        ] {
            assert!(ClaimsRequest::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_member_that_is_given_twice_is_refused_however_it_is_written() {
        let strong = r#""acr":{"essential":true,"value":"phr"}"#;
        let twice = "invalid_request: claims is not a JSON object that names each member once.";
        for raw in [
            format!(r#"{{"id_token":{{{strong},"acr":null}}}}"#),
            format!(r#"{{"id_token":{{{strong},"\u0061cr":null}}}}"#),
            format!(r#"{{"id_token":{{{strong}}},"id_token":{{}}}}"#),
            r#"{"id_token":{"acr":{"value":"phr","value":"pwd"}}}"#.to_owned(),
            r#"{"userinfo":{"sub":{"value":"a","value":"a"}}}"#.to_owned(),
        ] {
            assert_eq!(ClaimsRequest::parse(&raw).unwrap_err().to_string(), twice, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(raw in ".{0,200}") {
            let _ = ClaimsRequest::parse(&raw);
        }
    }
}
