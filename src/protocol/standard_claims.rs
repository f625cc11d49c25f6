//! The standard claims of a user (OIDC Core §5.1) and the scopes that open them (§5.4).

use super::list::TokenList;
use serde_json::Map;
use serde_json::Value;

/// Scopes of OpenID Connect that this server serves.
pub const SCOPES: [&str; 6] = ["openid", "profile", "email", "address", "phone", GROUPS];

/// A scope and a claim of our own: names of groups, which an administrator gives.
pub const GROUPS: &str = "groups";

/// The scope that lets a grant survive its session (OIDC Core §11).
pub const OFFLINE: &str = "offline_access";

const PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];
const EMAIL: [&str; 2] = ["email", "email_verified"];
const ADDRESS: [&str; 1] = ["address"];
const PHONE: [&str; 2] = ["phone_number", "phone_number_verified"];
const ADDRESS_MEMBERS: [&str; 6] =
    ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// The claims that a scope opens.
pub fn of_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "profile" => &PROFILE,
        "email" => &EMAIL,
        "address" => &ADDRESS,
        "phone" => &PHONE,
        GROUPS => &[GROUPS],
        _ => &[],
    }
}

/// Every standard claim, for discovery's `claims_supported`.
pub fn all() -> impl Iterator<Item = &'static str> {
    SCOPES.into_iter().flat_map(of_scope).copied()
}

/// Of a user's claims those that `scope` opens.
pub fn released(claims: &Map<String, Value>, scope: &TokenList) -> Map<String, Value> {
    let names = scope.iter().flat_map(of_scope);
    names.filter_map(|name| claims.get(*name).map(|v| ((*name).to_owned(), v.clone()))).collect()
}

/// Reads a user's claims, each of the type that §5.1 gives it; names the one that isn't.
pub fn parse(value: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(claims) = value else { return Err("claims must be a JSON object".into()) };
    for (name, value) in &claims {
        if !all().any(|known| known == name) || name == GROUPS {
            return Err(format!("{name} is not a standard claim (OpenID Connect Core §5.1); remove it"));
        }
        let sound = match name.as_str() {
            "email_verified" | "phone_number_verified" => value.is_boolean(),
            "updated_at" => value.is_u64(),
            "address" => value.as_object().is_some_and(|address| {
                address.iter().all(|(k, v)| ADDRESS_MEMBERS.contains(&k.as_str()) && v.is_string())
            }),
            _ => value.is_string(),
        };
        if !sound {
            return Err(format!("{name} has the wrong type (OpenID Connect Core §5.1)"));
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_scope_opens_its_own_claims_only() {
        let claims =
            parse(json!({"name": "Ada", "email": "ada@example.com", "email_verified": true})).unwrap();
        let scope = TokenList::parse("scope", "openid email").unwrap();
        let released = Value::Object(released(&claims, &scope));
        assert_eq!(released, json!({"email": "ada@example.com", "email_verified": true}));
    }

    #[test]
    fn a_claim_of_the_wrong_type_is_named() {
        assert_eq!(
            parse(json!({"name": 1})),
            Err("name has the wrong type (OpenID Connect Core §5.1)".into())
        );
        assert!(parse(json!({"acr": "x"})).is_err());
        assert!(parse(json!([])).is_err());
        assert!(parse(json!({"address": {"country": "AT"}})).is_ok());
    }
}
