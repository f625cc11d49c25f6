//! Fifty at once over HTTP, on both databases: one winner each.

use crate::app::PASSWORD;
use crate::app::TestApp;
use crate::browser::Browser;
use crate::database::databases;
use crate::relying_party::Request;
use crate::relying_party::code;
use crate::relying_party::redeem;
use crate::relying_party::userinfo;
use futures_util::future::join_all;
use serde_json::Value;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;
use stepgate::store::sessions;

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
