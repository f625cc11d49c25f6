//! A lost factor is replaced by its owner: what is left (the password, with a recovery code or a code of the authenticator app)
//! registers a replacement, which waits. Every verified address is told at once, with a link that cancels it: whoever holds the
//! password and a stolen code gains nothing that the owner can't take back in that time. Then it takes the lost one's place.

use super::passkeys::Changed;
use crate::app::App;
use crate::base::id::SessionId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::interaction::progress::Person;
use crate::interaction::told;
use crate::interaction::told::Letter;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::recoveries;
use crate::store::recoveries::Recovery;
use crate::store::recoveries::Waiting;
use crate::store::sessions::Session;

/// Puts the replacements whose time has come in the places of what was lost.
pub async fn complete_due(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    for waiting in app.store.read(move |c| recoveries::due(c, now)).await? {
        let entry = app.entry(Actor::Server, What::RecoveryDone).user(&waiting.recovery.user);
        let what = told::What::Replaced(waiting.recovery.replacement.kind);
        let letter = letter(app, &waiting, what);
        app.store
            .write(move |c| match recoveries::take(c, &waiting.recovery.replacement.id, now)? {
                Some(recovery) => in_place(c, recovery, entry, letter, now),
                None => Ok(()),
            })
            .await?;
        app.mail_waiting.notify_one();
    }
    Ok(())
}

/// The link of the mail was followed, and its button pressed; `false` if there is nothing to cancel.
pub async fn cancel(app: &App, secret: &str, source: &str) -> Result<bool, StoreError> {
    let hash = Secret::presented(secret).hash();
    let waiting = app.store.read(move |c| recoveries::of_secret(c, &hash)).await?;
    end(app, waiting, None, source, "by the link in the mail").await
}

/// The owner is signed in, and has found it again or has not asked for it. Nothing is opened by it, so nothing is asked for.
pub async fn cancel_own(app: &App, session: &Session, source: &str) -> Result<Changed, StoreError> {
    let user = session.user.clone();
    let waiting = app.store.read(move |c| recoveries::of_user(c, &user)).await?;
    let cancelled = end(app, waiting, Some(&session.id), source, "by a session").await?;
    Ok(if cancelled { Changed::ReplacementCancelled } else { Changed::Gone })
}

/// Told to its owner, who may not be the one that cancels. Of all who try, one is told `true`.
async fn end(
    app: &App,
    waiting: Option<Waiting>,
    session: Option<&SessionId>,
    source: &str,
    how: &str,
) -> Result<bool, StoreError> {
    let Some(waiting) = waiting else { return Ok(false) };
    let entry = app.entry(Actor::User(&waiting.recovery.user, session), What::RecoveryCancelled);
    let entry = entry.source(source).because(how);
    let letter = letter(app, &waiting, told::What::ReplacementCancelled);
    let cancelled = app.store.write(move |c| {
        if !recoveries::end(c, &waiting.recovery.replacement.id)? {
            return Ok(false);
        }
        letter.iter().try_for_each(|letter| letter.post(c))?;
        audit::append(c, &entry)?;
        Ok(true)
    });
    let cancelled = cancelled.await?;
    app.mail_waiting.notify_one();
    Ok(cancelled)
}

fn letter(app: &App, waiting: &Waiting, what: told::What) -> Option<Letter> {
    let person = Person { user: waiting.recovery.user.clone(), username: waiting.username.clone() };
    Letter::to(app, &person, None, what)
}

/// What was shown with the lost one, and what was granted for that, goes with it.
fn in_place(
    c: &mut Conn,
    recovery: Recovery,
    entry: Entry,
    letter: Option<Letter>,
    now: Time,
) -> Written<()> {
    let Recovery { user, lost, replacement, .. } = recovery;
    if let Some(key) = &replacement.key
        && credentials::by_lookup(c, &key.lookup)?.is_some()
    {
        return audit::append(c, &entry.refused("the replacement is in use by now"));
    }
    credentials::take_away(c, &user, &lost, now)?;
    let kind = replacement.kind;
    credentials::insert(c, &user, &Credential { enrolled_at: now, ..replacement })?;
    letter.iter().try_for_each(|letter| letter.post(c))?;
    audit::append(c, &entry.because(kind.as_str()))
}
