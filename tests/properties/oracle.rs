//! The decision against a naive search, which tries every way of giving events to proofs.

use crate::world::NOW;
use crate::world::World;
use stepgate::assurance::Decision;
use stepgate::assurance::factors::Factor;
use stepgate::assurance::ledger::Event;
use stepgate::assurance::ledger::Method;
use stepgate::assurance::need::Requested;
use stepgate::assurance::policy::Class;
use stepgate::assurance::policy::Proof;
use stepgate::assurance::policy::Within;
use stepgate::base::id::CredentialId;
use stepgate::base::id::InteractionId;
use stepgate::base::time::Time;

#[derive(Debug, PartialEq)]
enum Answer {
    Satisfied(String, Time),
    Challenge,
    Enrol,
    Refuse,
}

#[test]
fn the_decision_equals_a_naive_search_over_all_subsets_of_events() {
    let mut classes = 0;
    let mut counts = [0_u32; 4];
    for seed in 0..400 {
        let world = World::from_seed(seed);
        classes += world.policy.classes().len();
        for subset in 0..1_u32 << world.events.len() {
            let kept = world.events.iter().enumerate().filter(|(n, _)| subset & (1 << n) != 0);
            let events = kept.map(|(_, event)| event.clone()).collect::<Vec<_>>();
            let expected = naive(&world, &events);
            let found = match world.decide_with(&events) {
                Decision::Satisfied(assurance) => Answer::Satisfied(assurance.acr, assurance.auth_time),
                Decision::Challenge(_) => Answer::Challenge,
                Decision::Enrol(_) => Answer::Enrol,
                Decision::Refuse(_) => Answer::Refuse,
            };
            assert_eq!(found, expected, "seed {seed} subset {subset:b}: {world:#?}");
            let kind = match found {
                Answer::Satisfied(..) => 0,
                Answer::Challenge => 1,
                Answer::Enrol => 2,
                Answer::Refuse => 3,
            };
            counts[kind] += 1;
        }
    }
    assert!(classes >= 40);
    let all = counts.iter().sum::<u32>();
    assert!(counts.iter().all(|count| count * 20 >= all), "each kind at least 5 % of {all}: {counts:?}");
}

fn naive(world: &World, events: &[Event]) -> Answer {
    let need = &world.need;
    if matches!(need.requested, Requested::Required(_)) && known(world).is_empty() {
        return Answer::Refuse;
    }
    let stranger = need.subject.as_ref().is_some_and(|s| *s != world.account.user);
    if events.is_empty() || stranger {
        return if need.silent { Answer::Refuse } else { Answer::Challenge };
    }
    let any = any_will_do(world);
    let all = world.policy.classes().iter().collect::<Vec<_>>();
    let wanted = if any { vec![all[0]] } else { known(world) };
    if floors_hold(world, events) {
        let stated = wanted.iter().find_map(|class| best(world, class, events).map(|at| (*class, at)));
        if let (Some(_), true) = (stated, any) {
            let last = all.iter().rev().find_map(|class| best(world, class, events).map(|at| (class, at)));
            let (class, at) = last.unwrap();
            return Answer::Satisfied(class.name.clone(), at);
        }
        if let Some((class, at)) = stated {
            return Answer::Satisfied(class.name.clone(), at);
        }
    }
    let preferred = matches!(need.requested, Requested::Preferred(_));
    let fall_back = || {
        let need = need.without_preference();
        let policy = world.policy.clone();
        naive(&World { policy, account: world.account.clone(), events: vec![], need }, events)
    };
    if preferred && need.silent {
        return fall_back();
    }
    if wanted.iter().any(|class| reachable(world, class, events, &[])) {
        return if need.silent { Answer::Refuse } else { Answer::Challenge };
    }
    if preferred {
        return fall_back();
    }
    let new = |method| Factor {
        credential: CredentialId::from_text("new"),
        method,
        uv: method == Method::Webauthn,
        device_bound: false,
        attested: false,
        enrolled_at: NOW,
    };
    let helps =
        |method| wanted.iter().any(|class| class.enrol && reachable(world, class, events, &[new(method)]));
    if helps(Method::Webauthn) || helps(Method::Otp) {
        return if need.silent { Answer::Refuse } else { Answer::Enrol };
    }
    Answer::Refuse
}

