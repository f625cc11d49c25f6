//! What a request gets: `prompt`, `max_age`, `acr_values`, `claims`, floors, and the pages in between.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::error;
use crate::relying_party::tokens;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;

const MFA: &str = "urn:stepgate:acr:mfa";
const UNMET: &str = "unmet_authentication_requirements";

#[tokio::test]
async fn a_step_up_asks_for_the_code_alone_and_says_who_asks() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    app.clock.advance(42 * 60);
    let page = browser.open(&Request::new().with("acr_values", MFA).with("max_age", "300").path()).await;
    assert_eq!(page.page(), "totp");
    let sentence = "Acme Shop asks for a code from your authenticator app entered in the last 5 minutes.";
    assert!(page.body.contains(sentence), "{}", page.body);
    assert!(page.body.contains("Account: <strong>ada</strong>"));
    assert!(page.body.contains("You will go on to <strong>rp.test</strong>"));
    let tokens = tokens(&app, &browser.submit(&page, &[("code", &ada.code(&app))]).await).await;
    let now = app.clock.now().unix_seconds();
    assert_eq!((&tokens.id_token["acr"], &tokens.id_token["auth_time"]), (&json!(MFA), &json!(now)));
    assert_eq!((&tokens.access_token["acr"], &tokens.access_token["auth_time"]), (&json!(MFA), &json!(now)));
    assert_eq!(tokens.id_token["amr"], json!(["pwd", "otp", "mfa"]));
    // It is the session's now: the same request needs no page until the code is too old.
    let again = Request::new().with("acr_values", MFA).with("max_age", "300");
    app.clock.advance(300);
    assert_eq!(browser.open(&again.path()).await.outcome(), "code");
    app.clock.advance(1);
    assert_eq!(browser.open(&again.path()).await.page(), "totp");
}

#[tokio::test]
async fn re_authentication_is_pinned_to_the_user_and_renews_auth_time() {
    let app = TestApp::spawn().await;
    let (ada, mallory) = (app.user("ada").await, app.user("mallory").await);
    let mut browser = Browser::signed_in(&app, &ada).await;
    app.clock.advance(42 * 60);
    let page = browser.open(&Request::new().with("max_age", "300").path()).await;
    assert_eq!(page.page(), "password");
    let sentence =
        "Acme Shop asks for your password entered in the last 5 minutes; yours was entered 42 minutes ago.";
    assert!(page.body.contains(sentence), "{}", page.body);
    // A user name in the form is not read: the person is who they were.
    let page = browser.submit(&page, &[("username", &mallory.name), ("password", "wrong")]).await;
    assert_eq!(page.page(), "password");
    assert!(page.body.contains("That password did not match.") && !page.body.contains("mallory"));
    let reply = browser.submit(&page, &[("username", &mallory.name), ("password", PASSWORD)]).await;
    let tokens = tokens(&app, &reply).await;
    assert_eq!(tokens.id_token["sub"], json!(ada.id));
    assert_eq!(tokens.id_token["auth_time"], json!(app.clock.now().unix_seconds()));
}

#[tokio::test]
async fn max_age_zero_is_prompt_login() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for request in [Request::new().with("max_age", "0"), Request::new().with("prompt", "login")] {
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = browser.open(&request.path()).await;
        assert_eq!(page.page(), "password");
        app.clock.advance(7);
        let reply = browser.submit(&page, &[("password", PASSWORD)]).await;
        let tokens = tokens(&app, &reply).await;
        assert_eq!(tokens.id_token["auth_time"], json!(app.clock.now().unix_seconds()));
        let silent = browser.get(&Request::new().with("max_age", "0").with("prompt", "none").path()).await;
        assert_eq!(error(&silent), "login_required");
    }
}

#[tokio::test]
async fn anew_means_every_factor_again() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("acr_values", MFA).with("prompt", "login").path()).await;
    assert_eq!(page.page(), "password");
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.page(), "totp");
    let reply = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    assert_eq!(tokens(&app, &reply).await.id_token["acr"], MFA);
}

