//! A factor is set up: a passkey, a security key, an authenticator app, recovery codes. Whether it may be is decided by the
//! dispatcher; here it is done, in one transaction with its line in the audit. A registration is no proof; the code that
//! completes an authenticator app is.

use super::Interaction;
use super::ground::Ground;
use super::passkey;
use super::passkey::Answer;
use super::passkey::REGISTRATION;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use super::prove::ProveError;
use super::submit::save;
use super::told;
use super::told::Letter;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::assurance::plan::Step;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::secret::Secret;
use crate::credential::passkey::Kind as KeyKind;
use crate::credential::passkey::Registered;
use crate::credential::password::Busy;
use crate::credential::recovery::RecoveryCode;
use crate::credential::totp::Code;
use crate::credential::totp::TotpSecret;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Key;
use crate::store::credentials::Kind;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::recoveries;
use crate::store::recoveries::New;
use crate::store::recovery_codes;
use crate::store::recovery_codes::Stored;
use serde::Deserialize;
use serde::Serialize;

/// What can be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enrolment {
    Passkey,
    SecurityKey,
    Totp,
}

impl Enrolment {
    /// What a menu of the decision offers.
    pub fn of(step: Step) -> Option<Self> {
        match step.method {
            Method::Webauthn => Some(Self::Passkey),
            Method::Otp => Some(Self::Totp),
            Method::Pwd | Method::Recovery => None,
        }
    }

    /// One more of this kind.
    pub const fn like(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Passkey => Some(Self::Passkey),
            Kind::SecurityKey => Some(Self::SecurityKey),
            Kind::Totp => Some(Self::Totp),
            Kind::Password | Kind::Recovery => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passkey => "enrol-passkey",
            Self::SecurityKey => "enrol-security-key",
            Self::Totp => "enrol-totp",
        }
    }

    pub const fn key(self) -> Option<KeyKind> {
        match self {
            Self::Passkey => Some(KeyKind::Passkey),
            Self::SecurityKey => Some(KeyKind::SecurityKey),
            Self::Totp => None,
        }
    }
}

/// The secret that the page of this interaction shows: the same one however often it is loaded, and nobody else's.
pub fn totp_secret(app: &App, on: &Interaction, person: &Person) -> TotpSecret {
    let bytes = app.master.bytes("totp enrolment", &[on.id().as_str(), person.user.as_str()]);
    TotpSecret::from_bytes(bytes.iter().copied().take(20).collect())
}

/// The authenticator app has the secret if it shows a code of it.
pub async fn totp(app: &App, on: &Interaction, person: &Person, code: &str) -> Result<(), ProveError> {
    let (now, secret) = (app.now(), totp_secret(app, on, person));
    let matching = Code::parse(code).and_then(|code| secret.matching_step(&code, now, 0));
    let Some(step) = matching else {
        let progress = Progress { notice: Some(Notice::WrongSetupCode), ..on.progress.clone() };
        return Ok(save(app, on, progress).await?);
    };
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    let sealed = app.master.seal(id.as_str(), secret.as_bytes(), app.entropy.as_ref());
    let sealed = sealed.ok_or_else(|| StoreError::Unavailable("the secret can't be sealed".into()))?;
    let credential = Credential { last_step: step, ..Credential::new(id, Kind::Totp, sealed, now) };
    let proof = Proof {
        id: EventId::generate(app.entropy.as_ref(), now),
        method: Method::Otp.as_str().to_owned(),
        at: now,
        credential: credential.id.clone(),
        factor_enrolled_at: now,
        uv: false,
        device_bound: false,
    };
    let progress = Progress { enrolled: true, ..on.progress.proved(person.clone(), proof) };
    let taken = Progress { notice: None, ..on.progress.clone() };
    add(app, on, on.row.clone(), person, credential, (progress, taken)).await
}

/// An authenticator made a key pair; what it answered is verified and kept.
pub async fn key(app: &App, on: &Interaction, person: &Person, answer: Answer<'_>) -> Result<(), ProveError> {
    let tried = on.progress.tried(Method::Webauthn, None);
    let (row, state) = passkey::take(app, on, tried.clone(), answer.ceremony, REGISTRATION).await?;
    let (Some(state), Some(passkeys)) = (state, &app.passkeys) else { return Ok(()) };
    let Registered { kind, lookup, stored, detail } =
        match passkeys.finish_registration(&state, answer.credential) {
            Ok(registered) => registered,
            Err(why) => {
                tracing::info!(interaction = %on.id(), %why, "passkey.not_registered");
                return Ok(());
            }
        };
    let now = app.now();
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    let label = detail.provider.clone().unwrap_or_default();
    let key = Some(Key { lookup, label, detail, last_used_at: None });
    let credential = Credential { key, ..Credential::new(id, kind.into(), stored, now) };
    let progress =
        Progress { enrolled: true, notice: None, way: None, unknown_passkey: None, ..on.progress.clone() };
    let taken = Progress { notice: Some(Notice::PasskeyTaken), ..tried };
    add(app, on, row, person, credential, (progress, taken)).await
}

async fn add(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    person: &Person,
    credential: Credential,
    (progress, taken): (Progress, Progress),
) -> Result<(), ProveError> {
    if let Some(lost) = on.ask.lost() {
        return stand_by(app, on, row, person, lost, credential, taken).await;
    }
    let entry = entry(app, on, person, What::FactorAdded).because(credential.kind.as_str());
    let letter = Letter::about(app, on, person, told::What::Added(credential.kind));
    let (progress, taken) = (super::json(&progress)?, super::json(&taken)?);
    let (user, now, ground) = (person.user.clone(), app.now(), Ground::of(on, &person.user));
    let expires_at = on.expires_at(app, now);
    let added = app.store.write(move |c| {
        let added = credentials::add(c, &user, &credential)?;
        if added {
            audit::append(c, &entry)?;
            letter.iter().try_for_each(|letter| letter.post(c))?;
        }
        interactions::advance(c, &row, if added { &progress } else { &taken }, expires_at)?;
        ground.stands(c, now)
    });
    added.await?;
    app.mail_waiting.notify_one();
    Ok(())
}

