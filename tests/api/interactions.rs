//! The pages in between: whose they are, what a form may do, and that no way around loses the need.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::relying_party::Request;
use crate::relying_party::error;
use crate::relying_party::tokens;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;

const MFA: &str = "urn:stepgate:acr:mfa";

#[tokio::test]
async fn an_interaction_opens_in_its_own_browser_only() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let (mut attacker, mut victim) = (Browser::new(&app), Browser::new(&app));
    let page = victim.open(&Request::new().path()).await;
    victim.sign_in(&page, &ada).await;
    let lure = attacker.open(&Request::new().path()).await;
    for browser in [&mut victim, &mut Browser::new(&app)] {
        let reply = browser.open(&lure.path).await;
        assert_eq!((reply.status.as_u16(), reply.page().as_str()), (400, "error"));
        let reply = browser.submit(&lure, &[("username", "ada"), ("password", PASSWORD)]).await;
        assert_eq!((reply.status.as_u16(), reply.page().as_str()), (400, "error"));
    }
    assert_eq!(attacker.open(&lure.path).await.page(), "login");
}

#[tokio::test]
async fn a_form_counts_once_at_its_own_step_of_its_own_interaction() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let mfa = Request::new().with("acr_values", MFA);
    let login = browser.open(&mfa.path()).await;
    let other = browser.open(&mfa.path()).await;
    // The code of another tab's form, and one made up.
    for form in
        [other.hidden_fields(), vec![("form".into(), "AAAA".into()), ("step".into(), "0".into())], vec![]]
    {
        let fields = form.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let fields = fields.chain([("username", "ada"), ("password", PASSWORD)]).collect::<Vec<_>>();
        let reply = browser.post(&login.form_action(), &fields).await;
        assert_eq!((reply.status.as_u16(), reply.page().as_str()), (403, "error"));
    }
    // The last step first: it is not the page that stands.
    let skip = login.form_action().replace("/login", "/totp");
    let form = login.hidden_fields();
    let fields =
        form.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain([("code", "123456")]).collect::<Vec<_>>();
    let reply = browser.post(&skip, &fields).await;
    assert_eq!(browser.follow(reply).await.page(), "login");
    let totp = browser.sign_in(&login, &ada).await;
    assert_eq!(totp.page(), "totp");
    // The old form again: nothing happens, the page that stands is shown.
    assert_eq!(browser.sign_in(&login, &ada).await.page(), "totp");
    assert_eq!(browser.submit(&totp, &[("code", "")]).await.page(), "totp");
    assert_eq!(browser.open(&login.path).await.page(), "totp");
}

#[tokio::test]
async fn no_way_around_loses_the_requirement() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let bob = app.user("bob").await;
    let mut browser = Browser::new(&app);
    let mfa = Request::new().with("acr_values", MFA).with("max_age", "300");
    let login = browser.open(&mfa.path()).await;
    let page = browser.submit(&login, &[("username", "ada"), ("password", "wrong")]).await;
    let page = browser.open(&page.path).await;
    let totp = browser.sign_in(&page, &ada).await;
    let login = browser.submit(&totp, &[("action", "other-account")]).await;
    // Another account: from the beginning, and what it can't show it would have to set up.
    let mut other = browser.clone();
    let page = other.sign_in(&login, &bob).await;
    assert_eq!(page.page(), "enrol-passkey");
    let reply = other.submit(&page, &[("action", "decline")]).await;
    assert_eq!(error(&reply), "unmet_authentication_requirements");
    let login = browser.open(&mfa.path()).await;
    let totp = browser.sign_in(&login, &ada).await;
    let wrong = browser.submit(&totp, &[("code", "000000")]).await;
    assert!(wrong.body.contains("not valid now"), "{}", wrong.body);
    let reply = browser.submit(&wrong, &[("code", &ada.code(&app))]).await;
    assert_eq!(tokens(&app, &reply).await.id_token["acr"], MFA);
}

