//! Passkeys and security keys: made, used, removed; and what is tried against them (WebAuthn Level 3 §13).

use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::error;
use crate::relying_party::tokens;
use crate::smtp::Manner;
use crate::smtp::Received;
use crate::smtp::SmtpServer;
use crate::smtp::until;
use futures_util::future::join_all;
use serde_json::Value;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::store::credentials;
use stepgate::store::credentials::Kind;

const MFA: &str = "urn:stepgate:acr:mfa";
const PATH: &str = "/account/passkeys";

/// On the account page: asks for a change, shows whatever is asked for, and comes back.
async fn asked(browser: &mut Browser, authenticator: &mut Authenticator, fields: &[(&str, &str)]) -> Reply {
    let page = browser.open(PATH).await;
    assert_eq!(page.page(), "account-passkeys", "{page:?}");
    let mut page = browser.submit(&page, fields).await;
    while ["password", "passkey", "enrol-passkey", "recovery-codes"].contains(&page.page().as_str()) {
        page = match page.page().as_str() {
            "password" => browser.submit(&page, &[("password", PASSWORD)]).await,
            "recovery-codes" => browser.submit(&page, &[]).await,
            _ => browser.tap(&page, authenticator).await,
        };
    }
    page
}

pub async fn add(browser: &mut Browser, authenticator: &mut Authenticator) {
    let page = asked(browser, authenticator, &[]).await;
    assert!(page.body.contains("It is added."), "{page:?}");
}

/// Changes the first passkey.
pub async fn change(browser: &mut Browser, authenticator: &mut Authenticator, fields: &[(&str, &str)]) {
    let page = asked(browser, authenticator, fields).await;
    assert_eq!(page.page(), "account-passkeys", "{page:?}");
}

/// A user who is signed in with a password and has a passkey.
pub async fn with_passkey(app: &TestApp, name: &str) -> (TestUser, Browser, Authenticator) {
    let user = app.user(name).await;
    let mut browser = Browser::signed_in(app, &user).await;
    let mut phone = Authenticator::new(ISSUER);
    add(&mut browser, &mut phone).await;
    (user, browser, phone)
}

fn stated(token: &Value) -> (Value, Value) {
    (token["acr"].clone(), token["amr"].clone())
}

#[tokio::test]
async fn a_passkey_signs_in_by_itself_and_no_password_is_invented() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, _, mut phone) = with_passkey(&app, "ada").await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        assert!(page.body.contains("data-conditional"), "autofill");
        let answer = browser.tap(&page, &mut phone).await;
        let token = tokens(&app, &answer).await.id_token;
        let amr = json!(["webauthn", "pop", "user", "mfa"]);
        assert_eq!((token["sub"].clone(), stated(&token)), (json!(ada.id), (json!("phr"), amr.clone())));
        // It satisfies each class that a passkey reaches, without another page.
        let mfa = browser.open(&Request::new().with("acr_values", MFA).path()).await;
        assert_eq!(stated(&tokens(&app, &mfa).await.id_token), (json!(MFA), amr));
        // A registered passkey is in nobody's way who signs in with the password.
        let mut other = Browser::new(&app);
        let page = other.open(&Request::new().path()).await;
        let token = tokens(&app, &other.sign_in(&page, &ada).await).await.id_token;
        assert_eq!(stated(&token), (json!("urn:stepgate:acr:pwd"), json!(["pwd"])));
    }
}

#[tokio::test]
async fn no_conditional_ceremony_begins_where_a_passkey_cannot_help() {
    let app = TestApp::spawn().await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:pwd").path()).await;
    assert_eq!(page.page(), "login");
    assert!(!page.body.contains("data-passkey") && !page.body.contains("<script"), "{page:?}");
    assert!(!page.header("content-security-policy").contains("script-src"));
}

#[tokio::test]
async fn a_step_up_by_passkey_is_pinned_to_the_user_and_states_the_moment() {
    let app = TestApp::spawn().await;
    let (ada, mut browser, mut phone) = with_passkey(&app, "ada").await;
    app.clock.advance(600);
    let page = browser.open(&Request::new().with("acr_values", "phr").with("max_age", "60").path()).await;
    assert_eq!(page.page(), "passkey");
    assert!(
        page.body.contains("<strong>ada</strong>") && page.body.contains("your passkey used in the last")
    );
    let ceremony = browser.ceremony(&page).await;
    let options = &ceremony["options"];
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(options["allowCredentials"][0]["transports"], json!(["internal"]));
    let said = phone.get(options);
    let token = tokens(&app, &browser.answer(&page, &ceremony, &said).await).await.id_token;
    assert_eq!((token["sub"].clone(), token["acr"].clone()), (json!(ada.id), json!("phr")));
    assert_eq!(token["auth_time"], json!(app.clock.now().unix_seconds()));
}

