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
use crate::base::id::InteractionId;
use crate::base::time::Time;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use std::borrow::Cow;

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

/// Too much did not match: it goes no further.
pub const fn is_used_up(progress: &Progress) -> bool {
    progress.wrong_passwords >= MOST_WRONG_PASSWORDS || progress.wrong_codes >= MOST_WRONG_CODES
}

pub fn next_step(ask: &Ask, progress: &Progress, at: &Stand, policy: &Policy, now: Time) -> Next {
    let said_here = progress.theirs.approved_at.is_some();
    let unapproved = ask.approval.as_ref().is_some_and(|a| a.is_open(at.remembered, said_here));
    let (shown, aged) = (at.events, Aged::since(ask, progress, at.events, unapproved));
    let (need, at) = (aged.need.as_ref().unwrap_or(&ask.need), &Stand { events: &aged.events, ..*at });
    let view = progress.person().map(|person| SessionView { user: &person.user, events: at.events });
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
    if progress.theirs.refused {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "The user did not approve the application."));
    }
    if progress.person().is_some() && at.account.is_none() {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "The account can't be used any more."));
    }
    let mut decided = decision(need);
    if progress.theirs.declined && !(matches!(decided, Decision::Satisfied(_)) && ask.task.is_none()) {
        // A preference that was declined does not stand in the way of an answer (OIDC Core §5.5.1.1).
        decided = decision(&need.without_preference());
        if !matches!(decided, Decision::Satisfied(_)) || ask.task.is_some() {
            return Next::End(declined(&ask.need, at.account));
        }
    }
    if is_used_up(progress) {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "Too many proofs failed; start again."));
    }
    match (decided, progress.person()) {
        (Decision::Satisfied(assurance), Some(person)) => {
            let takes_codes = || takes_codes(ask, progress, &Stand { events: shown, ..*at }, now);
            let open = open_task(ask, progress, person, at, demand.as_ref(), takes_codes);
            open.unwrap_or_else(|| satisfied(assurance, person, ask, progress, unapproved))
        }
        (Decision::Satisfied(assurance), None) => Next::Answer(assurance),
        (Decision::Challenge(menu), None) => who(ask, progress, at, &menu),
        // Nothing stands between the proof and the answer where the person is known already.
        (Decision::Challenge(_) | Decision::Enrol(_), Some(person))
            if unapproved && at.signed_in && progress.theirs.proofs.is_empty() =>
        {
            Next::Approve(person.clone())
        }
        (Decision::Challenge(menu), Some(person)) => prove(&menu, person, progress, ask, at, false),
        (Decision::Enrol(menu), Some(person)) => enrol(&menu, person, ask, progress, at, now),
        (Decision::Enrol(_), None) | (Decision::Refuse(_), _) => Next::End(refusal(Reason::Unmet)),
    }
}

/// A proof that was given here counts however old it is. It does so no longer once somebody has read a page after it, that of consent or
/// that of recovery codes: who asked for a proof of the last minute is not answered with one of before that (OIDC Core §3.1.2.1). What is
/// given after the last such page is the last thing that they do, so that nobody is asked a third time.
struct Aged<'a> {
    events: Cow<'a, [Event]>,
    /// Of what has aged, once there is something.
    need: Option<Need>,
}

