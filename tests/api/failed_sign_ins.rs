//! Failed sign-ins can be looked into: by an administrator in the log, by the owner of the account on their page, and by nobody else.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::logs;
use crate::relying_party::Request;
use stepgate::assurance::factors::SecondFactor;

const PATH: &str = "/account/passkeys";

/// The answer to the form itself, before anything is followed.
async fn typed(app: &TestApp, source: &str, name: &str, password: &str) -> Reply {
    let mut browser = Browser::new(app);
    browser.source = Some(source.to_owned());
    let page = browser.open(&Request::new().path()).await;
    browser.press(&page, &[("username", name), ("password", password)]).await
}

/// The line of that answer which says what became of the proof, and the name in it.
fn line_of(reply: &Reply, what: &str) -> (String, String) {
    let lines = logs::of_request(reply.header("x-request-id"));
    let found = lines.iter().filter(|line| line.contains(what)).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{lines:#?}");
    let name = found[0].split_once(" name=\"").unwrap().1.split_once('"').unwrap().0;
    (found[0].clone(), name.to_owned())
}

async fn told(browser: &mut Browser) -> Option<String> {
    let page = browser.get(PATH).await;
    assert_eq!(page.page(), "account-passkeys");
    page.body.contains("failed sign-in").then(|| page.between("<p>", "</p>"))
}

#[tokio::test]
async fn a_failed_proof_is_logged_with_its_source_its_client_and_a_keyed_hash_of_the_name() {
    logs::record();
    let app = TestApp::on(sqlite(), "trusted_proxies = [\"127.0.0.1\"]").await;
    let ada = app.user_with_totp("ada.of.the.log", SecondFactor::StepUp).await;
    let (line, known) = line_of(&typed(&app, "192.0.2.7", "Ada.of.the.log ", "wrong").await, "proof.failed");
    for part in ["source=\"192.0.2.7\"", "client=\"rp\"", "method=\"pwd\""] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let (_, unknown) = line_of(&typed(&app, "192.0.2.8", "nobody.of.the.log", "wrong").await, "proof.failed");
    assert!(known != unknown && known.len() == 16 && unknown.len() == 16, "{known} {unknown}");
    // The name is not in the log, and an administrator knows what stands there for it.
    assert!(!logs::everything().to_lowercase().contains("of.the.log"));
    let shown = app.says_in_json(&["user", "show", "ada.of.the.log"]);
    assert_eq!(shown["names_in_log"], serde_json::json!([known]));
    // Another proof, of somebody who is known by now.
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
    let reply = browser.press(&page, &[("code", "000000")]).await;
    let (line, name) = line_of(&reply, "proof.failed");
    assert!(line.contains("method=\"otp\"") && name == known, "{line}");
    // And one that nobody looked at.
    for _ in 0..5 {
        typed(&app, "192.0.2.8", "nobody.of.the.log", "wrong").await;
    }
    let braked = typed(&app, "192.0.2.8", "nobody.of.the.log", "wrong").await;
    let (line, name) = line_of(&braked, "proof.braked");
    assert!(line.contains("source=\"192.0.2.8\"") && name == unknown, "{line}");
}

#[tokio::test]
async fn failed_sign_ins_are_told_to_the_owner_of_the_account_once_signed_in() {
    for database in databases() {
        let app = TestApp::on(database, "trusted_proxies = [\"127.0.0.1\"]").await;
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let mut home = Browser::signed_in(&app, &ada).await;
        assert_eq!(told(&mut home).await, None);
        for n in 0..3 {
            app.clock.advance(60);
            assert_eq!(typed(&app, &format!("192.0.2.{n}"), "ada", "wrong").await.status, 303);
        }
        typed(&app, "192.0.2.9", "nobody", "wrong").await;
        let at = chrono_of(&app);
        let said = told(&mut home).await.unwrap();
        assert!(
            said.starts_with("3 failed sign-in attempts since your last sign-in, the last one on "),
            "{said}"
        );
        assert!(said.contains(&at), "{said} {at}");
        // A success clears the brake, and not what is told.
        let mut elsewhere = Browser::signed_in(&app, &ada).await;
        assert_eq!(told(&mut elsewhere).await, Some(said));
        app.clock.advance(60);
        typed(&app, "192.0.2.1", "ada", "wrong").await;
        let mut third = Browser::signed_in(&app, &ada).await;
        assert!(told(&mut third).await.unwrap().starts_with("1 failed sign-in attempt since"));
        let mut fourth = Browser::signed_in(&app, &ada).await;
        assert_eq!(told(&mut fourth).await, None, "there is nothing new");
        assert_eq!(
            told(&mut Browser::signed_in(&app, &bob).await).await,
            None,
            "it is nobody else's business"
        );
        app.command(&["user", "delete", "ada"], "");
        assert_eq!(app.sql(&format!("SELECT count(*) FROM failed_sign_ins WHERE about = '{}'", ada.id)), "0");
    }
}

/// As pages write a moment.
fn chrono_of(app: &TestApp) -> String {
    use stepgate::base::time::Clock;
    app.clock.now().date("%-d %B %Y at %H:%M (UTC)")
}

#[tokio::test]
async fn names_that_nobody_has_are_the_same_writes_and_fill_no_table() {
    for database in databases() {
        let app = TestApp::on(database, "trusted_proxies = [\"127.0.0.1\"]").await;
        app.user("ada").await;
        let written = |about: &str| {
            app.sql(&format!(
                "SELECT count(*), sum(failures) FROM failed_sign_ins WHERE about {about} 'nobody %'"
            ))
        };
        typed(&app, "198.51.100.1", "nobody", "wrong").await;
        typed(&app, "198.51.100.1", "ada", "wrong").await;
        assert_eq!(written("LIKE"), written("NOT LIKE"), "a row each");
        for n in 0..90 {
            typed(&app, &format!("10.1.{n}.1"), &format!("nobody{n}"), "wrong").await;
        }
        let rows = app.sql("SELECT count(*) FROM failed_sign_ins WHERE about LIKE 'nobody %'");
        assert!(rows.parse::<u32>().unwrap() <= 64, "{rows}");
        assert_eq!(app.sql("SELECT sum(failures) FROM failed_sign_ins"), "92");
    }
}

#[tokio::test]
async fn a_failed_second_factor_is_told_too_and_a_stranger_is_told_nothing() {
    let app = TestApp::spawn().await;
    let ada: TestUser = app.user_with_totp("ada", SecondFactor::SignIn).await;
    let mut thief = Browser::new(&app);
    let page = thief.open(&Request::new().path()).await;
    let page = thief.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    let page = thief.submit(&page, &[("code", "000000")]).await;
    assert_eq!(page.page(), "totp");
    assert!(!page.body.contains("failed sign-in"), "{}", page.body);
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    assert!(!page.body.contains("failed sign-in"), "{}", page.body);
    let page = browser.sign_in(&page, &ada).await;
    assert_eq!(browser.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
    assert!(told(&mut browser).await.unwrap().starts_with("1 failed sign-in attempt since"));
    let mut german = browser;
    german.language = Some("de".into());
    let page = german.get(PATH).await;
    assert!(
        page.body.contains("1 fehlgeschlagener Anmeldeversuch seit Ihrer letzten Anmeldung"),
        "{}",
        page.body
    );
}
