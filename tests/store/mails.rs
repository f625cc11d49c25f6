use crate::NOW;
use crate::database::TestDatabase;
use crate::database::databases;
use crate::people::add_user;
use crate::winners;
use diesel::sql_query;
use stepgate::base::id::MailId;
use stepgate::base::id::UserId;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;
use stepgate::store::connection::Conn;
use stepgate::store::lost;
use stepgate::store::mails;
use stepgate::store::mails::Mail;
use stepgate::store::mails::NewMail;
use stepgate::store::statement::Statement;
use stepgate::store::sweep;
use stepgate::store::users;

fn write(c: &mut Conn, id: &str, now: Time) -> Result<(), diesel::result::Error> {
    let (id, user) = (MailId::from_text(id), UserId::from_text("u1"));
    let new = NewMail {
        id: &id,
        user: Some(&user),
        recipient: "ada@op.test",
        subject: "Grüße",
        body: "Your code is 493817.",
        recovery: None,
    };
    mails::push(c, &new, now)
}

async fn push(db: &TestDatabase, id: &'static str, now: Time) {
    db.store.write(move |c| write(c, id, now)).await.unwrap();
}

async fn due(db: &TestDatabase, now: Time) -> Vec<Mail> {
    db.store.read(move |c| mails::due(c, now, 10)).await.unwrap()
}

async fn claim(db: &TestDatabase, mail: &Mail, now: Time) -> bool {
    let mail = mail.clone();
    db.store.write(move |c| mails::claim(c, &mail, now)).await.unwrap()
}

fn names(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.id.as_str()).collect()
}

#[tokio::test]
async fn a_mail_is_written_with_its_change_or_not_at_all() {
    for db in databases() {
        let undone = db.store.write(|c| write(c, "m1", NOW).and_then(|()| lost::<()>())).await;
        assert!(undone.is_err());
        assert!(due(&db, NOW).await.is_empty(), "{}", db.name);
        push(&db, "m2", NOW.plus(Seconds(1))).await;
        push(&db, "m3", NOW).await;
        assert_eq!(names(&due(&db, NOW).await), ["m3"]);
        let both = due(&db, NOW.plus(Seconds(1))).await;
        assert_eq!(names(&both), ["m3", "m2"], "the oldest first");
        let m3 = &both[0];
        let read = [m3.recipient.as_str(), &m3.subject, &m3.body];
        assert_eq!(read, ["ada@op.test", "Grüße", "Your code is 493817."]);
        assert_eq!((m3.created_at, m3.tries), (NOW, 0));
        let one = db.store.read(|c| mails::due(c, NOW.plus(Seconds(1)), 1)).await.unwrap();
        assert_eq!(names(&one), ["m3"]);
    }
}

#[tokio::test]
async fn a_mail_is_claimed_by_one_of_fifty() {
    for db in databases() {
        push(&db, "m1", NOW).await;
        let mail = due(&db, NOW).await.remove(0);
        let claimed = winners(|_| {
            let (store, mail) = (db.store.clone(), mail.clone());
            async move { store.write(move |c| mails::claim(c, &mail, NOW)).await.unwrap() }
        });
        assert_eq!(claimed.await, 1, "{}", db.name);
        assert!(due(&db, NOW).await.is_empty());
        db.store.write(|c| mails::sent(c, &MailId::from_text("m1"), NOW)).await.unwrap();
        assert!(!claim(&db, &mail, NOW).await, "what was sent is not there any more");
        assert!(due(&db, NOW.plus(Seconds::days(7))).await.is_empty());
    }
}

#[tokio::test]
async fn a_mail_is_tried_less_and_less_often_and_given_up_without_its_text() {
    for db in databases() {
        push(&db, "m1", NOW).await;
        let mut now = NOW;
        for tries in 1..=mails::MOST_TRIES {
            let mail = due(&db, now).await.remove(0);
            assert_eq!(mail.tries, tries - 1);
            assert!(claim(&db, &mail, now).await && !claim(&db, &mail, now).await, "{}", db.name);
            let wait = Seconds(60 * 3_u32.pow(u32::try_from(tries).unwrap() - 1));
            assert!(due(&db, now.plus(wait).minus(Seconds(1))).await.is_empty());
            now = now.plus(wait);
        }
        assert_eq!(due(&db, now).await[0].tries, mails::MOST_TRIES, "whoever finds it so gives it up");
        let id = MailId::from_text("m1");
        let give_up = move |c: &mut _| Ok((mails::give_up(c, &id, now)?, mails::give_up(c, &id, now)?));
        assert_eq!(db.store.write(give_up).await.unwrap(), (true, false));
        assert!(due(&db, now.plus(Seconds::days(1))).await.is_empty());
        let kept = "UPDATE mails SET tries = tries WHERE body = '' AND recipient = 'ada@op.test'";
        assert_eq!(db.store.write(move |c| sql_query(kept).run(c)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_was_given_up_and_what_nobody_sends_is_forgotten_in_time() {
    for db in databases() {
        for id in ["given up", "waiting"] {
            push(&db, id, NOW).await;
        }
        db.store.write(|c| mails::give_up(c, &MailId::from_text("given up"), NOW)).await.unwrap();
        for (days, gone) in [(7, 0), (8, 1), (30, 0), (31, 1)] {
            let later = NOW.plus(Seconds::days(days));
            let swept = db.store.write(move |c| sweep::batch(c, later, Seconds::days(1))).await.unwrap();
            assert_eq!(swept, gone, "{} after {days} days", db.name);
        }
    }
}

#[tokio::test]
async fn a_user_is_told_at_their_verified_addresses() {
    for db in databases() {
        add_user(&db.store, "u1", "ada", Some("Ada@op.test")).await;
        add_user(&db.store, "u2", "bob", None).await;
        let of = |id| db.store.read(move |c| users::addresses(c, &UserId::from_text(id)));
        assert_eq!(of("u1").await.unwrap(), ["ada@op.test"], "{}", db.name);
        assert!(of("u2").await.unwrap().is_empty());
        let unverified = "UPDATE login_names SET verified_at = NULL WHERE kind = 'email'";
        db.store.write(move |c| sql_query(unverified).run(c)).await.unwrap();
        assert!(of("u1").await.unwrap().is_empty());
    }
}
