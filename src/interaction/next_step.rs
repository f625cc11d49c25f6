//! The dispatcher: from an open interaction to the one thing that comes next. Pure; every step returns to it.

use super::Ask;
use super::progress::Person;
use super::progress::Progress;
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
use crate::assurance::policy::Policy;
use crate::base::time::Time;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Which of those who are signed in here?
    Select,
    /// Who are you, and prove it.
    SignIn,
    /// Make an account.
    Create,
    /// Prove that it is still you: this way, or one of the others.
    Prove { person: Person, method: Method, others: Vec<Method> },
    /// What was proved becomes a session before the person is asked to approve: who says no stays signed in.
    Settle,
    /// May the application have this?
    Approve(Person),
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
    /// What its person has approved before.
    pub remembered: &'a [String],
}

/// Past these an interaction ends; of a code only a million exist, so fewer guesses.
pub const MOST_WRONG_PASSWORDS: u32 = 10;
pub const MOST_WRONG_CODES: u32 = 5;

pub fn next_step(ask: &Ask, progress: &Progress, at: &Stand, policy: &Policy, now: Time) -> Next {
    let view = progress.person.as_ref().map(|person| SessionView { user: &person.user, events: at.events });
    let decision = |need: &Need| decide(need, view.as_ref(), at.account, policy, now);
    let unapproved = ask.approval.as_ref().is_some_and(|a| !progress.approved && a.is_open(at.remembered));
    if progress.refused {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "The user did not approve the application."));
    }
    if progress.person.is_some() && at.account.is_none() {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "The account can't be used any more."));
    }
    let mut decided = decision(&ask.need);
    if progress.declined && !matches!(decided, Decision::Satisfied(_)) {
        // A preference that was declined does not stand in the way of an answer (OIDC Core §5.5.1.1).
        decided = decision(&ask.need.without_preference());
        if !matches!(decided, Decision::Satisfied(_)) {
            return Next::End(declined(&ask.need, at.account));
        }
    }
    if progress.wrong_passwords >= MOST_WRONG_PASSWORDS || progress.wrong_codes >= MOST_WRONG_CODES {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "Too many proofs failed; start again."));
    }
    match (decided, &progress.person) {
        (Decision::Satisfied(_), Some(_)) if unapproved && !progress.proofs.is_empty() => Next::Settle,
        (Decision::Satisfied(_), Some(person)) if unapproved => Next::Approve(person.clone()),
        (Decision::Satisfied(assurance), _) => Next::Answer(assurance),
        (Decision::Challenge(_), None) => who(ask, progress, at),
        // Nothing stands between the proof and the answer where the person is known already.
        (Decision::Challenge(_), Some(person))
            if unapproved && at.signed_in && progress.proofs.is_empty() =>
        {
            Next::Approve(person.clone())
        }
        (Decision::Challenge(menu), Some(person)) => prove(&menu, person, progress, ask),
        (Decision::Enrol(_) | Decision::Refuse(_), _) => Next::End(refusal(Reason::Unmet)),
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
        Reason::WouldEnrol | Reason::Unmet => (
            ErrorCode::UnmetAuthenticationRequirements,
            "The user has no factors that could meet the requested authentication.",
        ),
    };
    Fault::new(code, description)
}

fn who(ask: &Ask, progress: &Progress, at: &Stand) -> Next {
    if progress.creating.unwrap_or(ask.create) {
        return Next::Create;
    }
    if ask.select && at.anybody && !progress.elsewhere { Next::Select } else { Next::SignIn }
}

fn prove(menu: &Menu, person: &Person, progress: &Progress, ask: &Ask) -> Next {
    let ways = menu.next_methods().into_iter().filter(|method| matches!(method, Method::Pwd | Method::Otp));
    let ways = ways.collect::<Vec<_>>();
    let chosen = ways.iter().find(|method| progress.way.as_deref() == Some(method.as_str()));
    let Some(method) = chosen.or(ways.first()).copied() else {
        // Only the page of a first proof leads on from here.
        return if ask.need.subject.is_none() { Next::SignIn } else { Next::End(refusal(Reason::Unmet)) };
    };
    let others = ways.into_iter().filter(|other| *other != method).collect();
    Next::Prove { person: person.clone(), method, others }
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
