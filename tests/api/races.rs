//! Fifty at once over HTTP, on both databases: one winner each.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::databases;
use crate::database::postgresql;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::relying_party::code;
use crate::relying_party::introspect;
use crate::relying_party::post_as;
use crate::relying_party::redeem;
use crate::relying_party::token;
use crate::relying_party::tokens;
use crate::relying_party::userinfo;
use futures_util::future::join_all;
use serde_json::Value;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::store::interactions;
use stepgate::store::sessions;
use stepgate::store::users;

#[tokio::test]
async fn of_fifty_redemptions_one_gets_tokens_which_the_replays_revoke() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        let ada = app.user("ada").await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&Request::new().path()).await;
        let code = code(&browser.sign_in(&page, &ada).await);
        let replies = join_all((0..50).map(|_| redeem(&app, &code))).await;
        let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 49));
        assert!(lost.iter().all(|reply| reply.body.contains("\"invalid_grant\"")));
        let tokens: Value = serde_json::from_str(&won[0].body).unwrap();
        assert_eq!(userinfo(&app, tokens["access_token"].as_str().unwrap()).await.status, 401);
    }
}

#[tokio::test]
async fn of_fifty_uses_of_a_code_in_fifty_browsers_one_signs_in() {
    for database in databases() {
        let several = database.name == "PostgreSQL";
        let app = TestApp::on(database, "").await;
        let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
        // PostgreSQL serves several instances: half of the browsers go to another one.
        let other = several.then(|| app.beside());
        let mut waiting = Vec::new();
        for n in 0..50 {
            let mut browser = Browser::new(other.as_ref().filter(|_| n % 2 == 1).unwrap_or(&app));
            let page = browser.open(&Request::new().path()).await;
            let page = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
            assert_eq!(page.page(), "totp");
            waiting.push((browser, page));
        }
        let shown = ada.code(&app);
        let fields = [("code", shown.as_str())];
        let tries = waiting.iter_mut().map(|(browser, page)| browser.submit(page, &fields));
        let outcomes = join_all(tries).await.iter().map(|reply| reply.outcome()).collect::<Vec<_>>();
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "code").count(), 1, "{outcomes:?}");
        // The others were wrong by then, or were not even looked at: too many at once.
        let others = outcomes.iter().filter(|outcome| ["totp", "error"].contains(&outcome.as_str()));
        assert_eq!(others.count(), 49, "{outcomes:?}");
        // One event, in the one session that there is.
        let mut events = 0;
        for (browser, _) in &waiting {
            let hash = stepgate::base::secret::Secret::presented(browser.cookie.as_ref().unwrap()).hash();
            let (life, now) = (app.app.session_life(), app.clock.now());
            let known = app.app.store.read(move |c| sessions::browser(c, &hash, life, now)).await.unwrap();
            events += known.unwrap().sessions.iter().map(|session| session.events.len()).sum::<usize>();
        }
        assert_eq!(events, 2, "the password and the code");
    }
}

#[tokio::test]
async fn of_fifty_answers_of_one_interaction_one_has_the_code() {
    let app = TestApp::spawn().await;
    let ada = app.user("ada").await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&Request::new().path()).await;
    let mut form = page.hidden_fields();
    form.extend([("username".into(), "ada".into()), ("password".into(), PASSWORD.into())]);
    let fields = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>();
    let proved = browser.post(&page.form_action(), &fields).await;
    let next = proved.location().unwrap();
    let tabs = (0..50).map(|_| {
        let (mut tab, next) = (browser.clone(), next.clone());
        async move { tab.get(&next).await }
    });
    let codes =
        join_all(tabs).await.iter().filter(|r| r.location().is_some_and(|l| l.contains("code="))).count();
    assert_eq!(codes, 1);
    let _ = ada;
}

