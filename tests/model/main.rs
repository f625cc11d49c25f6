//! The whole server against a small model of it: people, browsers, open pages, tokens and the clock, moved at random.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/app.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod app;
#[path = "../support/authenticator.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod authenticator;
#[path = "../support/browser.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod browser;
#[path = "../support/clock.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod clock;
#[path = "../support/database.rs"]
mod database;
#[path = "../support/relying_party.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod relying_party;
#[path = "../support/smtp.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod smtp;

mod account;
mod grants;
mod mail;
mod operation;
mod pages;
mod passkeys;
mod people;
mod recorded;
mod requests;
mod statement;
mod world;

use database::TestDatabase;
use mail::MAILS;
use operation::Acr;
use operation::Operation;
use operation::Wish;
use operation::With;
use operation::operations;
use proptest::test_runner::Config;
use proptest::test_runner::RngSeed;
use proptest::test_runner::TestCaseError;
use proptest::test_runner::TestError;
use proptest::test_runner::TestRunner;
use statement::POLICIES;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use world::Told;
use world::World;

/// The same operations in every run, unless `PROPTEST_CASES` asks for more than that: then others each time.
const CASES: u32 = 120;
const LONGEST: usize = 34;
/// What has to happen in these lives for them to show anything.
const HAPPENS: [&str; 26] = [
    "mailed code entered",
    "mailed code guessed",
    "floors raised",
    "passkey removed",
    "password changed",
    "Pwd given",
    "Pwd refused",
    "Otp given",
    "Otp refused",
    "Key given",
    "Key refused",
    "Recovery given",
    "Recovery refused",
    "consent given",
    "asked, code",
    "asked, login_required",
    "page ends with code",
    "code redeemed",
    "code refused",
    "refreshed",
    "refresh refused",
    "old form sent",
    "form of what is over sent",
    "passkey replayed",
    "passkey replayed elsewhere",
    "clock set back",
];

#[test]
fn in_any_order_of_requests_proofs_and_endings_only_what_was_proved_is_stated() {
    check(CASES, database::sqlite);
}

#[test]
fn in_any_order_on_postgresql_too_only_what_was_proved_is_stated() {
    check(CASES / 8, database::postgresql);
}

#[test]
fn a_page_whose_time_was_over_may_be_open_again_where_the_clock_is_set_back() {
    let wish = Wish {
        client: 0,
        prompt: Some("login"),
        max_age: None,
        acr: Acr::Any,
        about: None,
        login_hint: None,
        offline: false,
    };
    let (page, with, who) = (0, With::Right, 0);
    let operations = vec![
        Operation::Ask { browser: 0, wish },
        Operation::Wait { seconds: 601 },
        Operation::Fill { page, with, who },
        Operation::SetBack { seconds: 31 },
        Operation::SendOldForm { page, earlier: 0, over: true },
        Operation::Fill { page, with, who },
        // It has had its answer: it is over whatever the clock says.
        Operation::SetBack { seconds: 31 },
        Operation::SendOldForm { page, earlier: 0, over: true },
    ];
    let told = Arc::default();
    lived((0, 0), operations, database::sqlite, &told).unwrap();
    let counts = &told.lock().unwrap().counts;
    let happened = ["page ends with code", "form of what is over sent"].map(|what| counts.get(what).copied());
    assert_eq!(happened, [Some(2), Some(1)], "{counts:#?}");
}

fn check(cases: u32, database: fn() -> TestDatabase) {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if wanted.is_some() { RngSeed::Random } else { RngSeed::Fixed(12) };
    let config = Config {
        cases: wanted.unwrap_or(cases),
        rng_seed,
        failure_persistence: None,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let told = Arc::new(Mutex::new(Told::default()));
    let run = |(place, operations): (Place, Vec<Operation>)| lived(place, operations, database, &told);
    let lives = ((0..POLICIES.len(), 0..MAILS.len()), operations(LONGEST));
    if let Err(TestError::Fail(why, (place, operations))) = TestRunner::new(config).run(&lives, run) {
        let listed = operations.iter().map(|operation| format!("    {operation:?},\n")).collect::<String>();
        panic!("{why}\nThe fewest operations that show it, at {place:?}:\n{listed}");
    }
    let counts = &told.lock().unwrap().counts;
    println!("{counts:#?}");
    if wanted.is_none() && cases == CASES {
        let missing = HAPPENS.iter().filter(|what| !counts.contains_key(**what)).collect::<Vec<_>>();
        assert_eq!(missing, Vec::<&&str>::new(), "it did not happen: {counts:#?}");
    }
}

/// Which policy, and how mail is set up.
type Place = (usize, usize);

/// One life of a world. What went wrong is told with everything that happened before.
fn lived(
    (policy, mail): Place,
    operations: Vec<Operation>,
    database: fn() -> TestDatabase,
    told: &Arc<Mutex<Told>>,
) -> Result<(), TestCaseError> {
    let telling = told.clone();
    telling.lock().unwrap().lines.clear();
    let life = AssertUnwindSafe(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(database(), (POLICIES[policy], MAILS[mail]), telling).await;
            for operation in &operations {
                world.perform(operation).await;
            }
            world.everything_stands_as_it_should().await;
        });
        runtime.shutdown_background();
    });
    catch_unwind(life).map_err(|why| {
        let told = told.lock().unwrap().lines.join("\n    ");
        TestCaseError::fail(format!("{}\nWhat happened:\n    {told}", words(why.as_ref())))
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
