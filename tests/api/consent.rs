//! What an application gets of somebody's account: asked once, remembered, and told no in good order.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::error;
use crate::relying_party::tokens;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;

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

#[tokio::test]
async fn a_slow_reader_at_a_sign_in_still_gets_an_answer() {
    let app = spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("max_age", "60").path()).await;
    let page = browser.sign_in(&page, &ada).await;
    app.clock.advance(300);
    // The proof was given in this interaction; the tokens say when.
    let answer = tokens(&app, &browser.submit(&page, &[]).await).await;
    let age = answer.id_token["iat"].as_i64().unwrap() - answer.id_token["auth_time"].as_i64().unwrap();
    assert_eq!(age, 300);
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
