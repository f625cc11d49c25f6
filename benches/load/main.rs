//! What a flow costs: the real server, real connections, every answer checked. `make bench` prints tables in Markdown and ends
//! with an error where a figure is worse than it shall be.
//!
//! CPU is what the server's process used (and PostgreSQL's, in a column of its own) over the flows of one run, so the load
//! program beside it costs rate and latency but no CPU in the tables. `load floor` and `load argon2` are the floors to compare with: run
//! as processes of their own, from the same binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod client;
mod fill;
mod floor;
mod measure;
mod process;
mod server;
mod targets;

use client::Flow;
use client::Person;
use client::With;
use floor::Floor;
use futures_util::future::join;
use measure::Figures;
use measure::begin;
use measure::run;
use measure::run_while;
use process::Cpu;
use server::Place;
use server::Server;
use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;
use targets::Most;
use targets::Verdict;
use tokio::time::sleep;

/// Open connections at once.
const CONNECTIONS: [usize; 3] = [1, 8, 32];
const MOST: usize = 32;

const PARTS: [&str; 3] = ["flows", "size", "hour"];

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>();
    match arguments.first().map(String::as_str) {
        Some("floor") => floor::serve(),
        Some("argon2") => floor::argon2(),
        first if arguments.len() > 1 || first.is_some_and(|part| !PARTS.contains(&part)) => {
            eprintln!("load: {arguments:?} is none of {PARTS:?}");
            std::process::exit(2);
        }
        first => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let verdict = runtime.block_on(bench(first));
            std::process::exit(i32::from(!verdict.print()));
        }
    }
}

/// `only`: the one part that is wanted; `hour` must be named.
async fn bench(only: Option<&str>) -> Verdict {
    let seconds = std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3.0);
    let span = Duration::from_secs_f64(seconds);
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let mut verdict = Verdict::default();
    if wanted("flows") {
        flows(&Place::sqlite(), "SQLite", span, &mut verdict).await;
        match std::env::var("TEST_POSTGRES_URL") {
            Ok(url) => flows(&Place::postgresql(&url), "PostgreSQL", span, &mut verdict).await,
            Err(_) => {
                println!("\nPostgreSQL is left out: TEST_POSTGRES_URL is not set (scripts/bench sets it).")
            }
        }
    }
    if wanted("size") {
        size(&Place::sqlite(), span, &mut verdict).await;
    }
    if only == Some("hour") {
        hour(&Place::sqlite(), &mut verdict).await;
    }
    verdict
}

async fn flows(place: &Place, database: &str, span: Duration, verdict: &mut Verdict) {
    place.prepare(MOST);
    let server = place.serve();
    for path in ["/readyz", "/jwks", "/.well-known/openid-configuration", "/"] {
        assert_eq!(place.status(path), Some(200), "{path}");
    }
    let idle = server.memory();
    server.begin_peak();
    let people = client::sign_in_all(place, &server, MOST, With::PasswordAndTotp).await;
    println!("\n## {database}\n");
    Figures::heading();
    let mut floors = Vec::new();
    let named = std::env::var("BENCH_FLOW").ok();
    let is_named = |flow: &Flow| named.as_deref().is_none_or(|name| flow.name().contains(name));
    assert!(Flow::ALL.iter().any(is_named), "BENCH_FLOW is part of no flow's name");
    for flow in Flow::ALL.into_iter().filter(is_named) {
        for connections in CONNECTIONS {
            let (people, judged) = (&people[..connections], connections == MOST && database == "SQLite");
            let most = if judged { targets::most(flow) } else { None };
            let (figures, most) = match most {
                Some(Most::Times(times, floor)) => {
                    let (figures, below) = beside(floor, place, &server, people, flow, span).await;
                    floors.push(format!("{}: {below:.3} ms", flow.name()));
                    (figures, Some(times * below))
                }
                Some(Most::Milliseconds(most)) => (run(place, &server, people, flow, span).await, Some(most)),
                None => (run(place, &server, people, flow, span).await, None),
            };
            figures.print(flow, connections);
            if let Some(most) = most {
                verdict.at_most(&format!("{}: CPU ms", flow.name()), figures.cpu, most);
            }
        }
    }
    if !floors.is_empty() {
        println!("\nThe floors, in turns with the flows above them: {}.", floors.join("; "));
    }
    verdict.at_most(&format!("{database}: memory after the first answers, MiB"), idle, 64.0);
    verdict.at_most(&format!("{database}: memory under load, at its peak, MiB"), server.peak(), 200.0);
    drop(server);
    let (_server, start) = place.serve_timed();
    verdict.at_most(&format!("{database}: start to first answer, s"), start, 1.0);
}

