//! Sign-out: who can do it to whom, and what ends with a session.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::relying_party::Request;
use crate::relying_party::Tokens;
use crate::relying_party::code;
use crate::relying_party::redeem;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use serde_json::json;
use url::form_urlencoded::Serializer;

const BACK: &str = "https://rp.test/bye";

struct SignedIn {
    app: TestApp,
    ada: TestUser,
    browser: Browser,
    tokens: Tokens,
}

async fn signed_in() -> SignedIn {
    let app = TestApp::spawn().await;
    app.client("out", json!({"post_logout_redirect_uris": [BACK]})).await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let tokens = tokens(&app, &browser.get(&Request::new().path()).await).await;
    SignedIn { app, ada, browser, tokens }
}

fn logout(members: &[(&str, &str)]) -> String {
    format!("/logout?{}", Serializer::new(String::new()).extend_pairs(members).finish())
}

async fn is_signed_in(browser: &Browser) -> bool {
    browser.clone().get(&Request::new().with("prompt", "none").path()).await.outcome() == "code"
}

#[tokio::test]
async fn with_its_id_token_a_client_signs_out_at_once_and_everything_ends() {
    let SignedIn { app, mut browser, tokens, .. } = signed_in().await;
    let waiting = code(&browser.get(&Request::new().path()).await);
    let hint = tokens.raw["id_token"].as_str().unwrap();
    assert_eq!(browser.get(&logout(&[("id_token_hint", hint)])).await.page(), "logged-out");
    assert!(!is_signed_in(&browser).await);
    assert_eq!(redeem(&app, &waiting).await.status, 400);
    assert_eq!(userinfo(&app, tokens.raw["access_token"].as_str().unwrap()).await.status, 401);
    // Signing in again is another session.
    let page = browser.open(&Request::new().path()).await;
    let ada = tokens.id_token["sub"].as_str().unwrap();
    let ada = TestUser { id: stepgate::base::id::UserId::from_text(ada), name: "ada".into(), totp: None };
    let again = crate::relying_party::tokens(&app, &browser.sign_in(&page, &ada).await).await;
    assert_ne!(again.id_token["sid"], tokens.id_token["sid"]);
    // The old hint names a session that is over: it signs nobody out any more.
    assert_eq!(browser.get(&logout(&[("id_token_hint", hint)])).await.page(), "logout");
    assert!(is_signed_in(&browser).await);
}

#[tokio::test]
async fn without_a_hint_of_this_browser_a_person_is_asked() {
    let SignedIn { app, mut browser, tokens, ada } = signed_in().await;
    let hint = tokens.raw["id_token"].as_str().unwrap();
    let other = Browser::signed_in(&app, &ada).await;
    for query in [vec![], vec![("id_token_hint", "garbage")], vec![("id_token_hint", hint)]] {
        let page = other.clone().get(&logout(&query)).await;
        assert_eq!(page.page(), "logout", "{query:?}");
        assert!(page.body.contains("<strong>ada</strong>"));
    }
    assert!(is_signed_in(&other).await);
    let page = browser.get("/logout").await;
    assert_eq!(browser.submit(&page, &[("action", "decline")]).await.page(), "home");
    assert!(is_signed_in(&browser).await);
    // A form of another browser, or made up, does nothing.
    for fields in [page.hidden_fields(), vec![("form".into(), "AAAA".into())]] {
        let fields = fields
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .chain([("action", "continue")])
            .collect::<Vec<_>>();
        assert_eq!(other.clone().post("/logout", &fields).await.status, 403);
    }
    assert_eq!(browser.submit(&page, &[("action", "continue")]).await.page(), "logged-out");
    assert!(!is_signed_in(&browser).await && is_signed_in(&other).await);
    assert_eq!(browser.get("/logout").await.page(), "logged-out");
}

