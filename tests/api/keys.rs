//! Signing keys over their life: a successor is shown for a day before it signs, and nobody who caches the JWKS ever fails.

use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::databases;
use crate::database::postgresql;
use crate::program::Place;
use crate::relying_party::Request;
use crate::relying_party::header;
use crate::relying_party::introspect;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use stepgate::base::time::Clock;
use stepgate::jose::key::KeyState;
use stepgate::protocol::metadata::SigningAlg;
use stepgate::rotation;
use stepgate::rotation::Rotated;
use stepgate::store::audit::Actor;
use stepgate::store::audit::Entry;
use stepgate::store::audit::What;
use stepgate::store::keys;

const DAY: u32 = 86_400;

async fn jwks(app: &TestApp) -> BTreeSet<String> {
    let jwks: Value = serde_json::from_str(&Browser::new(app).get("/jwks").await.body).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| ["d", "p", "q"].iter().all(|private| key.get(private).is_none())));
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &Value) -> String {
    header(token.as_str().unwrap())["kid"].as_str().unwrap().to_owned()
}

fn reload(app: &TestApp) {
    rotation::reload(&app.app, &mut String::new()).unwrap();
}

fn administrator(app: &TestApp) -> impl Fn(What) -> Entry {
    |what| app.app.entry(Actor::Administrator, what)
}

async fn rotate(app: &TestApp) -> String {
    match rotation::rotate(&app.app, SigningAlg::RS256, &administrator(app)).await.unwrap() {
        Rotated::Done { kid, .. } => kid,
        Rotated::AlreadyThere => panic!("a successor is there"),
    }
}

#[tokio::test]
async fn a_relying_party_that_caches_the_jwks_for_a_day_never_fails() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut sign = async || tokens(&app, &browser.open(&Request::new().path()).await).await.raw;
    let first = kid(&sign().await["id_token"]);
    let second = rotate(&app).await;
    reload(&app);
    // Six hours apart, over two days: whatever is signed is in the JWKS that was fetched up to a day before.
    let mut fetched = vec![jwks(&app).await];
    let mut signed_by = BTreeSet::new();
    for _ in 0..8 {
        let signed = kid(&sign().await["id_token"]);
        for cached in fetched.iter().rev().take(4) {
            assert!(cached.contains(&signed), "{signed}");
        }
        signed_by.insert(signed);
        app.clock.advance(DAY / 4);
        fetched.push(jwks(&app).await);
    }
    assert_eq!(signed_by, [first.clone(), second.clone()].into());
    // The old one is gone by now, with the last token that it signed.
    assert!(!fetched.last().unwrap().contains(&first) && fetched.last().unwrap().contains(&second));
}

#[tokio::test]
async fn a_token_of_the_old_key_verifies_until_it_expires() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    rotation::rotate(&app.app, SigningAlg::ES256, &administrator(&app)).await.unwrap();
    reload(&app);
    app.clock.advance(DAY - 300);
    let old = tokens(&app, &browser.sign_in_again(&Request::new(), &ada).await).await.raw;
    app.clock.advance(301);
    let new = tokens(&app, &browser.open(&Request::new().path()).await).await.raw;
    assert_ne!(kid(&old["access_token"]), kid(&new["access_token"]));
    for token in [&old, &new] {
        let access = token["access_token"].as_str().unwrap();
        assert_eq!(userinfo(&app, access).await.status, StatusCode::OK);
        assert!(jwks(&app).await.contains(&kid(&token["access_token"])));
    }
}

