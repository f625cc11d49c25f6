//! What can be done to a code, and what it costs whom.

use crate::app::CALLBACK;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::redeem;
use crate::relying_party::token;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;

async fn signed_in(app: &TestApp) -> Browser {
    Browser::signed_in(app, &app.user("ada").await).await
}

async fn refused(app: &TestApp, client: &str, form: &[(&str, &str)]) {
    let reply = token(app, client, form).await;
    assert_eq!(reply.status, 400, "{form:?}");
    assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap()["error"], "invalid_grant", "{form:?}");
}

fn form<'a>(code: &'a str, redirect_uri: &'a str, verifier: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    form
}

#[tokio::test]
async fn a_replay_revokes_what_the_code_bought() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let code = code(&browser.get(&Request::new().path()).await);
    let bought: Value = serde_json::from_str(&redeem(&app, &code).await.body).unwrap();
    let access_token = bought["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&app, access_token).await.status, 200);
    refused(&app, "rp", &form(&code, CALLBACK, Some(VERIFIER))).await;
    assert_eq!(userinfo(&app, access_token).await.status, 401);
}

#[tokio::test]
async fn a_strangers_try_is_no_weapon() {
    let app = TestApp::spawn().await;
    app.client("evil", json!({})).await;
    let mut browser = signed_in(&app).await;
    let code = code(&browser.get(&Request::new().path()).await);
    refused(&app, "evil", &form(&code, CALLBACK, Some(VERIFIER))).await;
    let http = reqwest::Client::new().post(format!("{}/token", app.address));
    let wrong = http.basic_auth("rp", Some("wrong")).form(&form(&code, CALLBACK, Some(VERIFIER)));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let bought: Value = serde_json::from_str(&redeem(&app, &code).await.body).unwrap();
    // Nor is it later: what the code bought stands.
    refused(&app, "evil", &form(&code, CALLBACK, Some(VERIFIER))).await;
    assert_eq!(userinfo(&app, bought["access_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn whatever_is_wrong_with_the_right_clients_try_burns_the_code() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let (other, short, long) = ("A".repeat(43), "A".repeat(42), "A".repeat(129));
    for (redirect_uri, verifier) in [
        (CALLBACK, None),
        (CALLBACK, Some(other.as_str())),
        (CALLBACK, Some(short.as_str())),
        (CALLBACK, Some(long.as_str())),
        (CALLBACK, Some(crate::relying_party::CHALLENGE)),
        ("https://rp.test/cb/", Some(VERIFIER)),
        ("", Some(VERIFIER)),
    ] {
        let code = code(&browser.get(&Request::new().path()).await);
        refused(&app, "rp", &form(&code, redirect_uri, verifier)).await;
        assert_eq!(redeem(&app, &code).await.status, 400, "{redirect_uri} {verifier:?}");
    }
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_a_downgrade() {
    let app = TestApp::spawn().await;
    app.client("nonce", json!({"require_pkce": false})).await;
    let mut browser = signed_in(&app).await;
    let request =
        Request::new().with("client_id", "nonce").without("code_challenge").without("code_challenge_method");
    let first = code(&browser.get(&request.path()).await);
    refused(&app, "nonce", &form(&first, CALLBACK, Some(VERIFIER))).await;
    refused(&app, "nonce", &form(&first, CALLBACK, None)).await;
    let second = code(&browser.get(&request.path()).await);
    assert_eq!(token(&app, "nonce", &form(&second, CALLBACK, None)).await.status, 200);
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let young = code(&browser.get(&Request::new().path()).await);
    app.clock.advance(59);
    assert_eq!(redeem(&app, &young).await.status, 200);
    let old = code(&browser.get(&Request::new().path()).await);
    app.clock.advance(60);
    refused(&app, "rp", &form(&old, CALLBACK, Some(VERIFIER))).await;
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_its_session_has_ended() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let code = code(&browser.sign_in(&page, &ada).await);
    let now = stepgate::base::time::Clock::now(app.clock.as_ref());
    app.app.store.write(move |c| stepgate::store::sessions::end_all(c, &ada.id, now)).await.unwrap();
    refused(&app, "rp", &form(&code, CALLBACK, Some(VERIFIER))).await;
}

#[tokio::test]
async fn an_access_token_dies_with_its_ten_minutes_and_an_id_token_is_none() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let tokens = crate::relying_party::tokens(&app, &browser.get(&Request::new().path()).await).await;
    let (access, id) =
        (tokens.raw["access_token"].as_str().unwrap(), tokens.raw["id_token"].as_str().unwrap());
    let forged = crate::relying_party::forged(access, 1, |claims| claims["exp"] = json!(9_999_999_999_u64));
    for bad in [id, &forged, "garbage", &access[..access.len() - 4]] {
        let reply = userinfo(&app, bad).await;
        assert_eq!(reply.status, 401);
        assert!(reply.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""), "{reply:?}");
    }
    app.clock.advance(599);
    assert_eq!(userinfo(&app, access).await.status, 200);
    app.clock.advance(1);
    assert_eq!(userinfo(&app, access).await.status, 401);
}