/// The requested classes that the policy has.
fn known(world: &World) -> Vec<&Class> {
    match &world.need.requested {
        Requested::Any => vec![],
        Requested::Required(names) | Requested::Preferred(names) => {
            names.iter().filter_map(|name| world.policy.class(name)).collect()
        }
    }
}

/// Nothing was asked for, or wished for, that anybody knows.
pub fn any_will_do(world: &World) -> bool {
    match &world.need.requested {
        Requested::Any => true,
        Requested::Required(_) => false,
        Requested::Preferred(_) => known(world).is_empty(),
    }
}

fn floors_hold(world: &World, events: &[Event]) -> bool {
    let account = &world.account;
    let own = account.requires_aal2().then(|| world.policy.second_factor());
    let named = world.need.floors.iter().map(|name| world.policy.class(name).unwrap());
    named.chain(own).all(|class| best(world, class, events).is_some())
}

/// With everything the account and `extra` could show now.
fn reachable(world: &World, class: &Class, events: &[Event], extra: &[Factor]) -> bool {
    let mut there = World {
        policy: world.policy.clone(),
        account: world.account.clone(),
        events: vec![],
        need: world.need.clone(),
    };
    there.need.interaction.get_or_insert_with(|| InteractionId::from_text("here"));
    let factors = world.account.factors.iter().chain(extra).enumerate();
    let shown = factors.map(|(n, factor)| there.proof(factor, &format!("shown{n}")));
    let events = events.iter().cloned().chain(shown).collect::<Vec<_>>();
    best(&there, class, &events).is_some() && floors_hold(&there, &events)
}

fn best(world: &World, class: &Class, events: &[Event]) -> Option<Time> {
    let served = class.any_of.iter().flat_map(|proofs| {
        arrangements(events, proofs.len()).into_iter().filter_map(|given| {
            let pairs = proofs.iter().zip(&given).collect::<Vec<_>>();
            let fits = pairs.iter().all(|(proof, event)| fits(world, class, proof, event));
            let fresh = pairs.iter().filter(|(proof, _)| proof.within.is_none());
            fits.then(|| fresh.map(|(_, event)| event.at).min().unwrap().min(NOW))
        })
    });
    served.max()
}

/// Every ordered choice of `n` different events.
fn arrangements(events: &[Event], n: usize) -> Vec<Vec<Event>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let mut others = events.to_vec();
        others.remove(at);
        for mut rest in arrangements(&others, n - 1) {
            rest.insert(0, event.clone());
            all.push(rest);
        }
    }
    all
}

fn fits(world: &World, class: &Class, proof: &Proof, event: &Event) -> bool {
    let age = NOW.unix_seconds() - event.at.unix_seconds();
    let here = world.need.interaction.as_ref() == Some(&event.interaction);
    let limit = match proof.within {
        None => [world.need.max_age, class.max_age].into_iter().flatten().map(|s| i64::from(s.0)).min(),
        Some(Within::Span(span)) => Some(i64::from(span.0)),
        Some(Within::Session) => None,
    };
    let old_enough = proof.aged.is_none_or(|least| {
        event.at.unix_seconds() - event.factor_enrolled_at.unix_seconds() >= i64::from(least.0)
    });
    // A minute is the difference of two clocks; more is a clock that was set back since.
    let has_come = age >= -60;
    let timely = here || (!world.need.anew && limit.is_none_or(|limit| age <= limit));
    proof.method == event.method
        && (event.uv || !proof.uv)
        && (event.device_bound || !proof.device_bound)
        && (event.attested || !proof.attested)
        && old_enough
        && has_come
        && timely
}
