//! Client authentication: one method per client, exactly as registered.

use crate::app::CALLBACK;
use crate::app::SECRET;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use serde_json::json;

async fn post(app: &TestApp, authorization: Option<&str>, more: &[(&str, &str)]) -> Reply {
    let mut form =
        vec![("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    form.extend(more);
    let mut request = reqwest::Client::new().post(format!("{}/token", app.address)).form(&form);
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    Browser::new(app).send(request, "/token").await
}

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

async fn a_code(browser: &mut Browser, client: &str) -> String {
    code(&browser.get(&Request::new().with("client_id", client).path()).await)
}

#[tokio::test]
async fn each_client_authenticates_by_its_own_method_and_no_other() {
    let app = TestApp::spawn().await;
    app.client("post", json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    app.client("public", json!({"token_endpoint_auth_method": "none"})).await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    browser.sign_in(&page, &ada).await;

    for client in ["rp", "post", "public"] {
        let code = a_code(&mut browser, client).await;
        let own = ("code", code.as_str());
        let header = basic(client, SECRET);
        let in_body = [own, ("client_id", client), ("client_secret", SECRET)];
        let ways = [
            ("rp", post(&app, Some(&header), &[own]).await),
            ("post", post(&app, None, &in_body).await),
            ("public", post(&app, None, &[own, ("client_id", client)]).await),
        ];
        for (way, reply) in ways {
            if way == client {
                assert_eq!(reply.status, 200, "{client} {reply:?}");
            } else {
                assert_eq!(reply.status, 401, "{client} by {way}: {reply:?}");
                assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap()["error"], "invalid_client");
            }
        }
    }
}

#[tokio::test]
async fn wrong_secrets_and_broken_headers_are_401_and_name_the_scheme() {
    let app = TestApp::spawn().await;
    let right = basic("rp", SECRET);
    for header in [
        basic("rp", "wrong"),
        basic("rp", ""),
        basic("nobody", SECRET),
        basic("", SECRET),
        "Basic".into(),
        "Basic ####".into(),
        "Basic cnA=".into(),
        format!("Bearer {SECRET}"),
        right.replace("Basic", "Digest"),
        format!("Basic {}", "A".repeat(10_000)),
    ] {
        let reply = post(&app, Some(&header), &[("code", "x")]).await;
        assert_eq!(reply.status, 401, "{header}");
        assert!(reply.header("www-authenticate").starts_with("Basic realm="), "{reply:?}");
    }
    // Without a header there is no scheme to name.
    assert_eq!(post(&app, None, &[("code", "x")]).await.header("www-authenticate"), "");
}

#[tokio::test]
async fn a_client_registered_anew_under_its_id_is_what_it_is_registered_as_now() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    for round in 0..2 {
        let (own, other) = (format!("https://{round}.test/cb"), format!("https://{}.test/cb", 1 - round));
        app.replace_client("rp", json!({"redirect_uris": [own]})).await;
        let sent = browser.get(&Request::new().with("redirect_uri", &own).path()).await;
        assert!(sent.location().is_some_and(|to| to.starts_with(&own)), "{sent:?}");
        let refused = browser.get(&Request::new().with("redirect_uri", &other).path()).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
}
