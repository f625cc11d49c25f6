//! What administrators change beside a running server is seen over HTTP at once, and the secrets that they handle nowhere else.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::audit::entries;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::program::Place;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem_as;
use crate::relying_party::refresh_as;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;
use std::fs;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::store::sweep;

/// What `/token` says to the client `job`.
async fn asked(place: &Place, secret: &str) -> (u16, Value) {
    let form = [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", secret)];
    let reply = Browser::at(&place.address()).post("/token", &form).await;
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    (reply.status.as_u16(), body["error"].clone())
}

fn job() -> String {
    json!({
        "client_id": "job", "client_secret": "the first secret, which the job brought along", "redirect_uris": [],
        "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post",
    })
    .to_string()
}

#[tokio::test]
async fn a_secret_that_was_rotated_counts_at_once_and_the_old_one_no_more() {
    let place = Place::new();
    let first = place.says(&["client", "add"], &job())["client_secret"].as_str().unwrap().to_owned();
    let _server = place.serve(&[]);
    assert_eq!(asked(&place, &first).await, (200, Value::Null));
    let second = place.says(&["client", "rotate-secret", "job"], "")["client_secret"].clone();
    let second = second.as_str().unwrap();
    assert_eq!(asked(&place, &first).await, (401, json!("invalid_client")));
    assert_eq!(asked(&place, second).await, (200, Value::Null));
    place.says(&["client", "rotate-secret", "job"], "");
    assert_eq!(asked(&place, second).await, (401, json!("invalid_client")));
}

async fn signing_in(app: &TestApp, name: &str) -> (Browser, Reply) {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().with("scope", "openid profile email groups").path()).await;
    let reply = browser.submit(&page, &[("username", name), ("password", PASSWORD)]).await;
    (browser, reply)
}

#[tokio::test]
async fn a_user_signs_in_by_the_address_that_they_have_now_and_not_by_the_old_one() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    assert_eq!(signing_in(&app, "first@op.test").await.1.page(), "login");
    app.command(&["user", "update", "ada", "--email", "first@op.test"], "");
    assert_eq!(signing_in(&app, "First@OP.test").await.1.outcome(), "code");
    app.command(&["user", "update", "ada", "--email", "second@op.test"], "");
    assert_eq!(signing_in(&app, "first@op.test").await.1.page(), "login");
    let token = tokens(&app, &signing_in(&app, "second@op.test").await.1).await;
    let claims = userinfo(&app, token.raw["access_token"].as_str().unwrap()).await;
    let claims: Value = serde_json::from_str(&claims.body).unwrap();
    let expected =
        json!({"sub": ada.id, "name": "ada of Test", "email": "second@op.test", "email_verified": true});
    assert_eq!(claims, expected);
    assert_eq!(signing_in(&app, "ada").await.1.outcome(), "code");
}

#[tokio::test]
async fn the_second_factor_is_asked_for_from_the_moment_in_which_it_is_wanted() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let (mut known, reply) = signing_in(&app, "ada").await;
    assert_eq!(reply.outcome(), "code");
    app.command(&["user", "update", "ada", "--second-factor", "sign-in"], "");
    let (mut browser, page) = signing_in(&app, "ada").await;
    assert_eq!(page.page(), "totp");
    let answer = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    assert_eq!(tokens(&app, &answer).await.id_token["acr"], "urn:stepgate:acr:mfa");
    // Of a session that lives too.
    assert_eq!(known.open(&Request::new().path()).await.page(), "totp");
    app.command(&["user", "update", "ada", "--second-factor", "step-up"], "");
    assert_eq!(known.open(&Request::new().path()).await.outcome(), "code");
    assert_eq!(signing_in(&app, "ada").await.1.outcome(), "code");
}

