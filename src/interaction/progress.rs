//! How far an interaction has come: the JSON that rests in its row between two steps.

use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::InteractionId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::password::BadPassword;
use crate::store::StoreError;
use crate::store::interactions::Resting;
use crate::store::users::LoginName;
use serde::Deserialize;
use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Of the one whom it is about; whoever goes on in their place begins with nothing.
    #[serde(flatten)]
    pub theirs: Theirs,
    /// Counted apart, and taken back by success of the same factor only: who knows the password gains no code by it.
    pub wrong_passwords: u32,
    pub wrong_codes: u32,
    pub notice: Option<Notice>,
    /// The name that was typed with a password that did not match, to be shown again.
    pub typed: Option<LoginName>,
    /// None of the accounts that are signed in here.
    #[serde(default)]
    pub elsewhere: bool,
    /// Whether an account shall be made, once the person has said so; until then the request decides.
    #[serde(default)]
    pub creating: Option<bool>,
    /// The name in `typed` was chosen from those that are remembered here, and no other one is meant.
    #[serde(default)]
    pub chosen: bool,
    /// A passkey was shown that nobody has here any more (base64url of its id): the browser may forget it.
    #[serde(default)]
    pub unknown_passkey: Option<String>,
}

/// What one person did here, or nobody yet. It can be made anew for somebody, and never be given to another one (attack: what
/// one person approved, showed or confirmed is used by the next who goes on with the page).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Theirs {
    /// The user of the session, or whoever gave the first proof.
    person: Option<Person>,
    /// The session that their proofs open, if they are in none by then: the lines of the audit name it from the first proof on.
    session: Option<SessionId>,
    pub proofs: Vec<Proof>,
    /// The method that was chosen with "try another way".
    pub way: Option<String>,
    pub declined: bool,
    /// When they said that the application may have what it asks for.
    pub approved_at: Option<Time>,
    /// It may not.
    pub refused: bool,
    /// They have answered a page about this request: with a proof, a yes, or the choice of an account.
    pub acted: bool,
    /// The factor that was set up here, or the replacement that waits.
    pub enrolled: Option<CredentialId>,
    /// When recovery codes were kept, or not wanted.
    pub codes_at: Option<Time>,
    /// The PHC string of a password that takes the place of the old one with the answer.
    pub new_password: Option<String>,
    /// How many codes were mailed, and whether the last one came back.
    pub mailed: u32,
    pub mail_confirmed: bool,
    /// No code is mailed before then: the address has had enough of them.
    pub mails_full: Option<Time>,
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
    /// Another one of theirs is asked for.
    PasskeyNotEnough,
    /// It is somebody's already.
    PasskeyTaken,
    /// Its owner has as many as can be kept.
    TooManyKeys,
    /// Another replacement waits already.
    ReplacementWaits,
    /// The code that completes the set-up of an authenticator app.
    WrongSetupCode,
    WrongMailCode,
    NameTaken,
    BadName,
    ReservedName,
    BadPassword(BadPassword),
}

impl Theirs {
    fn of(person: Option<Person>) -> Self {
        Self { person, ..Self::default() }
    }
}

impl Progress {
    /// At the beginning, where it is known whom it is about.
    pub fn about(person: Option<Person>) -> Self {
        Self { theirs: Theirs::of(person), ..Self::default() }
    }

    pub fn person(&self) -> Option<&Person> {
        self.theirs.person.as_ref()
    }

    /// As it rests in its row.
    pub fn resting(&self) -> Result<Resting, StoreError> {
        let user = self.person().map(|person| person.user.clone());
        Ok(Resting { user, progress: super::json(self)? })
    }

    /// The session that the proofs of this user open.
    pub fn opens(&self, user: &UserId) -> Option<&SessionId> {
        self.theirs.session.as_ref().filter(|_| self.person().is_some_and(|person| person.user == *user))
    }

