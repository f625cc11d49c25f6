//! Every parameter missing, repeated, malformed, oversized, in the wrong encoding: the exact error at the exact place,
//! a sentence that says what to do, one line in the log, and nothing issued.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::assertions;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::postgresql;
use crate::logs;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::error;
use crate::relying_party::post_as;
use crate::relying_party::redeem;
use crate::relying_party::token;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;
use std::process::Command;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::secret::base64url;

const MFA: &str = "urn:stepgate:acr:mfa";

/// A page of ours: no redirect, nothing of the stranger's in it.
fn on_a_page(reply: &Reply) {
    assert_eq!((reply.status.as_u16(), reply.location()), (400, None), "{reply:?}");
    assert_eq!(reply.page(), "error");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!reply.body.contains("evil"), "{}", reply.body);
    logged_once(reply);
}

fn logged_once(reply: &Reply) {
    let lines = logs::of_request(reply.header("x-request-id"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("code=\""), "{lines:?}");
}

#[tokio::test]
async fn without_a_trusted_client_and_redirect_uri_nobody_is_redirected() {
    logs::record();
    let app = TestApp::spawn().await;
    app.client("native", json!({"application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"]}))
        .await;
    let mut browser = Browser::new(&app);
    let base = Request::new();
    let uri = |uri: &str| Request::new().with("redirect_uri", uri);
    let native = |uri: &str| Request::new().with("client_id", "native").with("redirect_uri", uri);
    for request in [
        base.clone().without("client_id"),
        base.clone().with("client_id", "evil"),
        base.clone().with("client_id", ""),
        base.clone().with("client_id", &"evil".repeat(1000)),
        base.clone().and("client_id", "rp"),
        base.clone().without("redirect_uri"),
        base.clone().and("redirect_uri", CALLBACK),
        uri("https://rp.test.evil.test/cb"),
        uri("https://rp.test/cb.evil"),
        uri("https://rp.test/cb/../evil"),
        uri("https://rp.test/cb%2f..%2fevil"),
        uri("https://rp.test/cb/"),
        uri("https://RP.test/cb"),
        uri("https://rp.test@evil.test/cb"),
        uri("https://rp.test\\@evil.test/cb"),
        uri("https://rp.test/cb#code=evil"),
        uri("https://rp.test/cb?evil=1"),
        uri("javascript:alert('evil')"),
        uri(&format!("{CALLBACK}?{}", "evil".repeat(1000))),
        native("http://127.0.0.1:51234/cb2"),
        native("http://localhost:51234/cb"),
        native("http://127.0.0.1.evil.test/cb"),
        native("http://127.0.0.1@evil.test/cb"),
    ] {
        on_a_page(&browser.get(&request.path()).await);
    }
    on_a_page(&browser.get(&format!("/authorize?{}", "x=evil&".repeat(101))).await);
    on_a_page(&browser.get("/authorize").await);
    on_a_page(&browser.get("/authorize?client_id=%ff&redirect_uri=evil").await);
    assert!(browser.cookie.is_none(), "nothing was opened");
    let loopback = native("http://127.0.0.1:51234/cb").with("prompt", "none");
    let reply = browser.get(&loopback.path()).await;
    assert!(reply.location().unwrap().starts_with("http://127.0.0.1:51234/cb?error=login_required"));
}

