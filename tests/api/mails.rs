//! The outbox with the server that empties it: over SMTP, into a folder, by one of several, late if need be, and never twice.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::commands::self_signed;
use crate::database::postgresql;
use crate::database::sqlite;
use crate::logs;
use crate::program::Place;
use crate::smtp;
use crate::smtp::Manner;
use crate::smtp::SmtpServer;
use crate::smtp::until;
use diesel::sql_query;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::entropy::SystemEntropy;
use stepgate::base::id::MailId;
use stepgate::base::time::Clock;
use stepgate::base::time::SystemClock;
use stepgate::base::time::Time;
use stepgate::store::Store;
use stepgate::store::connection::DatabaseUrl;
use stepgate::store::mails;
use stepgate::store::mails::NewMail;
use stepgate::store::statement::Statement;
use tempfile::TempDir;

const BODY: &str = "Grüße!\n\n.\nYour code is 493817.\n";

async fn push(store: &Store, now: Time, recipient: &str) -> MailId {
    let (id, recipient) = (MailId::generate(&SystemEntropy, now), recipient.to_owned());
    let new = id.clone();
    let write = move |c: &mut _| {
        let subject = "Your code\r\nBcc: eve@evil.test";
        mails::push(
            c,
            &NewMail { id: &new, user: None, recipient: &recipient, subject, body: BODY, recovery: None },
            now,
        )
    };
    store.write(write).await.unwrap();
    id
}

/// As a feature does it: written in a transaction, then the sender is poked.
async fn mail_to(app: &TestApp, recipient: &str) -> MailId {
    let id = push(&app.app.store, app.clock.now(), recipient).await;
    app.app.mail_waiting.notify_one();
    id
}

/// Rows of the outbox for which something is so.
async fn rows(app: &TestApp, condition: &str) -> usize {
    // A statement that changes nothing: it counts on both databases.
    let count = format!("UPDATE mails SET subject = subject WHERE {condition}");
    app.app.store.write(move |c| sql_query(count).run(c)).await.unwrap()
}

async fn counted(app: &TestApp, outcome: &str) -> u64 {
    let line = format!("stepgate_mails_total{{outcome=\"{outcome}\"}} ");
    let text = Browser::new(app).get("/metrics").await.body;
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_mail_arrives_with_its_headers_and_nothing_of_it_is_kept_or_logged() {
    logs::record();
    let server = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &server.settings()).await;
    let id = mail_to(&app, "grace.hopper@op.test").await;
    let mail = server.wait_for(1).await.remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("login@op.test", &["grace.hopper@op.test".to_owned()][..])
    );
    let date = chrono::DateTime::from_timestamp_micros(app.clock.now().micros()).unwrap();
    for (name, value) in [
        ("From", "=?utf-8?b?R3LDtsOfZSAmIENv?= <login@op.test>"),
        ("To", "grace.hopper@op.test"),
        ("Subject", "Your code  Bcc: eve@evil.test"),
        ("Date", &date.format("%a, %d %b %Y %H:%M:%S +0000").to_string()),
        ("Message-ID", &format!("<{id}@op.test>")),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ] {
        assert_eq!(mail.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(mail.header("Bcc"), None);
    let (_, body) = mail.text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.trim_end(), "Gr=C3=BC=C3=9Fe!\r\n\r\n.\r\nYour code is 493817.");
    until("its row is gone", async || rows(&app, "1 = 1").await == 0).await;
    assert_eq!((counted(&app, "sent").await, counted(&app, "failed").await), (1, 0));
    let log = logs::everything();
    assert!(log.contains(&format!("mail.sent mail={id}")));
    assert!(!log.contains("grace.hopper") && !log.contains("493817"), "{log}");
}

#[tokio::test]
async fn a_mail_does_not_wait_for_the_next_look() {
    let server = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &server.settings()).await;
    let started = Instant::now();
    for n in 1..=8 {
        mail_to(&app, "ada@op.test").await;
        server.wait_for(n).await;
    }
    assert!(started.elapsed() < Duration::from_secs(8), "eight looks take sixteen seconds");
}

#[tokio::test]
async fn a_mail_waits_for_a_server_that_is_down() {
    logs::record();
    let port = SmtpServer::start(Manner::Takes).await.stop().await;
    let app = TestApp::on(sqlite(), &smtp::settings(port)).await;
    let id = mail_to(&app, "ada@op.test").await;
    until("it was tried", async || counted(&app, "failed").await == 1).await;
    assert!(logs::everything().contains(&format!("mail.failed mail={id} tries=1 why=Connection error")));
    let server = SmtpServer::on(port, Manner::Takes).await;
    // The next try comes in its time, and not with every look.
    app.app.mail_waiting.notify_one();
    mail_to(&app, "bob@op.test").await;
    assert_eq!(server.wait_for(1).await[0].to, ["bob@op.test"]);
    app.clock.advance(60);
    assert_eq!(server.wait_for(2).await[1].header("Message-ID"), Some(format!("<{id}@op.test>")));
    assert_eq!((counted(&app, "sent").await, counted(&app, "failed").await), (2, 1));
}

