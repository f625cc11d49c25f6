//! What ends in the very moment in which something rests on it: the request has read that it stands, and does nothing all the same.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::audit::entries;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::TestDatabase;
use crate::database::databases;
use crate::database::postgresql;
use crate::passkeys::code_of;
use crate::passkeys::with_passkey;
use crate::recovery::about_to_replace;
use crate::recovery::give_another_passkey;
use crate::recovery::owner;
use crate::recovery::owner_was_told;
use crate::recovery::replace;
use crate::relying_party::Request;
use crate::smtp::Manner;
use crate::smtp::SmtpServer;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use serde_json::json;
use std::thread;
use std::time::Duration;
use stepgate::account::recovery;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use tokio::join;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

const DISABLED: &str = "UPDATE users SET disabled_at = 1";
const REPLACED: &str = "UPDATE credentials SET enrolled_at = enrolled_at + 1 WHERE kind = 'pwd'";
const REMOVED: &str = "DELETE FROM credentials WHERE kind = 'pwd'";
/// By whoever changes what they prove themself with.
const TAKEN: &str = "UPDATE users SET second_factor = second_factor";
const ENDED: &str = "UPDATE sessions SET ended_at = 1";
const VOIDED: &str = "UPDATE events SET voided_at = 1";
const UNTIL_SOMEBODY_WAITS: &str = "DO $$ BEGIN
    FOR n IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock');
        PERFORM pg_sleep(0.01);
        ASSERT n < 1000, 'nobody waits';
    END LOOP;
END $$";

/// `change` is under way, and is committed while the request waits for it; SQLite doesn't say that somebody waits, so there it is a while
/// later.
async fn meanwhile(app: &TestApp, change: &str, request: impl Future<Output = Reply>) -> Reply {
    meanwhile_and(app, change, "COMMIT", request).await
}

async fn meanwhile_and<T>(app: &TestApp, change: &str, then: &str, request: impl Future<Output = T>) -> T {
    let mut other: Box<dyn SimpleConnection + Send> = match app.raw_url.strip_prefix("sqlite://") {
        Some(file) => Box::new(SqliteConnection::establish(file).unwrap()),
        None => Box::new(PgConnection::establish(&app.raw_url).unwrap()),
    };
    other.batch_execute("BEGIN").unwrap();
    other.batch_execute(change).unwrap();
    let (waits, then) = (app.raw_url.starts_with("postgres"), then.to_owned());
    let commits = async {
        if !waits {
            sleep(Duration::from_millis(300)).await;
        }
        let commits = move || {
            if waits {
                other.batch_execute(UNTIL_SOMEBODY_WAITS).unwrap();
            }
            other.batch_execute(&then).unwrap();
        };
        spawn_blocking(commits).await.unwrap();
    };
    join!(request, commits).0
}

