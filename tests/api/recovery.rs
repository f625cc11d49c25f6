//! A lost factor is replaced by its owner, after a day in which anybody who reads the mail can cancel it.

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::audit::entries;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::logs;
use crate::passkeys::code_of;
use crate::relying_party::Request;
use crate::relying_party::introspect;
use crate::relying_party::tokens;
use crate::smtp::LATER;
use crate::smtp::Manner;
use crate::smtp::NEVER;
use crate::smtp::Received;
use crate::smtp::SmtpServer;
use crate::smtp::until;
use futures_util::future::join_all;
use stepgate::account::recovery;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::id::CredentialId;
use stepgate::base::id::InteractionId;
use stepgate::credential::recovery::RecoveryCode;
use stepgate::interaction::mail_code;
use stepgate::store::credentials;
use stepgate::store::credentials::Credential;
use stepgate::store::recoveries;

const PATH: &str = "/account/passkeys";
const DAY: u32 = 24 * 60 * 60;

/// Somebody with a password, a passkey and recovery codes, whose address is verified.
pub struct Owner {
    pub user: TestUser,
    pub codes: Vec<String>,
    pub phone: Authenticator,
}

pub async fn owner(app: &TestApp, name: &str) -> Owner {
    let user = app.user(name).await;
    let mut browser = Browser::signed_in(app, &user).await;
    let mut phone = Authenticator::new(ISSUER);
    let page = browser.open(PATH).await;
    let page = browser.submit(&page, &[]).await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    let page = browser.tap(&page, &mut phone).await;
    let codes = codes_on(&page);
    assert_eq!(browser.submit(&page, &[]).await.page(), "account-passkeys");
    app.command(&["user", "update", name, "--email", &format!("{name}@op.test")], "");
    Owner { user, codes, phone }
}

fn codes_on(page: &Reply) -> Vec<String> {
    assert_eq!(page.page(), "recovery-codes", "{page:?}");
    let codes = page.body.split("<li><code>").skip(1);
    codes.map(|rest| rest.split_once('<').unwrap().0.to_owned()).collect()
}

/// In a new browser, with the password and `code`: says that the passkey is lost, and registers `replacement`.
pub async fn replace(
    app: &TestApp,
    owner: &Owner,
    code: &str,
    replacement: &mut Authenticator,
) -> (Browser, Reply) {
    let (mut browser, page) = about_to_replace(app, owner, code).await;
    let page = browser.tap(&page, replacement).await;
    (browser, page)
}

/// The same, up to the page that registers it.
pub async fn about_to_replace(app: &TestApp, owner: &Owner, code: &str) -> (Browser, Reply) {
    let mut browser = Browser::signed_in(app, &owner.user).await;
    let page = browser.open(PATH).await;
    let page = browser.submit(&page, &[("action", "lost")]).await;
    assert_eq!(page.page(), "password", "whatever the session has shown: {page:?}");
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.page(), "recovery");
    let page = browser.submit(&page, &[("code", code)]).await;
    assert_eq!(page.page(), "mail-code", "{page:?}");
    let page = browser.submit(&page, &[("code", &mailed_code(app, &owner.user, &page, 1))]).await;
    assert_eq!(page.page(), "enrol-passkey", "{page:?}");
    (browser, page)
}

/// As one that is left to `owner`, beside which the recovery codes stay: a passkey that was added later.
pub fn give_another_passkey(app: &TestApp, owner: &Owner) {
    app.sql(&format!(
        "INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at, lookup)
         SELECT 'another', user_id, kind, secret, 0, enrolled_at + 1, 'another' FROM credentials
         WHERE kind = 'passkey' AND user_id = '{}'",
        owner.user.id
    ));
}

/// The code that was mailed for this page, in the mail of this number.
pub fn mailed_code(app: &TestApp, user: &TestUser, page: &Reply, mail: u32) -> String {
    let form = page.form_action();
    let id = form.split('/').nth(2).unwrap();
    mail_code::code(&app.app.master, &InteractionId::parse(id).unwrap(), &user.id, mail).unwrap()
}

/// Whether this passkey signs in.
async fn signs_in(app: &TestApp, passkey: &mut Authenticator) -> bool {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().path()).await;
    browser.tap(&page, passkey).await.outcome() == "code"
}

