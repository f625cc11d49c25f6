//! What users prove themselves with: one row per factor. Secrets are a PHC string or sealed; never plain.

use super::connection::Conn;
use super::events;
use super::grants;
use super::recovery_codes;
use super::schema::credentials;
use super::schema::users as owners;
use super::statement::Statement;
use super::statement::change;
use super::throttles;
use super::users;
use crate::assurance::factors::Account;
use crate::assurance::factors::Factor;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::passkey;
use crate::credential::passkey::Detail;
use diesel::prelude::*;
use serde::Deserialize;
use serde::Serialize;

/// Passkeys and security keys prove the same way and are worth different things, so they are stored apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Password,
    Totp,
    Passkey,
    SecurityKey,
    /// A set of recovery codes.
    Recovery,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    pub id: CredentialId,
    pub kind: Kind,
    /// PHC string of a password, sealed TOTP secret, public key of a passkey; nothing for recovery codes.
    pub secret: String,
    /// The last TOTP step that was spent (RFC 6238 §5.2).
    pub last_step: i64,
    pub enrolled_at: Time,
    pub key: Option<Key>,
}

/// What only a passkey or a security key has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key {
    /// base64url of its credential id; nobody else can have it.
    pub lookup: String,
    /// The name that its owner gave it.
    pub label: String,
    pub detail: Detail,
    pub last_used_at: Option<Time>,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Password, Self::Totp, Self::Passkey, Self::SecurityKey, Self::Recovery];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Totp => "otp",
            Self::Passkey => "passkey",
            Self::SecurityKey => "security-key",
            Self::Recovery => "recovery",
        }
    }

    pub const fn method(self) -> Method {
        match self {
            Self::Password => Method::Pwd,
            Self::Totp => Method::Otp,
            Self::Passkey | Self::SecurityKey => Method::Webauthn,
            Self::Recovery => Method::Recovery,
        }
    }

    /// Beside a password, and beside which recovery codes may exist.
    pub const fn is_second_factor(self) -> bool {
        match self {
            Self::Totp | Self::Passkey | Self::SecurityKey => true,
            Self::Password | Self::Recovery => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl From<passkey::Kind> for Kind {
    fn from(kind: passkey::Kind) -> Self {
        match kind {
            passkey::Kind::Passkey => Self::Passkey,
            passkey::Kind::SecurityKey => Self::SecurityKey,
        }
    }
}

impl Credential {
    pub fn new(id: CredentialId, kind: Kind, secret: String, now: Time) -> Self {
        Self { id, kind, secret, last_step: 0, enrolled_at: now, key: None }
    }

    /// The best that can be shown with it.
    pub fn factor(&self) -> Factor {
        let synced = self.key.as_ref().is_none_or(|key| key.detail.backup_eligible);
        Factor {
            credential: self.id.clone(),
            method: self.kind.method(),
            // A security key that verified its user is still one that need not.
            uv: self.kind == Kind::Passkey,
            device_bound: !synced,
            attested: false,
            enrolled_at: self.enrolled_at,
        }
    }
}

/// The most passkeys and security keys that somebody may have.
pub const MOST_KEYS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    Done,
    /// There is one already: a passkey that belongs to somebody, a second TOTP secret.
    Taken,
    /// The user has [`MOST_KEYS`].
    Full,
}

/// Who calls this has [locked](users::lock) the user, so that two at once are not one too many.
pub fn add(c: &mut Conn, user: &UserId, credential: &Credential) -> QueryResult<Added> {
    let keys = of_user(c, user)?.iter().filter(|one| one.key.is_some()).count();
    if credential.key.is_some() && keys >= MOST_KEYS {
        return Ok(Added::Full);
    }
    let added = super::unless_taken(c.transaction(|c| insert(c, user, credential).map(|()| 1)))?;
    Ok(if added { Added::Done } else { Added::Taken })
}

/// The first second factor voids recovery codes that are there: they were made with less than what they would stand in for.
pub fn insert(c: &mut Conn, user: &UserId, credential: &Credential) -> QueryResult<()> {
    if credential.kind.is_second_factor() {
        void_codes_without_second_factor(c, user, credential.enrolled_at)?;
    }
    let key = credential.key.as_ref();
    let detail = key.map(|key| serde_json::to_string(&key.detail)).transpose();
    let detail = detail.map_err(|why| diesel::result::Error::SerializationError(why.into()))?;
    diesel::insert_into(credentials::table)
        .values((
            credentials::id.eq(credential.id.as_str()),
            credentials::user_id.eq(user.as_str()),
            credentials::kind.eq(credential.kind.as_str()),
            credentials::secret.eq(&credential.secret),
            credentials::last_step.eq(credential.last_step),
            credentials::enrolled_at.eq(credential.enrolled_at.micros()),
            credentials::lookup.eq(key.map(|key| key.lookup.as_str())),
            credentials::label.eq(key.map(|key| key.label.as_str())),
            credentials::detail.eq(detail),
            credentials::hashed_at.eq(credential.enrolled_at.micros()),
        ))
        .run(c)
        .map(drop)
}

/// Every factor of a user, the oldest first.
pub fn of_user(c: &mut Conn, user: &UserId) -> QueryResult<Vec<Credential>> {
    let of_user = credentials::table.filter(credentials::user_id.eq(user.as_str()));
    of_user.select(COLUMNS).rows::<Row>(c).map(sorted)
}

/// The same, and they stay until this transaction ends.
pub fn held_of_user(c: &mut Conn, user: &UserId) -> QueryResult<Vec<Credential>> {
    let of_user = credentials::table.filter(credentials::user_id.eq(user.as_str()));
    of_user.select(COLUMNS).held().rows::<Row>(c).map(sorted)
}

fn sorted(rows: Vec<Row>) -> Vec<Credential> {
    let mut all = rows.into_iter().filter_map(|row| Some(credential(row)?.1)).collect::<Vec<_>>();
    // Here: SQLite builds a table of its own to sort a handful of rows.
    all.sort_by(|one, other| (one.enrolled_at, one.id.as_str()).cmp(&(other.enrolled_at, other.id.as_str())));
    all
}

/// Whose passkey this is.
pub fn by_lookup(c: &mut Conn, lookup: &str) -> QueryResult<Option<(UserId, Credential)>> {
    let row = credentials::table.filter(credentials::lookup.eq(lookup)).select(COLUMNS).row::<Row>(c)?;
    Ok(row.and_then(credential))
}

/// What an enabled user has to prove themself with.
pub fn account(c: &mut Conn, id: &UserId) -> QueryResult<Option<Account>> {
    let all = of_user(c, id)?;
    account_with(c, id, &all)
}

/// The same, of factors that were read. Recovery codes that are all spent, or stand beside no second factor, prove nothing.
pub fn account_with(c: &mut Conn, id: &UserId, all: &[Credential]) -> QueryResult<Option<Account>> {
    let user = users::by_id(c, id)?.filter(|user| !user.disabled);
    let Some(user) = user else { return Ok(None) };
    let mut factors = Vec::new();
    let has_second_factor = all.iter().any(|credential| credential.kind.is_second_factor());
    for credential in all {
        let counts = credential.kind != Kind::Recovery
            || has_second_factor && recovery_codes::left(c, &credential.id)? > 0;
        factors.extend(counts.then(|| credential.factor()));
    }
    Ok(Some(Account { user: user.id, factors, second_factor: user.second_factor }))
}

/// Spends a TOTP step. Of all who try, in any process, one is told `true`; an earlier step never comes back.
pub fn spend_step(c: &mut Conn, id: &CredentialId, step: i64) -> QueryResult<bool> {
    let unspent = credentials::id.eq(id.as_str()).and(credentials::last_step.lt(step));
    change(credentials::table, unspent, credentials::last_step.eq(step)).run(c).map(|rows| rows == 1)
}

/// Notes that a passkey was used, and what it says of itself now; `false` if it is another one by now, or gone.
pub fn used(
    c: &mut Conn,
    read: &Credential,
    now: Time,
    stored: Option<&str>,
    detail: &str,
) -> QueryResult<bool> {
    let same = credentials::id.eq(read.id.as_str()).and(credentials::secret.eq(&read.secret));
    let values = (
        credentials::secret.eq(stored.unwrap_or(&read.secret)),
        credentials::detail.eq(detail),
        credentials::last_used_at.eq(now.micros()),
    );
    change(credentials::table, same, values).run(c).map(|rows| rows == 1)
}

/// Gives one of the user's passkeys another name.
pub fn rename(c: &mut Conn, user: &UserId, id: &CredentialId, label: &str) -> QueryResult<bool> {
    diesel::update(credentials::table)
        .filter(credentials::id.eq(id.as_str()))
        .filter(credentials::user_id.eq(user.as_str()))
        .filter(credentials::lookup.is_not_null())
        .set(credentials::label.eq(label))
        .run(c)
        .map(|rows| rows == 1)
}

/// Replaces a user's password, or gives them their first one. What was shown with the old one stands where it is an event.
pub fn set_password(c: &mut Conn, user: &UserId, new: &Credential) -> QueryResult<()> {
    let replaced = diesel::update(credentials::table)
        .filter(credentials::user_id.eq(user.as_str()))
        .filter(credentials::kind.eq(Kind::Password.as_str()))
        .set((
            credentials::secret.eq(&new.secret),
            credentials::enrolled_at.eq(new.enrolled_at.micros()),
            credentials::hashed_at.eq(new.enrolled_at.micros()),
        ))
        .run(c)?;
    if replaced > 0 { Ok(()) } else { insert(c, user, new) }
}

/// A password that was verified as `read`, hashed anew. It is the same password, so nothing that was shown with it goes; `false` if it is
/// another one by now.
pub fn renew(c: &mut Conn, read: &Credential, secret: &str, now: Time) -> QueryResult<bool> {
    let same = credentials::id.eq(read.id.as_str()).and(credentials::secret.eq(&read.secret));
    let values = (credentials::secret.eq(secret), credentials::hashed_at.eq(now.micros()));
    change(credentials::table, same, values).run(c).map(|rows| rows == 1)
}

/// Takes a factor away, with what was shown with it and what was granted for that; `false` if the user has no such factor. With the last
/// second factor the recovery codes go. Others who change the factors of this user wait until the transaction ends.
pub fn take_away(c: &mut Conn, user: &UserId, id: &CredentialId, now: Time) -> QueryResult<bool> {
    users::lock(c, user)?;
    if !take_one(c, user, id, now)? {
        return Ok(false);
    }
    void_codes_without_second_factor(c, user, now)?;
    Ok(true)
}

/// Recovery codes exist only beside a second factor.
fn void_codes_without_second_factor(c: &mut Conn, user: &UserId, now: Time) -> QueryResult<()> {
    let all = of_user(c, user)?;
    if all.iter().any(|one| one.kind.is_second_factor()) {
        return Ok(());
    }
    for codes in all.iter().filter(|one| one.kind == Kind::Recovery) {
        take_one(c, user, &codes.id, now)?;
    }
    Ok(())
}

fn take_one(c: &mut Conn, user: &UserId, id: &CredentialId, now: Time) -> QueryResult<bool> {
    if !remove(c, user, id)? {
        return Ok(false);
    }
    events::void(c, id, now)?;
    grants::revoke_resting_on(c, user, id, now)?;
    Ok(true)
}

/// Removes a factor of the user, with what locks it, and nothing else.
pub fn remove(c: &mut Conn, user: &UserId, id: &CredentialId) -> QueryResult<bool> {
    let removed = diesel::delete(credentials::table)
        .filter(credentials::id.eq(id.as_str()))
        .filter(credentials::user_id.eq(user.as_str()))
        .run(c)?;
    throttles::clear(c, &throttles::of_factor(user, id))?;
    Ok(removed == 1)
}

/// Whether the user, who has shown these, is enabled and still has every one of them, as it was set up at that time (a new password is
/// another factor), until this transaction ends. The user's row comes first in the statement, and so is held before the factors': whoever
/// changes these has taken it before.
pub fn stand(c: &mut Conn, user: &UserId, factors: &[(CredentialId, Time)]) -> QueryResult<bool> {
    if factors.is_empty() {
        return Ok(true);
    }
    let there = owners::table
        .inner_join(credentials::table)
        .filter(credentials::user_id.eq(user.as_str()))
        .filter(credentials::id.eq_any(factors.iter().map(|(id, _)| id.as_str())))
        .filter(owners::disabled_at.is_null())
        .select((credentials::id, credentials::enrolled_at))
        .held()
        .rows::<(String, i64)>(c)?;
    let is_there = |(id, enrolled_at): &(CredentialId, Time)| {
        there.iter().any(|(known, at)| known == id.as_str() && *at == enrolled_at.micros())
    };
    Ok(factors.iter().all(is_there))
}

type Row = (
    (String, String, String, String, i64, i64),
    (Option<String>, Option<String>, Option<String>, Option<i64>),
);
type Columns = (
    (
        credentials::id,
        credentials::user_id,
        credentials::kind,
        credentials::secret,
        credentials::last_step,
        credentials::enrolled_at,
    ),
    (credentials::lookup, credentials::label, credentials::detail, credentials::last_used_at),
);
const COLUMNS: Columns = (
    (
        credentials::id,
        credentials::user_id,
        credentials::kind,
        credentials::secret,
        credentials::last_step,
        credentials::enrolled_at,
    ),
    (credentials::lookup, credentials::label, credentials::detail, credentials::last_used_at),
);

fn credential(row: Row) -> Option<(UserId, Credential)> {
    let ((id, user, kind, secret, last_step, enrolled_at), (lookup, label, detail, last_used_at)) = row;
    let key = lookup.map(|lookup| Key {
        lookup,
        label: label.unwrap_or_default(),
        detail: detail.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        last_used_at: last_used_at.map(Time::from_micros),
    });
    let credential = Credential {
        id: CredentialId::from_text(id),
        kind: Kind::parse(&kind)?,
        secret,
        last_step,
        enrolled_at: Time::from_micros(enrolled_at),
        key,
    };
    Some((UserId::from_text(user), credential))
}
