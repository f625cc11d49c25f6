//! What slows guessing down: counters per user and source, per source, and a slow one per user that spares browsers in
//! which the user signed in before, so that a stranger can't lock anybody out. A brake refuses and says when; it never sleeps.

use crate::assurance::ledger::Method;
use crate::base::id::ClientId;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::throttles;
use crate::store::throttles::Counter;
use crate::store::throttles::Ration;
use crate::store::users;
use crate::store::users::LoginName;

/// One try of one factor: whom it is about, and where it comes from.
#[derive(Clone)]
pub struct Try {
    method: Method,
    /// A user's id: one for all their names. A name that nobody has is counted by itself, in the same way.
    about: String,
    /// What counts its failures from everywhere.
    account: String,
    source: String,
    /// The user signed in here before.
    at_home: bool,
}

/// Before the hash of a name that nobody has.
const NOBODY: &str = "nobody ";
const LONGEST: Seconds = Seconds::minutes(15);
/// Nobody waits for that.
pub const LOCKED: Seconds = Seconds::days(3650);

impl Try {
    pub fn of_user(method: Method, user: &UserId, source: &str, at_home: bool) -> Self {
        let account = account_key(method, user.as_str());
        Self { method, about: user.to_string(), account, source: source.to_owned(), at_home }
    }

    /// Of this factor, and of none that is set up in its place.
    pub fn of_factor(self, user: &UserId, factor: Option<&CredentialId>) -> Self {
        let Some(factor) = factor else { return self };
        Self { about: format!("{user} {factor}"), account: throttles::of_factor(user, factor), ..self }
    }

    pub fn of_nobody(name: Option<&LoginName>, source: &str) -> Self {
        let name = name.map(LoginName::as_str).unwrap_or_default();
        let about = format!("{NOBODY}{}", Secret::presented(name).hash().as_str());
        let account = account_key(Method::Pwd, &about);
        Self { method: Method::Pwd, about, account, source: source.to_owned(), at_home: false }
    }

    pub fn method(&self) -> Method {
        self.method
    }

