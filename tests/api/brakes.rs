//! Guessing is slowed down by what it is about and where it comes from, and nobody can be locked out by a stranger.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::relying_party::Request;
use futures_util::future::join_all;
use stepgate::assurance::factors::SecondFactor;

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