#[tokio::test]
async fn what_is_wrong_beyond_them_is_told_to_the_client() {
    logs::record();
    let app = TestApp::spawn().await;
    app.client("machine", json!({"grant_types": ["client_credentials"]})).await;
    let mut browser = Browser::new(&app);
    let base = Request::new();
    let long = "x".repeat(2049);
    let claims = |claims: &str| Request::new().with("claims", claims);
    for (request, expected) in [
        (base.clone().without("response_type"), "invalid_request"),
        (base.clone().with("response_type", "token"), "unsupported_response_type"),
        (base.clone().with("response_type", "code id_token"), "unsupported_response_type"),
        (base.clone().and("response_type", "code"), "invalid_request"),
        (base.clone().with("response_mode", "fragment"), "invalid_request"),
        (base.clone().with("client_id", "machine"), "unauthorized_client"),
        (base.clone().and("scope", "email"), "invalid_request"),
        (base.clone().with("scope", "openid \"email\""), "invalid_request"),
        (base.clone().with("scope", &long), "invalid_request"),
        (base.clone().and("nonce", "again"), "invalid_request"),
        (base.clone().with("nonce", &long), "invalid_request"),
        (base.clone().with("nonce", "a\r\nb"), "invalid_request"),
        (base.clone().without("code_challenge").without("code_challenge_method"), "invalid_request"),
        (base.clone().without("code_challenge"), "invalid_request"),
        (base.clone().without("code_challenge_method"), "invalid_request"),
        (base.clone().with("code_challenge_method", "plain"), "invalid_request"),
        (base.clone().with("code_challenge", "short"), "invalid_request"),
        (base.clone().and("code_challenge", "x"), "invalid_request"),
        (base.clone().with("prompt", "none login"), "invalid_request"),
        (base.clone().with("prompt", "create"), "invalid_request"),
        (base.clone().with("prompt", "create"), "invalid_request"),
        (base.clone().with("prompt", "none").and("prompt", "login"), "invalid_request"),
        (base.clone().with("max_age", "-1"), "invalid_request"),
        (base.clone().with("max_age", "1.5"), "invalid_request"),
        (base.clone().with("max_age", "1e3"), "invalid_request"),
        (base.clone().with("max_age", "99999999999999999999"), "invalid_request"),
        (base.clone().with("max_age", "0").and("max_age", "9999"), "invalid_request"),
        (base.clone().with("acr_values", "phr").and("acr_values", "x"), "invalid_request"),
        (base.clone().with("acr_values", &"x ".repeat(1200)), "invalid_request"),
        (claims("{"), "invalid_request"),
        (claims(r#"{"id_token":{"acr":{"essential":true,"values":[]}}}"#), "invalid_request"),
        (claims(&format!("{{\"x\":\"{}\"}}", "x".repeat(8200))), "invalid_request"),
        (base.clone().with("login_hint", "a").and("login_hint", "b"), "invalid_request"),
        (base.clone().with("id_token_hint", "evil"), "invalid_request"),
        (base.clone().with("resource", "https://nobody.test"), "invalid_target"),
        (base.clone().with("request", "x").with("max_age", "x"), "request_not_supported"),
        (base.clone().with("request", "x").without("response_type"), "request_not_supported"),
        (base.clone().with("request_uri", "http://169.254.169.254/latest"), "request_uri_not_supported"),
        (base.clone().with("request_uri", "file:///etc/passwd"), "request_uri_not_supported"),
        (base.clone().with("unknown", "a").and("unknown", "b"), "invalid_request"),
    ] {
        let reply = browser.get(&request.path()).await;
        assert_eq!(error(&reply), expected, "{}", request.query());
        assert_eq!(reply.answer()["state"], crate::relying_party::STATE);
        logged_once(&reply);
    }
    for raw in ["acr_values=%ff", "nonce=%zz", "scope=%", "max_age=%00"] {
        let name = raw.split('=').next().unwrap();
        let path = format!("{}&{raw}", base.clone().without(name).path());
        assert_eq!(error(&browser.get(&path).await), "invalid_request", "{raw}");
    }
    // A state that can't be given back as it was is given back not at all.
    for request in [
        base.clone().with("state", &long),
        base.clone().and("state", "again"),
        base.with("state", "a\r\nSet-Cookie:x=1"),
    ] {
        let reply = browser.get(&request.path()).await;
        assert_eq!(error(&reply), "invalid_request");
        assert!(!reply.answer().contains_key("state"));
    }
    assert!(browser.cookie.is_none(), "nothing was opened");
}

#[tokio::test]
async fn the_token_endpoint_names_what_is_wrong_and_issues_nothing() {
    logs::record();
    let app = TestApp::spawn().await;
    let grant = ("grant_type", "authorization_code");
    for (form, status, expected) in [
        (vec![], 400, "invalid_request"),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (vec![("grant_type", "refresh_token")], 400, "unauthorized_client"),
        (vec![grant, grant], 400, "invalid_request"),
        (vec![grant], 400, "invalid_request"),
        (vec![grant, ("code", "x"), ("code", "x")], 400, "invalid_request"),
        (vec![grant, ("code", "x")], 400, "invalid_grant"),
        (vec![grant, ("code", "x"), ("redirect_uri", CALLBACK)], 400, "invalid_grant"),
        (vec![grant, ("code", "x"), ("resource", "a"), ("resource", "b")], 400, "invalid_target"),
        (vec![grant, ("code", "x"), ("client_id", "other")], 400, "invalid_request"),
        (vec![grant, ("code", "x"), ("client_secret", "other")], 400, "invalid_request"),
    ] {
        let reply = token(&app, "rp", &form).await;
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status.as_u16(), body["error"].as_str().unwrap()), (status, expected), "{form:?}");
        assert!(body["error_description"].as_str().unwrap().ends_with('.'), "{body}");
        assert!(body.get("access_token").is_none());
        logged_once(&reply);
    }
    let http = reqwest::Client::new();
    let mut browser = Browser::new(&app);
    for (kind, body) in [
        ("application/json", b"{}".to_vec()),
        ("application/x-www-form-urlencoded", b"grant_type=\xff".to_vec()),
        ("application/x-www-form-urlencoded", b"grant_type=%ff".to_vec()),
        ("text/plain", b"grant_type=authorization_code".to_vec()),
    ] {
        let request = http.post(format!("{}/token", app.address)).header("content-type", kind).body(body);
        let reply = browser.send(request, "/token").await;
        assert_eq!(reply.status, 400, "{kind}");
        assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap()["error"], "invalid_request");
    }
    let request = http.post(format!("{}/token", app.address)).body(vec![b'x'; 70_000]);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(browser.send(request, "/token").await.status, 413);
}

