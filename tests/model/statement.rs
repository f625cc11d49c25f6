//! What may be stated of proofs, as the README says it: searched naively, and knowing nothing of the program.

use super::operation::Acr;
use super::operation::BOTH;
use super::operation::MFA;
use super::operation::ONE;
use super::operation::PHR;
use super::operation::PWD;
use super::operation::RECENT;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Pwd,
    Otp,
    Key,
    Recovery,
}

/// Somebody's factor: another password of theirs is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    pub user: usize,
    pub method: Method,
    pub generation: u32,
}

/// A right proof that somebody gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proof {
    pub factor: Factor,
    pub at: i64,
    /// The request that it was given for.
    pub tab: usize,
}

/// What a request needs, its client's floors included.
#[derive(Clone, Debug)]
pub struct Need {
    pub acr: Acr,
    pub floor: Option<&'static str>,
    pub max_age: Option<i64>,
    pub anew: bool,
    pub silent: bool,
    pub subject: Option<usize>,
    pub policy: &'static [Class],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub acr: &'static str,
    pub amr: Vec<&'static str>,
    pub auth_time: i64,
    pub behind: Vec<Proof>,
}

/// Each proof as fresh as is asked, or of the last twelve hours.
type Combination = &'static [(Method, Age)];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Age {
    Fresh,
    Held,
}

#[derive(Debug)]
pub struct Class {
    name: &'static str,
    max_age: Option<i64>,
    any_of: &'static [Combination],
}

const HELD: i64 = 43_200;
const BY_PASSWORD: Combination = &[(Method::Pwd, Age::Fresh)];
const BY_PASSKEY: Combination = &[(Method::Key, Age::Fresh)];
const BY_CODE: Combination = &[(Method::Otp, Age::Fresh), (Method::Pwd, Age::Held)];
const BY_RECOVERY: Combination = &[(Method::Recovery, Age::Fresh), (Method::Pwd, Age::Held)];
const BY_BOTH: Combination = &[(Method::Pwd, Age::Fresh), (Method::Otp, Age::Fresh)];
const IN_ONE: Class =
    Class { name: ONE, max_age: None, any_of: &[BY_PASSWORD, BY_PASSKEY, BY_CODE, BY_RECOVERY] };
const IN_PWD: Class = Class { name: PWD, max_age: None, any_of: &[BY_PASSWORD] };
const IN_MFA: Class = Class { name: MFA, max_age: None, any_of: &[BY_PASSKEY, BY_CODE, BY_RECOVERY] };
const IN_BOTH: Class = Class { name: BOTH, max_age: Some(900), any_of: &[BY_BOTH] };
const IN_PHR: Class = Class { name: PHR, max_age: None, any_of: &[BY_PASSKEY] };
const IN_RECENT: Class = Class { name: RECENT, max_age: Some(300), any_of: &[BY_PASSWORD] };
/// Weakest first; the same with a weak one after the strongest; and in an order that says nothing. The first is what anybody reaches.
pub const POLICIES: [&[Class]; 3] = [
    &[IN_ONE, IN_PWD, IN_MFA, IN_BOTH, IN_PHR],
    &[IN_ONE, IN_PWD, IN_MFA, IN_BOTH, IN_PHR, IN_RECENT],
    &[IN_ONE, IN_PHR, IN_RECENT, IN_BOTH, IN_PWD, IN_MFA],
];
/// What changes of factors demand. They are no classes, and no policy changes them.
pub const BY_RANK: [&str; 3] = ["passkey", "code", "password"];
const RANKS: &[Class] = &[
    Class { name: BY_RANK[0], max_age: None, any_of: &[BY_PASSKEY] },
    Class { name: BY_RANK[1], max_age: None, any_of: &[BY_PASSKEY, BY_CODE] },
    Class { name: BY_RANK[2], max_age: None, any_of: &[BY_PASSKEY, BY_CODE, BY_PASSWORD] },
];

