//! A page that is open is held against its client again, as the client is by then: what was allowed or enough when the page was
//! opened need not be when it answers.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::logs;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::error;
use crate::relying_party::redeem;
use crate::relying_party::tokens;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;

const MFA: &str = "urn:stepgate:acr:mfa";
const OTHER: &str = r#"{"redirect_uris": ["https://rp.test/other"]}"#;
const DISABLED: &str = "UPDATE clients SET disabled_at = 1 WHERE id = 'rp'";

/// What an administrator does meanwhile.
enum Meanwhile {
    Update(&'static str),
    Command(&'static [&'static str]),
    Sql(&'static str),
}

fn happens(app: &TestApp, meanwhile: &Meanwhile) {
    match meanwhile {
        Meanwhile::Update(metadata) => app.command(&["client", "update", "rp"], metadata),
        Meanwhile::Command(arguments) => app.command(arguments, ""),
        Meanwhile::Sql(statement) => drop(app.sql(statement)),
    }
}

/// Everybody's servers, with people who have a password and an authenticator app.
async fn servers() -> Vec<(TestApp, TestUser)> {
    let mut servers = Vec::new();
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let pay = json!({"redirect_uris": [], "resource": "https://pay.test", "scopes_supported": ["p"]});
        app.client("pay", pay).await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        servers.push((app, ada));
    }
    servers
}

