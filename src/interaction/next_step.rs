//! The dispatcher: from an open interaction to the one thing that comes next. Pure; every step returns to it.

use super::Ask;
use super::enrol::Enrolment;
use super::progress::Person;
use super::progress::Progress;
use super::task::Demand;
use super::task::Door;
use super::task::Task;
use crate::assurance::Decision;
use crate::assurance::Reason;
use crate::assurance::SessionView;
use crate::assurance::decide;
use crate::assurance::factors::Account;
use crate::assurance::ledger::Assurance;
use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::assurance::need::Need;
use crate::assurance::need::Requested;
use crate::assurance::plan::Menu;
use crate::assurance::plan::Step;
use crate::assurance::policy::Policy;
use crate::base::time::Time;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Which of those who are signed in or remembered here?
    Select,
    /// Who are you, and prove it.
    SignIn {
        /// A passkey may do.
        passkey: bool,
    },
    /// Make an account.
    Create,
    /// Prove that it is still you: this way, or one of the others, in turn.
    Prove {
        person: Person,
        step: Step,
        others: Vec<Step>,
        /// It is asked for because something shall be set up after it.
        to_enrol: bool,
    },
    /// Enter the code that was mailed to you, before something is set up.
    ConfirmMail(Person),
    /// Set this up, or one of the others.
    Enrol { person: Person, what: Enrolment, others: Vec<Enrolment> },
    /// Keep these recovery codes.
    OfferCodes(Person),
    /// Choose another password.
    NewPassword(Person),
    /// What was proved becomes a session before the person is asked to approve: who says no stays signed in.
    Settle,
    /// May the application have this?
    Approve(Person),
    /// Shall the application have it this time too?
    Continue(Person),
    /// The need is met.
    Answer(Assurance),
    /// It can't be, or shall not be.
    End(Fault),
}

/// Where an interaction stands, as far as it does not say so itself.
#[derive(Clone, Copy)]
pub struct Stand<'a> {
    /// Everything that its person has shown: in the session, and here.
    pub events: &'a [Event],
    pub account: Option<&'a Account>,
    /// Its person is signed in in this browser.
    pub signed_in: bool,
    /// Somebody is.
    pub anybody: bool,
    /// Accounts were used in this browser before.
    pub remembers: bool,
    /// The application hints at an account that nobody used in this browser.
    pub hints_elsewhere: bool,
    /// What its person has approved before.
    pub remembered: &'a [String],
    /// Passkeys can be used here at all.
    pub passkeys: bool,
    /// A code can be mailed to a verified address of its person.
    pub mails_codes: bool,
}

/// Past these an interaction ends; of a code only a million exist, so fewer guesses.
pub const MOST_WRONG_PASSWORDS: u32 = 10;
pub const MOST_WRONG_CODES: u32 = 5;

pub fn next_step(ask: &Ask, progress: &Progress, at: &Stand, policy: &Policy, now: Time) -> Next {
    let view = progress.person.as_ref().map(|person| SessionView { user: &person.user, events: at.events });
    let demand = match (&ask.task, at.account) {
        (Some(task), Some(account)) => match demand(task, Door::Account, account, ask, progress) {
            Some(demand) => Some(demand),
            None => return Next::End(refusal(Reason::Unmet)),
        },
        _ => None,
    };
    let decision = |need: &Need| match (&demand, at.account) {
        (Some(demand), Some(account)) => demand.guard.decide(view.as_ref(), account, now),
        _ => decide(need, view.as_ref(), at.account, policy, now),
    };
    let unapproved = ask.approval.as_ref().is_some_and(|a| a.is_open(at.remembered, progress.approved));
    if progress.refused {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "The user did not approve the application."));
    }
    if progress.person.is_some() && at.account.is_none() {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "The account can't be used any more."));
    }
    let mut decided = decision(&ask.need);
    if progress.declined && !(matches!(decided, Decision::Satisfied(_)) && ask.task.is_none()) {
        // A preference that was declined does not stand in the way of an answer (OIDC Core §5.5.1.1).
        decided = decision(&ask.need.without_preference());
        if !matches!(decided, Decision::Satisfied(_)) || ask.task.is_some() {
            return Next::End(declined(&ask.need, at.account));
        }
    }
    if progress.wrong_passwords >= MOST_WRONG_PASSWORDS || progress.wrong_codes >= MOST_WRONG_CODES {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "Too many proofs failed; start again."));
    }
    match (decided, &progress.person) {
        (Decision::Satisfied(assurance), Some(person)) => {
            let open = open_task(ask, progress, person, at, demand.as_ref());
            open.unwrap_or_else(|| satisfied(assurance, person, ask, progress, unapproved))
        }
        (Decision::Satisfied(assurance), None) => Next::Answer(assurance),
        (Decision::Challenge(menu), None) => who(ask, progress, at, &menu),
        // Nothing stands between the proof and the answer where the person is known already.
        (Decision::Challenge(_) | Decision::Enrol(_), Some(person))
            if unapproved && at.signed_in && progress.proofs.is_empty() =>
        {
            Next::Approve(person.clone())
        }
        (Decision::Challenge(menu), Some(person)) => prove(&menu, person, progress, ask, at, false),
        (Decision::Enrol(menu), Some(person)) => enrol(&menu, person, ask, progress, at, now),
        (Decision::Enrol(_), None) | (Decision::Refuse(_), _) => Next::End(refusal(Reason::Unmet)),
    }
}

