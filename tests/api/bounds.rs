//! What requests leave behind has a bound, and no bound is a way to keep others out.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::audit::entries;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::logs;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::error;
use crate::relying_party::tokens;
use std::collections::BTreeSet;
use std::sync::Arc;
use stepgate::assurance::factors::SecondFactor;
use stepgate::assurance::ledger::Method;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::interaction::brake::Try;
use stepgate::store::audit;
use stepgate::store::audit::Actor;
use stepgate::store::audit::What;
use stepgate::store::users::LoginName;

const MFA: &str = "urn:stepgate:acr:mfa";

fn rows(app: &TestApp, table: &str) -> i64 {
    app.sql(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
}

/// A browser in which a sign-in was begun, and a form of it taken.
async fn begun(app: &TestApp, name: &str) -> (Browser, Reply) {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().path()).await;
    let page = browser.submit(&page, &[("username", name), ("password", "a wrong one")]).await;
    assert_eq!(page.page(), "login", "{page:?}");
    (browser, page)
}

#[tokio::test]
async fn pages_that_nobody_answers_shut_nobody_out_and_end_nothing_that_was_answered() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let mut home = Browser::signed_in(&app, &ada).await;
        let out = home.get("/logout").await;
        home.submit(&out, &[]).await;
        let before = home.open(&Request::new().path()).await;
        let (mut begins, page) = begun(&app, "bob").await;
        for _ in 0..300 {
            assert_eq!(Browser::new(&app).get(&Request::new().path()).await.status, 303);
            assert_eq!(Browser::new(&app).get("/account/passkeys").await.status, 303);
        }
        // Those that were only there for pages that nobody answered are gone with them.
        assert!(rows(&app, "interactions") <= 202, "{}", rows(&app, "interactions"));
        assert!(rows(&app, "browsers") <= 202, "{}", rows(&app, "browsers"));
        assert_eq!(begins.sign_in(&page, &bob).await.outcome(), "code");
        assert_eq!(
            home.sign_in(&before, &ada).await.outcome(),
            "code",
            "nor of a browser in which somebody was"
        );
        assert_eq!(Browser::new(&app).open("/account/passkeys").await.page(), "login");
        Browser::signed_in(&app, &bob).await;
    }
}

#[tokio::test]
async fn fifty_sign_ins_of_a_source_may_be_under_way_and_those_who_are_known_are_not_counted() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut known = Browser::signed_in(&app, &ada).await;
        let mut waiting = Browser::new(&app);
        let page = waiting.open(&Request::new().path()).await;
        for n in 0..50 {
            begun(&app, &format!("nobody-{n}")).await;
        }
        let refused = Browser::new(&app).get(&Request::new().path()).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "600"));
        assert!(refused.header("set-cookie").is_empty());
        let refused = waiting.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "600"));
        assert_eq!(known.open(&Request::new().with("prompt", "login").path()).await.page(), "password");
        app.clock.advance(601);
        assert_eq!(Browser::new(&app).get(&Request::new().path()).await.status, 303);
    }
}

#[tokio::test]
async fn what_a_browser_opens_and_declines_is_bounded_and_gone_with_its_sign_out() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let (before, login) = (rows(&app, "interactions"), Request::new().with("prompt", "login").path());
        for _ in 0..120 {
            assert_eq!(browser.get(&login).await.status, 303);
        }
        assert_eq!(rows(&app, "interactions") - before, 50);
        for _ in 0..3 {
            let page = browser.open(&login).await;
            assert_eq!(browser.submit(&page, &[("action", "decline")]).await.outcome(), "access_denied");
        }
        assert!(rows(&app, "interactions") - before <= 50);
        let out = browser.get("/logout").await;
        assert_eq!(browser.submit(&out, &[]).await.page(), "logged-out");
        assert_eq!(rows(&app, "interactions"), 0);
        // A stranger's leaves nothing at all.
        let (browsers, mut stranger) = (rows(&app, "browsers"), Browser::new(&app));
        let page = stranger.open(&Request::new().path()).await;
        assert_eq!(stranger.submit(&page, &[("action", "decline")]).await.outcome(), "access_denied");
        assert_eq!((rows(&app, "interactions"), rows(&app, "browsers")), (0, browsers));
    }
}

