//! Sends what waits in the outbox, beside the requests and never within one. A mail is claimed in the database before it is
//! sent, so that of several instances one sends it; a server that does not answer only makes mails late. If a process dies
//! between the last byte and the record of it, the mail goes out once more, under the same `Message-ID`.

use crate::app::App;
use crate::mail::Mailer;
use crate::mail::Unsent;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::mails;
use crate::store::mails::MOST_TRIES;
use crate::store::mails::Mail;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A command, or another instance, may have written a mail.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const BATCH: i64 = 20;
const AT_ONCE: usize = 4;
/// What was sent must be recorded before its next try is due, if the database comes back by then.
const RECORD_TRIES: u32 = 20;
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// Until `stop` changes; then what is under way is finished, and nothing new is begun.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let Some(mailer) = app.mail.clone() else { return };
    let mut readable = true;
    while !*stop.borrow() {
        match send_due(&app, &mailer, &stop).await {
            Ok(more) => {
                readable = true;
                if more {
                    continue;
                }
            }
            Err(why) => {
                if readable {
                    tracing::warn!(%why, "outbox.unreadable");
                }
                readable = false;
            }
        }
        tokio::select! {
            () = app.mail_waiting.notified() => {}
            () = sleep(LOOK_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// One batch, a few at a time; says whether more may be waiting.
async fn send_due(
    app: &Arc<App>,
    mailer: &Arc<Mailer>,
    stop: &watch::Receiver<bool>,
) -> Result<bool, StoreError> {
    let now = app.now();
    let due = app.store.read(move |c| mails::due(c, now, BATCH)).await?;
    let more = due.len() >= BATCH as usize;
    let mut under_way = JoinSet::new();
    for mail in due {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
        if *stop.borrow() {
            break;
        }
        let (app, mailer) = (app.clone(), mailer.clone());
        under_way.spawn(async move { send_one(&app, &mailer, mail).await });
    }
    let mut answered = Ok(more);
    while let Some(ended) = under_way.join_next().await {
        if let Ok(Err(why)) = ended {
            answered = Err(why);
        }
    }
    answered
}

/// One try, if this is the one who gets it.
async fn send_one(app: &App, mailer: &Mailer, mail: Mail) -> Result<(), StoreError> {
    let (now, claimed) = (app.now(), mail.clone());
    if mail.tries >= MOST_TRIES {
        return give_up(app, &mail, "the last try never ended").await;
    }
    if !app.store.write(move |c| mails::claim(c, &claimed, now)).await? {
        return Ok(());
    }
    let (id, tries) = (&mail.id, mail.tries + 1);
    match mailer.send(&mail).await {
        Ok(()) => {
            app.metrics.mail("sent");
            tracing::info!(mail = %id, tries, "mail.sent");
            let (id, now) = (id.clone(), app.now());
            record(app, move |c| mails::sent(c, &id, now)).await
        }
        Err(Unsent { why, for_good }) if for_good || tries >= MOST_TRIES => give_up(app, &mail, &why).await,
        Err(Unsent { why, .. }) => {
            app.metrics.mail("failed");
            tracing::warn!(mail = %id, tries, %why, "mail.failed");
            Ok(())
        }
    }
}

async fn give_up(app: &App, mail: &Mail, why: &str) -> Result<(), StoreError> {
    let (id, now) = (mail.id.clone(), app.now());
    if record(app, move |c| mails::give_up(c, &id, now)).await? {
        app.metrics.mail("given_up");
        tracing::error!(mail = %mail.id, %why, "mail.given_up");
    }
    Ok(())
}

/// Writes how a try ended, in spite of a database that is away for a moment.
async fn record<T, F>(app: &App, job: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Conn) -> Written<T> + Clone + Send + 'static,
{
    for _ in 1..RECORD_TRIES {
        if let Ok(recorded) = app.store.write(job.clone()).await {
            return Ok(recorded);
        }
        sleep(RECORD_EVERY).await;
    }
    app.store.write(job).await
}
