use crate::NOW;
use crate::database::databases;
use crate::sessions::signed_in;
use crate::winners;
use diesel::sql_query;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::id::BrowserId;
use stepgate::base::id::InteractionId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::Store;
use stepgate::store::interactions;
use stepgate::store::interactions::InteractionRow;
use stepgate::store::interactions::Owner;
use stepgate::store::interactions::Resting;
use stepgate::store::sessions;
use stepgate::store::statement::Statement;

fn row(id: &str) -> InteractionRow {
    InteractionRow {
        id: InteractionId::from_text(id),
        need: "{}".into(),
        then_kind: "authorize".into(),
        then_body: "{}".into(),
        resting: Resting { user: None, progress: "{}".into() },
        step: 0,
        asked_at: NOW,
    }
}

const END: Time = NOW.plus(Seconds::minutes(10));

async fn open(store: &Store, id: String, source: &'static str) -> bool {
    open_of(store, id, "b1", Owner::Source(source.into())).await
}

async fn open_of(store: &Store, id: String, browser: &'static str, owner: Owner) -> bool {
    let opened = store.write(move |c| {
        let room = interactions::make_room(c, &owner, NOW)?;
        if room {
            interactions::open(c, &row(&id), &BrowserId::from_text(browser), &owner, END)?;
        }
        Ok(room)
    });
    opened.await.unwrap()
}

/// Takes the first step of an interaction.
async fn post(store: &Store, id: String) {
    post_about(store, id, None).await;
}

async fn post_about(store: &Store, id: String, user: Option<&str>) {
    let to = Resting { user: user.map(UserId::from_text), progress: "{}".into() };
    store.write(move |c| interactions::advance(c, &row(&id), &to, END)).await.unwrap();
}

async fn are_there(store: &Store, ids: &'static [&'static str]) -> Vec<bool> {
    let browser = BrowserId::from_text("b1");
    let load = move |c: &mut _| {
        let there = |id: &&str| {
            interactions::load(c, &InteractionId::from_text(*id), &browser, NOW).map(|row| row.is_some())
        };
        ids.iter().map(there).collect()
    };
    store.read(load).await.unwrap()
}

async fn load(store: &Store, browser: &'static str, now: Time) -> Option<InteractionRow> {
    let id = InteractionId::from_text("i1");
    store.read(move |c| interactions::load(c, &id, &BrowserId::from_text(browser), now)).await.unwrap()
}

#[tokio::test]
async fn an_interaction_belongs_to_its_browser_and_ends_by_itself() {
    for db in databases() {
        signed_in(&db.store).await;
        assert!(open(&db.store, "i1".into(), "10.0.0.1").await);
        assert_eq!(load(&db.store, "b1", NOW).await.unwrap().then_kind, "authorize", "{}", db.name);
        assert!(load(&db.store, "b2", NOW).await.is_none());
        assert!(load(&db.store, "b1", END).await.is_none(), "{}", db.name);
    }
}

#[tokio::test]
async fn of_fifty_forms_for_one_step_one_takes_it_and_an_interaction_finishes_once() {
    for db in databases() {
        signed_in(&db.store).await;
        open(&db.store, "i1".into(), "10.0.0.1").await;
        let advance = |n: usize| {
            let store = db.store.clone();
            async move {
                store
                    .write(move |c| {
                        let to = Resting { user: None, progress: format!("{{\"n\":{n}}}") };
                        interactions::advance(c, &row("i1"), &to, END)
                    })
                    .await
                    .is_ok()
            }
        };
        assert_eq!(winners(advance).await, 1, "{}", db.name);
        let read = load(&db.store, "b1", NOW).await.unwrap();
        assert_eq!(read.step, 1);
        let finish = |_| {
            let (store, read) = (db.store.clone(), read.clone());
            async move { store.write(move |c| interactions::finish(c, &read, NOW)).await.is_ok() }
        };
        assert_eq!(winners(finish).await, 1, "{}", db.name);
        assert!(load(&db.store, "b1", NOW).await.is_none());
    }
}