/// From now on the one replacement that there is waits.
pub async fn owner_was_told(app: &TestApp) {
    until("the time runs", async || app.sql("SELECT COUNT(*) FROM recoveries WHERE due_at > 0") == "1").await;
}

fn link_in(mail: &Received) -> String {
    // Quoted-printable, as mail with long lines is.
    let text = mail.text.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let link = text.split_whitespace().find(|word| word.contains("/account/recovery?cancel="));
    link.unwrap().strip_prefix(ISSUER).unwrap().to_owned()
}

fn subject(mail: &Received) -> String {
    mail.header("Subject").unwrap()
}

#[tokio::test]
async fn what_was_lost_is_replaced_after_a_day_in_which_its_owner_is_told() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let mut ada = owner(&app, "ada").await;
        let mut old = Browser::new(&app);
        let page = old.open(&Request::new().path()).await;
        let page = old.tap(&page, &mut ada.phone).await;
        let bought = tokens(&app, &page).await.raw["access_token"].as_str().unwrap().to_owned();

        let mut new = Authenticator::new(ISSUER);
        let (mut browser, page) = replace(&app, &ada, &ada.codes[0], &mut new).await;
        assert_eq!(page.page(), "account-passkeys");
        assert!(page.body.contains("The new one waits") && page.body.contains("A replacement is waiting"));
        assert!(!page.body.contains("I have lost it"), "one at a time");
        let mails = mailbox.wait_for(3).await;
        let told = mails.iter().find(|mail| subject(mail).starts_with("Did you lose a passkey?")).unwrap();
        assert_eq!(told.to, ["ada@op.test"]);
        owner_was_told(&app).await;
        // Until then everything is as it was.
        app.clock.advance(DAY - 1);
        recovery::complete_due(&app.app).await.unwrap();
        assert!(!signs_in(&app, &mut new).await && signs_in(&app, &mut ada.phone).await);

        app.clock.advance(1);
        let at_once = join_all((0..10).map(|_| recovery::complete_due(&app.app))).await;
        at_once.into_iter().for_each(Result::unwrap);
        assert!(signs_in(&app, &mut new).await && !signs_in(&app, &mut ada.phone).await);
        assert_eq!(introspect(&app, "rp", &bought).await["active"], false, "it rested on the lost one");
        // The codes stood in for what is gone: the new one gets its own.
        assert_eq!(app.sql("SELECT count(*) FROM credentials WHERE kind = 'recovery'"), "0");
        let mails = mailbox.wait_for(4).await;
        assert_eq!(subject(mails.last().unwrap()), "Your passkey was replaced (Stepgate)");
        let page = browser.open(PATH).await;
        assert!(!page.body.contains("A replacement is waiting"), "{page:?}");
    }
}

#[tokio::test]
async fn a_replacement_is_cancelled_by_the_link_and_no_machine_that_follows_it_does() {
    logs::record();
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let mut ada = owner(&app, "ada").await;
    let mut thief = Authenticator::new(ISSUER);
    replace(&app, &ada, &ada.codes[0], &mut thief).await;
    let mails = mailbox.wait_for(3).await;
    let link = link_in(mails.iter().find(|mail| subject(mail).starts_with("Did you lose")).unwrap());
    let (_, secret) = link.split_once("cancel=").unwrap();
    let mut anybody = Browser::new(&app);
    for secret in ["", "guessed"] {
        let said = anybody.post("/account/recovery", &[("cancel", secret)]).await;
        assert!(said.body.contains("There is nothing to cancel"), "{said:?}");
    }
    let page = anybody.get(&link).await;
    assert_eq!((page.status.as_u16(), page.page().as_str()), (200, "account-recovery"));
    let own = Browser::signed_in(&app, &ada.user).await.open(PATH).await;
    assert!(own.body.contains("A replacement is waiting"), "a look cancels nothing");
    let pressed = (0..10).map(|_| {
        let (mut browser, page) = (anybody.clone(), page.clone());
        async move { browser.submit(&page, &[]).await.body.contains("It is cancelled") }
    });
    assert_eq!(join_all(pressed).await.into_iter().filter(|done| *done).count(), 1);
    assert!(!logs::everything().contains(secret));
    let mails = mailbox.wait_for(4).await;
    assert_eq!(subject(mails.last().unwrap()), "The replacement was cancelled (Stepgate)");
    app.clock.advance(DAY);
    recovery::complete_due(&app.app).await.unwrap();
    assert!(!signs_in(&app, &mut thief).await && signs_in(&app, &mut ada.phone).await);
}

