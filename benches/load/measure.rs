//! One run: so many connections, one flow after another on each, for a while.

use super::client::Flow;
use super::client::Person;
use super::server::Place;
use super::server::Server;
use futures_util::future::join_all;
use std::time::Duration;
use std::time::Instant;

pub struct Figures {
    flows: usize,
    /// Flows in a second.
    rate: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// Milliseconds of the server's process for each flow.
    pub cpu: f64,
    /// The same of PostgreSQL.
    database: Option<f64>,
}

pub async fn run(place: &Place, server: &Server, people: &[Person], flow: Flow, span: Duration) -> Figures {
    let _paces = place.forget_paces();
    begin(people, flow).await;
    let until = Instant::now() + span;
    run_while(server, people, flow, || Instant::now() < until).await
}

/// What is made once per connection or plan is not measured.
pub async fn begin(people: &[Person], flow: Flow) {
    join_all(people.iter().map(|person| person.begin(flow))).await;
}

pub async fn run_while(
    server: &Server,
    people: &[Person],
    flow: Flow,
    goes_on: impl Fn() -> bool,
) -> Figures {
    let (cpu, database, began) = (server.cpu(), server.database_cpu(), Instant::now());
    let took = join_all(people.iter().map(|person| async {
        let mut took = Vec::new();
        while goes_on() {
            let began = Instant::now();
            person.go(flow).await;
            took.push(began.elapsed());
        }
        took
    }));
    let mut took = took.await.concat();
    let elapsed = began.elapsed();
    let flows = took.len();
    took.sort();
    let at = |share: f64| took[((flows - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let each = |milliseconds: f64| milliseconds / flows as f64;
    Figures {
        flows,
        rate: flows as f64 / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        cpu: each(server.cpu().since(cpu)),
        database: database.map(|before| each(server.database_cpu().unwrap().since(before))),
    }
}

impl Figures {
    pub fn heading() {
        println!("| flow | connections | flows/s | p50 ms | p99 ms | server CPU ms | database CPU ms |");
        println!("|---|--:|--:|--:|--:|--:|--:|");
    }

    pub fn print(&self, flow: Flow, connections: usize) {
        self.print_as(flow.name(), connections);
    }

    pub fn print_as(&self, name: &str, connections: usize) {
        let database = self.database.map_or_else(|| "–".to_owned(), |cpu| format!("{cpu:.3}"));
        let Self { rate, p50, p99, cpu, .. } = self;
        println!("| {name} | {connections} | {rate:.0} | {p50:.2} | {p99:.2} | {cpu:.3} | {database} |");
        assert!(self.flows > 5, "too few flows to say anything");
    }
}
