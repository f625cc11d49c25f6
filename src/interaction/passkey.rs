//! A proof by passkey or security key. The browser asks for a ceremony, and answers it once: taken together with the step,
//! before anything in the answer is looked at. There is nothing to guess, so nothing is braked but the mails about a copy.

use super::Interaction;
use super::brake;
use super::next_step::Next;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use super::prove;
use super::prove::ProveError;
use super::told;
use super::told::Letter;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::assurance::plan::Step;
use crate::base::id::CeremonyId;
use crate::base::id::EventId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::credential::passkey;
use crate::credential::passkey::Asserted;
use crate::credential::passkey::Ceremony;
use crate::credential::passkey::PasskeyError;
use crate::credential::passkey::Passkeys;
use crate::credential::passkey::Presented;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::ceremonies;
use crate::store::ceremonies::NewCeremony;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::throttles;
use crate::store::users;
use serde_json::Value;
use serde_json::json;

const SIGN_IN: &str = "sign-in";
const PROOF: &str = "proof";
pub(super) const REGISTRATION: &str = "registration";
/// As long as browsers wait for an authenticator, and a little longer.
const OPEN_FOR: Seconds = Seconds::minutes(6);

/// What a browser presents for a ceremony: its id, and the authenticator's answer as JSON.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    pub ceremony: &'a str,
    pub credential: &'a str,
}

/// Begins the ceremony of the page that stands; `None` if it has none.
pub async fn begin(app: &App, on: &Interaction, next: &Next) -> Result<Option<Value>, StoreError> {
    let Some(passkeys) = &app.passkeys else { return Ok(None) };
    let (begun, purpose) = match next {
        Next::SignIn { passkey: true } => (passkeys.begin_sign_in(), SIGN_IN),
        Next::Prove { person, step, .. } if step.method == Method::Webauthn => {
            (begin_proof(app, passkeys, &person.user, step).await?, PROOF)
        }
        Next::Enrol { person, what, .. } => match what.key() {
            Some(kind) => (begin_registration(app, passkeys, person, kind).await?, REGISTRATION),
            None => return Ok(None),
        },
        Next::SignIn { .. }
        | Next::Prove { .. }
        | Next::Select
        | Next::Create
        | Next::ConfirmMail(_)
        | Next::OfferCodes(_)
        | Next::NewPassword(_)
        | Next::Settle
        | Next::Approve(_)
        | Next::Continue(_)
        | Next::Answer(_)
        | Next::End(_) => return Ok(None),
    };
    let Ceremony { options, state } = begun.map_err(broken)?;
    let now = app.now();
    let id = CeremonyId::generate(app.entropy.as_ref(), now);
    let owner = on.id().as_str().to_owned();
    let new = NewCeremony { id: id.clone(), owner, purpose, state, expires_at: now.plus(OPEN_FOR) };
    app.store.write(move |c| ceremonies::begin(c, &new)).await?;
    Ok(Some(json!({"ceremony": id, "options": options})))
}

/// Whose passkey is it, and does it prove itself? Whoever it belongs to is who signs in.
pub async fn sign_in(app: &App, on: &Interaction, answer: Answer<'_>) -> Result<(), ProveError> {
    let tried = on.progress.tried(Method::Webauthn, on.progress.typed.clone());
    let (row, state) = take(app, on, tried.clone(), answer.ceremony, SIGN_IN).await?;
    let Some(state) = state else { return prove::failed(app, on, Method::Webauthn).await };
    let Ok(presented) = Presented::parse(answer.credential) else {
        return prove::failed(app, on, Method::Webauthn).await;
    };
    let lookup = presented.lookup();
    let found = app.store.read(move |c| {
        let Some((id, credential)) = credentials::by_lookup(c, &lookup)? else { return Ok(None) };
        Ok(users::by_id(c, &id)?.map(|user| (user, credential)))
    });
    let Some((user, credential)) = found.await? else {
        let unknown = Progress {
            notice: Some(Notice::UnknownPasskey),
            unknown_passkey: Some(presented.lookup()),
            ..tried
        };
        prove::note(app, on, &row, &unknown).await?;
        return prove::failed(app, on, Method::Webauthn).await;
    };
    let wanted = on.ask.need.subject.as_ref().is_none_or(|wanted| *wanted == user.id);
    let chosen =
        !on.progress.chosen || on.progress.typed.as_ref().is_some_and(|name| name.as_str() == user.username);
    let usable = !user.disabled && wanted && chosen && credential.kind == Kind::Passkey;
    if !usable || !presented.is_of(&user.id) {
        return prove::failed(app, on, Method::Webauthn).await;
    }
    let person = Person { user: user.id, username: user.username };
    finish(app, on, row, person, (&state, &presented, credential)).await
}