#[tokio::test]
async fn its_owner_an_administrator_or_another_password_cancels_a_replacement_too() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let mut ada = owner(&app, "ada").await;
    let waits = async || {
        let mut browser = Browser::signed_in(&app, &ada.user).await;
        browser.open(PATH).await.body.contains("A replacement is waiting")
    };
    let (mut browser, page) = replace(&app, &ada, &ada.codes[0], &mut Authenticator::new(ISSUER)).await;
    assert!(waits().await);
    let page = browser.submit(&page, &[("action", "cancel-recovery")]).await;
    assert!(page.body.contains("Everything stays as it was") && !waits().await, "{page:?}");
    let mails = mailbox.wait_for(4).await;
    assert!(mails.iter().any(|mail| subject(mail) == "The replacement was cancelled (Stepgate)"));
    replace(&app, &ada, &ada.codes[1], &mut Authenticator::new(ISSUER)).await;
    assert!(waits().await);
    let mut own = Browser::new(&app);
    let page = own.open(&Request::new().path()).await;
    own.tap(&page, &mut ada.phone).await;
    let page = own.open("/account/password").await;
    let page = own.submit(&page, &[("password", PASSWORD)]).await;
    assert!(page.body.contains("Your password is changed.") && !waits().await, "{page:?}");
    let commands =
        [["user", "disable", "ada"], ["user", "set-password", "ada"], ["user", "reset-mfa", "ada"]];
    for (n, command) in commands.iter().enumerate() {
        replace(&app, &ada, &ada.codes[n + 2], &mut Authenticator::new(ISSUER)).await;
        assert!(waits().await);
        match command[1] {
            "set-password" => app.command(&[command.as_slice(), &["--password-stdin"]].concat(), PASSWORD),
            _ => app.command(command, ""),
        }
        app.command(&["user", "enable", "ada"], "");
        assert!(!waits().await, "{command:?}");
    }
}

#[tokio::test]
async fn a_replacement_takes_the_password_and_one_more_proof_and_somebody_who_can_be_told() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let (ada, eve) = (owner(&app, "ada").await, owner(&app, "eve").await);
    let lost = async |browser: &mut Browser, passkey: &str| {
        let page = browser.open(PATH).await;
        let (form, account) =
            (page.between("name=\"form\" value=\"", "\""), page.between("name=\"account\" value=\"", "\""));
        let fields =
            [("form", form.as_str()), ("account", &account), ("passkey", passkey), ("action", "lost")];
        let reply = browser.post(PATH, &fields).await;
        browser.follow(reply).await
    };
    let passkey_of = |page: &Reply| page.between("name=\"passkey\" value=\"", "\"");
    // Another user's factor, or none.
    let mut hers = Browser::signed_in(&app, &ada.user).await;
    let page = Browser::signed_in(&app, &eve.user).await.open(PATH).await;
    for passkey in [passkey_of(&page).as_str(), "", "x"] {
        assert_eq!(lost(&mut hers, passkey).await.status, 403, "{passkey}");
    }
    // Recovery codes of somebody else, and the password alone.
    let own = passkey_of(&hers.open(PATH).await);
    let page = lost(&mut hers, &own).await;
    let page = hers.submit(&page, &[("password", PASSWORD)]).await;
    let page = hers.submit(&page, &[("code", &eve.codes[0])]).await;
    assert_eq!(page.page(), "recovery");
    assert!(!page.body.contains("other-way"), "the lost passkey is no way: {page:?}");
    assert_eq!(hers.submit(&page, &[("action", "decline")]).await.page(), "account-passkeys");
    // Nobody to tell.
    let bob = app.user("bob").await;
    let mut browser = Browser::signed_in(&app, &bob).await;
    crate::passkeys::add(&mut browser, &mut Authenticator::new(ISSUER)).await;
    let page = browser.open(PATH).await;
    assert!(!page.body.contains("I have lost it"));
    assert_eq!(lost(&mut browser, &passkey_of(&page)).await.status, 403);
}