#[tokio::test]
async fn no_secret_reaches_the_log() {
    logs::record();
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", "a wrong password of hers")]).await;
    let reply = browser.sign_in(&page, &ada).await;
    let code = code(&reply);
    let tokens = redeem(&app, &code).await;
    let replayed = redeem(&app, &code).await;
    assert_eq!((tokens.status.as_u16(), replayed.status.as_u16()), (200, 400));
    let tokens: Value = serde_json::from_str(&tokens.body).unwrap();
    let log = logs::everything();
    assert!(log.contains("code replayed"), "{log}");
    let secrets = [
        "a wrong password of hers",
        PASSWORD,
        crate::app::SECRET,
        VERIFIER,
        &code,
        browser.cookie.as_ref().unwrap(),
        tokens["access_token"].as_str().unwrap(),
        tokens["id_token"].as_str().unwrap(),
    ];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// The six digits of a one-time code may stand in a log by chance, in a time or a duration; as a word of their own they don't.
fn words(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.split_once(' ').map_or("", |(_, line)| line));
    let parts = lines.flat_map(|line| line.split(' ')).filter(|part| !part.starts_with("micros="));
    parts.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric())).collect()
}

#[tokio::test]
async fn no_secret_of_any_flow_reaches_the_log_or_the_audit_even_where_it_fails() {
    logs::record();
    let mut database = postgresql();
    database.raw_url = database.raw_url.replacen("tests@", "tests:planted-in-the-address@", 1);
    let app = TestApp::on(database, "").await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
    let job = assertions::Client::new("ES256");
    job.register(&app, "job").await;
    let mut secrets = vec!["planted-in-the-address".to_owned(), crate::app::SECRET.into(), VERIFIER.into()];
    let keep = |secrets: &mut Vec<String>, secret: &str| secrets.push(secret.to_owned());

    let mut browser = Browser::new(&app);
    let request = Request::new().with("client_id", "app").with("scope", "openid offline_access");
    let page = browser.open(&request.path()).await;
    keep(&mut secrets, browser.cookie.as_ref().unwrap());
    let page = browser.submit(&page, &[("username", "ada"), ("password", "planted wrong password")]).await;
    let reply = browser.sign_in(&page, &ada).await;
    for secret in ["planted wrong password", PASSWORD, browser.cookie.as_ref().unwrap()] {
        keep(&mut secrets, secret);
    }
    let code = code(&reply);
    let form = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", code.as_str())];
    let form = [&form[..], &[("code_verifier", VERIFIER)]].concat();
    let bought: Value = serde_json::from_str(&token(&app, "app", &form).await.body).unwrap();
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let refresh = text(&bought, "refresh_token");
    let refreshing = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let next: Value = serde_json::from_str(&token(&app, "app", &refreshing).await.body).unwrap();
    for (tokens, name) in [(&bought, "access_token"), (&bought, "id_token"), (&next, "refresh_token")] {
        keep(&mut secrets, &text(tokens, name));
    }
    keep(&mut secrets, &code);
    keep(&mut secrets, &refresh);
    // Each once more, where it is refused, and in places where it does not belong.
    app.clock.advance(60);
    for form in [&form[..], &refreshing] {
        assert_eq!(token(&app, "app", form).await.status, 400);
    }
    for secret in [&code, &refresh, &text(&bought, "access_token")] {
        let introspecting = [("token", secret.as_str())];
        assert_eq!(post_as(&app, "app", "/introspect", &introspecting).await.status, 200);
        assert_eq!(userinfo(&app, secret).await.status, 401);
        browser.get(&Request::new().with("id_token_hint", secret).path()).await;
        browser.get(&format!("/logout?id_token_hint={secret}")).await;
    }
    let assertion = job.sign(&assertions::claims(&app, "job", "planted"));
    for expected in [200, 401] {
        assert_eq!(assertions::present(&app, &assertion, &[]).await.status, expected);
    }
    keep(&mut secrets, assertion.rsplit_once('.').unwrap().1);
    let guessed = [("client_id", "app"), ("client_secret", "planted-client-secret")];
    assert_eq!(Browser::new(&app).post("/token", &guessed).await.status, 401);
    keep(&mut secrets, "planted-client-secret");

    let page = browser.open("/account/passkeys").await;
    let page = browser.submit(&page, &[("action", "codes")]).await;
    let page = browser.submit(&page, &[("code", "135790")]).await;
    let given = ada.code(&app);
    let page = browser.submit(&page, &[("code", &given)]).await;
    assert_eq!(page.page(), "recovery-codes");
    let recovery = page.between("<li><code>", "<");
    browser.submit(&page, &[]).await;
    app.clock.advance(60);
    let page = browser.open(&Request::new().with("acr_values", MFA).with("max_age", "30").path()).await;
    let page = browser.submit(&page, &[("action", "other-way")]).await;
    let page = browser.submit(&page, &[("code", "PLAN-TED0-PLAN-TED0")]).await;
    assert_eq!(browser.submit(&page, &[("code", &recovery)]).await.outcome(), "code");
    for secret in [recovery.as_str(), "PLAN-TED0-PLAN-TED0", browser.cookie.as_ref().unwrap()] {
        keep(&mut secrets, secret);
        keep(&mut secrets, &secret.replace('-', ""));
    }
    let audit = json!(crate::audit::entries(&app).await).to_string();
    assert!(audit.contains("family revoked") && audit.contains("code replayed"), "{audit}");

    // The database goes, in the middle of what everybody does.
    app.sql("ALTER TABLE refresh_tokens RENAME TO elsewhere");
    let held = text(&next, "refresh_token");
    let held = [("grant_type", "refresh_token"), ("refresh_token", held.as_str())];
    assert_eq!(token(&app, "app", &held).await.status, 503);
    app.sql("ALTER TABLE users RENAME TO gone");
    assert_eq!(browser.get(&request.path()).await.status, 503);
    let (server, name) = app.raw_url.rsplit_once('/').unwrap();
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    let dropped = Command::new("psql").args([&format!("{server}/postgres"), "-qc", &drop]).status();
    assert!(dropped.unwrap().success());
    assert_eq!(browser.get(&request.path()).await.status, 503);

    let log = logs::everything();
    assert!(log.contains("introspection.inactive") && log.contains("unavailable"), "{log}");
    for secret in secrets {
        for (place, said) in [("log", &log), ("audit", &audit)] {
            assert!(!said.contains(&secret), "{secret} is in the {place}");
        }
    }
    for digits in ["135790", given.as_str()] {
        assert!(!words(&log).contains(&digits) && !words(&audit).contains(&digits), "{digits}");
    }
}

