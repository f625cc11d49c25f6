//! Everything that somebody did, or was refused once they were known, has its line in the audit, and none has a secret.

use crate::app::CALLBACK;
use crate::app::ISSUER;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::app::TestApp;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::database::databases;
use crate::database::sqlite;
use crate::passkeys;
use crate::program::Place;
use crate::recovery;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::post_as;
use crate::relying_party::redeem;
use crate::relying_party::token;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use stepgate::account;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::store::audit;
use stepgate::store::audit::Wanted;
use stepgate::store::audit::What;
use tempfile::TempDir;

const MFA: &str = "urn:stepgate:acr:mfa";

pub async fn entries(app: &TestApp) -> Vec<Value> {
    let wanted =
        Wanted { user: None, client: None, since: app.clock.now().minus(Seconds::days(1)), most: 1000 };
    let entries = app.app.store.read(move |c| audit::list(c, &wanted)).await.unwrap();
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// `what outcome reason` of each entry; in the order of words where the clock stands still.
fn said(entries: &[Value]) -> Vec<String> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let line = |e: &Value| format!("{} {} {}", text(e, "what"), text(e, "outcome"), text(e, "reason"));
    entries.iter().map(|entry| line(entry).trim().to_owned()).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// What was not there before.
async fn new(app: &TestApp, seen: &mut BTreeSet<String>) -> Vec<String> {
    let mut new = entries(app).await;
    new.retain(|entry| seen.insert(entry["id"].as_str().unwrap().to_owned()));
    sorted(said(&new))
}

#[tokio::test]
async fn a_sign_in_and_a_step_up_leave_who_what_when_and_how_strongly() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let page = browser.submit(&page, &[("username", "ada"), ("password", "wrong password")]).await;
        assert_eq!(entries(&app).await, Vec::<Value>::new(), "nobody was known yet");
        let page = browser.sign_in(&page, &ada).await;
        let page = browser.submit(&page, &[("code", "000000")]).await;
        let bought = tokens(&app, &browser.submit(&page, &[("code", &ada.code(&app))]).await).await;
        let all = entries(&app).await;
        let expected = [
            "authorization done",
            "code.redeemed done",
            "proof done otp",
            "proof done pwd",
            "proof refused otp",
            "sign_in done pwd otp",
        ];
        assert_eq!(sorted(said(&all)), expected);
        let one = |what: &str| all.iter().find(|entry| entry["what"] == what).unwrap();
        let authorization = one("authorization");
        let expected = json!({
            "id": authorization["id"], "at": app.clock.now().rfc3339(), "actor": "user",
            "what": "authorization", "outcome": "done", "sub": ada.id, "client_id": "rp",
            "sid": bought.id_token["sid"], "source": "127.0.0.1", "acr": MFA,
            "session_aal": "aal2", "account_aal": "aal2",
        });
        assert_eq!(*authorization, expected);
        assert_eq!(
            (&one("code.redeemed")["actor"], &one("code.redeemed")["client_id"]),
            (&json!("client"), &json!("rp"))
        );
    }
}

#[tokio::test]
async fn what_is_refused_to_somebody_who_is_known_is_audited_with_its_reason() {
    let app = TestApp::spawn().await;
    let bob = app.user("bob").await;
    let mut browser = Browser::signed_in(&app, &bob).await;
    let seen = &mut BTreeSet::new();
    new(&app, seen).await;
    browser.open(&Request::new().with("acr_values", "made-up").path()).await;
    assert_eq!(new(&app, seen).await, ["authorization refused unmet_authentication_requirements"]);
    app.clock.advance(100);
    browser.open(&Request::new().with("max_age", "60").with("prompt", "none").path()).await;
    assert_eq!(new(&app, seen).await, ["authorization refused login_required"]);
    let page = browser.open(&Request::new().with("prompt", "login").path()).await;
    let page = browser.submit(&page, &[("password", "wrong password")]).await;
    browser.submit(&page, &[("action", "decline")]).await;
    assert_eq!(new(&app, seen).await, ["authorization refused access_denied", "proof refused pwd"]);
    let code = code(&browser.open(&Request::new().path()).await);
    redeem(&app, &code).await;
    redeem(&app, &code).await;
    let expected = ["authorization done", "code.redeemed done", "code.redeemed refused code replayed"];
    assert_eq!(new(&app, seen).await, expected);
    // A stranger is nobody, whatever name they write.
    let mut stranger = Browser::new(&app);
    stranger.open(&Request::new().with("prompt", "none").path()).await;
    stranger.open(&Request::new().with("client_id", "nobody").path()).await;
    post_as(&app, "nobody", "/token", &[("grant_type", "client_credentials")]).await;
    assert_eq!(new(&app, seen).await, Vec::<String>::new());
}

