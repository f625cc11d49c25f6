//! Shapes of a request that is sound: GET and POST, scopes, claims, resources.

use crate::app::CALLBACK;
use crate::app::ISSUER;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::token;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;

async fn signed_in(app: &TestApp) -> Browser {
    Browser::signed_in(app, &app.user("ada").await).await
}

#[tokio::test]
async fn a_posted_request_is_led_to_the_same_request_by_get() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let post = |url: String, body: String| {
        let request =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap().post(url);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let url = format!("{}/authorize", app.address);
    let reply = browser.send(post(url.clone(), Request::new().query()), "/authorize").await;
    assert_eq!(reply.status, 303);
    assert_eq!(reply.location(), Some(Request::new().path()));
    assert_eq!(browser.follow(reply).await.outcome(), "code");
    // Attack: client_id in the query and in the form.
    let twice = post(format!("{url}?client_id=evil"), Request::new().query());
    assert_eq!(browser.send(twice, "/authorize").await.status, 400);
    let injected = post(url, "client_id=rp\r\nSet-Cookie: x=1".into());
    assert_eq!(browser.send(injected, "/authorize").await.status, 400);
}

#[tokio::test]
async fn form_post_brings_codes_and_errors_as_a_form_with_a_button() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let posted = Request::new().with("response_mode", "form_post").with("state", "<&\">");
    let members = |page: &crate::browser::Reply| page.hidden_fields().into_iter().collect::<BTreeMap<_, _>>();
    let page = browser.get(&posted.path()).await;
    assert_eq!(
        (page.status.as_u16(), page.page().as_str(), page.form_action().as_str()),
        (200, "form-post", CALLBACK)
    );
    assert!(page.body.contains("<button type=\"submit\">"));
    let answer = members(&page);
    assert_eq!((answer["iss"].as_str(), answer["state"].as_str()), (ISSUER, "<&\">"));
    assert_eq!(crate::relying_party::redeem(&app, &answer["code"]).await.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https: https://rp.test;"), "{policy}");
    assert!(policy.contains("script-src 'nonce-") && !policy.contains("unsafe"), "{policy}");
    for (request, error) in [
        (posted.clone().without("response_type"), "invalid_request"),
        (posted.clone().with("max_age", "x"), "invalid_request"),
        (posted.clone().and("state", "again"), "invalid_request"),
        (posted.with("prompt", "none").with("max_age", "0"), "login_required"),
    ] {
        let page = browser.get(&request.path()).await;
        assert_eq!((page.page().as_str(), members(&page)["error"].as_str()), ("form-post", error));
    }
}

#[tokio::test]
async fn a_login_hint_fills_in_the_name_and_nothing_else() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let hinted = Request::new().with("login_hint", "\"><script>bob");
    assert_eq!(browser.get(&hinted.path()).await.outcome(), "code", "a hint never chooses who is signed in");
    let page = Browser::new(&app).open(&hinted.path()).await;
    assert!(page.body.contains("value=\"&#34;&#62;&#60;script&#62;bob\""), "{}", page.body);
}

#[tokio::test]
async fn scopes_open_claims_and_unknown_ones_are_left_out() {
    let app = TestApp::spawn().await;
    app.client("few", json!({"scope": "openid email"})).await;
    let mut browser = signed_in(&app).await;
    let asking = Request::new().with("scope", "openid email profile offline_access bogus");
    let all = tokens(&app, &browser.get(&asking.path()).await).await;
    assert_eq!(all.raw["scope"], "openid email profile");
    let claims: Value =
        serde_json::from_str(&userinfo(&app, all.raw["access_token"].as_str().unwrap()).await.body).unwrap();
    assert_eq!((&claims["name"], &claims["email"]), (&json!("ada of Test"), &json!("ada@op.test")));
    let reply = browser.get(&asking.clone().with("client_id", "few").path()).await;
    let code = code(&reply);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let few: Value = serde_json::from_str(&token(&app, "few", &form).await.body).unwrap();
    assert_eq!(few["scope"], "openid email");
    let none = tokens(&app, &browser.get(&Request::new().without("scope").path()).await).await;
    assert_eq!((&none.raw["scope"], &none.id_token), (&json!(""), &Value::Null));
    assert_eq!(userinfo(&app, none.raw["access_token"].as_str().unwrap()).await.status, 403);
}