#[tokio::test]
async fn a_proof_in_an_open_page_signs_nobody_in_after_the_sign_out() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        app.client("asks", serde_json::json!({"skip_consent": false})).await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let request = Request::new().with("client_id", "asks").with("prompt", "select_account").path();
        let page = browser.open(&request).await;
        let page = browser.submit(&page, &[("action", "other-account")]).await;
        let consent = browser.sign_in(&page, &ada).await;
        assert_eq!(consent.page(), "consent", "{consent:?}");
        let out = browser.get("/logout").await;
        browser.submit(&out, &[]).await;
        assert_eq!(browser.submit(&consent, &[]).await.status, 400);
        let silent = browser.get(&Request::new().with("prompt", "none").path()).await;
        assert_eq!(silent.outcome(), "login_required");
    }
}

#[tokio::test]
async fn half_a_sign_in_of_another_tab_goes_with_the_sign_out() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let step_up = Request::new().with("prompt", "select_account").with("acr_values", MFA);
        let page = browser.open(&step_up.path()).await;
        let page = browser.submit(&page, &[("action", "other-account")]).await;
        let half = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
        assert_eq!(half.page(), "totp", "{half:?}");
        let out = browser.get("/logout").await;
        assert_eq!(browser.submit(&out, &[]).await.page(), "logged-out");
        assert_eq!(browser.submit(&half, &[("code", &ada.code(&app))]).await.status, 400);
        let silent = browser.get(&Request::new().with("prompt", "none").path()).await;
        assert_eq!(silent.outcome(), "login_required");
    }
}

/// As many others open a page as may be open, and one more.
async fn flooded(app: &TestApp) {
    app.clock.advance(1);
    for _ in 0..=200 {
        assert_eq!(Browser::new(app).get(&Request::new().path()).await.status, 303);
    }
}

#[tokio::test]
async fn a_page_that_a_flood_of_others_took_along_is_answered_all_the_same_by_its_own_browser() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let request = Request::new().with("prompt", "login").with("max_age", "60");
        let mut browser = Browser::new(&app);
        let page = browser.open(&request.path()).await;
        flooded(&app).await;
        let right = [("username", "ada"), ("password", PASSWORD)];
        let changed = page.hidden_fields().into_iter().find(|(name, _)| name == "kept").unwrap().1 + "A";
        let (kept, step) = ([("kept", changed.as_str())], [("step", "1")]);
        for more in [&kept[..], &step[..], &[("form", "AAAA")], &[("kept", "")]] {
            let reply = browser.clone().submit(&page, &[&right[..], more].concat()).await;
            assert_eq!(reply.status, 400, "{more:?}: {reply:?}");
        }
        // Another browser, or a known one.
        assert_eq!(Browser::new(&app).submit(&page, &right).await.status, 400);
        assert_eq!(begun(&app, "ada").await.0.submit(&page, &right).await.status, 400);
        // A wrong password is told on the page, which goes on.
        let again = browser.clone().submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
        assert_eq!(again.page(), "login", "{again:?}");
        let answer = browser.submit(&page, &right).await;
        let claims = tokens(&app, &answer).await.id_token;
        assert_eq!(claims["sub"], ada.id.as_str());
        assert_eq!(claims["auth_time"], app.clock.now().unix_seconds());
        assert_eq!(browser.submit(&page, &right).await.status, 400, "it has had its answer");
    }
}

#[tokio::test]
async fn a_long_request_is_carried_by_its_page_and_one_that_is_too_long_for_that_is_answered_too() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let long = "s".repeat(2_000);
    let request = Request::new().with("state", &long).with("nonce", &long);
    let longer = request.clone().with("login_hint", &long);
    for (request, is_carried) in [(request, true), (longer, false)] {
        let mut browser = Browser::new(&app);
        let led = browser.post("/authorize", &request.pairs()).await;
        let page = browser.follow(led).await;
        assert_eq!(
            (page.page().as_str(), page.body.contains("name=\"kept\"")),
            ("login", is_carried),
            "{page:?}"
        );
        if is_carried {
            flooded(&app).await;
        }
        // As long as one may be, each byte of which is three in a form.
        let long_password = "%".repeat(1_024);
        let wrong =
            browser.clone().submit(&page, &[("username", "nobody"), ("password", &long_password)]).await;
        assert_eq!(wrong.page(), "login", "{wrong:?}");
        let page = if is_carried { page } else { wrong };
        let answer = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
        assert_eq!(answer.answer()["state"], long);
    }
    assert_eq!(app.sql(&format!("SELECT count(*) FROM sessions WHERE user_id = '{}'", ada.id)), "2");
}

