//! Too many of everything: connections that say nothing, bodies without end, thousands of parameters, thousands of people. Those who
//! behave notice nothing, and the memory stays what it was.

use crate::app::CALLBACK;
use crate::app::SECRET;
use crate::full::Stage;
use crate::provider::Provider;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::times;
use crate::visitor::Visitor;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::secret::from_base64url;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio::time::timeout;

const FORM: &str = "content-type: application/x-www-form-urlencoded";

async fn connect(provider: &Provider) -> TcpStream {
    TcpStream::connect(("127.0.0.1", provider.place.port)).await.unwrap()
}

fn status(process: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

/// Kilobytes of memory.
fn memory(process: u32) -> usize {
    status(process, "VmRSS:").strip_suffix(" kB").unwrap().parse().unwrap()
}

/// What 99 of a hundred silent requests of somebody who is signed in take at most.
async fn p99(stage: &mut Stage) -> Duration {
    let mut took = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(stage.silent().await.outcome(), "code");
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() * 99 / 100]
}

/// A hundred megabytes, as long as they are taken; the first line of what comes back.
async fn endless(provider: &Provider, framing: &str) -> String {
    let mut stream = connect(provider).await;
    let head = format!("POST /token HTTP/1.1\r\nhost: op.test\r\n{FORM}\r\n{framing}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = match framing.contains("chunked") {
        true => format!("10000\r\n{}\r\n", "x".repeat(0x10000)),
        false => "x".repeat(0x10000),
    };
    for _ in 0..1600 {
        if stream.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or("cut off").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_behaves_notices_nothing_of_floods_and_the_memory_stays() {
    let provider = Provider::on("SQLite", 1);
    let (serving, _) = provider.serve();
    let process = serving.0.id();
    let mut stage = Stage::of(&provider).await;
    p99(&mut stage).await;
    let (before, memory_before) = (p99(&mut stage).await, memory(process));
    let over = AtomicBool::new(false);
    let idle = times("STEPGATE_CONNECTIONS", 500);
    let mut silent = Vec::new();
    for n in 0..idle {
        let mut stream = connect(&provider).await;
        // Some have begun to speak.
        if n % 2 == 0 {
            stream.write_all(b"POST /token HTTP/1.1\r\nhost: op.test\r\n").await.unwrap();
        }
        silent.push(stream);
    }
    // Connections are taken in turn: what is answered on new ones, more of them than there are threads, comes after all of these.
    (0..8).for_each(|_| assert!(provider.place.is_up()));
    let memory_held = memory(process);
    let (large, parameters) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let floods = async {
        while !over.load(Ordering::Relaxed) {
            let framings = ["content-length: 104857600", "transfer-encoding: chunked"];
            let endless = join_all(framings.map(|framing| endless(&provider, framing)));
            for line in timeout(Duration::from_secs(20), endless).await.unwrap() {
                assert!(["HTTP/1.1 413 Payload Too Large", "cut off"].contains(&line.as_str()), "{line}");
                large.fetch_add(1, Ordering::Relaxed);
            }
            let mut visitor = Visitor::new(&Visitor::http(), &provider.place.address(), "10.0.0.9");
            let many = (0..10_000).map(|n| format!("p{n}")).collect::<Vec<_>>();
            let form = many.iter().map(|name| (name.as_str(), "1")).collect::<Vec<_>>();
            for path in ["/token", "/authorize"] {
                let refused = visitor.post(path, &form).await.map(|reply| reply.status.as_u16());
                assert!(refused.is_err() || matches!(refused, Ok(400 | 413)), "{refused:?}");
                parameters.fetch_add(1, Ordering::Relaxed);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let healthy = async {
        sleep(Duration::from_millis(300)).await;
        let mut during = p99(&mut stage).await;
        // However fast the server answers: until it has met with each kind of flood.
        while large.load(Ordering::Relaxed) == 0 || parameters.load(Ordering::Relaxed) == 0 {
            during = during.max(p99(&mut stage).await);
        }
        over.store(true, Ordering::Relaxed);
        (during, memory(process))
    };
    let ((), (during, memory_during)) = tokio::join!(floods, healthy);
    println!(
        "{} idle connections, {large:?} endless bodies, {parameters:?} forms: p99 {before:?}, then {during:?}; \
         {memory_before} kB, then {memory_held} kB and {memory_during} kB",
        silent.len()
    );
    // Both share the processors of the machine with who sends all of that.
    assert!(during < 2 * before + Duration::from_millis(100), "{before:?}, then {during:?}");
    assert!(memory_during.max(memory_held) < memory_before + 50 * 1024);
    // Half of them have sent nothing: their buffers are no memory, on huge pages least of all.
    assert_eq!(status(process, "THP_enabled:"), "0");
    assert!(memory_held < memory_before + idle * 8, "{} kB for each", (memory_held - memory_before) / idle);
}

const PEOPLE: usize = 200;
const AT_ONCE: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_sign_in_over_two_processes_and_each_is_themself() {
    let provider = Provider::on("PostgreSQL", 1);
    // As many as there are, with the password of the first.
    provider.run(&format!(
        "INSERT INTO users (id, username, claims, second_factor, created_at) \
           SELECT 'sub-' || n, 'person' || n, u.claims, u.second_factor, u.created_at \
           FROM users u, generate_series(1, {PEOPLE} - 1) n; \
         INSERT INTO login_names (name, user_id, kind, verified_at) \
           SELECT 'person' || n, 'sub-' || n, l.kind, l.verified_at FROM login_names l, generate_series(1, {PEOPLE} - 1) n; \
         INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at) \
           SELECT 'password-' || n, 'sub-' || n, c.kind, c.secret, 0, c.enrolled_at \
           FROM credentials c, generate_series(1, {PEOPLE} - 1) n"
    ));
    let other = provider.place.beside();
    let places = [provider.place.address(), other.address()];
    let _servings = (provider.serve(), other.serve(&[("STEPGATE_LOG", "off")]));
    let (http, next, sign_ins) =
        (Visitor::http(), Arc::new(AtomicUsize::new(0)), times("STEPGATE_SIGN_INS", 2000));
    let began = Instant::now();
    let lanes = (0..AT_ONCE).map(|_| {
        let (http, next, places) = (http.clone(), next.clone(), places.clone());
        tokio::spawn(async move {
            let mut sids = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= sign_ins {
                    return sids;
                }
                sids.push(signs_in_as_themself(&http, &places, n).await);
            }
        })
    });
    let sids = join_all(lanes).await.into_iter().flat_map(|lane| lane.unwrap()).collect::<Vec<_>>();
    println!("{sign_ins} sign-ins in {:?}", began.elapsed());
    assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), sign_ins, "a session each");
    provider.is_whole();
}

/// Signs in at one process and redeems at the other; the session's name.
async fn signs_in_as_themself(http: &reqwest::Client, places: &[String; 2], n: usize) -> String {
    let person = 1 + n % (PEOPLE - 1);
    let source = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
    let mut visitor = Visitor::new(http, &places[n % 2], &source);
    let reply = visitor.sign_in(&Request::new(), &format!("person{person}")).await.unwrap();
    let form = [
        ("client_id", "rp"),
        ("client_secret", SECRET),
        ("grant_type", "authorization_code"),
        ("code", &reply.answer()["code"]),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let mut client = Visitor::new(http, &places[(n / 2) % 2], &source);
    let bought = client.post("/token", &form).await.unwrap();
    let bought: Value = serde_json::from_str(&bought.body).unwrap();
    for token in ["id_token", "access_token"] {
        assert_eq!(claims(&bought[token])["sub"], format!("sub-{person}"), "{bought}");
    }
    claims(&bought["id_token"])["sid"].as_str().unwrap().to_owned()
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&from_base64url(payload).unwrap()).unwrap()
}
