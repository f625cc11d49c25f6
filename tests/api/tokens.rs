//! Refresh, introspection, revocation, tokens for clients: what lives how long, and what takes it away.

use crate::app::CALLBACK;
use crate::app::ISSUER;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::logs;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::introspect;
use crate::relying_party::post_as;
use crate::relying_party::redeem_as;
use crate::relying_party::refresh_as;
use crate::relying_party::token;
use crate::relying_party::userinfo;
use futures_util::future::join_all;
use serde_json::Value;
use serde_json::json;
use stepgate::base::id::UserId;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::store::sessions;
use stepgate::store::sweep;

const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// A server with a client `app` that refreshes, and a signed-in user; gives the first tokens.
async fn first_tokens(app: &TestApp, more: Value, scope: &str) -> (UserId, Value) {
    let mut metadata = json!({"grant_types": GRANTS});
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.client("app", metadata).await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(app, &ada).await;
    let request = Request::new().with("client_id", "app").with("scope", scope);
    let code = code(&browser.get(&request.path()).await);
    (ada.id, parsed(&redeem_as(app, "app", &code).await))
}

fn parsed(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("{tokens}"))
}

async fn refresh(app: &TestApp, refresh_token: &str) -> Value {
    parsed(&refresh_as(app, "app", refresh_token).await)
}

fn claims(app: &TestApp, token: &str) -> Value {
    Value::Object(app.app.keys.verify(token).unwrap().claims)
}

#[tokio::test]
async fn a_refresh_states_the_old_authentication_and_leaves_one_successor() {
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid").await;
    app.clock.advance(3600);
    let second = refresh(&app, text(&first, "refresh_token")).await;
    let (before, after) = (claims(&app, text(&first, "id_token")), claims(&app, text(&second, "id_token")));
    for same in ["auth_time", "acr", "amr", "sid", "sub", "aud"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(after["iat"].as_i64(), before["iat"].as_i64().map(|iat| iat + 3600));
    assert!(after.get("nonce").is_none(), "OIDC Core §12.2");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let access = claims(&app, text(&second, "access_token"));
    assert_eq!((&access["auth_time"], &access["acr"]), (&before["auth_time"], &before["acr"]));
    assert_eq!(userinfo(&app, text(&second, "access_token")).await.status, 200);
}

#[tokio::test]
async fn reuse_revokes_the_family_but_a_lost_answer_is_given_again() {
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid").await;
    let one = text(&first, "refresh_token");
    let second = refresh(&app, one).await;
    app.clock.advance(10);
    let again = refresh(&app, one).await;
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    let third = refresh(&app, text(&second, "refresh_token")).await;
    assert!(third["refresh_token"].is_string());
    // The successor was used: whoever still has the first token stole it, or was robbed.
    assert_eq!(refresh(&app, one).await["error"], "invalid_grant");
    assert_eq!(refresh(&app, text(&third, "refresh_token")).await["error"], "invalid_grant");
    assert_eq!(userinfo(&app, text(&third, "access_token")).await.status, 401);
}

#[tokio::test]
async fn after_ten_seconds_a_repeat_is_reuse() {
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid").await;
    let second = refresh(&app, text(&first, "refresh_token")).await;
    app.clock.advance(11);
    assert_eq!(refresh(&app, text(&first, "refresh_token")).await["error"], "invalid_grant");
    assert_eq!(refresh(&app, text(&second, "refresh_token")).await["error"], "invalid_grant");
}

#[tokio::test]
async fn a_family_that_was_refreshed_3600_times_in_an_hour_waits_and_its_token_stays_good() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, first) = first_tokens(&app, json!({}), "openid").await;
        let asked = async |of: &Value| refresh_as(&app, "app", text(of, "refresh_token")).await;
        // As after 3,599 refreshes.
        let paid_until = app.clock.now().plus(Seconds(3_599)).micros();
        app.sql(&format!("UPDATE refresh_tokens SET paid_until = {paid_until}"));
        let second = refresh(&app, text(&first, "refresh_token")).await;
        let written = app.sql("SELECT count(*) FROM refresh_tokens");
        // Whether it is the newest, or one whose answer was lost.
        for of in [&second, &first] {
            let refused = asked(of).await;
            assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"), "{refused:?}");
            assert_eq!(parsed(&refused)["error"], "temporarily_unavailable");
        }
        assert_eq!(app.sql("SELECT count(*) FROM refresh_tokens"), written);
        app.clock.advance(1);
        let again = refresh(&app, text(&first, "refresh_token")).await;
        assert_eq!(again["refresh_token"], second["refresh_token"]);
        assert_eq!(asked(&second).await.status.as_u16(), 429);
        app.clock.advance(1);
        let third = refresh(&app, text(&second, "refresh_token")).await;
        assert_ne!(third["refresh_token"], second["refresh_token"], "{third}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_was_used_by_a_clock_that_was_ahead_was_not_used_a_moment_ago() {
    for (ahead, expected) in [(60, "again"), (61, "invalid_grant")] {
        let app = TestApp::spawn().await;
        let (_, first) = first_tokens(&app, json!({}), "openid").await;
        app.clock.advance(ahead);
        let second = refresh(&app, text(&first, "refresh_token")).await;
        app.clock.set_back(ahead);
        let repeated = refresh(&app, text(&first, "refresh_token")).await;
        match expected {
            "again" => assert_eq!(repeated["refresh_token"], second["refresh_token"]),
            error => assert_eq!(repeated["error"], error),
        }
    }
}