/// PostgreSQL can't hold a NUL, and says so in an error that looks like that of a database in trouble.
#[tokio::test]
async fn no_control_character_of_a_stranger_reaches_a_database() {
    logs::record();
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut known = Browser::signed_in(&app, &ada).await;
        for claims in [json!({"sub": "\0"}), json!({"sub": "rp\0"}), json!({"sub": "a\nb", "iss": "\0"})] {
            let assertion = format!("e30.{}.x", base64url(claims.to_string().as_bytes()));
            assert_eq!(assertions::present(&app, &assertion, &[]).await.status, 401, "{claims}");
            let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            for path in ["/introspect", "/revoke"] {
                let form = [kind, ("client_assertion", &assertion), ("token", "x")];
                assert_eq!(known.post(path, &form).await.status, 401, "{path} {claims}");
            }
        }
        assert_eq!(
            post_as(&app, "rp\0", "/token", &[("grant_type", "client_credentials")]).await.status,
            401
        );
        for path in ["/token", "/introspect", "/revoke", "/userinfo"] {
            for name in ["client_id", "client_secret", "token", "code", "refresh_token", "access_token"] {
                let status = known.post(path, &[("grant_type", "refresh_token"), (name, "\0")]).await.status;
                assert!([400, 401].contains(&status.as_u16()), "{path} {name} {status}");
            }
        }
        for id in ["%00", "a%00b", "%0a", "%ff", "%ed%a0%80", &"a".repeat(8000)] {
            assert_eq!(known.get(&format!("/interaction/{id}")).await.status, 400, "{id}");
            assert_eq!(known.post(&format!("/interaction/{id}/password"), &[]).await.status, 400, "{id}");
            assert_eq!(
                known.post(&format!("/interaction/{id}/password/options"), &[]).await.status,
                409,
                "{id}"
            );
        }
        let claims = |claims: Value| Request::new().with("claims", &claims.to_string());
        for wanted in ["id_token", "userinfo"] {
            for browser in [&mut Browser::new(&app), &mut known] {
                let request = claims(json!({wanted: {"sub": {"value": "\0"}}}));
                assert_eq!(error(&browser.get(&request.path()).await), "invalid_request");
            }
        }
        let wish =
            claims(json!({"id_token": {"acr": {"values": ["\0"]}, "a\0": null}, "userinfo": {"\0": null}}));
        assert_eq!(known.get(&wish.path()).await.outcome(), "code");
        let mut stranger = Browser::new(&app);
        let page = stranger.open(&wish.path()).await;
        let page = stranger.submit(&page, &[("username", "\0"), ("password", "\0")]).await;
        let ceremony = stranger.ceremony(&page).await;
        let credential = json!({
            "id": "\0", "rawId": base64url(b"\0"), "type": "public-key", "extensions": {},
            "response": {
                "authenticatorData": base64url(b"\0"), "clientDataJSON": base64url(b"\0"),
                "signature": base64url(b"\0"), "userHandle": base64url(b"\0"),
            },
        });
        let page = stranger.answer(&page, &ceremony, &credential.to_string()).await;
        assert_eq!((page.status.as_u16(), page.page().as_str()), (200, "login"));
        assert_eq!(stranger.sign_in(&page, &ada).await.outcome(), "code");
        let own = known.get("/account/passkeys").await;
        for form in [("passkey", "\0"), ("label", "\0"), ("account", "\0"), ("action", "\0")] {
            let status = known.submit(&own, &[("action", "rename"), form]).await.status.as_u16();
            assert!(status < 500, "{form:?}");
        }
        for query in ["client_id=%00", "id_token_hint=%00", "post_logout_redirect_uri=x&client_id=%00"] {
            assert_eq!(known.get(&format!("/logout?{query}")).await.status, 400, "{query}");
        }
        for query in ["client_id=%00", "client_id=rp&resource=%00", "client_id=rp&login_hint=%00"] {
            assert!(known.get(&format!("/authorize?{query}")).await.status.as_u16() < 500, "{query}");
        }
    }
}