#[tokio::test]
async fn it_begins_by_itself_after_a_click_and_never_after_a_failure() {
    let app = TestApp::spawn().await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    app.clock.advance(600);
    let page = browser.open(&Request::new().with("acr_values", "phr").with("max_age", "60").path()).await;
    assert!(!page.body.contains("data-auto"), "nobody clicked");
    browser.clicks = true;
    let page = browser.open(&page.path).await;
    assert!(page.body.contains("data-auto"));
    phone.verifies = false;
    let page = browser.tap(&page, &mut phone).await;
    assert_eq!(page.page(), "passkey");
    assert!(!page.body.contains("data-auto") && page.body.contains("That did not work"), "{page:?}");
}

#[tokio::test]
async fn a_ceremony_is_answered_once_by_its_own_page_in_its_own_browser() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (ada, browser, mut phone) = with_passkey(&app, "ada").await;
        app.clock.advance(600);
        let mut browser = browser;
        let request = Request::new().with("acr_values", "phr").with("max_age", "60");
        let page = browser.open(&request.path()).await;
        let ceremony = browser.ceremony(&page).await;
        let said = phone.get(&ceremony["options"]);
        // Twenty at once, in as many copies of the browser: one answer.
        let tries = (0..20).map(|_| {
            let (mut browser, page) = (browser.clone(), page.clone());
            let (ceremony, said) = (ceremony.clone(), said.clone());
            async move { browser.answer(&page, &ceremony, &said).await }
        });
        let answers = join_all(tries).await;
        let codes = answers.iter().filter(|reply| reply.outcome() == "code");
        assert_eq!(codes.count(), 1);
        // The same again, at a page of its own: it is over.
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = browser.open(&request.path()).await;
        let again = browser.answer(&page, &ceremony, &said).await;
        assert_eq!(again.page(), "passkey");
        assert!(again.body.contains("took too long"), "{again:?}");
        // A ceremony of the sign-in page does not serve a step-up, nor another browser.
        let mut stranger = Browser::new(&app);
        let login = stranger.open(&Request::new().path()).await;
        let lent = stranger.ceremony(&login).await;
        let said = phone.get(&lent["options"]);
        assert_eq!(browser.answer(&again, &lent, &said).await.page(), "passkey");
        let mut other = Browser::new(&app);
        let page = other.open(&Request::new().path()).await;
        assert_eq!(other.answer(&page, &lent, &said).await.page(), "login");
        assert_eq!(stranger.answer(&login, &lent, &said).await.outcome(), "code");
        // Too late is too late.
        let mut slow = Browser::new(&app);
        let page = slow.open(&Request::new().path()).await;
        let ceremony = slow.ceremony(&page).await;
        let said = phone.get(&ceremony["options"]);
        app.clock.advance(599);
        let page = slow.submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
        app.clock.advance(2);
        assert_eq!(slow.answer(&page, &ceremony, &said).await.page(), "login");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_right_in_everything_proves_nothing() {
    let app = TestApp::spawn().await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    let (_, _, mut mallory) = with_passkey(&app, "mallory").await;
    app.clock.advance(600);
    let request = Request::new().with("acr_values", "phr").with("max_age", "60");
    let mut page = browser.open(&request.path()).await;
    let failed = async |browser: &mut Browser, page: &Reply, said: &dyn Fn(&Value) -> String| {
        let ceremony = browser.ceremony(page).await;
        let credential = said(&ceremony["options"]);
        let page = browser.answer(page, &ceremony, &credential).await;
        assert_eq!(page.page(), "passkey");
        page
    };
    // Without user verification; somebody else's; from another origin; nothing that could be read.
    phone.verifies = false;
    let said = std::cell::RefCell::new(&mut phone);
    page = failed(&mut browser, &page, &|options| said.borrow_mut().get(options)).await;
    said.borrow_mut().verifies = true;
    let hers = std::cell::RefCell::new(&mut mallory);
    page = failed(&mut browser, &page, &|options| hers.borrow_mut().get_anyway(options)).await;
    said.borrow_mut().origin = "https://evil.test".into();
    page = failed(&mut browser, &page, &|options| said.borrow_mut().get(options)).await;
    said.borrow_mut().origin = ISSUER.into();
    for part in ["signature", "authenticatorData", "clientDataJSON"] {
        let change = |text: String| {
            let mut said: Value = serde_json::from_str(&text).unwrap();
            said["response"][part] = json!("AAAA");
            said.to_string()
        };
        page = failed(&mut browser, &page, &|options| change(said.borrow_mut().get(options))).await;
    }
    for garbage in ["", "{}", "null", "[1]", &"x".repeat(10_000)] {
        page = failed(&mut browser, &page, &|_| garbage.to_owned()).await;
    }
    // Nothing of it raised the session, and the right answer still counts.
    let silent = browser.open(&Request::new().with("prompt", "none").path()).await;
    assert_eq!(tokens(&app, &silent).await.id_token["acr"], "urn:stepgate:acr:pwd");
    assert_eq!(browser.tap(&page, said.into_inner()).await.outcome(), "code");
}