#[tokio::test]
async fn a_key_of_age_gets_one_successor_whoever_looks_first() {
    for database in databases() {
        let several = database.name == "PostgreSQL";
        let app = TestApp::on(database, "").await;
        let other = several.then(|| app.beside());
        rotation::rotate_due(&app.app).await.unwrap();
        assert_eq!(app.app.keys.keys(app.clock.now()).len(), 4, "none is of age");
        app.clock.advance(90 * DAY);
        let looks = (0..6).map(|n| {
            rotation::rotate_due(other.as_ref().filter(|_| n % 2 == 1).map_or(&app.app, |o| &o.app))
        });
        assert!(join_all(looks).await.iter().all(Result::is_ok));
        reload(&app);
        let keys = app.app.keys.keys(app.clock.now());
        let states = |state| keys.iter().filter(|(_, own)| *own == state).count();
        assert_eq!((keys.len(), states(KeyState::Current), states(KeyState::Next)), (8, 4, 4));
        let recorded = app.app.store.read(keys::recorded).await.unwrap().signing;
        assert_eq!(recorded.len(), 8, "each is recorded");
        assert_eq!(fs::read_dir(app.keys.path()).unwrap().count(), 9, "and no draft is left");
    }
}

#[tokio::test]
async fn a_withdrawn_key_counts_for_nothing_at_once_and_another_signs() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let old = tokens(&app, &browser.open(&Request::new().path()).await).await.raw;
    let (stolen, access) = (kid(&old["access_token"]), old["access_token"].as_str().unwrap());
    assert_eq!(introspect(&app, "rp", access).await["active"], json!(true));
    assert!(rotation::retire(&app.app, &stolen, &administrator(&app)).await.unwrap());
    assert!(!rotation::retire(&app.app, "nothing", &administrator(&app)).await.unwrap());
    reload(&app);
    assert!(!jwks(&app).await.contains(&stolen));
    assert_eq!(introspect(&app, "rp", access).await, json!({"active": false}));
    assert_eq!(userinfo(&app, access).await.status, StatusCode::UNAUTHORIZED);
    let new = tokens(&app, &browser.open(&Request::new().path()).await).await.raw;
    assert_ne!(kid(&new["access_token"]), stolen);
    assert_eq!(userinfo(&app, new["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_resource_server_gets_tokens_of_the_algorithm_that_it_is_registered_with() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    for alg in ["RS256", "ES256", "EdDSA", "PS256"] {
        let api = format!("https://{}.test", alg.to_lowercase());
        let server = json!({"redirect_uris": [], "resource": api, "access_token_signed_response_alg": alg});
        app.client(alg, server).await;
        app.replace_client("rp", json!({"id_token_signed_response_alg": alg})).await;
        let request = Request::new().with("resource", &api);
        let answer = tokens(&app, &browser.open(&request.path()).await).await;
        assert_eq!(header(answer.raw["access_token"].as_str().unwrap())["alg"], alg);
        assert_eq!(header(answer.raw["id_token"].as_str().unwrap())["alg"], alg);
        assert_eq!(answer.access_token["aud"], json!(api));
    }
}

#[test]
fn the_commands_rotate_and_withdraw_beside_a_running_server() {
    let place = Place::new();
    let _server = place.serve(&[]);
    let published = || {
        let answer = place.get("/jwks");
        let jwks: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let before = published();
    let made = place.says(&["key", "rotate"], "");
    assert_eq!(made.as_array().unwrap().len(), 4);
    assert_eq!(place.says(&["key", "rotate"], ""), json!([]), "the successors wait already");
    assert!(place.complains(&["key", "rotate", "--alg", "HS256"], "").contains("none of RS256, ES256"));
    let waited = std::time::Instant::now();
    while published().len() != 8 {
        assert!(waited.elapsed() < Duration::from_secs(3), "the server does not follow");
        sleep(Duration::from_millis(50));
    }
    place.says(&["key", "retire", before[0].as_str().unwrap()], "");
    sleep(Duration::from_secs(1));
    assert!(!published().contains(&before[0]));
    let states = place.says(&["key", "list"], "");
    let count = |state: &str| states.as_array().unwrap().iter().filter(|key| key["state"] == state).count();
    assert_eq!((count("current"), count("next"), count("withdrawn")), (4, 3, 1));
    for unknown in ["nothing", "-4_oQH0TGtbT9ExLHnYPJ7pB0CMq9ax4cPaCA63dCnA"] {
        assert!(place.complains(&["key", "retire", unknown], "").contains("no signing key is named"));
    }
}

/// As somebody whose permissions count: root's don't.
fn unprivileged(place: &Place, arguments: &[&str]) -> std::process::Output {
    let mut command = place.command(arguments);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let own = Command::new("chown").args(["-R", "65534:65534"]).arg(place.folder.path()).status();
        assert!(own.unwrap().success());
        let program = command.get_program().to_owned();
        let copied = place.path("stepgate");
        fs::copy(program, &copied).unwrap();
        let mut other = Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copied).args(arguments);
        other.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        other.current_dir(place.folder.path());
        command = other;
    }
    command.output().unwrap()
}

