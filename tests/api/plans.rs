//! No statement of a request scans a table: every one that the server sends is recorded, and both databases explain it.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::assertions::Client;
use crate::assertions::claims;
use crate::assertions::present;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::database::databases;
use crate::recovery;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::introspect;
use crate::relying_party::post_as;
use crate::relying_party::redeem;
use crate::relying_party::redeem_as;
use crate::relying_party::refresh_as;
use crate::relying_party::token;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use crate::smtp::until;
use diesel::connection::InstrumentationEvent;
use diesel::connection::SimpleConnection;
use diesel::connection::set_default_instrumentation;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Mutex;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::id::MailId;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::store::mails;
use stepgate::store::mails::NewMail;
use stepgate::store::sweep;
use stepgate::store::users;
use tempfile::TempDir;

static SENT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn record(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        let text = query.to_string();
        let statement = text.split(" -- binds").next().unwrap();
        if ["SELECT ", "UPDATE ", "DELETE "].iter().any(|verb| statement.starts_with(verb))
            && statement.contains(" WHERE ")
        {
            SENT.lock().unwrap().insert(statement.to_owned());
        }
    }
}

/// Everything that a request can make the server send.
async fn every_path(app: &TestApp) {
    app.client(
        "pay",
        json!({"redirect_uris": [], "resource": "https://pay.test", "scopes_supported": ["p"]}),
    )
    .await;
    let (ada, bob) = (app.user_with_totp("ada", SecondFactor::StepUp).await, app.user("bob").await);
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    let bought = tokens(app, &browser.submit(&page, &[("code", &ada.code(app))]).await).await;
    assert_eq!(userinfo(app, bought.raw["access_token"].as_str().unwrap()).await.status, 200);
    let code = code(&browser.get(&Request::new().with("resource", "https://pay.test").path()).await);
    assert_eq!(redeem(app, &code).await.status, 200);
    assert_eq!(redeem(app, &code).await.status, 400);
    refreshed_introspected_and_revoked(app, &mut browser).await;
    approved_created_asserted_and_read_from_a_page(app, &mut browser).await;
    let page = browser.open(&Request::new().with("prompt", "select_account").path()).await;
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    browser.sign_in(&page, &bob).await;
    assert_eq!(browser.get(&Request::new().path()).await.outcome(), "code");
    let page = browser.get("/").await;
    assert_eq!(browser.submit(&page, &[]).await.page(), "logged-out");
    bounded(app, &mut browser, &bob).await;
    mailed(app, &ada).await;
    changed_and_replaced(app).await;
    asked_for_a_mailed_code(app).await;
    stepgate::password_costs::look(&app.app).await.unwrap();
    app.clock.advance(90 * 86_400);
    let now = app.clock.now();
    assert!(app.app.store.write(move |c| sweep::batch(c, now, Seconds::days(30))).await.unwrap() > 0);
}

/// More than is kept, somebody's and a stranger's.
async fn bounded(app: &TestApp, browser: &mut Browser, user: &TestUser) {
    let page = browser.open(&Request::new().path()).await;
    browser.sign_in(&page, user).await;
    let login = Request::new().with("prompt", "login").path();
    for _ in 0..60 {
        assert_eq!(browser.get(&login).await.status, 303);
    }
    let mut stranger = Browser::new(app);
    let page = stranger.open(&Request::new().path()).await;
    assert_eq!(stranger.submit(&page, &[("action", "decline")]).await.outcome(), "access_denied");
    for _ in 0..210 {
        assert_eq!(Browser::new(app).get(&Request::new().path()).await.status, 303);
    }
    assert_eq!(
        browser.get(&Request::new().with("prompt", "none").with("max_age", "0").path()).await.status,
        303
    );
    let page = browser.get("/logout").await;
    assert_eq!(browser.submit(&page, &[]).await.page(), "logged-out");
}

