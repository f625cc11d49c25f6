//! What people do with their own account: they look at their passkeys, add, rename and remove them, and make recovery codes.
//! Whatever changes a factor is an interaction of its own. What it asks for is the table of `interaction/task.rs`, whatever the session
//! was opened with.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod passkeys;
pub mod recovery;

use crate::app::App;
use crate::assurance::Decision;
use crate::assurance::SessionView;
use crate::assurance::decide;
use crate::assurance::guard::Guard;
use crate::assurance::need::Need;
use crate::base::id::CredentialId;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::interaction;
use crate::interaction::Ask;
use crate::interaction::Asker;
use crate::interaction::Interaction;
use crate::interaction::OpenError;
use crate::interaction::Then;
use crate::interaction::Visitor;
use crate::interaction::enrol::Enrolment;
use crate::interaction::next_step;
use crate::interaction::progress::Person;
use crate::interaction::progress::Progress;
use crate::interaction::settle;
use crate::interaction::settle::Changes;
use crate::interaction::task::Door;
use crate::interaction::task::Task;
use crate::interaction::told;
use crate::interaction::told::Letter;
use crate::store::StoreError;
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
use thiserror::Error;

/// Names what follows an interaction of this feature.
pub const KIND: &str = "account";

pub const PASSKEYS: &str = "/account/passkeys";
pub const PASSWORD: &str = "/account/password";

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

/// What came of it, and the browser's new cookie if somebody proved or changed something.
pub struct Done {
    pub user: Option<UserId>,
    /// Where the browser goes on to.
    pub path: &'static str,
    pub said: Option<Changed>,
    pub cookie: Option<Secret>,
}

/// Why nothing was begun.
#[derive(Debug, Error)]
pub enum BeginError {
    #[error("nothing is left that the account could prove itself with")]
    NothingToProveWith,
    /// Recovery codes stand in for a second factor.
    #[error("the account has no second factor")]
    NoSecondFactor,
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<StoreError> for BeginError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
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
) -> Result<Opened, BeginError> {
    let person = session.map(|s| Person { user: s.user.clone(), username: s.username.clone() });
    let task = match session {
        Some(session) => task(app, &session.user, &wish).await?,
        None => None,
    };
    let subject = session.filter(|_| task.is_some()).map(|session| session.user.clone());
    let need = Need { subject, ..Need::default() };
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
    let then = Then { kind: KIND.to_owned(), body };
    let progress = Progress::about(person);
    let opened = interaction::open(app, visitor, ask, progress, then).await?;
    Ok(Opened { interaction: opened.id, cookie: opened.cookie })
}

/// The need is met: what was wished for is done, in the transaction that settles the proofs.
pub async fn after(app: &App, interaction: Interaction) -> Result<Done, StoreError> {
    let Some(person) = interaction.progress.person().cloned() else { return Err(StoreError::Lost) };
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
        let entry = interaction.entry(app, &person, what);
        match class_shown(app, &interaction, &person.user) {
            Some(acr) => entry.acr(&acr),
            None => entry,
        }
    });
    let ended = interaction.entry(app, &person, What::RecoveryCancelled);
    let ending = Ending::new(app, &person, ended);
    let (user, now) = (person.user.clone(), app.now());
    let letter = told.and_then(|told| Letter::about(app, &interaction, &person, told));
    let replaces = matches!(wish, Wish::Replace { .. });
    let added = if replaces { Changed::Replacing } else { Changed::Added };
    let added = interaction.progress.theirs.enrolled.is_some().then_some(added);
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    let password = interaction.progress.theirs.new_password.clone();
    let password = password.map(|secret| Credential::new(id, Kind::Password, secret, now));
    let changes = if entry.is_some() { Changes::Factors } else { Changes::Nothing };
    let settled = settle::settle(app, interaction, changes, move |c, session| {
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
    let user = interaction.progress.person().map(|person| person.user.clone());
    let said = match interaction.is_lost_gone() {
        true => Some(Changed::Gone),
        false => next_step::is_used_up(&interaction.progress).then_some(Changed::TooManyTries),
    };
    settle::end(app, interaction, None).await?;
    Ok(Done { user, path: PASSKEYS, said, cookie: None })
}

/// What `wish` wants done to the factors of `user`, if anything; what it demands is asked at every step from here on.
async fn task(app: &App, user: &UserId, wish: &Wish) -> Result<Option<Task>, BeginError> {
    let task = match wish {
        Wish::Look | Wish::LookForPassword => return Ok(None),
        Wish::Add(what) => Task::Enrol(*what),
        Wish::RecoveryCodes => Task::RecoveryCodes,
        Wish::Password => Task::NewPassword,
        Wish::Rename { .. } => Task::Rename,
        Wish::Remove { .. } => Task::Remove,
        Wish::Replace { lost } => replacement(app, user, lost).await?,
    };
    let id = user.clone();
    let account = app.store.read(move |c| credentials::account(c, &id)).await?;
    let account = account.ok_or(BeginError::NothingToProveWith)?;
    if task == Task::RecoveryCodes && !account.has_second_factor() {
        return Err(BeginError::NoSecondFactor);
    }
    let account = match wish {
        Wish::Replace { lost } => account.without(lost),
        Wish::Look
        | Wish::LookForPassword
        | Wish::Password
        | Wish::Add(_)
        | Wish::RecoveryCodes
        | Wish::Rename { .. }
        | Wish::Remove { .. } => account,
    };
    let is_possible = match &task {
        Task::Replace { .. } => Guard::is_replacement_possible(&account),
        Task::Enrol(_) | Task::RecoveryCodes | Task::NewPassword | Task::Rename | Task::Remove => {
            task.demand(&account, None, Door::Account, None).is_some()
        }
    };
    if is_possible { Ok(Some(task)) } else { Err(BeginError::NothingToProveWith) }
}

/// Of a factor that the user has, and only where its owner can be told, who may not be the one who asks.
async fn replacement(app: &App, user: &UserId, lost: &CredentialId) -> Result<Task, BeginError> {
    let (id, gone) = (user.clone(), lost.clone());
    let read = app.store.read(move |c| {
        let factor = credentials::of_user(c, &id)?.into_iter().find(|factor| factor.id == gone);
        let is_told = !users::addresses(c, &id)?.is_empty();
        Ok(factor.filter(|_| is_told))
    });
    let with = read.await?.and_then(|factor| Enrolment::like(factor.kind)).filter(|_| app.mail.is_some());
    let with = with.ok_or(BeginError::NothingToProveWith)?;
    Ok(Task::Replace { lost: lost.clone(), with })
}

/// The strongest class that holds, for the audit: what a change demands has no name among the classes.
fn class_shown(app: &App, interaction: &Interaction, user: &UserId) -> Option<String> {
    let events = interaction.events();
    let need = Need { interaction: Some(interaction.id().clone()), ..Need::default() };
    let view = SessionView { user, events: &events };
    match decide(&need, Some(&view), interaction.account.as_ref(), &app.config.policy, app.now()) {
        Decision::Satisfied(assurance) => Some(assurance.acr),
        Decision::Challenge(_) | Decision::Enrol(_) | Decision::Refuse(_) => None,
    }
}