/// A flow and its floor, in turns: the speed of a machine drifts by more than the two differ. Of the rounds the one whose ratio is
/// in the middle, with what the floor cost in it.
async fn beside(
    floor: Floor,
    place: &Place,
    server: &Server,
    people: &[Person],
    flow: Flow,
    span: Duration,
) -> (Figures, f64) {
    const ROUNDS: usize = 7;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = floor.measure(place, span / 2).await;
        let figures = run(place, server, people, flow, span).await;
        rounds.push((figures, f64::midpoint(before, floor.measure(place, span / 2).await)));
    }
    rounds.sort_by(|one, other| (one.0.cpu / one.1).total_cmp(&(other.0.cpu / other.1)));
    rounds.swap_remove(ROUNDS / 2)
}

/// The same flow beside a thousand and beside a million users, sessions and grants; and while a million expired rows go.
async fn size(place: &Place, span: Duration, verdict: &mut Verdict) {
    place.prepare(MOST);
    println!("\n## Size (SQLite)\n");
    Figures::heading();
    let measured = async |name: &str| {
        let server = place.serve();
        let people = client::sign_in_all(place, &server, MOST, With::Password).await;
        let figures = run(place, &server, &people, Flow::Silent, span).await;
        figures.print_as(name, MOST);
        figures
    };
    fill::living(place, 1_000);
    let small = measured("silent code flow, 1,000 of each").await;
    fill::living(place, 1_000_000);
    let large = measured("silent code flow, 1,000,000 of each").await;
    verdict.at_most("CPU of a silent flow at 1,000,000 over that at 1,000", large.cpu / small.cpu, 1.5);
    let before = large.p99;
    fill::expired(place, 1_000_000);
    let (server, start) = place.serve_timed();
    verdict.at_most("SQLite, 1,000,000 of each: start to first answer, s", start, 1.0);
    let people = client::sign_in_all(place, &server, MOST, With::Password).await;
    begin(&people, Flow::Silent).await;
    let (left, most, is_over) = (fill::expired_left(place), Instant::now() + 10 * span, Cell::new(false));
    let until_it_is_over = async {
        while !fill::is_swept(place) && Instant::now() < most {
            sleep(Duration::from_millis(100)).await;
        }
        is_over.set(true);
    };
    let (swept, ()) =
        join(run_while(&server, &people, Flow::Silent, || !is_over.get()), until_it_is_over).await;
    let swept_rows = left - fill::expired_left(place);
    swept.print_as("silent code flow, while a million rows are swept", MOST);
    println!("\nOf these, {swept_rows} were swept while it was measured.");
    assert!(swept_rows > 0, "the sweep was over before it was measured, or did not go on");
    verdict.at_most("p99 while a million rows are swept over that before", swept.p99 / before, 2.0);
}

/// Memory over a long load: at the last minute of each flow it is what it was at the second one, and at rest it is given back.
/// `BENCH_MINUTES`: 60.
async fn hour(place: &Place, verdict: &mut Verdict) {
    let minutes = std::env::var("BENCH_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(60_u32);
    let flows = Flow::ALL.len();
    assert!(minutes as usize >= 3 * flows, "{minutes} minutes show nothing: each flow needs three");
    place.prepare(MOST);
    let server = place.serve();
    let people = client::sign_in_all(place, &server, MOST, With::PasswordAndTotp).await;
    println!("\n## {minutes} minutes of load (SQLite)\n");
    let mut memory = Vec::new();
    for minute in 0..minutes {
        let flow = Flow::ALL[minute as usize % flows];
        run(place, &server, &people, flow, Duration::from_secs(60)).await;
        memory.push(server.memory());
    }
    println!("Resident memory, MiB, minute by minute: {memory:.1?}");
    for (n, flow) in Flow::ALL.into_iter().enumerate() {
        let minutes = memory.iter().skip(n).step_by(flows).copied().collect::<Vec<_>>();
        let (second, last) = (minutes[1], minutes[minutes.len() - 1]);
        let most = f64::max(1.1 * second, second + 4.0);
        verdict.at_most(&format!("{}: memory in its last minute, MiB", flow.name()), last, most);
    }
    // A sweep later.
    sleep(Duration::from_secs(80)).await;
    verdict.at_most("memory at rest after the load, MiB", server.memory(), 64.0);
}

impl Server {
    pub fn cpu(&self) -> Cpu {
        Cpu::of(self.id())
    }
}