#[tokio::test]
async fn a_lost_authenticator_app_is_no_proof_for_its_own_replacement() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(PATH).await;
    let denied = browser.submit(&page, &[("action", "lost")]).await;
    assert_eq!(denied.status, 403, "there is nothing beside it");
    let page = browser.submit(&page, &[("action", "codes")]).await;
    let page = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    let page = browser.submit(&page, &[("code", &mailed_code(&app, &ada, &page, 1))]).await;
    let codes = codes_on(&page);
    let page = browser.submit(&page, &[]).await;
    let page = browser.submit(&page, &[("action", "lost")]).await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.page(), "recovery");
    assert!(!page.body.contains("other-way"), "{page:?}");
    let page = browser.submit(&page, &[("code", &codes[0])]).await;
    let page = browser.submit(&page, &[("code", &mailed_code(&app, &ada, &page, 1))]).await;
    assert_eq!(page.page(), "enrol-totp");
    let secret = page.between("class=\"secret\">", "<");
    let code = code_of(&secret, stepgate::base::time::Clock::now(app.clock.as_ref()));
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(page.body.contains("A replacement is waiting"), "{page:?}");
    owner_was_told(&app).await;
    app.clock.advance(DAY);
    recovery::complete_due(&app.app).await.unwrap();
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
    assert_eq!(page.page(), "totp");
    let page = browser.submit(&page, &[("code", &ada.code(&app))]).await;
    assert_eq!(page.page(), "totp", "the lost one");
    let code = code_of(&secret, stepgate::base::time::Clock::now(app.clock.as_ref()));
    assert_eq!(browser.submit(&page, &[("code", &code)]).await.outcome(), "code");
}

#[tokio::test]
async fn recovery_codes_are_kept_as_keyed_hashes_and_making_and_using_them_hashes_no_password() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = owner(&app, "ada").await;
        let columns = app.sql("SELECT * FROM recovery_codes");
        for code in &ada.codes {
            assert!(!columns.contains(&code.replace('-', "")), "{columns}");
        }
        assert!(!columns.contains("argon2"), "{columns}");
        let mut browser = Browser::signed_in(&app, &ada.user).await;
        let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
        let page = browser.submit(&page, &[("action", "other-way")]).await;
        assert_eq!(page.page(), "recovery");
        let before = app.app.passwords.worked();
        let page = browser.submit(&page, &[("code", "AAAA-AAAA-AAAA-AAAA")]).await;
        assert!(page.body.contains("not one of your recovery codes"), "{page:?}");
        assert_eq!(browser.submit(&page, &[("code", &ada.codes[3].to_lowercase())]).await.outcome(), "code");
        assert_eq!(app.app.passwords.worked(), before);
        // Once, here and anywhere.
        let anew = Request::new().with("acr_values", "urn:stepgate:acr:mfa").with("prompt", "login");
        let page = browser.open(&anew.path()).await;
        let page = browser.submit(&page, &[("action", "other-way")]).await;
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(page.page(), "recovery");
        let page = browser.submit(&page, &[("code", &ada.codes[3])]).await;
        assert_eq!(page.page(), "recovery", "{page:?}");
        assert_eq!(app.sql("SELECT count(*) FROM recovery_codes WHERE spent_at IS NOT NULL"), "1");
        // Another set.
        app.clock.advance(60);
        let page = browser.open(PATH).await;
        let page = browser.submit(&page, &[("action", "codes")]).await;
        let mut phone = ada.phone;
        let page = browser.tap(&page, &mut phone).await;
        let before = app.app.passwords.worked();
        let codes = codes_on(&page);
        assert_eq!(browser.submit(&page, &[]).await.page(), "account-passkeys");
        assert_eq!(app.app.passwords.worked(), before);
        assert!(codes.iter().all(|code| !ada.codes.contains(code)));
        assert_eq!(app.sql("SELECT count(*) FROM recovery_codes"), "10");
    }
}

