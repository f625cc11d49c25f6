//! Choosing among the accounts that are signed in, and making one.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::sqlite;
use crate::relying_party::Request;
use crate::relying_party::error;
use crate::relying_party::tokens;
use futures_util::future::join_all;
use serde_json::Value;
use serde_json::json;
use std::fs;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::id::UserId;
use stepgate::credential::guessable::Guessable;
use stepgate::credential::password::BadPassword;

const OPEN: &str = "accounts.create = true";

async fn creating(app: &TestApp) -> (Browser, Reply) {
    let mut browser = Browser::new(app);
    let page = browser.open(&Request::new().with("prompt", "create").path()).await;
    (browser, page)
}

#[tokio::test]
async fn a_chosen_account_proves_itself_and_is_never_mixed_with_another() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user_with_totp("ada", SecondFactor::StepUp).await, app.user("bob").await);
    let mut browser = Browser::signed_in(&app, &ada).await;
    let select = Request::new().with("prompt", "select_account");
    let page = browser.open(&select.path()).await;
    let page = browser.submit(&page, &[("action", "other-account")]).await;
    assert_eq!(browser.sign_in(&page, &bob).await.outcome(), "code");
    let mfa = select.clone().with("acr_values", "urn:stepgate:acr:mfa");
    let page = browser.open(&mfa.path()).await;
    let page = browser.choose(&page, &ada).await;
    assert_eq!(page.page(), "totp");
    assert!(page.body.contains("<strong>ada</strong>"));
    let answer = tokens(&app, &browser.submit(&page, &[("code", &ada.code(&app))]).await).await;
    assert_eq!(
        (&answer.id_token["sub"], &answer.id_token["amr"]),
        (&json!(ada.id), &json!(["pwd", "otp", "mfa"]))
    );
    // Bob has no such factor; nobody else's proof serves him, and what he has comes before what he would set up.
    let page = browser.open(&mfa.path()).await;
    let page = browser.choose(&page, &bob).await;
    assert_eq!(page.page(), "password");
    assert!(page.body.contains("<strong>bob</strong>"));
    let declined = browser.submit(&page, &[("action", "decline")]).await;
    assert_eq!(error(&declined), "unmet_authentication_requirements");
}

#[tokio::test]
async fn only_those_who_are_signed_in_here_can_be_chosen() {
    let app = TestApp::spawn().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.open(&Request::new().with("prompt", "select_account").path()).await;
    assert_eq!(browser.submit(&page, &[("account", bob.id.as_str())]).await.page(), "select-account");
    assert_eq!(
        browser.submit(&page, &[("account", ""), ("action", "decline")]).await.outcome(),
        "access_denied"
    );
    assert_eq!(
        browser.open(&Request::new().with("prompt", "select_account").path()).await.page(),
        "select-account"
    );
    let mut empty = Browser::new(&app);
    assert_eq!(empty.open(&Request::new().with("prompt", "select_account").path()).await.page(), "login");
}

#[tokio::test]
async fn an_account_is_made_and_its_password_is_the_first_proof() {
    let app = TestApp::on(sqlite(), OPEN).await;
    let (mut browser, mut page) = creating(&app).await;
    for (name, password, said) in [
        ("eve", "short", "shorter than 8"),
        ("eve", "password1", "everybody guesses"),
        ("e ve", PASSWORD, "without spaces"),
        ("eve@example.com", PASSWORD, "without @"),
    ] {
        page = browser.submit(&page, &[("username", name), ("password", password)]).await;
        assert_eq!(page.page(), "create");
        assert!(page.body.contains(said), "{name} {password}: {}", page.body);
    }
    let answer = browser.submit(&page, &[("username", "Eve"), ("password", PASSWORD)]).await;
    let made = tokens(&app, &answer).await;
    assert_eq!(
        (&made.id_token["amr"], &made.id_token["acr"]),
        (&json!(["pwd"]), &json!("urn:stepgate:acr:pwd"))
    );
    assert!(browser.get("/").await.body.contains("<strong>eve</strong>"));
    let (mut another, page) = creating(&app).await;
    let page = another.submit(&page, &[("username", "EVE"), ("password", PASSWORD)]).await;
    assert!(page.body.contains("That user name is taken"), "{}", page.body);
    let page = another.submit(&page, &[("action", "sign-in")]).await;
    assert_eq!(page.page(), "login");
    let answer = another.submit(&page, &[("username", "eve"), ("password", PASSWORD)]).await;
    assert_eq!(tokens(&app, &answer).await.id_token["sub"], made.id_token["sub"]);
}