#[tokio::test]
async fn two_hundred_sign_in_at_once_and_each_is_themself() {
    let app = TestApp::on(postgresql(), "trusted_proxies = [\"127.0.0.1\"]").await;
    let other = app.beside_with("trusted_proxies = [\"127.0.0.1\"]");
    let mut people = Vec::new();
    for n in 0..200 {
        people.push(app.user(&format!("user{n}")).await);
    }
    let sign_ins = people.iter().enumerate().map(|(n, user)| {
        let (app, other) = (&app, &other);
        async move {
            let mut browser = Browser::new(if n % 2 == 0 { app } else { other });
            browser.source = Some(format!("10.0.{n}.1"));
            let page = browser.open(&Request::new().path()).await;
            let mut answer = browser.sign_in(&page, user).await;
            // Too many passwords at once: the person tries again.
            while answer.status == 503 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                let page = browser.get(&page.path).await;
                answer = browser.sign_in(&page, user).await;
            }
            let first = tokens(if n % 3 == 0 { app } else { other }, &answer).await;
            let again = tokens(app, &browser.open(&Request::new().path()).await).await;
            (first, again)
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    for ((first, again), user) in join_all(sign_ins).await.iter().zip(&people) {
        for tokens in [first, again] {
            assert_eq!(tokens.id_token["sub"], serde_json::json!(user.id));
            assert_eq!(tokens.access_token["sub"], serde_json::json!(user.id));
        }
        assert!(seen.insert(first.id_token["sid"].to_string()), "a session each");
    }
}

#[tokio::test]
async fn after_a_revocation_was_answered_no_token_of_the_family_is_active() {
    for database in databases() {
        let app = TestApp::on(database, "").await;
        app.client("app", serde_json::json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
        let ada = app.user("ada").await;
        let mut browser = Browser::signed_in(&app, &ada).await;
        for _ in 0..20 {
            let code = code(&browser.open(&Request::new().with("client_id", "app").path()).await);
            let own = [
                ("grant_type", "authorization_code"),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ];
            let bought = token(&app, "app", &[own.as_slice(), &[("code", code.as_str())]].concat()).await;
            let bought: Value = serde_json::from_str(&bought.body).unwrap();
            let refresh = bought["refresh_token"].as_str().unwrap();
            let refresh_form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
            let revoke_form = [("token", refresh)];
            let (revoked, refreshed) = futures_util::future::join(
                post_as(&app, "app", "/revoke", &revoke_form),
                token(&app, "app", &refresh_form),
            )
            .await;
            assert_eq!(revoked.status, 200);
            let new: Value = serde_json::from_str(&refreshed.body).unwrap();
            for token in [&bought, &new].iter().filter_map(|tokens| tokens["access_token"].as_str()) {
                assert_eq!(introspect(&app, "app", token).await, serde_json::json!({"active": false}));
            }
        }
    }
}

/// The password is verified, and the user is disabled before or after that is written down.
#[tokio::test]
async fn a_proof_that_races_with_a_user_being_disabled_leaves_no_page_open() {
    for database in databases() {
        let name = database.name;
        let app = TestApp::on(database, "").await;
        let ada = app.user_with_totp("ada", SecondFactor::SignIn).await;
        for _ in 0..15 {
            let mut browser = Browser::new(&app);
            let page = browser.open(&Request::new().path()).await;
            let (id, now) = (ada.id.clone(), app.clock.now());
            let disable = app.app.store.write(move |c| {
                users::set_disabled(c, &id, Some(now))?;
                interactions::finish_all(c, &id, now)
            });
            let (proved, disabled) =
                tokio::join!(browser.press(&page, &[("username", "ada"), ("password", PASSWORD)]), disable);
            disabled.unwrap();
            let id = ada.id.clone();
            app.app.store.write(move |c| users::set_disabled(c, &id, None)).await.unwrap();
            let stands = browser.follow(proved).await.page();
            assert!(["login", "error"].contains(&stands.as_str()), "{name}: {stands}");
        }
    }
}