#[tokio::test]
async fn one_source_may_have_fifty_open_in_which_a_form_was_taken() {
    for db in databases() {
        signed_in(&db.store).await;
        for n in 0..50 {
            assert!(open(&db.store, format!("i{n}"), "10.0.0.1").await, "{} {n}", db.name);
            post(&db.store, format!("i{n}")).await;
        }
        assert!(!open(&db.store, "one more".into(), "10.0.0.1").await, "{}", db.name);
        assert!(open(&db.store, "elsewhere".into(), "10.0.0.2").await, "{}", db.name);
    }
}

#[tokio::test]
async fn of_those_that_nobody_has_answered_the_oldest_go_and_no_other() {
    for db in databases() {
        signed_in(&db.store).await;
        for id in ["a posted", "b elsewhere", "c first", "d second"] {
            let source = if id == "b elsewhere" { "10.0.0.2" } else { "10.0.0.1" };
            assert!(open(&db.store, id.into(), source).await, "{}", db.name);
        }
        assert!(open_of(&db.store, "e known".into(), "b1", Owner::Browser(BrowserId::from_text("b1"))).await);
        post(&db.store, "a posted".into()).await;
        let ids = &["a posted", "b elsewhere", "c first", "d second", "e known"];
        for n in 0..198 {
            assert!(open(&db.store, format!("more {n:03}"), "10.0.0.1").await);
        }
        assert_eq!(are_there(&db.store, ids).await, [true; 5], "{}", db.name);
        assert!(open(&db.store, "more 198".into(), "10.0.0.1").await);
        assert_eq!(are_there(&db.store, ids).await, [true, true, false, false, true], "{}", db.name);
        // Ten at once.
        let last = &["more 007", "more 008"];
        assert_eq!(are_there(&db.store, last).await, [false, true], "{}", db.name);
    }
}

#[tokio::test]
async fn a_sign_out_takes_along_what_is_about_its_user_and_nothing_else_however_much_it_is() {
    for db in databases() {
        signed_in(&db.store).await;
        let heap = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) INSERT INTO interactions \
             (id, browser_id, need, then_kind, then_body, progress, user_id, step, asked_at, expires_at) \
             SELECT 'heap ' || n, 'b1', '{{}}', 'authorize', '{{}}', '{{}}', \
             CASE WHEN n % 2 = 0 THEN 'u1' ELSE 'u2' END, 0, {now}, {end} FROM n",
            now = NOW.micros(),
            end = END.micros(),
        );
        assert_eq!(db.store.write(move |c| sql_query(heap).run(c)).await.unwrap(), 1000);
        post(&db.store, "heap 1".into()).await;
        post_about(&db.store, "heap 2".into(), Some("u1")).await;
        post_about(&db.store, "heap 3".into(), Some("u2")).await;
        let (browser, user) = (BrowserId::from_text("b1"), UserId::from_text("u1"));
        let (own, about) = (browser.clone(), user.clone());
        db.store.write(move |c| interactions::end_posted(c, &own, &about)).await.unwrap();
        let those = &["heap 1", "heap 2", "heap 3", "heap 4"];
        assert_eq!(are_there(&db.store, those).await, [true, false, true, true], "{}", db.name);
        let (mut pieces, mut next) = (0, Some(String::new()));
        while let Some(after) = next {
            let (browser, user) = (browser.clone(), user.clone());
            let piece = db.store.write(move |c| interactions::end_piece(c, &browser, &user, &after));
            (pieces, next) = (pieces + 1, piece.await.unwrap());
        }
        assert!(pieces >= 10, "{}: {pieces}", db.name);
        let count = |which: &'static str| {
            let store = db.store.clone();
            async move {
                let rows = format!("DELETE FROM interactions WHERE user_id = '{which}'");
                store.write(move |c| sql_query(rows).run(c)).await.unwrap()
            }
        };
        // One of them was answered, and is about nobody since.
        assert_eq!((count("u1").await, count("u2").await), (0, 499), "{}", db.name);
    }
}