#[tokio::test]
async fn nobody_makes_an_account_where_that_is_off() {
    let app = TestApp::spawn().await;
    let mut browser = Browser::new(&app);
    assert_eq!(
        error(&browser.open(&Request::new().with("prompt", "create").path()).await),
        "invalid_request"
    );
    let page = browser.open(&Request::new().path()).await;
    assert!(!page.body.contains("Create an account"));
    let page =
        browser.submit(&page, &[("action", "create"), ("username", "eve"), ("password", PASSWORD)]).await;
    assert_eq!(page.page(), "login");
    let fields = page.hidden_fields();
    let mut fields = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    fields.extend([("username", "eve"), ("password", PASSWORD), ("action", "continue")]);
    let action = page.form_action().replace("/login", "/create");
    let reply = browser.post(&action, &fields).await;
    let reply = browser.follow(reply).await;
    assert_eq!(reply.page(), "login", "{reply:?}");
    let discovery: Value =
        serde_json::from_str(&browser.get("/.well-known/openid-configuration").await.body).unwrap();
    assert_eq!(discovery["prompt_values_supported"], json!(["none", "login", "consent", "select_account"]));
}

#[tokio::test]
async fn of_twenty_who_want_one_name_at_once_one_gets_it() {
    for database in databases() {
        let several = database.name == "PostgreSQL";
        let app = TestApp::on(database, OPEN).await;
        let other = several.then(|| app.beside_with(OPEN));
        let mut waiting = Vec::new();
        for n in 0..20 {
            waiting.push(creating(other.as_ref().filter(|_| n % 2 == 1).unwrap_or(&app)).await);
        }
        let fields = [("username", "eve"), ("password", PASSWORD)];
        let tries = waiting.iter_mut().map(|(browser, page)| browser.submit(page, &fields));
        let outcomes = join_all(tries).await.iter().map(Reply::outcome).collect::<Vec<_>>();
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "code").count(), 1, "{outcomes:?}");
        // The others find the name taken, or are too many at once.
        let others = outcomes.iter().filter(|outcome| ["create", "error"].contains(&outcome.as_str()));
        assert_eq!(others.count(), 19, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_password_that_is_long_to_judge_holds_nobody_up() {
    let app = TestApp::on(sqlite(), OPEN).await;
    let (mut browser, page) = creating(&app).await;
    let dear = "4@8({[<369!10$5+7%2".repeat(50);
    let fields = [("username", "eve"), ("password", dear.as_str())];
    let (made, took) = futures_util::future::join(browser.submit(&page, &fields), async {
        let mut slowest = std::time::Duration::ZERO;
        for _ in 0..50 {
            let began = std::time::Instant::now();
            assert_eq!(Browser::new(&app).get("/healthz").await.status, 200);
            slowest = slowest.max(began.elapsed());
        }
        slowest
    })
    .await;
    assert_eq!(made.outcome(), "code");
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_source_makes_twenty_accounts_and_then_waits() {
    let app = TestApp::on(sqlite(), OPEN).await;
    let mut last = 0;
    for n in 0..22 {
        let (mut browser, page) = creating(&app).await;
        let made = browser.submit(&page, &[("username", &format!("eve{n}")), ("password", PASSWORD)]).await;
        last = made.status.as_u16();
        if n < 21 {
            assert_eq!(made.outcome(), "code", "{n}");
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn ten_thousand_common_passwords_are_refused_and_what_nobody_has_is_not() {
    let app = TestApp::spawn().await;
    // Of zxcvbn's list, the most common first: the rank of each, among those that are not too short anyway.
    let common = [
        (2, "password"),
        (3, "12345678"),
        (22, "qwertyuiop"),
        (421, "paradise"),
        (837, "christia"),
        (1260, "waterloo"),
        (1679, "blackjac"),
        (2099, "meatloaf"),
        (2521, "thanatos"),
        (2939, "doghouse"),
        (3360, "babylove"),
        (3784, "drummer1"),
        (4201, "solitude"),
        (4620, "hetfield"),
        (5042, "02031975"),
        (5461, "nightmar"),
        (5881, "18121812"),
        (6300, "12345677"),
        (6721, "georgia1"),
        (7146, "mannheim"),
        (7562, "shevchenko"),
        (7980, "volkswagen"),
        (8399, "envision"),
        (8821, "priscill"),
        (9240, "tashkent"),
        (9664, "margosha"),
        (9999, "lizaveta"),
        (11999, "dragon10"),
        (15000, "burunduk"),
        (18001, "chipster"),
        (24000, "123123qq"),
        (27001, "forzaroma"),
        (29998, "11234567"),
    ];
    for (rank, password) in common {
        let judged = app.app.passwords.wanted(password, Guessable::default()).await.unwrap();
        assert_eq!(judged.err(), Some(BadPassword::Common), "{rank} {password}");
    }
    // A list is no ban on everything: these are on none.
    for password in [PASSWORD, "grün ist die heide", "vUz7Lw2q", "lizaveta paddles north"] {
        let judged = app.app.passwords.wanted(password, Guessable::default()).await.unwrap();
        assert!(judged.is_ok(), "{password}");
    }
}

/// What the page says of a user name and a password that it does not take.
async fn refused(app: &TestApp, name: &str, password: &str) -> String {
    // A source makes so many accounts, and these are none.
    app.sql("DELETE FROM throttles");
    let (mut browser, page) = creating(app).await;
    let page = browser.submit(&page, &[("username", name), ("password", password)]).await;
    assert_eq!(page.page(), "create", "{name} {password}: {page:?}");
    page.between("id=\"problem\"", "</p>")
}

#[tokio::test]
async fn no_account_is_made_with_a_password_that_is_a_name_of_the_person_or_the_service() {
    let settings = format!("{OPEN}\npage.name = \"Acme Login\"");
    let app = TestApp::on(sqlite(), &settings).await;
    for (name, password) in [
        ("adaada", "adaadaadaada"),
        ("adalove", "ADALOVE!"),
        ("ada.lovelace", "ada.lovelaceada.lovelace"),
        ("ada.lovelace", "Lovelace1815"),
        ("ada", "adaada2026"),
        ("ada", "4d44d4!!"),
        ("ada", "Stepgate1"),
        ("ada", "st3pg4te2026"),
        ("ada", "AcmeLogin!"),
        ("ada", "acme login"),
        ("ada", "https://op.test"),
        ("ada", "www.op.test1"),
    ] {
        let said = refused(&app, name, password).await;
        assert!(said.contains("little more than a name of yours"), "{name} {password}: {said}");
    }
    let (mut browser, page) = creating(&app).await;
    let fields = [("username", "ada.lovelace"), ("password", "lovelace and her engine")];
    assert_eq!(browser.submit(&page, &fields).await.outcome(), "code");
}

#[tokio::test]
async fn a_password_that_is_a_name_is_refused_at_the_command_line_and_the_account_page_too() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        fs::write(app.keys.path().join("claims"), r#"{"family_name": "Lovelace"}"#).unwrap();
        let add =
            ["user", "add", "ada", "--email", "countess@op.test", "--claims", "claims", "--password-stdin"];
        for password in ["adaadaada", "Countess1", "Lovelace!", "countess@op.test", "stepgate"] {
            let said = app.complains_of(&add, password);
            assert!(said.contains("little more than a name of yours"), "{password}: {said}");
        }
        app.command(&add, PASSWORD);
        let set = ["user", "set-password", "ada", "--password-stdin"];
        let ada = TestUser { id: UserId::from_text(""), name: "ada".into(), totp: None };
        let mut browser = Browser::signed_in(&app, &ada).await;
        let page = browser.open("/account/password").await;
        let mut page = if page.page() == "password" {
            browser.submit(&page, &[("password", PASSWORD)]).await
        } else {
            page
        };
        for password in ["adaadaada", "Countess1", "Lovelace!", "countess@op.test", "stepgate"] {
            let said = app.complains_of(&set, password);
            assert!(said.contains("little more than a name of yours"), "{password}: {said}");
            page = browser.submit(&page, &[("password", password)]).await;
            assert_eq!(page.page(), "account-password");
            assert!(page.body.contains("little more than a name of yours"), "{password}: {}", page.body);
        }
        app.command(&set, "another horse battery");
    }
}

#[tokio::test]
async fn a_name_of_those_who_run_the_service_is_given_by_an_administrator_only() {
    let app = TestApp::on(sqlite(), &format!("{OPEN}\npage.name = \"Acme Login\"")).await;
    for name in ["admin", "adm1n", "acme-login", "stepgate"] {
        let said = refused(&app, name, PASSWORD).await;
        assert!(said.contains("for those who run this service"), "{name}: {said}");
    }
    app.command(&["user", "add", "admin", "--password-stdin"], PASSWORD);
    let (mut browser, page) = creating(&app).await;
    let made = browser.submit(&page, &[("username", "adminka"), ("password", PASSWORD)]).await;
    assert_eq!(made.outcome(), "code");
}

#[tokio::test]
async fn of_twenty_forms_of_one_page_at_once_one_is_judged_and_hashed() {
    for database in databases() {
        let app = TestApp::on(database, OPEN).await;
        let (browser, page) = creating(&app).await;
        let before = app.app.passwords.worked();
        let fields = [("username", "eve"), ("password", "password1")];
        let tabs = (0..20).map(|_| {
            let (mut tab, page) = (browser.clone(), page.clone());
            async move { tab.submit(&page, &fields).await.page() }
        });
        assert_eq!(join_all(tabs).await, vec!["create"; 20]);
        assert_eq!(app.app.passwords.worked() - before, 1);
    }
}