/// How a browser speaks of frames, and whether that is ours to take.
const FRAMES: [(Option<bool>, Option<&str>, bool); 8] = [
    (Some(false), None, true),
    (None, None, true),
    (Some(false), Some(ISSUER), true),
    (None, Some(ISSUER), true),
    (Some(true), None, false),
    (Some(true), Some(ISSUER), false),
    (Some(true), Some("https://evil.test"), false),
    (Some(false), Some("https://evil.test"), false),
];

#[tokio::test]
async fn an_answer_out_of_a_foreign_frame_proves_and_registers_nothing() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        for (crosses, top, is_ours) in FRAMES {
            let put = |phone: &mut Authenticator, (crosses, top): (Option<bool>, Option<&str>)| {
                phone.cross_origin = crosses;
                phone.top_origin = top.map(str::to_owned);
            };
            let said = format!("{crosses:?} {top:?}");
            // A sign-in, and a proof.
            let mut new = Browser::new(&app);
            let page = new.open(&Request::new().path()).await;
            put(&mut phone, (crosses, top));
            let came = new.tap(&page, &mut phone).await;
            assert_eq!(came.outcome(), if is_ours { "code" } else { "login" }, "{said}");
            let page =
                browser.open(&Request::new().with("acr_values", "phr").with("prompt", "login").path()).await;
            let came = browser.tap(&page, &mut phone).await;
            assert_eq!(came.outcome(), if is_ours { "code" } else { "passkey" }, "{said}");
            // A registration.
            put(&mut phone, (Some(false), None));
            let page = browser.open(PATH).await;
            let mut page = browser.submit(&page, &[]).await;
            if page.page() == "passkey" {
                page = browser.tap(&page, &mut phone).await;
            }
            assert_eq!(page.page(), "enrol-passkey");
            let mut key = Authenticator::new(ISSUER);
            put(&mut key, (crosses, top));
            let came = browser.tap(&page, &mut key).await.page();
            assert_eq!(came == "enrol-passkey", !is_ours, "{said}: {came}");
        }
    }
}

#[tokio::test]
async fn a_passkey_that_does_not_say_whose_it_is_signs_nobody_in() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        phone.names_user = false;
        let mut new = Browser::new(&app);
        let page = new.open(&Request::new().path()).await;
        assert_eq!(new.tap(&page, &mut phone).await.page(), "login");
        // Asked for by its id, it may say nothing.
        let page =
            browser.open(&Request::new().with("acr_values", "phr").with("prompt", "login").path()).await;
        assert_eq!(browser.tap(&page, &mut phone).await.outcome(), "code");
    }
}

/// A class that a synced passkey does not reach, and one that a new passkey does not reach.
const CLASSES: &str = "second_factor_acr = \"any\"
    [[acr]]\nname = \"any\"\nany_of = [\"pwd\", \"webauthn+uv\"]
    [[acr]]\nname = \"bound\"\nany_of = [\"webauthn+uv+device_bound\"]
    [[acr]]\nname = \"old\"\nany_of = [\"webauthn+uv aged 24h\"]\n";
const NOT_ENOUGH: &str = "That passkey is not enough here. Use another one of yours.";

/// A user with a synced passkey who adds one of a single device a day later.
async fn with_synced_and_bound(app: &TestApp) -> (TestUser, Browser, Authenticator, Authenticator) {
    let ada = app.user("ada").await;
    let (mut synced, mut bound) = (Authenticator::new(ISSUER), Authenticator::new(ISSUER));
    synced.synced = true;
    add(&mut Browser::signed_in(app, &ada).await, &mut synced).await;
    app.clock.advance(25 * 3600);
    let (mut early, mut browser) = (Browser::signed_in(app, &ada).await, Browser::signed_in(app, &ada).await);
    let page = early.open(PATH).await;
    let page = early.submit(&page, &[("action", "remove")]).await;
    let begun = early.ceremony(&page).await;
    let account = browser.open(PATH).await;
    let proof = browser.submit(&account, &[]).await;
    let enrol = browser.tap(&proof, &mut synced).await;
    assert_eq!(enrol.page(), "enrol-passkey");
    assert!(browser.tap(&enrol, &mut bound).await.body.contains("It is added."));
    // What was enough when that page was opened is not by now.
    let said = synced.get(&begun["options"]);
    let refused = early.answer(&page, &begun, &said).await;
    assert_eq!(refused.page(), "passkey");
    assert!(refused.body.contains(NOT_ENOUGH), "{refused:?}");
    (ada, browser, synced, bound)
}

/// Of two passkeys the page takes `this` alone, whatever the browser offers.
async fn takes_alone(
    (browser, page): (&mut Browser, Reply),
    this: &mut Authenticator,
    other: &mut Authenticator,
) -> Reply {
    assert_eq!(page.page(), "passkey", "{page:?}");
    let ceremony = browser.ceremony(&page).await;
    assert_eq!(ceremony["options"]["allowCredentials"].as_array().unwrap().len(), 1);
    let said = other.get_anyway(&ceremony["options"]);
    let page = browser.answer(&page, &ceremony, &said).await;
    assert_eq!(page.page(), "passkey", "{page:?}");
    assert!(page.body.contains(NOT_ENOUGH), "{page:?}");
    browser.tap(&page, this).await
}