#[tokio::test]
async fn of_twenty_refreshes_at_once_all_get_the_one_successor() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, first) = first_tokens(&app, json!({}), "openid").await;
        let answers = join_all((0..20).map(|_| refresh(&app, text(&first, "refresh_token")))).await;
        let successor = text(&answers[0], "refresh_token").to_owned();
        assert!(answers.iter().all(|answer| answer["refresh_token"] == successor.as_str()), "{answers:?}");
        assert!(refresh(&app, &successor).await["refresh_token"].is_string());
    }
}

#[tokio::test]
async fn a_refresh_token_is_its_own_clients_and_no_weapon_of_another() {
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid").await;
    app.client("evil", json!({"grant_types": GRANTS})).await;
    let one = text(&first, "refresh_token");
    for form in [
        vec![("grant_type", "refresh_token"), ("refresh_token", one)],
        vec![("grant_type", "refresh_token"), ("refresh_token", "made up")],
    ] {
        assert_eq!(parsed(&token(&app, "evil", &form).await)["error"], "invalid_grant");
    }
    assert_eq!(post_as(&app, "evil", "/revoke", &[("token", one)]).await.status, 200);
    let plain = token(&app, "rp", &[("grant_type", "refresh_token"), ("refresh_token", one)]).await;
    assert_eq!(parsed(&plain)["error"], "unauthorized_client");
    assert!(refresh(&app, one).await["refresh_token"].is_string());
}

#[tokio::test]
async fn a_family_ends_with_its_session_unless_it_is_offline() {
    for (more, scope, survives) in [
        (json!({}), "openid", false),
        (json!({}), "openid offline_access", true),
        (
            json!({"grant_types": ["authorization_code", "refresh_token"], "scope": "openid"}),
            "openid offline_access",
            false,
        ),
    ] {
        let app = TestApp::spawn().await;
        let (ada, first) = first_tokens(&app, more, scope).await;
        let now = app.clock.now();
        app.app.store.write(move |c| sessions::end_all(c, &ada, now)).await.unwrap();
        let answer = refresh(&app, text(&first, "refresh_token")).await;
        assert_eq!(answer["refresh_token"].is_string(), survives, "{scope}: {answer}");
        assert_eq!(first["scope"].as_str().unwrap().contains("offline_access"), survives);
    }
}

#[tokio::test]
async fn refresh_tokens_live_thirty_days_unused_and_180_in_all() {
    let app = TestApp::spawn().await;
    let offline = json!({"skip_consent": true});
    let (_, mut tokens) = first_tokens(&app, offline, "openid offline_access").await;
    for _ in 0..6 {
        app.clock.advance(30 * 86_400 - 1);
        tokens = refresh(&app, text(&tokens, "refresh_token")).await;
        assert!(tokens["refresh_token"].is_string(), "{tokens}");
    }
    app.clock.advance(6);
    assert_eq!(refresh(&app, text(&tokens, "refresh_token")).await["error"], "invalid_grant");
}

