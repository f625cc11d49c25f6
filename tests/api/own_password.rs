//! Somebody changes their own password.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::audit::entries;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem_as;
use crate::relying_party::refresh_as;
use crate::relying_party::tokens;
use crate::smtp::Manner;
use crate::smtp::SmtpServer;
use futures_util::future::join_all;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::store::credentials;

const PATH: &str = "/account/password";
const NEW: &str = "another horse battery";

/// The outcome of a sign-in with this password, and the status of a refresh.
async fn tried(app: &TestApp, password: &str) -> String {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().path()).await;
    browser.submit(&page, &[("username", "ada"), ("password", password)]).await.outcome()
}

/// A refresh token that is to outlive its session.
async fn offline(app: &TestApp, browser: &mut Browser) -> String {
    let request = Request::new().with("client_id", "app").with("scope", "openid offline_access");
    let answer = redeem_as(app, "app", &code(&browser.open(&request.path()).await)).await;
    let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    answer["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_password_takes_the_strongest_factor_and_ends_everything_elsewhere() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
        let (mut own, mut elsewhere) =
            (Browser::signed_in(&app, &ada).await, Browser::signed_in(&app, &ada).await);
        let (kept, ended) = (offline(&app, &mut own).await, offline(&app, &mut elsewhere).await);
        // Half a sign-in, with the old password.
        let mut half = Browser::new(&app);
        let step_up = Request::new().with("acr_values", "urn:stepgate:acr:mfa");
        let page = half.open(&step_up.path()).await;
        let half_done = half.sign_in(&page, &ada).await;
        assert_eq!(half_done.page(), "totp");
        app.clock.advance(60);

        let page = own.open(PATH).await;
        assert_eq!(page.page(), "totp", "the password alone does not change itself");
        let page = own.submit(&page, &[("code", &ada.code(&app))]).await;
        assert_eq!(page.page(), "account-password");
        let page = own.submit(&page, &[("password", "password1")]).await;
        assert_eq!(page.page(), "account-password");
        assert!(page.body.contains("one of the first that everybody guesses"), "{page:?}");
        assert_eq!(tried(&app, PASSWORD).await, "code", "nothing has changed yet");
        let page = own.submit(&page, &[("password", NEW)]).await;
        assert_eq!(page.page(), "account-passkeys");
        assert!(page.body.contains("Your password is changed."), "{page:?}");

        assert_eq!((tried(&app, PASSWORD).await, tried(&app, NEW).await), ("login".into(), "code".into()));
        assert_eq!(own.open(&Request::new().path()).await.outcome(), "code");
        let silent = Request::new().with("prompt", "none");
        assert_eq!(elsewhere.open(&silent.path()).await.outcome(), "login_required");
        assert_eq!(refresh_as(&app, "app", &kept).await.status, 200);
        assert_eq!(refresh_as(&app, "app", &ended).await.status, 400);
        app.clock.advance(30);
        let page = half.submit(&half_done, &[("code", &ada.code(&app))]).await;
        assert_ne!(page.outcome(), "code", "the old password was one half of it");
        let told = mailbox.wait_for(1).await;
        assert_eq!(told[0].header("Subject").as_deref(), Some("Your password was changed (Stepgate)"));
        let all = entries(&app).await;
        assert!(all.iter().any(|entry| entry["what"] == "password.changed" && entry["sub"] == json!(ada.id)));
        assert!(!json!(all).to_string().contains(NEW));
    }
}

#[tokio::test]
async fn what_was_shown_before_still_states_its_time_after_a_new_password() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let before = tokens(&app, &browser.open(&Request::new().path()).await).await.id_token;
    app.clock.advance(100);
    let page = browser.open(PATH).await;
    assert_eq!(page.page(), "account-password", "the password is young enough");
    browser.submit(&page, &[("password", NEW)]).await;
    let after = tokens(&app, &browser.open(&Request::new().path()).await).await.id_token;
    assert_eq!((&after["sid"], &after["auth_time"]), (&before["sid"], &before["auth_time"]));
}

#[tokio::test]
async fn a_password_manager_is_led_to_it_by_way_of_the_sign_in() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let led = browser.get("/.well-known/change-password").await;
    assert_eq!((led.status.as_u16(), led.location().as_deref()), (303, Some(PATH)));
    let page = browser.follow(led).await;
    assert_eq!(page.page(), "login");
    let page = browser.sign_in(&page, &ada).await;
    assert_eq!(page.page(), "account-password", "{page:?}");
    let back: Reply = browser.submit(&page, &[("action", "decline")]).await;
    assert_eq!(back.page(), "account-passkeys");
    assert_eq!(tried(&app, PASSWORD).await, "code");
}

