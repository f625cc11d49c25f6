//! What an application gets of somebody's account: asked once, remembered, and told no in good order.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::passkeys;
use crate::relying_party::Request;
use crate::relying_party::error;
use crate::relying_party::tokens;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::store::credentials;

const MFA: &str = "urn:stepgate:acr:mfa";

/// A server whose client `rp` is approved by nobody.
async fn spawn() -> TestApp {
    let app = TestApp::spawn().await;
    app.replace_client("rp", json!({"client_name": "Acme Shop", "skip_consent": false})).await;
    app
}

#[tokio::test]
async fn an_application_asks_once_and_again_when_it_wants_more() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let before = browser.cookie.clone();
    let page = browser.sign_in(&page, &ada).await;
    assert_eq!(page.page(), "consent");
    assert!(page.body.contains("Allow Acme Shop?") && page.body.contains("know that it is you"));
    assert!(page.body.contains("rp.test") && page.body.contains("ends when you sign out"), "{}", page.body);
    // The person is signed in by now, with another cookie than before the proof.
    assert_ne!(browser.cookie, before);
    assert!(browser.get("/").await.body.contains("<strong>ada</strong>"));
    let answer = browser.submit(&page, &[]).await;
    assert_eq!(tokens(&app, &answer).await.id_token["amr"], json!(["pwd"]));
    assert_eq!(browser.open(&Request::new().path()).await.outcome(), "code");
    assert_eq!(browser.open(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
    let more = Request::new().with("scope", "openid email");
    assert_eq!(error(&browser.open(&more.clone().with("prompt", "none").path()).await), "consent_required");
    let page = browser.open(&more.path()).await;
    assert!(page.body.contains("see your e-mail address"), "{}", page.body);
    let answer = browser.submit(&page, &[]).await;
    assert_eq!(tokens(&app, &answer).await.raw["scope"], "openid email");
    assert_eq!(browser.open(&more.path()).await.outcome(), "code");
}

#[tokio::test]
async fn the_consent_page_opens_with_nothing_chosen() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let chosen = page.body.split('<').filter(|tag| tag.contains(" autofocus")).collect::<Vec<_>>();
    assert!(matches!(chosen[..], [tag] if tag.starts_with("h1 tabindex=\"-1\"")), "{chosen:?}");
}

#[tokio::test]
async fn who_does_not_allow_it_stays_signed_in() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.sign_in(&page, &ada).await;
    assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), "access_denied");
    assert!(browser.get("/").await.body.contains("<strong>ada</strong>"));
    assert_eq!(browser.open(&Request::new().path()).await.page(), "consent");
}

#[tokio::test]
async fn prompt_consent_asks_even_where_an_administrator_has_approved() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("prompt", "consent").path()).await;
    assert_eq!(page.page(), "consent");
    assert_eq!(browser.submit(&page, &[]).await.outcome(), "code");
    assert_eq!(browser.open(&Request::new().with("prompt", "consent").path()).await.page(), "consent");
}

#[tokio::test]
async fn where_the_user_is_known_nothing_stands_between_the_proof_and_the_answer() {
    let app = spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::signed_in_at(&app, &ada, "known").await;
    app.clock.advance(100);
    let page = browser.open(&Request::new().with("acr_values", MFA).with("max_age", "60").path()).await;
    assert_eq!(page.page(), "consent", "before the proof");
    app.clock.advance(300);
    let page = browser.submit(&page, &[]).await;
    assert_eq!(page.page(), "totp");
    let answer = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    let now = tokens(&app, &answer).await;
    assert_eq!(now.id_token["auth_time"], now.id_token["iat"]);
}

/// How old the answer says that the authentication is.
async fn age(app: &TestApp, reply: &Reply) -> i64 {
    let answer = tokens(app, reply).await.id_token;
    answer["iat"].as_i64().unwrap() - answer["auth_time"].as_i64().unwrap()
}

#[tokio::test]
async fn a_proof_that_aged_while_its_consent_page_was_read_is_given_once_more_and_consent_is_not() {
    let cases = [("2", 5), ("60", 61), ("0", 1), ("0", 590)];
    for (database, (max_age, reading)) in databases().into_iter().chain(databases()).zip(cases) {
        let app = TestApp::on(database, "").await;
        app.replace_client("rp", json!({"client_name": "Acme Shop", "skip_consent": false})).await;
        let ada = app.user("ada").await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().with("max_age", max_age).path()).await;
        let page = browser.sign_in(&page, &ada).await;
        assert_eq!(page.page(), "consent");
        app.clock.advance(reading);
        let page = browser.submit(&page, &[]).await;
        assert_eq!(page.page(), "password", "max_age={max_age}");
        let reply = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(age(&app, &reply).await, 0);
        // Approved is approved.
        let silent = Request::new().with("prompt", "none");
        assert_eq!(browser.open(&silent.path()).await.outcome(), "code");
    }
}

#[tokio::test]
async fn a_proof_that_aged_while_recovery_codes_were_written_down_is_given_once_more() {
    for (database, action) in databases().into_iter().zip(["continue", "decline"]) {
        let app = TestApp::on(database, "").await;
        let bob = app.user("bob").await;
        let mut browser = Browser::new(&app);
        let request = Request::new().with("acr_values", "phr").with("max_age", "3");
        let page = browser.open(&request.path()).await;
        let page = browser.sign_in(&page, &bob).await;
        let mut phone = Authenticator::new(ISSUER);
        // It is set up, and then shown.
        let page = browser.tap(&page, &mut phone).await;
        let page = browser.tap(&page, &mut phone).await;
        assert_eq!(page.page(), "recovery-codes", "{page:?}");
        app.clock.advance(500);
        let page = browser.submit(&page, &[("action", action)]).await;
        assert_eq!(page.page(), "passkey", "{page:?}");
        let reply = browser.tap(&page, &mut phone).await;
        assert_eq!(age(&app, &reply).await, 0);
    }
}

