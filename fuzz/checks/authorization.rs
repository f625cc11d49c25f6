//! Authorization requests, as far as they are judged without a database: what is accepted is what another reader finds in
//! the query, and an answer goes to a registered URI.

use super::claims_request;
use super::form;
use super::redirect_uri;
use super::refused;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use stepgate::assurance::need::Requested;
use stepgate::authorize::AuthorizeError;
use stepgate::authorize::request::AuthorizationRequest;
use stepgate::authorize::request::read;
use stepgate::authorize::request::return_address;
use stepgate::authorize::request::shape;
use stepgate::base::id::ClientId;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::client::Client;
use stepgate::client::Registered;
use stepgate::config::Config;
use stepgate::jose::key::SigningKey;
use stepgate::jose::keyring::Keyring;
use stepgate::mint::granted::GrantedRequest;
use stepgate::protocol::claims_request::ClaimsRequest;
use stepgate::protocol::metadata::SigningAlg;
use stepgate::protocol::redirect_uri::ReturnAddress;
use stepgate::store::clients::ClientRow;

const WEB: &str = "https://rp.test/cb?tenant=1";
const NATIVE: &str = "http://127.0.0.1/cb";
const RESOURCE: &str = "https://api.test";

struct Setting {
    config: Config,
    keys: Keyring,
    web: Client,
    native: Client,
    server: Client,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let now = Time::from_unix_seconds(1_800_000_000);
    let key = SigningKey::generate(SigningAlg::ES256, now, now).unwrap();
    let client = |id: &str, metadata: serde_json::Value| {
        let (id, metadata) = (ClientId::from_text(id), metadata.to_string());
        Registered::default()
            .client(ClientRow { id, version: 1, metadata, secret_hash: None, disabled: false })
            .unwrap()
    };
    Setting {
        config: Config::parse("issuer = \"https://op.test\"\naccounts.create = true").unwrap(),
        keys: Keyring::new(vec![key], Seconds::hours(1)),
        web: client(
            "web",
            json!({"redirect_uris": [WEB], "grant_types": ["authorization_code", "refresh_token"]}),
        ),
        native: client("native", json!({"redirect_uris": [NATIVE], "application_type": "native"})),
        server: client("api", json!({"resource": RESOURCE, "scopes_supported": ["payments"]})),
    }
});

pub fn check(input: &[u8]) {
    let Ok(raw) = std::str::from_utf8(input) else { return };
    let Some(parameters) = form::parameters(raw) else { return };
    let client = match parameters.one("client_id") {
        Ok(Some("web")) => &SETTING.web,
        Ok(Some("native")) => &SETTING.native,
        _ => return,
    };
    let address = match return_address(client, &parameters) {
        Ok(address) => address,
        Err(AuthorizeError::Client(address, fault)) => {
            refused(&fault);
            return home(client, raw, &address);
        }
        Err(AuthorizeError::Page(fault)) => return refused(&fault),
        Err(error) => panic!("{error}"),
    };
    home(client, raw, &address);
    if let Err(fault) = shape(client, &parameters) {
        return refused(&fault);
    }
    let servers = match parameters.many("resource").as_deref() {
        Ok([]) => Vec::new(),
        Ok(named) if named.iter().all(|one| *one == RESOURCE) => vec![SETTING.server.clone()],
        _ => return,
    };
    match read(&SETTING.config, &SETTING.keys, client.clone(), &address, &servers, &parameters) {
        Err(fault) => refused(&fault),
        Ok(request) => holds(raw, &request),
    }
}

/// An error is told at a registered URI too, and nowhere else.
fn home(client: &Client, raw: &str, address: &ReturnAddress) {
    let registered = if client.metadata.is_native() { NATIVE } else { WEB };
    assert_eq!(form::given(raw, "redirect_uri"), [address.uri()]);
    redirect_uri::admitted(registered, address.uri(), client.metadata.is_native());
    redirect_uri::leads_home(address, address.uri());
}