/// A server whose client `rp` is approved by nobody.
async fn unapproved() -> Vec<(TestApp, TestUser)> {
    let servers = servers().await;
    for (app, _) in &servers {
        app.command(&["client", "update", "rp"], r#"{"skip_consent": false}"#);
    }
    servers
}

fn granted(app: &TestApp) -> String {
    app.sql("SELECT count(*) FROM grants")
}

async fn is_over(app: &TestApp, browser: &mut Browser, page: &Reply, reply: &Reply, before: &str) {
    assert_eq!((reply.status.as_u16(), reply.location()), (400, None), "{reply:?}");
    assert_eq!((reply.page().as_str(), granted(app).as_str()), ("error", before), "{reply:?}");
    let said = logs::of_request(reply.header("x-request-id")).join("\n");
    assert!(said.contains("interaction.ended"), "{said}");
    let again = browser.open(&page.path).await;
    assert_eq!(again.page(), "error");
    assert_eq!(app.sql("SELECT count(*) FROM interactions WHERE finished_at IS NULL"), "0");
}

#[tokio::test]
async fn a_page_whose_client_or_address_is_gone_ends_and_sends_nobody_there() {
    logs::record();
    for meanwhile in
        [Meanwhile::Update(OTHER), Meanwhile::Command(&["client", "delete", "rp"]), Meanwhile::Sql(DISABLED)]
    {
        for (app, ada) in servers().await {
            // At a form.
            let mut browser = Browser::new(&app);
            let page = browser.open(&Request::new().path()).await;
            happens(&app, &meanwhile);
            let reply = browser.sign_in(&page, &ada).await;
            is_over(&app, &mut browser, &page, &reply, "0").await;
        }
        for (app, ada) in servers().await {
            // When it is shown again; and one that says no is sent nowhere either.
            let mut browser = Browser::signed_in(&app, &ada).await;
            let pages = [
                browser.open(&Request::new().with("prompt", "login").path()).await,
                browser.open(&Request::new().with("prompt", "login").path()).await,
            ];
            happens(&app, &meanwhile);
            let before = granted(&app);
            let reply = browser.submit(&pages[0], &[("action", "decline")]).await;
            assert_eq!((reply.page().as_str(), reply.location()), ("error", None), "{reply:?}");
            let reply = browser.open(&pages[1].path).await;
            is_over(&app, &mut browser, &pages[1], &reply, &before).await;
        }
    }
}

#[tokio::test]
async fn a_script_gets_no_ceremony_of_a_page_whose_client_is_gone() {
    for (app, _) in servers().await {
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let form = page.hidden_fields();
        let form = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
        let options = format!("{}/options", page.form_action());
        assert_eq!(browser.post(&options, &form).await.status, 200);
        app.command(&["client", "update", "rp"], OTHER);
        assert_eq!(browser.post(&options, &form).await.status, 409);
    }
}

#[tokio::test]
async fn a_floor_that_is_raised_while_a_page_is_open_is_asked_for_there() {
    let server = ["client", "update", "pay"];
    for (update, of_server) in [(json!({"minimum_acr": MFA}), false), (json!({"minimum_acr": MFA}), true)] {
        for (app, ada) in servers().await {
            let mut browser = Browser::new(&app);
            let request = Request::new().with("resource", "https://pay.test");
            let page = browser.open(&request.path()).await;
            let command = if of_server { server } else { ["client", "update", "rp"] };
            app.command(&command, &update.to_string());
            let page = browser.sign_in(&page, &ada).await;
            assert_eq!(page.page(), "totp", "{page:?}");
            let answer = browser.submit(&page, &[("code", &ada.code(&app))]).await;
            assert_eq!(tokens(&app, &answer).await.id_token["acr"], MFA);
        }
    }
}

#[tokio::test]
async fn an_age_that_is_lowered_while_a_page_is_open_is_asked_for_there() {
    for (app, ada) in unapproved().await {
        let mut browser = Browser::signed_in_at(&app, &ada, "other").await;
        app.clock.advance(100);
        let page = browser.open(&Request::new().path()).await;
        assert_eq!(page.page(), "consent");
        app.command(&["client", "update", "rp"], r#"{"maximum_age": 60}"#);
        let page = browser.open(&page.path).await;
        let page = browser.submit(&page, &[]).await;
        assert_eq!(page.page(), "password", "{page:?}");
        let answer = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(answer.outcome(), "code");
    }
}

#[tokio::test]
async fn an_approval_counts_while_it_stands() {
    // An administrator's, taken back.
    for (app, ada) in servers().await {
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        app.command(&["client", "update", "rp"], r#"{"skip_consent": false}"#);
        let page = browser.sign_in(&page, &ada).await;
        assert_eq!(page.page(), "consent");
        assert_eq!(browser.submit(&page, &[]).await.outcome(), "code");
    }
    // The person's own, withdrawn before the proof that comes after it; and that of a client which is another one by now.
    let anew = r#"{"client_id": "rp", "client_secret": "a secret of the relying party in tests", "redirect_uris": ["https://rp.test/cb"]}"#;
    for withdrawn in [None, Some(anew)] {
        for (app, ada) in unapproved().await {
            let mut browser = Browser::signed_in_at(&app, &ada, "other").await;
            let page = browser.open(&Request::new().with("prompt", "login").path()).await;
            assert_eq!(page.page(), "consent");
            let page = browser.submit(&page, &[]).await;
            assert_eq!(page.page(), "password");
            match withdrawn {
                None => drop(app.sql("DELETE FROM consents")),
                Some(anew) => {
                    app.command(&["client", "delete", "rp"], "");
                    app.command(&["client", "add"], anew);
                }
            }
            let before = granted(&app);
            let page = browser.submit(&page, &[("password", PASSWORD)]).await;
            assert_eq!((page.page().as_str(), granted(&app)), ("consent", before), "{page:?}");
            // Consent comes before the proof, as it did.
            let page = browser.submit(&page, &[]).await;
            let answer = browser.submit(&page, &[("password", PASSWORD)]).await;
            assert_eq!(answer.outcome(), "code", "{page:?}");
        }
    }
}

#[tokio::test]
async fn a_form_approves_what_its_page_showed_and_nothing_else() {
    for (app, ada) in unapproved().await {
        app.command(&["client", "update", "rp"], r#"{"scope": "openid"}"#);
        let mut browser = Browser::signed_in_at(&app, &ada, "other").await;
        let page = browser.open(&Request::new().with("scope", "openid email profile").path()).await;
        assert!(page.page() == "consent" && !page.body.contains("e-mail"), "{page:?}");
        app.command(&["client", "update", "rp"], r#"{"scope": "openid email"}"#);
        let page = browser.submit(&page, &[]).await;
        assert!(page.page() == "consent" && page.body.contains("see your e-mail address"), "{page:?}");
        assert_eq!(app.sql("SELECT count(*) FROM consents"), "0");
        let answer = browser.submit(&page, &[]).await;
        assert_eq!(tokens(&app, &answer).await.raw["scope"], "openid email");
        // Less than was approved: no more than that is granted.
        let page =
            browser.open(&Request::new().with("scope", "openid email").with("prompt", "login").path()).await;
        app.command(&["client", "update", "rp"], r#"{"scope": "openid"}"#);
        let answer = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(tokens(&app, &answer).await.raw["scope"], "openid");
    }
}

#[tokio::test]
async fn what_the_client_may_not_ask_for_any_more_is_told_at_its_address() {
    let bare = Request::new().without("code_challenge").without("code_challenge_method");
    let pay = Request::new().with("resource", "https://pay.test");
    for (request, meanwhile, expected) in [
        (bare, Meanwhile::Update(r#"{"require_pkce": true}"#), "invalid_request"),
        (pay.clone(), Meanwhile::Command(&["client", "delete", "pay"]), "invalid_target"),
        (pay, Meanwhile::Sql("UPDATE clients SET disabled_at = 1 WHERE id = 'pay'"), "invalid_target"),
        (
            Request::new(),
            Meanwhile::Update(r#"{"grant_types": ["client_credentials"]}"#),
            "unauthorized_client",
        ),
    ] {
        for (app, ada) in servers().await {
            app.command(&["client", "update", "rp"], r#"{"require_pkce": false}"#);
            let mut browser = Browser::new(&app);
            let page = browser.open(&request.path()).await;
            happens(&app, &meanwhile);
            let reply = browser.sign_in(&page, &ada).await;
            assert_eq!((error(&reply).as_str(), granted(&app).as_str()), (expected, "0"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_code_for_an_address_that_is_not_registered_any_more_buys_nothing() {
    for (app, ada) in servers().await {
        let mut browser = Browser::signed_in(&app, &ada).await;
        let code = code(&browser.get(&Request::new().path()).await);
        app.command(&["client", "update", "rp"], OTHER);
        let reply = redeem(&app, &code).await;
        assert!(reply.status == 400 && reply.body.contains("invalid_grant"), "{reply:?}");
        app.command(&["client", "update", "rp"], &json!({"redirect_uris": [CALLBACK]}).to_string());
        let reply = redeem(&app, &code).await;
        assert!(reply.status == 400 && reply.body.contains("invalid_grant"), "it is burnt: {reply:?}");
    }
}