/// One mail that the server sends, and one that it gives up.
async fn mailed(app: &TestApp, user: &TestUser) {
    let (now, user) = (app.clock.now(), user.id.clone());
    let write = move |c: &mut _| {
        let [sent, given_up] = ["sent", "given up"].map(MailId::from_text);
        for (id, recipient) in [(&sent, "ada@op.test"), (&given_up, "nobody")] {
            let new = NewMail { id, user: Some(&user), recipient, subject: "s", body: "b", recovery: None };
            mails::push(c, &new, now)?;
        }
        mails::give_up(c, &given_up, now)?;
        users::addresses(c, &user)
    };
    app.app.store.write(write).await.unwrap();
    app.app.mail_waiting.notify_one();
    until("the mail is out", async || {
        app.app.store.read(move |c| mails::due(c, now.plus(Seconds::days(1)), 1)).await.unwrap().is_empty()
    })
    .await;
}

/// As many codes as an address gets, and tries of them until none is taken.
async fn asked_for_a_mailed_code(app: &TestApp) {
    let dora = app.user("dora").await;
    app.command(&["user", "update", "dora", "--email", "dora@op.test"], "");
    let mut browser = Browser::signed_in(app, &dora).await;
    for n in 0..4 {
        let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
        let mut page = browser.submit(&page, &[("password", PASSWORD)]).await;
        for _ in 0..3 {
            page = browser.submit(&page, &[("action", "resend")]).await;
            assert_eq!(page.page(), "mail-code");
        }
        // The tenth mail is the first one of the fourth request.
        let right = recovery::mailed_code(app, &dora, &page, 1);
        let code = if n == 3 { right } else { "00000000".into() };
        page = browser.submit(&page, &[("code", &code)]).await;
        assert_eq!(page.page(), if n == 3 { "enrol-passkey" } else { "mail-code" });
    }
}

/// A passkey, recovery codes, another password, and a replacement that is cancelled, and one that takes effect.
async fn changed_and_replaced(app: &TestApp) {
    let carl = recovery::owner(app, "carl").await;
    let mut phone = Authenticator::new(ISSUER);
    let (mut browser, page) = recovery::replace(app, &carl, &carl.codes[0], &mut phone).await;
    browser.post("/account/recovery", &[("cancel", "x")]).await;
    browser.submit(&page, &[("action", "cancel-recovery")]).await;
    recovery::replace(app, &carl, &carl.codes[1], &mut phone).await;
    recovery::owner_was_told(app).await;
    app.clock.advance(86_400);
    stepgate::account::recovery::complete_due(&app.app).await.unwrap();
    let mut browser = Browser::signed_in(app, &carl.user).await;
    let page = browser.open("/account/password").await;
    let page = browser.tap(&page, &mut phone).await;
    let page = browser.submit(&page, &[("password", "another horse battery")]).await;
    assert_eq!(page.page(), "account-passkeys");
}

async fn refreshed_introspected_and_revoked(app: &TestApp, browser: &mut Browser) {
    let grants = ["authorization_code", "refresh_token", "client_credentials"];
    app.client("app", json!({"grant_types": grants})).await;
    let code = code(&browser.get(&Request::new().with("client_id", "app").path()).await);
    let bought = redeem_as(app, "app", &code).await;
    let bought: Value = serde_json::from_str(&bought.body).unwrap();
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| bought[name].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(refresh_as(app, "app", refresh).await.status, 200);
    }
    assert_eq!(introspect(app, "app", access).await["active"], json!(true));
    for token in [access, refresh] {
        assert_eq!(post_as(app, "app", "/revoke", &[("token", token)]).await.status, 200);
    }
    let own: Value =
        serde_json::from_str(&token(app, "app", &[("grant_type", "client_credentials")]).await.body).unwrap();
    assert_eq!(introspect(app, "app", own["access_token"].as_str().unwrap()).await["active"], json!(true));
}