    /// Whom it is about, or whatever name nobody has.
    pub fn about(&self) -> &str {
        &self.about
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Under what its failure is told to an owner; names that nobody has share a few rows (attack: fill a table with names).
    pub fn counted_for(&self) -> String {
        let shared = NOBODY.len() + 1;
        if self.about.starts_with(NOBODY) {
            self.about.chars().take(shared).collect()
        } else {
            self.about.clone()
        }
    }

    /// Counts the try; or says until when none is taken.
    pub fn count(&self, c: &mut Conn, now: Time) -> Written<Result<(), Time>> {
        throttles::raise(c, &self.counters(), now)
    }

    /// The proof was right: only that takes failures back, and only those of the same factor.
    pub fn take_back(&self, c: &mut Conn) -> Written<()> {
        // In the order in which tries take them.
        throttles::clear(c, &self.account)?;
        throttles::clear(c, &self.of_both())?;
        throttles::lower(c, &self.of_source())
    }

    /// The proof was never looked at: the try did not happen.
    pub fn undo(&self, c: &mut Conn) -> Written<()> {
        let mut keys = self.counters().into_iter().map(|counter| counter.key).collect::<Vec<_>>();
        keys.sort();
        keys.iter().try_for_each(|key| {
            throttles::lower(c, key)?;
            // Attack: names without end while the server is busy, each of which would leave its counters behind.
            throttles::forget_empty(c, key)
        })
    }

    fn counters(&self) -> Vec<Counter> {
        let mut counters = vec![
            counter(self.of_both(), 5, Seconds(2), LONGEST),
            counter(self.of_source(), 100, Seconds(2), LONGEST),
        ];
        match self.method {
            // Of a code only a million exist: after a hundred failures in a row, from wherever and over whatever time, the
            // factor is locked until an administrator frees it.
            Method::Otp | Method::Recovery => {
                let locked = counter(self.account.clone(), 100, LOCKED, LOCKED);
                counters.push(Counter { memory: LOCKED, ..locked });
            }
            Method::Pwd | Method::Webauthn if self.at_home => {}
            Method::Pwd | Method::Webauthn => {
                counters.push(counter(self.account.clone(), 100, Seconds::minutes(1), LONGEST))
            }
        }
        counters
    }

    fn of_both(&self) -> String {
        format!("{} both {} {}", self.method.as_str(), self.about, self.source)
    }

    fn of_source(&self) -> String {
        format!("{} source {}", self.method.as_str(), self.source)
    }
}

/// Whatever failed is remembered for a day.
fn counter(key: String, free: i64, first_wait: Seconds, longest_wait: Seconds) -> Counter {
    Counter { key, free, first_wait, longest_wait, memory: Seconds::days(1) }
}

/// Counts one try of a mailed code; or says until when none is taken.
pub fn count_mail_code(c: &mut Conn, user: &UserId, source: &str, now: Time) -> Written<Result<(), Time>> {
    let counters = [
        // Some six more in a day: who has the mailbox gets in after a wait, and nobody is locked out.
        counter(mail_code_key(user), 100, Seconds::minutes(15), Seconds::hours(6)),
        counter(mail_code_key_at(user, source), 5, Seconds(2), LONGEST),
        counter(mail_code_key_from(source), 100, Seconds(2), LONGEST),
    ];
    throttles::raise(c, &counters, now)
}

/// It was the right one.
pub fn take_back_mail_code(c: &mut Conn, user: &UserId, source: &str) -> Written<()> {
    throttles::clear(c, &mail_code_key(user))?;
    throttles::clear(c, &mail_code_key_at(user, source))?;
    throttles::lower(c, &mail_code_key_from(source))
}

/// How many codes an address gets, of whomever and in whatever interaction: who has a password fills no mailbox. Nothing but codes
/// is counted, or a thief would act unannounced once they are used up.
pub fn mailed_codes(address: &str) -> Ration {
    let key = format!("mail-code to {}", Secret::presented(address).hash().as_str());
    Ration { key, most: 10, time: Seconds::days(1) }
}

/// One line of the audit tells of all mailed codes that a source tries while it is braked.
pub fn braked_line(user: &UserId, source: &str) -> Ration {
    Ration { key: format!("mail-code line {user} {source}"), most: 1, time: LONGEST }
}

/// One letter tells of all that a copy of a passkey tries within an hour (attack: ceremonies cost nothing, and whoever makes them with an
/// authenticator of their own would fill the outbox, so that everybody's mails are late).
pub fn letter_of_a_copy(credential: &CredentialId) -> Ration {
    Ration { key: format!("copied {credential}"), most: 1, time: Seconds::hours(1) }
}

fn mail_code_key(user: &UserId) -> String {
    format!("mail-code account {user}")
}

fn mail_code_key_at(user: &UserId, source: &str) -> String {
    format!("mail-code both {user} {source}")
}

fn mail_code_key_from(source: &str) -> String {
    format!("mail-code source {source}")
}

/// Counts a source's try to make an account; or says until when it makes none.
pub fn count_creation(c: &mut Conn, source: &str, now: Time) -> Written<Result<(), Time>> {
    throttles::raise(c, &[counter(format!("create source {source}"), 20, Seconds::minutes(1), LONGEST)], now)
}

/// Counts a person's try of another password: each costs as much as a sign-in.
pub fn count_new_password(c: &mut Conn, user: &UserId, now: Time) -> Written<Result<(), Time>> {
    throttles::raise(c, &[counter(new_password_key(user), 20, Seconds::minutes(1), LONGEST)], now)
}

fn new_password_key(user: &UserId) -> String {
    format!("new password {user}")
}

/// How often somebody has proved themself again for one client, without two minutes' rest between.
pub fn step_ups(user: &UserId, client: &ClientId) -> Counter {
    Counter {
        key: format!("{}{client}", step_up_keys(user)),
        free: 20,
        first_wait: Seconds::minutes(1),
        longest_wait: LONGEST,
        memory: Seconds::minutes(2),
    }
}

fn step_up_keys(user: &UserId) -> String {
    format!("step-up {user} ")
}

/// An administrator frees a user who was braked by others: by strangers, or by a thief with an open session of theirs. In the order in
/// which tries take the counters.
pub fn unlock(c: &mut Conn, user: &UserId) -> Written<()> {
    throttles::clear_all(c, &throttles::of_factors(user))?;
    throttles::clear(c, &mail_code_key(user))?;
    throttles::clear_all(c, &mail_code_key_at(user, ""))?;
    let mut rations = users::addresses(c, user)?.iter().map(|to| mailed_codes(to).key).collect::<Vec<_>>();
    rations.sort();
    rations.iter().try_for_each(|key| throttles::clear(c, key))?;
    throttles::clear(c, &new_password_key(user))?;
    for method in [Method::Otp, Method::Pwd, Method::Recovery] {
        throttles::clear(c, &account_key(method, user.as_str()))?;
        throttles::clear_all(c, &format!("{} both {user} ", method.as_str()))?;
    }
    throttles::clear_all(c, &step_up_keys(user))
}

fn account_key(method: Method, about: &str) -> String {
    format!("{} account {about}", method.as_str())
}