#[tokio::test]
async fn a_client_gets_the_browser_back_at_a_registered_address_only() {
    let SignedIn { app, ada, tokens, .. } = signed_in().await;
    let hint = tokens.raw["id_token"].as_str().unwrap();
    for query in [
        vec![("post_logout_redirect_uri", BACK)],
        vec![("post_logout_redirect_uri", BACK), ("client_id", "rp")],
        vec![("post_logout_redirect_uri", BACK), ("client_id", "nobody")],
        vec![("post_logout_redirect_uri", BACK), ("id_token_hint", hint)],
        vec![("post_logout_redirect_uri", "https://evil.test"), ("client_id", "out")],
        vec![("client_id", "out"), ("id_token_hint", hint)],
        vec![("client_id", "out"), ("client_id", "out")],
    ] {
        let reply = Browser::new(&app).get(&logout(&query)).await;
        assert_eq!((reply.status.as_u16(), reply.page().as_str()), (400, "error"), "{query:?}");
    }
    let query = [("post_logout_redirect_uri", BACK), ("client_id", "out"), ("state", "a b")];
    let back = Some(format!("{BACK}?state=a+b"));
    assert_eq!(Browser::new(&app).get(&logout(&query)).await.location(), back);
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.get(&logout(&query)).await;
    assert_eq!(page.page(), "logout");
    assert_eq!(browser.submit(&page, &[("action", "continue")]).await.location(), back);
    // A client's own form comes without our cookie: it is led to GET, and does nothing by itself.
    let mut browser = Browser::signed_in(&app, &ada).await;
    let reply = browser.post("/logout", &query).await;
    assert_eq!(reply.location(), Some(logout(&query)));
    assert!(is_signed_in(&browser).await);
}

#[tokio::test]
async fn the_home_page_signs_out() {
    let SignedIn { mut browser, .. } = signed_in().await;
    let page = browser.get("/").await;
    assert!(page.body.contains("<strong>ada</strong>"));
    assert_eq!(browser.submit(&page, &[]).await.page(), "logged-out");
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn who_signs_out_takes_their_open_pages_along_and_nobody_elses() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let hers = crate::relying_party::tokens(&app, &browser.sign_in(&page, &ada).await).await;
    let select = Request::new().with("prompt", "select_account login");
    let page = browser.open(&select.path()).await;
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    browser.sign_in(&page, &bob).await;
    let mut open = async |user: &TestUser| {
        let page = browser.open(&select.path()).await;
        browser.choose(&page, user).await
    };
    let (of_ada, of_bob) = (open(&ada).await, open(&bob).await);
    let hint = hers.raw["id_token"].as_str().unwrap();
    assert_eq!(browser.get(&logout(&[("id_token_hint", hint)])).await.page(), "logged-out");
    assert_eq!(browser.get(&of_ada.path).await.page(), "error");
    let answer = browser.submit(&of_bob, &[("password", PASSWORD)]).await;
    assert_eq!(crate::relying_party::tokens(&app, &answer).await.id_token["sub"], serde_json::json!(bob.id));
}

#[tokio::test]
async fn a_hint_of_one_account_leaves_the_others_signed_in() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let hers = crate::relying_party::tokens(&app, &browser.sign_in(&page, &ada).await).await;
    let page = browser.open(&Request::new().with("prompt", "select_account").path()).await;
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    let his = crate::relying_party::tokens(&app, &browser.sign_in(&page, &bob).await).await;
    let text = |tokens: &Tokens, name: &str| tokens.raw[name].as_str().unwrap().to_owned();
    let silent = |tokens: &Tokens| {
        Request::new().with("prompt", "none").with("id_token_hint", &text(tokens, "id_token")).path()
    };
    let leave = logout(&[("id_token_hint", &text(&hers, "id_token"))]);
    assert_eq!(browser.get(&leave).await.page(), "logged-out");
    assert_eq!(userinfo(&app, &text(&hers, "access_token")).await.status, 401);
    assert_eq!(browser.get(&silent(&hers)).await.outcome(), "login_required");
    assert_eq!(userinfo(&app, &text(&his, "access_token")).await.status, 200);
    let again = crate::relying_party::tokens(&app, &browser.get(&silent(&his)).await).await;
    for same in ["sub", "sid", "auth_time"] {
        assert_eq!(again.id_token[same], his.id_token[same], "{same}");
    }
    let home = browser.get("/").await;
    assert!(home.body.contains("<strong>bob</strong>") && !home.body.contains("<strong>ada</strong>"));
}