fn holds(raw: &str, request: &AuthorizationRequest) {
    let given = |name: &str| {
        let mut values = form::given(raw, name);
        assert!(values.len() <= 1, "{name}");
        values.pop()
    };
    let tokens = |name: &str| {
        let given = given(name).unwrap_or_default();
        given.split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!((given("request"), given("request_uri"), given("id_token_hint")), (None, None, None));
    assert_eq!(given("response_type").as_deref(), Some("code"));
    prompt(&tokens("prompt"), request);
    let max_age = given("max_age").map(|text| {
        assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
        text.parse::<u32>().unwrap()
    });
    assert_eq!(request.need.max_age.map(|seconds| seconds.0), max_age);
    assert_eq!(request.need.anew, tokens("prompt").contains("login") || max_age == Some(0));
    classes(&tokens("acr_values"), given("claims").as_deref(), request);
    granted(&tokens("scope"), request);
    let kept = &request.granted;
    assert_eq!((&kept.nonce, &request.login_hint), (&given("nonce"), &given("login_hint")));
    assert_eq!(given("code_challenge_method").as_deref(), Some("S256"));
    let challenge = given("code_challenge").unwrap();
    assert!(
        challenge.len() == 43 && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    );
    assert_eq!(json!(kept.challenge), json!(challenge));
    if let Some(language) = request.language {
        assert!(given("ui_locales").unwrap().to_ascii_lowercase().contains(language.tag()));
    }
    let stored = serde_json::to_string(kept).unwrap();
    let again = serde_json::from_str::<GrantedRequest>(&stored).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), stored);
}

fn prompt(asked: &BTreeSet<String>, request: &AuthorizationRequest) {
    let asks = |value: &str| asked.contains(value);
    let known = ["none", "login", "consent", "select_account", "create"];
    assert!(asked.iter().all(|value| known.contains(&value.as_str())), "{asked:?}");
    assert!(!asks("none") || asked.len() == 1, "{asked:?}");
    assert_eq!(request.need.silent, asks("none"));
    assert_eq!((request.select_account, request.approval.anew), (asks("select_account"), asks("consent")));
    assert_eq!(request.create, asks("create") && request.need.subject.is_none());
}

/// RFC 9470 §5, OIDC Core §5.5.1.1: nothing is required or preferred that was not asked for.
fn classes(acr_values: &BTreeSet<String>, claims: Option<&str>, request: &AuthorizationRequest) {
    let claims = claims.map(|claims| {
        let asked = ClaimsRequest::parse(claims).unwrap();
        claims_request::agrees(claims, &asked);
        asked
    });
    let claims = claims.unwrap_or_default();
    assert_eq!(request.need.subject.as_ref().map(|user| user.as_str()), claims.sub.as_deref());
    assert_eq!(request.granted.id_token_claims, claims.id_token);
    let claim = claims.acr.filter(|acr| !acr.values.is_empty());
    match (&request.need.requested, &claim) {
        (Requested::Any, None) => assert!(acr_values.is_empty()),
        (Requested::Required(names), None) => {
            assert_eq!(&names.iter().cloned().collect::<BTreeSet<_>>(), acr_values)
        }
        (Requested::Required(names), Some(claim)) => {
            assert!(claim.essential || !acr_values.is_empty());
            assert!(!names.is_empty() && names.iter().all(|name| claim.values.contains(name)));
        }
        (Requested::Preferred(names), Some(claim)) => {
            assert!(!claim.essential && acr_values.is_empty());
            assert_eq!(names, &claim.values);
        }
        (requested, claim) => panic!("{requested:?} of {claim:?} and {acr_values:?}"),
    }
}

fn granted(asked: &BTreeSet<String>, request: &AuthorizationRequest) {
    for scope in request.granted.scope.iter() {
        assert!(asked.contains(scope) && scope != "payments", "{scope}");
    }
    for resource in &request.granted.resources {
        assert_eq!(resource.identifier, RESOURCE);
        assert!(resource.scope.iter().all(|scope| scope == "payments" && asked.contains(scope)));
    }
}