#[tokio::test]
async fn who_has_only_a_passkey_gives_themself_a_password_with_it() {
    let app = TestApp::on(sqlite(), "").await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut phone = crate::authenticator::Authenticator::new(crate::app::ISSUER);
    crate::passkeys::add(&mut browser, &mut phone).await;
    let id = ada.id.clone();
    let drop = move |c: &mut _| {
        let password =
            credentials::of_user(c, &id)?.into_iter().find(|f| f.kind == credentials::Kind::Password);
        credentials::remove(c, &id, &password.unwrap().id)
    };
    app.app.store.write(drop).await.unwrap();
    assert_eq!(tried(&app, PASSWORD).await, "login");
    let page = browser.open(PATH).await;
    assert_eq!(page.page(), "passkey");
    let page = browser.tap(&page, &mut phone).await;
    let page = browser.submit(&page, &[("password", NEW)]).await;
    assert_eq!(page.page(), "account-passkeys", "{page:?}");
    assert_eq!(tried(&app, NEW).await, "code");
}

/// `thief` has the cookie that the browser had before.
async fn is_out(thief: &mut Browser) {
    let silent = Request::new().with("prompt", "none");
    assert_eq!(thief.open(&silent.path()).await.outcome(), "login_required");
    assert_eq!(thief.open("/account/passkeys").await.page(), "login");
}

#[tokio::test]
async fn who_changes_what_they_sign_in_with_has_another_cookie_though_nothing_had_to_be_shown() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        // The password was given a moment ago: nothing is asked for.
        let mut thief = browser.clone();
        let page = browser.open(PATH).await;
        assert_eq!(page.page(), "account-password");
        let page = browser.submit(&page, &[("password", NEW)]).await;
        assert_eq!(page.page(), "account-passkeys", "{page:?}");
        is_out(&mut thief).await;

        let mut phone = crate::authenticator::Authenticator::new(crate::app::ISSUER);
        let mut thief = browser.clone();
        let page = browser.submit(&page, &[]).await;
        assert_eq!(page.page(), "enrol-passkey");
        let page = browser.tap(&page, &mut phone).await;
        // From the moment that it is there, whatever the person does next.
        assert_eq!(page.page(), "recovery-codes");
        is_out(&mut thief).await;
        let mut thief = browser.clone();
        assert_eq!(browser.submit(&page, &[]).await.page(), "account-passkeys");
        is_out(&mut thief).await;

        // Shown at the first change; the others need nothing more.
        for fields in
            [&[("action", "codes")][..], &[("action", "rename"), ("label", "Phone")], &[("action", "remove")]]
        {
            crate::passkeys::change(&mut browser, &mut phone, &[("action", "rename"), ("label", "Mine")])
                .await;
            let mut thief = browser.clone();
            crate::passkeys::change(&mut browser, &mut phone, fields).await;
            is_out(&mut thief).await;
        }
    }
}

#[tokio::test]
async fn of_twenty_new_passwords_at_once_one_is_judged_and_who_tries_too_many_waits() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let mut page = browser.open(PATH).await;
        if page.page() == "password" {
            page = browser.submit(&page, &[("password", PASSWORD)]).await;
        }
        let before = app.app.passwords.worked();
        let tabs = (0..20).map(|_| {
            let (mut tab, page) = (browser.clone(), page.clone());
            async move { tab.submit(&page, &[("password", "password1")]).await }
        });
        let pages = join_all(tabs).await;
        assert!(pages.iter().all(|page| page.page() == "account-password"), "{pages:?}");
        assert_eq!(app.app.passwords.worked() - before, 1);
        let mut tries = 1;
        let refused = loop {
            page = browser.open(&page.path.replace("/account-password", "")).await;
            let reply = browser.submit(&page, &[("password", "password1")]).await;
            if reply.status == 429 {
                break reply;
            }
            assert!(reply.body.contains("everybody guesses"), "{reply:?}");
            tries += 1;
        };
        assert_eq!((tries, refused.header("retry-after")), (21, "60"));
        assert_eq!(app.app.passwords.worked() - before, tries);
        app.clock.advance(60);
        let page = browser.open(&page.path).await;
        assert_eq!(browser.submit(&page, &[("password", NEW)]).await.page(), "account-passkeys");
    }
}
