//! Worlds made from a number: a policy, an account, what was shown, and what is needed. The same number, the same world.

use stepgate::assurance::SessionView;
use stepgate::assurance::factors::Account;
use stepgate::assurance::factors::Factor;
use stepgate::assurance::factors::SecondFactor;
use stepgate::assurance::ledger::Event;
use stepgate::assurance::ledger::Method;
use stepgate::assurance::need::Need;
use stepgate::assurance::need::Requested;
use stepgate::assurance::policy::Policy;
use stepgate::assurance::policy::RawClass;
use stepgate::assurance::{Decision, decide};
use stepgate::base::id::CredentialId;
use stepgate::base::id::EventId;
use stepgate::base::id::InteractionId;
use stepgate::base::id::UserId;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;

pub const NOW: Time = Time::from_unix_seconds(1_000_000);

#[derive(Debug)]
pub struct World {
    pub policy: Policy,
    pub account: Account,
    pub events: Vec<Event>,
    pub need: Need,
}

/// A small generator of our own (splitmix64), so that a world stays the same with every version of every crate.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

impl World {
    pub fn from_seed(seed: u64) -> Self {
        let dice = &mut Dice(seed);
        let policy = policy(dice);
        let account = account(dice);
        // Before there is an interaction, nothing can have been given in it.
        let here = (!dice.one_in(3)).then(|| InteractionId::from_text("here"));
        let events = (0..dice.below(6)).filter_map(|n| event(dice, &account, here.as_ref(), n)).collect();
        let names = policy.names().map(str::to_owned).collect::<Vec<_>>();
        let requested = match dice.below(5) {
            0 => Requested::Any,
            1 => Requested::Preferred(asked(dice, &names)),
            _ => Requested::Required(asked(dice, &names)),
        };
        let need = Need {
            requested,
            floors: if dice.one_in(4) { vec![dice.pick(&names)] } else { vec![] },
            max_age: dice.one_in(2).then(|| Seconds(dice.pick(&[0, 60, 600]))),
            anew: dice.one_in(6),
            silent: dice.one_in(6),
            subject: dice.one_in(8).then(|| UserId::from_text(dice.pick(&["ada", "bob"]))),
            interaction: here,
        };
        Self { policy, account, events, need }
    }

    pub fn decide(&self) -> Decision {
        self.decide_with(&self.events)
    }

    pub fn decide_with(&self, events: &[Event]) -> Decision {
        let session = SessionView { user: &self.account.user, events };
        decide(&self.need, Some(&session), Some(&self.account), &self.policy, NOW)
    }

    /// What the account would show with this factor, now and in this interaction.
    pub fn proof(&self, factor: &Factor, name: &str) -> Event {
        let here = self.need.interaction.clone().unwrap_or_else(|| InteractionId::from_text("here"));
        proof(factor, here, NOW, name)
    }
}

/// One or two names of classes; some are known to nobody.
fn asked(dice: &mut Dice, names: &[String]) -> Vec<String> {
    let one = |dice: &mut Dice| if dice.one_in(3) { "gold".to_owned() } else { dice.pick(names) };
    (0..=dice.below(2)).map(|_| one(dice)).collect()
}

fn policy(dice: &mut Dice) -> Policy {
    let classes = (0..=dice.below(3)).map(|n| RawClass {
        name: format!("class{n}"),
        aliases: vec![],
        max_age: dice.one_in(4).then(|| dice.pick(&["60s", "1h"]).to_owned()),
        enrol: !dice.one_in(4),
        any_of: (0..=dice.below(2)).map(|_| combination(dice)).collect(),
    });
    let classes = classes.collect();
    Policy::from_classes(Some(classes), Some("class0")).expect("generated classes are sound")
}

fn combination(dice: &mut Dice) -> String {
    let passkey = dice.pick(&["webauthn", "webauthn+uv", "webauthn+uv+device_bound"]);
    let mut methods = vec!["pwd", "otp", passkey, "recovery"];
    let mut proofs = Vec::new();
    for place in 0..=dice.below(3) {
        let method = methods.remove(dice.below(methods.len()));
        let aged = if dice.one_in(6) { " aged 24h" } else { "" };
        let within =
            if place > 0 { dice.pick(&["", " within 12h", " within 10m", " within session"]) } else { "" };
        proofs.push(format!("{method}{aged}{within}"));
    }
    proofs.join(" & ")
}

fn account(dice: &mut Dice) -> Account {
    let mut factors = Vec::new();
    let kinds = [
        (Method::Pwd, 5),
        (Method::Otp, 2),
        (Method::Webauthn, 2),
        (Method::Webauthn, 3),
        (Method::Recovery, 3),
    ];
    for (n, (method, of)) in kinds.into_iter().enumerate() {
        let has = if method == Method::Pwd { !dice.one_in(of) } else { dice.one_in(of) };
        let passkey = method == Method::Webauthn;
        factors.extend(has.then(|| Factor {
            credential: CredentialId::from_text(format!("factor{n}")),
            method,
            uv: passkey && !dice.one_in(3),
            device_bound: passkey && dice.one_in(2),
            attested: false,
            enrolled_at: NOW.minus(dice.pick(&[Seconds(5), Seconds::hours(30), Seconds::days(30)])),
        }));
    }
    let second_factor = dice.pick(&[SecondFactor::SignIn, SecondFactor::StepUp, SecondFactor::StepUp]);
    Account { user: UserId::from_text("ada"), factors, second_factor }
}

fn event(dice: &mut Dice, account: &Account, here: Option<&InteractionId>, n: usize) -> Option<Event> {
    if account.factors.is_empty() {
        return None;
    }
    let factor = dice.pick(&account.factors);
    let ages = [0, 30, 60, 61, 500, 601, 3600, 43_200, 43_201, 90_000];
    // Now and then of a clock that was ahead.
    let at = match dice.one_in(6) {
        true => NOW.plus(Seconds(dice.pick(&[1, 60, 61, 3600]))),
        false => NOW.minus(Seconds(dice.pick(&ages))),
    };
    let given_here = here.filter(|_| dice.one_in(4)).cloned();
    let interaction = given_here.unwrap_or_else(|| InteractionId::from_text("earlier"));
    Some(proof(&factor, interaction, at, &format!("event{n}")))
}

fn proof(factor: &Factor, interaction: InteractionId, at: Time, name: &str) -> Event {
    Event {
        id: EventId::from_text(name),
        method: factor.method,
        at,
        interaction,
        credential: factor.credential.clone(),
        uv: factor.uv,
        device_bound: factor.device_bound,
        attested: factor.attested,
        factor_enrolled_at: factor.enrolled_at,
    }
}
