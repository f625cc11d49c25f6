//! What an account has to prove itself with. What it *has* never changes what was *shown*.

use super::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::UserId;
use crate::base::time::Time;

/// One factor of an account, and the best that it can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    pub credential: CredentialId,
    pub method: Method,
    pub uv: bool,
    pub device_bound: bool,
    pub attested: bool,
    pub enrolled_at: Time,
}

/// When a user who set up TOTP is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// At every sign-in.
    SignIn,
    /// Only where a request asks for it.
    StepUp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub user: UserId,
    pub factors: Vec<Factor>,
    pub second_factor: SecondFactor,
}

impl Account {
    /// As it is for somebody who has lost this factor.
    pub fn without(mut self, lost: &CredentialId) -> Self {
        self.factors.retain(|factor| factor.credential != *lost);
        self
    }

    pub fn has_factor(&self, factor: &CredentialId) -> bool {
        self.factors.iter().any(|one| one.credential == *factor)
    }

    pub fn has(&self, method: Method) -> bool {
        self.factors.iter().any(|factor| factor.method == method)
    }

    /// Something beside the password that can be lost, and that recovery codes stand in for.
    pub fn has_second_factor(&self) -> bool {
        self.has(Method::Webauthn) || self.has(Method::Otp)
    }

    /// Does the account require AAL2? Only TOTP makes it so; a passkey is optional and raises no floor.
    pub fn requires_aal2(&self) -> bool {
        self.has(Method::Otp) && self.second_factor == SecondFactor::SignIn
    }
}
