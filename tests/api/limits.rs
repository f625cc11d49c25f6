//! Who sends too much, or too slowly, is told so, and nobody else notices.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::relying_party::Request;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.address.strip_prefix("http://").unwrap()).await.unwrap()
}

/// The first line of what comes back, and after how long.
async fn answered(mut stream: TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(25), stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (text.lines().next().unwrap_or("nothing").to_owned(), began.elapsed())
}

#[tokio::test]
async fn bodies_headers_and_parameters_have_limits() {
    let app = TestApp::spawn().await;
    let http = reqwest::Client::new();
    let mut browser = Browser::new(&app);
    for path in ["/token", "/authorize", "/userinfo", "/logout", "/interaction/x/login"] {
        for (size, status) in [(60_000, None), (70_000, Some(413)), (5_000_000, Some(413))] {
            let request = http.post(format!("{}{path}", app.address));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let reply = browser.send(request.body("a=".to_owned() + &"x".repeat(size)), path).await;
            match status {
                Some(status) => assert_eq!(reply.status, status, "{path} {size}"),
                None => assert!(reply.status.is_client_error() && reply.status != 413, "{path} {size}"),
            }
            assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        }
    }
    for (header, status) in [(10_000, 200), (20_000, 431)] {
        let request = http.get(format!("{}/healthz", app.address)).header("x-large", "x".repeat(header));
        assert_eq!(browser.send(request, "/healthz").await.status, status, "{header}");
    }
    let long = Request::new().with("state", &"x".repeat(2049));
    assert_eq!(browser.get(&long.path()).await.outcome(), "invalid_request");
    assert_eq!(browser.get(&format!("/authorize?state={}", "x".repeat(20_000))).await.status, 431);
    let many = (0..101).fold(Request::new(), |request, n| request.and(&format!("p{n}"), "1"));
    assert_eq!(browser.get(&many.path()).await.status, 400);
    assert_eq!(browser.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn who_sends_slowly_is_cut_off_after_ten_seconds_and_nobody_waits_for_them() {
    let app = TestApp::spawn().await;
    let mut head = connect(&app).await;
    head.write_all(b"GET /healthz HTTP/1.1\r\nhost: op.test\r\n").await.unwrap();
    let mut body = connect(&app).await;
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 100";
    body.write_all(format!("POST /token HTTP/1.1\r\nhost: op.test\r\n{form}\r\n\r\ngrant_type=").as_bytes())
        .await
        .unwrap();
    let mut pieces = connect(&app).await;
    let chunked = "POST /token HTTP/1.1\r\nhost: op.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\ngrant\r\n";
    pieces.write_all(chunked.as_bytes()).await.unwrap();
    let idle = connect(&app).await;
    let began = Instant::now();
    assert_eq!(Browser::new(&app).get("/healthz").await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(2));
    let (head, body, pieces, idle) =
        tokio::join!(answered(head), answered(body), answered(pieces), answered(idle));
    for (line, _) in [&head, &body, &pieces] {
        assert_eq!(line, "HTTP/1.1 408 Request Timeout");
    }
    for took in [head.1, body.1, pieces.1, idle.1] {
        assert!((Duration::from_secs(8)..Duration::from_secs(20)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_after_fifteen_seconds() {
    let app = TestApp::spawn().await;
    let mut stream = connect(&app).await;
    for _ in 0..2 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: op.test\r\n\r\n").await.unwrap();
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..read]);
        assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("ok\n"), "{text}");
    }
    let (said, took) = answered(stream).await;
    assert_eq!(said, "nothing");
    assert!((Duration::from_secs(14)..Duration::from_secs(20)).contains(&took), "{took:?}");
}
