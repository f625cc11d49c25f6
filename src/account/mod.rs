//! What people do with their own account: they look at their passkeys, add, rename and remove them, and make recovery codes.
//! Whatever changes a factor is an interaction of its own, which asks for the strongest factor that the account has, shown in
//! the last five minutes, whatever the session was opened with.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod passkeys;
pub mod recovery;

use crate::app::App;
use crate::assurance;
use crate::assurance::ledger::Assurance;
use crate::assurance::need::Need;
use crate::assurance::strongest;
use crate::base::id::CredentialId;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::base::time::Seconds;
use crate::interaction;
use crate::interaction::Ask;
use crate::interaction::Asker;
use crate::interaction::Interaction;
use crate::interaction::OpenError;
use crate::interaction::Then;
use crate::interaction::Visitor;
use crate::interaction::enrol::Enrolment;
use crate::interaction::next_step::Task;
use crate::interaction::progress::Person;
use crate::interaction::progress::Progress;
use crate::interaction::settle;
use crate::interaction::told;
use crate::interaction::told::Letter;
use crate::store::StoreError;
use crate::store::audit::Actor;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::lost;
use crate::store::sessions::Session;
use crate::store::users;
use passkeys::Changed;
use recovery::Ending;
use serde::Deserialize;
use serde::Serialize;

/// Names what follows an interaction of this feature.
pub const KIND: &str = "account";

pub const PASSKEYS: &str = "/account/passkeys";
pub const PASSWORD: &str = "/account/password";

/// How long ago the strongest factor may have been shown.
const FRESH: Seconds = Seconds::minutes(5);

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    Look,
    /// To be here first, and then to do the same as [`Wish::Password`].
    LookForPassword,
    Password,
    /// One of the factors is lost.
    Replace {
        lost: CredentialId,
    },
    Add(Enrolment),
    RecoveryCodes,
    Rename {
        passkey: CredentialId,
        label: String,
    },
    Remove {
        passkey: CredentialId,
    },
}

/// What came of it, and the browser's new cookie if somebody proved something.
pub struct Done {
    pub user: Option<UserId>,
    /// Where the browser goes on to.
    pub path: &'static str,
    pub said: Option<Changed>,
    pub cookie: Option<Secret>,
}

pub struct Opened {
    pub interaction: InteractionId,
    pub cookie: Option<Secret>,
}

/// Opens the interaction that leads to `wish`: with a session for the account of that session, without one for whoever
/// signs in.
pub async fn begin(
    app: &App,
    visitor: &Visitor,
    session: Option<&Session>,
    wish: Wish,
) -> Result<Opened, OpenError> {
    let person = session.map(|s| Person { user: s.user.clone(), username: s.username.clone() });
    let (need, task) = match (&wish, session) {
        (Wish::Look | Wish::LookForPassword, _) | (_, None) => (Need::default(), None),
        (Wish::Replace { lost }, Some(session)) => {
            let (need, task) = replace(app, &session.user, lost).await?;
            (need, Some(task))
        }
        (_, Some(session)) => (guard(app, &session.user).await?, task(&wish)),
    };
    let ask = Ask {
        need,
        asker: Asker { name: app.config.page.name.clone(), host: None, origin: String::new() },
        login_hint: None,
        select: session.is_none(),
        create: false,
        language: None,
        approval: None,
        task,
    };
    let body = serde_json::to_string(&wish).map_err(|why| StoreError::Unavailable(why.to_string()))?;
    let then = Then { kind: KIND, body };
    let progress = Progress { person, ..Progress::default() };
    let opened = interaction::open(app, visitor, ask, progress, then).await?;
    Ok(Opened { interaction: opened.id, cookie: opened.cookie })
}