#[tokio::test]
async fn a_page_takes_no_passkey_that_does_not_lead_on() {
    for database in databases() {
        let app = TestApp::on(database, CLASSES).await;
        let (ada, mut browser, mut synced, mut bound) = with_synced_and_bound(&app).await;
        app.clock.advance(600);
        // A change of the factors.
        let page = browser.open(PATH).await;
        let page = browser.submit(&page, &[("action", "codes")]).await;
        let page = takes_alone((&mut browser, page), &mut bound, &mut synced).await;
        assert_eq!(page.page(), "recovery-codes", "{page:?}");
        // A class of whoever signed in with the other one a moment ago.
        for (acr, is_bound) in [("bound", true), ("old", false)] {
            let (this, other) = match is_bound {
                true => (&mut bound, &mut synced),
                false => (&mut synced, &mut bound),
            };
            let mut new = Browser::new(&app);
            let page = new.open(&Request::new().with("acr_values", acr).path()).await;
            let page = new.tap(&page, other).await;
            assert!(page.body.contains("asks for your passkey as well"), "{page:?}");
            let answer = takes_alone((&mut new, page), this, other).await;
            let token = tokens(&app, &answer).await.id_token;
            assert_eq!((token["sub"].clone(), token["acr"].clone()), (json!(ada.id), json!(acr)));
        }
        // Where either leads on, either is taken.
        let page =
            browser.open(&Request::new().with("acr_values", "any").with("prompt", "login").path()).await;
        let ceremony = browser.ceremony(&page).await;
        assert_eq!(ceremony["options"]["allowCredentials"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_and_told() {
    let app = TestApp::spawn().await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    let request = Request::new().with("acr_values", "phr").with("prompt", "login");
    phone.counts = Some(5);
    let page = browser.open(&request.path()).await;
    assert_eq!(browser.tap(&page, &mut phone).await.outcome(), "code");
    phone.counts = Some(-3);
    let page = browser.open(&request.path()).await;
    assert_eq!(browser.tap(&page, &mut phone).await.page(), "passkey");
    let told = crate::audit::entries(&app).await;
    let told = told.iter().filter(|entry| entry["outcome"] == "refused").collect::<Vec<_>>();
    assert!(told.iter().any(|entry| entry["reason"].to_string().contains("counter went back")), "{told:?}");
}

/// Nothing brakes ceremonies: whoever has an authenticator of their own would fill the outbox, and everybody's mails would be late.
#[tokio::test]
async fn of_a_passkey_whose_counter_goes_back_again_and_again_its_owner_is_told_once_an_hour() {
    for database in databases() {
        let mailbox = SmtpServer::start(Manner::Takes).await;
        let app = TestApp::on(database, &mailbox.settings()).await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
        let request = Request::new().with("acr_values", "phr").with("prompt", "login");
        phone.counts = Some(5);
        let page = browser.open(&request.path()).await;
        assert_eq!(browser.tap(&page, &mut phone).await.outcome(), "code");
        phone.counts = Some(0);
        for told in [1, 2] {
            for _ in 0..5 {
                let page = browser.open(&request.path()).await;
                assert_eq!(browser.tap(&page, &mut phone).await.page(), "passkey");
            }
            until("all are sent", async || app.sql("SELECT COUNT(*) FROM mails") == "0").await;
            let subjects = mailbox.received().iter().map(|mail| mail.header("Subject")).collect::<Vec<_>>();
            assert_eq!(subjects, vec![Some("A passkey may have been copied (Stepgate)".to_owned()); told]);
            app.clock.advance(60 * 60);
        }
        let audit = crate::audit::entries(&app).await;
        let went_back = |entry: &&Value| entry["reason"].to_string().contains("counter went back");
        assert_eq!(audit.iter().filter(went_back).count(), 10);
    }
}

#[tokio::test]
async fn a_disabled_user_and_a_passkey_that_is_gone_are_refused() {
    let app = TestApp::spawn().await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    let (_, _, mut hers) = with_passkey(&app, "eve").await;
    let mut new = Browser::new(&app);
    let page = new.open(&Request::new().path()).await;
    app.command(&["user", "disable", "eve"], "");
    let page = new.tap(&page, &mut hers).await;
    assert_eq!(page.page(), "login");
    change(&mut browser, &mut phone, &[("action", "remove")]).await;
    let page = new.tap(&page, &mut phone).await;
    assert_eq!(page.page(), "login");
    assert!(
        page.body.contains("not known here any more") && page.body.contains("data-unknown=\""),
        "{page:?}"
    );
}

#[tokio::test]
async fn a_removed_passkey_takes_what_rested_on_it() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
        let page =
            browser.open(&Request::new().with("acr_values", "phr").with("prompt", "login").path()).await;
        let strong = tokens(&app, &browser.tap(&page, &mut phone).await).await;
        let access = strong.raw["access_token"].as_str().unwrap().to_owned();
        change(&mut browser, &mut phone, &[("action", "remove")]).await;
        assert_eq!(crate::relying_party::userinfo(&app, &access).await.status, 401);
        let silent = browser.open(&Request::new().with("prompt", "none").path()).await;
        assert_eq!(tokens(&app, &silent).await.id_token["acr"], "urn:stepgate:acr:pwd");
        let phr = Request::new().with("prompt", "none").with("acr_values", "phr");
        assert_eq!(error(&browser.open(&phr.path()).await), "interaction_required");
    }
}

#[tokio::test]
async fn changing_passkeys_takes_the_strongest_factor_and_not_an_old_session() {
    let app = TestApp::spawn().await;
    let (ada, mut browser, mut phone) = with_passkey(&app, "ada").await;
    // A session of the password alone, as a thief of it would have.
    let mut thief = Browser::signed_in(&app, &ada).await;
    for fields in [[("action", "remove")].as_slice(), &[("action", "continue")], &[("action", "codes")]] {
        let page = thief.open(PATH).await;
        let asked = thief.submit(&page, fields).await;
        assert_eq!(asked.page(), "passkey", "{fields:?}");
        let back = thief.submit(&asked, &[("action", "decline")]).await;
        assert_eq!(back.page(), "account-passkeys");
        assert!(!back.body.contains("It is"), "{back:?}");
    }
    // A form of another session, or of nobody, changes nothing.
    let page = browser.open(PATH).await;
    let stolen = page.hidden_fields();
    let stolen = stolen.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    assert_eq!(thief.post(PATH, &[stolen.as_slice(), &[("action", "remove")]].concat()).await.status, 403);
    assert_eq!(Browser::new(&app).post(PATH, &stolen).await.status, 403);
    // Five minutes after it was shown it is asked for again.
    app.clock.advance(301);
    let page = browser.open(PATH).await;
    assert_eq!(browser.submit(&page, &[("action", "remove")]).await.page(), "passkey");
    assert_eq!(browser.open(PATH).await.body.matches("<section").count(), 1);
    change(&mut browser, &mut phone, &[("action", "rename"), ("label", "Ada’s phone")]).await;
    assert!(browser.open(PATH).await.body.contains("<h2 id=\"key-1\">Ada’s phone</h2>"));
}

#[tokio::test]
async fn one_passkey_has_one_owner_and_one_place() {
    let app = TestApp::spawn().await;
    let (_, mut browser, mut phone) = with_passkey(&app, "ada").await;
    // The authenticator is told what it holds already.
    let page = browser.open(PATH).await;
    let page = browser.submit(&page, &[]).await;
    let page = if page.page() == "passkey" { browser.tap(&page, &mut phone).await } else { page };
    let ceremony = browser.ceremony(&page).await;
    assert_eq!(ceremony["options"]["excludeCredentials"].as_array().unwrap().len(), 1);
    let selection = &ceremony["options"]["authenticatorSelection"];
    assert_eq!(
        (&selection["residentKey"], &selection["userVerification"]),
        (&json!("required"), &json!("required"))
    );
    let said = phone.create(&ceremony["options"]);
    assert_eq!(browser.answer(&page, &ceremony, &said).await.page(), "account-passkeys");
    // Registered once more, by somebody else: it has an owner.
    let eve = app.user("eve").await;
    let mut hers = Browser::signed_in(&app, &eve).await;
    let page = hers.open(PATH).await;
    let page = hers.submit(&page, &[]).await;
    let theirs = hers.ceremony(&page).await;
    let mut lent: Value = serde_json::from_str(&said).unwrap();
    lent["response"]["clientDataJSON"] = json!(phone.client_data_for("webauthn.create", &theirs["options"]));
    let page = hers.answer(&page, &theirs, &lent.to_string()).await;
    assert_eq!(page.page(), "enrol-passkey");
    assert!(page.body.contains("in use already"), "{page:?}");
    // An assertion is no registration.
    let theirs = hers.ceremony(&page).await;
    let login = Browser::new(&app).open(&Request::new().path()).await;
    assert_eq!(login.page(), "login");
    let assertion = phone.get(&json!({"challenge": theirs["options"]["challenge"], "rpId": "op.test"}));
    assert_eq!(hers.answer(&page, &theirs, &assertion).await.page(), "enrol-passkey");
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let app = TestApp::spawn().await;
    let (ada, mut browser, mut phone) = with_passkey(&app, "ada").await;
    // As an account of who never had a password.
    let user = ada.id.clone();
    let taken = app.app.store.write(move |c| {
        let password = credentials::of_user(c, &user)?.into_iter().find(|f| f.kind == Kind::Password);
        credentials::remove(c, &user, &password.unwrap().id)
    });
    assert!(taken.await.unwrap());
    let page = browser.open(PATH).await;
    let page = browser.submit(&page, &[("action", "remove")]).await;
    let page = if page.page() == "passkey" { browser.tap(&page, &mut phone).await } else { page };
    assert!(page.body.contains("only way in"), "{page:?}");
    assert_eq!(browser.open(PATH).await.body.matches("<section").count(), 1);
}

#[tokio::test]
async fn a_security_key_counts_beside_a_password_and_never_alone() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut key = Authenticator::new(ISSUER);
    key.verifies = false;
    let page = asked(&mut browser, &mut key, &[("action", "security-key")]).await;
    assert!(page.body.contains("It is added.") && page.body.contains("Security key"), "{page:?}");
    app.clock.advance(600);
    let page = browser.open(&Request::new().with("acr_values", MFA).with("max_age", "60").path()).await;
    assert!(page.body.contains("Use your security key"), "{page:?}");
    let token = tokens(&app, &browser.tap(&page, &mut key).await).await.id_token;
    assert_eq!(stated(&token), (json!(MFA), json!(["pwd", "webauthn", "pop", "mfa"])));
    // By itself it signs nobody in, even where it says that it verified somebody.
    key.verifies = true;
    let mut new = Browser::new(&app);
    let page = new.open(&Request::new().path()).await;
    assert_eq!(new.tap(&page, &mut key).await.page(), "login");
}

#[tokio::test]
async fn who_has_only_a_password_sets_up_a_passkey_in_the_middle_of_a_step_up() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let bob = app.user("bob").await;
        let mut browser = Browser::signed_in(&app, &bob).await;
        app.clock.advance(5);
        let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
        // The password first, however young the session is.
        assert_eq!(page.page(), "password");
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(page.page(), "enrol-passkey");
        assert!(!page.body.contains("authenticator app"), "phr is not reached by a code");
        let mut phone = Authenticator::new(ISSUER);
        let page = browser.tap(&page, &mut phone).await;
        // A registration is no proof.
        assert_eq!(page.page(), "passkey");
        let page = browser.tap(&page, &mut phone).await;
        assert_eq!(page.page(), "recovery-codes");
        let token = tokens(&app, &browser.submit(&page, &[("action", "decline")]).await).await.id_token;
        assert_eq!(stated(&token), (json!("phr"), json!(["webauthn", "pop", "user", "mfa"])));
    }
}