/// A policy as settings write it.
pub fn settings(policy: &[Class]) -> String {
    let class = |class: &Class| {
        let combination = |proofs: &Combination| {
            let word = |(method, age): &(Method, Age)| {
                let method = match method {
                    Method::Pwd => "pwd",
                    Method::Otp => "otp",
                    Method::Key => "webauthn+uv",
                    Method::Recovery => "recovery",
                };
                format!("{method}{}", if *age == Age::Held { " within 12h" } else { "" })
            };
            format!("{:?}", proofs.iter().map(word).collect::<Vec<_>>().join(" & "))
        };
        let any_of = class.any_of.iter().map(combination).collect::<Vec<_>>().join(", ");
        let max_age = class.max_age.map(|age| format!("max_age = \"{age}s\"\n")).unwrap_or_default();
        format!("[[acr]]\nname = {:?}\n{max_age}any_of = [{any_of}]\n", class.name)
    };
    policy.iter().map(class).collect()
}

impl Need {
    pub fn without_preference(&self) -> Self {
        match self.acr {
            Acr::Voluntary(_) => Self { acr: Acr::Any, ..self.clone() },
            _ => self.clone(),
        }
    }

    /// What is stated if nobody is asked for anything more.
    pub fn stated(&self, proofs: &[Proof], two: bool, tab: Option<usize>, now: i64) -> Option<Statement> {
        let preferred = self.strictly_stated(proofs, two, tab, now);
        preferred.or_else(|| self.without_preference().strictly_stated(proofs, two, tab, now))
    }

    /// `two`: the account wants a second factor at every sign-in.
    pub fn strictly_stated(
        &self,
        proofs: &[Proof],
        two: bool,
        tab: Option<usize>,
        now: i64,
    ) -> Option<Statement> {
        let best = |class: &str| self.best(class, proofs, tab, now);
        let floors = self.floor.into_iter().chain(two.then_some(MFA));
        let floors = floors.map(best).collect::<Option<Vec<_>>>()?;
        let mut stated = match &self.acr {
            Acr::Any => best(ONE).and_then(|_| self.policy.iter().rev().find_map(|class| best(class.name))),
            Acr::Values(names) | Acr::Essential(names) | Acr::Voluntary(names) => {
                names.iter().find_map(|name| best(name))
            }
        }?;
        stated.behind.extend(floors.into_iter().flat_map(|floor| floor.behind));
        Some(stated)
    }

    pub fn best(&self, class: &str, proofs: &[Proof], tab: Option<usize>, now: i64) -> Option<Statement> {
        let Class { name: acr, max_age, any_of } =
            self.policy.iter().chain(RANKS).find(|known| known.name == class)?;
        let fresh = self.max_age.into_iter().chain(*max_age).min();
        let mut best = None::<Statement>;
        for combination in *any_of {
            for given in ways(combination, proofs, now) {
                let pairs = || combination.iter().map(|(_, age)| *age).zip(&given);
                let timely = |(age, proof): (Age, &Proof)| {
                    let oldest = if age == Age::Fresh { fresh } else { Some(HELD) };
                    tab == Some(proof.tab)
                        || !self.anew && oldest.is_none_or(|oldest| now - proof.at <= oldest)
                };
                if !pairs().all(timely) {
                    continue;
                }
                let of_fresh = pairs().filter(|(age, _)| *age == Age::Fresh).map(|(_, proof)| proof.at);
                // Nothing was shown later than now, whatever the clock said then.
                let auth_time = of_fresh.min().unwrap().min(now);
                if best.as_ref().is_none_or(|best| auth_time > best.auth_time) {
                    best = Some(Statement { acr, amr: amr(combination), auth_time, behind: given });
                }
            }
        }
        best
    }
}

/// A proof of a later moment was given by a clock that was wrong, and is none until then.
const AHEAD: i64 = 60;

fn ways(combination: &[(Method, Age)], proofs: &[Proof], now: i64) -> Vec<Vec<Proof>> {
    let Some(((first, _), rest)) = combination.split_first() else { return vec![vec![]] };
    let fitting = proofs.iter().filter(|proof| proof.factor.method == *first && proof.at <= now + AHEAD);
    fitting
        .flat_map(|proof| ways(rest, proofs, now).into_iter().map(|way| [vec![*proof], way].concat()))
        .collect()
}

fn amr(combination: Combination) -> Vec<&'static str> {
    match combination {
        [(Method::Pwd, _)] => vec!["pwd"],
        [(Method::Key, _)] => vec!["webauthn", "pop", "user", "mfa"],
        _ => vec!["pwd", "otp", "mfa"],
    }
}
