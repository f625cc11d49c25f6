//! After the settings of argon2 have changed: a password is hashed anew when it is right, and nobody can tell by the work whose
//! hash is of before.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::app::TestUser;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::databases;
use crate::database::postgresql;
use crate::logs;
use crate::relying_party::Request;
use std::collections::BTreeMap;
use stepgate::base::entropy::SystemEntropy;
use stepgate::credential::password::Argon2Cost;
use stepgate::credential::password::Passwords;

/// The password of `user` is stored as settings with this memory store it, and was set `age` seconds ago.
async fn stored_at(app: &TestApp, user: &TestUser, memory_kib: u32, age: i64) -> String {
    let cost = Argon2Cost { memory_kib, iterations: 1, parallelism: 1 };
    let then = Passwords::new(cost, 1, &SystemEntropy).unwrap();
    let hash = then.hash_anew(PASSWORD, &SystemEntropy).await.unwrap();
    app.sql(&format!(
        "UPDATE credentials SET secret = '{hash}', enrolled_at = enrolled_at - {age}, hashed_at = enrolled_at - {age} \
         WHERE user_id = '{}'",
        user.id,
        age = age * 1_000_000,
    ));
    hash
}

async fn tried(app: &TestApp, name: &str, password: &str) -> Reply {
    let mut browser = Browser::new(app);
    browser.source = Some(format!("192.0.2.{}", name.len()));
    let page = browser.open(&Request::new().path()).await;
    browser.submit(&page, &[("username", name), ("password", password)]).await
}

fn row(app: &TestApp, user: &TestUser) -> String {
    app.sql(&format!("SELECT id, enrolled_at FROM credentials WHERE user_id = '{}'", user.id))
}

fn secret(app: &TestApp, user: &TestUser) -> String {
    app.sql(&format!("SELECT secret FROM credentials WHERE user_id = '{}'", user.id))
}

/// How many hashes at each cost a try with this name takes, and what it comes to.
async fn work(app: &TestApp, name: &str, password: &str) -> (BTreeMap<String, u64>, String) {
    let before = app.app.passwords.compared_at();
    let reply = tried(app, name, password).await;
    let after = app.app.passwords.compared_at().into_iter();
    let done = after.map(|(cost, n)| (cost.as_str().to_owned(), n - before.get(&cost).unwrap_or(&0)));
    (done.filter(|(_, n)| *n > 0).collect(), reply.outcome())
}

#[tokio::test]
async fn a_password_of_another_cost_is_hashed_anew_at_the_next_sign_in_and_nothing_else_changes() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        app.command(&["user", "update", "ada", "--email", "ada@op.test"], "");
        let mut home = Browser::signed_in(&app, &ada).await;
        let old = stored_at(&app, &ada, 16, 0).await;
        let before = row(&app, &ada);
        assert_eq!(tried(&app, "ada", "wrong").await.page(), "login");
        assert_eq!(secret(&app, &ada), old, "a wrong password renews nothing");
        assert_eq!(tried(&app, "ada", PASSWORD).await.outcome(), "code");
        let new = secret(&app, &ada);
        assert!(new.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{new}");
        assert_eq!(row(&app, &ada), before);
        // It is the same password: sessions stand, nobody is mailed, and nothing is renewed twice.
        assert_eq!(home.get(&Request::new().with("prompt", "none").path()).await.outcome(), "code");
        assert_eq!(app.sql("SELECT count(*) FROM mails"), "0");
        assert_eq!(tried(&app, "ada", PASSWORD).await.outcome(), "code");
        assert_eq!(secret(&app, &ada), new);
        // At a re-authentication too.
        stored_at(&app, &ada, 24, 0).await;
        let page = home.open(&Request::new().with("prompt", "login").path()).await;
        assert_eq!(home.submit(&page, &[("password", PASSWORD)]).await.outcome(), "code");
        assert!(secret(&app, &ada).starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    }
}

#[tokio::test]
async fn a_sign_in_whose_hash_can_not_be_renewed_succeeds() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let old = stored_at(&app, &ada, 16, 0).await;
    app.sql(
        "CREATE TRIGGER refused BEFORE UPDATE OF secret ON credentials BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    assert_eq!(tried(&app, "ada", PASSWORD).await.outcome(), "code");
    assert_eq!(secret(&app, &ada), old);
}

