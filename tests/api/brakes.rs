//! Guessing is slowed down by what it is about and where it comes from, and nobody can be locked out by a stranger.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::refresh_as;
use crate::relying_party::token;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use futures_util::future::join_all;
use serde_json::Value;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;

const MFA: &str = "urn:stepgate:acr:mfa";

/// A server behind a proxy, so that a test can come from anywhere.
async fn spawn() -> TestApp {
    TestApp::on(sqlite(), "trusted_proxies = [\"127.0.0.1\"]").await
}

async fn try_password(app: &TestApp, source: &str, name: &str, password: &str) -> Reply {
    let mut browser = Browser::new(app);
    browser.source = Some(source.into());
    let page = browser.open(&Request::new().path()).await;
    browser.submit(&page, &[("username", name), ("password", password)]).await
}

fn braked(reply: &Reply) -> Option<u32> {
    (reply.status == 429).then(|| reply.header("retry-after").parse().unwrap())
}

#[tokio::test]
async fn after_five_failures_the_next_try_waits_and_the_wait_doubles() {
    let app = spawn().await;
    app.user("ada").await;
    for name in ["ada", "Ada", "ADA", " ada ", "ada"] {
        assert_eq!(try_password(&app, "192.0.2.1", name, "wrong").await.page(), "login");
    }
    for wait in [2, 4, 8] {
        assert_eq!(try_password(&app, "192.0.2.1", "ada", "wrong").await.page(), "login");
        // Not even the right one is looked at.
        let refused = try_password(&app, "192.0.2.1", "ada", PASSWORD).await;
        assert_eq!((braked(&refused), refused.page().as_str()), (Some(wait), "error"));
        assert!(refused.body.contains(&format!("Wait {wait} seconds")), "{}", refused.body);
        app.clock.advance(wait);
    }
    // From elsewhere she is not hindered, and her own success forgives only what was counted there.
    assert_eq!(try_password(&app, "198.51.100.1", "ada", PASSWORD).await.outcome(), "code");
    assert_eq!(try_password(&app, "192.0.2.1", "ada", PASSWORD).await.outcome(), "code");
    assert_eq!(try_password(&app, "192.0.2.1", "ada", "wrong").await.page(), "login");
    assert_eq!(braked(&try_password(&app, "192.0.2.1", "ada", PASSWORD).await), None);
}

#[tokio::test]
async fn a_name_that_nobody_has_is_braked_like_any_other() {
    let app = spawn().await;
    app.user("ada").await;
    for name in ["ada", "nobody"] {
        for _ in 0..6 {
            assert_eq!(try_password(&app, "192.0.2.1", name, "wrong").await.page(), "login", "{name}");
        }
        assert_eq!(braked(&try_password(&app, "192.0.2.1", name, "wrong").await), Some(2), "{name}");
    }
}

#[tokio::test]
async fn a_source_that_tries_a_hundred_names_is_slowed_down() {
    let app = spawn().await;
    let mut last = None;
    for n in 0..102 {
        last = braked(&try_password(&app, "2001:db8::1", &format!("user{n}"), "wrong").await);
        // Interactions are bounded too: let the old ones go.
        app.clock.advance(15);
    }
    assert_eq!(last, None, "fifteen seconds are longer than the first waits");
    for n in 0..3 {
        last = last.or(braked(&try_password(&app, "2001:db8::ffff", &format!("other{n}"), "wrong").await));
    }
    assert!(last.is_some(), "the /64 is one source");
}

#[tokio::test]
async fn a_hundred_sources_slow_an_account_down_but_not_in_its_own_browser() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut home = Browser::signed_in(&app, &ada).await;
    for n in 0..101 {
        let source = format!("10.0.{n}.1");
        assert_eq!(try_password(&app, &source, "ada", "wrong").await.page(), "login", "{n}");
    }
    assert_eq!(braked(&try_password(&app, "203.0.113.9", "ada", PASSWORD).await), Some(60));
    let page = home.open(&Request::new().with("prompt", "login").path()).await;
    assert_eq!(home.submit(&page, &[("password", PASSWORD)]).await.outcome(), "code");
}

