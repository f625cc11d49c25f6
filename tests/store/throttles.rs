use crate::NOW;
use crate::database::databases;
use crate::winners;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::Store;
use stepgate::store::throttles;
use stepgate::store::throttles::Counter;
use stepgate::store::throttles::Ration;

fn counter(free: i64) -> Vec<Counter> {
    let (first_wait, longest_wait, memory) = (Seconds(2), Seconds(60), Seconds::days(1));
    vec![Counter { key: "k".into(), free, first_wait, longest_wait, memory }]
}

/// `None`: the try was counted; else until when none is.
async fn raise(store: &Store, free: i64, now: Time) -> Option<Time> {
    store.write(move |c| throttles::raise(c, &counter(free), now)).await.unwrap().err()
}

#[tokio::test]
async fn tries_are_counted_until_the_brake_and_forgotten_after_a_day_or_a_success() {
    for db in databases() {
        for _ in 0..3 {
            assert_eq!(raise(&db.store, 2, NOW).await, None, "{}", db.name);
        }
        assert_eq!(raise(&db.store, 2, NOW).await, Some(NOW.plus(Seconds(2))));
        assert_eq!(raise(&db.store, 2, NOW.plus(Seconds(2))).await, None);
        assert_eq!(raise(&db.store, 2, NOW.plus(Seconds(5))).await, Some(NOW.plus(Seconds(6))));
        db.store.write(|c| throttles::lower(c, "k")).await.unwrap();
        assert_eq!(raise(&db.store, 2, NOW.plus(Seconds(5))).await, None);
        db.store.write(|c| throttles::clear(c, "k")).await.unwrap();
        for _ in 0..3 {
            assert_eq!(raise(&db.store, 2, NOW).await, None);
        }
        assert_eq!(raise(&db.store, 2, NOW.plus(Seconds::days(2))).await, None, "a day has passed");
    }
}

#[tokio::test]
async fn tries_at_once_are_each_counted_and_none_is_turned_away() {
    for db in databases() {
        let taken = winners(|_| {
            let store = db.store.clone();
            async move { matches!(store.write(|c| throttles::raise(c, &counter(1000), NOW)).await, Ok(Ok(()))) }
        });
        let taken = i64::try_from(taken.await).unwrap();
        assert_eq!(taken, 50, "{}", db.name);
        // One more than were taken brakes from the next on: none was lost.
        assert_eq!(raise(&db.store, taken, NOW).await, None);
        assert_eq!(raise(&db.store, taken, NOW).await, Some(NOW.plus(Seconds(2))));
    }
}

#[tokio::test]
async fn a_try_whose_clock_is_a_little_behind_is_not_braked_by_the_one_beside_it() {
    for db in databases() {
        for behind in [0, 1, 2] {
            let now = NOW.minus(Seconds(behind));
            assert_eq!(raise(&db.store, 3, now).await, None, "{}", db.name);
        }
        // Those that are beyond the free ones wait, whatever the clock.
        assert_eq!(raise(&db.store, 3, NOW).await, None);
        assert_eq!(raise(&db.store, 3, NOW.minus(Seconds(1))).await, Some(NOW.plus(Seconds(2))));
    }
}

#[tokio::test]
async fn of_what_there_is_only_so_much_fifty_at_once_get_no_more() {
    for db in databases() {
        let most = 20;
        let taken = winners(|_| {
            let store = db.store.clone();
            let take = move |c: &mut _| throttles::take_one(c, "some", most, NOW.plus(Seconds(60)));
            async move { store.write(take).await.unwrap().is_some_and(|taken| taken <= most) }
        });
        assert_eq!(taken.await, 20, "{}", db.name);
        let other =
            db.store.write(move |c| throttles::take_one(c, "other", most, NOW.plus(Seconds(60)))).await;
        assert_eq!(other.unwrap(), Some(1), "{}", db.name);
    }
}

async fn spend(store: &Store, now: Time) -> Option<Time> {
    let ration = Ration { key: "r".into(), most: 20, time: Seconds::days(1) };
    store.write(move |c| throttles::spend(c, &ration, now)).await.unwrap().err()
}

#[tokio::test]
async fn a_ration_is_spent_once_by_whoever_takes_at_once_and_is_new_a_day_after_the_first() {
    for db in databases() {
        let taken = winners(|n| {
            let (store, now) = (db.store.clone(), NOW.plus(Seconds(n as u32)));
            async move { spend(&store, now).await.is_none() }
        });
        assert_eq!(taken.await, 20, "{}", db.name);
        let until = spend(&db.store, NOW.plus(Seconds::hours(23))).await.unwrap();
        assert!(until < NOW.plus(Seconds::days(1)).plus(Seconds(50)), "the tries beyond it prolong nothing");
        assert_eq!(spend(&db.store, until.minus(Seconds(1))).await, Some(until));
        assert_eq!(spend(&db.store, until).await, None);
    }
}