#[tokio::test]
async fn a_try_is_the_same_work_for_every_name_while_passwords_of_other_costs_are_stored() {
    for database in databases() {
        let app = TestApp::on(database, "trusted_proxies = [\"127.0.0.1\"]").await;
        app.user("ada").await;
        let (bob, carol) = (app.user("bob").await, app.user("carol").await);
        stored_at(&app, &bob, 16, 10).await;
        stored_at(&app, &carol, 24, 20).await;
        app.user("disabled").await;
        app.command(&["user", "disable", "disabled"], "");
        // The first look at a cost that is new here; a server looks once a minute, too.
        assert_eq!(work(&app, "carol", "wrong").await.1, "login");
        let each = [16, 24, 8].map(|m| (format!("$argon2id$v=19$m={m},t=1,p=1"), 1));
        let each = BTreeMap::from(each);
        for name in ["nobody", "ada", "bob", "carol", "disabled", "somebody else"] {
            assert_eq!(work(&app, name, "wrong").await, (each.clone(), "login".into()), "{name}");
        }
        // What is renewed is no work any more, once it was looked at.
        assert_eq!(work(&app, "carol", PASSWORD).await.1, "code");
        assert_eq!(work(&app, "bob", PASSWORD).await.1, "code");
        stepgate::password_costs::look(&app.app).await.unwrap();
        for name in ["nobody", "ada", "bob", "carol"] {
            let (done, _) = work(&app, name, "wrong").await;
            assert_eq!(done, BTreeMap::from([("$argon2id$v=19$m=8,t=1,p=1".into(), 1)]), "{name}");
        }
    }
}

#[tokio::test]
async fn of_the_costs_of_before_those_of_the_last_two_settings_are_compared_however_old_their_passwords_are()
{
    let of = |memory: u32| format!("[argon2]\nmemory_kib = {memory}\niterations = 1");
    let first = TestApp::on(postgresql(), &of(16)).await;
    first.user("active").await;
    first.user("zoe").await;
    first.clock.advance(60);
    let second = first.beside_with(&of(24));
    assert_eq!(tried(&second, "active", PASSWORD).await.outcome(), "code");
    first.clock.advance(60);
    let third = first.beside_with(&of(32));
    third.user("yan").await;
    first.clock.advance(60);
    let fourth = first.beside_with(&of(40));
    stepgate::password_costs::look(&fourth.app).await.unwrap();
    // Of two settings ago, and of three.
    assert_eq!(tried(&fourth, "active", PASSWORD).await.outcome(), "code");
    assert_eq!(tried(&fourth, "zoe", PASSWORD).await.outcome(), "login");
}

#[tokio::test]
async fn a_password_of_more_than_two_costs_ago_signs_nobody_in_and_is_told_to_administrators() {
    logs::record();
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let mut people = Vec::new();
        for (n, name) in ["ada", "bob", "carol"].into_iter().enumerate() {
            let user = app.user(name).await;
            stored_at(&app, &user, 16 + 8 * n as u32, 10 * (1 + n as i64)).await;
            people.push(user);
        }
        assert_eq!(tried(&app, "bob", PASSWORD).await.outcome(), "code");
        stored_at(&app, &people[1], 24, 0).await;
        let (refused, unknown) = (work(&app, "carol", PASSWORD).await, work(&app, "nobody", PASSWORD).await);
        assert_eq!((&refused, refused.1.as_str()), (&unknown, "login"));
        let told = |what: &str| logs::everything().matches(what).count();
        let of_carol = format!("SELECT id FROM credentials WHERE user_id = '{}'", people[2].id);
        let given_up = format!("password.cost_given_up credential={}", app.sql(&of_carol));
        assert_eq!(told(&given_up), 1);
        // At the start.
        let left = "count=1 cost=\"$argon2id$v=19$m=32,t=1,p=1\"";
        let before = told(left);
        stepgate::password_costs::tell(&app.app).await.unwrap();
        assert_eq!(told(left), before + 1);
        assert_eq!(tried(&app, "ada", PASSWORD).await.outcome(), "code");
        let shown = |name| app.says_in_json(&["user", "show", name])["factors"][0].clone();
        // The command has settings of its own: the default ones.
        assert_eq!(shown("carol")["needs_reset"], true);
        assert_eq!(shown("bob")["needs_reset"], false);
        assert_eq!(shown("carol")["cost"], "$argon2id$v=19$m=32,t=1,p=1");
        app.command(&["user", "set-password", "carol", "--password-stdin"], "another horse battery");
        assert_eq!(tried(&app, "carol", "another horse battery").await.outcome(), "code");
    }
}
