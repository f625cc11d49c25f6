//! Client metadata (RFC 7591 §2, OIDC Registration §2) and our own members: parsed once, sound ever after.

use super::list::TokenList;
use super::list::is_token;
use super::redirect_uri::RedirectUri;
use super::redirect_uri::is_on_the_web;
use super::redirect_uri::is_web_address;
use crate::base::time::Seconds;
use serde::Deserialize;
use serde::Serialize;
use url::Url;

/// What a client was registered with. It holds no secret; its serialized form is what the database keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
    #[serde(default)]
    pub token_endpoint_auth_method: AuthMethod,
    #[serde(default)]
    pub application_type: ApplicationType,
    #[serde(default = "code_grant")]
    pub grant_types: Vec<String>,
    #[serde(default = "code_response")]
    pub response_types: Vec<String>,
    /// The scopes that the client may ask for; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<TokenList>,
    #[serde(default)]
    pub id_token_signed_response_alg: SigningAlg,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Seconds>,
    #[serde(default)]
    pub require_auth_time: bool,
    #[serde(default)]
    pub default_acr_values: Vec<String>,
    /// A class that every answer to this client must reach, whatever its requests say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_acr: Option<String>,
    /// The oldest proof, in seconds, that an answer to this client may rest on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_age: Option<Seconds>,
    /// `acr_values` is the voluntary claim of OIDC Core §5.5.1.1, not the requirement of RFC 9470 §5.
    #[serde(default)]
    pub acr_values_voluntary: bool,
    #[serde(default = "yes")]
    pub require_pkce: bool,
    #[serde(default)]
    pub first_party: bool,
    #[serde(default)]
    pub skip_consent: bool,
    #[serde(default)]
    pub gateway: bool,
    /// The RFC 8707 identifier of the resource server that this client is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// What access tokens for this resource server are signed with.
    #[serde(default = "SigningAlg::of_access_tokens")]
    pub access_token_signed_response_alg: SigningAlg,
    /// The client's public keys, by value (RFC 7517 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// The one algorithm that its assertions are signed with; absent: any that suits the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<SigningAlg>,
    /// What its assertions may be for.
    #[serde(default, skip_serializing_if = "AssertionAudience::is_issuer")]
    pub assertion_audience: AssertionAudience,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    #[serde(default)]
    pub contacts: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
}

/// How a client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    /// RFC 7523 §2.2, OIDC Core §9.
    PrivateKeyJwt,
    None,
}

/// The audience of a client's assertions (RFC 7523 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer alone (attack: a client that signs for several servers signs the token endpoint that one of them names, which is
    /// another's).
    #[default]
    Issuer,
    /// The URL of the token endpoint as well, for a client whose library knows no other.
    TokenEndpoint,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    #[default]
    Web,
    Native,
}

/// A signature algorithm (RFC 7518 §3.1); RS256 is the one that every client knows (OIDC Core §15.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlg {
    #[default]
    RS256,
    ES256,
    /// RFC 8037 §3.1, with Ed25519.
    EdDSA,
    PS256,
}

impl AssertionAudience {
    fn is_issuer(&self) -> bool {
        *self == Self::Issuer
    }
}

impl SigningAlg {
    pub const ALL: [Self; 4] = [Self::RS256, Self::ES256, Self::EdDSA, Self::PS256];

    /// Unless a resource server is registered with another one.
    pub const fn of_access_tokens() -> Self {
        Self::ES256
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::PS256 => "PS256",
        }
    }
}

impl ClientMetadata {
    /// Parses registration metadata; an error names the member and says what to do.
    pub fn parse(value: serde_json::Value, knows_class: impl Fn(&str) -> bool) -> Result<Self, String> {
        let raw_uris = value.get("redirect_uris").cloned();
        let metadata: Self = serde_json::from_value(value).map_err(|e| e.to_string())?;
        let native = metadata.application_type == ApplicationType::Native;
        for uri in raw_uris.iter().flat_map(|v| v.as_array()).flatten() {
            RedirectUri::register(uri.as_str().unwrap_or_default(), native)
                .map_err(|why| format!("redirect_uris: {why}"))?;
        }
        for uri in &metadata.post_logout_redirect_uris {
            RedirectUri::register(uri.as_str(), native)
                .map_err(|why| format!("post_logout_redirect_uris: {why}"))?;
        }
        metadata.addresses()?;
        metadata.grants()?;
        metadata.classes(knows_class)?;
        metadata.resource_server()?;
        match (metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt, &metadata.jwks) {
            (true, None) => Err("jwks: private_key_jwt needs the client's public keys, by value".into()),
            (false, Some(_)) => Err("jwks: only private_key_jwt needs keys; leave it out".into()),
            (false, None) if !metadata.assertion_audience.is_issuer() => {
                Err("assertion_audience: only private_key_jwt has assertions; leave it out".into())
            }
            _ => Ok(metadata),
        }
    }