/// The table of the design, for a user with a password and one with TOTP beside it.
#[tokio::test]
async fn every_cell_of_the_table_is_answered_as_it_says() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let unknown = "urn:nobody";
    for (acr, max_age, silent, of_bob, of_ada) in [
        (None, None, false, "code", "code"),
        (None, None, true, "code", "code"),
        (None, Some("60"), false, "password", "password"),
        (None, Some("60"), true, "login_required", "login_required"),
        (None, Some("0"), true, "login_required", "login_required"),
        (None, Some("3600"), true, "code", "code"),
        // Who lacks the factor may set it up, after proving the strongest that they have.
        (Some(MFA), None, false, "password", "totp"),
        (Some(MFA), None, true, "interaction_required", "login_required"),
        (Some("phr"), None, false, "password", "password"),
        (Some("phr"), None, true, "interaction_required", "interaction_required"),
        (Some("phr urn:stepgate:acr:pwd"), None, true, "code", "code"),
        (Some("urn:stepgate:acr:mfa urn:stepgate:acr:pwd"), None, false, "code", "code"),
        (Some(unknown), None, false, UNMET, UNMET),
        (Some(unknown), None, true, UNMET, UNMET),
        (Some("urn:nobody urn:stepgate:acr:pwd"), None, true, "code", "code"),
    ] {
        for (user, expected) in [(&bob, of_bob), (&ada, of_ada)] {
            let mut browser = Browser::signed_in(&app, user).await;
            app.clock.advance(600);
            let mut request = Request::new();
            for (name, value) in
                [("acr_values", acr), ("max_age", max_age), ("prompt", silent.then_some("none"))]
            {
                request = value.map(|value| request.clone().with(name, value)).unwrap_or(request);
            }
            let reply = browser.open(&request.path()).await;
            assert_eq!(reply.outcome(), expected, "{} {acr:?} {max_age:?} silent: {silent}", user.name);
        }
    }
}

#[tokio::test]
async fn an_essential_acr_is_a_requirement_and_a_voluntary_one_a_wish() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let mut browser = Browser::signed_in(&app, &bob).await;
    let asking = |claims: &str| Request::new().with("claims", claims).path();
    for essential in [
        r#"{"id_token":{"acr":{"essential":true,"value":"phr"}}}"#,
        r#"{"id_token":{"acr":{"essential":true,"values":["phr","urn:stepgate:acr:mfa"]}}}"#,
    ] {
        let page = browser.open(&asking(essential)).await;
        assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), UNMET);
    }
    for voluntary in [
        r#"{"id_token":{"acr":{"values":["phr"]}}}"#,
        r#"{"id_token":{"acr":{"values":["gold"]}}}"#,
        r#"{"id_token":{"acr":{"essential":true}}}"#,
    ] {
        let reply = browser.open(&asking(voluntary)).await;
        assert_eq!(tokens(&app, &reply).await.id_token["acr"], "urn:stepgate:acr:pwd");
    }
    let both =
        Request::new().with("acr_values", "phr").with("claims", r#"{"id_token":{"acr":{"value":"a"}}}"#);
    assert_eq!(error(&browser.open(&both.path()).await), "invalid_request");
}

#[tokio::test]
async fn a_client_of_plain_openid_connect_gets_the_true_acr_when_more_is_declined_or_out_of_reach() {
    let app = TestApp::spawn().await;
    app.client("plain", json!({"acr_values_voluntary": true})).await;
    let (bob, ada) = (app.user("bob").await, app.user_with_totp("ada", SecondFactor::StepUp).await);
    let request = Request::new().with("client_id", "plain").with("acr_values", MFA);
    let mut browser = Browser::signed_in(&app, &bob).await;
    assert_eq!(browser.open(&request.path()).await.outcome(), "code");
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&request.path()).await;
    assert_eq!(page.page(), "totp");
    assert_eq!(browser.submit(&page, &[("action", "decline")]).await.outcome(), "code");
}

