//! A factor is set up: a passkey, a security key, an authenticator app, recovery codes. Whether it may be is decided by the
//! dispatcher, and once more in the transaction that does it here, with its line in the audit. A registration is no proof; the code that
//! completes an authenticator app is.

use super::Interaction;
use super::brake;
use super::demanded::Demanded;
use super::ground::Ground;
use super::new_secret::NewSecret;
use super::passkey;
use super::passkey::Answer;
use super::passkey::REGISTRATION;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use super::prove::ProveError;
use super::prove::braked;
use super::prove::note;
use super::submit::save;
use super::task::Task;
use super::told;
use super::told::Letter;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::assurance::plan::Step;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::secret::Secret;
use crate::credential::guessable::Guessable;
use crate::credential::passkey::Kind as KeyKind;
use crate::credential::passkey::Registered;
use crate::credential::password::Busy;
use crate::credential::recovery::RecoveryCode;
use crate::credential::totp::Code;
use crate::credential::totp::TotpSecret;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Added;
use crate::store::credentials::Credential;
use crate::store::credentials::Key;
use crate::store::credentials::Kind;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::recoveries;
use crate::store::recoveries::New;
use crate::store::recovery_codes;
use crate::store::users;
use serde::Deserialize;
use serde::Serialize;

/// What can be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enrolment {
    Passkey,
    SecurityKey,
    Totp,
}

/// The browser's new cookie, if something was set up.
type Changed = Result<Option<Secret>, ProveError>;