fn each_on_both(changes: &[&'static str]) -> Vec<(&'static str, TestDatabase)> {
    changes.iter().flat_map(|change| databases().into_iter().map(|database| (*change, database))).collect()
}

/// The page that sets up an authenticator app, and the code that it asks for.
async fn opened_totp(app: &TestApp, browser: &mut Browser) -> (Reply, String) {
    let page = browser.open("/account/passkeys").await;
    let page = browser.submit(&page, &[("action", "totp")]).await;
    let code = code_of(&page.between("class=\"secret\">", "<"), app.clock.now());
    (page, code)
}

async fn outcome(app: &TestApp, password: &str) -> String {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().path()).await;
    browser.submit(&page, &[("username", "ada"), ("password", password)]).await.outcome()
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_password_that_is_replaced_or_once_they_are_disabled() {
    for (change, comes_of_it) in [(DISABLED, "access_denied"), (REPLACED, "password")] {
        for database in databases() {
            let app = TestApp::on(database, "").await;
            app.user("ada").await;
            let mut browser = Browser::new(&app);
            let page = browser.open(&Request::new().path()).await;
            let proved = browser.press(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
            let settles = proved.location().unwrap();
            let reply = meanwhile(&app, change, browser.get(&settles)).await;
            let reply = browser.follow(reply).await;
            assert_eq!(reply.outcome(), comes_of_it, "{change}: {reply:?}");
            let left = app.sql(
                "SELECT count(*) FROM sessions; SELECT count(*) FROM events; SELECT count(*) FROM grants",
            );
            assert_eq!(left, "0\n0\n0", "{change}");
        }
    }
}

#[tokio::test]
async fn nothing_is_granted_to_a_client_that_changes_or_goes_in_that_moment() {
    let changed = "UPDATE clients SET version = version + 1, metadata = REPLACE(metadata, '/cb', '/other') WHERE id = 'rp'";
    let disabled = "UPDATE clients SET disabled_at = 1 WHERE id = 'rp'";
    let deleted = "DELETE FROM clients WHERE id = 'rp'";
    let server = "UPDATE clients SET disabled_at = 1 WHERE id = 'pay'";
    let withdrawn = "DELETE FROM consents";
    for (change, comes_of_it) in [
        (changed, "error"),
        (disabled, "error"),
        (deleted, "error"),
        (server, "invalid_target"),
        (withdrawn, "consent"),
    ] {
        for database in databases() {
            let app = TestApp::on(database, "").await;
            app.client("pay", json!({"redirect_uris": [], "resource": "https://pay.test"})).await;
            app.command(&["client", "update", "rp"], r#"{"skip_consent": false}"#);
            let ada = app.user("ada").await;
            let mut browser = Browser::signed_in_at(&app, &ada, "other").await;
            let request = Request::new().with("prompt", "login").with("resource", "https://pay.test");
            let page = browser.open(&request.path()).await;
            let page = browser.submit(&page, &[]).await;
            let proved = browser.press(&page, &[("password", PASSWORD)]).await;
            let settles = proved.location().unwrap();
            let reply = meanwhile(&app, change, browser.get(&settles)).await;
            let reply = browser.follow(reply).await;
            assert_eq!(reply.outcome(), comes_of_it, "{change}: {reply:?}");
            assert_eq!(app.sql("SELECT count(*) FROM grants WHERE client_id = 'rp'"), "0", "{change}");
        }
    }
}

#[tokio::test]
async fn a_session_that_is_ended_or_that_nothing_stands_in_changes_no_password() {
    for (change, database) in each_on_both(&[ENDED, VOIDED]) {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut thief = Browser::signed_in(&app, &ada).await;
        let page = thief.open("/account/password").await;
        let proved = thief.press(&page, &[("password", "another horse battery")]).await;
        let changes = proved.location().unwrap();
        let reply = meanwhile(&app, change, thief.get(&changes)).await;
        let reply = thief.follow(reply).await;
        assert_ne!(reply.page(), "account-passkeys", "{change}: {reply:?}");
        let outcomes = (outcome(&app, PASSWORD).await, outcome(&app, "another horse battery").await);
        assert_eq!(outcomes, ("code".to_owned(), "login".to_owned()), "{change}");
    }
}

#[tokio::test]
async fn a_session_that_is_ended_or_that_nothing_stands_in_sets_up_no_factor() {
    for (change, database) in each_on_both(&[ENDED, VOIDED]) {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut thief = Browser::signed_in(&app, &ada).await;
        let (page, code) = opened_totp(&app, &mut thief).await;
        let reply = meanwhile(&app, change, thief.press(&page, &[("code", &code)])).await;
        assert!([303, 200].contains(&reply.status.as_u16()), "{change}: {reply:?}");
        assert_eq!(app.sql("SELECT kind FROM credentials"), "pwd", "{change}");
    }
}

#[tokio::test]
async fn a_session_that_is_ended_or_that_nothing_stands_in_keeps_no_recovery_codes() {
    for (change, database) in each_on_both(&[ENDED, VOIDED]) {
        let app = TestApp::on(database, "").await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let mut thief = Browser::signed_in(&app, &ada).await;
        let page = thief.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
        assert_eq!(thief.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
        let page = thief.open("/account/passkeys").await;
        let page = thief.submit(&page, &[("action", "codes")]).await;
        assert_eq!(page.page(), "recovery-codes");
        let reply = meanwhile(&app, change, thief.press(&page, &[])).await;
        assert!([303, 200].contains(&reply.status.as_u16()), "{change}: {reply:?}");
        assert_eq!(app.sql("SELECT count(*) FROM credentials WHERE kind = 'recovery'"), "0", "{change}");
    }
}

/// The form that acts was read, and judged, while the password was all that there was.
#[tokio::test]
async fn a_change_that_was_judged_before_a_stronger_factor_was_added_is_judged_again_where_it_is_made() {
    let stronger = "INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at, lookup)
        SELECT 'another', user_id, 'passkey', '{}', 0, enrolled_at, 'another' FROM credentials";
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut thief = Browser::signed_in(&app, &ada).await;
        let (page, code) = opened_totp(&app, &mut thief).await;
        let held = "UPDATE users SET second_factor = second_factor;";
        let change = format!("{held} {stronger}");
        let reply = meanwhile(&app, &change, thief.press(&page, &[("code", &code)])).await;
        assert!([303, 200].contains(&reply.status.as_u16()), "{reply:?}");
        assert_eq!(app.sql("SELECT kind FROM credentials ORDER BY kind"), "passkey\npwd");
        assert_eq!(thief.follow(reply).await.page(), "passkey");
    }
}

/// A factor that is on its way in while the others are taken away goes with them.
#[tokio::test]
async fn a_reset_takes_along_what_is_set_up_in_that_moment_by_whoever_has_just_shown_what_it_takes() {
    let app = TestApp::on(postgresql(), "").await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
    assert_eq!(browser.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
    let mut thief = PgConnection::establish(&app.raw_url).unwrap();
    thief.batch_execute("BEGIN").unwrap();
    thief.batch_execute("SELECT id FROM events WHERE voided_at IS NULL FOR SHARE").unwrap();
    let sets_up = "INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at, lookup)
        SELECT 'another', user_id, 'passkey', secret, 0, enrolled_at, 'another' FROM credentials WHERE kind = 'otp'";
    thief.batch_execute(sets_up).unwrap();
    let commits = thread::spawn(move || {
        thief.batch_execute(UNTIL_SOMEBODY_WAITS).unwrap();
        thief.batch_execute("COMMIT").unwrap();
    });
    app.command(&["user", "reset-mfa", "ada"], "");
    commits.join().unwrap();
    assert_eq!(app.sql("SELECT kind FROM credentials"), "pwd");
}

#[tokio::test]
async fn of_two_resets_at_once_the_one_that_took_nothing_away_says_so() {
    let app = TestApp::on(postgresql(), "").await;
    app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut other = PgConnection::establish(&app.raw_url).unwrap();
    other.batch_execute("BEGIN; DELETE FROM credentials WHERE kind = 'otp'").unwrap();
    let commits = thread::spawn(move || {
        other.batch_execute(UNTIL_SOMEBODY_WAITS).unwrap();
        other.batch_execute("COMMIT").unwrap();
    });
    let said = app.complains(&["user", "reset-mfa", "ada"]);
    commits.join().unwrap();
    assert!(said.contains("no factor beside the password"), "{said}");
    assert_eq!(app.sql("SELECT outcome FROM audit WHERE what = 'user.factors_reset'"), "refused");
}

#[tokio::test]
async fn the_last_way_in_stays_whoever_else_removes_one() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
        assert_eq!(browser.tap(&page, &mut phone).await.outcome(), "code");
        let page = browser.open("/account/passkeys").await;
        let asked = browser.press(&page, &[("action", "remove")]).await;
        let removes = asked.location().unwrap();
        let reply = meanwhile(&app, REMOVED, browser.get(&removes)).await;
        assert!(browser.follow(reply).await.body.contains("only way in"));
        assert_eq!(app.sql("SELECT count(*) FROM credentials WHERE kind = 'passkey'"), "1");
    }
}

#[tokio::test]
async fn two_tabs_that_are_the_first_at_an_application_both_have_their_code() {
    let app = TestApp::on(postgresql(), "").await;
    let ada = app.user("ada").await;
    app.client("shop", json!({})).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let other_tab =
        "INSERT INTO session_clients (session_id, client_id, answered_at) SELECT id, 'shop', 1 FROM sessions";
    let silent = Request::new().with("client_id", "shop").with("prompt", "none").path();
    let reply = meanwhile(&app, other_tab, browser.get(&silent)).await;
    assert_eq!(reply.outcome(), "code", "{reply:?}");
}

/// Each would wait for what the other one has.
#[tokio::test]
async fn a_sign_out_takes_things_in_the_order_in_which_a_step_up_in_another_tab_does() {
    let app = TestApp::on(postgresql(), "").await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut tab = browser.clone();
    assert_eq!(
        tab.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await.page(),
        "totp"
    );
    let page = browser.get("/logout").await;
    let (first, then) =
        ("UPDATE interactions SET step = step", "UPDATE sessions SET seen_at = seen_at; COMMIT");
    let reply = meanwhile_and(&app, first, then, browser.submit(&page, &[])).await;
    assert_eq!(reply.page(), "logged-out", "{reply:?}");
    assert_eq!(app.sql("SELECT count(*) FROM sessions WHERE ended_at IS NULL"), "0");
}

/// Whoever changes somebody's factors has taken the user first: a new password, a command, a passkey that is removed.
#[tokio::test]
async fn a_sign_in_takes_things_in_the_order_in_which_a_change_of_factors_does() {
    for (change, comes_of_it) in [(REPLACED, "password"), ("DELETE FROM users", "access_denied")] {
        let app = TestApp::on(postgresql(), "").await;
        let ada = app.user("ada").await;
        app.command(&["client", "update", "rp"], r#"{"skip_consent": false}"#);
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let page = browser.sign_in(&page, &ada).await;
        assert_eq!(browser.submit(&page, &[]).await.outcome(), "code", "she approves");
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let proved = browser.press(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
        let settles = proved.location().unwrap();
        let reply = meanwhile_and(&app, TAKEN, &format!("{change}; COMMIT"), browser.get(&settles)).await;
        assert_eq!(browser.follow(reply).await.outcome(), comes_of_it, "{change}");
    }
}

#[tokio::test]
async fn a_replacement_takes_its_place_in_the_order_in_which_whoever_ends_it_takes_things() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(postgresql(), &mailbox.settings()).await;
    let ada = owner(&app, "ada").await;
    replace(&app, &ada, &ada.codes[0], &mut Authenticator::new(ISSUER)).await;
    owner_was_told(&app).await;
    app.clock.advance(24 * 60 * 60);
    let completed = async { recovery::complete_due(&app.app).await };
    meanwhile_and(&app, TAKEN, "DELETE FROM recoveries; COMMIT", completed).await.unwrap();
    assert_eq!(app.sql("SELECT COUNT(*) FROM audit WHERE what = 'recovery.done'"), "0");
    assert_eq!(app.sql("SELECT COUNT(*) FROM credentials WHERE kind = 'passkey'"), "1");
}

#[tokio::test]
async fn a_replacement_of_what_is_removed_in_that_moment_does_not_begin() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let ada = owner(&app, "ada").await;
        give_another_passkey(&app, &ada);
        let (mut browser, page) = about_to_replace(&app, &ada, &ada.codes[0]).await;
        let ceremony = browser.ceremony(&page).await;
        let credential = Authenticator::new(ISSUER).create(&ceremony["options"]);
        let removed = format!("{TAKEN}; DELETE FROM credentials WHERE kind = 'passkey' AND id <> 'another'");
        let reply = meanwhile(&app, &removed, browser.answer(&page, &ceremony, &credential)).await;
        assert!(reply.body.contains("That one is not there any more."), "{reply:?}");
        assert_eq!(app.sql("SELECT COUNT(*) FROM recoveries"), "0");
        assert_eq!(app.sql("SELECT COUNT(*) FROM audit WHERE what = 'recovery.begun'"), "0");
    }
}

#[tokio::test]
async fn a_proof_that_another_form_overtook_is_nowhere() {
    for database in databases() {
        // Half a second, in which the other form comes.
        let app = TestApp::on(database, "[argon2]\nmemory_kib = 19456\niterations = 60").await;
        app.user("ada").await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let proves = browser.press(&page, &[("username", "ada"), ("password", PASSWORD)]);
        let overtakes = async {
            while app.sql("SELECT step FROM interactions") == "0" {
                sleep(Duration::from_millis(10)).await;
            }
            app.sql("UPDATE interactions SET step = step + 1");
        };
        let (reply, ()) = join!(proves, overtakes);
        assert_eq!(reply.status, 303);
        assert_eq!(browser.follow(reply).await.page(), "login");
        assert!(entries(&app).await.iter().all(|entry| entry["what"] != "proof"));
        assert_eq!(app.app.passwords.compared(), 1, "it was looked at");
    }
}