impl<'a> Aged<'a> {
    fn since(ask: &Ask, progress: &Progress, events: &'a [Event], unapproved: bool) -> Self {
        let unaged = Self { events: Cow::Borrowed(events), need: None };
        let read = progress.theirs.approved_at.max(progress.theirs.codes_at);
        // Consent is still to be read; and what somebody came for by themself is done.
        let read = read.filter(|_| !unapproved && ask.task.is_none());
        let (Some(read), Some(here)) = (read, &ask.need.interaction) else { return unaged };
        let before = |event: &Event| event.interaction == *here && event.at < read;
        if !events.iter().any(before) {
            return unaged;
        }
        // Still of this interaction, where that is asked for, and of nothing but their age otherwise.
        let counts = |event: &&Event| !ask.need.anew || event.interaction == *here;
        let aged = |event: &Event| match before(event) {
            true => Event { interaction: InteractionId::from_text("before that page"), ..event.clone() },
            false => event.clone(),
        };
        let events = events.iter().filter(counts).map(aged).collect();
        Self { events: Cow::Owned(events), need: Some(Need { anew: false, ..ask.need.clone() }) }
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
    Next::SignIn { passkey: at.passkeys && menu.asks_for_a_passkey() }
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
        true if !progress.theirs.proofs.is_empty() => Next::Settle,
        true => Next::Approve(person.clone()),
        false if never_silent && !progress.theirs.acted => Next::Continue(person.clone()),
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
    takes_codes: impl FnOnce() -> bool,
) -> Option<Next> {
    let codes = || Next::OfferCodes(person.clone());
    let theirs = &progress.theirs;
    let open = match &ask.task {
        Some(Task::Enrol(what) | Task::Replace { with: what, .. }) if theirs.enrolled.is_none() => {
            Some(Next::Enrol { person: person.clone(), what: *what, others: Vec::new() })
        }
        Some(Task::RecoveryCodes) if theirs.codes_at.is_none() => Some(codes()),
        // An address may have been verified since it was typed.
        Some(Task::NewPassword)
            if theirs.new_password.is_none() || wants_mailed_code(demand, progress, at) =>
        {
            Some(Next::NewPassword(person.clone()))
        }
        _ => None,
    };
    if let Some(open) = open {
        return Some(after_the_mailed_code(open, person, progress, at, demand));
    }
    let offered = theirs.enrolled.is_some() && ask.lost().is_none() && theirs.codes_at.is_none();
    (offered && takes_codes()).then(codes)
}

/// Whether recovery codes that are offered would be taken: there are none, and what they demand is met as things are.
fn takes_codes(ask: &Ask, progress: &Progress, at: &Stand, now: Time) -> bool {
    let Some(account) = at.account.filter(|account| !account.has(Method::Recovery)) else { return false };
    let door = if ask.task.is_some() { Door::Account } else { Door::StepUp };
    let Some(demand) = demand(&Task::RecoveryCodes, door, account, ask, progress) else { return false };
    let view = progress.person().map(|person| SessionView { user: &person.user, events: at.events });
    matches!(demand.guard.decide(view.as_ref(), account, now), Decision::Satisfied(_))
        && !wants_mailed_code(Some(&demand), progress, at)
}

/// Who adds a factor has to have the mailbox too (attack: a thief of the password, or of an open session).
fn after_the_mailed_code(
    then: Next,
    person: &Person,
    progress: &Progress,
    at: &Stand,
    demand: Option<&Demand>,
) -> Next {
    if wants_mailed_code(demand, progress, at) { Next::ConfirmMail(person.clone()) } else { then }
}

fn wants_mailed_code(demand: Option<&Demand>, progress: &Progress, at: &Stand) -> bool {
    demand.is_some_and(|demand| demand.mailed_code) && at.mails_codes && !progress.theirs.mail_confirmed
}

fn demand(task: &Task, door: Door, account: &Account, ask: &Ask, progress: &Progress) -> Option<Demand> {
    task.demand(account, progress.theirs.enrolled.as_ref(), door, ask.need.interaction.clone())
}

/// Who has taken another way than the passkey goes on there, and is not led back to the passkey.
fn prove(menu: &Menu, person: &Person, progress: &Progress, ask: &Ask, at: &Stand, to_enrol: bool) -> Next {
    let factors = at.account.map(|account| account.factors.as_slice()).unwrap_or_default();
    let possible = |step: &Step| step.method != Method::Webauthn || at.passkeys;
    // Once its events are gone, the menu is the one for strangers: this person is known, and so is what they have.
    let mut steps = menu.next_steps().into_iter().map(|step| step.of(factors)).collect::<Vec<_>>();
    steps.retain(|step| !step.factors.is_empty() && possible(step));
    let chosen = steps.iter().position(|step| progress.theirs.way.as_deref() == Some(step.as_str()));
    match chosen {
        Some(chosen) => steps.rotate_left(chosen),
        None if progress.theirs.way.is_some() => steps.sort_by_key(Step::is_passkey),
        None => {}
    }
    let Some((step, others)) = steps.split_first() else {
        // Only the page of a first proof leads on from here.
        let passkey = at.passkeys && menu.asks_for_a_passkey();
        return match ask.need.subject.is_none() {
            true => Next::SignIn { passkey },
            false => Next::End(refusal(Reason::Unmet)),
        };
    };
    Next::Prove { person: person.clone(), step: step.clone(), others: others.to_vec(), to_enrol }
}

/// A new factor opens no more than what the highest rank of those that are there, shown in this interaction, has opened (attack: a thief
/// of the password sets up a factor of their own). A recovery code opens nothing here.
fn enrol(menu: &Menu, person: &Person, ask: &Ask, progress: &Progress, at: &Stand, now: Time) -> Next {
    let unmet = || Next::End(refusal(Reason::Unmet));
    let Some(account) = at.account else { return unmet() };
    let offered = menu.next_steps();
    let offered = offered.iter().filter_map(Enrolment::of);
    let mut offered = offered.filter(|what| *what == Enrolment::Totp || at.passkeys).collect::<Vec<_>>();
    let chosen = offered.iter().position(|what| progress.theirs.way.as_deref() == Some(what.as_str()));
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

#[cfg(test)]
mod tests {
    use super::super::Asker;
    use super::*;
    use crate::assurance::factors::Factor;
    use crate::assurance::factors::SecondFactor;
    use crate::base::id::CredentialId;
    use crate::base::id::EventId;
    use crate::base::id::UserId;
    use crate::base::time::Seconds;
    use crate::interaction::progress::Theirs;

    const NOW: Time = Time::from_unix_seconds(1_800_000_000);

    fn ask(max_age: Option<u32>, anew: bool) -> Ask {
        let interaction = Some(InteractionId::from_text("here"));
        let need = Need { max_age: max_age.map(Seconds), anew, interaction, ..Need::default() };
        let asker = Asker { name: "Acme Shop".into(), host: None, origin: String::new() };
        Ask {
            need,
            asker,
            login_hint: None,
            select: false,
            create: false,
            approval: None,
            task: None,
            language: None,
        }
    }

    /// A password, so many seconds ago, in an interaction.
    fn shown((interaction, ago): &(&str, u32)) -> Event {
        Event {
            id: EventId::from_text(format!("{interaction} {ago}")),
            method: Method::Pwd,
            at: NOW.minus(Seconds(*ago)),
            interaction: InteractionId::from_text(*interaction),
            credential: CredentialId::from_text("pwd"),
            uv: false,
            device_bound: false,
            attested: false,
            factor_enrolled_at: NOW.minus(Seconds::days(30)),
        }
    }

    /// The age of the answer, or that the password is asked for.
    fn said(ask: &Ask, consent: Option<u32>, events: &[(&str, u32)]) -> Option<u32> {
        let read = consent.map(|ago| NOW.minus(Seconds(ago)));
        let by_consent = said_after(ask, events, |theirs| theirs.approved_at = read);
        let by_codes = said_after(ask, events, |theirs| theirs.codes_at = read);
        assert_eq!(by_consent, by_codes);
        by_consent
    }

    fn said_after(ask: &Ask, events: &[(&str, u32)], read: impl FnOnce(&mut Theirs)) -> Option<u32> {
        let ada = Person { user: UserId::from_text("ada"), username: "ada".into() };
        let progress = Progress::about(Some(ada)).with(read);
        let events = events.iter().map(shown).collect::<Vec<_>>();
        let factor = Factor {
            credential: CredentialId::from_text("pwd"),
            method: Method::Pwd,
            uv: false,
            device_bound: false,
            attested: false,
            enrolled_at: NOW.minus(Seconds::days(30)),
        };
        let account = Account {
            user: UserId::from_text("ada"),
            factors: vec![factor],
            second_factor: SecondFactor::StepUp,
        };
        let stand = Stand {
            events: &events,
            account: Some(&account),
            signed_in: true,
            anybody: true,
            remembers: false,
            hints_elsewhere: false,
            remembered: &[],
            passkeys: true,
            mails_codes: false,
        };
        let next = next_step(ask, &progress, &stand, &Policy::default(), NOW);
        if let Next::Answer(assurance) = next {
            return Some(NOW.seconds_since(assurance.auth_time).0);
        }
        assert!(matches!(next, Next::Prove { step: Step { method: Method::Pwd, .. }, .. }), "{next:?}");
        None
    }

    #[test]
    fn a_proof_of_before_a_page_that_was_read_is_as_old_as_it_is_and_one_of_after_it_is_the_last_word() {
        for (max_age, anew, consent, events, expected) in [
            (Some(2), false, None, &[("here", 6)][..], Some(6)),
            (Some(2), false, Some(1), &[("here", 6)], None),
            (Some(6), false, Some(1), &[("here", 6)], Some(6)),
            (Some(0), true, Some(0), &[("here", 1)], None),
            (Some(0), true, Some(0), &[("here", 0)], Some(0)),
            // Given once more, and slowly.
            (Some(2), false, Some(90), &[("here", 99), ("here", 80)], Some(80)),
            (Some(0), true, Some(90), &[("here", 99), ("here", 80)], Some(80)),
            // Anew is anew, however long ago; and what was shown elsewhere is no help.
            (None, true, Some(1), &[("here", 500)], Some(500)),
            (Some(60), true, Some(1), &[("here", 500), ("elsewhere", 5)], None),
            (Some(60), false, Some(1), &[("here", 500), ("elsewhere", 5)], Some(5)),
            (None, false, Some(1), &[("here", 500)], Some(500)),
        ] {
            assert_eq!(
                said(&ask(max_age, anew), consent, events),
                expected,
                "{max_age:?} {consent:?} {events:?}"
            );
        }
    }
}
