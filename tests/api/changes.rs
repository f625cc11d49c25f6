//! What a change of somebody's factors demands, through every door, and what is tried to get past it.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::passkeys::change;
use crate::passkeys::code_of;
use crate::passkeys::with_passkey;
use crate::relying_party::Request;
use crate::smtp::Manner;
use crate::smtp::SmtpServer;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;

const ACCOUNT: &str = "/account/passkeys";
const MFA: &str = "urn:stepgate:acr:mfa";
const NEW: &str = "another horse battery";
/// Each class of the defaults, and one more that is sound and weak.
const WEAK_LAST: &str = r#"
acr = [
  {name = "urn:stepgate:acr:1fa", any_of = ["pwd", "webauthn+uv"]},
  {name = "urn:stepgate:acr:pwd", any_of = ["pwd"]},
  {name = "urn:stepgate:acr:mfa", any_of = ["webauthn+uv", "otp & pwd within 12h", "webauthn & pwd within 12h", "recovery & pwd within 12h"]},
  {name = "phr", any_of = ["webauthn+uv", "webauthn & pwd within 12h"]},
  {name = "urn:acme:recent-password", max_age = "5m", any_of = ["pwd"]},
]
"#;
/// Others, in an order that says nothing about their strength.
const MIXED: &str = r#"
acr = [
  {name = "any", any_of = ["pwd", "webauthn+uv"]},
  {name = "phr", any_of = ["webauthn+uv", "webauthn & pwd within 12h"]},
  {name = "urn:stepgate:acr:mfa", any_of = ["webauthn+uv", "otp & pwd within 12h", "recovery & pwd within 12h"]},
  {name = "typed", any_of = ["pwd"]},
]
"#;

/// The kinds of a user's factors, by name.
fn factors(app: &TestApp, name: &str) -> Vec<String> {
    let of_user = format!("SELECT id FROM users WHERE username = '{name}'");
    let kinds = format!("SELECT kind FROM credentials WHERE user_id = ({of_user}) ORDER BY kind");
    app.sql(&kinds).lines().map(str::to_owned).collect()
}

async fn pressed(browser: &mut Browser, fields: &[(&str, &str)]) -> Reply {
    let page = browser.open(ACCOUNT).await;
    assert_eq!(page.page(), "account-passkeys", "{page:?}");
    browser.submit(&page, fields).await
}

/// The code of the newest mail of so many.
async fn mailed_code(mailbox: &SmtpServer, mails: usize) -> String {
    let newest = mailbox.wait_for(mails).await.pop().unwrap();
    newest.code().unwrap_or_else(|| panic!("no code in {}", newest.text)).to_owned()
}

/// Somebody with an address and a session of their password.
async fn with_address(app: &TestApp, name: &str) -> (TestUser, Browser) {
    let user = app.user(name).await;
    app.command(&["user", "update", name, "--email", &format!("{name}@op.test")], "");
    let browser = Browser::signed_in(app, &user).await;
    (user, browser)
}

fn totp_code(app: &TestApp, page: &Reply) -> String {
    code_of(&page.between("class=\"secret\">", "<"), app.clock.now())
}

#[tokio::test]
async fn no_order_and_no_class_of_the_policy_lowers_what_a_change_demands() {
    for settings in ["", WEAK_LAST, MIXED] {
        for database in databases() {
            let app = TestApp::on(database, settings).await;
            let (ada, _, _) = with_passkey(&app, "ada").await;
            let mut thief = Browser::signed_in(&app, &ada).await;
            for action in ["remove", "rename", "continue", "security-key", "totp", "codes"] {
                let asked = pressed(&mut thief, &[("action", action), ("label", "mine")]).await;
                assert_eq!(asked.page(), "passkey", "{action} under {settings}");
                assert!(!asked.body.contains("value=\"other-way\""), "{asked:?}");
                thief.submit(&asked, &[("action", "decline")]).await;
            }
            assert_eq!(thief.open("/account/password").await.page(), "passkey", "{settings}");
            assert_eq!(factors(&app, "ada"), ["passkey", "pwd", "recovery"], "{settings}");
        }
    }
}

#[tokio::test]
async fn no_order_and_no_class_of_the_policy_lets_anybody_enrol_past_the_factor_that_is_there() {
    for settings in ["", WEAK_LAST, MIXED] {
        let app = TestApp::on(sqlite(), settings).await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let mut thief = Browser::new(&app);
        let page = thief.open(&Request::new().with("acr_values", "phr").path()).await;
        let page = thief.sign_in(&page, &ada).await;
        assert_eq!(page.page(), "totp", "{settings}: {page:?}");
        assert!(!page.body.contains("value=\"other-way\""), "{page:?}");
    }
}