#[tokio::test]
async fn the_floors_of_a_client_hold_whatever_the_url_says() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    app.client("bank", json!({"minimum_acr": MFA, "maximum_age": 300})).await;
    let bank = Request::new().with("client_id", "bank");
    let mut browser = Browser::signed_in(&app, &ada).await;
    for request in
        [bank.clone(), bank.clone().with("acr_values", "urn:stepgate:acr:pwd").with("max_age", "9999")]
    {
        assert_eq!(browser.open(&request.path()).await.page(), "totp");
    }
    let page = browser.open(&bank.path()).await;
    assert_eq!(browser.submit(&page, &[("code", &ada.code(&app))]).await.outcome(), "code");
    app.clock.advance(301);
    assert_eq!(browser.open(&bank.clone().with("max_age", "9999").path()).await.page(), "totp");
    assert_eq!(error(&browser.open(&bank.with("prompt", "none").path()).await), "login_required");
}

#[tokio::test]
async fn the_defaults_of_a_client_give_way_to_its_requests() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    app.client("young", json!({"default_max_age": 60})).await;
    let young = Request::new().with("client_id", "young");
    let mut browser = Browser::signed_in(&app, &bob).await;
    app.clock.advance(61);
    assert_eq!(browser.open(&young.path()).await.page(), "password");
    assert_eq!(browser.open(&young.with("max_age", "3600").path()).await.outcome(), "code");
    app.client("strong", json!({"default_acr_values": ["phr"]})).await;
    let strong = Request::new().with("client_id", "strong");
    let page = browser.open(&strong.path()).await;
    assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), UNMET);
    assert_eq!(
        browser.open(&strong.with("acr_values", "urn:stepgate:acr:pwd").path()).await.outcome(),
        "code"
    );
}

#[tokio::test]
async fn declining_answers_with_the_right_error_and_leaves_the_session_as_it_was() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), "access_denied");
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("max_age", "0").path()).await;
    assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), "access_denied");
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    assert_eq!(error(&browser.submit(&page, &[("action", "decline")]).await), UNMET);
    assert_eq!(browser.open(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
}

#[tokio::test]
async fn a_request_about_somebody_else_never_gets_a_code_for_the_one_who_is_here() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut of_bob = Browser::new(&app);
    let page = of_bob.open(&Request::new().path()).await;
    let bobs = tokens(&app, &of_bob.sign_in(&page, &bob).await).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let claims = json!({"id_token": {"sub": {"value": bob.id}}}).to_string();
    for request in [
        Request::new().with("id_token_hint", bobs.raw["id_token"].as_str().unwrap()),
        Request::new().with("claims", &claims),
    ] {
        assert_eq!(
            error(&browser.open(&request.clone().with("prompt", "none").path()).await),
            "login_required"
        );
        let page = browser.open(&request.path()).await;
        assert!(page.body.contains("the account that it knows you by"), "{}", page.body);
        // Ada's password is no proof here; it fails like a wrong one.
        let page = browser.sign_in(&page, &ada).await;
        assert!(page.body.contains("did not match"));
        let reply = browser.clone().sign_in(&page, &bob).await;
        assert_eq!(tokens(&app, &reply).await.id_token["sub"], json!(bob.id));
    }
}

#[tokio::test]
async fn a_hint_may_be_old_but_not_forged() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let tokens = tokens(&app, &browser.sign_in(&page, &ada).await).await;
    let hint = tokens.raw["id_token"].as_str().unwrap();
    let access = tokens.raw["access_token"].as_str().unwrap();
    app.clock.advance(7200);
    let asking = |hint: &str| Request::new().with("prompt", "none").with("id_token_hint", hint).path();
    assert_eq!(browser.open(&asking(hint)).await.outcome(), "code");
    let forged = crate::relying_party::forged(hint, 1, |claims| claims["sub"] = json!("someone"));
    for bad in [forged.as_str(), access, "garbage", &hint[..hint.len() - 2], &"x".repeat(9000)] {
        assert_eq!(error(&browser.open(&asking(bad)).await), "invalid_request", "{bad}");
    }
    app.client("other", json!({})).await;
    let other = Request::new().with("client_id", "other").with("id_token_hint", hint);
    assert_eq!(error(&browser.open(&other.path()).await), "invalid_request");
}