#[tokio::test]
async fn the_last_recovery_code_is_enough_to_replace_what_was_lost() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let ada = owner(&app, "ada").await;
        app.sql("DELETE FROM recovery_codes");
        let last = RecoveryCode::parse(&ada.codes[4]).unwrap().hash(&app.app.master, &ada.user.id);
        app.sql(&format!(
            "INSERT INTO recovery_codes (credential_id, code_hash) SELECT id, '{}' FROM credentials WHERE kind = 'recovery'",
            last.as_str()
        ));
        replace(&app, &ada, &ada.codes[4], &mut Authenticator::new(ISSUER)).await;
        owner_was_told(&app).await;
    }
}

const WAITS: &str = "A replacement is waiting";
/// Of the mail about a replacement, and of the one that it is ended.
const ASKED: &str = "Did you lose a passkey? (Stepgate)";
const CANCELLED: &str = "The replacement was cancelled (Stepgate)";

async fn waits(app: &TestApp, owner: &Owner) -> bool {
    Browser::signed_in(app, &owner.user).await.open(PATH).await.body.contains(WAITS)
}

/// Time goes by, and the server does what is due.
async fn pass(app: &TestApp, seconds: u32) {
    app.clock.advance(seconds);
    app.app.mail_waiting.notify_one();
    recovery::complete_due(&app.app).await.unwrap();
}

fn count(mailbox: &SmtpServer, subject: &str) -> usize {
    mailbox.received().iter().filter(|mail| self::subject(mail) == subject).count()
}

/// Why a replacement was ended, by the audit.
async fn reasons(app: &TestApp, owner: &Owner) -> Vec<String> {
    let mut lines = entries(app).await;
    lines.retain(|line| line["what"] == "recovery.cancelled" && line["sub"] == owner.user.id.as_str());
    lines.iter().map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
}

/// As a second verified address of `owner`.
fn give_address(app: &TestApp, owner: &Owner, address: &str) {
    app.sql(&format!(
        "INSERT INTO login_names (name, user_id, kind, verified_at) VALUES ('{address}', '{}', 'email', 1)",
        owner.user.id
    ));
}

#[tokio::test]
async fn a_replacement_waits_from_the_moment_at_which_its_owner_was_told() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let mut ada = owner(&app, "ada").await;
        mailbox.says("ada@op.test", Some(LATER));
        let mut thief = Authenticator::new(ISSUER);
        let (_, page) = replace(&app, &ada, &ada.codes[0], &mut thief).await;
        assert!(page.body.contains(WAITS) && page.body.contains("once the mail about it has reached you"));
        until("it was tried", async || app.sql("SELECT COUNT(*) FROM mails WHERE tries = 1") == "3").await;
        // Almost all the tries fail, for longer than the delay.
        for hours in [1, 3, 9, 20] {
            pass(&app, hours * 60 * 60).await;
            assert!(waits(&app, &ada).await && !signs_in(&app, &mut thief).await, "{hours}");
        }
        assert_eq!(count(&mailbox, ASKED), 0);
        mailbox.says("ada@op.test", None);
        app.clock.advance(DAY);
        app.app.mail_waiting.notify_one();
        until("she was told", async || count(&mailbox, ASKED) == 1).await;
        until("it is recorded", async || app.sql("SELECT COUNT(*) FROM mails") == "0").await;
        pass(&app, DAY - 1).await;
        assert!(!signs_in(&app, &mut thief).await && signs_in(&app, &mut ada.phone).await);
        pass(&app, 1).await;
        assert!(signs_in(&app, &mut thief).await && !signs_in(&app, &mut ada.phone).await);
    }
}