/// The answer that a refusal of the decision gets.
pub fn refusal(reason: Reason) -> Fault {
    let (code, description) = match reason {
        Reason::UnknownClass => (
            ErrorCode::UnmetAuthenticationRequirements,
            "None of the requested acr values is known here; see acr_values_supported.",
        ),
        Reason::LoginRequired => {
            (ErrorCode::LoginRequired, "The user would have to act, and prompt=none forbids it.")
        }
        Reason::WouldEnrol => (
            ErrorCode::InteractionRequired,
            "The user would have to set up a factor, and prompt=none forbids it.",
        ),
        Reason::Unmet => (
            ErrorCode::UnmetAuthenticationRequirements,
            "The user has no factors that could meet the requested authentication.",
        ),
    };
    Fault::new(code, description)
}

fn who(ask: &Ask, progress: &Progress, at: &Stand, menu: &Menu) -> Next {
    if progress.creating.unwrap_or(ask.create) {
        return Next::Create;
    }
    let offered = at.remembers && ask.need.subject.is_none() && (ask.select || !at.hints_elsewhere);
    let choice = if at.anybody { ask.select } else { offered };
    if choice && !progress.elsewhere && !progress.chosen && progress.typed.is_none() {
        return Next::Select;
    }
    Next::SignIn { passkey: at.passkeys && menu.next_steps().contains(&Step::PASSKEY) }
}

fn satisfied(
    assurance: Assurance,
    person: &Person,
    ask: &Ask,
    progress: &Progress,
    unapproved: bool,
) -> Next {
    let never_silent = ask.approval.as_ref().is_some_and(|approval| approval.never_silent);
    match unapproved {
        true if !progress.proofs.is_empty() => Next::Settle,
        true => Next::Approve(person.clone()),
        false if never_silent && !progress.acted => Next::Continue(person.clone()),
        false => Next::Answer(assurance),
    }
}

/// What somebody came for; and recovery codes, after the first factor that can be lost.
fn open_task(
    ask: &Ask,
    progress: &Progress,
    person: &Person,
    at: &Stand,
    demand: Option<&Demand>,
) -> Option<Next> {
    let codes = || Next::OfferCodes(person.clone());
    let open = match &ask.task {
        Some(Task::Enrol(what) | Task::Replace { with: what, .. }) if progress.enrolled.is_none() => {
            Some(Next::Enrol { person: person.clone(), what: *what, others: Vec::new() })
        }
        Some(Task::RecoveryCodes) if !progress.codes_settled => Some(codes()),
        Some(Task::NewPassword) if progress.new_password.is_none() => Some(Next::NewPassword(person.clone())),
        _ => None,
    };
    if let Some(open) = open {
        return Some(after_the_mailed_code(open, person, progress, at, demand));
    }
    let has_codes = at.account.is_some_and(|account| account.has(Method::Recovery));
    let waits = ask.lost().is_some();
    (progress.enrolled.is_some() && !waits && !progress.codes_settled && !has_codes).then(codes)
}

