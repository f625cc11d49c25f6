//! In which language the pages are: what the application names, else what the browser prefers, else English.

use crate::app::CALLBACK;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database;
use crate::relying_party::Request;
use serde_json::Value;
use serde_json::json;
use stepgate::assurance::factors::SecondFactor;

const MFA: &str = "urn:stepgate:acr:mfa";

#[track_caller]
fn is_german(page: &Reply, sentences: &[&str]) {
    is_in("de", page, sentences);
}

#[track_caller]
fn is_english(page: &Reply, sentences: &[&str]) {
    is_in("en", page, sentences);
}

#[track_caller]
fn is_in(tag: &str, page: &Reply, sentences: &[&str]) {
    assert!(page.body.contains(&format!("<html lang=\"{tag}\">")), "{page:?}");
    assert_eq!(page.header("content-language"), tag, "{page:?}");
    for sentence in sentences {
        assert!(page.body.contains(sentence), "{sentence}: {}", page.body);
    }
}

#[tokio::test]
async fn an_application_names_the_language_of_a_sign_in_and_a_step_up() {
    let app = TestApp::on(database::sqlite(), "[accounts]\ncreate = true\n").await;
    app.client("new", json!({"client_name": "Neuer Laden", "skip_consent": false})).await;
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let request = Request::new().with("ui_locales", "fr-CA de-AT en");
    let mut browser = Browser::new(&app);
    let page = browser.open(&request.path()).await;
    is_german(&page, &["Melden Sie sich an, um mit Acme Shop fortzufahren.", "Passwort", "Konto anlegen"]);
    let page = browser.submit(&page, &[("username", "ada"), ("password", "wrong")]).await;
    is_german(&page, &["<title>Fehler: Anmelden – ", "Benutzername und Passwort passen nicht zusammen."]);
    assert_eq!(browser.sign_in(&page, &ada).await.outcome(), "code");

    app.clock.advance(42 * 60);
    let page = browser.open(&request.clone().with("max_age", "300").path()).await;
    is_german(
        &page,
        &[
            "Acme Shop verlangt, dass Sie in den letzten 5 Minuten Ihr Passwort eingegeben haben; \
             die letzte Eingabe war vor 42 Minuten.",
            "Bestätigen Sie, dass Sie es sind",
        ],
    );
    let page = browser.open(&request.clone().with("acr_values", MFA).path()).await;
    let why = "Acme Shop verlangt zusätzlich einen Code aus Ihrer Authenticator-App, \
               um sicher zu sein, dass Sie es sind.";
    is_german(&page, &[why, "6-stelliger Code"]);
    let page = browser.submit(&page, &[("code", "000000")]).await;
    is_german(&page, &["Dieser Code gilt jetzt nicht."]);

    let consent = request.clone().with("client_id", "new").with("scope", "openid email offline_access");
    let page = browser.open(&consent.path()).await;
    is_german(
        &page,
        &["Neuer Laden den Zugriff erlauben?", "Ihre E-Mail-Adresse sehen", "Der Zugriff endet"],
    );
    let page = browser.open(&request.clone().with("prompt", "select_account").path()).await;
    is_german(&page, &["Wählen Sie ein Konto, um mit Acme Shop fortzufahren."]);
    let page = browser.open(&request.clone().with("prompt", "create").path()).await;
    let page = browser.submit(&page, &[("username", "bob"), ("password", "password")]).await;
    is_german(
        &page,
        &[
            "Konto anlegen",
            "Dieses Passwort gehört zu denen, die zuerst geraten werden; wählen Sie ein anderes.",
        ],
    );
    // The way back is a page too.
    let page = browser.open(&request.with("response_mode", "form_post").path()).await;
    assert_eq!(page.page(), "form-post");
    is_german(&page, &["Weiter"]);
}

#[tokio::test]
async fn a_browser_names_the_language_where_no_application_does() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::speaking(&app, "fr, de-CH;q=0.8, en;q=0.5");
    is_german(&browser.get("/").await, &["Willkommen"]);
    is_german(&browser.get("/nothing/here").await, &["Hier ist nichts", "Diese Adresse gibt es nicht."]);
    is_german(&browser.get("/interaction/x").await, &["Diese Anmeldung ist beendet oder abgelaufen"]);
    let page = browser.open(&Request::new().path()).await;
    is_german(&page, &["Melden Sie sich an, um mit Acme Shop fortzufahren."]);
    assert_eq!(browser.sign_in(&page, &ada).await.outcome(), "code");
    let page = browser.get("/logout").await;
    is_german(&page, &["Abmelden?", "Angemeldet bleiben"]);
    is_german(&browser.submit(&page, &[]).await, &["Sie sind abgemeldet"]);
}

