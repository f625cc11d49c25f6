//! What a request needs before it can be answered.

use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use serde::Deserialize;
use serde::Serialize;

/// Made from the request, its client and its resource servers; kept with the interaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    pub requested: Requested,
    /// Classes that must hold whatever was requested.
    pub floors: Vec<String>,
    /// The smallest of the request's, the client's and the resources' ages, in seconds.
    pub max_age: Option<Seconds>,
    /// Every proof must be given in this interaction (`prompt=login`, `max_age=0`).
    pub anew: bool,
    /// No page may be shown (`prompt=none`).
    pub silent: bool,
    pub subject: Option<UserId>,
    pub interaction: Option<InteractionId>,
}

/// Names of classes, as the client wrote them, in its order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requested {
    /// The weakest class will do.
    #[default]
    Any,
    /// RFC 9470 §5: one of these, or an error.
    Required(Vec<String>),
    /// OIDC Core §5.5.1.1: attempted, but never in the way of an answer.
    Preferred(Vec<String>),
}

impl Need {
    /// The same need once a preference has turned out not to be met.
    pub fn without_preference(&self) -> Self {
        match &self.requested {
            Requested::Preferred(_) => Self { requested: Requested::Any, ..self.clone() },
            Requested::Any | Requested::Required(_) => self.clone(),
        }
    }
}