#[tokio::test]
async fn a_page_that_a_flood_took_along_is_over_with_its_time_and_with_a_no() {
    let app = TestApp::spawn().await;
    app.user("ada").await;
    let mut browsers = [Browser::new(&app), Browser::new(&app)];
    let right = [("username", "ada"), ("password", PASSWORD)];
    let no = browsers[0].open(&Request::new().path()).await;
    assert_eq!(browsers[0].submit(&no, &[("action", "decline")]).await.outcome(), "access_denied");
    let late = browsers[1].open(&Request::new().path()).await;
    flooded(&app).await;
    assert_eq!(browsers[0].submit(&no, &right).await.status, 400);
    app.clock.advance(599);
    assert_eq!(browsers[1].submit(&late, &right).await.status, 400);
}

/// Lines about somebody: all, those of one kind, and those that say that there were more.
async fn lines(app: &TestApp, user: &TestUser, what: &str) -> (usize, usize) {
    let all = entries(app).await;
    let own = all.iter().filter(|line| line["sub"] == user.id.as_str() && line["what"] == what);
    let own = own.filter(|line| line["outcome"] == "refused").collect::<Vec<_>>();
    let more = own.iter().filter(|line| line["reason"].as_str().unwrap().contains("left out")).count();
    (own.len(), more)
}

#[tokio::test]
async fn what_is_refused_over_and_over_has_a_hundred_lines_an_hour_and_one_that_says_so() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let mut browser = Browser::signed_in(&app, &ada).await;
        let silent = Request::new().with("prompt", "none").with("max_age", "0").path();
        for _ in 0..130 {
            assert_eq!(browser.get(&silent).await.outcome(), "login_required");
        }
        assert_eq!(lines(&app, &ada, "authorization").await, (101, 1));
        for _ in 0..130 {
            assert_eq!(browser.post("/account/passkeys", &[("form", "forged")]).await.status, 403);
        }
        // Another kind, and another person, have their own.
        assert_eq!(lines(&app, &ada, "form").await, (101, 1));
        let mut other = Browser::signed_in(&app, &bob).await;
        other.get(&silent).await;
        assert_eq!(lines(&app, &bob, "authorization").await, (1, 0));
        app.clock.advance(3601);
        browser.get(&silent).await;
        assert_eq!(lines(&app, &ada, "authorization").await, (102, 1));
    }
}

#[tokio::test]
async fn what_is_done_over_and_over_has_a_thousand_lines_an_hour_and_one_that_says_so() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let append = async |user: &TestUser, what, times: usize| {
            let entries = (0..times).map(|_| app.app.entry(Actor::User(&user.id, None), what));
            let entries = entries.collect::<Vec<_>>();
            let write = move |c: &mut _| entries.iter().try_for_each(|entry| audit::append(c, entry));
            app.app.store.write(write).await.unwrap();
        };
        append(&ada, What::FactorRenamed, 1_010).await;
        append(&ada, What::FactorRemoved, 1).await;
        append(&bob, What::FactorRenamed, 1).await;
        let count = |user: &TestUser, more: &str| {
            let lines =
                format!("SELECT count(*) FROM audit WHERE user_id = '{}' AND outcome = 'done'", user.id);
            app.sql(&format!("{lines} {more}")).parse::<usize>().unwrap()
        };
        assert_eq!(count(&ada, "AND what = 'factor.renamed'"), 1_001);
        assert_eq!(count(&ada, "AND reason LIKE '%left out%'"), 1);
        assert_eq!(
            (count(&ada, "AND what = 'factor.removed'"), count(&bob, "AND what = 'factor.renamed'")),
            (1, 1)
        );
        app.clock.advance(3_600);
        append(&ada, What::FactorRenamed, 1).await;
        assert_eq!(count(&ada, "AND what = 'factor.renamed'"), 1_002);
    }
}