/// What somebody with the password alone opens on the account page, and the page on which the change is made there.
const DOORS: [(&str, &str); 3] =
    [("continue", "enrol-passkey"), ("security-key", "enrol-passkey"), ("totp", "enrol-totp")];

#[tokio::test]
async fn every_door_that_adds_a_factor_wants_the_mailed_code_too() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let mut mails = 0;
        for (n, (action, enrols)) in DOORS.into_iter().enumerate() {
            let (_, mut browser) = with_address(&app, &format!("user{n}")).await;
            let page = pressed(&mut browser, &[("action", action)]).await;
            assert_eq!(page.page(), "mail-code", "{action}");
            mails += 1;
            let code = mailed_code(&mailbox, mails).await;
            // The page of the next step is not to be had before.
            let own = page.hidden_fields();
            let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
            let (here, had) = (page.form_action(), factors(&app, &format!("user{n}")));
            let skipped = browser.post(&here.replace("mail-code", enrols), &own).await;
            assert_eq!(browser.follow(skipped).await.page(), "mail-code", "{action}");
            assert_eq!(factors(&app, &format!("user{n}")), had);
            let page = browser.submit(&page, &[("code", &code)]).await;
            assert_eq!(page.page(), enrols, "{action}");
        }
        // Recovery codes are a factor more, and so is the first password.
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = pressed(&mut browser, &[("action", "codes")]).await;
        assert_eq!(page.page(), "totp");
        let page = browser.submit(&page, &[("code", &ada.code(&app))]).await;
        assert_eq!(page.page(), "mail-code");
        mails += 1;
        let code = mailed_code(&mailbox, mails).await;
        let page = browser.submit(&page, &[("code", &code)]).await;
        assert_eq!(page.page(), "recovery-codes");
        assert_eq!(browser.submit(&page, &[]).await.page(), "account-passkeys");
        // Another password in the place of the old one is none.
        assert_eq!(browser.open("/account/password").await.page(), "account-password");
        assert_eq!(factors(&app, "ada"), ["otp", "pwd", "recovery"]);
    }
}

#[tokio::test]
async fn the_first_password_of_somebody_with_a_passkey_wants_the_mailed_code() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
    app.sql("DELETE FROM credentials WHERE kind = 'pwd'");
    let page = browser.open("/account/password").await;
    assert_eq!(page.page(), "passkey");
    let page = browser.tap(&page, &mut phone).await;
    assert_eq!(page.page(), "mail-code");
    let page = browser.submit(&page, &[("code", &mailed_code(&mailbox, 1).await)]).await;
    assert_eq!(page.page(), "account-password");
    assert_eq!(browser.submit(&page, &[("password", NEW)]).await.page(), "account-passkeys");
    assert_eq!(factors(&app, "ada"), ["passkey", "pwd", "recovery"]);
}

#[tokio::test]
async fn a_first_password_that_was_typed_before_an_address_was_verified_waits_for_its_code() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    app.sql("DELETE FROM credentials WHERE kind = 'pwd'");
    let page = browser.open("/account/password").await;
    let page = browser.tap(&page, &mut phone).await;
    assert_eq!(page.page(), "account-password");
    let typed = browser.press(&page, &[("password", NEW)]).await;
    app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
    let page = browser.follow(typed).await;
    assert_eq!(page.page(), "mail-code", "{page:?}");
    assert_eq!(factors(&app, "ada"), ["passkey", "recovery"]);
    let page = browser.submit(&page, &[("code", &mailed_code(&mailbox, 1).await)]).await;
    assert_eq!(page.page(), "account-passkeys");
    assert_eq!(factors(&app, "ada"), ["passkey", "pwd", "recovery"]);
}

#[tokio::test]
async fn where_no_mail_can_be_sent_the_password_opens_the_door_for_the_first_factor_only() {
    let app = TestApp::spawn().await;
    for (n, (action, enrols)) in DOORS.into_iter().enumerate() {
        let user = app.user(&format!("user{n}")).await;
        let mut browser = Browser::signed_in(&app, &user).await;
        assert_eq!(pressed(&mut browser, &[("action", action)]).await.page(), enrols);
    }
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut thief = Browser::signed_in(&app, &ada).await;
    for action in ["continue", "security-key", "codes"] {
        assert_eq!(pressed(&mut thief, &[("action", action)]).await.page(), "totp", "{action}");
    }
}

