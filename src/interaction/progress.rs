//! How far an interaction has come: the JSON that rests in its row between two steps.

use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::password::BadPassword;
use crate::store::users::LoginName;
use serde::Deserialize;
use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Who it is about: the user of the session, or whoever gave the first proof.
    pub person: Option<Person>,
    pub proofs: Vec<Proof>,
    /// Counted apart, and taken back by success of the same factor only: who knows the password gains no code by it.
    pub wrong_passwords: u32,
    pub wrong_codes: u32,
    pub notice: Option<Notice>,
    /// The name that was typed with a password that did not match, to be shown again.
    pub typed: Option<LoginName>,
    /// The method that was chosen with "try another way".
    pub way: Option<String>,
    pub declined: bool,
    /// The application may have what it asks for; or may not.
    #[serde(default)]
    pub approved: bool,
    #[serde(default)]
    pub refused: bool,
    /// None of the accounts that are signed in here.
    #[serde(default)]
    pub elsewhere: bool,
    /// Whether an account shall be made, once the person has said so; until then the request decides.
    #[serde(default)]
    pub creating: Option<bool>,
    /// The name in `typed` was chosen from those that are remembered here, and no other one is meant.
    #[serde(default)]
    pub chosen: bool,
    /// A factor was set up here.
    #[serde(default)]
    pub enrolled: bool,
    /// Recovery codes were kept, or not wanted.
    #[serde(default)]
    pub codes_settled: bool,
    /// The PHC string of a password that takes the place of the old one with the answer.
    #[serde(default)]
    pub new_password: Option<String>,
    /// How many codes were mailed, and whether the last one came back.
    #[serde(default)]
    pub mailed: u32,
    #[serde(default)]
    pub mail_confirmed: bool,
    /// No code is mailed before then: the address has had enough of them.
    #[serde(default)]
    pub mails_full: Option<Time>,
    /// A passkey was shown that nobody has here any more (base64url of its id): the browser may forget it.
    #[serde(default)]
    pub unknown_passkey: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub user: UserId,
    pub username: String,
}

/// A verified proof that is not an event yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    pub id: EventId,
    pub method: String,
    pub at: Time,
    pub credential: CredentialId,
    pub factor_enrolled_at: Time,
    #[serde(default)]
    pub uv: bool,
    #[serde(default)]
    pub device_bound: bool,
}

/// What the next page says about the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    WrongPassword,
    WrongCode,
    WrongRecoveryCode,
    /// The passkey was refused, or never came.
    WrongPasskey,
    /// Its ceremony is over: too late, or answered already.
    LatePasskey,
    UnknownPasskey,
    /// It is somebody's already.
    PasskeyTaken,
    /// Another replacement waits already.
    ReplacementWaits,
    /// The code that completes the set-up of an authenticator app.
    WrongSetupCode,
    WrongMailCode,
    NameTaken,
    BadName,
    BadPassword(BadPassword),
}

impl Progress {
    /// From the beginning, for somebody else; what failed so far still counts.
    pub fn for_another_account(&self) -> Self {
        Self {
            wrong_passwords: self.wrong_passwords,
            wrong_codes: self.wrong_codes,
            elsewhere: true,
            ..Self::default()
        }
    }

    /// For one of the accounts that are signed in here.
    pub fn for_account(&self, person: Person) -> Self {
        Self { person: Some(person), ..self.clone() }
    }

    /// What was proved has become events.
    pub fn settled(&self) -> Self {
        Self { proofs: Vec::new(), ..self.clone() }
    }

    /// One more try, which is a failure until it turns out not to be.
    pub fn tried(&self, method: Method, typed: Option<LoginName>) -> Self {
        let mut tried = Self { typed, unknown_passkey: None, ..self.clone() };
        match method {
            Method::Otp => {
                tried.wrong_codes += 1;
                tried.notice = Some(Notice::WrongCode);
            }
            Method::Recovery => {
                tried.wrong_codes += 1;
                tried.notice = Some(Notice::WrongRecoveryCode);
            }
            Method::Pwd => {
                tried.wrong_passwords += 1;
                tried.notice = Some(Notice::WrongPassword);
            }
            // There is nothing to guess: each ceremony has a challenge of its own.
            Method::Webauthn => tried.notice = Some(Notice::WrongPasskey),
        }
        tried
    }

    /// `proof` was given by `person`.
    pub fn proved(&self, person: Person, proof: Proof) -> Self {
        let mut proved = self.clone();
        match proof.method() {
            Method::Otp | Method::Recovery => proved.wrong_codes = 0,
            Method::Pwd => proved.wrong_passwords = 0,
            Method::Webauthn => {}
        }
        proved.person = Some(person);
        proved.proofs.push(proof);
        proved.notice = None;
        proved.typed = None;
        proved.way = proved.way.filter(|way| way == Method::Pwd.as_str());
        proved.unknown_passkey = None;
        proved
    }
}

impl Proof {
    fn method(&self) -> Method {
        Method::parse(&self.method).unwrap_or(Method::Pwd)
    }

    pub fn event(&self, interaction: &InteractionId) -> Event {
        Event {
            id: self.id.clone(),
            method: self.method(),
            at: self.at,
            interaction: interaction.clone(),
            credential: self.credential.clone(),
            uv: self.uv,
            device_bound: self.device_bound,
            attested: false,
            factor_enrolled_at: self.factor_enrolled_at,
        }
    }
}
