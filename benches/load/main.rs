//! What a flow costs: the real server, real connections, every answer checked. `make bench` prints tables in Markdown and ends
//! with an error where a figure is worse than it shall be.
//!
//! CPU is what the server's process used (and PostgreSQL's, in a column of its own) over the flows of one run, so the load
//! program beside it costs rate and latency but no CPU in the tables. `load floor` and `load argon2` are the things to compare with: run
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
use measure::Figures;
use measure::run;
use process::Cpu;
use server::Place;
use server::Server;
use std::time::Duration;
use std::time::Instant;
use targets::Verdict;

/// Open connections at once.
const CONNECTIONS: [usize; 3] = [1, 8, 32];
const MOST: usize = 32;

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>();
    match arguments.first().map(String::as_str) {
        Some("floor") => floor::serve(),
        Some("argon2") => floor::argon2(),
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
        if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
            flows(&Place::postgresql(&url), "PostgreSQL", span, &mut verdict).await;
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
    let idle = server.memory();
    let people = client::sign_in_all(place, &server, MOST, With::PasswordAndTotp).await;
    let floor = floor::measure(place, span).await;
    println!("\n## {database}\n");
    println!(
        "Floor: two exchanges with a bare handler and two signatures cost {:.3} ms with an RS256 ID token,",
        floor.rs256
    );
    println!("{:.3} ms with ES256 for both.\n", floor.es256);
    Figures::heading();
    let named = std::env::var("BENCH_FLOW").ok();
    for flow in
        Flow::ALL.into_iter().filter(|flow| named.as_deref().is_none_or(|name| flow.name().contains(name)))
    {
        for connections in CONNECTIONS {
            let (people, judged) = (&people[..connections], connections == MOST && database == "SQLite");
            if judged && flow == Flow::Password {
                let (figures, argon2) = beside_argon2(&server, people, span).await;
                figures.print(flow, connections);
                println!("\nargon2id alone, between the sign-ins: {argon2:.1} ms.");
                verdict.judge_password(&figures, argon2);
                continue;
            }
            let figures = run(&server, people, flow, span).await;
            figures.print(flow, connections);
            if judged {
                verdict.judge(flow, &figures, &floor);
            }
        }
    }
    let busy = server.memory();
    println!("\nMemory: {idle} MiB before the load, {busy} MiB after it.");
    if database == "SQLite" {
        verdict.at_most("memory when idle, MiB", idle as f64, 64.0);
        verdict.at_most("memory under load, MiB", busy as f64, 200.0);
    }
    drop(server);
    let began = Instant::now();
    let server = place.serve();
    verdict.at_most(&format!("{database}: start to first answer, s"), began.elapsed().as_secs_f64(), 1.0);
    drop(server);
}

/// Sign-ins with passwords and argon2id alone, in turns: the speed of a machine drifts by more than the two differ. Of the rounds
/// the one whose ratio is in the middle, with what argon2id cost in it.
async fn beside_argon2(server: &Server, people: &[Person], span: Duration) -> (Figures, f64) {
    const ROUNDS: usize = 7;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = floor::measure_argon2(span / 2);
        let figures = run(server, people, Flow::Password, span).await;
        rounds.push((figures, f64::midpoint(before, floor::measure_argon2(span / 2))));
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
        let figures = run(&server, &people, Flow::Silent, span).await;
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
    let server = place.serve();
    let people = client::sign_in_all(place, &server, MOST, With::Password).await;
    let swept = run(&server, &people, Flow::Silent, span).await;
    swept.print_as("silent code flow, while a million rows are swept", MOST);
    assert!(fill::expired_left(place) > 0, "the sweep was over before it was measured");
    verdict.at_most("p99 while a million rows are swept over that before", swept.p99 / before, 2.0);
}

/// Memory over a long load: what it has reached after its first tenth is what it stays at. `BENCH_MINUTES`: 60.
async fn hour(place: &Place, verdict: &mut Verdict) {
    let minutes = std::env::var("BENCH_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(60_u32);
    place.prepare(MOST);
    let server = place.serve();
    let people = client::sign_in_all(place, &server, MOST, With::PasswordAndTotp).await;
    println!("\n## {minutes} minutes of load (SQLite)\n");
    let mut memory = Vec::new();
    for minute in 0..minutes {
        let flow = Flow::ALL[minute as usize % Flow::ALL.len()];
        run(&server, &people, flow, Duration::from_secs(60)).await;
        memory.push(server.memory());
    }
    let (first, rest) = memory.split_at(Flow::ALL.len().min(memory.len().div_ceil(2)));
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default() as f64;
    println!("Resident memory, MiB, minute by minute: {memory:?}");
    verdict.at_most(
        "memory after every flow had its minute, over that before",
        most(rest) / most(first),
        1.25,
    );
}

impl Server {
    pub fn cpu(&self) -> Cpu {
        Cpu::of(self.id())
    }
}