/// Who adds a factor has to have the mailbox too (attack: a thief of the password, or of an open session).
fn after_the_mailed_code(
    then: Next,
    person: &Person,
    progress: &Progress,
    at: &Stand,
    demand: Option<&Demand>,
) -> Next {
    let is_wanted = demand.is_some_and(|demand| demand.mailed_code);
    if is_wanted && at.mails_codes && !progress.mail_confirmed {
        return Next::ConfirmMail(person.clone());
    }
    then
}

fn demand(task: &Task, door: Door, account: &Account, ask: &Ask, progress: &Progress) -> Option<Demand> {
    task.demand(account, progress.enrolled.as_ref(), door, ask.need.interaction.clone())
}

/// Who has taken another way than the passkey goes on there, and is not led back to the passkey.
fn prove(menu: &Menu, person: &Person, progress: &Progress, ask: &Ask, at: &Stand, to_enrol: bool) -> Next {
    let factors = at.account.map(|account| account.factors.as_slice()).unwrap_or_default();
    // Once its events are gone, the menu is the one for strangers: this person is known, and so is what they have.
    let has = |step: &Step| factors.iter().any(|f| f.method == step.method && f.uv >= step.uv);
    let possible = |step: &Step| step.method != Method::Webauthn || at.passkeys;
    let mut steps = menu.next_steps();
    steps.retain(|step| has(step) && possible(step));
    let chosen = steps.iter().position(|step| progress.way.as_deref() == Some(step.as_str()));
    match chosen {
        Some(chosen) => steps.rotate_left(chosen),
        None if progress.way.is_some() => steps.sort_by_key(|step| *step == Step::PASSKEY),
        None => {}
    }
    let Some((step, others)) = steps.split_first() else {
        // Only the page of a first proof leads on from here.
        let passkey = at.passkeys && menu.next_steps().contains(&Step::PASSKEY);
        return match ask.need.subject.is_none() {
            true => Next::SignIn { passkey },
            false => Next::End(refusal(Reason::Unmet)),
        };
    };
    Next::Prove { person: person.clone(), step: *step, others: others.to_vec(), to_enrol }
}

/// A new factor opens no more than what the highest rank of those that are there, shown in this interaction, has opened (attack: a thief
/// of the password sets up a factor of their own). A recovery code opens nothing here.
fn enrol(menu: &Menu, person: &Person, ask: &Ask, progress: &Progress, at: &Stand, now: Time) -> Next {
    let unmet = || Next::End(refusal(Reason::Unmet));
    let Some(account) = at.account else { return unmet() };
    let offered = menu.next_steps().into_iter().filter_map(Enrolment::of);
    let mut offered = offered.filter(|what| *what == Enrolment::Totp || at.passkeys).collect::<Vec<_>>();
    let chosen = offered.iter().position(|what| progress.way.as_deref() == Some(what.as_str()));
    offered.rotate_left(chosen.unwrap_or(0));
    let Some((what, others)) = offered.split_first() else { return unmet() };
    let demand = demand(&Task::Enrol(*what), Door::StepUp, account, ask, progress);
    let Some(demand) = demand else { return unmet() };
    let view = SessionView { user: &person.user, events: at.events };
    match demand.guard.decide(Some(&view), account, now) {
        Decision::Satisfied(_) => {
            let then = Next::Enrol { person: person.clone(), what: *what, others: others.to_vec() };
            after_the_mailed_code(then, person, progress, at, Some(&demand))
        }
        Decision::Challenge(menu) => prove(&menu, person, progress, ask, at, true),
        Decision::Enrol(_) | Decision::Refuse(_) => unmet(),
    }
}

fn declined(need: &Need, account: Option<&Account>) -> Fault {
    let class_open = matches!(need.requested, Requested::Required(_))
        || !need.floors.is_empty()
        || account.is_some_and(Account::requires_aal2);
    if class_open {
        let description = "The user declined the requested authentication.";
        return Fault::new(ErrorCode::UnmetAuthenticationRequirements, description);
    }
    Fault::new(ErrorCode::AccessDenied, "The user declined.")
}
