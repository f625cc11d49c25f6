//! One proof: the step is taken before the proof is looked at, so that guesses sent at once count one by one.
//! A name that nobody has, another user's proof and a wrong password are the same failure after the same work.

use super::Interaction;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::base::id::EventId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::password::Busy;
use crate::credential::totp::Code;
use crate::credential::totp::TotpSecret;
use crate::store::StoreError;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::users;
use crate::store::users::LoginName;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ProveError {
    #[error("too many passwords are being checked; try again in a moment")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is it, and do they know the password?
pub async fn sign_in(app: &App, on: &Interaction, name: &str, password: &str) -> Result<(), ProveError> {
    let name = LoginName::parse(name.trim());
    let Some(row) = take_step(app, on, Method::Pwd, name.clone()).await? else { return Ok(()) };
    let wanted = on.ask.need.subject.clone();
    let found = app.store.read(move |c| {
        let user = name.map(|name| users::by_login_name(c, &name)).transpose()?.flatten();
        // A name that nobody has costs the same statements.
        let id = user.as_ref().map_or_else(|| UserId::from_text(""), |user| user.id.clone());
        let password = credentials::of_user(c, &id)?.into_iter().find(|f| f.method == Method::Pwd);
        Ok(user.map(|user| (user, password)))
    });
    let found = found.await?;
    let usable = found.filter(|(user, _)| !user.disabled && wanted.is_none_or(|wanted| wanted == user.id));
    let (person, credential) = match usable {
        Some((user, password)) => (Some(Person { user: user.id, username: user.username }), password),
        None => (None, None),
    };
    finish_password(app, on, &row, person, credential, password).await
}

/// Does the person of this interaction know the password?
pub async fn password(
    app: &App,
    on: &Interaction,
    person: &Person,
    password: &str,
) -> Result<(), ProveError> {
    let Some(row) = take_step(app, on, Method::Pwd, None).await? else { return Ok(()) };
    let credential = factor(app, &person.user, Method::Pwd).await?;
    finish_password(app, on, &row, Some(person.clone()), credential, password).await
}

/// RFC 6238 §5.2: the code counts once, here or in any other process.
pub async fn totp(app: &App, on: &Interaction, person: &Person, code: &str) -> Result<(), ProveError> {
    let Some(row) = take_step(app, on, Method::Otp, None).await? else { return Ok(()) };
    let now = app.now();
    let Some(credential) = factor(app, &person.user, Method::Otp).await? else { return Ok(()) };
    let Some(step) = matching_step(app, &credential, code, now) else { return failed(on, Method::Otp) };
    let progress = json(&proved(app, on, person.clone(), &credential, now))?;
    let expires_at = on.expires_at(app, now);
    let spent = app.store.write(move |c| {
        if !credentials::spend_step(c, &credential.id, step)? {
            return Ok(false);
        }
        match interactions::advance(c, &row, &progress, expires_at)? {
            true => Ok(true),
            false => crate::store::lost(),
        }
    });
    match spent.await {
        Ok(true) | Err(StoreError::Lost) => Ok(()),
        Ok(false) => failed(on, Method::Otp),
        Err(error) => Err(error.into()),
    }
}

/// The try is counted, as a failure, before it is judged. `None`: another form took this step.
async fn take_step(
    app: &App,
    on: &Interaction,
    method: Method,
    typed: Option<LoginName>,
) -> Result<Option<InteractionRow>, ProveError> {
    let tried = on.progress.tried(method, typed);
    let (row, json, expires_at) = (on.row.clone(), json(&tried)?, on.expires_at(app, app.now()));
    let taken = app.store.write(move |c| {
        let taken = interactions::advance(c, &row, &json, expires_at)?;
        Ok(taken.then(|| InteractionRow { step: row.step + 1, ..row }))
    });
    Ok(taken.await?)
}

async fn finish_password(
    app: &App,
    on: &Interaction,
    row: &InteractionRow,
    person: Option<Person>,
    credential: Option<Credential>,
    password: &str,
) -> Result<(), ProveError> {
    let stored = credential.as_ref().map(|credential| credential.secret.as_str());
    let right = app.passwords.verify(stored, password).await.map_err(|Busy| ProveError::Busy)?;
    let (Some(person), Some(credential), true) = (person, credential, right) else {
        return failed(on, Method::Pwd);
    };
    let now = app.now();
    let progress = json(&proved(app, on, person, &credential, now))?;
    let (row, expires_at) = (row.clone(), on.expires_at(app, now));
    app.store.write(move |c| interactions::advance(c, &row, &progress, expires_at)).await?;
    Ok(())
}

fn proved(app: &App, on: &Interaction, person: Person, credential: &Credential, now: Time) -> Progress {
    let proof = Proof {
        id: EventId::generate(app.entropy.as_ref(), now),
        method: credential.method.as_str().to_owned(),
        at: now,
        credential: credential.id.clone(),
        factor_enrolled_at: credential.enrolled_at,
    };
    on.progress.proved(person, proof)
}

async fn factor(app: &App, user: &UserId, method: Method) -> Result<Option<Credential>, StoreError> {
    let user = user.clone();
    let factors = app.store.read(move |c| credentials::of_user(c, &user)).await?;
    Ok(factors.into_iter().find(|factor| factor.method == method))
}

fn matching_step(app: &App, credential: &Credential, code: &str, now: Time) -> Option<i64> {
    let secret = app.master.open(credential.id.as_str(), &credential.secret);
    if secret.is_none() {
        tracing::error!(credential = %credential.id, "totp.unsealable");
    }
    TotpSecret::from_bytes(secret?).matching_step(&Code::parse(code)?, now, credential.last_step)
}

fn failed(on: &Interaction, method: Method) -> Result<(), ProveError> {
    tracing::info!(interaction = %on.id(), method = method.as_str(), "proof.failed");
    Ok(())
}

fn json(progress: &Progress) -> Result<String, StoreError> {
    super::json(progress)
}