#[tokio::test]
async fn an_authenticator_app_is_set_up_with_the_code_that_completes_it() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = browser.sign_in(&page, &bob).await;
    assert_eq!(page.page(), "enrol-passkey", "the password was given here");
    let page = browser.submit(&page, &[("action", "other-way")]).await;
    assert_eq!(page.page(), "enrol-totp");
    let secret = page.between("<code id=\"secret\" class=\"secret\">", "</code>");
    assert_eq!(browser.open(&page.path).await.between("class=\"secret\">", "</code>"), secret, "a reload");
    let page = browser.submit(&page, &[("code", "000000")]).await;
    assert!(page.body.contains("does not fit"), "{page:?}");
    let code = crate::passkeys::code_of(&secret, app.clock.now());
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert_eq!(page.page(), "recovery-codes");
    let answer = browser.submit(&page, &[]).await;
    let token = tokens(&app, &answer).await.id_token;
    assert_eq!(stated(&token), (json!(MFA), json!(["pwd", "otp", "mfa"])));
    // That code is spent.
    let mut second = Browser::new(&app);
    let page = second.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = second.sign_in(&page, &bob).await;
    assert_eq!(page.page(), "totp");
    assert_eq!(second.submit(&page, &[("code", &code)]).await.page(), "totp");
}

