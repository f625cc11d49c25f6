//! The passkeys of one user: what is shown of them, and what is done to them. What was shown with a passkey that goes, and
//! what was granted for that, goes with it.

use super::recovery::Ending;
use crate::app::App;
use crate::base::id::CredentialId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Entry;
use crate::store::connection::Conn;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::failed_sign_ins;
use crate::store::failed_sign_ins::FailedSignIns;
use crate::store::grants;
use crate::store::recoveries;
use crate::store::recovery_codes;
use crate::store::sessions;
use crate::store::users;

/// Why a replacement ends with a new password, whoever sets it.
pub const ANOTHER_PASSWORD: &str = "another password";

/// What came of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Added,
    Renamed,
    Removed,
    /// There is no other way to sign in.
    LastWayIn,
    Gone,
    PasswordChanged,
    /// A replacement waits.
    Replacing,
    ReplacementCancelled,
    /// Too many proofs or codes did not match.
    TooManyTries,
}

/// What somebody has.
pub struct Own {
    /// Passkeys and security keys, the oldest first.
    pub keys: Vec<Credential>,
    /// The authenticator app.
    pub totp: Option<CredentialId>,
    /// A replacement that waits, and until when if that is known yet.
    pub waiting: Option<Option<Time>>,
    /// Who loses a factor can replace it: there is a way to tell them.
    pub may_replace: bool,
    /// Recovery codes that are left, if there ever were any.
    pub codes: Option<i64>,
    pub failed: Option<FailedSignIns>,
}

impl Own {
    /// Something that recovery codes stand in for.
    pub fn has_second_factor(&self) -> bool {
        self.totp.is_some() || !self.keys.is_empty()
    }
}

impl Changed {
    const ALL: [Self; 9] = [
        Self::Added,
        Self::Renamed,
        Self::Removed,
        Self::LastWayIn,
        Self::Gone,
        Self::PasswordChanged,
        Self::Replacing,
        Self::ReplacementCancelled,
        Self::TooManyTries,
    ];

    /// In an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Renamed => "renamed",
            Self::Removed => "removed",
            Self::LastWayIn => "last-way-in",
            Self::Gone => "gone",
            Self::PasswordChanged => "password-changed",
            Self::Replacing => "replacing",
            Self::ReplacementCancelled => "replacement-cancelled",
            Self::TooManyTries => "too-many-tries",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|changed| changed.as_str() == text)
    }
}

pub async fn of(app: &App, user: &UserId) -> Result<Own, StoreError> {
    let (user, mails) = (user.clone(), app.mail.is_some());
    let read = app.store.read(move |c| {
        let all = credentials::of_user(c, &user)?;
        let set = all.iter().find(|credential| credential.kind == Kind::Recovery);
        let codes = set.map(|set| recovery_codes::left(c, &set.id)).transpose()?;
        let totp = all.iter().find(|credential| credential.kind == Kind::Totp).map(|totp| totp.id.clone());
        let waiting = recoveries::of_user(c, &user)?.map(|waiting| waiting.recovery.due_at);
        let may_replace = mails && waiting.is_none() && !users::addresses(c, &user)?.is_empty();
        let keys = all.into_iter().filter(|credential| credential.key.is_some()).collect();
        let failed = failed_sign_ins::of_user(c, &user)?;
        Ok(Own { keys, totp, waiting, may_replace, codes, failed })
    });
    read.await
}

/// A name that a person may give: something to see, on one line, and not too long.
pub fn label(text: &str) -> Option<String> {
    let label = text.trim();
    let sound = (1..=60).contains(&label.chars().count()) && !label.chars().any(char::is_control);
    sound.then(|| label.to_owned())
}

pub fn rename(
    c: &mut Conn,
    user: &UserId,
    passkey: &CredentialId,
    label: &str,
    entry: Entry,
) -> Written<Changed> {
    if !credentials::rename(c, user, passkey, label)? {
        return Ok(Changed::Gone);
    }
    audit::append(c, &entry.because(passkey.as_str()))?;
    Ok(Changed::Renamed)
}

pub fn remove(
    c: &mut Conn,
    user: &UserId,
    passkey: &CredentialId,
    entry: Entry,
    ending: &Ending,
    now: Time,
) -> Written<Changed> {
    // Held: of two that are the last, each could be taken away for the other's sake.
    let all = credentials::held_of_user(c, user)?;
    if !all.iter().any(|credential| credential.id == *passkey && credential.key.is_some()) {
        return Ok(Changed::Gone);
    }
    // A security key is worth something beside a password only, and a code alone is no way in either.
    let way_in = |other: &Credential| matches!(other.kind, Kind::Password | Kind::Passkey);
    if !all.iter().any(|other| other.id != *passkey && way_in(other)) {
        audit::append(c, &entry.refused("it is the last way in"))?;
        return Ok(Changed::LastWayIn);
    }
    if !credentials::take_away(c, user, passkey, now)? {
        return Ok(Changed::Gone);
    }
    ending.of_lost(c, user, passkey)?;
    audit::append(c, &entry.because(passkey.as_str()))?;
    Ok(Changed::Removed)
}

/// The session of whoever changes it stands; every other one ends, with what was granted in it.
pub fn change_password(
    c: &mut Conn,
    user: &UserId,
    session: &SessionId,
    new: &Credential,
    entry: Entry,
    ending: &Ending,
) -> Written<Changed> {
    let now = new.enrolled_at;
    credentials::set_password(c, user, new)?;
    sessions::end_others(c, user, session, now)?;
    grants::revoke_of_others(c, user, session, "password changed", now)?;
    ending.of_user(c, user, ANOTHER_PASSWORD)?;
    audit::append(c, &entry)?;
    Ok(Changed::PasswordChanged)
}