/// Is it one of this person's own, and one that leads on?
pub async fn proof(
    app: &App,
    on: &Interaction,
    (person, step): (&Person, &Step),
    answer: Answer<'_>,
) -> Result<(), ProveError> {
    let tried = on.progress.tried(Method::Webauthn, None);
    let (row, state) = take(app, on, tried.clone(), answer.ceremony, PROOF).await?;
    let Some(state) = state else { return prove::failed(app, on, Method::Webauthn).await };
    let Ok(presented) = Presented::parse(answer.credential) else {
        return prove::failed(app, on, Method::Webauthn).await;
    };
    let (user, lookup) = (person.user.clone(), presented.lookup());
    let own = app.store.read(move |c| credentials::of_user(c, &user)).await?;
    let of_lookup = |c: &Credential| c.key.as_ref().is_some_and(|key| key.lookup == lookup);
    let Some(credential) = own.into_iter().find(of_lookup) else {
        return prove::failed(app, on, Method::Webauthn).await;
    };
    if !presented.is_of(&person.user) {
        return prove::failed(app, on, Method::Webauthn).await;
    }
    // The browser offers what it likes, and the ceremony may have begun before this step.
    if !step.factors.contains(&credential.id) {
        let not_enough = Progress { notice: Some(Notice::PasskeyNotEnough), ..tried };
        prove::note(app, on, &row, &not_enough).await?;
        return prove::failed(app, on, Method::Webauthn).await;
    }
    finish(app, on, row, person.clone(), (&state, &presented, credential)).await
}

/// Takes the step and the ceremony at once. `None`: the ceremony is over, somebody else's, or for something else, and the step says so.
pub(super) async fn take(
    app: &App,
    on: &Interaction,
    tried: Progress,
    ceremony: &str,
    purpose: &'static str,
) -> Result<(InteractionRow, Option<String>), ProveError> {
    let now = app.now();
    let late = match ceremony.is_empty() {
        true => tried.clone(),
        false => Progress { notice: Some(Notice::LatePasskey), ..tried.clone() },
    };
    let (tried, late) = (tried.resting()?, late.resting()?);
    let (row, expires_at) = (on.row.clone(), on.expires_at(app, now));
    let ceremony = CeremonyId::from_text(ceremony);
    let taken = app.store.write(move |c| {
        let state =
            ceremonies::take(c, &ceremony, row.id.as_str(), purpose, (now, now.latest().plus(OPEN_FOR)))?;
        let progress = if state.is_some() { &tried } else { &late };
        interactions::advance(c, &row, progress, expires_at)?;
        Ok((InteractionRow { step: row.step + 1, ..row }, state))
    });
    Ok(taken.await?)
}

async fn begin_proof(
    app: &App,
    passkeys: &Passkeys,
    user: &UserId,
    step: &Step,
) -> Result<Result<Ceremony, PasskeyError>, StoreError> {
    let kind = if step.uv { passkey::Kind::Passkey } else { passkey::Kind::SecurityKey };
    let user = user.clone();
    let own = app.store.read(move |c| credentials::of_user(c, &user)).await?;
    let leads_on = |c: &&Credential| c.kind == Kind::from(kind) && step.factors.contains(&c.id);
    let allowed = own.iter().filter(leads_on).map(|c| c.secret.as_str()).collect::<Vec<_>>();
    Ok(passkeys.begin_proof(kind, &allowed))
}