#[tokio::test]
async fn a_client_that_is_never_content_can_not_keep_somebody_confirming_for_ever() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let again = Request::new().with("max_age", "0").path();
    for round in 0..20 {
        let page = browser.open(&again).await;
        assert_eq!(page.page(), "password", "{round}");
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(page.outcome(), "code", "{round}");
        app.clock.advance(30);
    }
    let page = browser.open(&again).await;
    assert_eq!(browser.submit(&page, &[("password", PASSWORD)]).await.outcome(), "code");
    let page = browser.open(&again).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, "60"));
    assert!(page.body.contains("Acme Shop has asked you to confirm that it is you again and again"));
    // What needs no proof is answered, and so are other clients.
    assert_eq!(browser.open(&Request::new().path()).await.outcome(), "code");
    app.client("other", json!({})).await;
    let page = browser.open(&Request::new().with("client_id", "other").with("max_age", "0").path()).await;
    assert_eq!(page.page(), "password");
    app.clock.advance(60);
    assert_eq!(browser.open(&again).await.page(), "password");
}

#[tokio::test]
async fn what_is_required_follows_from_the_factors_at_the_answer_and_not_at_the_page() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
    let mut browser = Browser::new(&app);
    let login = browser.open(&Request::new().path()).await;
    let mut second = Browser::new(&app);
    let totp = second.open(&Request::new().path()).await;
    let totp = second.sign_in(&totp, &ada).await;
    assert_eq!(totp.page(), "totp");
    app.command(&["user", "reset-mfa", "ada"], "");
    // Taken away between page and answer: what was open about her is over; the password is all that she has, and no more is said of it.
    assert_eq!(second.submit(&totp, &[("code", "000000")]).await.status, 400);
    let again = second.open(&Request::new().path()).await;
    for reply in [browser.sign_in(&login, &ada).await, second.sign_in(&again, &ada).await] {
        let token = tokens(&app, &reply).await.id_token;
        assert_eq!((&token["acr"], &token["amr"]), (&json!("urn:stepgate:acr:pwd"), &json!(["pwd"])));
    }
    // Set up between page and answer: the password alone is no longer enough.
    let mut browser = Browser::new(&app);
    let login = browser.open(&Request::new().path()).await;
    let ada = app.give_totp(&ada).await;
    let page = browser.sign_in(&login, &ada).await;
    assert_eq!(page.page(), "totp");
    let silent = Request::new().with("prompt", "none");
    assert_eq!(error(&browser.clone().get(&silent.path()).await), "login_required");
    let token = tokens(&app, &browser.submit(&page, &[("code", &ada.code(&app))]).await).await.id_token;
    assert_eq!((&token["acr"], &token["sub"]), (&json!(MFA), &json!(ada.id)));
    // The session of before is asked for it too.
    assert_eq!(error(&second.get(&silent.path()).await), "login_required");
    assert_eq!(second.open(&Request::new().path()).await.page(), "totp");
}

#[tokio::test]
async fn a_class_that_ages_is_said_of_a_session_as_long_as_it_holds_and_no_longer() {
    let classes = "second_factor_acr = \"gold\"\n\
        [[acr]]\nname = \"plain\"\nany_of = [\"pwd\"]\n\
        [[acr]]\nname = \"gold\"\nmax_age = \"10m\"\nany_of = [\"otp & pwd within 12h\"]\n";
    let app = TestApp::on(sqlite(), classes).await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let gold = Request::new().with("acr_values", "gold");
    let page = browser.open(&gold.path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let token = tokens(&app, &browser.submit(&page, &[("code", &ada.code(&app))]).await).await.id_token;
    assert_eq!(token["acr"], "gold");
    let shown_at = token["auth_time"].clone();
    let silently = |request: &Request| request.clone().with("prompt", "none").path();
    app.clock.advance(9 * 60);
    for request in [&gold, &Request::new()] {
        let token = tokens(&app, &browser.get(&silently(request)).await).await;
        for token in [&token.id_token, &token.access_token] {
            assert_eq!((&token["acr"], &token["auth_time"]), (&json!("gold"), &shown_at));
        }
    }
    app.clock.advance(2 * 60);
    assert_eq!(error(&browser.get(&silently(&gold)).await), "login_required");
    let token = tokens(&app, &browser.get(&silently(&Request::new())).await).await;
    for token in [&token.id_token, &token.access_token] {
        assert_eq!(token["acr"], "plain");
    }
    assert_eq!(browser.open(&gold.path()).await.page(), "totp", "the password is held");
}
