//! The database is gone or slow, or there is too much to do: nothing is decided from memory, nothing lost, and it comes back.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::postgresql;
use crate::database::sqlite;
use crate::metrics::value;
use crate::relying_party::Request;
use crate::relying_party::post_as;
use crate::relying_party::tokens;
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
        browser.post("/interaction/x/password/options", &[]).await,
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
    let said = "Something went wrong here that should not have. Try again; if it happens again, tell those who run this \
                service that the request was ";
    assert_eq!(broken.body, format!("{said}{id}.\n"));
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
    for path in ["/.well-known/openid-configuration", "/jwks", "/healthz"] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
    let state = browser.get("/readyz").await;
    assert!(is_unavailable(&state), "{state:?}");
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(browser.get("/readyz").await.status, 200);
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
        assert!(app.app.store.crowd.waits(), "the writer knows that a processor is waited for");
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

/// From now on the database refuses new rows of `table`, all or those that `when` is true of.
fn refuse_rows(app: &TestApp, table: &str, when: &str) {
    let when = if when.is_empty() { String::new() } else { format!("WHEN ({when})") };
    let statement = match app.raw_url.starts_with("sqlite") {
        true => format!(
            "CREATE TRIGGER refused BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ),
        false => format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
             AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
             CREATE TRIGGER refused BEFORE INSERT ON {table} FOR EACH ROW {when} EXECUTE FUNCTION refuse()"
        ),
    };
    app.sql(&statement);
}

fn take_rows_again(app: &TestApp, table: &str) {
    app.sql(&match app.raw_url.starts_with("sqlite") {
        true => "DROP TRIGGER refused".to_owned(),
        false => format!("DROP TRIGGER refused ON {table}"),
    });
}

/// How many sessions, events, remembered accounts, codes, and audit lines that tell of a sign-in or a code there are.
fn written(app: &TestApp) -> Vec<String> {
    [
        "sessions",
        "events",
        "remembered_accounts",
        "grants",
        "audit WHERE what IN ('sign_in', 'authorization')",
    ]
    .map(|rows| app.sql(&format!("SELECT count(*) FROM {rows}")))
    .to_vec()
}

#[tokio::test]
async fn a_sign_in_that_fails_at_its_end_leaves_nothing_behind_and_succeeds_when_it_can() {
    const FAILED: &str = "stepgate_sign_ins_total{methods=\"pwd\",outcome=\"failed\"}";
    const DONE: &str = "stepgate_sign_ins_total{methods=\"pwd\",outcome=\"done\"}";
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let cookie = browser.cookie.clone();
        let mut failures = 0;
        // The last row of the transaction is the audit's line about the code.
        for (table, when) in [("events", ""), ("grants", ""), ("audit", "NEW.what = 'authorization'")] {
            refuse_rows(&app, table, when);
            let reply = match failures {
                0 => browser.sign_in(&page, &ada).await,
                _ => browser.open(&page.path).await,
            };
            failures += 1;
            assert!(is_unavailable(&reply) && reply.page() == "error", "{table}: {reply:?}");
            assert!(!reply.headers.contains_key("set-cookie") && reply.location().is_none(), "{reply:?}");
            assert!(!reply.body.contains("refused"), "{}", reply.body);
            assert_eq!(browser.cookie, cookie);
            assert_eq!(written(&app), ["0"; 5], "{table}");
            assert_eq!((value(&app, FAILED).await, value(&app, DONE).await), (Some(failures), None));
            let silent = browser.get(&Request::new().with("prompt", "none").path()).await;
            assert_eq!(silent.outcome(), "login_required", "{table}");
            take_rows_again(&app, table);
        }
        // The proof still rests in the interaction: the browser looks again.
        let token = tokens(&app, &browser.open(&page.path).await).await.id_token;
        assert_eq!(token["sub"], serde_json::json!(ada.id));
        assert_ne!(browser.cookie, cookie);
        assert_eq!(written(&app), ["1", "1", "1", "1", "2"]);
        assert_eq!((value(&app, FAILED).await, value(&app, DONE).await), (Some(failures), Some(1)));
    }
}