#[tokio::test]
async fn a_hint_that_is_forged_or_of_another_browser_signs_nobody_out() {
    let SignedIn { app, browser, tokens, .. } = signed_in().await;
    let bob = app.user("bob").await;
    let mut other = Browser::signed_in(&app, &bob).await;
    let of_bob = crate::relying_party::tokens(&app, &other.get(&Request::new().path()).await).await;
    let (own, of_bob) = (tokens.raw["id_token"].as_str().unwrap(), of_bob.raw["id_token"].as_str().unwrap());
    let sid = tokens.id_token["sid"].clone();
    let forged = crate::relying_party::forged(of_bob, 1, |claims| claims["sid"] = sid);
    let unsigned = format!("{}.", own.rsplit_once('.').unwrap().0);
    let access = tokens.raw["access_token"].as_str().unwrap();
    for hint in [of_bob, &forged, &unsigned, access] {
        let page = browser.clone().get(&logout(&[("id_token_hint", hint)])).await;
        assert_eq!(page.page(), "logout", "a person is asked: {hint}");
        assert!(is_signed_in(&browser).await && is_signed_in(&other).await, "{hint}");
    }
    // For another client than the one that it was issued to it is no hint at all, and nobody is led anywhere.
    for query in [
        vec![("id_token_hint", own), ("client_id", "out")],
        vec![("id_token_hint", own), ("client_id", "out"), ("post_logout_redirect_uri", BACK)],
        vec![("id_token_hint", forged.as_str()), ("post_logout_redirect_uri", BACK)],
    ] {
        let reply = browser.clone().get(&logout(&query)).await;
        assert_eq!((reply.status.as_u16(), reply.page().as_str()), (400, "error"), "{query:?}");
        assert!(is_signed_in(&browser).await, "{query:?}");
    }
    assert_eq!(browser.clone().get(&logout(&[("id_token_hint", own)])).await.page(), "logged-out");
}

#[tokio::test]
async fn a_sign_out_leads_to_no_address_that_resembles_a_registered_one_and_encodes_the_state() {
    let SignedIn { app, browser, .. } = signed_in().await;
    for uri in [
        "https://rp.test/by",
        "https://rp.test/bye/",
        "https://rp.test/bye/../evil",
        "https://rp.test/bye?next=https://evil.test",
        "https://rp.test/bye#evil",
        "https://rp.test.evil.test/bye",
        "https://rp.test@evil.test/bye",
        "http://rp.test/bye",
        "https://rp.test/cb",
        "//rp.test/bye",
        "/",
        "javascript:alert(1)",
        "data:text/html,evil",
    ] {
        let query = [("post_logout_redirect_uri", uri), ("client_id", "out"), ("state", "evil")];
        for mut asking in [Browser::new(&app), browser.clone()] {
            let reply = asking.get(&logout(&query)).await;
            assert_eq!((reply.status.as_u16(), reply.page().as_str()), (400, "error"), "{uri}");
            assert!(reply.location().is_none() && !reply.body.contains("evil"), "{uri}: {}", reply.body);
        }
    }
    assert!(is_signed_in(&browser).await);
    let state = "<script>alert(1)</script>&state=2#\"evil";
    let query = [("post_logout_redirect_uri", BACK), ("client_id", "out"), ("state", state)];
    let reply = Browser::new(&app).get(&logout(&query)).await;
    let location = reply.location().unwrap();
    let (before, encoded) = location.split_once("?state=").unwrap();
    assert_eq!(before, BACK);
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "%+-_.*".contains(c);
    assert!(encoded.chars().all(unreserved), "{location}");
    let url = url::Url::parse(&location).unwrap();
    assert_eq!(url.query_pairs().collect::<Vec<_>>(), [("state".into(), state.into())]);
    assert!(!reply.headers.contains_key("set-cookie") && !reply.body.contains("<script>"), "{reply:?}");
    // On the page that asks it stands in a field, escaped.
    let page = browser.clone().get(&logout(&query)).await;
    assert_eq!(page.page(), "logout");
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert_eq!(browser.clone().submit(&page, &[("action", "continue")]).await.location(), Some(location));
}
