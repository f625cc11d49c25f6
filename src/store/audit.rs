//! The audit: who did what, when, from where, and how it ended. Entries are added and read, never changed; the sweep takes
//! those whose time is over. An entry holds names and reasons, never a secret, and rides in the transaction of what it tells.

use super::connection::Conn;
use super::schema::audit;
use super::statement::Statement;
use super::statement::either;
use super::throttles;
use crate::assurance::aal::Aal;
use crate::base::id::AuditId;
use crate::base::id::ClientId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;
use serde_json::Value;
use serde_json::json;

/// One line of the audit.
#[derive(Clone, Debug)]
pub struct Entry {
    id: AuditId,
    at: Time,
    actor: &'static str,
    /// It was caused by a request, and not by an administrator or the server itself.
    by_request: bool,
    what: What,
    refused: bool,
    user: Option<String>,
    client: Option<String>,
    session: Option<String>,
    source: Option<String>,
    acr: Option<String>,
    aal: Option<(Aal, Aal)>,
    reason: Option<String>,
}

/// Who acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor<'a> {
    /// Somebody, in the session that they are in or come into; `None` where there is none.
    User(&'a UserId, Option<&'a SessionId>),
    Client,
    /// Somebody at the command line.
    Administrator,
    /// The server by itself.
    Server,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $text:literal)*) => {
        /// What was done, or refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum What { $($(#[$doc])* $name,)* }

        impl What {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

kinds! {
    /// One proof of somebody who is known, given or refused; the reason names the method.
    Proof => "proof"
    /// A code was mailed, or tried; the reason says how that ended.
    MailCode => "mail_code"
    /// A session came into being.
    SignIn => "sign_in"
    /// Proofs were added to a session that lived.
    ReAuthentication => "re_authentication"
    Consent => "consent"
    /// A code was issued, or refused to somebody who is known.
    Authorization => "authorization"
    SignOut => "sign_out"
    AccountCreated => "account.created"
    /// A factor was set up, by its owner; the reason names its kind.
    FactorAdded => "factor.added"
    FactorRenamed => "factor.renamed"
    FactorRemoved => "factor.removed"
    RecoveryCodesMade => "recovery_codes.made"
    /// Its owner has set a new password.
    PasswordChanged => "password.changed"
    /// A replacement for a lost factor waits; the reason names its kind.
    RecoveryBegun => "recovery.begun"
    RecoveryDone => "recovery.done"
    RecoveryCancelled => "recovery.cancelled"
    CodeRedeemed => "code.redeemed"
    TokenRefreshed => "token.refreshed"
    /// A token for the client itself was refused; those that are issued are in the metrics.
    ClientCredentials => "client_credentials"
    /// Introspection was refused to a client that is known.
    Introspection => "introspection"
    TokenRevoked => "token.revoked"
    /// The claims of a user were refused to the holder of a token of ours.
    UserInfo => "userinfo"
    /// A form that was not made here for whoever is signed in.
    Form => "form"
    UserAdded => "user.added"
    UserUpdated => "user.updated"
    UserPasswordSet => "user.password_set"
    UserDisabled => "user.disabled"
    UserEnabled => "user.enabled"
    UserUnlocked => "user.unlocked"
    UserFactorsReset => "user.factors_reset"
    UserDeleted => "user.deleted"
    ClientRegistered => "client.registered"
    ClientUpdated => "client.updated"
    ClientDeleted => "client.deleted"
    ClientSecretRotated => "client.secret_rotated"
    SessionRevoked => "session.revoked"
    KeyRotated => "key.rotated"
    KeyRetired => "key.retired"
}

/// Which entries are wanted, the oldest first.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub user: Option<UserId>,
    pub client: Option<ClientId>,
    pub since: Time,
    /// The newest so many.
    pub most: i64,
}

impl Entry {
    pub fn new(id: AuditId, at: Time, actor: Actor, what: What) -> Self {
        let (user, session) = match actor {
            Actor::User(user, session) => (Some(user.to_string()), session.map(ToString::to_string)),
            Actor::Client | Actor::Administrator | Actor::Server => (None, None),
        };
        Self {
            id,
            at,
            actor: actor.as_str(),
            by_request: matches!(actor, Actor::User(..) | Actor::Client),
            what,
            refused: false,
            user,
            client: None,
            session,
            source: None,
            acr: None,
            aal: None,
            reason: None,
        }
    }

    pub fn user(self, user: &UserId) -> Self {
        Self { user: Some(user.to_string()), ..self }
    }

    pub fn client(self, client: &ClientId) -> Self {
        Self { client: Some(client.to_string()), ..self }
    }

    pub fn session(self, session: &SessionId) -> Self {
        Self { session: Some(session.to_string()), ..self }
    }

    pub fn source(self, source: &str) -> Self {
        Self { source: Some(source.to_owned()), ..self }
    }

    pub fn acr(self, acr: &str) -> Self {
        Self { acr: Some(acr.to_owned()), ..self }
    }

    /// What the session had, and what the account requires.
    pub fn aal(self, session: Aal, account: Aal) -> Self {
        Self { aal: Some((session, account)), ..self }
    }

    pub fn because(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    pub fn refused(self, reason: &str) -> Self {
        Self { refused: true, ..self.because(reason) }
    }
}

impl What {
    /// What is done so often in an hour, and no more, wherever it is done ([`pace`](super::pace)).
    const fn is_paced(self) -> bool {
        matches!(self, Self::Authorization | Self::CodeRedeemed | Self::TokenRefreshed)
    }
}

impl Actor<'_> {
    const fn as_str(self) -> &'static str {
        match self {
            Self::User(..) => "user",
            Self::Client => "client",
            Self::Administrator => "administrator",
            Self::Server => "server",
        }
    }
}