async fn approved_created_asserted_and_read_from_a_page(app: &TestApp, browser: &mut Browser) {
    app.client("asks", json!({"skip_consent": false})).await;
    let page = browser.open(&Request::new().with("client_id", "asks").path()).await;
    assert_eq!(browser.submit(&page, &[]).await.outcome(), "code");
    let mut eve = Browser::new(app);
    let page = eve.open(&Request::new().with("prompt", "create").path()).await;
    let page = eve.submit(&page, &[("username", "bob"), ("password", PASSWORD)]).await;
    assert_eq!(eve.submit(&page, &[("username", "eve"), ("password", PASSWORD)]).await.outcome(), "code");
    let client = Client::new("ES256");
    client.register(app, "asserts").await;
    assert_eq!(present(app, &client.sign(&claims(app, "asserts", "once")), &[]).await.status, 200);
    let origin =
        reqwest::Client::new().post(format!("{}/token", app.address)).header("origin", "https://rp.test");
    assert_eq!(browser.send(origin, "/token").await.header("access-control-allow-origin"), "https://rp.test");
}

#[tokio::test]
async fn no_statement_of_a_request_scans() {
    set_default_instrumentation(|| Some(Box::new(record))).unwrap();
    let mut plans = 0;
    for database in databases() {
        let (name, url) = (database.name, database.raw_url.clone());
        let folder = TempDir::new().unwrap();
        let mail = format!("[mail]\nfolder = {:?}\nfrom = \"login@op.test\"", folder.path());
        let app = TestApp::on(database, &format!("accounts.create = true\n{mail}")).await;
        every_path(&app).await;
        let sent = SENT.lock().unwrap().clone();
        let own =
            sent.iter().filter(|statement| statement.contains('`') == (name == "SQLite")).collect::<Vec<_>>();
        assert!(own.len() >= 25, "{name}: only {} statements were recorded", own.len());
        let scans = match name {
            "SQLite" => scans_of_sqlite(&url, &own),
            _ => scans_of_postgresql(&url, &own),
        };
        assert_eq!(scans, Vec::<String>::new(), "{name}");
        plans += own.len();
    }
    assert!(plans >= 50);
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn scans_of_sqlite(url: &str, statements: &[&String]) -> Vec<String> {
    let mut c = SqliteConnection::establish(url.strip_prefix("sqlite://").unwrap()).unwrap();
    let mut scans = Vec::new();
    for statement in statements {
        let plan = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(&mut c).unwrap();
        scans.extend(
            plan.iter()
                .filter(|s| s.detail.starts_with("SCAN"))
                .map(|s| format!("{} in {statement}", s.detail)),
        );
    }
    scans
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// With sequential scans priced out of reach, one that is left in a generic plan had no index to use.
fn scans_of_postgresql(url: &str, statements: &[&String]) -> Vec<String> {
    let mut c = PgConnection::establish(url).unwrap();
    c.batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").unwrap();
    let mut scans = Vec::new();
    for (n, statement) in statements.iter().enumerate() {
        let parameters = (1..100).rev().find(|i| statement.contains(&format!("${i}"))).unwrap_or(0);
        c.batch_execute(&format!("PREPARE s{n} AS {statement}")).unwrap();
        let nulls = vec!["NULL"; parameters].join(", ");
        let plan = diesel::sql_query(format!("EXPLAIN EXECUTE s{n}({nulls})")).load::<Line>(&mut c).unwrap();
        // A partial index that is small when a statement is planned is read whole, and goes on being read so when it has grown.
        let whole = |(n, line): &(usize, &Line)| {
            let is_bound = plan.get(n + 1).is_some_and(|next| next.line.contains("Index Cond:"));
            line.line.contains("Seq Scan")
                || line.line.contains("Index") && line.line.contains("Scan") && !is_bound
        };
        let seen = plan.iter().enumerate().filter(whole);
        scans.extend(seen.map(|(_, line)| format!("{} in {statement}", line.line.trim())));
    }
    scans
}
