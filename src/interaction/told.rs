//! What a user is told by mail, to every verified address: written with the change that it tells, in its transaction, and sent
//! after. Where no mail is set up, nothing is written.

use super::Interaction;
use super::progress::Person;
use crate::app::App;
use crate::base::entropy::Entropy;
use crate::base::id::CredentialId;
use crate::base::id::MailId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::protocol::language::Language;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::credentials::Kind;
use crate::store::mails;
use crate::store::mails::NewMail;
use crate::store::users;
use crate::texts;
use std::sync::Arc;

/// What a text needs to know.
pub struct Told {
    pub what: What,
    pub provider: String,
    pub username: String,
    /// Where somebody looks after their account.
    pub address: String,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// To be entered before something is set up.
    Code(String),
    Added(Kind),
    Removed(Kind),
    RecoveryUsed,
    /// A replacement for a lost factor waits so long, from when its owner was told; the link cancels it.
    Replacing {
        kind: Kind,
        delay: Seconds,
        link: String,
    },
    Replaced(Kind),
    ReplacementCancelled,
    /// Another e-mail address.
    NewAddress,
    /// The counter of a passkey went back.
    Copied,
}

/// A mail that is ready to be written.
pub struct Letter {
    user: UserId,
    subject: String,
    body: String,
    entropy: Arc<dyn Entropy>,
    at: Time,
}

impl Letter {
    /// `None` where no mail is set up.
    pub fn to(app: &App, person: &Person, language: Option<Language>, what: What) -> Option<Self> {
        app.mail.as_ref()?;
        let at = app.now();
        let told = Told {
            what,
            provider: app.config.page.name.clone(),
            username: person.username.clone(),
            address: app.config.issuer.url("/account/passkeys"),
            at,
        };
        let (subject, body) = (texts::of(language.unwrap_or_default()).mail)(&told);
        Some(Self { user: person.user.clone(), subject, body, entropy: app.entropy.clone(), at })
    }

    /// In the language of an interaction.
    pub fn about(app: &App, on: &Interaction, person: &Person, what: What) -> Option<Self> {
        Self::to(app, person, on.ask.language, what)
    }

    /// Into the outbox.
    pub fn post(&self, c: &mut Conn) -> Written<()> {
        let recipients = self.recipients(c)?;
        self.post_to(c, &recipients, None)
    }

    /// Every verified address.
    pub fn recipients(&self, c: &mut Conn) -> Written<Vec<String>> {
        users::addresses(c, &self.user)
    }

    /// To these; about a replacement that waits until each of the mails is settled, if there is one.
    pub fn post_to(
        &self,
        c: &mut Conn,
        recipients: &[String],
        recovery: Option<&CredentialId>,
    ) -> Written<()> {
        let (user, subject, body) = (Some(&self.user), self.subject.as_str(), self.body.as_str());
        recipients.iter().try_for_each(|recipient| {
            let id = MailId::generate(self.entropy.as_ref(), self.at);
            mails::push(c, &NewMail { id: &id, user, recipient, subject, body, recovery }, self.at)
        })
    }
}