/// The need is met: what was wished for is done, in the transaction that settles the proofs.
pub async fn after(app: &App, interaction: Interaction, assurance: &Assurance) -> Result<Done, StoreError> {
    let Some(person) = interaction.progress.person.clone() else { return Err(StoreError::Lost) };
    let wish = serde_json::from_str::<Wish>(interaction.then().1)
        .map_err(|why| StoreError::Unavailable(why.to_string()))?;
    let path = if wish == Wish::LookForPassword { PASSWORD } else { PASSKEYS };
    let (what, told) = match &wish {
        Wish::Rename { .. } => (Some(What::FactorRenamed), None),
        Wish::Remove { .. } => (Some(What::FactorRemoved), Some(told::What::Removed(Kind::Passkey))),
        Wish::Password => (Some(What::PasswordChanged), Some(told::What::Added(Kind::Password))),
        Wish::Look | Wish::LookForPassword | Wish::Add(_) | Wish::Replace { .. } | Wish::RecoveryCodes => {
            (None, None)
        }
    };
    let entry = what.map(|what| {
        let entry = app.entry(Actor::User, what).user(&person.user);
        entry.source(&interaction.source).acr(&assurance.acr)
    });
    let ended = app.entry(Actor::User, What::RecoveryCancelled).source(&interaction.source);
    let ending = Ending::new(app, &person, ended);
    let (user, now) = (person.user.clone(), app.now());
    let letter = told.and_then(|told| Letter::about(app, &interaction, &person, told));
    let replaces = matches!(wish, Wish::Replace { .. });
    let added = if replaces { Changed::Replacing } else { Changed::Added };
    let added = interaction.progress.enrolled.then_some(added);
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    let password = interaction.progress.new_password.clone();
    let password = password.map(|secret| Credential::new(id, Kind::Password, secret, now));
    let settled = settle::settle(app, interaction, move |c, session| {
        let Some(entry) = entry.map(|entry| entry.session(session)) else { return Ok(added) };
        let ending = ending.session(session);
        let said = match (wish, password) {
            (Wish::Rename { passkey, label }, _) => passkeys::rename(c, &user, &passkey, &label, entry)?,
            (Wish::Remove { passkey }, _) => passkeys::remove(c, &user, &passkey, entry, &ending, now)?,
            (Wish::Password, Some(new)) => {
                passkeys::change_password(c, &user, session, &new, entry, &ending)?
            }
            _ => return lost(),
        };
        if matches!(said, Changed::Removed | Changed::PasswordChanged) {
            letter.iter().try_for_each(|letter| letter.post(c))?;
        }
        Ok(Some(said))
    });
    let settled = settled.await?;
    app.mail_waiting.notify_one();
    Ok(Done { user: Some(person.user), path, said: settled.followed, cookie: settled.cookie })
}

/// It was declined, or can't be: nothing is changed, and the session stays as it was.
pub async fn refused(app: &App, interaction: Interaction) -> Result<Done, StoreError> {
    let user = interaction.progress.person.as_ref().map(|person| person.user.clone());
    settle::end(app, interaction, None).await?;
    Ok(Done { user, path: PASSKEYS, said: None, cookie: None })
}

fn task(wish: &Wish) -> Option<Task> {
    match wish {
        Wish::Add(what) => Some(Task::Enrol(*what)),
        Wish::RecoveryCodes => Some(Task::RecoveryCodes),
        Wish::Password => Some(Task::NewPassword),
        Wish::Look
        | Wish::LookForPassword
        | Wish::Replace { .. }
        | Wish::Rename { .. }
        | Wish::Remove { .. } => None,
    }
}

/// What is left beside the lost factor; only where its owner can be told, who may not be the one who asks.
async fn replace(app: &App, user: &UserId, lost: &CredentialId) -> Result<(Need, Task), StoreError> {
    let (id, gone) = (user.clone(), lost.clone());
    let read = app.store.read(move |c| {
        let factor = credentials::of_user(c, &id)?.into_iter().find(|factor| factor.id == gone);
        let is_told = !users::addresses(c, &id)?.is_empty();
        Ok((factor.filter(|_| is_told), credentials::account(c, &id)?))
    });
    let (Some(factor), Some(account)) = read.await? else { return Err(StoreError::Lost) };
    let with = Enrolment::like(factor.kind).filter(|_| app.mail.is_some()).ok_or(StoreError::Lost)?;
    let need = assurance::recovery(&account.without(lost), app.now()).ok_or(StoreError::Lost)?;
    Ok((need, Task::Replace { lost: lost.clone(), with }))
}

/// The level of the strongest factor that the user has, not of the session (attack: a session left open somewhere).
async fn guard(app: &App, user: &UserId) -> Result<Need, StoreError> {
    let id = user.clone();
    let account = app.store.read(move |c| credentials::account(c, &id)).await?;
    let account = account.ok_or(StoreError::Lost)?;
    let guard = strongest(&Need::default(), &account, &app.config.policy, app.now());
    // Who has nothing but recovery codes left can't change anything here.
    Ok(Need { anew: false, max_age: Some(FRESH), ..guard.ok_or(StoreError::Lost)? })
}
