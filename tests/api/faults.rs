//! The database is gone or slow, or there is too much to do: nothing is decided from memory, nothing lost, and it comes back.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::postgresql;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::post_as;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use futures_util::future::join_all;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

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
async fn a_file_that_somebody_holds_locked_is_503_in_time_and_good_again_after() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut holder = SqliteConnection::establish(app.raw_url.strip_prefix("sqlite://").unwrap()).unwrap();
    holder.batch_execute("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    // Many at once: none waits for the others' waiting.
    let tabs = (0..20).map(|_| {
        let mut tab = browser.clone();
        async move { tab.get(&Request::new().path()).await }
    });
    for reply in join_all(tabs).await {
        assert!(is_unavailable(&reply), "{reply:?}");
    }
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
    // Four hundred who come back whenever there is room.
    let until = Instant::now() + Duration::from_secs(2);
    let storm = join_all((0..400).map(|_| async {
        while Instant::now() < until {
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
        (browser, page, token.status.as_u16(), began.elapsed())
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
