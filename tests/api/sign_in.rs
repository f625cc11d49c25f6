//! From nothing to tokens with a password, and what a session is worth afterwards.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::relying_party::NONCE;
use crate::relying_party::Request;
use crate::relying_party::header;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;

#[tokio::test]
async fn a_password_signs_in_and_the_tokens_state_what_was_shown() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("scope", "openid profile").path()).await;
    assert!(page.body.contains("Sign in to go on to Acme Shop."), "{}", page.body);
    let reply = browser.sign_in(&page, &ada).await;
    let tokens = tokens(&app, &reply).await;
    let now = app.clock.now().unix_seconds();
    let id_token = tokens.id_token.as_object().unwrap();
    for (name, expected) in [
        ("iss", json!(ISSUER)),
        ("sub", json!(ada.id)),
        ("aud", json!("rp")),
        ("iat", json!(now)),
        ("exp", json!(now + 3600)),
        ("auth_time", json!(now)),
        ("acr", json!("urn:stepgate:acr:pwd")),
        ("amr", json!(["pwd"])),
        ("nonce", json!(NONCE)),
    ] {
        assert_eq!(id_token[name], expected, "{name}");
    }
    let mut names = id_token.keys().map(String::as_str).collect::<Vec<_>>();
    names.sort_unstable();
    let all = ["acr", "amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"];
    assert_eq!(names, all);
    let access = &tokens.access_token;
    assert_eq!((&access["aud"], &access["client_id"]), (&json!(ISSUER), &json!("rp")));
    assert_eq!((&access["acr"], &access["auth_time"]), (&json!("urn:stepgate:acr:pwd"), &json!(now)));
    assert_eq!(access["sid"], id_token["sid"]);
    let raw = tokens.raw["access_token"].as_str().unwrap();
    assert_eq!((&header(raw)["typ"], &header(raw)["alg"]), (&json!("at+jwt"), &json!("ES256")));
    assert_eq!(header(tokens.raw["id_token"].as_str().unwrap())["alg"], "RS256");
    assert_eq!((&tokens.raw["token_type"], &tokens.raw["expires_in"]), (&json!("Bearer"), &json!(600)));
    let claims: Value = serde_json::from_str(&userinfo(&app, raw).await.body).unwrap();
    assert_eq!(claims, json!({"sub": ada.id, "name": "ada of Test"}));
}

#[tokio::test]
async fn a_second_request_is_answered_without_a_page_and_states_the_old_time() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let first = tokens(&app, &browser.sign_in(&page, &ada).await).await;
    app.clock.advance(600);
    let second = tokens(&app, &browser.get(&Request::new().path()).await).await;
    assert_eq!(second.id_token["auth_time"], first.id_token["auth_time"]);
    assert_eq!(second.id_token["sid"], first.id_token["sid"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_page() {
    let app = TestApp::spawn().await;
    app.user("ada").await;
    app.user("gone").await;
    app.command(&["user", "disable", "gone"], "");
    app.command(&["user", "add", "bare"], "");
    let mut browser = Browser::new(&app);
    let mut page = browser.open(&Request::new().path()).await;
    let mut pages = Vec::new();
    let tries = [
        ("ada", "wrong"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("bare", PASSWORD),
        ("ada\u{212a}", PASSWORD),
        ("", ""),
    ];
    for (name, password) in tries {
        page = browser.submit(&page, &[("username", name), ("password", password)]).await;
        assert_eq!(page.page(), "login");
        let text = page.body.split_once("<h1>").unwrap().1.split("<form").next().unwrap().to_owned();
        assert!(text.contains("did not match"), "{text}");
        pages.push(text);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1);
}

#[tokio::test]
async fn a_user_whose_second_factor_is_for_sign_in_is_always_asked_for_it() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.sign_in(&page, &ada).await;
    assert_eq!(page.page(), "totp");
    // A password alone is nothing anywhere else: no session, no code.
    assert_eq!(browser.clone().open(&Request::new().path()).await.page(), "login");
    let reply = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    let tokens = tokens(&app, &reply).await;
    assert_eq!(tokens.id_token["acr"], "urn:stepgate:acr:mfa");
    assert_eq!(tokens.id_token["amr"], json!(["pwd", "otp", "mfa"]));
}

#[tokio::test]
async fn the_cookie_is_replaced_by_every_proof_and_the_old_one_is_dead() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let planted = browser.clone();
    browser.sign_in(&page, &ada).await;
    assert_ne!(planted.cookie, browser.cookie);
    assert_eq!(
        planted.clone().open(&Request::new().with("prompt", "none").path()).await.outcome(),
        "login_required"
    );
    assert_eq!(browser.open(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
    let signed_in = browser.clone();
    let page = browser.open(&Request::new().with("prompt", "login").path()).await;
    browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_ne!(signed_in.cookie, browser.cookie);
    assert_eq!(
        signed_in.clone().open(&Request::new().with("prompt", "none").path()).await.outcome(),
        "login_required"
    );
}

#[tokio::test]
async fn a_session_ends_when_idle_and_when_old() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let silent = Request::new().with("prompt", "none").path();
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    browser.sign_in(&page, &ada).await;
    app.clock.advance(12 * 3600 - 1);
    assert_eq!(browser.get(&silent).await.outcome(), "code");
    app.clock.advance(12 * 3600);
    assert_eq!(browser.get(&silent).await.outcome(), "login_required");
    let page = browser.open(&Request::new().path()).await;
    browser.sign_in(&page, &ada).await;
    for _ in 0..14 {
        assert_eq!(browser.get(&silent).await.outcome(), "code");
        app.clock.advance(12 * 3600 - 1);
    }
    app.clock.advance(14);
    assert_eq!(browser.get(&silent).await.outcome(), "login_required");
}

#[tokio::test]
async fn the_cookie_is_bound_to_the_host_and_hidden_from_scripts() {
    let app = TestApp::spawn().await;
    let reply = Browser::new(&app).get(&Request::new().path()).await;
    let cookie = reply.header("set-cookie").to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(pair.len(), "__Host-stepgate=".len() + 43);
    let mut attributes = attributes.split("; ").collect::<Vec<_>>();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=15552000", "Path=/", "SameSite=Lax", "Secure"]);
}

#[tokio::test]
async fn two_users_are_signed_in_side_by_side_and_never_mixed() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let first = tokens(&app, &browser.sign_in(&page, &ada).await).await;
    app.clock.advance(1);
    let page = browser.open(&Request::new().with("prompt", "select_account").path()).await;
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    let second = tokens(&app, &browser.sign_in(&page, &bob).await).await;
    assert_ne!(first.id_token["sid"], second.id_token["sid"]);
    assert_eq!((&first.id_token["sub"], &second.id_token["sub"]), (&json!(ada.id), &json!(bob.id)));
    // The one this client was answered for last; the other only when it is named.
    app.clock.advance(1);
    assert_eq!(tokens(&app, &browser.get(&Request::new().path()).await).await.id_token["sub"], json!(bob.id));
    let hint = Request::new().with("id_token_hint", first.raw["id_token"].as_str().unwrap());
    assert_eq!(tokens(&app, &browser.get(&hint.path()).await).await.id_token["sub"], json!(ada.id));
    app.client("other", json!({})).await;
    let other = Request::new().with("client_id", "other");
    assert_eq!(
        browser.open(&other.clone().with("prompt", "none").path()).await.outcome(),
        "account_selection_required"
    );
    // Nothing says which: the page asks, and whoever is chosen gets a code of their own session.
    let page = browser.open(&other.path()).await;
    let chosen = browser.choose(&page, &ada).await;
    assert_eq!(chosen.outcome(), "code");
}