#[tokio::test]
async fn nobody_sets_up_a_second_factor_past_the_one_that_is_there() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    // With the password alone a passkey is not to be had: the code comes first.
    let mut thief = Browser::new(&app);
    let page = thief.open(&Request::new().with("acr_values", "phr").path()).await;
    let page = thief.sign_in(&page, &ada).await;
    assert_eq!(page.page(), "totp");
    assert!(page.body.contains("stronger way to sign in"), "{page:?}");
    // Nor a second authenticator app, where the first one would do.
    let page = thief.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = if page.page() == "login" { thief.sign_in(&page, &ada).await } else { page };
    assert_eq!(page.page(), "totp");
    assert!(!page.body.contains("enrol") && !page.body.contains("other-way"), "{page:?}");
}

#[tokio::test]
async fn a_recovery_code_works_once_reaches_mfa_at_most_and_opens_no_door() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = browser.open(PATH).await;
        let page = browser.submit(&page, &[("action", "codes")]).await;
        assert_eq!(page.page(), "totp", "the strongest that she has");
        let page = browser.submit(&page, &[("code", &ada.code(&app))]).await;
        assert_eq!(page.page(), "recovery-codes");
        let codes =
            page.body.split("<li><code>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned());
        let codes = codes.collect::<Vec<_>>();
        assert_eq!(codes.len(), 10);
        assert_eq!(browser.submit(&page, &[]).await.page(), "account-passkeys");
        app.clock.advance(60);

        let request = Request::new().with("acr_values", MFA).with("max_age", "30");
        let page = browser.open(&request.path()).await;
        let page = browser.submit(&page, &[("action", "other-way")]).await;
        assert_eq!(page.page(), "recovery");
        let page = browser.submit(&page, &[("code", "0000-0000-0000-0000")]).await;
        assert!(page.body.contains("not one of your recovery codes"), "{page:?}");
        let twice = (0..10).map(|_| {
            let (mut browser, page, code) = (browser.clone(), page.clone(), codes[0].clone());
            async move { browser.submit(&page, &[("code", &code)]).await.outcome() }
        });
        let outcomes = join_all(twice).await;
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "code").count(), 1, "{outcomes:?}");

        // Another browser, another code: mfa, told as a one-time code.
        let mut second = Browser::new(&app);
        let page = second.open(&request.path()).await;
        let page = second.sign_in(&page, &ada).await;
        let page = second.submit(&page, &[("action", "other-way")]).await;
        let page = second.submit(&page, &[("code", &codes[0])]).await;
        assert!(page.body.contains("it was used"), "{page:?}");
        let answer = second.submit(&page, &[("code", &codes[1].to_lowercase())]).await;
        assert_eq!(stated(&tokens(&app, &answer).await.id_token), (json!(MFA), json!(["pwd", "otp", "mfa"])));
        // It does not set up a passkey, here or on the account page.
        let page = second.open(&Request::new().with("acr_values", "phr").path()).await;
        assert_eq!(page.page(), "password");
        let page = second.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(page.page(), "totp");
        assert!(!page.body.contains("other-way"), "{page:?}");
        let page = second.open(PATH).await;
        assert_eq!(second.submit(&page, &[]).await.page(), "totp", "the password is young enough");
    }
}

