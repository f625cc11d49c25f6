//! Properties of what a change of factors demands: it rests on the factors of the account, whatever the policy says.

use crate::world::Dice;
use crate::world::NOW;
use crate::world::World;
use proptest::prelude::*;
use stepgate::assurance::Decision;
use stepgate::assurance::SessionView;
use stepgate::assurance::guard::Fresh;
use stepgate::assurance::guard::Guard;
use stepgate::assurance::guard::Rank;
use stepgate::assurance::ledger::Event;
use stepgate::assurance::ledger::Method;
use stepgate::assurance::need::Need;
use stepgate::assurance::need::Requested;
use stepgate::assurance::policy::Policy;
use stepgate::assurance::policy::RawClass;
use stepgate::base::id::InteractionId;
use stepgate::base::time::Seconds;
use stepgate::interaction::Ask;
use stepgate::interaction::Asker;
use stepgate::interaction::enrol::Enrolment;
use stepgate::interaction::next_step::Next;
use stepgate::interaction::next_step::Stand;
use stepgate::interaction::next_step::next_step;
use stepgate::interaction::progress::Person;
use stepgate::interaction::progress::Progress;
use stepgate::interaction::task::Task;

const FRESH: Seconds = Seconds::minutes(5);

/// The highest rank that was proved, found without the guard: by looking at what was shown, and when.
fn shown(events: &[Event], timely: impl Fn(&Event) -> bool) -> Option<Rank> {
    // What is more than a minute to come was shown by a clock that was wrong.
    let has_come = |event: &&Event| event.at <= NOW.plus(Seconds(60));
    let events = &events.iter().filter(has_come).cloned().collect::<Vec<_>>();
    let recent = |event: &&Event| timely(event);
    let webauthn =
        |uv: bool| events.iter().filter(recent).filter(move |e| e.method == Method::Webauthn && e.uv >= uv);
    let held = |event: &Event| timely(event) || NOW.seconds_since(event.at) <= Seconds::hours(12);
    let password = events.iter().any(|event| event.method == Method::Pwd && held(event));
    if webauthn(true).any(|event| event.attested) {
        Some(Rank::AttestedPasskey)
    } else if webauthn(true).any(|event| event.device_bound) {
        Some(Rank::DeviceBoundPasskey)
    } else if webauthn(true).next().is_some() {
        Some(Rank::Passkey)
    } else if password && webauthn(false).next().is_some() {
        Some(Rank::WebauthnWithPassword)
    } else if password && events.iter().filter(recent).any(|event| event.method == Method::Otp) {
        Some(Rank::OtpWithPassword)
    } else {
        events.iter().filter(recent).any(|event| event.method == Method::Pwd).then_some(Rank::Password)
    }
}

/// The classes of `policy` in another order, under other names, and with others among them.
fn varied(policy: &Policy, seed: u64) -> Policy {
    let dice = &mut Dice(seed);
    let mut classes = policy
        .classes()
        .iter()
        .map(|class| (class.any_of.clone(), class.max_age, class.enrol))
        .collect::<Vec<_>>();
    for at in (1..classes.len()).rev() {
        classes.swap(at, dice.below(at + 1));
    }
    let weak = ["pwd", "otp", "recovery", "webauthn", "recovery & pwd within session"];
    let mut raw = Vec::new();
    for (n, (any_of, max_age, enrol)) in classes.into_iter().enumerate() {
        let words = any_of.iter().map(|proofs| words(proofs)).collect();
        let max_age = max_age.map(|age| format!("{}s", age.0));
        raw.push(RawClass { name: format!("renamed{n}"), aliases: vec![], max_age, enrol, any_of: words });
        if dice.one_in(2) {
            let any_of = vec![weak[dice.below(weak.len())].to_owned()];
            raw.push(RawClass {
                name: format!("added{n}"),
                aliases: vec![],
                max_age: None,
                enrol: true,
                any_of,
            });
        }
    }
    let first = raw[0].name.clone();
    Policy::from_classes(Some(raw), Some(&first)).expect("a varied policy is sound")
}

fn words(proofs: &[stepgate::assurance::policy::Proof]) -> String {
    use stepgate::assurance::policy::Within;
    let word = |proof: &stepgate::assurance::policy::Proof| {
        let flags = [(proof.uv, "+uv"), (proof.device_bound, "+device_bound"), (proof.attested, "+attested")];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect::<String>();
        let aged = proof.aged.map(|age| format!(" aged {}s", age.0)).unwrap_or_default();
        let within = match proof.within {
            None => String::new(),
            Some(Within::Session) => " within session".into(),
            Some(Within::Span(span)) => format!(" within {}s", span.0),
        };
        format!("{}{flags}{aged}{within}", proof.method.as_str())
    };
    proofs.iter().map(word).collect::<Vec<_>>().join(" & ")
}

