use crate::NOW;
use crate::database::TestDatabase;
use crate::database::databases;
use crate::people::add_user;
use crate::winners;
use stepgate::base::id::CredentialId;
use stepgate::base::id::MailId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::credentials::Credential;
use stepgate::store::credentials::Kind;
use stepgate::store::mails;
use stepgate::store::mails::NewMail;
use stepgate::store::recoveries;
use stepgate::store::recoveries::New;
use stepgate::store::sweep;

const DAY: Seconds = Seconds::days(1);

/// A replacement of a user's passkey, and a notice for each name.
async fn begin(db: &TestDatabase, notices: &'static [&'static str]) {
    add_user(&db.store, "u1", "ada", None).await;
    let begun = db.store.write(move |c| {
        let (user, lost) = (UserId::from_text("u1"), CredentialId::from_text("lost"));
        let replacement = Credential::new(CredentialId::from_text("new"), Kind::Totp, "sealed".into(), NOW);
        let cancel = Secret::presented("cancel").hash();
        let count = i64::try_from(notices.len()).unwrap();
        let new = New {
            user: &user,
            lost: &lost,
            replacement: &replacement,
            cancel: &cancel,
            delay: DAY,
            notices: count,
        };
        let begun = recoveries::begin(c, &new)?;
        for id in notices {
            let id = MailId::from_text(*id);
            let (subject, body) = ("Did you lose it?", "Then do nothing.");
            let recovery = Some(&replacement.id);
            let mail =
                NewMail { id: &id, user: Some(&user), recipient: "ada@op.test", subject, body, recovery };
            mails::push(c, &mail, NOW)?;
        }
        Ok(begun)
    });
    assert!(begun.await.unwrap());
}

async fn sent(db: &TestDatabase, id: &str, now: Time) {
    let id = MailId::from_text(id);
    db.store.write(move |c| mails::sent(c, &id, now)).await.unwrap();
}

async fn give_up(db: &TestDatabase, id: &str, now: Time) {
    let id = MailId::from_text(id);
    db.store.write(move |c| mails::give_up(c, &id, now)).await.unwrap();
}

/// When it is due, if it is yet, and whether anybody was told.
async fn state(db: &TestDatabase) -> (Option<Time>, bool) {
    let of_user = |c: &mut _| recoveries::of_user(c, &UserId::from_text("u1"));
    let recovery = db.store.read(of_user).await.unwrap().unwrap().recovery;
    (recovery.due_at, recovery.is_told)
}

#[tokio::test]
async fn the_last_notice_of_a_replacement_that_is_settled_begins_its_time_once() {
    let at = |seconds| NOW.plus(Seconds(seconds));
    for db in databases() {
        begin(&db, &["m1", "m2", "m3"]).await;
        sent(&db, "m1", at(10)).await;
        // Whoever died before it was recorded sends it again.
        sent(&db, "m1", at(20)).await;
        give_up(&db, "m2", at(30)).await;
        give_up(&db, "m2", at(40)).await;
        assert_eq!(state(&db).await, (None, true), "{}", db.name);
        let never = NOW.plus(Seconds::days(300));
        assert!(db.store.read(move |c| recoveries::due(c, never)).await.unwrap().is_empty());
        sent(&db, "m3", at(50)).await;
        sent(&db, "m2", at(60)).await;
        assert_eq!(state(&db).await, (Some(at(50).plus(DAY)), true));
        let new = CredentialId::from_text("new");
        let early = db.store.write(move |c| recoveries::take(c, &new, at(49).plus(DAY))).await.unwrap();
        assert!(early.is_none());
    }
}

#[tokio::test]
async fn notices_that_are_settled_at_once_begin_the_time_of_a_replacement() {
    for db in databases() {
        begin(&db, &["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"]).await;
        winners(|n| {
            let (store, id) = (db.store.clone(), MailId::from_text(format!("m{}", n % 10)));
            async move {
                store.write(move |c| mails::sent(c, &id, NOW)).await.unwrap();
                true
            }
        })
        .await;
        assert_eq!(state(&db).await, (Some(NOW.plus(DAY)), true), "{}", db.name);
    }
}

#[tokio::test]
async fn a_replacement_of_which_nobody_was_told_is_due_at_once_and_says_so() {
    for db in databases() {
        begin(&db, &["m1", "m2"]).await;
        give_up(&db, "m1", NOW).await;
        // Nobody sends any more.
        let later = NOW.plus(Seconds::days(8));
        db.store.write(move |c| sweep::batch(c, later, Seconds::days(30))).await.unwrap();
        assert_eq!(state(&db).await, (Some(later), false), "{}", db.name);
        let due = db.store.read(move |c| recoveries::due(c, later)).await.unwrap();
        assert_eq!(due.len(), 1);
    }
}