/// A browser in which `ada` and `bob` are signed in.
async fn used_by_two(app: &TestApp) -> (TestUser, TestUser, Browser) {
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut browser = Browser::signed_in(app, &ada).await;
    let page = browser.open(&Request::new().with("prompt", "select_account").path()).await;
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    assert_eq!(browser.sign_in(&page, &bob).await.outcome(), "code");
    (ada, bob, browser)
}

#[tokio::test]
async fn the_accounts_of_a_browser_are_offered_prove_nothing_and_can_be_forgotten() {
    let app = TestApp::spawn().await;
    let (ada, bob, mut browser) = used_by_two(&app).await;
    let home = browser.get("/").await;
    assert_eq!(browser.submit(&home, &[]).await.page(), "logged-out");
    // Remembered, and nothing more.
    assert_eq!(error(&browser.get(&Request::new().with("prompt", "none").path()).await), "login_required");
    let page = browser.open(&Request::new().path()).await;
    assert_eq!(page.page(), "select-account");
    assert!(page.body.contains("Sign in as ada") && page.body.contains("Sign in as bob"));
    let chosen = browser.choose(&page, &ada).await;
    assert_eq!(chosen.page(), "login");
    assert!(chosen.body.contains("value=\"ada\" readonly"));
    let wrong = browser.submit(&chosen, &[("username", "ada"), ("password", "wrong")]).await;
    assert_eq!(wrong.page(), "login");
    // Off the list.
    let page = browser.open(&Request::new().path()).await;
    let form = page.hidden_fields_beside(ada.id.as_str());
    let mut form = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    form.push(("action", "forget-account"));
    let reply = browser.post(&page.form_action(), &form).await;
    let page = browser.follow(reply).await;
    assert!(!page.body.contains("Sign in as ada") && page.body.contains("Sign in as bob"), "{page:?}");
    // Somebody else's browser can't be asked who was here.
    assert_eq!(Browser::new(&app).open(&Request::new().path()).await.page(), "login");
    let page = browser.choose(&page, &bob).await;
    assert_eq!(browser.sign_in(&page, &bob).await.outcome(), "code");
    let home = browser.get("/").await;
    assert_eq!(browser.submit(&home, &[("action", "forget")]).await.page(), "logged-out");
    assert_eq!(browser.open(&Request::new().path()).await.page(), "login");
}