#[test]
fn a_successor_that_can_not_be_written_leaves_nothing_behind() {
    let place = Place::new();
    place.says(&["migrate"], "");
    fs::set_permissions(place.path("keys"), fs::Permissions::from_mode(0o500)).unwrap();
    let refused = unprivileged(&place, &["key", "rotate", "--alg", "ES256"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("can't be written"), "{said}");
    // Nothing is missed at the next start.
    let listed = unprivileged(&place, &["key", "list", "--json"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let keys: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 4);
    fs::set_permissions(place.path("keys"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// Postponed to the COMMIT, which comes after the file.
const NO_COMMIT: &str =
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON keys DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse();";

#[tokio::test]
async fn a_replacement_that_was_placed_and_not_recorded_signs_nothing_until_it_is() {
    let app = TestApp::on(postgresql(), "").await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let mut sign = async || {
        let raw = tokens(&app, &browser.open(&Request::new().path()).await).await.raw;
        raw["id_token"].clone()
    };
    let stolen = kid(&sign().await);
    app.sql(NO_COMMIT);
    assert!(rotation::retire(&app.app, &stolen, &administrator(&app)).await.is_err());
    reload(&app);
    let before = app.app.store.read(keys::recorded).await.unwrap().signing;
    assert_eq!((before.len(), app.app.keys.keys(app.clock.now()).len()), (4, 5), "placed and not recorded");
    assert_eq!(kid(&sign().await), stolen);
    app.sql("DROP TRIGGER refuse ON keys");
    // A start, or a server that runs, makes good for it; so the command can be given once more.
    app.clock.advance(60);
    app.beside();
    let recorded = app.app.store.read(keys::recorded).await.unwrap().signing;
    assert_eq!(recorded.len(), 5);
    assert!(rotation::retire(&app.app, &stolen, &administrator(&app)).await.unwrap());
    reload(&app);
    let signed = kid(&sign().await);
    assert!(signed != stolen && recorded.contains(&signed) && !before.contains(&signed), "{signed}");
    assert_eq!(app.app.keys.keys(app.clock.now()).len(), 5, "and no other was made");
    app.beside();
}

#[tokio::test]
async fn a_server_that_runs_records_a_replacement_that_signs_before_it_was_recorded() {
    let app = TestApp::on(postgresql(), "").await;
    let ada = app.user("ada").await;
    let mut browser = Browser::signed_in(&app, &ada).await;
    let stolen = kid(&tokens(&app, &browser.open(&Request::new().path()).await).await.raw["id_token"]);
    app.sql(NO_COMMIT);
    assert!(rotation::retire(&app.app, &stolen, &administrator(&app)).await.is_err());
    app.sql("DROP TRIGGER refuse ON keys");
    assert!(rotation::retire(&app.app, &stolen, &administrator(&app)).await.unwrap());
    reload(&app);
    rotation::rotate_due(&app.app).await.unwrap();
    assert_eq!(app.app.store.read(keys::recorded).await.unwrap().signing.len(), 5);
    app.clock.advance(2 * DAY);
    app.beside();
}
