//! Which web pages may read what programs are answered.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use reqwest::Method;
use serde_json::json;

const OURS: &str = "https://spa.test:8443";

async fn ask(app: &TestApp, method: Method, path: &str, origin: &str, wants: Option<&str>) -> Reply {
    let mut request =
        reqwest::Client::new().request(method, format!("{}{path}", app.address)).header("origin", origin);
    if let Some(method) = wants {
        request = request.header("access-control-request-method", method);
        request = request.header("access-control-request-headers", "authorization");
    }
    Browser::new(app).send(request, path).await
}

async fn spawn() -> TestApp {
    let app = TestApp::spawn().await;
    let uris = [format!("{OURS}/cb")];
    app.client("spa", json!({"token_endpoint_auth_method": "none", "redirect_uris": uris})).await;
    app
}

#[tokio::test]
async fn a_page_of_a_registered_origin_may_ask_and_read() {
    let app = spawn().await;
    for path in ["/token", "/revoke", "/userinfo"] {
        let preflight = ask(&app, Method::OPTIONS, path, OURS, Some("POST")).await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), OURS);
        assert_eq!(preflight.header("access-control-allow-headers"), "authorization, content-type");
        // A refusal can be read too, or nobody could mend it.
        let refused = ask(&app, Method::POST, path, OURS, None).await;
        assert!(refused.status.is_client_error());
        assert_eq!(refused.header("access-control-allow-origin"), OURS, "{path}");
        assert_eq!(
            (refused.header("vary"), refused.header("access-control-allow-credentials")),
            ("Origin", "")
        );
    }
}

#[tokio::test]
async fn no_other_page_may_read_anything() {
    let app = spawn().await;
    let origins = [
        "https://evil.test",
        "null",
        "https://spa.test",
        "http://spa.test:8443",
        "https://spa.test:8443.evil.test",
        "https://SPA.test:8443",
        "https://spa.test:8443/",
        "",
        "*",
    ];
    for path in
        ["/token", "/revoke", "/userinfo", "/introspect", "/authorize", "/logout", "/interaction/x", "/"]
    {
        for origin in origins {
            for (method, wants) in
                [(Method::OPTIONS, Some("POST")), (Method::POST, None), (Method::GET, None)]
            {
                let reply = ask(&app, method.clone(), path, origin, wants).await;
                assert_eq!(reply.header("access-control-allow-origin"), "", "{method} {path} {origin}");
            }
        }
    }
    for path in ["/introspect", "/authorize", "/logout", "/"] {
        let reply = ask(&app, Method::GET, path, OURS, None).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn an_origin_goes_with_its_client() {
    let app = spawn().await;
    app.replace_client("spa", json!({"redirect_uris": ["https://new.test/cb"]})).await;
    let allowed = async |origin| {
        let reply = ask(&app, Method::OPTIONS, "/token", origin, Some("POST")).await;
        !reply.header("access-control-allow-origin").is_empty()
    };
    assert!(!allowed(OURS).await && allowed("https://new.test").await);
}
