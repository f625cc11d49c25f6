//! From nothing to tokens with a password, and what a session is worth afterwards.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::sqlite;
use crate::passkeys;
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

/// What a failed sign-in with `name` gets: the answer to the form, the page after it, and how often argon2 compared.
struct Failed {
    answer: Reply,
    page: Option<Reply>,
    compared: u64,
    id: String,
}

async fn failed(app: &TestApp, name: &str, source: &str) -> Failed {
    let mut browser = Browser::new(app);
    browser.source = Some(source.to_owned());
    let page = browser.open(&Request::new().path()).await;
    let id = page.path.rsplit('/').next().unwrap().to_owned();
    let form = page.hidden_fields();
    let mut fields = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    fields.extend([("username", name), ("password", "not the password of anybody"), ("action", "continue")]);
    let before = app.app.passwords.compared();
    let answer = browser.post(&page.form_action(), &fields).await;
    let compared = app.app.passwords.compared() - before;
    let page = match answer.location() {
        Some(location) => Some(browser.get(&location).await),
        None => None,
    };
    Failed { answer, page, compared, id }
}

/// Everything that an answer says, but for what is made anew for each, and the name that was typed.
fn shown(reply: &Reply, name: &str, id: &str) -> String {
    let of_each = ["content-length", "date", "x-request-id"];
    let headers = reply.headers.iter().filter(|(header, _)| !of_each.contains(&header.as_str()));
    let mut headers = headers.map(|(header, value)| format!("{header}: {value:?}")).collect::<Vec<_>>();
    headers.sort();
    let text = format!("{}\n{}\n{}", reply.status, headers.join("\n"), reply.body);
    let policy = reply.header("content-security-policy").to_owned();
    let nonce = policy.split_once("'nonce-").map(|(_, rest)| rest.split_once('\'').unwrap().0);
    let made = [nonce.map(str::to_owned), Some(id.to_owned()), Some(reply.header("x-request-id").to_owned())];
    let hidden = reply.hidden_fields().into_iter().filter(|(k, _)| k == "form").map(|(_, value)| value);
    let made = made.into_iter().flatten().filter(|made| !made.is_empty()).chain(hidden);
    let text = made.fold(text, |text, made| text.replace(&made, "*"));
    text.replace(&format!("value=\"{name}\""), "value=\"*\"")
}

#[tokio::test]
async fn who_fails_to_sign_in_is_told_the_same_after_the_same_work_whoever_they_are() {
    let app = TestApp::on(sqlite(), "trusted_proxies = [\"127.0.0.1\"]").await;
    let ada = app.user("ada").await;
    app.user_with_totp("totp", SecondFactor::SignIn).await;
    app.user("gone").await;
    app.command(&["user", "disable", "gone"], "");
    app.command(&["user", "add", "bare"], "");
    let keyed = app.user("keyed").await;
    let mut browser = Browser::signed_in(&app, &keyed).await;
    passkeys::add(&mut browser, &mut Authenticator::new(ISSUER)).await;
    app.sql(&format!("DELETE FROM credentials WHERE kind = 'pwd' AND user_id = '{}'", keyed.id));
    let names = ["ada", "nobody", "totp", "gone", "bare", "keyed"];
    let mut first = None;
    for (n, name) in names.iter().enumerate() {
        let source = format!("192.0.2.{n}");
        let one = failed(&app, name, &source).await;
        let page = one.page.as_ref().unwrap();
        assert_eq!((page.page().as_str(), one.compared), ("login", 1), "{name}");
        assert!(page.body.contains("did not match"), "{}", page.body);
        assert!(!one.answer.headers.contains_key("set-cookie") && !page.headers.contains_key("set-cookie"));
        let said = [shown(&one.answer, name, &one.id), shown(page, name, &one.id)];
        assert_eq!(said, *first.get_or_insert(said.clone()), "{name}");
    }
    // Nor do brakes tell: the seventh in a row is refused without a look, whoever it is about.
    let mut first = None;
    for (n, name) in names.iter().enumerate() {
        let source = format!("192.0.2.{n}");
        for _ in 0..5 {
            assert_eq!(failed(&app, name, &source).await.compared, 1, "{name}");
        }
        let one = failed(&app, name, &source).await;
        assert_eq!((one.answer.status.as_u16(), one.compared), (429, 0), "{name}");
        let said = shown(&one.answer, name, &one.id);
        assert_eq!(said, *first.get_or_insert(said.clone()), "{name}");
    }
    // And the right one is the same work.
    let before = app.app.passwords.compared();
    Browser::signed_in(&app, &ada).await;
    assert_eq!(app.app.passwords.compared(), before + 1);
}