#[tokio::test]
async fn what_the_application_names_goes_before_what_the_browser_prefers() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::speaking(&app, "de");
    let page = browser.open(&Request::new().with("ui_locales", "en-GB de").path()).await;
    is_english(&page, &["Sign in to go on to Acme Shop."]);
    // Each page of the same interaction, the refusal of a form too.
    let page = browser.get(&page.path).await;
    is_english(&page, &[]);
    let forged = browser.post(&page.form_action(), &[("form", "x"), ("step", "0")]).await;
    is_english(&forged, &["This form was not made for this sign-in."]);
    browser.sign_in(&page, &ada).await;
    is_english(&browser.get("/logout?ui_locales=en").await, &["Sign out?"]);
    let mut browser = Browser::signed_in(&app, &ada).await;
    let page = browser.get("/logout?ui_locales=xx%20de").await;
    is_german(&page, &["Abmelden?"]);
    is_german(&browser.submit(&page, &[]).await, &["Sie sind abgemeldet"]);
}

#[tokio::test]
async fn a_language_that_nobody_knows_does_no_harm() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    for tags in
        ["fr", "", " ", "*", "de,en", "../de", "<b>de</b>", "\"><script>", "q=1;de", &"x-".repeat(1000)]
    {
        let page = Browser::new(&app).open(&Request::new().with("ui_locales", tags).path()).await;
        is_english(&page, &["Sign in to go on to Acme Shop."]);
        assert!(!page.body.contains("<script>") && !page.body.contains("<b>"));
        let page = Browser::new(&app).get(&format!("/logout?{}", ui_locales(tags))).await;
        is_english(&page, &["You are signed out"]);
    }
    for header in ["", "*", "de;q=0", "de;q=x", ";;;,,,", "fr-FR", "d\u{e9}", &"fr;q=0.1,".repeat(1000)] {
        is_english(&Browser::speaking(&app, header).get("/").await, &["Welcome"]);
    }
    // Nothing of it is kept from one request to the next.
    let mut browser = Browser::signed_in(&app, &ada).await;
    is_german(
        &browser.open(&Request::new().with("prompt", "login").with("ui_locales", "de").path()).await,
        &[],
    );
    is_english(&browser.open(&Request::new().with("prompt", "login").path()).await, &[]);
    // A parameter that is given twice is an error, this one too.
    let twice = Request::new().with("ui_locales", "de").and("ui_locales", "en");
    assert_eq!(browser.get(&twice.path()).await.outcome(), "invalid_request");
}

fn ui_locales(tags: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("ui_locales", tags).finish()
}

#[tokio::test]
async fn what_is_for_developers_stays_english_and_says_so() {
    let app = TestApp::spawn().await;
    let request = Request::new().with("ui_locales", "de").with("redirect_uri", "https://evil.test/");
    let page = Browser::new(&app).get(&request.path()).await;
    is_german(&page, &["Hier geht es nicht weiter", "lang=\"en\">The redirect_uri is not one that"]);
    let request = Request::new().with("ui_locales", "de").with("prompt", "none");
    let answer = Browser::new(&app).get(&request.path()).await;
    assert!(answer.location().unwrap().starts_with(CALLBACK));
    assert!(!answer.answer()["error_description"].contains("Sie "), "{answer:?}");
}

#[tokio::test]
async fn a_brake_says_how_long_to_wait_in_the_language_of_the_sign_in() {
    let app = TestApp::spawn().await;
    let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
    let mut browser = Browser::new(&app);
    let mut page = browser.open(&Request::new().with("ui_locales", "de").path()).await;
    for _ in 0..20 {
        page = browser.submit(&page, &[("username", &ada.name), ("password", "wrong")]).await;
        if page.status == 429 {
            break;
        }
    }
    is_german(&page, &["Zu viele Versuche sind fehlgeschlagen. Warten Sie ", "gehen Sie zurück"]);
}

#[tokio::test]
async fn discovery_names_the_languages() {
    let app = TestApp::spawn().await;
    let document = Browser::new(&app).get("/.well-known/openid-configuration").await;
    let document: Value = serde_json::from_str(&document.body).unwrap();
    assert_eq!(document["ui_locales_supported"], json!(["en", "de"]));
}
