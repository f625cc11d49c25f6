//! What ends in the very moment in which something rests on it: the request has read that it stands, and does nothing all the same.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::passkeys::code_of;
use crate::passkeys::with_passkey;
use crate::relying_party::Request;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use std::time::Duration;
use stepgate::base::time::Clock;
use tokio::join;
use tokio::time::sleep;

const DISABLED: &str = "UPDATE users SET disabled_at = 1";
const REPLACED: &str = "UPDATE credentials SET enrolled_at = enrolled_at + 1 WHERE kind = 'pwd'";
const REMOVED: &str = "DELETE FROM credentials WHERE kind = 'pwd'";
const ENDED: &str = "UPDATE sessions SET ended_at = 1";

/// `change` is under way, and is committed while the request waits.
async fn meanwhile(app: &TestApp, change: &str, request: impl Future<Output = Reply>) -> Reply {
    let mut other: Box<dyn SimpleConnection> = match app.raw_url.strip_prefix("sqlite://") {
        Some(file) => Box::new(SqliteConnection::establish(file).unwrap()),
        None => Box::new(PgConnection::establish(&app.raw_url).unwrap()),
    };
    other.batch_execute("BEGIN").unwrap();
    other.batch_execute(change).unwrap();
    let commits = async {
        sleep(Duration::from_millis(300)).await;
        other.batch_execute("COMMIT").unwrap();
    };
    join!(request, commits).0
}

/// Presses a button of `page`, and leaves where that leads to for later.
async fn sent(browser: &mut Browser, page: &Reply, action: &str, fields: &[(&str, &str)]) -> Reply {
    let hidden = page.hidden_fields_beside(&format!("name=\"action\" value=\"{action}\""));
    let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let form = hidden.chain(fields.iter().copied()).chain([("action", action)]).collect::<Vec<_>>();
    browser.post(&page.form_action(), &form).await
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
            let proved =
                sent(&mut browser, &page, "continue", &[("username", "ada"), ("password", PASSWORD)]).await;
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
async fn a_session_that_is_ended_changes_no_password() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut thief = Browser::signed_in(&app, &ada).await;
        let page = thief.open("/account/password").await;
        let proved = sent(&mut thief, &page, "continue", &[("password", "another horse battery")]).await;
        let changes = proved.location().unwrap();
        let reply = meanwhile(&app, ENDED, thief.get(&changes)).await;
        let reply = thief.follow(reply).await;
        assert_ne!(reply.page(), "account-passkeys", "{reply:?}");
        let outcomes = (outcome(&app, PASSWORD).await, outcome(&app, "another horse battery").await);
        assert_eq!(outcomes, ("code".to_owned(), "login".to_owned()));
    }
}

#[tokio::test]
async fn a_session_that_is_ended_sets_up_no_factor() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        for action in ["totp", "codes"] {
            let mut thief = Browser::signed_in(&app, &ada).await;
            let page = thief.open("/account/passkeys").await;
            let page = thief.submit(&page, &[("action", action)]).await;
            let code = match page.page().as_str() {
                "enrol-totp" => code_of(&page.between("class=\"secret\">", "<"), app.clock.now()),
                _ => String::new(),
            };
            let reply = meanwhile(&app, ENDED, sent(&mut thief, &page, "continue", &[("code", &code)])).await;
            assert!([303, 200].contains(&reply.status.as_u16()), "{action}: {reply:?}");
            let factors = app.sql("SELECT kind FROM credentials");
            assert_eq!(factors, "pwd", "{action}");
        }
    }
}

#[tokio::test]
async fn the_last_way_in_stays_whoever_else_removes_one() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
        assert_eq!(browser.tap(&page, &mut phone).await.outcome(), "code");
        let page = browser.open("/account/passkeys").await;
        let asked = sent(&mut browser, &page, "remove", &[]).await;
        let removes = asked.location().unwrap();
        let reply = meanwhile(&app, REMOVED, browser.get(&removes)).await;
        assert!(browser.follow(reply).await.body.contains("only way in"));
        assert_eq!(app.sql("SELECT count(*) FROM credentials WHERE kind = 'passkey'"), "1");
    }
}