#[tokio::test]
async fn where_mail_is_set_up_a_code_has_to_come_from_the_mailbox_and_every_change_is_told() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    let bob = app.user("bob").await;
    app.command(&["user", "update", "bob", "--email", "bob@op.test"], "");
    let mut browser = Browser::signed_in(&app, &bob).await;
    let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.page(), "mail-code", "who has the password alone sets nothing up");
    let first = mailbox.wait_for(1).await[0].clone();
    assert_eq!(first.to, ["bob@op.test"]);
    let code_in = |mail: &Received| {
        let words = mail.text.split_whitespace();
        let mut codes = words.filter(|word| word.len() == 8 && word.bytes().all(|b| b.is_ascii_digit()));
        codes.next().unwrap().to_owned()
    };
    // A reload mails no other one; a wish does, and then the first is worth nothing.
    let page = browser.open(&page.path).await;
    let page = browser.submit(&page, &[("action", "resend")]).await;
    let second = mailbox.wait_for(2).await[1].clone();
    assert_ne!(code_in(&first), code_in(&second));
    let page = browser.submit(&page, &[("code", &code_in(&first))]).await;
    assert_eq!(page.page(), "mail-code");
    assert!(page.body.contains("not the code that was mailed"), "{page:?}");
    let page = browser.submit(&page, &[("code", &code_in(&second))]).await;
    assert_eq!(page.page(), "enrol-passkey");
    let mut phone = Authenticator::new(ISSUER);
    let page = browser.tap(&page, &mut phone).await;
    let page = browser.tap(&page, &mut phone).await;
    assert_eq!(browser.submit(&page, &[("action", "decline")]).await.outcome(), "code");
    let told = mailbox.wait_for(3).await[2].clone();
    assert_eq!(told.header("Subject").as_deref(), Some("A passkey was added (Stepgate)"));
    change(&mut browser, &mut phone, &[("action", "remove")]).await;
    let told = mailbox.wait_for(4).await[3].clone();
    assert_eq!(told.header("Subject").as_deref(), Some("A passkey was removed (Stepgate)"));
    // Five wrong codes end the interaction, and three mails are all that it sends.
    let page = browser.open(&Request::new().with("acr_values", "phr").path()).await;
    let mut page = browser.submit(&page, &[("password", PASSWORD)]).await;
    for _ in 0..4 {
        page = browser.submit(&page, &[("action", "resend")]).await;
    }
    for _ in 0..5 {
        assert_eq!(page.page(), "mail-code");
        page = browser.submit(&page, &[("code", "00000000")]).await;
    }
    assert_eq!(error(&page), "access_denied");
    assert_eq!(mailbox.wait_for(7).await.len(), 7);
}

#[tokio::test]
async fn what_an_administrator_changes_is_told_to_the_old_address_too() {
    let mailbox = SmtpServer::start(Manner::Takes).await;
    let app = TestApp::on(sqlite(), &mailbox.settings()).await;
    app.user_with_totp("ada", SecondFactor::StepUp).await;
    let old = "ada@op.test";
    app.command(&["user", "update", "ada", "--email", old], "");
    app.command(&["user", "set-password", "ada", "--password-stdin"], "another horse battery");
    app.command(&["user", "reset-mfa", "ada"], "");
    app.command(&["user", "update", "ada", "--email", "lovelace@op.test"], "");
    app.command(&["user", "update", "ada", "--email", "lovelace@op.test", "--groups", "staff"], "");
    // The commands have the time of day, the server that of the test.
    app.clock.advance(60);
    let mut told = mailbox.wait_for(4).await;
    told.sort_by_key(|mail| (mail.header("Subject"), mail.to.clone()));
    let told = told.iter().map(|mail| (mail.to[0].clone(), mail.header("Subject").unwrap()));
    let expected = [
        (old, "A way to sign in was removed (Stepgate)"),
        (old, "Your e-mail address was changed (Stepgate)"),
        ("lovelace@op.test", "Your e-mail address was changed (Stepgate)"),
        (old, "Your password was changed (Stepgate)"),
    ];
    let mut expected = expected.map(|(to, subject)| (to.to_owned(), subject.to_owned())).to_vec();
    expected.sort_by_key(|(to, subject)| (subject.clone(), to.clone()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn the_account_that_the_application_hints_at_comes_first_and_proves_nothing() {
    let app = TestApp::spawn().await;
    let (_, _, mut browser) = used_by_two(&app).await;
    let select = Request::new().with("prompt", "select_account");
    let first =
        |page: &Reply| page.body.split("autofocus>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    for name in ["ada", "bob"] {
        let page = browser.open(&select.clone().and("login_hint", &name.to_uppercase()).path()).await;
        assert_eq!((page.page().as_str(), first(&page).as_str()), ("select-account", name));
    }
    let home = browser.get("/").await;
    browser.submit(&home, &[]).await;
    for name in ["ada", "bob"] {
        let page = browser.open(&Request::new().with("login_hint", name).path()).await;
        assert_eq!((page.page(), first(&page)), ("select-account".into(), format!("Sign in as {name}")));
    }
    // Who was never here is not looked for in the list, unless the list is asked for.
    let page = browser.open(&Request::new().with("login_hint", "eve").path()).await;
    assert_eq!(page.page(), "login");
    assert!(page.body.contains("value=\"eve\""), "{page:?}");
    let page = browser.open(&select.and("login_hint", "eve").path()).await;
    assert_eq!(page.page(), "select-account");
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    assert!(page.body.contains("value=\"eve\""), "{page:?}");
}

/// What an authenticator app shows for a secret that was typed into it.
pub fn code_of(secret: &str, now: stepgate::base::time::Time) -> String {
    let mut bits = Vec::new();
    for letter in secret.bytes().filter(|b| *b != b' ') {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|b| *b == letter).unwrap();
        bits.extend((0..5).rev().map(|bit| value >> bit & 1));
    }
    let bytes = bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8));
    stepgate::credential::totp::TotpSecret::from_bytes(bytes.collect()).code_at(now).unwrap()
}
