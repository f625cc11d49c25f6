//! A lost factor is replaced by its owner: what is left (the password, with a recovery code or a code of the authenticator app)
//! registers a replacement, which waits. Every verified address is told at once, with a link that cancels it, and the time runs from
//! when they were: whoever holds the password and a stolen code gains nothing that the owner can't take back in that time. Then it
//! takes the lost one's place. None ends without a line in the audit and a mail.

use super::passkeys::Changed;
use crate::app::App;
use crate::base::id::CredentialId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
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
use crate::store::users;

/// The end of a replacement before its time: what is written of it then. Made before the transaction in which that is found out.
pub struct Ending {
    entry: Entry,
    letter: Option<Letter>,
}

impl Ending {
    /// Told to its owner, who may not be the one that ends it; `entry` is of whoever does.
    pub fn new(app: &App, owner: &Person, entry: Entry) -> Self {
        let letter = Letter::to(app, owner, None, told::What::ReplacementCancelled);
        Self { entry: entry.user(&owner.user), letter }
    }

    pub fn session(self, session: &SessionId) -> Self {
        Self { entry: self.entry.session(session), ..self }
    }

    /// Whatever waits for the user; `true` if something did.
    pub fn of_user(&self, c: &mut Conn, user: &UserId, why: &str) -> Written<bool> {
        let ended = recoveries::end_of_user(c, user)?;
        self.write_if(c, ended, why)
    }

    /// The one for this factor, which is removed.
    pub fn of_lost(&self, c: &mut Conn, user: &UserId, lost: &CredentialId) -> Written<bool> {
        let ended = recoveries::end_of_lost(c, user, lost)?;
        self.write_if(c, ended, LOST_REMOVED)
    }

    fn of(&self, c: &mut Conn, waiting: &Waiting, why: &str) -> Written<bool> {
        let ended = recoveries::end(c, &waiting.recovery.replacement.id)?;
        self.write_if(c, ended, why)
    }

    fn write_if(&self, c: &mut Conn, ended: bool, why: &str) -> Written<bool> {
        if ended {
            self.write(c, why)?;
        }
        Ok(ended)
    }

    fn write(&self, c: &mut Conn, why: &str) -> Written<()> {
        self.letter.iter().try_for_each(|letter| letter.post(c))?;
        audit::append(c, &self.entry.clone().because(why))
    }
}

const LOST_REMOVED: &str = "what was lost was removed";

/// Puts the replacements whose time has come in the places of what was lost; and ends those that can't be, or of which nobody was told.
/// One that fails is tried again the next time, and holds up no other.
pub async fn complete_due(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    for waiting in app.store.read(move |c| recoveries::due(c, now)).await? {
        let user = waiting.recovery.user.clone();
        if let Err(why) = complete(app, waiting, now).await {
            tracing::warn!(%user, %why, "recovery.not_completed");
        }
    }
    Ok(())
}

async fn complete(app: &App, waiting: Waiting, now: Time) -> Result<(), StoreError> {
    let owner = owner(&waiting);
    let entry = app.entry(Actor::Server, What::RecoveryDone).user(&owner.user);
    let what = told::What::Replaced(waiting.recovery.replacement.kind);
    let letter = Letter::to(app, &owner, None, what);
    let ending = Ending::new(app, &owner, app.entry(Actor::Server, What::RecoveryCancelled));
    let completed = app.store.write(move |c| {
        // First: whoever else ends it has taken the user before its row, and on PostgreSQL each would wait for the other.
        users::lock(c, &owner.user)?;
        let Some(recovery) = recoveries::take(c, &waiting.recovery.replacement.id, now)? else {
            return Ok(());
        };
        match in_place(c, &recovery, now)? {
            Err(why) => ending.write(c, why),
            Ok(()) => {
                letter.iter().try_for_each(|letter| letter.post(c))?;
                audit::append(c, &entry.because(recovery.replacement.kind.as_str()))
            }
        }
    });
    completed.await?;
    app.mail_waiting.notify_one();
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

/// Of all who try, one is told `true`.
async fn end(
    app: &App,
    waiting: Option<Waiting>,
    session: Option<&SessionId>,
    source: &str,
    how: &'static str,
) -> Result<bool, StoreError> {
    let Some(waiting) = waiting else { return Ok(false) };
    let entry = app.entry(Actor::User(&waiting.recovery.user, session), What::RecoveryCancelled);
    let ending = Ending::new(app, &owner(&waiting), entry.source(source));
    let cancelled = app.store.write(move |c| ending.of(c, &waiting, how)).await?;
    app.mail_waiting.notify_one();
    Ok(cancelled)
}

fn owner(waiting: &Waiting) -> Person {
    Person { user: waiting.recovery.user.clone(), username: waiting.username.clone() }
}

/// What was shown with the lost one, and what was granted for that, goes with it; or why it can't be.
fn in_place(c: &mut Conn, recovery: &Recovery, now: Time) -> Written<Result<(), &'static str>> {
    let Recovery { user, lost, replacement, is_told, .. } = recovery;
    if !is_told {
        return Ok(Err("nobody could be told"));
    }
    if let Some(key) = &replacement.key
        && credentials::by_lookup(c, &key.lookup)?.is_some()
    {
        return Ok(Err("the replacement is in use by now"));
    }
    if !credentials::take_away(c, user, lost, now)? {
        return Ok(Err(LOST_REMOVED));
    }
    credentials::insert(c, user, &Credential { enrolled_at: now, ..replacement.clone() })?;
    Ok(Ok(()))
}
