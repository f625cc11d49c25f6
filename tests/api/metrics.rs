//! What is counted, and who may read it.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::postgresql;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem;
use crate::relying_party::token;
use crate::smtp::until;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;
use stepgate::assurance::factors::SecondFactor;
use stepgate::assurance::ledger::Method;
use stepgate::metrics::Metrics;

/// The value of a line of `/metrics`.
pub async fn value(app: &TestApp, line: &str) -> Option<u64> {
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

#[tokio::test]
async fn what_a_brake_refuses_is_counted_as_braked_and_not_as_failed() {
    let app = TestApp::spawn().await;
    app.user("ada").await;
    for _ in 0..8 {
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        browser.submit(&page, &[("username", "ada"), ("password", "a wrong one")]).await;
    }
    for (outcome, expected) in [("failed", Some(6)), ("braked", Some(2)), ("given", None)] {
        let line = format!("stepgate_proofs_total{{method=\"pwd\",outcome=\"{outcome}\"}}");
        assert_eq!(value(&app, &line).await, expected, "{outcome}");
    }
}

#[tokio::test]
async fn a_server_takes_away_what_has_expired_and_counts_it_and_its_failures() {
    const SWEPT: &str = "stepgate_swept_rows_total";
    const FAILED: &str = "stepgate_sweep_failures_total";
    let app = TestApp::on(postgresql(), "").await;
    for _ in 0..3 {
        Browser::new(&app).open(&Request::new().path()).await;
    }
    let (of_browsers, of_interactions) =
        ("SELECT count(*) FROM browsers", "SELECT count(*) FROM interactions");
    assert_eq!((app.sql(of_browsers), app.sql(of_interactions)), ("3".into(), "3".into()));
    app.clock.advance(200 * 86_400);
    let next = app.beside();
    until("the rows are gone", async || app.sql(of_browsers) == "0").await;
    until("they are counted", async || value(&next, SWEPT).await == Some(6)).await;
    assert_eq!((app.sql(of_interactions).as_str(), value(&next, FAILED).await), ("0", Some(0)));
    app.sql("ALTER TABLE throttles RENAME TO elsewhere");
    let next = app.beside();
    until("the failure is counted", async || value(&next, FAILED).await == Some(1)).await;
    assert_eq!(value(&next, SWEPT).await, Some(0));
}

/// Everything that is counted, moved once: what never moved is not shown.
fn moved() -> Metrics {
    let metrics = Metrics::default();
    metrics.proof(Method::Pwd, "given");
    metrics.sign_in("pwd", "done");
    metrics.step_up("class", "met");
    metrics.authorization("code");
    metrics.token("refresh_token", "issued");
    metrics.mail("sent");
    metrics.swept(1);
    metrics.sweep_failed();
    metrics.request("/token".into(), 200, Duration::ZERO);
    metrics
}

#[test]
fn the_table_of_metrics_lists_exactly_those_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = moved().text().unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let exposed = types.map(|(name, kind)| match kind {
        "counter" => format!("{name}_total"),
        _ => name.to_owned(),
    });
    let exposed = exposed.collect::<BTreeSet<_>>();
    let operations = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let cells = operations.lines().filter_map(|row| row.strip_prefix("| `stepgate_")?.split_once(" |"));
    let listed = cells.flat_map(|(cell, _)| {
        let names = format!("`stepgate_{cell}");
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), exposed);
    let source = fs::read_to_string(root.join("src/metrics.rs")).unwrap();
    let source = source.split_whitespace().collect::<String>();
    let registered =
        ["registry.register(\"", "family(&mutregistry,\""].map(|call| source.matches(call).count());
    assert_eq!(registered.iter().sum::<usize>(), exposed.len(), "`moved` leaves one out");
}
