//! A request that needs a page: who asks, for what, what was proved so far, and what follows, which is opaque here.
//! Proofs rest in the interaction until the decision is satisfied; only then do they become events of a session.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod approval;
pub mod attempt;
pub mod brake;
pub mod create;
pub mod demanded;
pub mod enrol;
pub mod ground;
pub mod mail_code;
pub mod new_secret;
pub mod next_step;
pub mod passkey;
pub mod progress;
pub mod prove;
pub mod reopen;
mod reserved_names;
pub mod sentence;
pub mod settle;
pub mod submit;
pub mod task;
pub mod told;

use crate::app::App;
use crate::assurance::factors::Account;
use crate::assurance::ledger::Event;
use crate::assurance::need::Need;
use crate::base::id::BrowserId;
use crate::base::id::CredentialId;
use crate::base::id::InteractionId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use crate::protocol::language::Language;
use crate::store::StoreError;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::consents;
use crate::store::credentials;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::interactions::Owner;
use crate::store::remembered;
use crate::store::remembered::Remembered;
use crate::store::sessions;
use crate::store::sessions::Browser;
use crate::store::sessions::Session;
use crate::store::users;
use approval::Approval;
use ground::Askers;
use next_step::Stand;
use progress::Person;
use progress::Progress;
use progress::Proof;
use serde::Deserialize;
use serde::Serialize;
use submit::Page;
use task::Door;
use task::Task;
use thiserror::Error;

/// What is asked, and who asks it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    pub need: Need,
    pub asker: Asker,
    pub login_hint: Option<String>,
    /// One of the accounts that are signed in here shall be chosen.
    #[serde(default)]
    pub select: bool,
    /// An account shall be made.
    #[serde(default)]
    pub create: bool,
    /// What the application wants approved.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// What the person came for, once the need is met.
    #[serde(default)]
    pub task: Option<Task>,
    /// Of its pages, if it names one that is known here.
    #[serde(default)]
    pub language: Option<Language>,
}

/// The application, as a person may know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asker {
    pub name: String,
    /// Shown for an application that is not first-party.
    pub host: Option<String>,
    /// Where the browser goes after the last form; the page's policy has to allow it.
    pub origin: String,
}

/// What follows once the need is met: read only by the feature that wrote it.
pub struct Then {
    pub kind: String,
    pub body: String,
}

/// Where a request comes from.
pub struct Visitor {
    pub browser: Option<Browser>,
    /// The network address, or its /64.
    pub source: String,
}

pub struct Opened {
    pub id: InteractionId,
    /// The cookie of a browser that was not known before.
    pub cookie: Option<Secret>,
}

