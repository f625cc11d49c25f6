//! Codes that are mailed before something is set up: they are guessed at as slowly as any code, mailed a few times a day, good where
//! they were asked for alone, and told of in the audit.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::audit::entries;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::TestDatabase;
use crate::database::databases;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::smtp::Manner;
use crate::smtp::Received;
use crate::smtp::SmtpServer;
use futures_util::future::join_all;
use serde_json::Value;

const DAY: u32 = 24 * 60 * 60;

/// A server that mails, and somebody with a password and a verified address.
async fn spawn(database: TestDatabase, mailbox: &SmtpServer) -> (TestApp, TestUser) {
    let settings = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", mailbox.settings());
    let app = TestApp::on(database, &settings).await;
    let bob = app.user("bob").await;
    app.command(&["user", "update", "bob", "--email", "bob@op.test"], "");
    (app, bob)
}

/// Bob signs in, in a browser of his own, for something that he has yet to set up.
async fn asked(app: &TestApp, source: &str) -> (Browser, Reply) {
    let mut browser = Browser::new(app);
    browser.source = Some(source.into());
    let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
    let page = browser.submit(&page, &[("username", "bob"), ("password", PASSWORD)]).await;
    assert_eq!(page.page(), "mail-code", "{page:?}");
    (browser, page)
}

/// The codes that came, once there are so many.
async fn codes(mailbox: &SmtpServer, count: usize) -> Vec<String> {
    let mails = mailbox.wait_for(count).await;
    mails.iter().filter_map(Received::code).map(str::to_owned).collect()
}

fn wait(reply: &Reply) -> Option<u32> {
    (reply.status == 429).then(|| reply.header("retry-after").parse().unwrap())
}

/// `outcome reason` of the lines about mailed codes.
async fn lines(app: &TestApp) -> Vec<String> {
    let mut lines = entries(app).await;
    lines.retain(|line| line["what"] == "mail_code");
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    lines.iter().map(|line| format!("{} {}", text(line, "outcome"), text(line, "reason"))).collect()
}

#[tokio::test]
async fn after_five_wrong_mailed_codes_the_next_waits_in_whatever_interaction_it_is_tried() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let (app, _) = spawn(database, &mailbox).await;
        let (mut browser, mut page) = asked(&app, "192.0.2.1").await;
        for _ in 0..4 {
            page = browser.submit(&page, &[("code", "00000000")]).await;
            assert!(page.body.contains("not the code that was mailed"), "{page:?}");
        }
        let (mut browser, mut page) = asked(&app, "192.0.2.1").await;
        for _ in 0..2 {
            page = browser.submit(&page, &[("code", "00000000")]).await;
            assert_eq!(page.page(), "mail-code");
        }
        // The right one is not looked at either, and is good later.
        let code = codes(&mailbox, 2).await.remove(1);
        let refused = browser.submit(&page, &[("code", &code)]).await;
        assert_eq!((wait(&refused), refused.page().as_str()), (Some(2), "error"));
        app.clock.advance(2);
        assert_eq!(browser.submit(&page, &[("code", &code)]).await.page(), "enrol-passkey");
        // The success took the failures back.
        let (mut browser, mut page) = asked(&app, "192.0.2.1").await;
        for _ in 0..4 {
            page = browser.submit(&page, &[("code", "00000000")]).await;
            assert_eq!(page.page(), "mail-code");
        }
    }
}

#[tokio::test]
async fn who_came_for_their_account_is_told_why_five_wrong_mailed_codes_changed_nothing() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let (app, bob) = spawn(sqlite(), &mailbox).await;
    let mut browser = Browser::signed_in(&app, &bob).await;
    let page = browser.open("/account/passkeys").await;
    let mut page = browser.submit(&page, &[("action", "totp")]).await;
    for _ in 0..5 {
        assert_eq!(page.page(), "mail-code");
        page = browser.submit(&page, &[("code", "00000000")]).await;
    }
    assert_eq!(page.page(), "account-passkeys");
    assert!(page.body.contains("Too many tries did not match, so nothing was changed."), "{page:?}");
}

#[tokio::test]
async fn mailed_codes_are_guessed_at_a_hundred_times_a_day_from_wherever_and_nobody_is_locked_out_for_ever() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let (app, _) = spawn(database, &mailbox).await;
        let mut guessed = 0;
        let refused = 'guessing: loop {
            let (mut browser, mut page) = asked(&app, &format!("10.9.{guessed}.1")).await;
            for _ in 0..4 {
                browser.source = Some(format!("10.8.{guessed}.1"));
                page = browser.submit(&page, &[("code", "00000000")]).await;
                if wait(&page).is_some() || guessed > 200 {
                    break 'guessing page;
                }
                guessed += 1;
            }
        };
        assert_eq!((guessed, wait(&refused)), (101, Some(15 * 60)));
        // No more than a few more in a day.
        for _ in 1..(DAY / 900) {
            app.clock.advance(900);
            let (mut browser, page) = asked(&app, "10.7.0.1").await;
            let page = browser.submit(&page, &[("code", "00000000")]).await;
            guessed += usize::from(wait(&page).is_none());
        }
        assert!((102..=110).contains(&guessed), "{guessed}");
        // An administrator frees him.
        app.command(&["user", "unlock", "bob"], "");
        let (mut browser, page) = asked(&app, "10.7.0.1").await;
        let code = codes(&mailbox, 11).await.pop().unwrap();
        assert_eq!(browser.submit(&page, &[("code", &code)]).await.page(), "enrol-passkey");
    }
}