#[tokio::test]
async fn what_the_last_refresh_of_a_family_gives_lives_as_long_as_it_says() {
    for database in databases() {
        let app = TestApp::on(database, "lifetimes.id_token = \"10m\"").await;
        let offline = json!({"skip_consent": true});
        let (_, mut tokens) = first_tokens(&app, offline, "openid offline_access").await;
        let mut before = String::new();
        for seconds in [30 * 86_400 - 1; 5].into_iter().chain([30 * 86_400 - 10]) {
            app.clock.advance(seconds);
            before = text(&tokens, "refresh_token").to_owned();
            tokens = refresh(&app, &before).await;
        }
        // The answer was lost, and is asked for again.
        app.clock.advance(9);
        tokens = refresh(&app, &before).await;
        // Its family ends in a few seconds, and is swept up.
        let left = async |seconds| {
            app.clock.advance(seconds);
            let now = app.clock.now();
            app.app.store.write(move |c| sweep::batch(c, now, Seconds::days(30))).await.unwrap();
            introspect(&app, "app", text(&tokens, "access_token")).await["active"].clone()
        };
        assert_eq!(left(300).await, json!(true));
        assert_eq!(left(299).await, json!(true));
        assert_eq!(left(1).await, json!(false));
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_used_every_month_goes_on_and_one_that_is_not_has_expired() {
    const DAY: u32 = 86_400;
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid offline_access").await;
    app.clock.advance(29 * DAY);
    let second = refresh(&app, text(&first, "refresh_token")).await;
    let unused = text(&second, "refresh_token");
    app.clock.advance(30 * DAY - 1);
    assert_eq!(introspect(&app, "app", unused).await["active"], json!(true));
    // Nowhere near the 180 days, and nobody has used it for more than 30.
    app.clock.advance(DAY + 1);
    assert_eq!(introspect(&app, "app", unused).await, json!({"active": false}));
    assert_eq!(refresh(&app, unused).await["error"], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid email").await;
    let asking = async |refresh_token: &str, scope: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)];
        parsed(&token(&app, "app", &form).await)
    };
    let more = asking(text(&first, "refresh_token"), "openid profile").await;
    assert_eq!(more["error"], "invalid_scope");
    // Nothing was spent on it.
    let less = asking(text(&first, "refresh_token"), "email").await;
    assert_eq!(less["scope"], "email");
    assert_eq!(refresh(&app, text(&less, "refresh_token")).await["scope"], "openid email");
}

#[tokio::test]
async fn introspection_tells_those_who_may_know_and_nobody_else() {
    let app = TestApp::spawn().await;
    let (ada, tokens) = first_tokens(&app, json!({}), "openid").await;
    app.client("gateway", json!({"gateway": true})).await;
    app.client("public", json!({"token_endpoint_auth_method": "none"})).await;
    let access = text(&tokens, "access_token");
    let expected = claims(&app, access);
    for client in ["app", "gateway"] {
        let told = introspect(&app, client, access).await;
        assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(told[name], *value, "{name}");
        }
    }
    let inactive = json!({"active": false});
    assert_eq!(introspect(&app, "rp", access).await, inactive);
    for other in [text(&tokens, "id_token"), "made up", &access[..access.len() - 3]] {
        assert_eq!(introspect(&app, "app", other).await, inactive);
    }
    let refresh_token = text(&tokens, "refresh_token");
    assert_eq!(introspect(&app, "app", refresh_token).await["sub"], json!(ada));
    assert_eq!(introspect(&app, "gateway", refresh_token).await, inactive);
    let http = reqwest::Client::new().post(format!("{}/introspect", app.address));
    let form = [("token", access), ("client_id", "public")];
    assert_eq!(http.form(&form).send().await.unwrap().status(), 401);
    app.clock.advance(600);
    assert_eq!(introspect(&app, "app", access).await, inactive);
}

#[tokio::test]
async fn what_was_revoked_is_inactive_at_once() {
    let app = TestApp::spawn().await;
    let (_, first) = first_tokens(&app, json!({}), "openid").await;
    let access = text(&first, "access_token");
    for _ in 0..2 {
        assert_eq!(post_as(&app, "app", "/revoke", &[("token", access)]).await.status, 200);
    }
    assert_eq!(introspect(&app, "app", access).await["active"], json!(false));
    assert_eq!(userinfo(&app, access).await.status, 401);
    // One access token is one; the refresh token is the family.
    let second = refresh(&app, text(&first, "refresh_token")).await;
    assert_eq!(introspect(&app, "app", text(&second, "access_token")).await["active"], json!(true));
    assert_eq!(
        post_as(&app, "app", "/revoke", &[("token", text(&second, "refresh_token"))]).await.status,
        200
    );
    assert_eq!(introspect(&app, "app", text(&second, "access_token")).await["active"], json!(false));
    assert_eq!(refresh(&app, text(&second, "refresh_token")).await["error"], "invalid_grant");
    assert_eq!(post_as(&app, "app", "/revoke", &[("token", "unknown")]).await.status, 200);
    assert_eq!(post_as(&app, "app", "/revoke", &[]).await.status, 400);
}