#[tokio::test]
async fn a_code_counts_once_in_any_session_and_later_too() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mfa = Request::new().with("acr_values", MFA).path();
    let shown = ada.code(&app);
    let mut first = Browser::new(&app);
    let page = first.open(&mfa).await;
    let page = first.sign_in(&page, &ada).await;
    assert_eq!(first.submit(&page, &[("code", &shown)]).await.outcome(), "code");
    app.clock.advance(30);
    let mut second = Browser::new(&app);
    let page = second.open(&mfa).await;
    let page = second.sign_in(&page, &ada).await;
    let refused = second.submit(&page, &[("code", &shown)]).await;
    assert!(refused.body.contains("not valid now"), "{}", refused.body);
    assert_eq!(second.submit(&refused, &[("code", &ada.code(&app))]).await.outcome(), "code");
}

#[tokio::test]
async fn five_wrong_codes_end_an_interaction_and_ten_wrong_passwords_too() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let mut page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    for _ in 0..6 {
        page = browser.submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
        app.clock.advance(60);
    }
    page = browser.sign_in(&page, &ada).await;
    for n in 0..5 {
        assert_eq!(page.page(), "totp", "{n}");
        // Beginning again with the password, which is right, gives no code back.
        page = browser.submit(&page, &[("action", "other-account")]).await;
        page = browser.sign_in(&page, &ada).await;
        page = browser.submit(&page, &[("code", "00 00-0٠")]).await;
    }
    assert_eq!(error(&page), "access_denied");
    let mut page = browser.open(&Request::new().path()).await;
    for n in 0..10 {
        assert_eq!(page.page(), "login", "{n}");
        app.clock.advance(100);
        page = browser.submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
    }
    assert_eq!(error(&page), "access_denied");
}

#[tokio::test]
async fn guesses_sent_at_once_count_one_by_one() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let mut tries = Vec::new();
    for _ in 0..20 {
        let (mut browser, form, action) = (browser.clone(), page.hidden_fields(), page.form_action());
        tries.push(tokio::spawn(async move {
            let mut fields = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
            fields.extend([("username", "ada"), ("password", "wrong")]);
            browser.post(&action, &fields).await
        }));
    }
    for reply in tries {
        assert_eq!(reply.await.unwrap().status, 303);
    }
    // One of them was looked at: nine tries are left, and the right one is among them.
    let page = browser.open(&page.path).await;
    assert_eq!(browser.sign_in(&page, &ada).await.outcome(), "code");
}

#[tokio::test]
async fn an_interaction_ends_ten_minutes_after_its_last_step_and_an_hour_after_its_first() {
    let app = TestApp::spawn().await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    app.clock.advance(599);
    assert_eq!(browser.open(&page.path).await.page(), "login");
    app.clock.advance(1);
    assert_eq!(browser.open(&page.path).await.page(), "error");
    let mut page = browser.open(&Request::new().path()).await;
    for _ in 0..7 {
        assert_eq!(page.page(), "login");
        app.clock.advance(500);
        page = browser.submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
    }
    app.clock.advance(101);
    assert_eq!(browser.open(&page.path).await.page(), "error");
}

#[tokio::test]
async fn two_tabs_finish_in_any_order_each_for_its_own_client() {
    let app = TestApp::spawn().await;
    app.client("other", json!({})).await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let one = browser.open(&Request::new().path()).await;
    let two = browser.open(&Request::new().with("client_id", "other").with("acr_values", MFA).path()).await;
    assert_eq!(browser.sign_in(&one, &ada).await.outcome(), "code");
    // The second tab was opened before anybody was known: it signs in by itself and goes on with what it needs.
    let totp = browser.sign_in(&two, &ada).await;
    assert_eq!(totp.page(), "totp");
    let reply = browser.submit(&totp, &[("code", &ada.code(&app))]).await;
    let other = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", crate::app::CALLBACK),
        ("code_verifier", crate::relying_party::VERIFIER),
    ];
    let code = crate::relying_party::code(&reply);
    let form = other.into_iter().chain([("code", code.as_str())]).collect::<Vec<_>>();
    assert_eq!(crate::relying_party::token(&app, "other", &form).await.status, 200);
}