#[tokio::test]
async fn ten_codes_a_day_are_mailed_to_an_address_and_its_notices_come_all_the_same() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let (app, _) = spawn(database, &mailbox).await;
        for n in 0..4 {
            let (mut browser, mut page) = asked(&app, &format!("10.9.{n}.1")).await;
            for _ in 0..3 {
                page = browser.submit(&page, &[("action", "resend")]).await;
                assert_eq!(page.page(), "mail-code");
            }
            assert_eq!(page.body.contains("no more are sent for now"), n == 3, "{n}: {page:?}");
        }
        // No other interaction helps, nor looking again; what there is to wait for is said.
        let (mut browser, page) = asked(&app, "10.9.9.1").await;
        assert!(page.body.contains("no more are sent for now. Come back in 24 hours"), "{page:?}");
        assert!(!page.body.contains("name=\"code\""), "there is none to enter");
        for _ in 0..3 {
            browser.open(&page.path).await;
        }
        assert_eq!(codes(&mailbox, 10).await.len(), 10);
        app.command(&["user", "set-password", "bob", "--password-stdin"], PASSWORD);
        app.clock.advance(60);
        let mails = mailbox.wait_for(11).await;
        let told = mails.iter().filter(|mail| mail.code().is_none()).count();
        assert_eq!((mails.len(), told), (11, 1), "a notice is none of them");
        let refused = lines(&app).await.into_iter().filter(|line| line == "refused too many codes").count();
        assert_eq!(refused, 2, "one line for each interaction");
        app.clock.advance(DAY);
        asked(&app, "10.9.9.1").await;
        assert_eq!(codes(&mailbox, 12).await.len(), 11);
    }
}

#[tokio::test]
async fn codes_that_are_asked_for_at_once_are_each_counted() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let (app, _) = spawn(database, &mailbox).await;
        for n in 1..=5 {
            asked(&app, &format!("10.1.{n}.1")).await;
        }
        // As many passwords of one person as are looked at in one moment.
        let sources = (1..=8).map(|n| format!("10.2.{n}.1")).collect::<Vec<_>>();
        let asked = join_all(sources.iter().map(|source| asked(&app, source))).await;
        let full = asked.iter().filter(|(_, page)| page.body.contains("no more are sent for now")).count();
        assert_eq!((codes(&mailbox, 10).await.len(), full), (10, 3));
        assert_eq!(app.sql("SELECT COUNT(*) FROM mail_codes"), "1");
    }
}

#[tokio::test]
async fn a_mailed_code_is_good_in_its_own_interaction_alone_and_the_newest_voids_the_others() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let (app, _) = spawn(database, &mailbox).await;
        let (mut one, first) = asked(&app, "10.0.0.1").await;
        codes(&mailbox, 1).await;
        let (mut other, second) = asked(&app, "10.0.0.2").await;
        let mailed = codes(&mailbox, 2).await;
        let page = one.submit(&first, &[("code", &mailed[1])]).await;
        assert!(page.body.contains("not the code that was mailed"), "it is the other's: {page:?}");
        let page = one.submit(&page, &[("code", &mailed[0])]).await;
        assert!(page.body.contains("not the code that was mailed"), "a newer one was mailed: {page:?}");
        assert_eq!(other.clone().submit(&second, &[("code", &mailed[0])]).await.page(), "mail-code");
        let page = one.submit(&page, &[("action", "resend")]).await;
        let mailed = codes(&mailbox, 3).await;
        let second = other.open(&second.path).await;
        assert_eq!(other.submit(&second, &[("code", &mailed[1])]).await.page(), "mail-code");
        assert_eq!(one.submit(&page, &[("code", &mailed[2])]).await.page(), "enrol-passkey");
    }
}

#[tokio::test]
async fn every_mailed_code_and_every_try_of_one_has_its_line_in_the_audit() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let (app, bob) = spawn(database, &mailbox).await;
        let mut browser = Browser::signed_in(&app, &bob).await;
        browser.source = Some("192.0.2.1".into());
        let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
        let mut page = browser.submit(&page, &[("password", PASSWORD)]).await;
        for _ in 0..4 {
            page = browser.submit(&page, &[("code", "00000000")]).await;
        }
        let code = codes(&mailbox, 1).await.remove(0);
        assert_eq!(browser.submit(&page, &[("code", &code)]).await.page(), "enrol-passkey");
        let expected =
            ["done mailed", "refused wrong", "refused wrong", "refused wrong", "refused wrong", "done right"];
        assert_eq!(sorted(lines(&app).await), sorted(expected.map(str::to_owned).to_vec()));
        let all = entries(&app).await;
        let session = app.sql("SELECT id FROM sessions");
        for line in all.iter().filter(|line| line["what"] == "mail_code") {
            assert_eq!((&line["sub"], &line["source"]), (&bob.id.to_string().into(), &"192.0.2.1".into()));
            assert_eq!(line["sid"], session, "{line}");
        }
        // However often somebody knocks while they are braked, that is one line.
        let (mut browser, mut page) = asked(&app, "192.0.2.9").await;
        for n in 0..6 {
            if n == 3 {
                (browser, page) = asked(&app, "192.0.2.9").await;
            }
            page = browser.submit(&page, &[("code", "00000000")]).await;
        }
        for _ in 0..20 {
            assert_eq!(wait(&browser.clone().submit(&page, &[("code", "00000000")]).await), Some(2));
        }
        let braked = lines(&app).await.into_iter().filter(|line| line == "refused braked").count();
        assert_eq!(braked, 1);
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