    /// The same, once its person has done something.
    pub fn with(&self, done: impl FnOnce(&mut Theirs)) -> Self {
        let mut with = self.clone();
        done(&mut with.theirs);
        with
    }

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
        let mut chosen = Self { theirs: Theirs::of(Some(person)), ..self.clone() };
        chosen.theirs.acted = true;
        chosen
    }

    /// What was proved has become events.
    pub fn settled(&self) -> Self {
        self.with(|theirs| {
            theirs.proofs.clear();
            // A session that ends never comes back: who proves themself once more opens another.
            theirs.session = None;
        })
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

    /// `proof` was given by `person`; if they are in no session, `session` is the one that it opens.
    pub fn proved(&self, person: Person, session: SessionId, proof: Proof) -> Self {
        let mut proved = self.clone();
        if self.person().is_none_or(|before| before.user != person.user) {
            proved.theirs = Theirs::of(Some(person));
        }
        match proof.method() {
            Method::Otp | Method::Recovery => proved.wrong_codes = 0,
            Method::Pwd => proved.wrong_passwords = 0,
            Method::Webauthn => {}
        }
        proved.theirs.session.get_or_insert(session);
        proved.theirs.proofs.push(proof);
        proved.theirs.acted = true;
        proved.notice = None;
        proved.typed = None;
        proved.theirs.way = proved.theirs.way.filter(|way| way == Method::Pwd.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        Person { user: UserId::from_text(name), username: name.to_owned() }
    }

    fn proof(id: &str) -> Proof {
        let at = Time::from_unix_seconds(1_800_000_000);
        Proof {
            id: EventId::from_text(id),
            method: "otp".into(),
            at,
            credential: CredentialId::from_text("c"),
            factor_enrolled_at: at,
            uv: false,
            device_bound: false,
        }
    }

    /// Whatever a step may have left behind, in the words that rest in the row.
    fn all_done_by(name: &str) -> Progress {
        let begun = Progress { wrong_codes: 2, wrong_passwords: 3, ..Progress::default() };
        let proved = begun.proved(person(name), SessionId::from_text("s"), proof("p"));
        proved.with(|theirs| {
            theirs.way = Some("pwd".into());
            theirs.declined = true;
            theirs.approved_at = Some(Time::from_unix_seconds(1));
            theirs.refused = true;
            theirs.enrolled = Some(CredentialId::from_text("new"));
            theirs.codes_at = Some(Time::from_unix_seconds(1));
            theirs.new_password = Some("a hash".into());
            theirs.mailed = 3;
            theirs.mail_confirmed = true;
        })
    }

    #[test]
    fn what_one_person_did_is_nothing_to_the_next_who_goes_on() {
        let ada = all_done_by("ada");
        let of_bob = |progress: Progress| {
            let theirs = serde_json::to_value(&progress.theirs).unwrap_or_default();
            let fresh = Theirs { acted: true, ..Theirs::of(Some(person("bob"))) };
            let fresh = serde_json::to_value(fresh).unwrap_or_default();
            (theirs, fresh)
        };
        let (chosen, fresh) = of_bob(ada.for_account(person("bob")));
        assert_eq!(chosen, fresh);
        let proved = ada.proved(person("bob"), SessionId::from_text("t"), proof("q"));
        assert_eq!(proved.opens(&UserId::from_text("bob")), Some(&SessionId::from_text("t")));
        assert_eq!(proved.theirs.proofs.iter().map(|proof| proof.id.as_str()).collect::<Vec<_>>(), ["q"]);
        let (left, fresh) = of_bob(proved.settled());
        assert_eq!(left, fresh);
        let another = ada.for_another_account();
        assert!(another.person().is_none() && another.theirs.proofs.is_empty());
        assert_eq!((another.wrong_passwords, another.theirs.approved_at), (3, None), "failures still count");
    }

    #[test]
    fn the_session_is_the_one_of_the_first_proof_until_it_is_open() {
        let ada = UserId::from_text("ada");
        let first = Progress::default().proved(person("ada"), SessionId::from_text("s1"), proof("p"));
        let second = first.proved(person("ada"), SessionId::from_text("s2"), proof("q"));
        assert_eq!(second.opens(&ada), Some(&SessionId::from_text("s1")));
        assert_eq!(second.opens(&UserId::from_text("bob")), None);
        assert_eq!(second.settled().opens(&ada), None);
        let rests = second
            .resting()
            .ok()
            .and_then(|resting| serde_json::from_str::<Progress>(&resting.progress).ok());
        assert_eq!(rests.as_ref().and_then(|rests| rests.opens(&ada)), Some(&SessionId::from_text("s1")));
    }

    /// The migration that writes down whose an interaction is reads it there.
    #[test]
    fn whose_it_is_stands_at_the_beginning_of_what_rests() {
        let rests = Progress::about(Some(person("ada"))).resting().map(|resting| resting.progress);
        assert!(rests.is_ok_and(|rests| rests.starts_with(r#"{"person":{"user":"ada""#)));
    }
}
