//! Two questions that are easily mixed up: what must the account show, and what did the session show? (NIST SP 800-63B §4)
//! Only a mandatory second factor makes an account require AAL2; a registered passkey raises no floor.

use super::factors::Account;
use super::judge::Judge;
use super::ledger::Event;
use super::need::Need;
use super::policy::Policy;
use crate::base::time::Time;

/// An authenticator assurance level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aal {
    One,
    Two,
}

impl Aal {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "aal1",
            Self::Two => "aal2",
        }
    }
}

/// What the account must show at every sign-in.
pub fn of_account(account: &Account) -> Aal {
    if account.requires_aal2() { Aal::Two } else { Aal::One }
}

/// What was shown in the session and stands: AAL2 is whatever serves the class that a mandatory second factor asks for.
pub fn of_session(events: &[Event], policy: &Policy, now: Time) -> Aal {
    let judge = Judge { need: &Need::default(), policy, now };
    if judge.shows_second_factor(events) { Aal::Two } else { Aal::One }
}
