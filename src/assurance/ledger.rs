//! Events, which only a verified proof makes, and the statement that they carry.

use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::InteractionId;
use crate::base::time::Time;

/// How something was proved. The order is the one in which ways are offered: the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Webauthn,
    Pwd,
    Otp,
    Recovery,
}

/// One proof, verified, and when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub method: Method,
    pub at: Time,
    /// The interaction it was given in.
    pub interaction: InteractionId,
    pub credential: CredentialId,
    /// The authenticator verified its user.
    pub uv: bool,
    pub device_bound: bool,
    pub attested: bool,
    pub factor_enrolled_at: Time,
}

/// One true statement: since `auth_time`, everything that the class wants fresh was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assurance {
    /// The class, by the name the client wrote.
    pub acr: String,
    /// Methods (RFC 8176) of the combination behind `acr`.
    pub amr: Vec<&'static str>,
    /// When the oldest fresh proof of that combination was given.
    pub auth_time: Time,
    /// Every event that the answer rests on, floors included.
    pub events: Vec<EventId>,
    pub credentials: Vec<CredentialId>,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webauthn => "webauthn",
            Self::Pwd => "pwd",
            Self::Otp => "otp",
            Self::Recovery => "recovery",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Webauthn, Self::Pwd, Self::Otp, Self::Recovery]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}

/// The `amr` of a combination (RFC 8176 §2): `mfa` for two kinds of factor, or a passkey that verified its user.
pub fn amr(events: &[&Event]) -> Vec<&'static str> {
    let shown = |method: Method| events.iter().any(|event| event.method == method);
    let passkey = shown(Method::Webauthn);
    let verified = events.iter().any(|event| event.method == Method::Webauthn && event.uv);
    let knowledge = shown(Method::Pwd);
    let code = shown(Method::Otp) || shown(Method::Recovery);
    [
        ("pwd", knowledge),
        ("otp", code),
        ("webauthn", passkey),
        ("pop", passkey),
        ("user", verified),
        ("mfa", verified || (knowledge && (code || passkey))),
    ]
    .into_iter()
    .filter_map(|(name, holds)| holds.then_some(name))
    .collect()
}