#[tokio::test]
async fn recovery_codes_exist_only_beside_a_second_factor() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let bob = app.user("bob").await;
        let mut browser = Browser::signed_in(&app, &bob).await;
        let page = browser.open(ACCOUNT).await;
        assert!(page.body.contains("Add one of them first") && !page.body.contains("value=\"codes\""));
        let refused = browser.submit(&page, &[("action", "codes")]).await;
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("Add one of them first"), "{refused:?}");

        // Some that are there all the same prove nothing, and the first second factor replaces them.
        app.sql(
            "INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at)
             SELECT 'old codes', user_id, 'recovery', '', 0, enrolled_at FROM credentials",
        );
        assert_eq!(factors(&app, "bob").len(), 2);
        let mut phone = Authenticator::new(ISSUER);
        crate::passkeys::add(&mut browser, &mut phone).await;
        assert_eq!(app.sql("SELECT count(*) FROM credentials WHERE id = 'old codes'"), "0");
        assert_eq!(factors(&app, "bob"), ["passkey", "pwd", "recovery"]);
        // With the last one they go.
        change(&mut browser, &mut phone, &[("action", "remove")]).await;
        assert_eq!(factors(&app, "bob"), ["pwd"]);
        assert_eq!(app.sql("SELECT count(*) FROM recovery_codes"), "0");
    }
}

#[tokio::test]
async fn recovery_codes_go_with_the_last_second_factor_whoever_takes_it_away() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        let page = pressed(&mut browser, &[("action", "totp")]).await;
        let page = if page.page() == "passkey" { browser.tap(&page, &mut phone).await } else { page };
        assert_eq!(page.page(), "enrol-totp", "{page:?}");
        let code = totp_code(&app, &page);
        assert_eq!(browser.submit(&page, &[("code", &code)]).await.page(), "account-passkeys");
        // Another one is left that they stand in for.
        change(&mut browser, &mut phone, &[("action", "remove")]).await;
        assert_eq!(factors(&app, "ada"), ["otp", "pwd", "recovery"]);
        app.command(&["user", "reset-mfa", "ada"], "");
        assert_eq!(factors(&app, "ada"), ["pwd"]);
    }
}

/// Opens a page of the account in a session of the password alone, and what its form sends.
async fn opened(app: &TestApp, thief: &mut Browser, what: &str) -> (Reply, Vec<(String, String)>) {
    let page = match what {
        "password" => thief.open("/account/password").await,
        action => pressed(thief, &[("action", action)]).await,
    };
    let fields = match page.page().as_str() {
        "enrol-totp" => vec![("code".to_owned(), totp_code(app, &page))],
        "account-password" => vec![("password".to_owned(), NEW.to_owned())],
        "enrol-passkey" => {
            let ceremony = thief.ceremony(&page).await;
            let said = Authenticator::new(ISSUER).create(&ceremony["options"]);
            let id = ceremony["ceremony"].as_str().unwrap().to_owned();
            vec![("ceremony".to_owned(), id), ("credential".to_owned(), said)]
        }
        other => panic!("{what} leads to {other}"),
    };
    (page, fields)
}

#[tokio::test]
async fn a_page_that_was_opened_before_a_stronger_factor_was_added_asks_for_that_one() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        for (n, what) in ["continue", "security-key", "totp", "password"].into_iter().enumerate() {
            let name = format!("user{n}");
            let user = app.user(&name).await;
            let mut thief = Browser::signed_in(&app, &user).await;
            let (page, fields) = opened(&app, &mut thief, what).await;
            let mut owner = Browser::signed_in(&app, &user).await;
            crate::passkeys::add(&mut owner, &mut Authenticator::new(ISSUER)).await;
            let before = factors(&app, &name);
            let fields = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
            let reply = thief.submit(&page, &fields).await;
            assert_eq!(reply.page(), "passkey", "{what}: {reply:?}");
            assert_eq!(factors(&app, &name), before, "{what}");
            let mut old = Browser::new(&app);
            let login = old.open(&Request::new().path()).await;
            let outcome = old.submit(&login, &[("username", &name), ("password", PASSWORD)]).await.outcome();
            assert_eq!(outcome, "code", "{what} changed the password");
        }
    }
}

#[tokio::test]
async fn recovery_codes_whose_page_was_opened_before_a_stronger_factor_was_added_are_not_kept() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut thief = Browser::signed_in(&app, &ada).await;
    let page = pressed(&mut thief, &[("action", "codes")]).await;
    let page = thief.submit(&page, &[("code", &ada.code(&app))]).await;
    assert_eq!(page.page(), "recovery-codes");
    app.clock.advance(30);
    let mut owner = Browser::signed_in(&app, &ada).await;
    let asked = pressed(&mut owner, &[]).await;
    let asked = owner.submit(&asked, &[("code", &ada.code(&app))]).await;
    let kept = owner.tap(&asked, &mut Authenticator::new(ISSUER)).await;
    assert_eq!(kept.page(), "recovery-codes");
    let reply = thief.submit(&page, &[]).await;
    assert_eq!(reply.page(), "passkey", "{reply:?}");
    assert_eq!(factors(&app, "ada"), ["otp", "passkey", "pwd"]);
}