/// By a clock that was ahead, or of an instance that is ahead of another one.
#[tokio::test]
async fn what_was_revoked_after_it_had_expired_stays_inactive_where_it_has_not() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, tokens) = first_tokens(&app, json!({}), "openid").await;
        let access = text(&tokens, "access_token");
        app.clock.advance(899);
        assert_eq!(post_as(&app, "app", "/revoke", &[("token", access)]).await.status, 200);
        let now = app.clock.now();
        app.app.store.write(move |c| sweep::batch(c, now, Seconds::days(1))).await.unwrap();
        app.clock.set_back(899);
        assert_eq!(introspect(&app, "app", access).await, json!({"active": false}));
        assert_eq!(userinfo(&app, access).await.status, 401);
    }
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    let app = TestApp::spawn().await;
    let api = "https://pay.test";
    app.client("pay", json!({"redirect_uris": [], "resource": api, "scopes_supported": ["pay", "read"]}))
        .await;
    app.client("job", json!({"redirect_uris": [], "grant_types": ["client_credentials"], "scope": "pay"}))
        .await;
    let form = [("grant_type", "client_credentials"), ("resource", api), ("scope", "pay read other")];
    let answer = parsed(&token(&app, "job", &form).await);
    let access = text(&answer, "access_token");
    let told = introspect(&app, "pay", access).await;
    assert_eq!((&told["sub"], &told["aud"], &told["scope"]), (&json!("job"), &json!(api), &json!("pay")));
    assert!(
        told.get("acr").is_none()
            && answer.get("refresh_token").is_none()
            && answer.get("id_token").is_none()
    );
    assert_eq!(post_as(&app, "job", "/revoke", &[("token", access)]).await.status, 200);
    assert_eq!(introspect(&app, "pay", access).await, json!({"active": false}));
    let own = parsed(&token(&app, "job", &[("grant_type", "client_credentials")]).await);
    assert_eq!(claims(&app, text(&own, "access_token"))["aud"], ISSUER);
    // It is about no user, so it opens nothing of theirs.
    assert_eq!(userinfo(&app, text(&own, "access_token")).await.status, 403);
    let unknown = [("grant_type", "client_credentials"), ("resource", "https://x.test")];
    assert_eq!(parsed(&token(&app, "job", &unknown).await)["error"], "invalid_target");
    let refused = parsed(&token(&app, "rp", &[("grant_type", "client_credentials")]).await);
    assert_eq!(refused["error"], "unauthorized_client");
}

#[tokio::test]
async fn an_inactive_token_is_one_answer_and_the_reason_is_in_the_log_only() {
    logs::record();
    let app = TestApp::spawn().await;
    let (_, tokens) = first_tokens(&app, json!({}), "openid").await;
    let (access, refresh_token) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let asked = async |client: &str, token: &str| {
        let reply = post_as(&app, client, "/introspect", &[("token", token)]).await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, r#"{"active":false}"#), "{token}");
        let lines = logs::of_request(reply.header("x-request-id"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(token.len() < 9 || !lines[0].contains(token), "{lines:?}");
        lines[0].clone()
    };
    let of_another = asked("rp", access).await;
    assert!(of_another.contains("client=rp reason=\"not this client's business\""), "{of_another}");
    let garbage = [
        "a",
        "null",
        "e30.e30.",
        "../../etc/passwd",
        "' OR 1=1 --",
        &"x".repeat(2000),
        text(&tokens, "id_token"),
    ];
    let unknown = "reason=\"unknown here, expired, or another client's\"";
    for token in garbage {
        assert!(asked("app", token).await.contains(unknown), "{token}");
    }
    assert!(asked("rp", refresh_token).await.contains(unknown));
    refresh(&app, refresh_token).await;
    assert!(asked("app", refresh_token).await.contains("reason=\"used, expired, or its session has ended\""));
    post_as(&app, "app", "/revoke", &[("token", access)]).await;
    assert!(asked("app", access).await.contains("reason=\"what it rests on does not stand\""));
    // Who does not prove who they are is told nothing at all, for whatever token.
    let form = [("token", access), ("client_id", "app"), ("client_secret", "a guess")];
    let mut refusals = Vec::new();
    for token in [access, "a"] {
        let form = form.map(|(name, value)| (name, if name == "token" { token } else { value }));
        let reply = Browser::new(&app).post("/introspect", &form).await;
        assert_eq!(reply.status, 401, "{reply:?}");
        refusals.push(reply.body);
    }
    assert_eq!(refusals[0], refusals[1]);
}

#[tokio::test]
async fn a_refresh_tells_the_groups_of_now() {
    let app = TestApp::spawn().await;
    app.client("app", json!({"grant_types": GRANTS})).await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    app.command(&["user", "update", "ada", "--groups", "staff"], "");
    let request = Request::new().with("client_id", "app").with("scope", "openid groups offline_access");
    let request = request.with("claims", r#"{"id_token":{"groups":null}}"#);
    let code = code(&browser.get(&request.path()).await);
    let own = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let mut bought = parsed(&token(&app, "app", &[own.as_slice(), &[("code", &code)]].concat()).await);
    for (groups, expected) in
        [("staff", json!(["staff"])), ("admins, staff", json!(["admins", "staff"])), ("", Value::Null)]
    {
        app.command(&["user", "update", "ada", "--groups", groups], "");
        bought = refresh(&app, text(&bought, "refresh_token")).await;
        assert_eq!(claims(&app, text(&bought, "id_token"))["groups"], expected);
        let told = parsed(&userinfo(&app, text(&bought, "access_token")).await);
        assert_eq!(told["groups"], expected);
    }
}