#[tokio::test]
async fn claims_asked_for_by_name_come_in_the_id_token_if_their_scope_was_granted() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let wish = r#"{"id_token":{"email":null,"name":null,"acr":null,"iss":{"value":"https://evil.test"}}}"#;
    let asking = Request::new().with("scope", "openid email").with("claims", wish);
    let tokens = tokens(&app, &browser.get(&asking.path()).await).await;
    assert_eq!((&tokens.id_token["email"], &tokens.id_token["name"]), (&json!("ada@op.test"), &Value::Null));
    assert_eq!(tokens.id_token["iss"], ISSUER);
}

#[tokio::test]
async fn a_token_has_one_audience_and_the_scopes_that_it_defines() {
    let app = TestApp::spawn().await;
    let (pay, mail) = ("https://pay.test", "https://mail.test");
    app.client("pay", json!({"redirect_uris": [], "resource": pay, "scopes_supported": ["payments"]})).await;
    app.client(
        "mail",
        json!({"redirect_uris": [], "resource": mail, "scopes_supported": ["read", "payments"]}),
    )
    .await;
    let mut browser = signed_in(&app).await;
    let asking = Request::new().with("scope", "openid payments read").with("resource", pay);
    let one = tokens(&app, &browser.get(&asking.path()).await).await;
    assert_eq!((&one.access_token["aud"], &one.access_token["scope"]), (&json!(pay), &json!("payments")));
    // A token for somebody else opens nothing here.
    assert_eq!(userinfo(&app, one.raw["access_token"].as_str().unwrap()).await.status, 401);
    let both = asking.and("resource", mail).path();
    for (resource, expected) in
        [(pay, Ok("payments")), (mail, Ok("payments read")), ("https://x.test", Err("invalid_target"))]
    {
        let code = code(&browser.get(&both).await);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("resource", resource),
        ];
        let answer: Value = serde_json::from_str(&token(&app, "rp", &form).await.body).unwrap();
        let said = answer["scope"].as_str().ok_or(answer["error"].as_str().unwrap_or_default());
        assert_eq!(said, expected, "{resource}");
    }
    let code = code(&browser.get(&both).await);
    let unnamed = crate::relying_party::redeem(&app, &code).await;
    assert!(unnamed.body.contains("invalid_target"), "{unnamed:?}");
}

#[tokio::test]
async fn a_resource_servers_floors_hold_for_tokens_to_it() {
    let app = TestApp::spawn().await;
    let floor =
        json!({"redirect_uris": [], "resource": "https://pay.test", "minimum_acr": "urn:stepgate:acr:mfa"});
    app.client("pay", floor).await;
    let mut browser = signed_in(&app).await;
    let page = browser.open(&Request::new().with("resource", "https://pay.test").path()).await;
    assert_eq!(page.page(), "password", "first what is there, then what is missing");
    let reply = browser.submit(&page, &[("action", "decline")]).await;
    assert_eq!(reply.outcome(), "unmet_authentication_requirements");
}

#[tokio::test]
async fn userinfo_takes_the_token_once_from_header_or_form_and_never_from_the_query() {
    let app = TestApp::spawn().await;
    let mut browser = signed_in(&app).await;
    let tokens = tokens(&app, &browser.get(&Request::new().path()).await).await;
    let token = tokens.raw["access_token"].as_str().unwrap();
    let http = reqwest::Client::new();
    let url = format!("{}/userinfo", app.address);
    let form = [("access_token", token)];
    for (request, status) in [
        (http.get(&url).bearer_auth(token), 200),
        (http.post(&url).bearer_auth(token), 200),
        (http.post(&url).form(&form), 200),
        (http.post(&url).bearer_auth(token).form(&form), 400),
        (http.get(format!("{url}?access_token={token}")), 401),
        (http.get(&url), 401),
        (http.get(&url).header("authorization", format!("Basic {token}")), 401),
    ] {
        let reply = browser.send(request, "/userinfo").await;
        assert_eq!(reply.status.as_u16(), status, "{reply:?}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    assert_eq!(browser.send(http.get(&url), "/userinfo").await.header("www-authenticate"), "Bearer");
}