/// A step-up of somebody with the password alone, at the page of an authenticator app.
async fn sets_an_app_up(app: &TestApp, user: &TestUser) -> (Browser, Reply) {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = browser.sign_in(&page, user).await;
    let page = browser.submit(&page, &[("action", "other-way")]).await;
    assert_eq!(page.page(), "enrol-totp", "{page:?}");
    (browser, page)
}

#[tokio::test]
async fn an_enrolment_in_a_step_up_asks_for_a_stronger_factor_that_was_added_meanwhile() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let (mut thief, page) = sets_an_app_up(&app, &bob).await;
    let code = totp_code(&app, &page);
    let mut owner = Browser::signed_in(&app, &bob).await;
    crate::passkeys::add(&mut owner, &mut Authenticator::new(ISSUER)).await;
    // Of what is there by now, the other way.
    let reply = thief.submit(&page, &[("code", &code)]).await;
    assert_eq!(reply.page(), "recovery", "{reply:?}");
    assert_eq!(factors(&app, "bob"), ["passkey", "pwd", "recovery"]);
}

#[tokio::test]
async fn a_code_that_the_old_address_was_mailed_opens_nothing_once_there_is_another_one() {
    for entered in [false, true] {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(sqlite(), &mailbox.settings()).await;
        let (_, mut thief) = with_address(&app, "ada").await;
        let page = pressed(&mut thief, &[("action", "totp")]).await;
        let code = mailed_code(&mailbox, 1).await;
        let page = if entered { thief.submit(&page, &[("code", &code)]).await } else { page };
        let code = if entered { totp_code(&app, &page) } else { code };
        app.command(&["user", "update", "ada", "--email", "ada@elsewhere.test"], "");
        assert_eq!(thief.submit(&page, &[("code", &code)]).await.status, 400, "{entered}");
        assert_eq!(factors(&app, "ada"), ["pwd"]);
    }
}

#[tokio::test]
async fn what_was_set_up_before_an_address_was_verified_stays_and_codes_are_offered_another_time() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    for action in ["continue", "decline"] {
        let app = TestApp::on(sqlite(), &mailbox.settings()).await;
        let bob = app.user("bob").await;
        let mut browser = Browser::signed_in(&app, &bob).await;
        let page = pressed(&mut browser, &[]).await;
        let page = browser.tap(&page, &mut Authenticator::new(ISSUER)).await;
        assert_eq!(page.page(), "recovery-codes");
        app.command(&["user", "update", "bob", "--email", "bob@op.test"], "");
        assert_eq!(browser.submit(&page, &[("action", action)]).await.page(), "account-passkeys");
        assert_eq!(factors(&app, "bob"), ["passkey", "pwd"]);
    }
}

#[tokio::test]
async fn codes_that_a_stronger_factor_forbids_by_now_are_not_offered_in_a_step_up() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let (mut thief, page) = sets_an_app_up(&app, &bob).await;
    let page = thief.submit(&page, &[("code", &totp_code(&app, &page))]).await;
    assert_eq!(page.page(), "recovery-codes");
    app.sql(
        "INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at, lookup)
         SELECT 'another', user_id, 'passkey', '{}', 0, enrolled_at, 'another' FROM credentials WHERE kind = 'pwd'",
    );
    assert_eq!(thief.submit(&page, &[]).await.outcome(), "code");
    assert_eq!(factors(&app, "bob"), ["otp", "passkey", "pwd"]);
}

#[tokio::test]
async fn an_address_that_was_verified_meanwhile_wants_its_code() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let bob = app.user("bob").await;
    let mut thief = Browser::signed_in(&app, &bob).await;
    let (page, fields) = opened(&app, &mut thief, "totp").await;
    app.command(&["user", "update", "bob", "--email", "bob@op.test"], "");
    let fields = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    let reply = thief.submit(&page, &fields).await;
    assert_eq!(reply.page(), "mail-code", "{reply:?}");
    assert_eq!(factors(&app, "bob"), ["pwd"]);
}

#[tokio::test]
async fn somebody_has_fifty_passkeys_and_no_more() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        app.sql(
            "WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 50)
             INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at, lookup, detail)
             SELECT 'key ' || n, user_id, kind, secret, 0, enrolled_at, 'key ' || n, detail
             FROM credentials, n WHERE kind = 'passkey'",
        );
        let page = pressed(&mut browser, &[]).await;
        let page = browser.tap(&page, &mut phone).await;
        assert_eq!(page.page(), "enrol-passkey");
        let page = browser.tap(&page, &mut Authenticator::new(ISSUER)).await;
        assert!(page.body.contains("as many passkeys as can be kept"), "{page:?}");
        assert_eq!(app.sql("SELECT count(*) FROM credentials WHERE kind = 'passkey'"), "50");
    }
}
