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
    /// What everybody is offered before the first proof, whatever the account has.
    pub fn first_proof(class: String) -> Self {
        let step = |method, uv| vec![Step { method, uv }];
        Self { class, ways: vec![step(Method::Webauthn, true), step(Method::Pwd, false)] }
    }

    /// What can be asked for now: the first leads, the others are other ways.
    pub fn next_methods(&self) -> Vec<Method> {
        let mut methods = Vec::new();
        for step in self.ways.iter().filter_map(|way| way.first()) {
            if !methods.contains(&step.method) {
                methods.push(step.method);
            }
        }
        methods
    }
}
