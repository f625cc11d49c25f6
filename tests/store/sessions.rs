use crate::NOW;
use crate::database::databases;
use crate::people::add_user;
use crate::winners;
use futures_util::future::join_all;
use stepgate::assurance::ledger::Event;
use stepgate::assurance::ledger::Method;
use stepgate::base::id::BrowserId;
use stepgate::base::id::ClientId;
use stepgate::base::id::CredentialId;
use stepgate::base::id::EventId;
use stepgate::base::id::InteractionId;
use stepgate::base::id::SessionId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::secret::SecretHash;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::Store;
use stepgate::store::events;
use stepgate::store::remembered;
use stepgate::store::sessions;
use stepgate::store::sessions::Browser;
use stepgate::store::sessions::SessionLife;
use stepgate::store::sweep;

const LIFE: SessionLife = SessionLife { idle: Seconds::hours(12), whole: Seconds::days(7) };

fn cookie(text: &str) -> SecretHash {
    Secret::presented(text).hash()
}

fn event(id: &str, at: Time) -> Event {
    Event {
        id: EventId::from_text(id),
        method: Method::Pwd,
        at,
        interaction: InteractionId::from_text("i1"),
        credential: CredentialId::from_text("c1"),
        uv: false,
        device_bound: false,
        attested: false,
        factor_enrolled_at: NOW,
    }
}

/// A browser with the cookie `one`, and Ada's session `s1` with one event.
pub async fn signed_in(store: &Store) {
    add_user(store, "u1", "ada", None).await;
    store
        .write(|c| {
            let browser = BrowserId::from_text("b1");
            sessions::insert_browser(c, &browser, &cookie("one"), NOW.plus(LIFE.whole))?;
            let session = SessionId::from_text("s1");
            sessions::open(c, &session, (&browser, &UserId::from_text("u1")), LIFE, NOW)?;
            events::append(c, &session, &[event("e1", NOW)], NOW)
        })
        .await
        .unwrap();
}

async fn found(store: &Store, value: &'static str, now: Time) -> Option<Browser> {
    store.read(move |c| sessions::browser(c, &cookie(value), LIFE, now)).await.unwrap()
}

#[tokio::test]
async fn a_browser_is_found_by_its_cookie_with_sessions_that_live_and_events_that_stand() {
    for db in databases() {
        signed_in(&db.store).await;
        let browser = found(&db.store, "one", NOW).await.unwrap();
        assert_eq!(browser.sessions.len(), 1, "{}", db.name);
        assert_eq!(browser.sessions[0].username, "ada");
        assert_eq!(browser.sessions[0].events, [event("e1", NOW)]);
        assert!(found(&db.store, "two", NOW).await.is_none());
        assert!(found(&db.store, "one", NOW.plus(LIFE.idle)).await.unwrap().sessions.is_empty());
        db.store
            .write(|c| sessions::touch(c, &SessionId::from_text("s1"), NOW.plus(Seconds::hours(6))))
            .await
            .unwrap();
        assert_eq!(
            found(&db.store, "one", NOW.plus(LIFE.idle)).await.unwrap().sessions.len(),
            1,
            "{}",
            db.name
        );
        assert!(found(&db.store, "one", NOW.plus(LIFE.whole)).await.is_none());
    }
}

#[tokio::test]
async fn a_browsers_secret_is_replaced_once_by_one_of_fifty() {
    for db in databases() {
        signed_in(&db.store).await;
        let browser = found(&db.store, "one", NOW).await.unwrap();
        let rotate = |n: usize| {
            let (store, browser) = (db.store.clone(), browser.clone());
            let new = cookie(&format!("new{n}"));
            async move {
                store.write(move |c| sessions::rotate(c, &browser, &new, NOW.plus(LIFE.whole))).await.unwrap()
            }
        };
        assert_eq!(winners(rotate).await, 1, "{}", db.name);
        assert!(found(&db.store, "one", NOW).await.is_none());
    }
}

#[tokio::test]
async fn a_new_session_ends_the_one_before_it_which_never_comes_back() {
    for db in databases() {
        signed_in(&db.store).await;
        db.store
            .write(|c| {
                let of = (&BrowserId::from_text("b1"), &UserId::from_text("u1"));
                sessions::open(c, &SessionId::from_text("s2"), of, LIFE, NOW)?;
                events::append(c, &SessionId::from_text("s2"), &[event("e2", NOW)], NOW)
            })
            .await
            .unwrap();
        let live = found(&db.store, "one", NOW).await.unwrap().sessions;
        assert_eq!(live.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["s2"], "{}", db.name);
        let stands = |session: &'static str, events: &'static [&'static str]| {
            db.store.read(move |c| {
                let events = events.iter().map(|id| EventId::from_text(*id)).collect::<Vec<_>>();
                sessions::standing(c, &SessionId::from_text(session), &events, NOW)
                    .map(|claims| claims.is_some())
            })
        };
        assert!(stands("s2", &["e2"]).await.unwrap());
        assert!(!stands("s1", &["e1"]).await.unwrap());
        assert!(!stands("s2", &["e2", "e1"]).await.unwrap(), "{}", db.name);
    }
}

