//! What a person may be asked for: ways that lead from here to the need, and nothing else.

use super::ledger::Method;

/// The ways to the need, the one to offer first in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// The class that leads, by the name the client wrote.
    pub class: String,
    /// Each a set of proofs, none of which could be left out, in the order to ask for them.
    pub ways: Vec<Vec<Step>>,
}

/// One proof to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub method: Method,
    /// The authenticator must verify its user.
    pub uv: bool,
}

impl Menu {
    /// What everybody is offered before the first proof, whatever the account has. A password always: who lacks what is
    /// needed may set it up.
    pub fn first_proof(class: String, passkey_helps: bool) -> Self {
        let step = |method, uv| vec![Step { method, uv }];
        let passkey = passkey_helps.then(|| step(Method::Webauthn, true));
        Self { class, ways: passkey.into_iter().chain([step(Method::Pwd, false)]).collect() }
    }

    /// What can be asked for now: the first leads, the others are other ways.
    pub fn next_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for step in self.ways.iter().filter_map(|way| way.first()) {
            if !steps.contains(step) {
                steps.push(*step);
            }
        }
        steps
    }
}

impl Step {
    pub const PASSKEY: Self = Self { method: Method::Webauthn, uv: true };

    /// Of a kind of proof; with it a person's choice is remembered.
    pub const fn as_str(self) -> &'static str {
        match self.method {
            Method::Webauthn if self.uv => "passkey",
            Method::Webauthn => "security-key",
            Method::Pwd | Method::Otp | Method::Recovery => self.method.as_str(),
        }
    }
}
