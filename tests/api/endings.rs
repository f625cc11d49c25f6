//! What ends with an account, a password, a factor or a client: at once, in other tabs and browsers, and for good.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::database::databases;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::error;
use crate::relying_party::introspect;
use crate::relying_party::redeem;
use crate::relying_party::refresh_as;
use crate::relying_party::token;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;

const MFA: &str = "urn:stepgate:acr:mfa";

/// Ada, with a session, tokens that outlive it, an unredeemed code, and a page that waits for her one-time code.
struct Stage {
    app: TestApp,
    ada: TestUser,
    browser: Browser,
    refresh: String,
    access: String,
    code: String,
    page: crate::browser::Reply,
}

async fn stage() -> Stage {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
    let mut browser = Browser::new(&app);
    let request = Request::new().with("client_id", "app").with("scope", "openid offline_access");
    let page = browser.open(&request.path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let own = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let bought = token(&app, "app", &[own.as_slice(), &[("code", code(&page).as_str())]].concat()).await;
    let bought: Value = serde_json::from_str(&bought.body).unwrap();
    let text = |name: &str| bought[name].as_str().unwrap().to_owned();
    let (refresh, access) = (text("refresh_token"), text("access_token"));
    let code = code(&browser.open(&Request::new().path()).await);
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    assert_eq!(page.page(), "totp");
    Stage { app, ada, browser, refresh, access, code, page }
}

impl Stage {
    async fn refreshed(&self) -> bool {
        let reply = refresh_as(&self.app, "app", &self.refresh).await;
        assert!(reply.status == 200 || reply.body.contains("\"invalid_grant\""), "{reply:?}");
        reply.status == 200
    }

    /// Tokens, code, session, and the page that is open: nothing of them is good for anything.
    async fn everything_has_ended(&mut self) {
        assert!(!self.refreshed().await);
        assert_eq!(introspect(&self.app, "app", &self.access).await, json!({"active": false}));
        assert_eq!(userinfo(&self.app, &self.access).await.status, 401);
        assert!(redeem(&self.app, &self.code).await.body.contains("\"invalid_grant\""));
        let shown = self.ada.code(&self.app);
        let reply = self.browser.clone().submit(&self.page, &[("code", &shown)]).await;
        assert_ne!(reply.outcome(), "code");
        assert_eq!(
            error(&self.browser.open(&Request::new().with("prompt", "none").path()).await),
            "login_required"
        );
    }
}

#[tokio::test]
async fn a_user_who_is_disabled_is_out_at_once_everywhere() {
    let mut stage = stage().await;
    stage.app.command(&["user", "disable", "ada"], "");
    stage.everything_has_ended().await;
    stage.app.command(&["user", "enable", "ada"], "");
    // What ended does not come back; she signs in anew.
    assert!(!stage.refreshed().await);
    let page = stage.browser.open(&Request::new().path()).await;
    assert_eq!(stage.browser.sign_in(&page, &stage.ada).await.outcome(), "code");
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_and_a_new_one_of_the_name_is_somebody_else() {
    let mut stage = stage().await;
    stage.app.command(&["user", "delete", "ada"], "");
    stage.everything_has_ended().await;
    stage.app.command(&["user", "add", "ada", "--password-stdin"], PASSWORD);
    let page = stage.browser.open(&Request::new().path()).await;
    let answer = stage.browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    let tokens = crate::relying_party::tokens(&stage.app, &answer).await;
    assert_ne!(tokens.id_token["sub"], json!(stage.ada.id));
    assert!(!stage.refreshed().await);
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_opened() {
    let mut stage = stage().await;
    // A second tab in which the old password was given, and the code is still to come.
    let mut tab = Browser::new(&stage.app);
    let page = tab.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = tab.sign_in(&page, &stage.ada).await;
    assert_eq!(page.page(), "totp");
    stage.app.command(&["user", "set-password", "ada", "--password-stdin"], "another horse battery");
    let reply = tab.submit(&page, &[("code", &stage.ada.code(&stage.app))]).await;
    assert_ne!(reply.outcome(), "code", "the old password proves nothing any more");
    stage.app.clock.advance(60);
    stage.everything_has_ended().await;
    let mut new = Browser::new(&stage.app);
    let page = new.open(&Request::new().path()).await;
    let page = new.sign_in(&page, &stage.ada).await;
    assert_eq!(page.page(), "login");
    let fields = [("username", "ada"), ("password", "another horse battery")];
    assert_eq!(new.submit(&page, &fields).await.outcome(), "code");
}

#[tokio::test]
async fn a_factor_that_is_taken_away_takes_what_rested_on_it() {
    let mut stage = stage().await;
    let answer = stage.browser.submit(&stage.page, &[("code", &stage.ada.code(&stage.app))]).await;
    let strong = crate::relying_party::tokens(&stage.app, &answer).await;
    assert_eq!(strong.id_token["acr"], MFA);
    let access = strong.raw["access_token"].as_str().unwrap();
    stage.app.command(&["user", "reset-mfa", "ada"], "");
    assert_eq!(userinfo(&stage.app, access).await.status, 401);
    // What the password alone bought stands, and so does the session; it says no more than the password.
    assert!(stage.refreshed().await);
    let plain = stage.browser.open(&Request::new().with("prompt", "none").path()).await;
    let plain = crate::relying_party::tokens(&stage.app, &plain).await;
    assert_eq!(plain.id_token["acr"], "urn:stepgate:acr:pwd");
    let asked = Request::new().with("prompt", "none").with("acr_values", MFA);
    assert_eq!(error(&stage.browser.open(&asked.path()).await), "interaction_required");
}

#[tokio::test]
async fn a_factor_that_goes_while_its_proof_waits_proves_nothing() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let form = page.hidden_fields();
    let shown = ada.code(&app);
    let mut fields = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    fields.extend([("code", shown.as_str()), ("action", "continue")]);
    // The code was taken, and rests; before the answer is fetched the factor is removed.
    let proved = browser.post(&page.form_action(), &fields).await;
    app.command(&["user", "reset-mfa", "ada"], "");
    let page = browser.follow(proved).await;
    assert_eq!(page.status, 400, "the page is over");
}

#[tokio::test]
async fn a_deleted_client_gets_nothing_and_its_tokens_end() {
    let stage = stage().await;
    stage.app.command(&["client", "delete", "app"], "");
    let form = [("grant_type", "refresh_token"), ("refresh_token", stage.refresh.as_str())];
    assert_eq!(token(&stage.app, "app", &form).await.status, 401);
    assert_eq!(userinfo(&stage.app, &stage.access).await.status, 401);
    let mut browser = stage.browser.clone();
    assert_eq!(browser.open(&Request::new().with("client_id", "app").path()).await.page(), "error");
    // Another client of the name is somebody else.
    stage.app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
    assert!(!stage.refreshed().await);
    assert_eq!(userinfo(&stage.app, &stage.access).await.status, 401);
}

#[tokio::test]
async fn a_brake_keeps_nobody_from_what_they_have() {
    let stage = stage().await;
    for _ in 0..8 {
        let mut stranger = Browser::new(&stage.app);
        let page = stranger.open(&Request::new().path()).await;
        stranger.submit(&page, &[("username", "ada"), ("password", "guess")]).await;
    }
    assert!(stage.refreshed().await);
    assert_eq!(userinfo(&stage.app, &stage.access).await.status, 200);
}

#[tokio::test]
async fn a_clock_that_goes_back_brings_nothing_back() {
    let mut stage = stage().await;
    let shown = stage.ada.code(&stage.app);
    let answer = stage.browser.submit(&stage.page, &[("code", &shown)]).await;
    assert_eq!(answer.outcome(), "code");
    assert_eq!(redeem(&stage.app, &stage.code).await.status, 200);
    assert!(stage.refreshed().await);
    stage.app.clock.advance(20);
    stage.app.clock.set_back(3600);
    assert!(redeem(&stage.app, &stage.code).await.body.contains("\"invalid_grant\""));
    let page =
        stage.browser.open(&Request::new().with("acr_values", MFA).with("prompt", "login").path()).await;
    let page = stage.browser.submit(&page, &[("password", PASSWORD)]).await;
    let page = stage.browser.submit(&page, &[("code", &shown)]).await;
    assert_eq!(page.page(), "totp", "a step that was spent stays spent");
    // What was shown by the wrong clock is shown once more, and nothing is stated to have happened later than now.
    let page = stage.browser.open(&Request::new().path()).await;
    let answer = stage.browser.submit(&page, &[("password", PASSWORD)]).await;
    let tokens = crate::relying_party::tokens(&stage.app, &answer).await;
    assert!(tokens.id_token["auth_time"].as_i64() <= tokens.id_token["iat"].as_i64());
}

/// Or an instance beside this one has a clock that is ahead. OIDC Core §2: tokens are issued after the authentication.
#[tokio::test]
async fn what_was_granted_by_a_clock_that_was_ahead_states_no_time_to_come() {
    let stage = stage().await;
    stage.app.clock.set_back(5);
    let by_code = redeem(&stage.app, &stage.code).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", stage.refresh.as_str())];
    let by_refresh_token = token(&stage.app, "app", &form).await;
    let now = json!(stage.app.clock.now().unix_seconds());
    for bought in [by_code, by_refresh_token] {
        assert_eq!(bought.status, 200, "{bought:?}");
        let tokens: Value = serde_json::from_str(&bought.body).unwrap();
        for name in ["id_token", "access_token"] {
            let claims = stage.app.app.keys.verify(tokens[name].as_str().unwrap()).unwrap().claims;
            assert_eq!([&claims["auth_time"], &claims["iat"]], [&now, &now], "{name}");
        }
    }
    // It is the time of the authentication again once the clock has come there.
    stage.app.clock.advance(9);
    let again = token(&stage.app, "app", &form).await;
    let again: Value = serde_json::from_str(&again.body).unwrap();
    let claims = stage.app.app.keys.verify(again["id_token"].as_str().unwrap()).unwrap().claims;
    assert_eq!(claims["iat"].as_i64().unwrap() - claims["auth_time"].as_i64().unwrap(), 4);
}

#[tokio::test]
async fn a_refresh_token_that_is_not_to_outlive_its_session_ends_with_it_when_idle_too() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("client_id", "app").path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let own = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let bought = token(&app, "app", &[own.as_slice(), &[("code", code(&page).as_str())]].concat()).await;
    let bought: Value = serde_json::from_str(&bought.body).unwrap();
    let refresh = bought["refresh_token"].as_str().unwrap();
    app.clock.advance(12 * 3600 - 1);
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let next = token(&app, "app", &form).await;
    let next: Value = serde_json::from_str(&next.body).unwrap();
    let next = next["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(introspect(&app, "app", &next).await["active"], true);
    // What the client does keeps nobody's session alive.
    app.clock.advance(2);
    assert_eq!(introspect(&app, "app", &next).await, json!({"active": false}));
    let form = [("grant_type", "refresh_token"), ("refresh_token", next.as_str())];
    assert_eq!(token(&app, "app", &form).await.status, 400);
}

/// The password is done, the code is open; in a second browser she is signed in, and a code is asked for.
async fn half_signed_in(app: &TestApp, ada: &TestUser) -> [(Browser, crate::browser::Reply); 2] {
    let mut signed_in = Browser::signed_in_at(app, ada, "plain").await;
    let step_up = signed_in.open(&Request::new().with("acr_values", MFA).path()).await;
    assert_eq!(step_up.page(), "totp");
    let mut half = Browser::new(app);
    let page = half.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = half.sign_in(&page, ada).await;
    assert_eq!(page.page(), "totp");
    [(signed_in, step_up), (half, page)]
}

#[tokio::test]
async fn half_a_sign_in_ends_with_every_command_that_ends_what_its_user_had() {
    for commands in [
        &[&["user", "disable", "ada"][..], &["user", "enable", "ada"]][..],
        &[&["user", "set-password", "ada", "--password-stdin"]],
        &[&["user", "reset-mfa", "ada"]],
        &[&["user", "delete", "ada"]],
    ] {
        for database in databases() {
            let app = TestApp::on(database, "").await;
            let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
            let bob = app.user_with_totp("bob", SecondFactor::SignIn).await;
            let mut of_bob = Browser::new(&app);
            let bobs = of_bob.open(&Request::new().path()).await;
            let bobs = of_bob.sign_in(&bobs, &bob).await;
            let open = half_signed_in(&app, &ada).await;
            for command in commands {
                app.command(command, "another horse battery");
            }
            for (mut browser, page) in open {
                assert_eq!(browser.get(&page.path).await.status, 400, "{commands:?}");
                let reply = browser.submit(&page, &[("code", &ada.code(&app))]).await;
                assert_eq!((reply.status.as_u16(), reply.page().as_str()), (400, "error"), "{commands:?}");
            }
            let reply = of_bob.submit(&bobs, &[("code", &bob.code(&app))]).await;
            assert_eq!(reply.outcome(), "code", "nobody else's page ends: {commands:?}");
        }
    }
}

/// `age` seconds ago, by a clock that was an hour ahead, and is right now.
async fn proved_by_a_wrong_clock(app: &TestApp, age: u32) -> (TestUser, Browser) {
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    app.clock.advance(3600);
    let browser = Browser::signed_in(app, &ada).await;
    app.clock.advance(age);
    app.clock.set_back(3600);
    (ada, browser)
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_old_proof_fresh() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser) = proved_by_a_wrong_clock(&app, 600).await;
        for request in [Request::new().with("max_age", "60"), Request::new()] {
            let silent = request.clone().with("prompt", "none");
            assert_eq!(error(&browser.open(&silent.path()).await), "login_required");
            let page = browser.open(&request.path()).await;
            assert_eq!(page.page(), "password");
            assert!(!page.body.contains("0 seconds ago"), "{page:?}");
        }
        // Nor is it enough for a change of the account.
        assert_eq!(browser.open("/account/password").await.page(), "password");
        // What is shown now counts beside it.
        let page = browser.open(&Request::new().with("max_age", "60").path()).await;
        let answer = browser.submit(&page, &[("password", PASSWORD)]).await;
        let tokens = crate::relying_party::tokens(&app, &answer).await;
        assert_eq!(tokens.id_token["auth_time"], app.clock.now().unix_seconds());
        app.clock.advance(59);
        let again = Request::new().with("max_age", "60").with("prompt", "none");
        assert_eq!(browser.open(&again.path()).await.outcome(), "code");
    }
}

#[tokio::test]
async fn proofs_of_a_clock_that_was_ahead_do_not_push_out_those_of_now() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    app.clock.advance(3600);
    let mut browser = Browser::signed_in(&app, &ada).await;
    for _ in 0..20 {
        app.clock.advance(1);
        let page = browser.open(&Request::new().with("prompt", "login").path()).await;
        assert_eq!(browser.submit(&page, &[("password", PASSWORD)]).await.outcome(), "code");
    }
    app.clock.set_back(3600);
    app.clock.advance(1000);
    let page = browser.open(&Request::new().path()).await;
    let answer = browser.submit(&page, &[("password", PASSWORD)]).await;
    crate::relying_party::tokens(&app, &answer).await;
    assert_eq!(browser.open(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
}

#[tokio::test]
async fn a_clock_that_is_a_little_behind_hides_no_proof() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    app.clock.set_back(60);
    let silent = Request::new().with("prompt", "none").with("max_age", "1");
    assert_eq!(browser.open(&silent.path()).await.outcome(), "code");
    app.clock.set_back(1);
    assert_eq!(error(&browser.open(&silent.path()).await), "login_required");
}