#[tokio::test]
async fn a_replacement_of_which_nobody_can_be_told_is_cancelled() {
    for reply in [NEVER, LATER] {
        for database in databases() {
            let mailbox = SmtpServer::start(Manner::Takes).await;
            let app = TestApp::on(database, &mailbox.settings()).await;
            let mut ada = owner(&app, "ada").await;
            mailbox.says("ada@op.test", Some(reply));
            let mut thief = Authenticator::new(ISSUER);
            replace(&app, &ada, &ada.codes[0], &mut thief).await;
            let given_up = async || app.sql("SELECT COUNT(*) FROM mails WHERE failed_at IS NOT NULL") == "3";
            for tries in 0..8 {
                if reply == LATER {
                    until("each was tried", async || {
                        app.sql(&format!("SELECT COUNT(*) FROM mails WHERE tries > {tries}")) == "3"
                    })
                    .await;
                    pass(&app, 60 * 3_u32.pow(tries)).await;
                }
            }
            until("they are given up", given_up).await;
            pass(&app, 0).await;
            assert!(!waits(&app, &ada).await, "{reply}");
            assert_eq!(reasons(&app, &ada).await, ["nobody could be told"]);
            pass(&app, 2 * DAY).await;
            assert!(!signs_in(&app, &mut thief).await && signs_in(&app, &mut ada.phone).await);
            // She may try again once mails come through.
            mailbox.says("ada@op.test", None);
            replace(&app, &ada, &ada.codes[1], &mut thief).await;
            until("she was told", async || count(&mailbox, ASKED) == 1).await;
            owner_was_told(&app).await;
            pass(&app, DAY).await;
            assert!(signs_in(&app, &mut thief).await);
        }
    }
}

#[tokio::test]
async fn of_several_addresses_each_is_told_or_has_refused_before_a_replacement_begins_to_wait() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let mut ada = owner(&app, "ada").await;
        give_address(&app, &ada, "lovelace@op.test");
        mailbox.says("lovelace@op.test", Some(LATER));
        let mut new = Authenticator::new(ISSUER);
        replace(&app, &ada, &ada.codes[0], &mut new).await;
        until("one was told", async || count(&mailbox, ASKED) == 1).await;
        until("the other was tried", async || app.sql("SELECT COUNT(*) FROM mails WHERE tries = 1") == "3")
            .await;
        pass(&app, DAY).await;
        assert!(waits(&app, &ada).await && !signs_in(&app, &mut new).await);
        mailbox.says("lovelace@op.test", Some(NEVER));
        pass(&app, DAY).await;
        until("the other refused", async || {
            app.sql("SELECT COUNT(*) FROM mails WHERE failed_at IS NOT NULL") == "3"
        })
        .await;
        pass(&app, DAY - 1).await;
        assert!(!signs_in(&app, &mut new).await && signs_in(&app, &mut ada.phone).await);
        pass(&app, 1).await;
        assert!(signs_in(&app, &mut new).await && !signs_in(&app, &mut ada.phone).await);
        assert_eq!(reasons(&app, &ada).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_replacement_that_ends_before_its_time_leaves_a_line_and_a_mail_whoever_ended_it() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        for (name, reason) in [
            ("password", "another password"),
            ("removed", "what was lost was removed"),
            ("disable", "user disabled"),
            ("set-password", "another password"),
            ("reset-mfa", "factors reset"),
            ("delete", "user deleted"),
            ("used", "the replacement is in use by now"),
            ("gone", "what was lost was removed"),
        ] {
            let mut ada = owner(&app, name).await;
            let mut new = Authenticator::new(ISSUER);
            replace(&app, &ada, &ada.codes[0], &mut new).await;
            let to = [format!("{name}@op.test")];
            let came =
                |subject: &str| mailbox.received().iter().any(|m| m.to == to && self::subject(m) == subject);
            until("she was told", async || came(ASKED)).await;
            owner_was_told(&app).await;
            let mut own = Browser::signed_in(&app, &ada.user).await;
            match name {
                "password" => {
                    let page = own.open("/account/password").await;
                    let page = own.tap(&page, &mut ada.phone).await;
                    let page = own.submit(&page, &[("password", "another horse battery")]).await;
                    assert!(page.body.contains("Your password is changed."), "{page:?}");
                }
                "removed" => crate::passkeys::change(&mut own, &mut ada.phone, &[("action", "remove")]).await,
                "set-password" => {
                    app.command(&["user", "set-password", name, "--password-stdin"], "another horse battery");
                }
                "used" => {
                    let bob = app.user("bob").await;
                    let user = ada.user.id.clone();
                    let give = move |c: &mut _| {
                        let same = recoveries::of_user(c, &user)?.unwrap().recovery.replacement;
                        credentials::insert(
                            c,
                            &bob.id,
                            &Credential { id: CredentialId::from_text("same"), ..same },
                        )
                    };
                    app.app.store.write(give).await.unwrap();
                }
                // By somebody who knows no better than to take the row away.
                "gone" => {
                    app.sql(&format!(
                        "DELETE FROM credentials WHERE user_id = '{}' AND kind = 'passkey'",
                        ada.user.id
                    ));
                }
                command => app.command(&["user", command, name], ""),
            }
            let is_due = ["used", "gone"].contains(&name);
            app.clock.advance(if is_due { DAY } else { 60 });
            recovery::complete_due(&app.app).await.unwrap();
            app.app.mail_waiting.notify_one();
            until(name, async || came(CANCELLED)).await;
            assert_eq!(reasons(&app, &ada).await, [reason], "{name}");
            assert_eq!(app.sql("SELECT COUNT(*) FROM recoveries"), "0", "{name}");
        }
    }
}

