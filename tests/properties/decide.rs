//! Properties of `decide`.

use crate::oracle::any_will_do;
use crate::world::Dice;
use crate::world::NOW;
use crate::world::World;
use proptest::prelude::*;
use stepgate::assurance::Decision;
use stepgate::assurance::SessionView;
use stepgate::assurance::factors::Factor;
use stepgate::assurance::guard::Fresh;
use stepgate::assurance::guard::Guard;
use stepgate::assurance::ledger::Event;
use stepgate::assurance::need::Requested;
use stepgate::assurance::plan::Step;
use stepgate::base::id::InteractionId;
use stepgate::base::time::Seconds;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_stated_is_fresh_and_strong_enough(seed: u64) {
        let world = World::from_seed(seed);
        if let Decision::Satisfied(assurance) = world.decide() {
            let behind = world.events.iter().filter(|e| assurance.events.contains(&e.id)).collect::<Vec<_>>();
            prop_assert_eq!(behind.len(), assurance.events.len());
            let class = world.policy.class(&assurance.acr).unwrap();
            let strong = class.any_of.iter().any(|proofs| {
                proofs.iter().all(|proof| behind.iter().any(|event| proof.is_shown_by(event)))
            });
            prop_assert!(strong);
            let here = |event: &&&Event| world.need.interaction.as_ref() == Some(&event.interaction);
            if world.need.anew {
                prop_assert!(behind.iter().all(|event| here(&event)));
            }
            let oldest = NOW.seconds_since(assurance.auth_time);
            let given_here = behind.iter().any(|event| here(&event) && event.at == assurance.auth_time);
            prop_assert!(given_here || oldest <= world.need.max_age.unwrap_or(Seconds(u32::MAX)));
            if let Requested::Required(names) = &world.need.requested {
                prop_assert!(names.contains(&assurance.acr));
            }
        }
    }

    #[test]
    fn a_silent_request_never_shows_a_page(seed: u64) {
        let mut world = World::from_seed(seed);
        world.need.silent = true;
        prop_assert!(matches!(world.decide(), Decision::Satisfied(_) | Decision::Refuse(_)));
        world.events.clear();
        prop_assert!(matches!(world.decide(), Decision::Refuse(_)));
    }

    #[test]
    fn a_challenge_asks_only_for_what_the_user_has_and_what_helps(seed: u64) {
        let world = World::from_seed(seed);
        let known = world.need.subject.as_ref().is_none_or(|subject| *subject == world.account.user);
        if let (Decision::Challenge(menu), false, true) = (world.decide(), world.events.is_empty(), known) {
            prop_assert!(!menu.ways.is_empty());
            for way in &menu.ways {
                prop_assert!(satisfies(&world, way), "{way:?}");
                for left_out in 0..way.len() {
                    let mut fewer = way.clone();
                    fewer.remove(left_out);
                    prop_assert!(fewer.is_empty() || !suffices(&world, &fewer), "{way:?}");
                }
            }
        }
    }

    /// Whoever proves themself: each time with anything that the page takes, and with the same thing again where it takes that again.
    #[test]
    fn challenges_end_within_the_number_of_factors(seed: u64, choices: u64) {
        ends(World::from_seed(seed), choices, World::decide)?;
        let here = Some(InteractionId::from_text("here"));
        for fresh in [Fresh::Here, Fresh::Within(Seconds::minutes(5))] {
            let world = World::from_seed(seed);
            let guard = Guard::of_highest(&world.account, fresh, here.clone());
            let Some(guard) = guard else { return Ok(()) };
            ends(world, choices, |world| {
                let session = SessionView { user: &world.account.user, events: &world.events };
                guard.decide(Some(&session), &world.account, NOW)
            })?;
        }
    }

    #[test]
    fn one_more_event_never_lowers_what_can_be_stated(seed: u64, which: usize) {
        let world = World::from_seed(seed);
        if world.events.is_empty() {
            return Ok(());
        }
        let mut fewer = world.events.clone();
        fewer.remove(which % world.events.len());
        if let Decision::Satisfied(before) = world.decide_with(&fewer) {
            let Decision::Satisfied(after) = world.decide() else { panic!("no longer satisfied") };
            let rank = |name: &str| match &world.need.requested {
                _ if any_will_do(&world) => world.policy.names().position(|n| n == name).unwrap() as isize,
                Requested::Any => isize::MIN,
                Requested::Required(names) | Requested::Preferred(names) => {
                    names.iter().position(|n| n == name).map_or(isize::MIN, |at| -(at as isize))
                }
            };
            prop_assert!(rank(&after.acr) >= rank(&before.acr));
            prop_assert!(after.acr != before.acr || after.auth_time >= before.auth_time);
        }
    }

    /// A clock was set back since.
    #[test]
    fn what_is_more_than_a_minute_to_come_proves_nothing_and_hides_nothing(seed: u64) {
        let world = World::from_seed(seed);
        let come = |event: &&Event| event.at <= NOW.plus(Seconds(60));
        let come = world.events.iter().filter(come).cloned().collect::<Vec<_>>();
        match come.is_empty() {
            true => prop_assert!(!matches!(world.decide(), Decision::Satisfied(_))),
            false => prop_assert_eq!(world.decide(), world.decide_with(&come)),
        }
    }

    #[test]
    fn a_wish_for_classes_that_nobody_knows_is_decided_like_no_wish(seed: u64) {
        let mut world = World::from_seed(seed);
        world.need.requested = Requested::Any;
        let unasked = world.decide();
        world.need.requested = Requested::Preferred(vec!["gold".into(), "silver".into()]);
        prop_assert_eq!(world.decide(), unasked);
    }

    #[test]
    fn nothing_is_stated_without_its_events(seed: u64) {
        let world = World::from_seed(seed);
        if let Decision::Satisfied(assurance) = world.decide() {
            prop_assert!(!assurance.events.is_empty());
            let others = world.events.iter().filter(|e| !assurance.events.contains(&e.id)).cloned().collect::<Vec<_>>();
            if let Decision::Satisfied(without) = world.decide_with(&others) {
                prop_assert!(without.events.iter().all(|id| others.iter().any(|event| event.id == *id)));
            }
        }
    }
}