/// Of twenty, the one that nothing on this machine slowed down.
async fn cost_of_opening(store: &Store, source: &'static str) -> Duration {
    let mut costs = Vec::new();
    for n in 0..20 {
        let opened = store.write(move |c| {
            let (began, row) = (Instant::now(), row(&format!("{source}, {n}")));
            let owner = Owner::Source(source.into());
            assert!(interactions::make_room(c, &owner, NOW)?);
            interactions::open(c, &row, &BrowserId::from_text("b1"), &owner, END)?;
            Ok(began.elapsed())
        });
        costs.push(opened.await.unwrap());
    }
    costs.into_iter().min().unwrap()
}

#[tokio::test]
async fn what_a_source_has_finished_makes_its_next_sign_in_no_dearer() {
    for db in databases() {
        signed_in(&db.store).await;
        let finished = format!(
            "WITH RECURSIVE done (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM done WHERE n < 20000) INSERT INTO interactions \
             (id, browser_id, source, need, then_kind, then_body, progress, step, asked_at, expires_at, finished_at) \
             SELECT 'done ' || n, 'b1', '10.0.0.1', '{{}}', 'authorize', '{{}}', '{{}}', 1, {now}, {end}, {now} FROM done",
            now = NOW.micros(),
            end = END.micros(),
        );
        assert_eq!(db.store.write(move |c| sql_query(finished).run(c)).await.unwrap(), 20_000);
        let (busy, quiet) =
            (cost_of_opening(&db.store, "10.0.0.1").await, cost_of_opening(&db.store, "10.0.0.2").await);
        assert!(busy < quiet * 4, "{}: {busy:?}, elsewhere {quiet:?}", db.name);
    }
}

#[tokio::test]
async fn what_is_open_about_a_user_ends_in_one_browser_or_in_all_and_nothing_of_others() {
    for db in databases() {
        signed_in(&db.store).await;
        let open = |id: &'static str, browser: &'static str, user: Option<&'static str>| {
            let resting = Resting { user: user.map(UserId::from_text), progress: "{}".into() };
            let row = InteractionRow { resting, ..row(id) };
            db.store.write(move |c| {
                let browser = BrowserId::from_text(browser);
                if browser.as_str() == "b2" && id == "far" {
                    sessions::insert_browser(c, &browser, &Secret::presented("two").hash(), END)?;
                }
                interactions::open(c, &row, &browser, &Owner::Browser(browser.clone()), END)
            })
        };
        for (id, browser, user) in [
            ("here", "b1", Some("u1")),
            ("far", "b2", Some("u1")),
            ("anybody's", "b1", None),
            ("another's", "b2", Some("u2")),
        ] {
            open(id, browser, user).await.unwrap();
        }
        let left = async || {
            let load = |c: &mut _| {
                let of = [("here", "b1"), ("far", "b2"), ("anybody's", "b1"), ("another's", "b2")];
                of.into_iter()
                    .map(|(id, browser)| {
                        let (id, browser) = (InteractionId::from_text(id), BrowserId::from_text(browser));
                        interactions::load(c, &id, &browser, NOW).map(|row| row.is_some())
                    })
                    .collect::<Result<Vec<_>, _>>()
            };
            db.store.read(load).await.unwrap()
        };
        let (user, browser) = (UserId::from_text("u1"), BrowserId::from_text("b1"));
        db.store.write(move |c| interactions::finish_of(c, &browser, &user, NOW)).await.unwrap();
        assert_eq!(left().await, [false, true, true, true], "{}", db.name);
        db.store.write(|c| interactions::finish_all(c, &UserId::from_text("u1"), NOW)).await.unwrap();
        assert_eq!(left().await, [false, false, true, true], "{}", db.name);
    }
}