/// What the dispatcher makes of somebody who came to change something.
fn next(world: &World, task: Task, policy: &Policy) -> Next {
    let need = Need { subject: Some(world.account.user.clone()), ..Need::default() };
    step(world, Some(task), need, policy)
}

fn step(world: &World, task: Option<Task>, need: Need, policy: &Policy) -> Next {
    let ask = Ask {
        need: Need { interaction: Some(InteractionId::from_text("here")), ..need },
        asker: Asker { name: "Stepgate".into(), host: None, origin: String::new() },
        login_hint: None,
        select: false,
        create: false,
        approval: None,
        task,
        language: None,
    };
    let person = Person { user: world.account.user.clone(), username: "ada".into() };
    let progress = Progress::about(Some(person));
    let stand = Stand {
        events: &world.events,
        account: Some(&world.account),
        signed_in: true,
        anybody: true,
        remembers: false,
        hints_elsewhere: false,
        remembered: &[],
        passkeys: true,
        mails_codes: false,
    };
    next_step(&ask, &progress, &stand, policy, NOW)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_guard_is_met_by_the_highest_rank_of_the_account_and_by_nothing_less(seed: u64) {
        let world = World::from_seed(seed);
        let view = SessionView { user: &world.account.user, events: &world.events };
        let guard = Guard::of_highest(&world.account, Fresh::Within(FRESH), None);
        let met = guard.is_some_and(|guard| {
            matches!(guard.decide(Some(&view), &world.account, NOW), Decision::Satisfied(_))
        });
        let proved = shown(&world.events, |event| NOW.seconds_since(event.at) <= FRESH);
        let highest = Rank::of(&world.account);
        prop_assert_eq!(met, highest.is_some() && proved >= highest, "{:?} of {:?}", proved, highest);
    }

    #[test]
    fn no_order_no_name_and_no_other_class_of_a_policy_lowers_what_a_change_demands(seed: u64, other: u64) {
        let world = World::from_seed(seed);
        let policy = varied(&world.policy, other);
        for task in [
            Task::Enrol(Enrolment::Passkey),
            Task::Enrol(Enrolment::Totp),
            Task::RecoveryCodes,
            Task::NewPassword,
            Task::Rename,
            Task::Remove,
        ] {
            let before = next(&world, task.clone(), &world.policy);
            prop_assert_eq!(next(&world, task.clone(), &policy), before.clone());
            let acts = matches!(before, Next::Enrol { .. } | Next::OfferCodes(_) | Next::NewPassword(_) | Next::Answer(_));
            let here = |event: &Event| is_here(event) || NOW.seconds_since(event.at) <= FRESH;
            prop_assert!(!acts || shown(&world.events, here) >= Rank::of(&world.account), "{:?}", task);
        }
    }

    /// Unless the account had nothing that reaches that rank.
    #[test]
    fn no_factor_that_is_set_up_in_a_step_up_opens_more_than_what_was_proved_for_it(seed: u64, other: u64) {
        let world = World::from_seed(seed);
        if sets_up(&world, &varied(&world.policy, other)) {
            let given = world.events.iter().filter(|event| is_here(event)).cloned().collect::<Vec<_>>();
            let (proved, highest) = (shown(&given, is_here), Rank::of(&world.account));
            prop_assert!(proved >= highest, "{:?} of {:?}", proved, highest);
        }
    }
}

#[test]
fn of_the_worlds_in_which_a_step_up_is_tried_some_set_something_up() {
    let sets_up = |seed: &u64| {
        let world = World::from_seed(*seed);
        sets_up(&world, &varied(&world.policy, *seed))
    };
    let some = (0..3_000).filter(sets_up).count();
    assert!(some > 100, "{some} of 3000");
}

/// Whether a step-up to any of the classes would set a factor up now.
fn sets_up(world: &World, policy: &Policy) -> bool {
    policy.classes().iter().any(|class| {
        let need = Need { requested: Requested::Required(vec![class.name.clone()]), ..Need::default() };
        matches!(step(world, None, need, policy), Next::Enrol { .. })
    })
}

fn is_here(event: &Event) -> bool {
    event.interaction.as_str() == "here"
}