    /// The origins of its redirect URIs: of the web pages that may read what programs are answered (Fetch §3.2).
    pub fn origins(&self) -> Vec<String> {
        let mut origins = self.redirect_uris.iter().filter_map(RedirectUri::origin).collect::<Vec<_>>();
        origins.sort();
        origins.dedup();
        origins
    }

    /// Whether the client proves itself with a secret that is kept here.
    pub fn has_secret(&self) -> bool {
        matches!(
            self.token_endpoint_auth_method,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        )
    }

    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == AuthMethod::None
    }

    /// RFC 9700 §2.1.1: always for public clients; a confidential one may promise to check `nonce` instead.
    pub fn needs_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    pub fn is_native(&self) -> bool {
        self.application_type == ApplicationType::Native
    }

    /// Those that nobody is redirected to: one day somebody follows them.
    fn addresses(&self) -> Result<(), String> {
        for (member, address) in [
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
        ] {
            if let Some(address) = address.as_ref().filter(|address| !is_web_address(address)) {
                return Err(format!(
                    "{member}: {address:?} is no address of a web page; write https://host/path"
                ));
            }
        }
        match self.contacts.iter().find(|contact| !is_mail_address(contact)) {
            Some(contact) => {
                Err(format!("contacts: {contact:?} is no mail address; write name@host, each by itself"))
            }
            None => Ok(()),
        }
    }

    fn grants(&self) -> Result<(), String> {
        let known = ["authorization_code", "refresh_token", "client_credentials"];
        if let Some(unknown) = self.grant_types.iter().find(|g| !known.contains(&g.as_str())) {
            return Err(format!("grant_types: {unknown:?} does not exist here; use {}", known.join(", ")));
        }
        if let Some(unknown) = self.response_types.iter().find(|r| r.as_str() != "code") {
            return Err(format!("response_types: {unknown:?} does not exist here; use \"code\""));
        }
        if self.redirect_uris.is_empty() && self.resource.is_none() && self.grant_types == code_grant() {
            return Err("redirect_uris: a client that signs users in needs at least one".into());
        }
        if self.is_public() && !self.require_pkce {
            return Err(
                "require_pkce: false is for confidential clients; a public one can't do without".into()
            );
        }
        Ok(())
    }

    fn classes(&self, knows_class: impl Fn(&str) -> bool) -> Result<(), String> {
        if let Some(name) = self.minimum_acr.iter().find(|name| !knows_class(name)) {
            return Err(format!("minimum_acr: no acr class is named {name:?}; see acr_values_supported"));
        }
        if let Some(name) = self.default_acr_values.iter().find(|name| !knows_class(name)) {
            return Err(format!(
                "default_acr_values: no acr class is named {name:?}; see acr_values_supported"
            ));
        }
        Ok(())
    }

    fn resource_server(&self) -> Result<(), String> {
        if let Some(scope) = self.scopes_supported.iter().find(|s| !is_token(s)) {
            return Err(format!("scopes_supported: {scope:?} is not a scope (RFC 6749 §3.3)"));
        }
        let Some(resource) = &self.resource else {
            return if self.scopes_supported.is_empty() {
                Ok(())
            } else {
                Err("scopes_supported: only a client with a resource defines scopes; give both".into())
            };
        };
        // RFC 8707 §2: an absolute URI without a fragment.
        match Url::parse(resource) {
            Ok(url) if !is_on_the_web(url.scheme()) && !is_name(url.scheme()) => Err(format!(
                "resource: {resource:?} may be something that a browser runs or opens; write https://host, a urn, or api://name"
            )),
            Ok(url) if is_on_the_web(url.scheme()) && !is_web_address(resource) => {
                Err(format!("resource: {resource:?} is not written out; write https://host/path"))
            }
            Ok(_) if !resource.contains('#') && resource.bytes().all(|b| b.is_ascii_graphic()) => Ok(()),
            _ => Err(format!("resource: {resource:?} is not an absolute URI without fragment (RFC 8707 §2)")),
        }
    }
}

/// Of what is only a name. Any other may be the one of a program that is installed somewhere.
fn is_name(scheme: &str) -> bool {
    ["urn", "api", "tag", "did", "spiffe"].contains(&scheme)
}