#[tokio::test]
async fn a_proof_that_is_as_young_as_asked_after_the_consent_page_is_not_given_again() {
    let app = spawn().await;
    for (n, (request, reading)) in [
        (Request::new().with("max_age", "60"), 60),
        (Request::new().with("max_age", "0"), 0),
        (Request::new().with("prompt", "login"), 500),
        (Request::new(), 500),
    ]
    .into_iter()
    .enumerate()
    {
        let user = app.user(&format!("reader{n}")).await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&request.path()).await;
        let page = browser.sign_in(&page, &user).await;
        assert_eq!(page.page(), "consent");
        app.clock.advance(reading);
        let reply = browser.submit(&page, &[]).await;
        assert_eq!(age(&app, &reply).await, i64::from(reading));
    }
}

/// That of the client, and that of a class; where two proofs have to be fresh, both are given once more, and no third time.
#[tokio::test]
async fn every_fresh_proof_is_given_once_more_by_the_smallest_age_and_at_most_once() {
    let both = r#"
        [[acr]]
        name = "low"
        any_of = ["pwd"]
        [[acr]]
        name = "both"
        max_age = "1m"
        any_of = ["pwd & otp"]
    "#;
    for database in databases() {
        let app = TestApp::on(database, &format!("second_factor_acr = \"both\"\n{both}")).await;
        app.replace_client("rp", json!({"skip_consent": false, "maximum_age": 300})).await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().with("acr_values", "both").path()).await;
        let page = browser.sign_in(&page, &ada).await;
        let page = browser.submit(&page, &[("code", &ada.code(&app))]).await;
        assert_eq!(page.page(), "consent");
        app.clock.advance(61);
        let page = browser.submit(&page, &[]).await;
        assert_eq!(page.page(), "password");
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(page.page(), "totp");
        // Slow once more: what was given after the consent is the last thing that she did.
        app.clock.advance(90);
        let reply = browser.submit(&page, &[("code", &ada.code(&app))]).await;
        assert_eq!(age(&app, &reply).await, 90);
    }
}

#[tokio::test]
async fn who_declines_to_prove_it_once_more_is_told_so_and_stays_signed_in() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("max_age", "2").path()).await;
    let page = browser.sign_in(&page, &ada).await;
    app.clock.advance(5);
    let page = browser.submit(&page, &[]).await;
    assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), "access_denied");
    assert_eq!(browser.open(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
}

/// Ada says yes; then nothing of hers is left that she could go on with, and Bob signs in on the page.
#[tokio::test]
async fn an_approval_is_worth_nothing_once_somebody_else_goes_on_with_the_page() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, _, mut phone) = passkeys::with_passkey(&app, "ada").await;
        let bob = app.user("bob").await;
        app.replace_client("rp", json!({"skip_consent": false})).await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let page = browser.tap(&page, &mut phone).await;
        assert_eq!(page.page(), "consent");
        let approved = browser.press(&page, &[]).await;
        let id = ada.id.clone();
        let now = app.clock.now();
        let lose = move |c: &mut _| {
            credentials::of_user(c, &id)?
                .iter()
                .try_for_each(|factor| credentials::take_away(c, &id, &factor.id, now).map(drop))
        };
        app.app.store.write(lose).await.unwrap();
        let page = browser.follow(approved).await;
        assert_eq!(page.page(), "login");
        let page = browser.sign_in(&page, &bob).await;
        assert_eq!(page.page(), "consent", "Bob was never asked");
        assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), "access_denied");
    }
}

#[tokio::test]
async fn what_a_user_lacks_is_not_told_to_an_application_that_they_never_approved() {
    let settings = r#"
        second_factor_acr = "low"
        acr = [
            {name = "low", any_of = ["pwd"]},
            {name = "high", any_of = ["webauthn+uv"], enrol = false},
        ]"#;
    let app = TestApp::on(sqlite(), settings).await;
    app.replace_client("rp", json!({"skip_consent": false})).await;
    let bob = app.user("bob").await;
    let mut browser = Browser::signed_in_at(&app, &bob, "known").await;
    let silent = Request::new().with("prompt", "none").with("acr_values", "high");
    assert_eq!(error(&browser.open(&silent.path()).await), "interaction_required");
    let page = browser.open(&Request::new().path()).await;
    assert_eq!(browser.submit(&page, &[]).await.outcome(), "code");
    assert_eq!(error(&browser.open(&silent.path()).await), "unmet_authentication_requirements");
}

#[tokio::test]
async fn a_consent_form_is_bound_to_its_person_and_its_browser() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let fields = page.hidden_fields();
    let fields = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    let mut stranger = Browser::new(&app);
    assert_eq!(stranger.post(&page.form_action(), &fields).await.status, 400);
    let forged = [("form", "x"), ("step", "2"), ("action", "continue")];
    assert_eq!(browser.post(&page.form_action(), &forged).await.status, 403);
    assert_eq!(browser.get(&page.path).await.page(), "consent");
}

#[tokio::test]
async fn a_deleted_client_takes_its_approvals_along() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.sign_in(&page, &ada).await;
    browser.submit(&page, &[]).await;
    app.replace_client("rp", json!({"skip_consent": false})).await;
    assert_eq!(browser.open(&Request::new().path()).await.page(), "consent");
}