/// Wrong codes from ever new sources: five to an interaction, each with the right password before.
async fn guess_codes(app: &TestApp, ada: &TestUser, count: usize) -> Option<u32> {
    let mut guessed = 0;
    loop {
        let mut browser = Browser::new(app);
        browser.source = Some(format!("10.9.{}.1", guessed / 5));
        let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
        let mut page = browser.sign_in(&page, ada).await;
        for _ in 0..5 {
            if guessed == count {
                return None;
            }
            browser.source = Some(format!("10.8.{guessed}.1"));
            page = browser.submit(&page, &[("code", "000000")]).await;
            guessed += 1;
            if let Some(wait) = braked(&page) {
                return Some(wait);
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_wrong_codes_lock_the_factor_until_an_administrator_frees_it() {
    let app = spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    assert_eq!(guess_codes(&app, &ada, 101).await, None);
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    let refused = browser.clone().submit(&page, &[("code", &ada.code(&app))]).await;
    assert_eq!(braked(&refused), Some(315_360_000));
    assert!(refused.body.contains("This way is locked"), "{refused:?}");
    // The password is another factor: it works, and frees nothing.
    assert_eq!(Browser::signed_in(&app, &ada).await.open(&Request::new().path()).await.outcome(), "code");
    // Nor does time.
    app.clock.advance(400 * 86_400);
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    assert!(braked(&browser.clone().submit(&page, &[("code", &ada.code(&app))]).await).is_some());
    app.command(&["user", "unlock", "ada"], "");
    assert_eq!(browser.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
}

#[tokio::test]
async fn a_lock_goes_with_its_factor_and_another_authenticator_app_is_not_locked() {
    for database in databases() {
        let app = TestApp::on(database, "trusted_proxies = [\"127.0.0.1\"]").await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        assert_eq!(guess_codes(&app, &ada, 101).await, None);
        assert_eq!(guess_codes(&app, &ada, 1).await, Some(315_360_000));
        app.command(&["user", "reset-mfa", "ada"], "");
        let year = app.clock.now().plus(Seconds::days(365)).micros();
        let kept = app.sql(&format!("SELECT COUNT(*) FROM throttles WHERE expires_at > {year}"));
        assert_eq!(kept, "0", "nothing is left of the one that is gone");
        let ada = app.give_totp(&ada).await;
        let mut browser = Browser::new(&app);
        browser.source = Some("10.8.0.1".into());
        let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
        let page = browser.sign_in(&page, &ada).await;
        assert_eq!(browser.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
        // A hundred wrong ones lock this one too, and that goes with its user.
        assert_eq!(guess_codes(&app, &ada, 101).await, None);
        assert_eq!(guess_codes(&app, &ada, 1).await, Some(315_360_000));
        app.command(&["user", "delete", "ada"], "");
        let kept = app.sql(&format!("SELECT COUNT(*) FROM throttles WHERE expires_at > {year}"));
        assert_eq!(kept, "0");
    }
}

#[tokio::test]
async fn twenty_from_one_network_sign_in_at_the_same_moment() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let mut people = Vec::new();
        for n in 0..20 {
            people.push(app.user(&format!("user{n}")).await);
        }
        let tries = people.iter().map(|user| async {
            let mut browser = Browser::new(&app);
            let page = browser.open(&Request::new().path()).await;
            browser.sign_in(&page, user).await.outcome()
        });
        assert_eq!(join_all(tries).await, vec!["code"; 20]);
    }
}

#[tokio::test]
async fn an_administrator_frees_a_user_wherever_they_are() {
    let app = spawn().await;
    app.user("ada").await;
    for _ in 0..8 {
        try_password(&app, "192.0.2.1", "ada", "wrong").await;
        app.clock.advance(1);
    }
    assert!(braked(&try_password(&app, "192.0.2.1", "ada", PASSWORD).await).is_some());
    app.command(&["user", "unlock", "ada"], "");
    assert_eq!(try_password(&app, "192.0.2.1", "ada", PASSWORD).await.outcome(), "code");
}

/// Whoever has an open session has the tries of a new password, and so many step-ups at a client, in common with its owner.
#[tokio::test]
async fn an_administrator_gives_back_what_a_thief_with_an_open_session_has_used_up() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut thief = Browser::signed_in(&app, &ada).await;
        let mut page = thief.open("/account/password").await;
        for n in 0..21 {
            assert_eq!(page.page(), "account-password", "{n}: {page:?}");
            page = thief.submit(&page, &[("password", "password1")]).await;
        }
        let refused = thief.submit(&page, &[("password", "password1")]).await;
        assert_eq!(braked(&refused), Some(60));
        let again = Request::new().with("max_age", "0").path();
        for n in 0..21 {
            let page = thief.open(&again).await;
            assert_eq!(page.page(), "password", "{n}: {page:?}");
            assert_eq!(thief.submit(&page, &[("password", PASSWORD)]).await.outcome(), "code");
        }
        assert_eq!(braked(&thief.open(&again).await), Some(60));

        app.command(&["user", "unlock", "ada"], "");
        let mut own = Browser::signed_in(&app, &ada).await;
        assert_eq!(own.open(&again).await.page(), "password");
        let page = own.open("/account/password").await;
        let page = own.submit(&page, &[("password", "another horse battery")]).await;
        assert!(page.body.contains("Your password is changed."), "{page:?}");
    }
}

/// A browser in which Ada is signed in, and a refresh token that outlives her session.
async fn at_home(app: &TestApp, ada: &TestUser, source: &str) -> (Browser, String) {
    app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
    let mut browser = Browser::new(app);
    browser.source = Some(source.into());
    let request = Request::new().with("client_id", "app").with("scope", "openid offline_access");
    let page = browser.open(&request.path()).await;
    let code = code(&browser.sign_in(&page, ada).await);
    let own = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let bought = token(app, "app", &[own.as_slice(), &[("code", code.as_str())]].concat()).await;
    let bought: Value = serde_json::from_str(&bought.body).unwrap();
    (browser, bought["refresh_token"].as_str().unwrap().to_owned())
}

async fn refreshed(app: &TestApp, refresh_token: &str) -> Value {
    serde_json::from_str(&refresh_as(app, "app", refresh_token).await.body).unwrap()
}

#[tokio::test]
async fn only_a_success_of_the_same_factor_takes_failures_back() {
    let app = spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    // As near to the guesser as can be: one network.
    let source = "192.0.2.1";
    let (mut home, refresh) = at_home(&app, &ada, source).await;
    for _ in 0..6 {
        assert_eq!(try_password(&app, source, "ada", "wrong").await.page(), "login");
    }
    assert_eq!(home.get(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
    assert!(refreshed(&app, &refresh).await["access_token"].is_string());
    let page = home.open(&Request::new().with("acr_values", MFA).path()).await;
    assert_eq!(home.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
    // Still the sixth failure, and then the seventh.
    assert_eq!(braked(&try_password(&app, source, "ada", PASSWORD).await), Some(2));
    app.clock.advance(2);
    assert_eq!(try_password(&app, source, "ada", "wrong").await.page(), "login");
    assert_eq!(braked(&try_password(&app, source, "ada", PASSWORD).await), Some(4));
    app.clock.advance(4);
    // The password itself takes them back: five are free again.
    assert_eq!(try_password(&app, source, "ada", PASSWORD).await.outcome(), "code");
    for _ in 0..5 {
        assert_eq!(try_password(&app, source, "ada", "wrong").await.page(), "login");
    }
    assert_eq!(try_password(&app, source, "ada", PASSWORD).await.outcome(), "code");
}

#[tokio::test]
async fn a_factor_that_is_locked_takes_nothing_from_what_it_opened_before() {
    let app = spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let (mut home, refresh) = at_home(&app, &ada, "192.0.2.1").await;
    let mfa = Request::new().with("acr_values", MFA);
    let page = home.open(&mfa.path()).await;
    let answer = home.submit(&page, &[("code", &ada.code(&app))]).await;
    let strong = tokens(&app, &answer).await;
    assert_eq!(guess_codes(&app, &ada, 101).await, None);
    let mut stranger = Browser::new(&app);
    let page = stranger.open(&mfa.path()).await;
    let page = stranger.sign_in(&page, &ada).await;
    assert_eq!(braked(&stranger.submit(&page, &[("code", "000000")]).await), Some(315_360_000));
    assert_eq!(userinfo(&app, strong.raw["access_token"].as_str().unwrap()).await.status, 200);
    assert!(refreshed(&app, &refresh).await["access_token"].is_string());
    let silent = tokens(&app, &home.get(&mfa.with("prompt", "none").path()).await).await;
    assert_eq!((&silent.id_token["acr"], &silent.id_token["sub"]), (&json!(MFA), &json!(ada.id)));
}