/// It waits until its time has come, which begins once its owner was told; whoever reads the mail can cancel it until then.
async fn stand_by(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    person: &Person,
    lost: &CredentialId,
    credential: Credential,
    taken: Progress,
) -> Result<(), ProveError> {
    let (now, kind, cancel) = (app.now(), credential.kind, Secret::generate(app.entropy.as_ref()));
    let delay = app.config.recovery_delay;
    let entry = entry(app, on, person, What::RecoveryBegun).because(kind.as_str());
    let link = app.config.issuer.url(&format!("/account/recovery?cancel={}", cancel.reveal()));
    let letter = Letter::about(app, on, person, told::What::Replacing { kind, delay, link });
    let (user, lost, cancel) = (person.user.clone(), lost.clone(), cancel.hash());
    let begun = super::json(&Progress { enrolled: true, notice: None, way: None, ..on.progress.clone() })?;
    let used = super::json(&taken)?;
    let waits = super::json(&Progress { notice: Some(Notice::ReplacementWaits), ..on.progress.clone() })?;
    let untold = super::json(&Progress { declined: true, ..on.progress.clone() })?;
    let (expires_at, ground) = (on.expires_at(app, now), Ground::of(on, &person.user));
    let written = app.store.write(move |c| {
        let replacement = &credential;
        let lookup = replacement.key.as_ref().map(|key| key.lookup.as_str());
        let is_used = lookup.map(|lookup| credentials::by_lookup(c, lookup)).transpose()?.flatten().is_some();
        let told = letter.as_ref().map(|letter| letter.recipients(c)).transpose()?.unwrap_or_default();
        let notices = i64::try_from(told.len()).unwrap_or(i64::MAX);
        let new = New { user: &user, lost: &lost, replacement, cancel: &cancel, delay, notices };
        let progress = if is_used {
            &used
        } else if told.is_empty() {
            audit::append(c, &entry.refused("nobody can be told"))?;
            &untold
        } else if recoveries::begin(c, &new)? {
            letter.iter().try_for_each(|letter| letter.post_to(c, &told, Some(&replacement.id)))?;
            audit::append(c, &entry)?;
            &begun
        } else {
            &waits
        };
        interactions::advance(c, &row, progress, expires_at)?;
        ground.stands(c, now)
    });
    written.await?;
    app.mail_waiting.notify_one();
    Ok(())
}

/// The password that shall take the place of the old one. It does with the answer, in the transaction of the proofs for it.
pub async fn password(app: &App, on: &Interaction, typed: &str) -> Result<(), ProveError> {
    let wanted = app.passwords.wanted(typed).await.map_err(|Busy| ProveError::Busy)?;
    let progress = match wanted {
        Err(why) => Progress { notice: Some(Notice::BadPassword(why)), ..on.progress.clone() },
        Ok(password) => {
            let hash = app.passwords.hash(password, app.entropy.as_ref()).await;
            let new_password = Some(hash.map_err(|Busy| ProveError::Busy)?);
            Progress { new_password, notice: None, ..on.progress.clone() }
        }
    };
    Ok(save(app, on, progress).await?)
}

/// The codes that the page of this interaction shows.
pub fn codes(app: &App, on: &Interaction, person: &Person) -> Vec<RecoveryCode> {
    RecoveryCode::set(&app.master, &[on.id().as_str(), person.user.as_str()])
}

/// The person has them: from now on they count, instead of any that there were.
pub async fn keep_codes(app: &App, on: &Interaction, person: &Person) -> Result<(), ProveError> {
    let (now, entropy) = (app.now(), app.entropy.as_ref());
    let mut stored = Vec::new();
    for code in codes(app, on, person) {
        let hash = app.passwords.hash_code(code.secret(), entropy).await;
        let secret = hash.map_err(|Busy| ProveError::Busy)?;
        let id = CredentialId::generate(entropy, now).to_string();
        stored.push(Stored { id, selector: code.selector().to_owned(), secret });
    }
    let set = Credential::new(CredentialId::generate(entropy, now), Kind::Recovery, String::new(), now);
    let entry = entry(app, on, person, What::RecoveryCodesMade);
    let letter = Letter::about(app, on, person, told::What::Added(Kind::Recovery));
    let progress = super::json(&Progress { codes_settled: true, notice: None, ..on.progress.clone() })?;
    let (row, user, expires_at) = (on.row.clone(), person.user.clone(), on.expires_at(app, now));
    let ground = Ground::of(on, &person.user);
    let kept = app.store.write(move |c| {
        interactions::advance(c, &row, &progress, expires_at)?;
        ground.stands(c, now)?;
        for old in credentials::of_user(c, &user)?.iter().filter(|old| old.kind == Kind::Recovery) {
            credentials::take_away(c, &user, &old.id, now)?;
        }
        credentials::insert(c, &user, &set)?;
        recovery_codes::insert(c, &set.id, &stored)?;
        letter.iter().try_for_each(|letter| letter.post(c))?;
        audit::append(c, &entry)
    });
    kept.await?;
    app.mail_waiting.notify_one();
    Ok(())
}

fn entry(app: &App, on: &Interaction, person: &Person, what: What) -> Entry {
    app.entry(Actor::User, what).user(&person.user).source(&on.source)
}