#[tokio::test]
async fn claims_and_groups_are_those_of_now_for_tokens_that_are_out_already() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let token = tokens(&app, &signing_in(&app, "ada").await.1).await;
    let access = token.raw["access_token"].as_str().unwrap();
    let told = async || serde_json::from_str::<Value>(&userinfo(&app, access).await.body).unwrap();
    let email = "ada@op.test";
    assert_eq!(told().await, json!({"sub": ada.id, "name": "ada of Test", "email": email}));
    fs::write(app.keys.path().join("claims"), r#"{"nickname": "Countess", "name": null}"#).unwrap();
    app.command(&["user", "update", "ada", "--claims", "claims", "--groups", "staff, admins"], "");
    let changed =
        json!({"sub": ada.id, "nickname": "Countess", "email": email, "groups": ["staff", "admins"]});
    assert_eq!(told().await, changed);
    app.command(&["user", "update", "ada", "--groups", ""], "");
    assert_eq!(told().await, json!({"sub": ada.id, "nickname": "Countess", "email": email}));
}

#[test]
fn no_secret_that_a_command_takes_or_makes_is_in_the_audit_the_log_or_an_error() {
    let place = Place::new();
    let server = place.serve(&[("STEPGATE_LOG", "info,stepgate=trace")]);
    let passwords = ["planted by the first command", "planted by the second command", "planted in vain"];
    let mut complaints = String::new();
    let mut run = |arguments: &[&str], input: &str| {
        let output = place.output(&[arguments, &["--json"]].concat(), input);
        complaints.push_str(&String::from_utf8(output.stderr).unwrap());
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    let added = run(&["user", "add", "ada", "--password-stdin", "--totp"], passwords[0]);
    let uri = added["totp"]["otpauth_uri"].as_str().unwrap();
    let totp = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    run(&["user", "set-password", "ada", "--password-stdin"], passwords[1]);
    run(&["user", "set-password", "nobody", "--password-stdin"], passwords[2]);
    run(&["user", "add", "bob", "--password-stdin"], "qwertyuiop");
    let shop =
        |secret: &str| json!({"client_id": "shop", "client_secret": secret, "redirect_uris": [CALLBACK]});
    let given = ["a secret that the shop brings", "too few", "another secret that it brings along"];
    run(&["client", "add"], &shop(given[1]).to_string());
    assert_eq!(run(&["client", "add"], &shop(given[0]).to_string())["client_secret"], given[0]);
    run(&["client", "add"], &shop(given[2]).to_string());
    let rotated = run(&["client", "rotate-secret", "shop"], "")["client_secret"].as_str().unwrap().to_owned();
    run(&["client", "update", "shop"], &json!({"client_secret": given[2]}).to_string());
    let audit = place.says(&["audit"], "");
    let lines = audit.as_array().unwrap().iter().map(|line| format!("{} {}", line["what"], line["outcome"]));
    let expected = [
        r#""user.added" "done""#,
        r#""user.password_set" "done""#,
        r#""user.password_set" "refused""#,
        r#""user.added" "refused""#,
        r#""client.registered" "refused""#,
        r#""client.registered" "done""#,
        r#""client.registered" "refused""#,
        r#""client.secret_rotated" "done""#,
        r#""client.updated" "done""#,
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    let (stopped, log) = server.stop();
    assert!(stopped && complaints.contains("Warning: client_secret is shorter"), "{complaints}");
    let all = format!("{audit}\n{log}\n{complaints}");
    for secret in [&passwords[..], &given, &[totp, &rotated, "qwertyuiop"]].concat() {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// A refresh token that is to outlive its session, one that is not, and the session.
async fn granted(app: &TestApp, browser: &mut Browser) -> ([String; 2], String) {
    let mut refresh = Vec::new();
    let mut sid = String::new();
    for scope in ["openid offline_access", "openid"] {
        let request = Request::new().with("client_id", "app").with("scope", scope);
        let code = code(&browser.open(&request.path()).await);
        let bought: Value = serde_json::from_str(&redeem_as(app, "app", &code).await.body).unwrap();
        refresh.push(bought["refresh_token"].as_str().unwrap().to_owned());
        let claims = app.app.keys.verify(bought["id_token"].as_str().unwrap()).unwrap().claims;
        sid = claims["sid"].as_str().unwrap().to_owned();
    }
    (refresh.try_into().unwrap(), sid)
}

#[tokio::test]
async fn a_session_that_is_revoked_takes_along_what_was_to_outlive_it_unless_that_is_spared() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let (mut browser, mut other) =
            (Browser::signed_in(&app, &ada).await, Browser::signed_in(&app, &ada).await);
        let ([offline, plain], sid) = granted(&app, &mut browser).await;
        let ([elsewhere, _], other_sid) = granted(&app, &mut other).await;
        let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
        let said = app.says_in_json(&["session", "revoke", &sid]);
        assert_eq!(said, json!({"sid": sid, "lived": true, "grants_ended": 3, "offline_kept": 0}));
        assert_eq!(
            [
                refresh_as(&app, "app", &offline).await.status == 200,
                refresh_as(&app, "app", &plain).await.status == 200
            ],
            [false, false]
        );
        assert_eq!(
            browser.open(&Request::new().with("prompt", "none").path()).await.outcome(),
            "login_required"
        );
        assert_eq!(browser.get(&page.path).await.status, 400, "what was open in it");
        assert!(refresh_as(&app, "app", &elsewhere).await.status == 200, "another session");

        let ([offline, plain], _) = granted(&app, &mut other).await;
        let said = app.says_in_json(&["session", "revoke", &other_sid, "--keep-offline"]);
        assert_eq!(said, json!({"sid": other_sid, "lived": true, "grants_ended": 3, "offline_kept": 2}));
        assert_eq!(
            [
                refresh_as(&app, "app", &offline).await.status == 200,
                refresh_as(&app, "app", &plain).await.status == 200
            ],
            [true, false]
        );
        // It has ended, and what outlived it is ended by the same command.
        let said = app.says_in_json(&["session", "revoke", &other_sid]);
        assert_eq!(said, json!({"sid": other_sid, "lived": false, "grants_ended": 2, "offline_kept": 0}));
        assert!(refresh_as(&app, "app", &offline).await.status != 200);
        let reasons = entries(&app).await.into_iter().filter(|entry| entry["what"] == "session.revoked");
        let reasons = reasons.map(|e| json!([e["sub"], e["sid"], e["reason"]])).collect::<Vec<_>>();
        let line = |sid: &str, reason| json!([ada.id, sid, reason]);
        assert_eq!(reasons.len(), 3);
        for expected in [
            line(&sid, "with offline_access"),
            line(&other_sid, "offline_access kept"),
            line(&other_sid, "with offline_access"),
        ] {
            assert!(reasons.contains(&expected), "{reasons:?}");
        }
        let complaint = app.complains(&["session", "revoke", "nothing"]);
        assert!(complaint.contains("no session nothing is known"), "{complaint}");
    }
}

#[tokio::test]
async fn what_outlived_a_session_is_ended_by_its_sid_after_a_sign_out_and_after_it_ended_by_itself() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        app.client("app", json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
        let ada = app.user("ada").await;
        for ended_by_itself in [false, true] {
            let mut browser = Browser::signed_in(&app, &ada).await;
            let ([offline, _], sid) = granted(&app, &mut browser).await;
            if ended_by_itself {
                app.clock.advance(8 * 86_400);
                let now = app.clock.now();
                while app.app.store.write(move |c| sweep::batch(c, now, Seconds::days(30))).await.unwrap() > 0
                {
                }
            } else {
                let home = browser.get("/").await;
                assert_eq!(browser.submit(&home, &[]).await.page(), "logged-out");
            }
            assert!(refresh_as(&app, "app", &offline).await.status == 200, "it outlives the session");
            let said = app.says_in_json(&["session", "revoke", &sid]);
            assert_eq!(said["lived"], json!(false));
            assert!(refresh_as(&app, "app", &offline).await.status != 200);
        }
    }
}
