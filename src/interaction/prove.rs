//! One proof: the step is taken before the proof is looked at, so that guesses sent at once count one by one.
//! A name that nobody has, another user's proof and a wrong password are the same failure after the same work.

use super::Interaction;
use super::attempt::Attempt;
use super::brake::Try;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use super::told;
use super::told::Letter;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::base::id::EventId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::recovery::RecoveryCode;
use crate::credential::totp::Code;
use crate::credential::totp::TotpSecret;
use crate::password_costs;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::recovery_codes;
use crate::store::remembered;
use crate::store::users;
use crate::store::users::LoginName;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ProveError {
    #[error("too many passwords are being checked; try again in a moment")]
    Busy,
    /// Too many tries failed; none is taken before this moment.
    #[error("braked until {}", .0.rfc3339())]
    Braked(Time),
    #[error("too many requests of this source are open")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is it, and do they know the password?
pub async fn sign_in(app: &App, on: &Interaction, written: &str, password: &str) -> Result<(), ProveError> {
    let name = LoginName::parse(written.trim());
    let (typed, browser) = (name.clone(), on.browser.id.clone());
    let found = app.store.read(move |c| {
        let user = name.map(|name| users::by_login_name(c, &name)).transpose()?.flatten();
        // A name that nobody has costs the same statements.
        let id = user.as_ref().map_or_else(|| UserId::from_text(""), |user| user.id.clone());
        let password = credentials::of_user(c, &id)?.into_iter().find(|f| f.kind == Kind::Password);
        let at_home = remembered::knows(c, &browser, &id)?;
        Ok(user.map(|user| (user, password, at_home)))
    });
    let found = found.await?;
    let this = match &found {
        Some((user, _, at_home)) => Try::of_user(Method::Pwd, &user.id, &on.source, *at_home),
        None => Try::of_nobody(typed.as_ref(), &on.source),
    };
    let attempt = Attempt::of_name(app, &this, written);
    let tried = on.progress.tried(Method::Pwd, typed);
    let row = take_step(app, on, tried, &this, &attempt).await?;
    let wanted = on.ask.need.subject.clone();
    let usable = found.filter(|(user, ..)| !user.disabled && wanted.is_none_or(|wanted| wanted == user.id));
    let (person, credential) = match usable {
        Some((user, password, _)) => (Some(Person { user: user.id, username: user.username }), password),
        None => (None, None),
    };
    finish_password(app, on, row, (this, attempt), (person, credential), password).await
}

/// Does the person of this interaction know the password?
pub async fn password(
    app: &App,
    on: &Interaction,
    person: &Person,
    password: &str,
) -> Result<(), ProveError> {
    let (credential, at_home) = factor(app, on, &person.user, Kind::Password).await?;
    let this = Try::of_user(Method::Pwd, &person.user, &on.source, at_home);
    let attempt = Attempt::of(app, on, Method::Pwd);
    let tried = on.progress.tried(Method::Pwd, None);
    let row = take_step(app, on, tried, &this, &attempt).await?;
    finish_password(app, on, row, (this, attempt), (Some(person.clone()), credential), password).await
}

/// RFC 6238 §5.2: the code counts once, here or in any other process.
pub async fn totp(app: &App, on: &Interaction, person: &Person, code: &str) -> Result<(), ProveError> {
    let (credential, at_home) = factor(app, on, &person.user, Kind::Totp).await?;
    let this = Try::of_user(Method::Otp, &person.user, &on.source, at_home);
    let this = this.of_factor(&person.user, credential.as_ref().map(|factor| &factor.id));
    let tried = on.progress.tried(Method::Otp, None);
    let row = take_step(app, on, tried, &this, &Attempt::of(app, on, Method::Otp)).await?;
    let now = app.now();
    let Some(credential) = credential else { return failed(app, on, Method::Otp).await };
    let Some(step) = matching_step(app, &credential, code, now) else {
        return failed(app, on, Method::Otp).await;
    };
    let progress = proved(app, on, person.clone(), &credential, now);
    let (expires_at, entry) = (on.expires_at(app, now), given(app, on, &progress, person, Method::Otp));
    let progress = progress.resting()?;
    let user = person.user.clone();
    let spent = app.store.write(move |c| {
        users::stays(c, &user)?;
        if !credentials::spend_step(c, &credential.id, step)? {
            return Ok(false);
        }
        this.take_back(c)?;
        audit::append(c, &entry)?;
        interactions::advance(c, &row, &progress, expires_at)?;
        Ok(true)
    });
    once(app, on, Method::Otp, spent.await).await
}

/// A code of the set works once, here or in any other process.
pub async fn recovery(app: &App, on: &Interaction, person: &Person, code: &str) -> Result<(), ProveError> {
    let (set, at_home) = factor(app, on, &person.user, Kind::Recovery).await?;
    let this = Try::of_user(Method::Recovery, &person.user, &on.source, at_home);
    let this = this.of_factor(&person.user, set.as_ref().map(|factor| &factor.id));
    let tried = on.progress.tried(Method::Recovery, None);
    let row = take_step(app, on, tried, &this, &Attempt::of(app, on, Method::Recovery)).await?;
    let (Some(set), Some(code)) = (set, RecoveryCode::parse(code)) else {
        return failed(app, on, Method::Recovery).await;
    };
    let hash = code.hash(&app.master, &person.user);
    let now = app.now();
    let progress = proved(app, on, person.clone(), &set, now);
    let (expires_at, entry) = (on.expires_at(app, now), given(app, on, &progress, person, Method::Recovery));
    let progress = progress.resting()?;
    let letter = Letter::about(app, on, person, told::What::RecoveryUsed);
    let user = person.user.clone();
    let spent = app.store.write(move |c| {
        users::stays(c, &user)?;
        if !recovery_codes::spend(c, &set.id, &hash, now)? {
            return Ok(false);
        }
        letter.iter().try_for_each(|letter| letter.post(c))?;
        this.take_back(c)?;
        audit::append(c, &entry)?;
        interactions::advance(c, &row, &progress, expires_at)?;
        Ok(true)
    });
    let spent = spent.await;
    app.mail_waiting.notify_one();
    once(app, on, Method::Recovery, spent).await
}

/// What could be spent only once was spent here, or was not.
async fn once(
    app: &App,
    on: &Interaction,
    method: Method,
    spent: Result<bool, StoreError>,
) -> Result<(), ProveError> {
    match spent {
        Ok(true) => {
            app.metrics.proof(method, "given");
            Ok(())
        }
        Ok(false) => failed(app, on, method).await,
        Err(error) => Err(error.into()),
    }
}

/// The try is counted, as a failure, before it is judged.
async fn take_step(
    app: &App,
    on: &Interaction,
    tried: Progress,
    this: &Try,
    attempt: &Attempt,
) -> Result<InteractionRow, ProveError> {
    let now = app.now();
    let (row, tried, expires_at, this) =
        (on.row.clone(), tried.resting()?, on.expires_at(app, now), this.clone());
    let method = this.method();
    let taken = app.store.write(move |c| {
        if let Err(until) = this.count(c, now)? {
            return Ok(Err(until));
        }
        interactions::advance(c, &row, &tried, expires_at)?;
        Ok(Ok(InteractionRow { step: row.step + 1, ..row }))
    });
    match taken.await {
        Ok(Ok(row)) => Ok(row),
        Ok(Err(until)) => {
            attempt.log_braked(on, until);
            app.metrics.proof(method, "braked");
            refused(app, on, &format!("{} braked", method.as_str())).await?;
            Err(ProveError::Braked(until))
        }
        Err(error) => Err(error.into()),
    }
}

async fn finish_password(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    (this, attempt): (Try, Attempt),
    known: (Option<Person>, Option<Credential>),
    password: &str,
) -> Result<(), ProveError> {
    if let Some(stored) = &known.1 {
        password_costs::know(app, stored).await?;
    }
    let stored = known.1.as_ref().map(|credential| credential.secret.as_str());
    let passwords = app.passwords.shared_by(this.about(), this.source());
    let Ok(right) = passwords.verify(stored, password).await else {
        return Err(not_looked_at(app, on, row, this).await?);
    };
    let ((Some(person), Some(credential)), true) = (known, right) else {
        return failed_as(app, on, attempt).await;
    };
    let now = app.now();
    let progress = proved(app, on, person.clone(), &credential, now);
    let entry = given(app, on, &progress, &person, Method::Pwd);
    let progress = progress.resting()?;
    let expires_at = on.expires_at(app, now);
    let given = app.store.write(move |c| {
        users::stays(c, &person.user)?;
        this.take_back(c)?;
        audit::append(c, &entry)?;
        interactions::advance(c, &row, &progress, expires_at)
    });
    given.await?;
    app.metrics.proof(Method::Pwd, "given");
    password_costs::renew(app, &passwords, credential, password).await;
    Ok(())
}

/// Nobody looked at it, so it was no failure.
async fn not_looked_at(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    this: Try,
) -> Result<ProveError, StoreError> {
    app.store.write(move |c| this.undo(c)).await?;
    note(app, on, &row, &on.progress).await?;
    Ok(ProveError::Busy)
}

/// What is dear, and was asked for too often.
pub(super) fn braked(on: &Interaction, until: Time) -> ProveError {
    tracing::info!(interaction = %on.id(), source = on.source, until = until.rfc3339(), "work.braked");
    ProveError::Braked(until)
}

/// Says more about a step that was taken, unless another form goes on from there already.
pub(super) async fn note(
    app: &App,
    on: &Interaction,
    row: &InteractionRow,
    progress: &Progress,
) -> Result<(), StoreError> {
    let (row, progress, expires_at) = (row.clone(), progress.resting()?, on.expires_at(app, app.now()));
    match app.store.write(move |c| interactions::advance(c, &row, &progress, expires_at)).await {
        Err(StoreError::Lost) => Ok(()),
        noted => noted,
    }
}

fn proved(app: &App, on: &Interaction, person: Person, credential: &Credential, now: Time) -> Progress {
    let proof = Proof {
        id: EventId::generate(app.entropy.as_ref(), now),
        method: credential.kind.method().as_str().to_owned(),
        at: now,
        credential: credential.id.clone(),
        factor_enrolled_at: credential.enrolled_at,
        uv: false,
        device_bound: false,
    };
    on.proved(app, person, proof)
}

/// The factor, and whether the user signed in in this browser before.
async fn factor(
    app: &App,
    on: &Interaction,
    user: &UserId,
    kind: Kind,
) -> Result<(Option<Credential>, bool), StoreError> {
    let (user, browser) = (user.clone(), on.browser.id.clone());
    app.store
        .read(move |c| {
            let factors = credentials::of_user(c, &user)?;
            let at_home = remembered::knows(c, &browser, &user)?;
            Ok((factors.into_iter().find(|factor| factor.kind == kind), at_home))
        })
        .await
}

fn matching_step(app: &App, credential: &Credential, code: &str, now: Time) -> Option<i64> {
    let secret = app.master.open(credential.id.as_str(), &credential.secret);
    if secret.is_none() {
        tracing::error!(credential = %credential.id, "totp.unsealable");
    }
    TotpSecret::from_bytes(secret?).matching_step(&Code::parse(code)?, now, credential.last_step)
}

pub(super) async fn failed(app: &App, on: &Interaction, method: Method) -> Result<(), ProveError> {
    failed_as(app, on, Attempt::of(app, on, method)).await
}

async fn failed_as(app: &App, on: &Interaction, attempt: Attempt) -> Result<(), ProveError> {
    attempt.log_failed(on);
    let (method, now) = (attempt.method(), app.now());
    app.metrics.proof(method, "failed");
    app.store.write(move |c| attempt.count(c, now)).await?;
    Ok(refused(app, on, method.as_str()).await?)
}

/// For the audit, where it is known whom it is about. Before the first proof it isn't, whatever name was typed.
async fn refused(app: &App, on: &Interaction, reason: &str) -> Result<(), StoreError> {
    let Some(person) = on.progress.person() else { return Ok(()) };
    let entry = on.entry(app, person, What::Proof).refused(reason);
    app.store.write(move |c| audit::append(c, &entry)).await
}

/// It led to `progress`.
pub(super) fn given(
    app: &App,
    on: &Interaction,
    progress: &Progress,
    person: &Person,
    method: Method,
) -> Entry {
    on.entry_with(app, progress, person, What::Proof).because(method.as_str())
}
