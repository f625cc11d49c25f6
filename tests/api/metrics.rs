//! What is counted, and who may read it.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem;
use crate::relying_party::token;
use stepgate::assurance::factors::SecondFactor;

/// The value of a line of `/metrics`.
async fn value(app: &TestApp, line: &str) -> Option<u64> {
    let text = Browser::new(app).get("/metrics").await.body;
    text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn sign_ins_step_ups_and_tokens_are_counted_with_bounded_labels() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", "a wrong one")]).await;
    let code = code(&browser.sign_in(&page, &ada).await);
    redeem(&app, &code).await;
    redeem(&app, &code).await;
    token(&app, "rp", &[("grant_type", "a stranger's word")]).await;
    let mfa = Request::new().with("acr_values", "urn:stepgate:acr:mfa");
    let page = browser.open(&mfa.path()).await;
    browser.submit(&page, &[("code", &ada.code(&app))]).await;
    browser.open(&mfa.path()).await;
    browser.open(&Request::new().with("acr_values", "phr").with("prompt", "none").path()).await;
    browser.open(&Request::new().with("acr_values", "made-up").path()).await;
    for (line, expected) in [
        ("stepgate_proofs_total{method=\"pwd\",outcome=\"failed\"}", 1),
        ("stepgate_proofs_total{method=\"pwd\",outcome=\"given\"}", 1),
        ("stepgate_proofs_total{method=\"otp\",outcome=\"given\"}", 1),
        ("stepgate_sign_ins_total{methods=\"pwd\",outcome=\"done\"}", 1),
        ("stepgate_authorizations_total{outcome=\"code\"}", 3),
        ("stepgate_authorizations_total{outcome=\"unmet_authentication_requirements\"}", 1),
        ("stepgate_authorizations_total{outcome=\"interaction_required\"}", 1),
        ("stepgate_step_ups_total{class=\"urn:stepgate:acr:mfa\",outcome=\"asked\"}", 1),
        ("stepgate_step_ups_total{class=\"urn:stepgate:acr:mfa\",outcome=\"done\"}", 1),
        ("stepgate_step_ups_total{class=\"urn:stepgate:acr:mfa\",outcome=\"met\"}", 1),
        ("stepgate_step_ups_total{class=\"unknown\",outcome=\"unmet_authentication_requirements\"}", 1),
        ("stepgate_tokens_total{grant=\"authorization_code\",outcome=\"issued\"}", 1),
        ("stepgate_tokens_total{grant=\"authorization_code\",outcome=\"invalid_grant\"}", 1),
        ("stepgate_tokens_total{grant=\"other\",outcome=\"unsupported_grant_type\"}", 1),
        ("stepgate_request_seconds_count{route=\"/token\",status=\"2xx\"}", 1),
        ("stepgate_request_seconds_count{route=\"/interaction/{id}/{page}\",status=\"3xx\"}", 3),
    ] {
        assert_eq!(value(&app, line).await, Some(expected), "{line}");
    }
    let text = Browser::new(&app).get("/metrics").await.body;
    assert!(!text.contains("stranger") && !text.contains("made-up") && !text.contains("ada"), "{text}");
    assert!(text.ends_with("# EOF\n"), "OpenMetrics");
}

#[tokio::test]
async fn only_those_who_are_allowed_read_them_and_no_proxy_opens_them_to_the_world() {
    let status = async |app: &TestApp, source: Option<&str>| {
        let mut browser = Browser::new(app);
        browser.source = source.map(str::to_owned);
        browser.get("/metrics").await.status.as_u16()
    };
    // A proxy on this machine that nobody has told us of passes strangers on.
    let app = TestApp::spawn().await;
    assert_eq!((status(&app, None).await, status(&app, Some("203.0.113.1")).await), (200, 404));
    assert_eq!(status(&app, Some("127.0.0.1")).await, 404);
    let app = TestApp::on(sqlite(), "trusted_proxies = [\"127.0.0.1\"]").await;
    assert_eq!((status(&app, None).await, status(&app, Some("203.0.113.1")).await), (200, 404));
    // What can't be read names nobody, and least of all this machine.
    let garbled = reqwest::header::HeaderValue::from_bytes(b"203.0.113.1\xff").unwrap();
    let request = reqwest::Client::new().get(format!("{}/metrics", app.address));
    assert_eq!(request.header("x-forwarded-for", garbled).send().await.unwrap().status(), 404);
    let settings = "trusted_proxies = [\"127.0.0.1\"]\nmetrics_allow = [\"203.0.113.0/24\"]";
    let app = TestApp::on(sqlite(), settings).await;
    assert_eq!((status(&app, None).await, status(&app, Some("203.0.113.1")).await), (404, 200));
}