/// Every flow over HTTP, with a good end and a bad one.
async fn every_flow(app: &TestApp) {
    let ada = app.user_with_totp("ada", SecondFactor::StepUp).await;
    let grants = ["authorization_code", "refresh_token", "client_credentials"];
    app.client("app", json!({"grant_types": grants, "skip_consent": false})).await;
    let mut browser = Browser::new(app);
    let request = Request::new().with("client_id", "app");
    let page = browser.open(&request.path()).await;
    let page = browser.sign_in(&page, &ada).await;
    let code = code(&browser.submit(&page, &[]).await);
    let page = browser.open(&request.clone().with("acr_values", MFA).path()).await;
    browser.submit(&page, &[("code", &ada.code(app))]).await;
    let own = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let bought = token(app, "app", &[own.as_slice(), &[("code", code.as_str())]].concat()).await;
    let bought: Value = serde_json::from_str(&bought.body).unwrap();
    let refresh = bought["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(token(app, "app", &form).await.status, 200);
    assert_eq!(
        post_as(app, "app", "/revoke", &[("token", bought["access_token"].as_str().unwrap())]).await.status,
        200
    );
    assert_eq!(token(app, "rp", &[("grant_type", "client_credentials")]).await.status, 400);
    assert_eq!(token(app, "app", &[("grant_type", "client_credentials")]).await.status, 200);
    assert_eq!(post_as(app, "app", "/introspect", &[]).await.status, 400);
    let own = token(app, "app", &[("grant_type", "client_credentials")]).await;
    let own: Value = serde_json::from_str(&own.body).unwrap();
    assert_eq!(userinfo(app, own["access_token"].as_str().unwrap()).await.status, 403);
    let home = browser.get("/").await;
    assert_eq!(browser.submit(&home, &[("form", "forged")]).await.status, 403);
    assert_eq!(browser.submit(&home, &[]).await.page(), "logged-out");
    let mut eve = Browser::new(app);
    let page = eve.open(&Request::new().with("prompt", "create").path()).await;
    assert_eq!(eve.submit(&page, &[("username", "eve"), ("password", PASSWORD)]).await.outcome(), "code");
    let bob = app.user("bob").await;
    let mut browser = Browser::signed_in(app, &bob).await;
    let mut phone = Authenticator::new(ISSUER);
    passkeys::add(&mut browser, &mut phone).await;
    passkeys::change(&mut browser, &mut phone, &[("action", "rename"), ("label", "Phone")]).await;
    passkeys::change(&mut browser, &mut phone, &[("action", "remove")]).await;
    let page = browser.open("/account/password").await;
    browser.submit(&page, &[("password", "another horse battery")]).await;
    let dora = app.user("dora").await;
    app.command(&["user", "update", "dora", "--email", "dora@op.test"], "");
    let mut browser = Browser::signed_in(app, &dora).await;
    let page = browser.open(&Request::new().with("acr_values", MFA).path()).await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.page(), "mail-code", "{page:?}");
    let carl = recovery::owner(app, "carl").await;
    let (mut browser, page) = recovery::replace(app, &carl, &carl.codes[0], &mut phone).await;
    browser.submit(&page, &[("action", "cancel-recovery")]).await;
    recovery::replace(app, &carl, &carl.codes[1], &mut phone).await;
    recovery::owner_was_told(app).await;
    app.clock.advance(24 * 60 * 60);
    account::recovery::complete_due(&app.app).await.unwrap();
    for secret in [PASSWORD, SECRET, refresh, code.as_str(), VERIFIER, browser.cookie.as_ref().unwrap()] {
        let all = json!(entries(app).await).to_string();
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// Every command that changes something.
async fn every_command(place: &Place) {
    let shop = json!({"client_id": "shop", "redirect_uris": [CALLBACK], "skip_consent": true}).to_string();
    place.says(&["user", "add", "ada", "--password-stdin", "--totp", "--second-factor", "step-up"], PASSWORD);
    for command in ["disable", "enable", "unlock", "reset-mfa"] {
        place.says(&["user", command, "ada"], "");
    }
    place.says(&["user", "update", "ada", "--groups", "staff, admins"], "");
    place.says(&["user", "set-password", "ada", "--password-stdin"], "another horse");
    place.says(&["user", "delete", "ada"], "");
    place.says(&["client", "add"], &shop);
    place.says(&["user", "add", "bob", "--password-stdin"], PASSWORD);
    let server = place.serve(&[]);
    let mut browser = Browser::at(&place.address());
    let page = browser.open(&Request::new().with("client_id", "shop").path()).await;
    browser.submit(&page, &[("username", "bob"), ("password", PASSWORD)]).await;
    let sessions = place.says(&["session", "list", "bob"], "");
    place.says(&["session", "revoke", sessions[0]["sid"].as_str().unwrap()], "");
    let silent = Request::new().with("client_id", "shop").with("prompt", "none");
    assert_eq!(browser.get(&silent.path()).await.outcome(), "login_required");
    assert!(server.stop().0);
    place.says(&["client", "update", "shop"], r#"{"client_name": "Shop"}"#);
    place.says(&["client", "rotate-secret", "shop"], "");
    place.says(&["client", "delete", "shop"], "");
    let rotated = place.says(&["key", "rotate", "--alg", "ES256"], "");
    place.says(&["key", "retire", rotated[0]["kid"].as_str().unwrap()], "");
    place.complains(&["session", "revoke", "nothing"], "");
}

#[tokio::test]
async fn every_flow_and_every_command_leaves_its_record() {
    let mails = TempDir::new().unwrap();
    let mail = format!("[mail]\nfolder = {:?}\nfrom = \"login@op.test\"", mails.path());
    let app = TestApp::on(sqlite(), &format!("accounts.create = true\n{mail}")).await;
    every_flow(&app).await;
    let place = Place::new();
    every_command(&place).await;
    let commands = place.says(&["audit"], "");
    let all = [entries(&app).await, commands.as_array().unwrap().clone()].concat();
    let seen = all.iter().map(|entry| entry["what"].as_str().unwrap()).collect::<BTreeSet<_>>();
    let expected = What::ALL.iter().map(|what| what.as_str()).collect::<BTreeSet<_>>();
    assert_eq!(seen, expected);
    // Each was done, not only refused. What changes nothing, and tokens that are a client's own, are in the metrics; a form
    // from elsewhere is never done.
    let never = ["introspection", "client_credentials", "userinfo", "form"];
    let done = all.iter().filter(|entry| entry["outcome"] == "done").map(|e| e["what"].as_str().unwrap());
    let expected = expected.into_iter().filter(|what| !never.contains(what)).collect::<BTreeSet<_>>();
    assert_eq!(done.collect::<BTreeSet<_>>(), expected);
    let by_users = ["proof", "sign_in", "authorization"];
    let of_commands = commands.as_array().unwrap().iter();
    for entry in of_commands.filter(|entry| !by_users.contains(&entry["what"].as_str().unwrap())) {
        assert!(
            entry["actor"] == "administrator"
                && entry["source"].as_str().unwrap_or("?").contains("command line"),
            "{entry}"
        );
    }
}

#[tokio::test]
async fn a_command_that_is_refused_is_audited_and_one_that_only_looks_is_not() {
    let place = Place::new();
    place.says(&["user", "list"], "");
    place.says(&["key", "list"], "");
    assert_eq!(place.says(&["audit"], ""), json!([]));
    place.complains(&["user", "disable", "nobody"], "");
    place.complains(&["user", "add", "bob", "--password-stdin"], "password");
    let all = place.says(&["audit"], "");
    let expected = [
        "user.disabled refused no user is named \"nobody\"; see `stepgate user list`",
        "user.added refused That password is one of the first that everybody guesses; choose another one.",
    ];
    assert_eq!(said(all.as_array().unwrap()), expected);
}

#[tokio::test]
async fn a_refused_command_names_the_user_or_client_that_it_was_about() {
    let place = Place::new();
    let ada = place.says(&["user", "add", "ada", "--password-stdin"], "correct horse");
    place.complains(&["user", "reset-mfa", "ADA"], "");
    place.complains(&["user", "set-password", "ada", "--password-stdin"], "short");
    place.says(&["client", "add"], r#"{"client_id": "shop", "redirect_uris": ["https://shop.test/cb"]}"#);
    place.complains(&["client", "update", "shop"], r#"{"redirect_uris": ["http://shop.test/"]}"#);
    let all = place.says(&["audit"], "");
    let refused = all.as_array().unwrap().iter().filter(|entry| entry["outcome"] == "refused");
    let about = refused.map(|e| json!([e["what"], e["sub"], e["client_id"]])).collect::<Vec<_>>();
    let expected = json!([
        ["user.factors_reset", ada["sub"], null],
        ["user.password_set", ada["sub"], null],
        ["client.updated", null, "shop"],
    ]);
    assert_eq!(json!(about), expected);
}

#[tokio::test]
async fn what_a_token_does_not_open_and_forms_from_elsewhere_are_audited() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let hers = tokens(&app, &browser.open(&Request::new().path()).await).await;
    let access = hers.raw["access_token"].as_str().unwrap();
    let page = browser.open(&Request::new().with("prompt", "login").path()).await;
    post_as(&app, "rp", "/revoke", &[("token", access)]).await;
    let mut seen = BTreeSet::new();
    let mut added = async || {
        let mut new = entries(&app).await;
        new.retain(|entry| seen.insert(entry["id"].as_str().unwrap().to_owned()));
        json!(
            new.iter()
                .map(|e| json!([e["what"], e["sub"], e["client_id"], e["source"], e["reason"]]))
                .collect::<Vec<_>>()
        )
    };
    added().await;
    assert_eq!(userinfo(&app, access).await.status, 401);
    let expected = json!([["userinfo", ada.id, "rp", "127.0.0.1", "the token does not stand any more"]]);
    assert_eq!(added().await, expected);
    // What nobody signed names nobody.
    assert_eq!(userinfo(&app, "made up").await.status, 401);
    assert_eq!(added().await, json!([]));
    assert_eq!(browser.submit(&page, &[("form", "forged")]).await.status, 403);
    assert_eq!(added().await, json!([["form", ada.id, "rp", "127.0.0.1", "forged"]]));
    let own = browser.get("/account/passkeys").await;
    assert_eq!(browser.submit(&own, &[("form", "forged")]).await.status, 403);
    assert_eq!(added().await, json!([["form", ada.id, null, "127.0.0.1", "forged"]]));
    let home = browser.get("/").await;
    assert_eq!(browser.submit(&home, &[("form", "forged")]).await.status, 403);
    assert_eq!(added().await, json!([["form", ada.id, null, "127.0.0.1", "forged"]]));
}

#[tokio::test]
async fn who_follows_the_audit_sees_what_comes() {
    let place = Place::new();
    place.says(&["user", "add", "ada", "--password-stdin"], "correct horse");
    let mut follow = place.command(&["audit", "--follow", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["what"].clone();
    assert_eq!(next(), "user.added");
    place.says(&["user", "disable", "ada"], "");
    assert_eq!(next(), "user.disabled");
    place.says(&["user", "enable", "ada"], "");
    assert_eq!(next(), "user.enabled");
    let only = place.says(&["audit", "--user", "ada", "--limit", "2", "--since", "1h"], "");
    assert_eq!(said(only.as_array().unwrap()), ["user.disabled done", "user.enabled done"]);
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[tokio::test]
async fn what_is_refused_to_a_client_that_is_known_is_audited() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let hers = tokens(&app, &browser.open(&Request::new().path()).await).await;
    app.client("other", json!({})).await;
    let seen = &mut BTreeSet::new();
    new(&app, seen).await;
    for (path, form, expected) in [
        ("/token", [("x", "y")], "client_credentials refused invalid_request"),
        ("/introspect", [("x", "y")], "introspection refused invalid_request"),
        ("/revoke", [("x", "y")], "token.revoked refused invalid_request"),
        (
            "/revoke",
            [("token", hers.raw["access_token"].as_str().unwrap())],
            "token.revoked refused another client's token",
        ),
    ] {
        post_as(&app, "other", path, &form).await;
        assert_eq!(new(&app, seen).await, [expected], "{path}");
    }
}

#[tokio::test]
async fn who_only_names_a_public_client_leaves_no_line_in_the_audit_and_what_was_found_does() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let grants = ["authorization_code", "refresh_token"];
        let resource = json!({"redirect_uris": [], "resource": "https://api.test"});
        app.client("spa", json!({"token_endpoint_auth_method": "none", "grant_types": grants})).await;
        app.client("api", resource).await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in_at(&app, &ada, "spa").await;
        let mut granted = async || code(&browser.open(&Request::new().with("client_id", "spa").path()).await);
        let codes = [granted().await, granted().await, granted().await];
        let seen = &mut BTreeSet::new();
        new(&app, seen).await;
        let post = async |path: &str, form: &[(&str, &str)]| {
            let form = [&[("client_id", "spa")], form].concat();
            Browser::new(&app).post(path, &form).await
        };
        let (by_code, by_refresh) = (("grant_type", "authorization_code"), ("grant_type", "refresh_token"));
        for (path, form, status) in [
            ("/token", &[][..], 400),
            ("/token", &[("grant_type", "x")], 400),
            ("/token", &[("grant_type", "client_credentials")], 400),
            ("/token", &[by_code], 400),
            ("/token", &[by_code, ("code", "made up")], 400),
            ("/token", &[by_refresh], 400),
            ("/token", &[by_refresh, ("refresh_token", "made up")], 400),
            ("/introspect", &[], 400),
            ("/introspect", &[("token", "made up")], 401),
            ("/revoke", &[], 400),
            ("/revoke", &[("token", "made up")], 200),
        ] {
            assert_eq!(post(path, form).await.status, status, "{path} {form:?}");
            assert_eq!(new(&app, seen).await, Vec::<String>::new(), "{path} {form:?}");
        }
        // A code or token of somebody's is not made up: it was given to someone, and the line says to whom.
        let redeem =
            |code| [by_code, ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER), ("code", code)];
        let bought = post("/token", &redeem(&codes[0])).await;
        let bought: Value = serde_json::from_str(&bought.body).unwrap();
        let refresh = [by_refresh, ("refresh_token", bought["refresh_token"].as_str().unwrap())];
        assert_eq!(post("/token", &redeem(&codes[0])).await.status, 400);
        assert_eq!(
            post("/token", &[by_code, ("redirect_uri", CALLBACK), ("code", &codes[1])]).await.status,
            400
        );
        let elsewhere = [&redeem(&codes[2])[..], &[("resource", "https://api.test")]].concat();
        assert_eq!(post("/token", &elsewhere).await.status, 400);
        assert_eq!(post("/token", &refresh).await.status, 400);
        let about = entries(&app).await;
        let about = about.iter().filter(|entry| seen.insert(entry["id"].as_str().unwrap().to_owned()));
        let about = about.cloned().collect::<Vec<_>>();
        let expected = [
            "code.redeemed done",
            "code.redeemed refused audience or scope",
            "code.redeemed refused code replayed",
            "code.redeemed refused code_verifier missing",
            "token.refreshed refused family revoked or user disabled",
        ];
        assert_eq!(sorted(said(&about)), expected);
        for entry in about {
            assert_eq!((&entry["sub"], &entry["client_id"]), (&json!(ada.id), &json!("spa")), "{entry}");
        }
    }
}

/// Whoever asks what a session did, or what was tried in it, is told so: from the first proof on.
#[tokio::test]
async fn every_line_of_a_person_names_the_session_that_they_are_in_or_come_into() {
    for database in databases() {
        let mails = TempDir::new().unwrap();
        let mail = format!("[mail]\nfolder = {:?}\nfrom = \"login@op.test\"", mails.path());
        let app = TestApp::on(database, &format!("accounts.create = true\n{mail}")).await;
        every_flow(&app).await;
        let all = entries(&app).await;
        let of_a_person = |entry: &&Value| {
            entry["sub"].is_string() && (entry["actor"] == "user" || entry["actor"] == "client")
        };
        let nameless = all.iter().filter(of_a_person).filter(|entry| entry["sid"].is_null());
        assert_eq!(nameless.collect::<Vec<_>>(), Vec::<&Value>::new());
        // The line of the first proof names the session that it opened.
        let sids = |what: &[&str]| {
            let of = all.iter().filter(|entry| what.contains(&entry["what"].as_str().unwrap()));
            of.map(|entry| entry["sid"].as_str().unwrap()).collect::<BTreeSet<_>>()
        };
        assert_eq!(sids(&["proof", "account.created"]), sids(&["sign_in"]));
    }
}

#[tokio::test]
async fn what_was_tried_before_a_session_was_there_names_the_session_that_came_of_it() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        app.replace_client("rp", json!({"skip_consent": false})).await;
        let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let page = browser.sign_in(&page, &ada).await;
        let page = browser.submit(&page, &[("code", "000000")]).await;
        let page = browser.submit(&page, &[("code", &ada.code(&app))]).await;
        let bought = tokens(&app, &browser.submit(&page, &[]).await).await;
        let told =
            entries(&app).await.into_iter().map(|e| json!([e["what"], e["sub"], e["client_id"], e["sid"]]));
        let mut told = told.collect::<Vec<_>>();
        told.sort_by_key(ToString::to_string);
        let line = |what: &str| json!([what, ada.id, "rp", bought.id_token["sid"]]);
        let expected =
            ["authorization", "code.redeemed", "consent", "proof", "proof", "proof", "sign_in"].map(line);
        assert_eq!(told, expected);
        // Another session of the same browser and person is another one.
        let home = browser.get("/").await;
        browser.submit(&home, &[]).await;
        let page = browser.open(&Request::new().path()).await;
        browser.sign_in(&page, &ada).await;
        let all = entries(&app).await;
        let proofs = all.iter().filter(|entry| entry["what"] == "proof");
        assert_eq!(proofs.map(|entry| entry["sid"].to_string()).collect::<BTreeSet<_>>().len(), 2);
    }
}
