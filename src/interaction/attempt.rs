//! A proof that failed, so that somebody can look into it: a line in the log that says where it came from and for which client, and
//! the counter of the account that it was about, which its owner is told of. The plain name is in neither.

use super::Interaction;
use super::brake::Try;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::base::time::Time;
use crate::credential::seal::MasterKey;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::failed_sign_ins;

#[derive(Clone)]
pub struct Attempt {
    method: Method,
    /// Whom it is counted for.
    about: Option<String>,
    /// As the log has it.
    name: Option<String>,
}

const LOGGED_LETTERS: usize = 16;

impl Attempt {
    /// By whom the interaction is about; or by somebody who named nobody.
    pub fn of(app: &App, on: &Interaction, method: Method) -> Self {
        let person = on.progress.person();
        let name = person.map(|person| logged_name(&app.master, &person.username));
        Self { method, about: person.map(|person| person.user.to_string()), name }
    }

    /// By whoever typed this name.
    pub fn of_name(app: &App, this: &Try, typed: &str) -> Self {
        Self {
            method: this.method(),
            about: Some(this.counted_for()),
            name: Some(logged_name(&app.master, typed)),
        }
    }

    pub fn method(&self) -> Method {
        self.method
    }

    pub fn log_failed(&self, on: &Interaction) {
        let client = on.ask.approval.as_ref().map(|approval| approval.client.as_str());
        let (method, name) = (self.method.as_str(), self.name.as_deref());
        tracing::info!(interaction = %on.id(), method, source = on.source, client, name, "proof.failed");
    }

    /// Nobody looked at it.
    pub fn log_braked(&self, on: &Interaction, until: Time) {
        let client = on.ask.approval.as_ref().map(|approval| approval.client.as_str());
        let (method, name, until) = (self.method.as_str(), self.name.as_deref(), until.rfc3339());
        tracing::info!(interaction = %on.id(), method, source = on.source, client, name, until, "proof.braked");
    }

    pub fn count(&self, c: &mut Conn, now: Time) -> Written<()> {
        self.about.iter().try_for_each(|about| failed_sign_ins::count(c, about, now))
    }
}

/// A name in the log: the same one however it was written, and nothing to whoever lacks the master key.
pub fn logged_name(master: &MasterKey, name: &str) -> String {
    let name = name.trim().to_lowercase();
    master.code("name in the log", &[&name]).chars().take(LOGGED_LETTERS).collect()
}