#[derive(Debug, Error)]
pub enum OpenError {
    #[error("too many requests of this source are open")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An open interaction, read together with everything that the decision needs.
pub struct Interaction {
    pub ask: Ask,
    pub progress: Progress,
    pub browser: Browser,
    pub account: Option<Account>,
    /// Where the request comes from that goes on with it.
    pub source: String,
    /// Accounts that were used in this browser before.
    pub accounts: Vec<Remembered>,
    /// What its person has approved before.
    remembered: Vec<String>,
    /// Its person has a verified address.
    has_address: bool,
    /// Every factor that its person has, those too that can prove nothing more, and since when.
    factors: Vec<(CredentialId, Time)>,
    row: InteractionRow,
    /// Who asks, as they were when it was held against them.
    askers: Askers,
}

/// Opens an interaction in the visitor's browser, which becomes known with it.
pub async fn open(
    app: &App,
    visitor: &Visitor,
    mut ask: Ask,
    progress: Progress,
    then: Then,
) -> Result<Opened, OpenError> {
    let (now, entropy, lifetimes) = (app.now(), app.entropy.as_ref(), app.config.lifetimes);
    let id = InteractionId::generate(entropy, now);
    ask.need.interaction = Some(id.clone());
    let row = InteractionRow {
        id: id.clone(),
        need: json(&ask)?,
        then_kind: then.kind,
        then_body: then.body,
        resting: progress.resting()?,
        step: 0,
        asked_at: now,
    };
    let known = visitor.browser.as_ref().map(|browser| browser.id.clone());
    let new = (BrowserId::generate(entropy, now), Secret::generate(entropy));
    let (new_id, new_hash) = (new.0, new.1.hash());
    let is_known = known.is_some();
    let signed_in = visitor.browser.as_ref().is_some_and(|browser| !browser.sessions.is_empty());
    let source = visitor.source.clone();
    let opened = app.store.write(move |c| {
        let owner = match &known {
            Some(own) if signed_in || remembered::knows_anybody(c, own)? => Owner::Browser(own.clone()),
            Some(_) | None => Owner::Source(source),
        };
        // First: whose browsers go with it is settled before this one is touched (on PostgreSQL each would wait for the other).
        if !interactions::make_room(c, &owner, now)? {
            return crate::store::lost();
        }
        let until = now.plus(lifetimes.interaction_most);
        let browser = match known {
            Some(id) => {
                sessions::keep_browser(c, &id, until)?;
                id
            }
            None => {
                sessions::insert_browser(c, &new_id, &new_hash, until)?;
                new_id
            }
        };
        interactions::open(c, &row, &browser, &owner, now.plus(lifetimes.interaction))
    });
    match opened.await {
        Ok(()) => Ok(Opened { id, cookie: (!is_known).then_some(new.1) }),
        Err(StoreError::Lost) => Err(OpenError::TooMany),
        Err(error) => Err(error.into()),
    }
}

/// The open interaction `id` of the browser that holds `cookie`; an id alone opens nothing.
pub async fn load(
    app: &App,
    cookie: &SecretHash,
    id: &InteractionId,
    source: String,
) -> Result<Option<Interaction>, StoreError> {
    let (now, life, cookie, id) = (app.now(), app.session_life(), cookie.clone(), id.clone());
    let mails = app.mail.is_some();
    let loaded = app.store.read(move |c| {
        let Some(browser) = sessions::browser(c, &cookie, life, now)? else { return Ok(None) };
        let Some(row) = interactions::load(c, &id, &browser.id, now)? else { return Ok(None) };
        let Some((ask, progress)) = parsed(&row.id, &row.need, &row.resting.progress) else {
            return Ok(None);
        };
        let user = progress.person().map(|person| &person.user);
        let all = user.map(|user| credentials::of_user(c, user)).transpose()?.unwrap_or_default();
        let account = user.map(|user| credentials::account_with(c, user, &all)).transpose()?.flatten();
        let account = match ask.lost() {
            Some(lost) => account.map(|account| account.without(lost)),
            None => account,
        };
        let remembered = match (user, &ask.approval) {
            (Some(user), Some(approval)) => consents::of(c, user, &approval.client)?,
            _ => Vec::new(),
        };
        let factors = all.into_iter().map(|factor| (factor.id, factor.enrolled_at)).collect();
        let has_address = match user {
            Some(user) if mails => !users::addresses(c, user)?.is_empty(),
            _ => false,
        };
        let accounts = if user.is_none() { remembered::of_browser(c, &browser.id)? } else { Vec::new() };
        Ok(Some(Interaction {
            ask,
            progress,
            browser,
            account,
            source,
            accounts,
            remembered,
            has_address,
            factors,
            row,
            askers: Askers::default(),
        }))
    });
    loaded.await
}

fn parsed(id: &InteractionId, ask: &str, progress: &str) -> Option<(Ask, Progress)> {
    let parsed = serde_json::from_str(ask)
        .and_then(|ask| serde_json::from_str(progress).map(|progress| (ask, progress)));
    parsed.inspect_err(|why| tracing::error!(interaction = %id, %why, "interaction.unreadable")).ok()
}

impl Ask {
    /// The factor that somebody has lost, who is here to replace it.
    pub fn lost(&self) -> Option<&CredentialId> {
        match &self.task {
            Some(Task::Replace { lost, .. }) => Some(lost),
            _ => None,
        }
    }
}

impl Interaction {
    /// Which door a change of factors would come through.
    pub fn door(&self) -> Door {
        if self.ask.task.is_some() { Door::Account } else { Door::StepUp }
    }

    pub fn id(&self) -> &InteractionId {
        &self.row.id
    }

    /// What is asked by now, and by whom.
    pub fn ask_anew(&mut self, ask: Ask, askers: Askers) {
        let need = Need { interaction: Some(self.row.id.clone()), ..ask.need };
        self.ask = Ask { need, ..ask };
        self.askers = askers;
    }

    /// What follows: its kind, and what only the feature of that kind reads.
    pub fn then(&self) -> (&str, &str) {
        (&self.row.then_kind, &self.row.then_body)
    }

    pub fn step(&self) -> i64 {
        self.row.step
    }

    /// The live session of the person in this browser, if there is one.
    pub fn session(&self) -> Option<&Session> {
        let user = &self.progress.person()?.user;
        self.browser.sessions.iter().find(|session| session.user == *user)
    }

