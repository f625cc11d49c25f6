//! What somebody came for by themself, and what each change of their factors demands: the one table that every door uses, the account
//! pages as well as an enrolment in the middle of a step-up. It is asked again at every step, and in the transaction that acts.

use super::enrol::Enrolment;
use crate::assurance::factors::Account;
use crate::assurance::guard::Fresh;
use crate::assurance::guard::Guard;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::InteractionId;
use crate::base::time::Seconds;
use serde::Deserialize;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    Enrol(Enrolment),
    RecoveryCodes,
    NewPassword,
    /// Of a passkey or a security key.
    Rename,
    Remove,
    /// What was lost, and what will stand in for it.
    Replace {
        lost: CredentialId,
        with: Enrolment,
    },
}

/// What has to be shown before a change is made.
pub struct Demand {
    pub guard: Guard,
    /// A code that was mailed to a verified address, where mail is set up and there is one.
    pub mailed_code: bool,
}

/// Through which a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Somebody looks after their account.
    Account,
    /// A request of an application needs a factor that its user lacks.
    StepUp,
}

/// How long ago a proof may have been given that opens the account's door.
const FRESH: Seconds = Seconds::minutes(5);

impl Task {
    /// `None` where the account can't do this: nothing is left that it could prove itself with, or there is nothing that recovery codes
    /// could stand in for. `set_up_here` is a factor that this very interaction has set up: it opens nothing more here, and it asks for
    /// nothing more.
    pub fn demand(
        &self,
        account: &Account,
        set_up_here: Option<&CredentialId>,
        door: Door,
        interaction: Option<InteractionId>,
    ) -> Option<Demand> {
        let before = match set_up_here {
            Some(new) => account.clone().without(new),
            None => account.clone(),
        };
        let highest = |interaction| Guard::of_highest(&before, door.fresh(), interaction);
        let (guard, mailed_code) = match self {
            Self::Enrol(_) => (highest(interaction)?, true),
            // What the password can derive is no second factor to the password.
            Self::RecoveryCodes if !account.has_second_factor() => return None,
            Self::RecoveryCodes => (highest(interaction)?, true),
            // The first password is one factor more.
            Self::NewPassword => (highest(interaction)?, !account.has(Method::Pwd)),
            Self::Rename | Self::Remove => (highest(interaction)?, false),
            Self::Replace { .. } => (Guard::of_replacement(&before, interaction), true),
        };
        Some(Demand { guard, mailed_code })
    }
}

impl Door {
    const fn fresh(self) -> Fresh {
        match self {
            Self::Account => Fresh::Within(FRESH),
            Self::StepUp => Fresh::Here,
        }
    }
}