async fn begin_registration(
    app: &App,
    passkeys: &Passkeys,
    person: &Person,
    kind: passkey::Kind,
) -> Result<Result<Ceremony, PasskeyError>, StoreError> {
    let user = person.user.clone();
    let own = app.store.read(move |c| credentials::of_user(c, &user)).await?;
    let keys = own.iter().filter(|c| c.key.is_some()).map(|c| c.secret.as_str()).collect::<Vec<_>>();
    Ok(passkeys.begin_registration(kind, &person.user, &person.username, &keys))
}

async fn finish(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    person: Person,
    (state, presented, credential): (&str, &Presented, Credential),
) -> Result<(), ProveError> {
    let Some(passkeys) = &app.passkeys else { return prove::failed(app, on, Method::Webauthn).await };
    let asserted = match passkeys.finish_proof(state, presented, &credential.secret) {
        Ok(asserted) => asserted,
        Err(why) => {
            tracing::info!(interaction = %on.id(), %why, "passkey.refused");
            if matches!(why, PasskeyError::Copied) {
                copied(app, on, &person, &credential).await?;
            }
            return prove::failed(app, on, Method::Webauthn).await;
        }
    };
    // Asked for when the ceremony began, and looked at once more (attack: an answer without user verification).
    if credential.kind == Kind::Passkey && !asserted.user_verified {
        return prove::failed(app, on, Method::Webauthn).await;
    }
    record(app, on, row, person, credential, asserted).await
}

async fn record(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    person: Person,
    credential: Credential,
    asserted: Asserted,
) -> Result<(), ProveError> {
    let now = app.now();
    let proof = Proof {
        id: EventId::generate(app.entropy.as_ref(), now),
        method: Method::Webauthn.as_str().to_owned(),
        at: now,
        credential: credential.id.clone(),
        factor_enrolled_at: credential.enrolled_at,
        uv: credential.kind == Kind::Passkey,
        device_bound: !asserted.backup_eligible,
    };
    let detail = credential.key.as_ref().map(|key| key.detail.clone()).unwrap_or_default();
    let detail = passkey::Detail {
        backup_eligible: asserted.backup_eligible,
        backed_up: asserted.backed_up,
        ..detail
    };
    let progress = on.proved(app, person.clone(), proof);
    let entry = prove::given(app, on, &progress, &person, Method::Webauthn);
    let (progress, detail) = (progress.resting()?, super::json(&detail)?);
    let expires_at = on.expires_at(app, now);
    let written = app.store.write(move |c| {
        users::stays(c, &person.user)?;
        // Removed, or used in this very moment elsewhere.
        if !credentials::used(c, &credential, now, asserted.stored.as_deref(), &detail)? {
            return crate::store::lost();
        }
        audit::append(c, &entry)?;
        interactions::advance(c, &row, &progress, expires_at)
    });
    written.await?;
    app.metrics.proof(Method::Webauthn, "given");
    Ok(())
}

/// The counter of the authenticator went back (WebAuthn §6.1.1): refused, and told; its owner decides what to do.
async fn copied(
    app: &App,
    on: &Interaction,
    person: &Person,
    credential: &Credential,
) -> Result<(), StoreError> {
    tracing::warn!(user = %person.user, "passkey.counter_went_back");
    let entry = on.entry(app, person, What::Proof);
    let entry = entry.refused("webauthn: the signature counter went back");
    let letter = Letter::about(app, on, person, told::What::Copied);
    let (ration, now) = (brake::letter_of_a_copy(&credential.id), app.now());
    let told = app.store.write(move |c| {
        if let Some(letter) = &letter
            && throttles::spend(c, &ration, now)?.is_ok()
        {
            letter.post(c)?;
        }
        audit::append(c, &entry)
    });
    told.await?;
    app.mail_waiting.notify_one();
    Ok(())
}

fn broken(why: PasskeyError) -> StoreError {
    StoreError::Unavailable(why.to_string())
}
