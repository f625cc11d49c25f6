//! What a person may be asked for: ways that lead from here to the need, and nothing else.

use super::factors::Factor;
use super::ledger::Method;
use crate::base::id::CredentialId;

/// The ways to the need, the one to offer first in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// The class that leads, by the name the client wrote.
    pub class: String,
    /// Each a set of proofs, none of which could be left out, in the order to ask for them.
    pub ways: Vec<Vec<Step>>,
}

/// One proof to ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub method: Method,
    /// The authenticator must verify its user.
    pub uv: bool,
    /// The factors of the account that lead on from here. With another one of the same kind, whose key is synced, say, or which is too
    /// new, the same would be asked for without end. Before the first proof nobody is known, and none is named.
    pub factors: Vec<CredentialId>,
}

impl Menu {
    /// What everybody is offered before the first proof, whatever the account has. A password always: who lacks what is
    /// needed may set it up.
    pub fn first_proof(class: String, passkey_helps: bool) -> Self {
        let step = |method, uv| vec![Step::of_anybody(method, uv)];
        let passkey = passkey_helps.then(|| step(Method::Webauthn, true));
        Self { class, ways: passkey.into_iter().chain([step(Method::Pwd, false)]).collect() }
    }

    /// What can be asked for now, each kind of proof once: the first leads, the others are other ways.
    pub fn next_steps(&self) -> Vec<Step> {
        let mut steps = Vec::<Step>::new();
        for step in self.ways.iter().filter_map(|way| way.first()) {
            match steps.iter_mut().find(|known| (known.method, known.uv) == (step.method, step.uv)) {
                Some(known) => known.factors.extend(step.factors.iter().cloned()),
                None => steps.push(step.clone()),
            }
        }
        for step in &mut steps {
            step.factors.sort();
            step.factors.dedup();
        }
        steps
    }

    /// Whether a passkey may be asked for now.
    pub fn asks_for_a_passkey(&self) -> bool {
        self.ways.iter().filter_map(|way| way.first()).any(Step::is_passkey)
    }
}

impl Step {
    pub const fn of_anybody(method: Method, uv: bool) -> Self {
        Self { method, uv, factors: Vec::new() }
    }

    /// The same for somebody who is known by now: where no factor is named, any one of theirs will do.
    pub fn of(self, theirs: &[Factor]) -> Self {
        if !self.factors.is_empty() {
            return self;
        }
        let of_kind = theirs.iter().filter(|factor| factor.method == self.method && factor.uv == self.uv);
        Self { factors: of_kind.map(|factor| factor.credential.clone()).collect(), ..self }
    }

    pub fn is_passkey(&self) -> bool {
        self.method == Method::Webauthn && self.uv
    }

    /// Of a kind of proof; with it a person's choice is remembered.
    pub const fn as_str(&self) -> &'static str {
        match self.method {
            Method::Webauthn if self.uv => "passkey",
            Method::Webauthn => "security-key",
            Method::Pwd | Method::Otp | Method::Recovery => self.method.as_str(),
        }
    }
}