#[tokio::test]
async fn a_long_session_keeps_the_newest_sixteen_events_of_a_factor() {
    for db in databases() {
        signed_in(&db.store).await;
        let names = (10..40).map(|n| format!("e{n}")).collect::<Vec<_>>();
        let events = names.iter().enumerate().map(|(n, id)| event(id, NOW.plus(Seconds(n as u32 + 1))));
        let events = events.collect::<Vec<_>>();
        let newest = events[14..].to_vec();
        db.store
            .write(move |c| events::append(c, &SessionId::from_text("s1"), &events, NOW.plus(Seconds(31))))
            .await
            .unwrap();
        let kept = found(&db.store, "one", NOW).await.unwrap().sessions.remove(0).events;
        assert_eq!(kept, newest, "{}", db.name);
    }
}

#[tokio::test]
async fn the_account_that_answered_a_client_last_is_remembered() {
    for db in databases() {
        signed_in(&db.store).await;
        let sessions = found(&db.store, "one", NOW).await.unwrap().sessions;
        let last = |client: &'static str| {
            let sessions = sessions.clone();
            db.store.read(move |c| sessions::last_answered(c, &sessions, &ClientId::from_text(client)))
        };
        assert_eq!(last("shop").await.unwrap(), None);
        for _ in 0..2 {
            let answered = |c: &mut _| {
                sessions::answered(c, &SessionId::from_text("s1"), &ClientId::from_text("shop"), NOW)
            };
            db.store.write(answered).await.unwrap();
        }
        assert_eq!(last("shop").await.unwrap(), Some(SessionId::from_text("s1")), "{}", db.name);
    }
}

#[tokio::test]
async fn a_session_answers_a_client_3600_times_and_then_once_in_a_second_and_each_at_once_counts() {
    for db in databases() {
        signed_in(&db.store).await;
        let answered = |client: &'static str, now: Time, times: usize| {
            let job = move |c: &mut _| {
                (0..times).try_fold(0, |done, _| {
                    let (session, client) = (SessionId::from_text("s1"), ClientId::from_text(client));
                    sessions::answered(c, &session, &client, now).map(|answers| done + usize::from(answers))
                })
            };
            db.store.write(job)
        };
        // As it is of a clock that is set back an hour below.
        let ahead = NOW.plus(Seconds::days(1));
        let first = join_all((0..10).map(|_| answered("shop", ahead, 1))).await;
        assert!(first.into_iter().all(|done| done.unwrap() == 1), "{}", db.name);
        assert_eq!(answered("shop", ahead, 3_580).await.unwrap(), 3_580);
        let last = join_all((0..20).map(|_| answered("shop", ahead, 1))).await;
        assert_eq!(last.into_iter().map(Result::unwrap).sum::<usize>(), 10, "{}", db.name);
        assert_eq!(answered("shop", ahead.plus(Seconds(3)), 9).await.unwrap(), 3);
        assert_eq!(answered("bank", ahead, 9).await.unwrap(), 9);
        assert_eq!(answered("shop", NOW, 3_610).await.unwrap(), 3_600, "{}", db.name);
    }
}

#[tokio::test]
async fn what_has_expired_is_swept_with_all_that_hangs_on_it() {
    for db in databases() {
        signed_in(&db.store).await;
        // Nor while it lives by the clock of another instance, which is a little behind.
        for still in [NOW, NOW.plus(LIFE.whole).plus(Seconds::minutes(1))] {
            assert_eq!(db.store.write(move |c| sweep::batch(c, still, Seconds::days(1))).await.unwrap(), 0);
        }
        let later = NOW.plus(Seconds::days(8));
        assert_eq!(
            db.store.write(move |c| sweep::batch(c, later, Seconds::days(1))).await.unwrap(),
            2,
            "{}",
            db.name
        );
        assert!(found(&db.store, "one", NOW).await.is_none());
    }
}

#[tokio::test]
async fn one_person_has_five_hundred_sessions_and_browsers_and_the_oldest_go() {
    for db in databases() {
        add_user(&db.store, "u1", "ada", None).await;
        for n in 0..510_i32 {
            let opened = db.store.write(move |c| {
                let (browser, user) = (BrowserId::from_text(format!("b{n:03}")), UserId::from_text("u1"));
                let now = NOW.plus(Seconds(n.unsigned_abs()));
                sessions::insert_browser(c, &browser, &cookie(&format!("cookie {n}")), NOW.plus(LIFE.whole))?;
                let session = SessionId::from_text(format!("s{n:03}"));
                sessions::open(c, &session, (&browser, &user), LIFE, now)?;
                remembered::note(c, &browser, &user, now)?;
                events::append(c, &session, &[event(&format!("e{n}"), now)], now)
            });
            opened.await.unwrap();
        }
        let user = UserId::from_text("u1");
        let listed = db.store.read(move |c| sessions::of_user(c, &user, LIFE, NOW.plus(Seconds(510)))).await;
        let listed = listed.unwrap();
        assert_eq!((listed.len(), listed[0].id.as_str()), (500, "s010"), "{}", db.name);
        assert!(found(&db.store, "cookie 9", NOW).await.is_none(), "{}: its browser is gone too", db.name);
        assert!(found(&db.store, "cookie 10", NOW.plus(Seconds(510))).await.is_some(), "{}", db.name);
    }
}