#[tokio::test]
async fn a_try_that_was_not_looked_at_leaves_no_counters() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let now = app.clock.now();
        for n in 0..10 {
            let name = LoginName::parse(&format!("nobody-{n}"));
            let this = Try::of_nobody(name.as_ref(), "192.0.2.1");
            assert_eq!(this.method(), Method::Pwd);
            let (shared, before) = (Arc::new(this), rows(&app, "throttles"));
            let this = shared.clone();
            app.app.store.write(move |c| this.count(c, now)).await.unwrap().unwrap();
            assert_eq!(rows(&app, "throttles"), before + 3);
            app.app.store.write(move |c| shared.undo(c)).await.unwrap();
            assert_eq!(rows(&app, "throttles"), 0);
        }
    }
}

#[tokio::test]
async fn a_session_that_was_answered_3600_times_in_an_hour_waits_for_its_next_code() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let (mut browser, mut another) =
            (Browser::signed_in(&app, &ada).await, Browser::signed_in(&app, &bob).await);
        app.clock.advance(5);
        let silent = Request::new().with("prompt", "none").path();
        // As after 3,599 answers.
        let paid_until = app.clock.now().plus(Seconds(3_599)).micros();
        let of_ada = "session_id IN (SELECT id FROM sessions WHERE user_id";
        app.sql(&format!(
            "UPDATE session_clients SET paid_until = {paid_until} WHERE {of_ada} = '{}')",
            ada.id
        ));
        code(&browser.get(&silent).await);
        let written = (rows(&app, "grants"), rows(&app, "audit"));
        let refused = browser.get(&silent).await;
        assert_eq!(error(&refused), "temporarily_unavailable");
        let lines = entries(&app).await;
        let refusals = lines.iter().filter(|line| line["outcome"] == "refused").collect::<Vec<_>>();
        assert!(
            matches!(refusals.as_slice(), [only] if only["reason"] == "temporarily_unavailable"),
            "{lines:?}"
        );
        // With a page it is no other.
        let page = browser.open(&Request::new().with("prompt", "select_account").path()).await;
        let refused = browser.choose(&page, &ada).await;
        assert_eq!(error(&refused), "temporarily_unavailable");
        assert_eq!((rows(&app, "grants"), rows(&app, "audit")), (written.0, written.1 + 2));
        // What is proved there is not lost.
        let page = browser.open(&Request::new().with("prompt", "login").path()).await;
        let refused = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(error(&refused), "temporarily_unavailable");
        let proved = app.clock.now().unix_seconds();
        code(&another.get(&silent).await);
        app.clock.advance(1);
        assert_eq!(tokens(&app, &browser.get(&silent).await).await.id_token["auth_time"], proved);
        assert_eq!(error(&browser.get(&silent).await), "temporarily_unavailable");
    }
}

#[tokio::test]
async fn a_proxy_names_a_source_with_a_port_or_brackets_and_one_that_names_nobody_makes_no_crowd() {
    logs::record();
    let app = TestApp::on(sqlite(), "trusted_proxies = [\"127.0.0.1\"]").await;
    let opened = async |hop: &str| {
        let mut browser = Browser::new(&app);
        browser.source = Some(hop.to_owned());
        assert_eq!(browser.get(&Request::new().path()).await.status, 303, "{hop}");
        let source = app.sql("SELECT source FROM interactions");
        app.sql("DELETE FROM interactions");
        source
    };
    for (hop, expected) in [
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7:1", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("2001:db8::1", "2001:db8::/64"),
    ] {
        assert_eq!(opened(hop).await, expected, "{hop}");
    }
    // Whatever it is, the same for everybody too.
    for hop in ["client-a", "unknown", "_hidden", "unix:", ""] {
        let mut sources = BTreeSet::new();
        for _ in 0..20 {
            sources.insert(opened(hop).await);
        }
        assert!(sources.iter().all(|source| source.starts_with("unreadable ")), "{sources:?}");
        assert!(sources.len() > 10, "{hop}: {sources:?}");
    }
    let warned = logs::everything().matches("names no address").count();
    assert_eq!(warned, 1);
}
