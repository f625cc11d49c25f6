//! The database is gone or slow, or there is too much to do: nothing is decided from memory, nothing lost, and it comes back.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::postgresql;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::post_as;
use actix_web::App as Service;
use actix_web::HttpResponse;
use actix_web::HttpServer;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::web::Data;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use futures_util::future::join_all;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use stepgate::web::edge::edge;

fn is_unavailable(reply: &Reply) -> bool {
    reply.status == 503 && reply.header("retry-after") == "5"
}

#[tokio::test]
async fn without_its_database_it_says_so_and_tells_nobody_where_that_is() {
    let app = TestApp::on(postgresql(), "").await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let (server, name) = app.raw_url.rsplit_once('/').unwrap();
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    assert!(
        Command::new("psql").args([&format!("{server}/postgres"), "-qc", &drop]).status().unwrap().success()
    );
    for reply in [
        browser.get(&Request::new().path()).await,
        browser.get("/").await,
        browser.get("/interaction/x").await,
        browser.get("/readyz").await,
        // A revocation that was not done must not be believed.
        post_as(&app, "rp", "/revoke", &[("token", "x")]).await,
        post_as(&app, "rp", "/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await,
        post_as(&app, "rp", "/introspect", &[("token", "x")]).await,
    ] {
        assert!(is_unavailable(&reply), "{reply:?}");
        assert!(
            !reply.body.contains(name) && !reply.body.contains("127.0.0.1") && !reply.body.contains("tests@")
        );
    }
    for path in ["/.well-known/openid-configuration", "/jwks", "/healthz"] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_handler_that_breaks_is_answered_and_says_nothing_of_itself() {
    let app = TestApp::spawn().await;
    let shared = Data::from(app.app.clone());
    let server = HttpServer::new(move || {
        Service::new()
            .app_data(shared.clone())
            .route("/breaks", web::to(async || -> HttpResponse { panic!("the secret of this handler") }))
            .route("/works", web::to(async || "it works"))
            .wrap(from_fn(edge))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    let mut browser = Browser::at(&address);
    let broken = browser.get("/breaks").await;
    assert_eq!(broken.status, 500);
    for name in ["content-security-policy", "x-content-type-options", "cache-control"] {
        assert!(broken.headers.contains_key(name), "{name}");
    }
    let id = broken.header("x-request-id");
    let said = format!("Something went wrong here that should not have. The request is {id}.\n");
    assert_eq!(broken.body, said);
    assert_eq!(browser.get("/works").await.body, "it works");
}

#[tokio::test]
async fn a_file_that_somebody_holds_locked_is_503_in_time_and_good_again_after() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut holder = SqliteConnection::establish(app.raw_url.strip_prefix("sqlite://").unwrap()).unwrap();
    holder.batch_execute("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let reply = browser.get(&Request::new().path()).await;
    assert!(is_unavailable(&reply), "{reply:?}");
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
    // What only reads goes on.
    assert_eq!(browser.get("/").await.page(), "home");
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(browser.get(&Request::new().path()).await.outcome(), "code");
}

#[tokio::test]
async fn of_a_storm_of_passwords_some_are_sent_away_uncounted_and_tokens_are_not_held_up() {
    let app = TestApp::on(sqlite(), "[argon2]\nmemory_kib = 19456\niterations = 2").await;
    let ada = app.user("ada").await;
    // Four hundred who come back whenever there is room, until what this is about was seen.
    let (seen, until) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(60));
    let storm = join_all((0..400).map(|_| async {
        while !seen.load(Ordering::Relaxed) && Instant::now() < until {
            let _ = app.app.passwords.verify(None, PASSWORD).await;
            tokio::task::yield_now().await;
        }
    }));
    let sign_in = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Who comes in the moment in which a place is free gets it, and is not the one that this is about.
        let (browser, page) = loop {
            let mut browser = Browser::new(&app);
            let page = browser.open(&Request::new().path()).await;
            let reply = browser.clone().submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
            if is_unavailable(&reply) {
                break (browser, page);
            }
            assert!(Instant::now() < until, "nobody was sent away: {reply:?}");
        };
        let began = Instant::now();
        let token =
            post_as(&app, "rp", "/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
        let took = began.elapsed();
        seen.store(true, Ordering::Relaxed);
        (browser, page, token.status.as_u16(), took)
    };
    let (_, (mut browser, page, token, took)) = tokio::join!(storm, sign_in);
    assert_eq!(token, 400);
    assert!(took < Duration::from_secs(1), "{took:?}");
    // The try did not happen: the page says nothing of a failure, and the right password signs in.
    let page = browser.get(&page.path).await;
    assert_eq!(page.page(), "login");
    assert!(!page.body.contains("did not match"), "{}", page.body);
    assert_eq!(browser.sign_in(&page, &ada).await.outcome(), "code");
}