/// One, as it is written in an envelope (RFC 5321 §4.1.2), without quotes.
fn is_mail_address(text: &str) -> bool {
    let local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let host = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    text.split_once('@').is_some_and(|(name, at)| {
        !name.is_empty() && name.bytes().all(local) && !at.is_empty() && at.bytes().all(host)
    })
}

fn code_grant() -> Vec<String> {
    vec!["authorization_code".into()]
}

fn code_response() -> Vec<String> {
    vec!["code".into()]
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use serde_json::json;

    fn parse(value: Value) -> Result<ClientMetadata, String> {
        ClientMetadata::parse(value, |name| name == "phr")
    }

    #[test]
    fn the_defaults_are_the_safe_ones() {
        let client = parse(json!({"redirect_uris": ["https://rp.test/cb"]})).unwrap();
        assert!(client.needs_pkce() && !client.is_public() && !client.first_party && !client.gateway);
        assert_eq!(client.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
    }

    #[test]
    fn a_wrong_member_is_named() {
        let uris = json!(["https://rp.test/cb"]);
        for (metadata, member) in [
            (json!({}), "redirect_uris"),
            (json!({"redirect_uris": ["http://rp.test/cb"]}), "redirect_uris"),
            (json!({"redirect_uris": uris, "minimum_acr": "gold"}), "minimum_acr"),
            (json!({"redirect_uris": uris, "default_acr_values": ["gold"]}), "default_acr_values"),
            (json!({"redirect_uris": uris, "grant_types": ["implicit"]}), "grant_types"),
            (json!({"redirect_uris": uris, "response_types": ["token"]}), "response_types"),
            (json!({"redirect_uris": uris, "scopes_supported": ["a"]}), "scopes_supported"),
            (json!({"resource": "api"}), "resource"),
            (json!({"redirect_uris": uris, "minimum_arc": "phr"}), "minimum_arc"),
            (
                json!({"redirect_uris": uris, "token_endpoint_auth_method": "none", "require_pkce": false}),
                "require_pkce",
            ),
        ] {
            let error = parse(metadata.clone()).unwrap_err();
            assert!(error.contains(member), "{metadata}: {error}");
        }
        assert!(
            parse(json!({"resource": "http://localhost:8082", "scopes_supported": ["payments"]})).is_ok()
        );
    }

    #[test]
    fn no_member_of_a_registration_is_an_address_that_runs_or_opens_something() {
        let with = |member: &str, value: Value| {
            let mut metadata = json!({"redirect_uris": ["https://rp.test/cb"]});
            metadata[member] = value;
            metadata
        };
        let bad = [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "javascript://rp.test/%0aalert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://rp.test/x",
            "about:blank",
            "filesystem:https://rp.test/x",
            "view-source:https://rp.test/",
        ];
        let pages = ["/logo.png", "rp.test", "https:rp.test", "https://", "https:///x", "ftp://rp.test/", ""];
        for member in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
            for value in bad.iter().chain(&pages).chain(&["https://ada@rp.test/", "https://rp.test/a b"]) {
                let error = parse(with(member, json!(value))).unwrap_err();
                assert!(error.starts_with(&format!("{member}: ")), "{value}: {error}");
            }
            for value in ["https://rp.test", "http://rp.test/logo.png?v=1#top", "https://rp.test#top"] {
                assert!(parse(with(member, json!(value))).is_ok(), "{value}");
            }
        }
        let opened = ["chrome://settings", "ms-msdt:/id", "search-ms:q", "app://x"];
        for value in bad.iter().chain(&opened).chain(&["https:rp.test", "https:///x", "https://rp.test/a b"])
        {
            let error = parse(with("resource", json!(value))).unwrap_err();
            assert!(error.starts_with("resource: "), "{value}: {error}");
        }
        for value in ["https://api.test", "urn:example:api", "api://example"] {
            assert!(parse(with("resource", json!(value))).is_ok(), "{value}");
        }
        for member in ["redirect_uris", "post_logout_redirect_uris"] {
            for kind in ["web", "native"] {
                for value in bad {
                    let mut metadata = with(member, json!([value]));
                    metadata["application_type"] = json!(kind);
                    let error = parse(metadata).unwrap_err();
                    assert!(error.starts_with(&format!("{member}: ")), "{value}: {error}");
                }
            }
        }
        let contacts =
            ["ada", "@rp.test", "ada@", "mailto:ada@rp.test", "a@rp.test, b@rp.test", "<a@rp.test>"];
        for value in bad.iter().chain(&contacts) {
            let error = parse(with("contacts", json!([value]))).unwrap_err();
            assert!(error.starts_with("contacts: "), "{value}: {error}");
        }
        assert!(parse(with("contacts", json!(["ada+rp@rp.test", "o'neil@rp.test"]))).is_ok());
    }
}
