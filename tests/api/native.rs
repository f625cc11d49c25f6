//! Applications on a device, which anybody can pretend to be (RFC 8252 §8.6): nothing is answered to them behind a person's back.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::relying_party::Request;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::cli::explain::explained;
use stepgate::store::sessions;

const PRIVATE: &str = "com.example.app:/cb";
const CLAIMED: &str = "https://app.test/cb";
const DEVICE: [&str; 4] =
    [PRIVATE, "http://127.0.0.1:51234/cb", "http://[::1]:51234/cb", "http://localhost:51234/cb"];
const REGISTERED: [&str; 5] =
    [PRIVATE, CLAIMED, "http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"];

/// Of web applications, which somebody has on their own machine.
const WEB: [&str; 3] = ["http://localhost:8081/cb", "https://localhost:8082/cb", "https://127.0.0.1:4443/cb"];

/// With `app`, a public application of devices, and `kept`, one that has a secret all the same.
async fn servers() -> Vec<TestApp> {
    let mut servers = Vec::new();
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let native =
            json!({"application_type": "native", "redirect_uris": REGISTERED, "client_name": "Notes"});
        let with = |more: Value| {
            let mut metadata = native.clone();
            metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            metadata
        };
        app.client("app", with(json!({"token_endpoint_auth_method": "none"}))).await;
        app.client("kept", native.clone()).await;
        let asks = json!({"token_endpoint_auth_method": "none", "skip_consent": false});
        app.client("asks", with(asks)).await;
        // Nothing but its address says that it is on a device.
        let web = json!({"token_endpoint_auth_method": "none", "redirect_uris": WEB});
        app.client("web", web).await;
        servers.push(app);
    }
    servers
}

fn request(client: &str, uri: &str) -> Request {
    Request::new().with("client_id", client).with("redirect_uri", uri)
}

fn silently(request: &Request) -> String {
    request.clone().with("prompt", "none").path()
}

fn answer(reply: &Reply, uri: &str) -> BTreeMap<String, String> {
    assert!(reply.location().is_some_and(|to| to.starts_with(&format!("{uri}?"))), "{reply:?}");
    reply.answer()
}

#[tokio::test]
async fn a_public_application_of_a_device_gets_no_code_without_a_page() {
    for app in servers().await {
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let addresses = DEVICE.iter().map(|uri| ("app", *uri)).chain(WEB.iter().map(|uri| ("web", *uri)));
        for (client, uri) in addresses {
            for _ in 0..2 {
                let silent = answer(&browser.open(&silently(&request(client, uri))).await, uri);
                assert_eq!(silent.get("error").map(String::as_str), Some("interaction_required"), "{uri}");
                let page = browser.open(&request(client, uri).path()).await;
                assert_eq!(page.page(), "continue", "{uri}: {page:?}");
                if client == "app" {
                    assert!(page.body.contains("Continue to Notes as ada"), "{}", page.body);
                }
                let came = browser.submit(&page, &[]).await;
                assert!(answer(&came, uri).contains_key("code"), "{uri}: {came:?}");
            }
            let page = browser.open(&request(client, uri).path()).await;
            let came = browser.submit(&page, &[("action", "decline")]).await;
            assert_eq!(answer(&came, uri)["error"], "access_denied");
            assert!(browser.get("/").await.body.contains("<strong>ada</strong>"));
        }
        for (client, uri) in [("app", CLAIMED), ("kept", PRIVATE), ("kept", "http://127.0.0.1:1/cb")] {
            for path in [request(client, uri).path(), silently(&request(client, uri))] {
                assert!(answer(&browser.open(&path).await, uri).contains_key("code"), "{client} {path}");
            }
        }
    }
}

#[tokio::test]
async fn one_page_that_was_answered_is_enough() {
    for app in servers().await {
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let mut browser = Browser::new(&app);
        let own = request("app", PRIVATE);
        // A sign-in.
        let page = browser.open(&own.path()).await;
        assert!(answer(&browser.sign_in(&page, &ada).await, PRIVATE).contains_key("code"));
        // A proof.
        let page = browser.open(&own.clone().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
        assert_eq!(page.page(), "totp");
        let came = browser.submit(&page, &[("code", &ada.code(&app))]).await;
        assert!(answer(&came, PRIVATE).contains_key("code"));
        // A choice.
        let page = browser.open(&own.clone().with("prompt", "select_account").path()).await;
        let came = browser.choose(&page, &ada).await;
        assert!(answer(&came, PRIVATE).contains_key("code"), "{came:?}");
        // Consent; from the second time on, nobody is asked for that.
        let asks = request("asks", PRIVATE);
        let page = browser.open(&asks.path()).await;
        assert_eq!(page.page(), "consent");
        assert!(answer(&browser.submit(&page, &[]).await, PRIVATE).contains_key("code"));
        assert_eq!(browser.open(&asks.path()).await.page(), "continue");
    }
}

#[tokio::test]
async fn from_the_page_one_can_go_on_as_somebody_else() {
    for app in servers().await {
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = browser.open(&request("app", PRIVATE).path()).await;
        assert!(page.body.contains("value=\"other-account\""), "{}", page.body);
        let page = browser.submit(&page, &[("action", "other-account")]).await;
        assert_eq!(page.page(), "login");
        let came = browser.submit(&page, &[("username", &bob.name), ("password", PASSWORD)]).await;
        assert!(answer(&came, PRIVATE).contains_key("code"));
        let user = app.sql("SELECT user_id FROM grants WHERE client_id = 'app'");
        assert_eq!(user, bob.id.as_str());
        // Where the request is about her and nobody else, there is nobody else to choose.
        let claims = json!({"id_token": {"sub": {"value": ada.id.as_str()}}}).to_string();
        let page = browser.open(&request("app", PRIVATE).with("claims", &claims).path()).await;
        assert!(page.page() == "continue" && !page.body.contains("other-account"), "{page:?}");
        let forged = browser.submit(&page, &[("action", "other-account")]).await;
        assert_eq!(forged.page(), "continue");
    }
}

#[tokio::test]
async fn other_silent_errors_come_as_before() {
    for app in servers().await {
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        app.clock.advance(100);
        let own = request("app", PRIVATE);
        for (client, path, expected) in [
            (browser.clone(), silently(&own.clone().with("max_age", "60")), "login_required"),
            (browser.clone(), silently(&request("asks", PRIVATE)), "consent_required"),
            (Browser::new(&app), silently(&own), "login_required"),
        ] {
            let (mut client, reply) = (client, expected);
            let came = client.open(&path).await;
            assert_eq!(answer(&came, PRIVATE)["error"], reply, "{path}");
        }
        assert_eq!(browser.open(&own.with("max_age", "60").path()).await.page(), "password");
    }
}

#[tokio::test]
async fn explain_tells_of_the_page_before_an_application_of_a_device() {
    for app in servers().await {
        let ada = app.user("ada").await;
        let _ = Browser::signed_in(&app, &ada).await;
        let (id, life, now) = (ada.id.clone(), app.app.session_life(), app.clock.now());
        let live = app.app.store.read(move |c| sessions::live_of_user(c, &id, life, now)).await.unwrap();
        let meets = live.into_iter().map(Some).collect::<Vec<_>>();
        for (request, member, expected) in [
            (request("app", PRIVATE), "page", "continue"),
            (request("app", PRIVATE).with("prompt", "none"), "error", "interaction_required"),
            (request("app", CLAIMED), "outcome", "code"),
        ] {
            let said = explained(&app.app, &request.query(), &meets).await.unwrap();
            assert_eq!(said["answers"][0][member], expected, "{said}");
        }
    }
}