/// What is refused over and over costs whoever asks for it nothing, and what is done over and over little: of one person, or client, or
/// network, so many lines of a kind are kept an hour, then one that says so, and the rest is in log and metrics only.
const MOST_REFUSALS: i64 = 100;
const MOST_DONE: i64 = 1_000;
const LEFT_OUT: &str = "there were more in this hour, which are left out";

pub fn append(c: &mut Conn, entry: &Entry) -> QueryResult<()> {
    match place(c, entry)? {
        Place::Kept => insert(c, entry),
        Place::Last => insert(c, &entry.clone().because(LEFT_OUT)),
        Place::LeftOut => Ok(()),
    }
}

enum Place {
    Kept,
    Last,
    LeftOut,
}

fn place(c: &mut Conn, entry: &Entry) -> QueryResult<Place> {
    let about = [&entry.user, &entry.client, &entry.source].into_iter().flatten().next();
    let bounded = entry.by_request && (entry.refused || !entry.what.is_paced());
    let (Some(about), true) = (about, bounded) else { return Ok(Place::Kept) };
    let (most, outcome) = if entry.refused { (MOST_REFUSALS, "") } else { (MOST_DONE, " done") };
    let (hour, what) = (Seconds::hours(1), entry.what.as_str());
    let hours = entry.at.unix_seconds().div_euclid(i64::from(hour.0));
    let key = format!("audit {about} {what}{outcome} {hours}");
    Ok(match throttles::take_one(c, &key, most, entry.at.plus(hour))? {
        Some(taken) if taken <= most => Place::Kept,
        Some(_) => Place::Last,
        None => Place::LeftOut,
    })
}

fn insert(c: &mut Conn, entry: &Entry) -> QueryResult<()> {
    diesel::insert_into(audit::table)
        .values((
            audit::id.eq(entry.id.as_str()),
            audit::at.eq(entry.at.micros()),
            audit::actor.eq(entry.actor),
            audit::what.eq(entry.what.as_str()),
            audit::outcome.eq(if entry.refused { "refused" } else { "done" }),
            audit::user_id.eq(&entry.user),
            audit::client_id.eq(&entry.client),
            audit::session_id.eq(&entry.session),
            audit::source.eq(&entry.source),
            audit::acr.eq(&entry.acr),
            audit::session_aal.eq(entry.aal.map(|(session, _)| session.as_str())),
            audit::account_aal.eq(entry.aal.map(|(_, account)| account.as_str())),
            audit::reason.eq(&entry.reason),
        ))
        .run(c)
        .map(drop)
}

/// For administrators, not for requests: id and content of each entry.
pub fn list(c: &mut Conn, wanted: &Wanted) -> QueryResult<Vec<(String, Value)>> {
    let rows = either!(c, c => {
        let mut query = audit::table.filter(audit::at.ge(wanted.since.micros())).into_boxed();
        if let Some(user) = &wanted.user {
            query = query.filter(audit::user_id.eq(user.to_string()));
        }
        if let Some(client) = &wanted.client {
            query = query.filter(audit::client_id.eq(client.to_string()));
        }
        let query = query.order((audit::at.desc(), audit::id.desc())).limit(wanted.most);
        query.select(COLUMNS).load::<Row>(c)?
    });
    Ok(rows.into_iter().rev().map(told).collect())
}

type Columns = (
    (audit::id, audit::at, audit::actor, audit::what, audit::outcome),
    (audit::user_id, audit::client_id, audit::session_id, audit::source),
    (audit::acr, audit::session_aal, audit::account_aal, audit::reason),
);
const COLUMNS: Columns = (
    (audit::id, audit::at, audit::actor, audit::what, audit::outcome),
    (audit::user_id, audit::client_id, audit::session_id, audit::source),
    (audit::acr, audit::session_aal, audit::account_aal, audit::reason),
);
type Text = Option<String>;
type Row = ((String, i64, String, String, String), (Text, Text, Text, Text), (Text, Text, Text, Text));

/// As JSON, without what does not apply.
fn told(row: Row) -> (String, Value) {
    let ((id, at, actor, what, outcome), (user, client, session, source), rest) = row;
    let (acr, session_aal, account_aal, reason) = rest;
    let mut entry = json!({
        "id": id, "at": Time::from_micros(at).rfc3339(), "actor": actor, "what": what, "outcome": outcome,
    });
    let more = [
        ("sub", user),
        ("client_id", client),
        ("sid", session),
        ("source", source),
        ("acr", acr),
        ("session_aal", session_aal),
        ("account_aal", account_aal),
        ("reason", reason),
    ];
    if let Some(entry) = entry.as_object_mut() {
        entry.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    }
    (id, entry)
}