/// No factor is taken a second time, so the challenges are no more than the factors.
fn ends(mut world: World, choices: u64, decide: impl Fn(&World) -> Decision) -> Result<(), TestCaseError> {
    let dice = &mut Dice(choices);
    world.need.interaction = Some(InteractionId::from_text("here"));
    world.need.subject = None;
    world.events.retain(|event| event.interaction.as_str() != "here");
    let mut given = Vec::new();
    while let Decision::Challenge(menu) = decide(&world) {
        let steps = menu.next_steps();
        // Before the first proof the page offers what this account may lack; any factor of theirs will do.
        let anything = world.events.is_empty();
        let is_taken = |factor: &&Factor| anything || steps.iter().any(|step| takes(step, factor));
        let taken = world.account.factors.iter().filter(is_taken).cloned().collect::<Vec<_>>();
        prop_assert!(anything || !taken.is_empty(), "nothing is taken: {steps:?}");
        let again = taken.iter().find(|factor| given.contains(&factor.credential));
        prop_assert!(again.is_none(), "{again:?} was given, and is taken once more");
        if taken.is_empty() {
            break;
        }
        let factor = &taken[dice.below(taken.len())];
        let proof = world.proof(factor, &format!("given{}", given.len()));
        given.push(factor.credential.clone());
        world.events.push(proof);
    }
    Ok(())
}

/// Whether the page of this step takes a proof by this factor.
fn takes(step: &Step, factor: &Factor) -> bool {
    step.factors.contains(&factor.credential)
}

/// Whatever the account chooses of what these steps take meets the need.
fn satisfies(world: &World, way: &[Step]) -> bool {
    let chosen = outcomes(world, way, world.events.clone());
    !chosen.is_empty() && !chosen.contains(&false)
}

/// Nothing more than these steps is needed.
fn suffices(world: &World, way: &[Step]) -> bool {
    matches!(world.decide(), Decision::Satisfied(_)) || satisfies(world, way) && !prefers_fallback(world)
}

/// A preference falls back to any class, so fewer proofs may do once it has been given up.
fn prefers_fallback(world: &World) -> bool {
    matches!(world.need.requested, Requested::Preferred(_) | Requested::Required(_))
        && world.need.requested_count() > 1
}

trait RequestedCount {
    fn requested_count(&self) -> usize;
}

impl RequestedCount for stepgate::assurance::need::Need {
    fn requested_count(&self) -> usize {
        match &self.requested {
            Requested::Any => 1,
            Requested::Required(names) => names.len(),
            Requested::Preferred(_) => 2,
        }
    }
}

/// For each choice of the account's factors for these steps: is the need met then?
fn outcomes(world: &World, way: &[Step], events: Vec<Event>) -> Vec<bool> {
    let Some((step, rest)) = way.split_first() else {
        let mut here = World::from_seed(0);
        here.need = world.need.clone();
        here.need.interaction.get_or_insert_with(|| InteractionId::from_text("here"));
        here.policy = world.policy.clone();
        here.account = world.account.clone();
        return vec![matches!(here.decide_with(&events), Decision::Satisfied(_))];
    };
    let fitting = world.account.factors.iter().filter(|factor| takes(step, factor));
    let chosen = fitting.flat_map(|factor| {
        let given = world.proof(factor, &format!("given{}", rest.len()));
        outcomes(world, rest, events.iter().cloned().chain([given]).collect())
    });
    chosen.collect()
}