impl Enrolment {
    /// What a menu of the decision offers.
    pub fn of(step: &Step) -> Option<Self> {
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
pub async fn totp(app: &App, on: &Interaction, person: &Person, code: &str) -> Changed {
    let (now, secret) = (app.now(), totp_secret(app, on, person));
    let matching = Code::parse(code).and_then(|code| secret.matching_step(&code, now, 0));
    let Some(step) = matching else {
        let progress = Progress { notice: Some(Notice::WrongSetupCode), ..on.progress.clone() };
        save(app, on, progress).await?;
        return Ok(None);
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
    let new = credential.id.clone();
    let progress = on.proved(app, person.clone(), proof).with(|theirs| theirs.enrolled = Some(new));
    let taken = Progress { notice: None, ..on.progress.clone() };
    add(app, on, on.row.clone(), person, credential, (progress, taken)).await
}

/// An authenticator made a key pair; what it answered is verified and kept.
pub async fn key(app: &App, on: &Interaction, person: &Person, answer: Answer<'_>) -> Changed {
    let tried = on.progress.tried(Method::Webauthn, None);
    let (row, state) = passkey::take(app, on, tried.clone(), answer.ceremony, REGISTRATION).await?;
    let (Some(state), Some(passkeys)) = (state, &app.passkeys) else { return Ok(None) };
    let Registered { kind, lookup, stored, detail } =
        match passkeys.finish_registration(&state, answer.credential) {
            Ok(registered) => registered,
            Err(why) => {
                tracing::info!(interaction = %on.id(), %why, "passkey.not_registered");
                return Ok(None);
            }
        };
    let now = app.now();
    let id = CredentialId::generate(app.entropy.as_ref(), now);
    let label = detail.provider.clone().unwrap_or_default();
    let key = Some(Key { lookup, label, detail, last_used_at: None });
    let credential = Credential { key, ..Credential::new(id, kind.into(), stored, now) };
    let progress = Progress { notice: None, unknown_passkey: None, ..enrolled(on, &credential.id) };
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
) -> Changed {
    if let Some(task @ Task::Replace { lost, .. }) = &on.ask.task {
        return stand_by(app, on, row, person, (lost, task), credential, taken).await;
    }
    let entry = on.entry(app, person, What::FactorAdded).because(credential.kind.as_str());
    let letter = Letter::about(app, on, person, told::What::Added(credential.kind));
    let full = Progress { notice: Some(Notice::TooManyKeys), ..taken.clone() };
    let (progress, taken, full) = (progress.resting()?, taken.resting()?, full.resting()?);
    let (user, now, ground) = (person.user.clone(), app.now(), Ground::of(on, &person.user));
    let demanded = Demanded::of(app, on, &person.user, task_of(credential.kind));
    let (expires_at, (secret, cookie)) = (on.expires_at(app, now), NewSecret::generate(app, on));
    let added = app.store.write(move |c| {
        demanded.is_met(c, now)?;
        ground.person_stands(c)?;
        interactions::advance(c, &row, &progress, expires_at)?;
        ground.session_stands(c, now)?;
        let instead = match credentials::add(c, &user, &credential)? {
            Added::Done => None,
            Added::Taken => Some(&taken),
            Added::Full => Some(&full),
        };
        if let Some(instead) = instead {
            let row = InteractionRow { step: row.step + 1, ..row };
            return interactions::advance(c, &row, instead, expires_at).map(|()| false);
        }
        audit::append(c, &entry)?;
        letter.iter().try_for_each(|letter| letter.post(c))?;
        secret.write(c)?;
        Ok(true)
    });
    let added = added.await?;
    app.mail_waiting.notify_one();
    Ok(added.then_some(cookie))
}

/// It waits until its time has come, which begins once its owner was told; whoever reads the mail can cancel it until then.
async fn stand_by(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    person: &Person,
    (lost, task): (&CredentialId, &Task),
    credential: Credential,
    taken: Progress,
) -> Changed {
    let (now, kind, cancel) = (app.now(), credential.kind, Secret::generate(app.entropy.as_ref()));
    let delay = app.config.recovery_delay;
    let entry = on.entry(app, person, What::RecoveryBegun).because(kind.as_str());
    let link = app.config.issuer.url(&format!("/account/recovery?cancel={}", cancel.reveal()));
    let letter = Letter::about(app, on, person, told::What::Replacing { kind, delay, link });
    let (user, lost, cancel) = (person.user.clone(), lost.clone(), cancel.hash());
    let begun = Progress { notice: None, ..enrolled(on, &credential.id) }.resting()?;
    let used = taken.resting()?;
    let waits = Progress { notice: Some(Notice::ReplacementWaits), ..on.progress.clone() }.resting()?;
    let untold = on.progress.with(|theirs| theirs.declined = true).resting()?;
    let (expires_at, ground) = (on.expires_at(app, now), Ground::of(on, &person.user));
    let demanded = Demanded::of(app, on, &person.user, task.clone());
    let (secret, cookie) = NewSecret::generate(app, on);
    let written = app.store.write(move |c| {
        demanded.is_met(c, now)?;
        ground.person_stands(c)?;
        let replacement = &credential;
        let lookup = replacement.key.as_ref().map(|key| key.lookup.as_str());
        let is_used = lookup.map(|lookup| credentials::by_lookup(c, lookup)).transpose()?.flatten().is_some();
        let told = letter.as_ref().map(|letter| letter.recipients(c)).transpose()?.unwrap_or_default();
        let notices = i64::try_from(told.len()).unwrap_or(i64::MAX);
        let new = New { user: &user, lost: &lost, replacement, cancel: &cancel, delay, notices };
        let has_begun = !is_used && !told.is_empty() && recoveries::begin(c, &new)?;
        let progress = match (is_used, told.is_empty(), has_begun) {
            (true, ..) => &used,
            (false, true, _) => &untold,
            (false, false, true) => &begun,
            (false, false, false) => &waits,
        };
        interactions::advance(c, &row, progress, expires_at)?;
        ground.session_stands(c, now)?;
        if has_begun {
            letter.iter().try_for_each(|letter| letter.post_to(c, &told, Some(&replacement.id)))?;
            audit::append(c, &entry)?;
            secret.write(c)?;
        } else if told.is_empty() {
            audit::append(c, &entry.refused("nobody can be told"))?;
        }
        Ok(has_begun)
    });
    let has_begun = written.await?;
    app.mail_waiting.notify_one();
    Ok(has_begun.then_some(cookie))
}

/// The password that shall take the place of the old one. It does with the answer, in the transaction of the proofs for it.
pub async fn password(app: &App, on: &Interaction, person: &Person, typed: &str) -> Result<(), ProveError> {
    let (row, guessable) = take_step(app, on, person).await?;
    let passwords = app.passwords.shared_by(person.user.as_str(), &on.source);
    let wanted = passwords.wanted(typed, guessable).await.map_err(|Busy| ProveError::Busy)?;
    let progress = match wanted {
        Err(why) => Progress { notice: Some(Notice::BadPassword(why)), ..on.progress.clone() },
        Ok(password) => {
            let hash = passwords.hash(password, app.entropy.as_ref()).await;
            let new_password = Some(hash.map_err(|Busy| ProveError::Busy)?);
            Progress { notice: None, ..on.progress.with(|theirs| theirs.new_password = new_password) }
        }
    };
    Ok(note(app, on, &row, &progress).await?)
}

/// The step is taken, and the try counted, before anything is judged or hashed (attack: one form sent a thousand times at once); with
/// the names of its person, which are no passwords.
async fn take_step(
    app: &App,
    on: &Interaction,
    person: &Person,
) -> Result<(InteractionRow, Guessable), ProveError> {
    let (now, row, user) = (app.now(), on.row.clone(), person.user.clone());
    let progress = Progress { notice: None, ..on.progress.clone() }.resting()?;
    let expires_at = on.expires_at(app, now);
    let taken = app.store.write(move |c| {
        if let Err(until) = brake::count_new_password(c, &user, now)? {
            return Ok(Err(until));
        }
        interactions::advance(c, &row, &progress, expires_at)?;
        Ok(Ok((InteractionRow { step: row.step + 1, ..row }, users::names(c, &user)?)))
    });
    let (row, names) = taken.await?.map_err(|until| braked(on, until))?;
    Ok((row, app.config.guessable(&names)))
}

/// The codes that the page of this interaction shows.
pub fn codes(app: &App, on: &Interaction, person: &Person) -> Vec<RecoveryCode> {
    RecoveryCode::set(&app.master, &[on.id().as_str(), person.user.as_str()])
}

/// The person has them: from now on they count, instead of any that there were.
pub async fn keep_codes(app: &App, on: &Interaction, person: &Person) -> Changed {
    let (now, entropy) = (app.now(), app.entropy.as_ref());
    let codes = codes(app, on, person);
    let stored = codes.iter().map(|code| code.hash(&app.master, &person.user)).collect::<Vec<_>>();
    let set = Credential::new(CredentialId::generate(entropy, now), Kind::Recovery, String::new(), now);
    let entry = on.entry(app, person, What::RecoveryCodesMade);
    let letter = Letter::about(app, on, person, told::What::Added(Kind::Recovery));
    let settled = on.progress.with(|theirs| theirs.codes_at = Some(now));
    let progress = Progress { notice: None, ..settled }.resting()?;
    let (row, user, expires_at) = (on.row.clone(), person.user.clone(), on.expires_at(app, now));
    let demanded = Demanded::of(app, on, &person.user, Task::RecoveryCodes);
    let (ground, (secret, cookie)) = (Ground::of(on, &person.user), NewSecret::generate(app, on));
    let kept = app.store.write(move |c| {
        demanded.is_met(c, now)?;
        ground.person_stands(c)?;
        interactions::advance(c, &row, &progress, expires_at)?;
        ground.session_stands(c, now)?;
        secret.write(c)?;
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
    Ok(Some(cookie))
}

/// One more of this kind.
const fn task_of(kind: Kind) -> Task {
    match kind {
        Kind::Password => Task::NewPassword,
        Kind::Totp => Task::Enrol(Enrolment::Totp),
        Kind::Passkey => Task::Enrol(Enrolment::Passkey),
        Kind::SecurityKey => Task::Enrol(Enrolment::SecurityKey),
        Kind::Recovery => Task::RecoveryCodes,
    }
}

fn enrolled(on: &Interaction, new: &CredentialId) -> Progress {
    on.progress.with(|theirs| (theirs.enrolled, theirs.way) = (Some(new.clone()), None))
}
