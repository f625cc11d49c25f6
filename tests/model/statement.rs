//! What may be stated of proofs, as the README says it: searched naively, and knowing nothing of the program.

use super::operation::Acr;
use super::operation::MFA;
use super::operation::ONE;
use super::operation::PHR;
use super::operation::PWD;

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
    /// Recovery codes don't count.
    pub without_recovery: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub acr: &'static str,
    pub amr: Vec<&'static str>,
    pub auth_time: i64,
    pub behind: Vec<Proof>,
}

/// The first proof is as fresh as is asked, a second one of the last twelve hours.
type Combination = &'static [Method];

const HELD: i64 = 43_200;
const CLASSES: [(&str, &[Combination]); 4] = [
    (ONE, &[&[Method::Pwd], &[Method::Key], &[Method::Otp, Method::Pwd], &[Method::Recovery, Method::Pwd]]),
    (PWD, &[&[Method::Pwd]]),
    (MFA, &[&[Method::Key], &[Method::Otp, Method::Pwd], &[Method::Recovery, Method::Pwd]]),
    (PHR, &[&[Method::Key]]),
];

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
            Acr::Any => best(ONE).and_then(|_| [PHR, MFA, PWD, ONE].into_iter().find_map(best)),
            Acr::Values(names) | Acr::Essential(names) | Acr::Voluntary(names) => {
                names.iter().find_map(|name| best(name))
            }
        }?;
        stated.behind.extend(floors.into_iter().flat_map(|floor| floor.behind));
        Some(stated)
    }

    pub fn best(&self, class: &str, proofs: &[Proof], tab: Option<usize>, now: i64) -> Option<Statement> {
        let (acr, combinations) = CLASSES.into_iter().find(|(name, _)| *name == class).unwrap();
        let mut best = None::<Statement>;
        for combination in combinations {
            for given in ways(combination, proofs) {
                let recovered = given.iter().any(|proof| proof.factor.method == Method::Recovery);
                if self.without_recovery && recovered {
                    continue;
                }
                let fits = given.iter().enumerate().all(|(place, proof)| {
                    let here = tab == Some(proof.tab);
                    let oldest = if place == 0 { self.max_age } else { Some(HELD) };
                    here || !self.anew && oldest.is_none_or(|oldest| now - proof.at <= oldest)
                });
                let auth_time = given[0].at;
                if fits && best.as_ref().is_none_or(|best| auth_time > best.auth_time) {
                    best = Some(Statement { acr, amr: amr(combination), auth_time, behind: given });
                }
            }
        }
        best
    }
}

fn ways(combination: &[Method], proofs: &[Proof]) -> Vec<Vec<Proof>> {
    let Some((first, rest)) = combination.split_first() else { return vec![vec![]] };
    let fitting = proofs.iter().filter(|proof| proof.factor.method == *first);
    fitting.flat_map(|proof| ways(rest, proofs).into_iter().map(|way| [vec![*proof], way].concat())).collect()
}

fn amr(combination: &[Method]) -> Vec<&'static str> {
    match combination {
        [Method::Pwd] => vec!["pwd"],
        [Method::Key] => vec!["webauthn", "pop", "user", "mfa"],
        _ => vec!["pwd", "otp", "mfa"],
    }
}
