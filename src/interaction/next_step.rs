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
    /// Who are you, and prove it.
    SignIn,
    /// Prove that it is still you: this way, or one of the others.
    Prove { person: Person, method: Method, others: Vec<Method> },
    /// The need is met.
    Answer(Assurance),
    /// It can't be, or shall not be.
    End(Fault),
}

/// Past these an interaction ends; of a code only a million exist, so fewer guesses.
pub const MOST_WRONG_PASSWORDS: u32 = 10;
pub const MOST_WRONG_CODES: u32 = 5;

pub fn next_step(
    ask: &Ask,
    progress: &Progress,
    events: &[Event],
    account: Option<&Account>,
    policy: &Policy,
    now: Time,
) -> Next {
    let view = progress.person.as_ref().map(|person| SessionView { user: &person.user, events });
    let decision = |need: &Need| decide(need, view.as_ref(), account, policy, now);
    let decided = decision(&ask.need);
    if let Decision::Satisfied(assurance) = decided {
        return Next::Answer(assurance);
    }
    if progress.declined {
        // A preference that was declined does not stand in the way of an answer (OIDC Core §5.5.1.1).
        return match decision(&ask.need.without_preference()) {
            Decision::Satisfied(assurance) => Next::Answer(assurance),
            _ => Next::End(declined(&ask.need, account)),
        };
    }
    if progress.wrong_passwords >= MOST_WRONG_PASSWORDS || progress.wrong_codes >= MOST_WRONG_CODES {
        return Next::End(Fault::new(ErrorCode::AccessDenied, "Too many proofs failed; start again."));
    }
    match (decided, &progress.person) {
        (Decision::Challenge(_), None) => Next::SignIn,
        (Decision::Challenge(menu), Some(person)) => prove(&menu, person, progress, ask),
        (Decision::Satisfied(assurance), _) => Next::Answer(assurance),
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
        || account.is_some_and(Account::requires_second_factor);
    if class_open {
        let description = "The user declined the requested authentication.";
        return Fault::new(ErrorCode::UnmetAuthenticationRequirements, description);
    }
    Fault::new(ErrorCode::AccessDenied, "The user declined.")
}