#[tokio::test]
async fn a_mail_that_nobody_takes_is_given_up_once_and_loses_its_text() {
    logs::record();
    let server = SmtpServer::start(Manner::PutsOff).await;
    let app = TestApp::on(sqlite(), &server.settings()).await;
    let id = mail_to(&app, "no.such.user@op.test").await;
    for tries in 1..mails::MOST_TRIES {
        until("it was tried", async || counted(&app, "failed").await == tries as u64).await;
        assert_eq!(rows(&app, "body <> '' AND failed_at IS NULL").await, 1);
        app.clock.advance(60 * 3_u32.pow(tries as u32 - 1));
        app.app.mail_waiting.notify_one();
    }
    until("it was given up", async || counted(&app, "given_up").await == 1).await;
    assert_eq!(rows(&app, "body = '' AND failed_at IS NOT NULL").await, 1);
    app.clock.advance(86_400 * 2);
    app.app.mail_waiting.notify_one();
    mail_to(&app, "another@op.test").await;
    until("the other one was tried", async || counted(&app, "failed").await == 8).await;
    assert_eq!((counted(&app, "given_up").await, counted(&app, "sent").await), (1, 0));
    let log = logs::everything();
    let said = format!("mail.given_up mail={id} why=transient error (451): 4.3.0 <(the recipient)>: later");
    assert_eq!(log.matches(&said).count(), 1, "{log}");
    assert!(!log.contains("no.such.user"));
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_tried_once_and_one_that_is_not_let_in_again() {
    for (reply, given_up) in [
        (smtp::NEVER, 1),
        ("552 5.2.2 mailbox full", 1),
        ("521 5.3.2 no mail here", 1),
        ("421 4.3.2 closing", 0),
        // Wrong settings here, which somebody mends.
        ("530 5.7.0 must issue STARTTLS first", 0),
        ("503 5.5.1 authenticate first", 0),
    ] {
        let server = SmtpServer::start(Manner::Takes).await;
        server.says("ada@op.test", Some(reply));
        let app = TestApp::on(sqlite(), &server.settings()).await;
        mail_to(&app, "ada@op.test").await;
        let ended = async || counted(&app, "given_up").await + counted(&app, "failed").await == 1;
        until("it was tried", ended).await;
        assert_eq!(counted(&app, "given_up").await, given_up, "{reply}");
        server.says("ada@op.test", None);
        app.clock.advance(60);
        app.app.mail_waiting.notify_one();
        until("it is out, or never will be", async || rows(&app, "failed_at IS NULL").await == 0).await;
        assert_eq!(counted(&app, "sent").await, 1 - given_up, "{reply}");
    }
}

#[tokio::test]
async fn of_two_servers_on_one_database_each_mail_is_sent_by_one() {
    let server = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(postgresql(), &server.settings()).await;
    let other = app.beside_with(&server.settings());
    for n in 0..60 {
        push(&app.app.store, app.clock.now(), &format!("user{n}@op.test")).await;
        for one in [&app, &other] {
            one.app.mail_waiting.notify_one();
        }
    }
    server.wait_for(60).await;
    until("all rows are gone", async || rows(&app, "1 = 1").await == 0).await;
    app.clock.advance(86_400);
    for one in [&app, &other] {
        one.app.mail_waiting.notify_one();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.counted(), (60, 60));
    assert_eq!(counted(&app, "sent").await + counted(&other, "sent").await, 60);
}

#[tokio::test]
async fn a_folder_gets_one_whole_file_for_each_mail() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("var/mails");
    let settings = format!("[mail]\nfolder = {folder:?}\nfrom = \"login@op.test\"\n");
    let app = TestApp::on(sqlite(), &settings).await;
    let ids = [mail_to(&app, "ada@op.test").await, mail_to(&app, "bob@op.test").await];
    until("both are out", async || rows(&app, "1 = 1").await == 0).await;
    for (id, to) in ids.iter().zip(["ada@op.test", "bob@op.test"]) {
        let file = folder.join(format!("{id}.eml"));
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(smtp::header(&text, "To").as_deref(), Some(to));
        assert_eq!(smtp::header(&text, "From").as_deref(), Some("login@op.test"));
        assert!(text.ends_with("\r\n\r\nGr=C3=BC=C3=9Fe!\r\n\r\n.\r\nYour code is 493817.\r\n"), "{text:?}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing half written is left");
    // Where none is set up, none is sent.
    let app = TestApp::spawn().await;
    assert!(app.app.mail.is_none());
    mail_to(&app, "ada@op.test").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(rows(&app, "tries = 0").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_never_answers_holds_up_neither_requests_nor_a_stop() {
    let mute = SmtpServer::start(Manner::IsMute).await;
    let place = Place::new();
    fs::write(place.path("smtp"), format!("smtp://login:hunter22@127.0.0.1:{}\n", mute.port)).unwrap();
    let mail = [("STEPGATE_MAIL_SMTP_FILE", "smtp"), ("STEPGATE_MAIL_FROM", "login@op.test")];
    let serving = place.serve(&mail);
    let url = format!("sqlite://{}", place.path("var/stepgate.db").display());
    // As a command does it: in a process of its own, without a poke.
    let store = Store::open(&DatabaseUrl::parse(&url).unwrap()).unwrap();
    for n in 0..10 {
        push(&store, SystemClock.now(), &format!("user{n}@op.test")).await;
    }
    let tried = async || {
        let under_way = |c: &mut _| sql_query("UPDATE mails SET subject = subject WHERE tries = 1").run(c);
        store.write(under_way).await.unwrap() > 0
    };
    until("some are under way", tried).await;
    let asked = Instant::now();
    assert!(place.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(asked.elapsed() < Duration::from_secs(1));
    let stopping = Instant::now();
    let (stopped, said) = serving.stop();
    assert!(stopped && stopping.elapsed() < Duration::from_secs(8), "{said}");
    assert!(!said.contains("hunter22"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_to_a_mail_server_in_the_clear_or_under_a_certificate_that_nobody_vouches_for() {
    logs::record();
    let plain = SmtpServer::start(Manner::Takes).await;
    // It speaks another protocol, which is not found out before it has shown who it is.
    let impostor = Place::new();
    let issuer = format!("https://localhost:{}", impostor.port);
    let [certificate, key] = self_signed(&impostor);
    let _serving = impostor.serve(&[("STEPGATE_ISSUER", issuer.as_str()), certificate, key]);
    for (url, said) in [
        (format!("smtp://u:p@127.0.0.1:{}?tls=required", plain.port), "STARTTLS"),
        (format!("smtps://u:p@localhost:{}", impostor.port), "certificate"),
    ] {
        let settings = format!("[mail]\nsmtp = \"{url}\"\nfrom = \"login@op.test\"\n");
        let app = TestApp::on(sqlite(), &settings).await;
        let id = mail_to(&app, "ada@op.test").await;
        until("it was tried", async || counted(&app, "failed").await == 1).await;
        let log = logs::everything();
        let line = log.lines().find(|line| line.contains(&format!("mail.failed mail={id}"))).unwrap();
        assert!(line.contains(said), "{line}");
    }
    assert_eq!(plain.counted(), (0, 0));
}

#[test]
fn the_settings_of_mail_are_checked_and_their_password_is_never_told() {
    let place = Place::new();
    let check = |environment: &[(&str, &str)]| {
        let mut command: Command = place.command(&["check-config"]);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let from = ("STEPGATE_MAIL_FROM", "Acme Login <login@op.test>");
    let smtp = |url| ("STEPGATE_MAIL_SMTP", url);
    for (environment, sound, expected) in [
        (vec![smtp("smtps://u:hunter22@mail.example"), from], true, "sound"),
        (
            vec![smtp("smtp://u:hunter22@mail.example"), from],
            true,
            "Warning: mail.smtp: mails go to mail.example in the clear",
        ),
        (vec![smtp("smtps://u:hunter22@mail.example")], false, "mail.from (STEPGATE_MAIL_FROM) is missing"),
        (vec![smtp("smtps://u:hunter22@"), from], false, "mail.smtp (STEPGATE_MAIL_SMTP) is not a URL"),
        (
            vec![smtp("smtps://u:hunter22@mail.example"), ("STEPGATE_MAIL_FOLDER", "mails"), from],
            false,
            "keep one of them",
        ),
        (
            vec![("STEPGATE_MAIL_FOLDER", "mails"), ("STEPGATE_MAIL_FROM", "Acme")],
            false,
            "mail.from (STEPGATE_MAIL_FROM) = \"Acme\" can't be used",
        ),
    ] {
        let (is_sound, said) = check(&environment);
        assert!(
            is_sound == sound && said.contains(expected) && !said.contains("hunter22"),
            "{environment:?}: {said}"
        );
        assert_eq!(said.contains("Warning"), expected.contains("Warning"), "{said}");
    }
}
