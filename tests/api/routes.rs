//! Every path: its headers, its methods, and what discovery says of it.

use crate::app::ISSUER;
use crate::app::TestApp;
use crate::browser::Browser;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;

const PATHS: [(&str, &[Method]); 15] = [
    ("/", &[Method::GET]),
    ("/authorize", &[Method::GET, Method::POST]),
    ("/interaction/x", &[Method::GET]),
    ("/interaction/x/login", &[Method::POST]),
    ("/token", &[Method::POST]),
    ("/introspect", &[Method::POST]),
    ("/revoke", &[Method::POST]),
    ("/userinfo", &[Method::GET, Method::POST]),
    ("/logout", &[Method::GET, Method::POST]),
    ("/jwks", &[Method::GET]),
    ("/.well-known/openid-configuration", &[Method::GET]),
    ("/.well-known/oauth-authorization-server", &[Method::GET]),
    ("/healthz", &[Method::GET]),
    ("/readyz", &[Method::GET]),
    ("/nothing/here", &[]),
];

#[tokio::test]
async fn every_answer_carries_the_headers_and_every_other_method_is_405() {
    let app = TestApp::spawn().await;
    let http = reqwest::Client::new();
    let mut browser = Browser::new(&app);
    for (path, methods) in PATHS {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let request = http
                .request(method.clone(), format!("{}{path}", app.address))
                .header("origin", "https://evil.test");
            let reply = browser.send(request, path).await;
            let public = path.starts_with("/.well-known") || path == "/jwks";
            let expected = match methods {
                [] => 404,
                _ if !methods.contains(&method) => 405,
                _ => reply.status.as_u16(),
            };
            assert_eq!(reply.status.as_u16(), expected, "{method} {path}");
            assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
            assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
            assert!(reply.header("content-security-policy").contains("base-uri 'none'"), "{path}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
            assert_eq!(reply.header("referrer-policy"), "same-origin");
            assert_eq!(reply.header("strict-transport-security"), "max-age=31536000");
            assert_eq!(reply.header("x-request-id").len(), 12);
            let read = public && method == Method::GET;
            assert_eq!(
                reply.header("cache-control"),
                if read { "public, max-age=300" } else { "no-store" },
                "{method} {path}"
            );
            assert_eq!(reply.header("access-control-allow-origin"), if read { "*" } else { "" }, "{path}");
        }
    }
}

#[tokio::test]
async fn discovery_is_the_same_on_both_paths_and_every_endpoint_of_it_exists() {
    let app = TestApp::spawn().await;
    let mut browser = Browser::new(&app);
    let [oidc, oauth] =
        ["openid-configuration", "oauth-authorization-server"].map(|name| format!("/.well-known/{name}"));
    let metadata: Value = serde_json::from_str(&browser.get(&oidc).await.body).unwrap();
    assert_eq!(metadata, serde_json::from_str::<Value>(&browser.get(&oauth).await.body).unwrap());
    for (name, value) in metadata.as_object().unwrap() {
        if let Some(path) = value.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri") {
            let path = path.strip_prefix(ISSUER).unwrap();
            assert_ne!(browser.get(path).await.status, 404, "{name}");
        }
    }
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], json!(true));
    let acr = ["urn:stepgate:acr:1fa", "urn:stepgate:acr:pwd", "urn:stepgate:acr:mfa", "phr"];
    assert_eq!(metadata["acr_values_supported"], json!(acr));
}

#[tokio::test]
async fn the_configured_issuer_rules_whatever_the_headers_say() {
    let app = TestApp::spawn().await;
    let mut browser = Browser::new(&app);
    let request = reqwest::Client::new()
        .get(format!("{}/.well-known/openid-configuration", app.address))
        .header("host", "evil.test")
        .header("x-forwarded-host", "evil.test")
        .header("x-forwarded-proto", "http");
    assert!(!browser.send(request, "").await.body.contains("evil"));
}

#[tokio::test]
async fn health_and_readiness_answer() {
    let app = TestApp::spawn().await;
    let mut browser = Browser::new(&app);
    assert_eq!(browser.get("/healthz").await.body, "ok\n");
    assert_eq!(browser.get("/readyz").await.body, "ready\n");
    assert_eq!(browser.get("/").await.page(), "home");
}