    /// Everything that was shown and stands: in the session, and here.
    pub fn events(&self) -> Vec<Event> {
        let earlier = self.session().map(|session| session.events.clone()).unwrap_or_default();
        earlier.into_iter().chain(self.proofs()).collect()
    }

    /// What was shown here, as events. A factor that was removed or replaced meanwhile takes its proofs with it.
    fn proofs(&self) -> impl Iterator<Item = Event> {
        let factor = |proof: &Proof| (proof.credential.clone(), proof.factor_enrolled_at);
        let standing =
            self.progress.theirs.proofs.iter().filter(move |proof| self.factors.contains(&factor(proof)));
        standing.map(|proof| proof.event(self.id()))
    }

    /// `proof` was given by `person`.
    pub fn proved(&self, app: &App, person: Person, proof: Proof) -> Progress {
        let session = SessionId::generate(app.entropy.as_ref(), app.now());
        self.progress.proved(person, session, proof)
    }

    /// A line of the audit about its person.
    pub fn entry(&self, app: &App, person: &Person, what: What) -> Entry {
        self.entry_with(app, &self.progress, person, what)
    }

    /// The same, of a step that leads to `progress`.
    pub fn entry_with(&self, app: &App, progress: &Progress, person: &Person, what: What) -> Entry {
        let session = self.session_of(progress, &person.user);
        let entry = app.entry(Actor::User(&person.user, session), what).source(&self.source);
        match &self.ask.approval {
            Some(approval) => entry.client(&approval.client),
            None => entry,
        }
    }

    /// The session that a user is in, or that their proofs open.
    fn session_of<'a>(&'a self, progress: &'a Progress, user: &UserId) -> Option<&'a SessionId> {
        let live = self.browser.sessions.iter().find(|session| session.user == *user);
        live.map(|session| &session.id).or_else(|| progress.opens(user))
    }

    /// What its person has lost, and came here to replace, is not there any more: it was removed in another tab.
    pub fn is_lost_gone(&self) -> bool {
        self.ask.lost().is_some_and(|lost| self.factors.iter().all(|(id, _)| id != lost))
    }

    /// Where it stands, with everything that was shown.
    pub fn stand<'a>(&'a self, app: &App, events: &'a [Event]) -> Stand<'a> {
        Stand {
            events,
            account: self.account.as_ref(),
            signed_in: self.session().is_some(),
            anybody: !self.browser.sessions.is_empty(),
            remembers: !self.accounts.is_empty(),
            hints_elsewhere: self.ask.login_hint.is_some() && self.hinted().is_none(),
            remembered: &self.remembered,
            passkeys: app.passkeys.is_some(),
            mails_codes: self.has_address && app.mail.is_some(),
        }
    }

    /// Whom the application hints at, of those who are or were signed in in this browser. It may be told whom it means; it proves
    /// nothing.
    pub fn hinted(&self) -> Option<&UserId> {
        let hint = self.ask.login_hint.as_deref()?;
        let sessions = self.browser.sessions.iter().map(|session| (&session.user, &session.username));
        let before = self.accounts.iter().map(|account| (&account.user, &account.username));
        sessions.chain(before).find(|(_, name)| name.eq_ignore_ascii_case(hint)).map(|(user, _)| user)
    }

    /// What its person has approved before.
    pub fn remembered(&self) -> &[String] {
        &self.remembered
    }

    /// What a form of `page` is for: the present step; where it says yes to an application, to what its page showed (attack: the
    /// application asks for more between the page and its form).
    pub fn form_step(&self, page: Page) -> Result<String, StoreError> {
        let step = self.step();
        if ![Page::Consent, Page::Continue].contains(&page) {
            return Ok(step.to_string());
        }
        let shown = json(&(&self.ask.asker, &self.ask.approval))?;
        Ok(format!("{step}.{}", Secret::presented(&shown).hash().as_str()))
    }

    /// Binds a form to this interaction and step (attack: a form of another step, tab or browser).
    pub fn form_code(&self, app: &App, step: &str) -> String {
        app.master.code("form", &[self.id().as_str(), step])
    }

    /// Ten minutes from the last completed step, an hour from the beginning.
    fn expires_at(&self, app: &App, now: Time) -> Time {
        let lifetimes = app.config.lifetimes;
        now.plus(lifetimes.interaction).min(self.row.asked_at.plus(lifetimes.interaction_most))
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Unavailable(why.to_string()))
}
