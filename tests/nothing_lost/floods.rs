//! Too many of everything: connections that say nothing or hardly anything, bodies without end, thousands of parameters. Those who
//! behave notice nothing, and the memory stays what it was.

use crate::attacks;
use crate::attacks::Attack;
use crate::full::Stage;
use crate::held::Held;
use crate::provider::Provider;
use crate::times;
use futures_util::future::join_all;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;

/// How many ask at once, without pause.
const HEALTHY: usize = 8;
/// So many send each attack, and each of them so often at most.
const LANES: usize = 4;
const PER_SECOND: u32 = 5;

/// What is shared: all processors of the machine, among the server, those who behave and those who flood. So what a flood costs those
/// who send it counts as well; they have a thread of their own, and what they send is made once.
#[test]
fn who_behaves_notices_nothing_of_floods_and_the_memory_stays() {
    let (behaving, flooding) = (runtime(2), runtime(1));
    behaving.block_on(async {
        let provider = Provider::on("SQLite", 1);
        let (serving, _) = provider.serve();
        let mut stages = Vec::new();
        for _ in 0..HEALTHY {
            stages.push(Stage::of(&provider).await);
        }
        p99(&mut stages, Duration::from_secs(1)).await;
        let (alone, process) = (std::env::var("STEPGATE_CONNECTIONS").is_ok(), serving.0.id());
        // What others do on the machine comes and goes; what a flood does comes back with it.
        for left in (0..3).rev() {
            let round = Round::of(&provider, process, &mut stages, &flooding, alone).await;
            println!("{round:?}");
            round.stays_small();
            if round.is_unnoticed(alone) {
                break;
            }
            assert!(left > 0, "they noticed");
        }
        assert_eq!(status(process, "THP_enabled:"), "0");
    });
}

/// Quiet, then floods, then quiet again. Memory is in kilobytes.
#[derive(Debug)]
#[allow(dead_code, reason = "all of it is printed")]
struct Round {
    before: P99,
    during: P99,
    after: P99,
    idle: usize,
    still_open: usize,
    sent: Vec<(&'static str, usize)>,
    memory: usize,
    memory_held: usize,
    peak_before: usize,
    peak: usize,
}

#[derive(Debug)]
struct P99(Duration, #[allow(dead_code, reason = "is printed")] usize);

impl Round {
    async fn of(
        provider: &Provider,
        process: u32,
        stages: &mut [Stage],
        flooding: &Runtime,
        alone: bool,
    ) -> Self {
        let (port, idle) = (provider.place.port, times("STEPGATE_CONNECTIONS", 500));
        let span = Duration::from_secs(if alone { 20 } else { 5 });
        begin_peak(process);
        let before = p99(stages, span).await;
        let (memory, peak_before) = (kilobytes(process, "VmRSS:"), kilobytes(process, "VmHWM:"));
        let mut held = flooding.spawn(Held::open(port, idle)).await.unwrap();
        // Connections are taken in turn: what is answered on new ones, more of them than there are threads, comes after all of these.
        (0..8).for_each(|_| assert!(provider.place.is_up()));
        let memory_held = kilobytes(process, "VmRSS:");
        begin_peak(process);
        let attacks = Arc::new(attacks::all());
        let flood = flooding.spawn(flood(port, attacks.clone()));
        let during = p99(stages, span).await;
        let (still_open, peak) = (held.count_open(), kilobytes(process, "VmHWM:"));
        let sent = attacks.iter().map(Attack::said).collect();
        match flood.is_finished() {
            true => flood.await.unwrap(),
            false => flood.abort(),
        }
        drop(held);
        let after = p99(stages, span).await;
        Self { before, during, after, idle, still_open, sent, memory, memory_held, peak_before, peak }
    }

    /// Less than the quiets before and after take together. Beside other tests twice the slower of both counts, and a little is forgiven.
    fn is_unnoticed(&self, alone: bool) -> bool {
        let (before, after) = (self.before.0, self.after.0);
        match alone {
            true => after < 2 * before && self.during.0 < before + after,
            false => self.during.0 < 2 * before.max(after) + Duration::from_millis(20),
        }
    }

    /// And the flood was one until its end.
    fn stays_small(&self) {
        let Self { idle, still_open, memory, memory_held, .. } = *self;
        assert!(still_open * 10 >= idle * 9, "{still_open} of {idle} are open");
        for (name, count) in &self.sent {
            assert!(*count >= LANES, "{name}: {count}");
        }
        assert!(self.peak < self.peak_before + 50 * 1024, "{self:?}");
        // Half of them have sent nothing: their buffers are no memory, on huge pages least of all.
        assert!(memory_held < memory + idle * 8, "{} kB for each", (memory_held - memory) / idle);
    }
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

/// All at once, until one of them gets an answer that it should not.
async fn flood(port: u16, attacks: Arc<Vec<Attack>>) {
    let lanes = attacks.iter().flat_map(|attack| [attack; LANES]);
    join_all(lanes.map(|attack| attack.again_and_again(port, PER_SECOND))).await;
}

/// What 99 of a hundred silent requests of those who are signed in take at most, and how many there were.
async fn p99(stages: &mut [Stage], span: Duration) -> P99 {
    let until = Instant::now() + span;
    let lanes = stages.iter_mut().map(|stage| async move {
        let mut took = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            assert_eq!(stage.silent().await.outcome(), "code");
            took.push(began.elapsed());
        }
        took
    });
    let mut took = join_all(lanes).await.concat();
    took.sort();
    P99(took[took.len() * 99 / 100], took.len())
}

/// From now on it is counted anew (proc_pid_clear_refs(5)).
fn begin_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
}

/// Of memory: `VmRSS:` now, `VmHWM:` at most.
fn kilobytes(process: u32, name: &str) -> usize {
    status(process, name).strip_suffix(" kB").unwrap().parse().unwrap()
}

fn status(process: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}