#[tokio::test]
async fn another_way_leads_to_the_other_method_and_back_and_only_where_it_helps() {
    let either = "second_factor_acr = \"either\"\n[[acr]]\nname = \"either\"\nany_of = [\"pwd\", \"otp\"]";
    let app = TestApp::on(crate::database::sqlite(), either).await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("prompt", "login").path()).await;
    assert_eq!(page.page(), "password");
    let page = browser.submit(&page, &[("action", "other-way")]).await;
    assert_eq!(page.page(), "totp");
    let page = browser.submit(&page, &[("action", "other-way")]).await;
    assert_eq!(page.page(), "password");
    let page = browser.submit(&page, &[("action", "other-way")]).await;
    let reply = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    assert_eq!(tokens(&app, &reply).await.id_token["amr"], json!(["otp"]));
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let mut browser = Browser::signed_in(&app, &bob).await;
    let page = browser.open(&Request::new().with("prompt", "login").path()).await;
    assert!(!page.body.contains("other-way"), "{}", page.body);
}

#[tokio::test]
async fn somebody_elses_name_or_code_at_the_page_for_codes_is_a_wrong_code_of_the_one_it_is_about() {
    let app = TestApp::spawn().await;
    let alice = app.user_with_totp("alice", SecondFactor::SignIn).await;
    let mallory = app.user_with_totp("mallory", SecondFactor::SignIn).await;
    let counted = |of: &crate::app::TestUser| {
        let rows = format!(
            "SELECT key, failures FROM throttles WHERE key LIKE '%{}%' AND key NOT LIKE 'audit%' ORDER BY key",
            of.id
        );
        app.sql(&rows)
    };
    let app_of = |of: &crate::app::TestUser| {
        app.sql(&format!("SELECT id FROM credentials WHERE kind = 'otp' AND user_id = '{}'", of.id))
    };
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.sign_in(&page, &alice).await;
    assert!(page.page() == "totp" && page.body.contains("<strong>alice</strong>"), "{page:?}");
    let (hers, his) = (alice.code(&app), mallory.code(&app));
    let fields = [("username", "mallory"), ("account", mallory.id.as_str()), ("code", his.as_str())];
    let wrong = browser.submit(&page, &fields).await;
    assert!(wrong.page() == "totp" && wrong.body.contains("not valid now"), "{wrong:?}");
    assert!(wrong.body.contains("<strong>alice</strong>") && !wrong.body.contains("mallory"), "{wrong:?}");
    let hers_is = format!("{} {}", alice.id, app_of(&alice));
    let expected = [format!("factor {hers_is}|1"), format!("otp both {hers_is} 127.0.0.1|1")];
    assert_eq!((counted(&alice), counted(&mallory)), (expected.join("\n"), String::new()));
    assert_eq!(
        browser.clone().get(&Request::new().with("prompt", "none").path()).await.outcome(),
        "login_required"
    );
    let fields = [("username", "mallory"), ("account", mallory.id.as_str()), ("code", hers.as_str())];
    let token = tokens(&app, &browser.submit(&wrong, &fields).await).await.id_token;
    assert_eq!((&token["sub"], &token["acr"]), (&json!(alice.id), &json!(MFA)));
    assert_eq!(counted(&alice), "");
    // His code was not used up by it.
    let mut other = Browser::new(&app);
    let page = other.open(&Request::new().path()).await;
    let page = other.sign_in(&page, &mallory).await;
    let token = tokens(&app, &other.submit(&page, &[("code", &his)]).await).await.id_token;
    assert_eq!(token["sub"], json!(mallory.id));
}
