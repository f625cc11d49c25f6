//! The heart: from what was shown, by whom and when, to the one true statement that a token may make.
//! Pure and total; the only place where `acr`, `amr` and `auth_time` come from (OIDC Core §2, RFC 9470 §5).

pub mod factors;
pub mod ledger;
pub mod need;
pub mod plan;
pub mod policy;

mod judge;

use crate::base::id::UserId;
use crate::base::time::Time;
use factors::Account;
use judge::Judge;
use ledger::Assurance;
use ledger::Event;
use need::Need;
use need::Requested;
use plan::Menu;
use policy::Policy;

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// State this.
    Satisfied(Assurance),
    /// Ask the person for one of these.
    Challenge(Menu),
    /// Nothing the account has would do; one of these, set up now, would.
    Enrol(Menu),
    Refuse(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Only classes were asked for that this server does not know.
    UnknownClass,
    /// Somebody would have to act, and the request forbids a page.
    LoginRequired,
    /// A factor would have to be set up, and the request forbids a page.
    WouldEnrol,
    /// Nobody can show this.
    Unmet,
}

/// Whose events these are: those of the session that stand, and the proofs that rest in the interaction.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    pub user: &'a UserId,
    pub events: &'a [Event],
}

/// Decides what `need` gets from what was shown so far.
pub fn decide(
    need: &Need,
    session: Option<&SessionView>,
    account: Option<&Account>,
    policy: &Policy,
    now: Time,
) -> Decision {
    let judge = Judge { need, policy, now };
    if judge.only_unknown_classes() {
        return Decision::Refuse(Reason::UnknownClass);
    }
    let Some((events, account)) = known_person(need, session, account) else {
        return match need.silent {
            true => Decision::Refuse(Reason::LoginRequired),
            false => Decision::Challenge(Menu::first_proof(judge.leading_class())),
        };
    };
    if let Some(assurance) = judge.statement(events, account) {
        return Decision::Satisfied(assurance);
    }
    let preferred = matches!(need.requested, Requested::Preferred(_));
    let without_preference = || decide(&need.without_preference(), session, Some(account), policy, now);
    if need.silent && preferred {
        return without_preference();
    }
    if let Some(menu) = judge.challenge(events, account) {
        return if need.silent { Decision::Refuse(Reason::LoginRequired) } else { Decision::Challenge(menu) };
    }
    if preferred {
        return without_preference();
    }
    match judge.enrolment(events, account) {
        Some(_) if need.silent => Decision::Refuse(Reason::WouldEnrol),
        Some(menu) => Decision::Enrol(menu),
        None => Decision::Refuse(Reason::Unmet),
    }
}

/// Before the first proof nobody is known, and every account looks the same.
fn known_person<'a>(
    need: &Need,
    session: Option<&SessionView<'a>>,
    account: Option<&'a Account>,
) -> Option<(&'a [Event], &'a Account)> {
    let (session, account) = (session?, account?);
    let named = need.subject.as_ref().is_none_or(|subject| subject == session.user);
    (named && *session.user == account.user && !session.events.is_empty())
        .then_some((session.events, account))
}
