//! What a browser says of a request (Fetch Metadata, `Origin`): pages are for a person's own window, and forms come from them.

use crate::app::ISSUER;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::relying_party::Request;
use reqwest::Method;
use serde_json::json;

const FRAMES: [&str; 5] = ["iframe", "frame", "embed", "object", "fencedframe"];
const UNSEEN: [&str; 8] = ["image", "script", "style", "empty", "font", "video", "worker", "report"];

async fn send(
    app: &TestApp,
    browser: &mut Browser,
    (method, path): (Method, &str),
    form: &[(String, String)],
    headers: &[(&str, &str)],
) -> Reply {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut request = http.request(method.clone(), format!("{}{path}", app.address));
    if method == Method::POST {
        request = request.form(form);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser.send(request, path).await
}

async fn get(app: &TestApp, browser: &mut Browser, path: &str, destination: &str) -> Reply {
    send(app, browser, (Method::GET, path), &[], &[("sec-fetch-dest", destination)]).await
}

fn rows(app: &TestApp, tables: &[&str]) -> Vec<String> {
    tables.iter().map(|table| app.sql(&format!("SELECT count(*) FROM {table}"))).collect()
}

const WRITTEN: [&str; 5] = ["interactions", "browsers", "grants", "audit", "throttles"];

#[tokio::test]
async fn a_page_opens_in_a_window_only_and_what_nobody_sees_leaves_nothing() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut known = Browser::signed_in(&app, &ada).await;
        let (open, login) = (Request::new().path(), Request::new().with("prompt", "login").path());
        let silent = Request::new().with("prompt", "none").path();
        let before = rows(&app, &WRITTEN);
        for destination in FRAMES.into_iter().chain(UNSEEN) {
            for path in [open.as_str(), "/account/passkeys", "/account/password"] {
                let reply = get(&app, &mut Browser::new(&app), path, destination).await;
                assert_eq!(
                    (reply.status.as_u16(), reply.page().as_str()),
                    (403, "error"),
                    "{destination} {path}"
                );
                assert!(
                    reply.header("set-cookie").is_empty() && reply.body.contains("whole window"),
                    "{reply:?}"
                );
            }
            for path in [login.as_str(), "/account/passkeys", "/account/password"] {
                assert_eq!(
                    get(&app, &mut known, path, destination).await.status,
                    403,
                    "{destination} {path}"
                );
            }
        }
        for destination in UNSEEN {
            assert_eq!(get(&app, &mut known, &silent, destination).await.status, 403, "{destination}");
            // What came as a form comes back with what the browser says of it.
            let form = [("prompt".to_owned(), "login".to_owned())];
            let headers = [("sec-fetch-dest", destination)];
            let reply = send(&app, &mut known, (Method::POST, "/authorize"), &form, &headers).await;
            assert_eq!(
                (reply.status.as_u16(), reply.location()),
                (303, Some("/authorize?prompt=login".into()))
            );
        }
        let ahead = [("sec-fetch-dest", "document"), ("sec-purpose", "prefetch;prerender")];
        assert_eq!(send(&app, &mut Browser::new(&app), (Method::GET, &open), &[], &ahead).await.status, 403);
        assert_eq!(rows(&app, &WRITTEN), before);
        for destination in FRAMES {
            let reply = get(&app, &mut Browser::new(&app), &silent, destination).await;
            assert_eq!(reply.outcome(), "login_required", "{destination}");
            assert_eq!(get(&app, &mut known, &silent, destination).await.outcome(), "code", "{destination}");
        }
        assert_eq!(get(&app, &mut Browser::new(&app), &open, "document").await.status, 303);
        assert_eq!(get(&app, &mut Browser::new(&app), "/account/passkeys", "document").await.status, 303);
    }
}

const ELSEWHERE: [(&str, &str); 9] = [
    ("origin", "https://evil.test"),
    ("origin", "null"),
    ("origin", "http://op.test"),
    ("origin", "https://op.test:8443"),
    ("origin", "https://op.test.evil.test"),
    ("origin", ""),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-site", ""),
];
const HERE: [(&str, &str); 5] = [
    ("origin", ISSUER),
    ("origin", "https://op.test:443"),
    ("origin", "https://OP.test"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-site", "none"),
];

#[tokio::test]
async fn a_form_that_another_site_sent_is_refused_by_what_the_browser_says_of_it() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = browser.open(&Request::new().with("prompt", "login").path()).await;
        let own = browser.open("/account/passkeys").await;
        let mut form = page.hidden_fields();
        form.push(("password".into(), crate::app::PASSWORD.into()));
        let forms = [
            (page.form_action(), form.clone()),
            (format!("{}/options", page.form_action()), page.hidden_fields()),
            ("/account/passkeys".to_owned(), own.hidden_fields()),
        ];
        for header in ELSEWHERE {
            for (path, fields) in &forms {
                let reply = send(&app, &mut browser, (Method::POST, path), fields, &[header]).await;
                assert_eq!(reply.status, 403, "{header:?} {path}");
            }
        }
        let told = app.sql("SELECT count(*) FROM audit WHERE what = 'form' AND outcome = 'refused'");
        assert_eq!(told, (ELSEWHERE.len() * forms.len()).to_string());
        // Nobody's cookie is behind these, or their own secret is in them.
        for path in ["/authorize", "/logout", "/account/recovery"] {
            let fields = [("cancel".to_owned(), "x".to_owned())];
            let reply = send(&app, &mut browser, (Method::POST, path), &fields, &[ELSEWHERE[1]]).await;
            assert_ne!(reply.status, 403, "{path}");
        }
        for header in HERE {
            let reply = send(&app, &mut browser, (Method::POST, &forms[2].0), &forms[2].1, &[header]).await;
            assert_eq!(reply.status, 303, "{header:?}");
        }
        let reply = send(&app, &mut browser, (Method::POST, &forms[0].0), &form, &[HERE[0], HERE[3]]).await;
        assert_eq!(browser.follow(reply).await.outcome(), "code");
    }
}

#[tokio::test]
async fn own_pages_are_apart_from_whoever_opened_them_and_a_sign_in_can_answer_its_opener() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let apart = |reply: &Reply| match reply.header("cross-origin-opener-policy") {
        "same-origin" => true,
        "" => false,
        other => panic!("{other}"),
    };
    for path in ["/", "/account/passkeys", "/account/recovery", "/logout", "/nothing/here"] {
        let reply = browser.get(path).await;
        assert!(apart(&reply), "{path} {reply:?}");
    }
    let page = browser.open("/account/password").await;
    assert!(page.path.starts_with("/interaction/") && apart(&page), "{page:?}");
    for path in [
        Request::new().path(),
        Request::new().with("prompt", "login").path(),
        Request::new().with("response_mode", "form_post").path(),
        Request::new().with("client_id", "nobody").path(),
    ] {
        let reply = browser.open(&path).await;
        assert!(!apart(&reply), "{path} {reply:?}");
    }
    app.client("out", json!({"post_logout_redirect_uris": ["https://rp.test/bye"]})).await;
    let back =
        browser.get("/logout?client_id=out&post_logout_redirect_uri=https%3A%2F%2Frp.test%2Fbye").await;
    assert_eq!(back.page(), "logout");
    let answered = browser.submit(&back, &[]).await;
    assert!(answered.status == 303 && !apart(&answered), "{answered:?}");
}