#[tokio::test]
async fn what_was_removed_in_another_tab_is_not_replaced_and_the_page_says_that_it_is_gone() {
    for is_registered in [false, true] {
        for database in databases() {
            let mailbox = SmtpServer::start(Manner::Takes).await;
            let app = TestApp::on(database, &mailbox.settings()).await;
            let mut ada = owner(&app, "ada").await;
            give_another_passkey(&app, &ada);
            let (mut browser, page) = about_to_replace(&app, &ada, &ada.codes[0]).await;
            let ceremony = browser.ceremony(&page).await;
            let credential = Authenticator::new(ISSUER).create(&ceremony["options"]);
            let answer = [("ceremony", ceremony["ceremony"].as_str().unwrap()), ("credential", &credential)];
            let mut own = Browser::signed_in(&app, &ada.user).await;
            let remove = [("action", "remove")];
            // The form is sent after that, or was sent before it and what follows is looked at after.
            let reply = if is_registered {
                let reply = browser.press(&page, &answer).await;
                crate::passkeys::change(&mut own, &mut ada.phone, &remove).await;
                reply
            } else {
                crate::passkeys::change(&mut own, &mut ada.phone, &remove).await;
                browser.press(&page, &answer).await
            };
            let page = browser.follow(reply).await;
            assert_eq!(page.page(), "account-passkeys", "{page:?}");
            assert!(page.body.contains("That one is not there any more."), "{page:?}");
            assert!(!page.body.contains(WAITS) && page.body.contains("I have lost it"), "{page:?}");
            assert_eq!(app.sql("SELECT COUNT(*) FROM recoveries"), "0");
            until("all are sent", async || app.sql("SELECT COUNT(*) FROM mails") == "0").await;
            assert_eq!(count(&mailbox, ASKED), usize::from(is_registered));
            assert_eq!(count(&mailbox, CANCELLED), usize::from(is_registered));
        }
    }
}

#[tokio::test]
async fn a_replacement_that_cannot_be_completed_holds_up_no_other() {
    logs::record();
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let mut replacements = Vec::new();
        for name in ["ada", "bob"] {
            let owner = owner(&app, name).await;
            let mut new = Authenticator::new(ISSUER);
            replace(&app, &owner, &owner.codes[0], &mut new).await;
            let told =
                format!("SELECT COUNT(*) FROM recoveries WHERE due_at > 0 AND user_id = '{}'", owner.user.id);
            until("the time runs", async || app.sql(&told) == "1").await;
            replacements.push((owner, new));
            app.clock.advance(1);
        }
        // Hers, which is due first, has an id that is taken.
        app.sql(&format!(
            "INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at)
             SELECT id, '{}', 'otp', '', 0, 1 FROM recoveries WHERE user_id = '{}'",
            replacements[1].0.user.id, replacements[0].0.user.id
        ));
        app.clock.advance(DAY);
        recovery::complete_due(&app.app).await.unwrap();
        let (hers, his) = replacements.split_at_mut(1);
        assert!(signs_in(&app, &mut his[0].1).await && !signs_in(&app, &mut hers[0].1).await);
        let failed = format!("recovery.not_completed user={}", hers[0].0.user.id);
        assert!(logs::everything().contains(&failed));
        // It is tried again.
        app.sql("DELETE FROM credentials WHERE kind = 'otp'");
        recovery::complete_due(&app.app).await.unwrap();
        assert!(signs_in(&app, &mut hers[0].1).await);
    }
}
