//! What can't be gone below: a bare handler and the signatures, argon2id alone. Each is a process of its own.

use super::client;
use super::process::Cpu;
use super::server::Place;
use actix_web::App;
use actix_web::HttpResponse;
use actix_web::HttpServer;
use actix_web::web;
use actix_web::web::Bytes;
use actix_web::web::Data;
use argon2::Argon2;
use argon2::Params;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::base::time::SystemClock;
use stepgate::credential::argon2id::Hasher;
use stepgate::credential::argon2id::Memory;
use stepgate::credential::password::Argon2Cost;
use stepgate::jose::folder;
use stepgate::jose::keyring::Keyring;
use stepgate::protocol::metadata::SigningAlg;

/// CPU milliseconds.
pub struct Floor {
    pub rs256: f64,
    pub es256: f64,
}

/// Runs `load floor` for a while, with 32 connections.
pub async fn measure(place: &Place, span: Duration) -> Floor {
    let mut child = again("floor").arg(place.keys()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().to_owned();
    let cost = async |alg: &str| {
        let before = Cpu::of(child.id());
        let flows = client::bare(&address, alg, 32, span).await;
        Cpu::of(child.id()).since(before) / flows as f64
    };
    let floor = Floor { rs256: cost("RS256").await, es256: cost("ES256").await };
    end(child);
    floor
}

/// CPU milliseconds of one comparison, as many at once as there are processors.
pub struct Argon2id {
    /// The library as it comes: each comparison takes memory and gives it back.
    pub alone: f64,
    /// In memory that is used again, as the server does it.
    pub kept: f64,
}

pub fn measure_argon2(span: Duration) -> Argon2id {
    let cost = |how: &str| {
        let output = again("argon2").arg(how).arg(span.as_millis().to_string()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    Argon2id { alone: cost("alone"), kept: cost("kept") }
}

fn again(what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(what);
    command
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// One exchange that leads on, and one that signs an access token and an ID token and answers with both.
pub fn serve() {
    let keys = std::env::args().nth(2).unwrap();
    let keys = folder::load(Path::new(&keys)).unwrap().signing;
    let keys = Data::new(Keyring::new(keys, Seconds::hours(1)));
    let run = async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(keys.clone())
                .route("/authorize", web::get().to(authorize))
                .route("/token", web::post().to(token))
        });
        let server = server.bind("127.0.0.1:0").unwrap();
        println!("http://{}", server.addrs()[0]);
        server.run().await.unwrap();
    };
    actix_web::rt::System::new().block_on(run);
}

async fn authorize() -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("location", "https://rp.test/cb?code=c&state=s")).finish()
}

async fn token(keys: Data<Keyring>, alg: Bytes) -> HttpResponse {
    let now = SystemClock.now();
    let claims = json!({
        "iss": "http://localhost:8080", "sub": "01a214dd-b0bc-79a6-8868-5e6378f3c003", "aud": "rs256",
        "iat": now.unix_seconds(), "exp": now.unix_seconds() + 600, "nonce": "n", "auth_time": now.unix_seconds(),
        "acr": "urn:stepgate:acr:mfa", "amr": ["pwd", "otp", "mfa"], "sid": "01a214dd-b0bc-79a6-8868-5e6378f3c003",
    });
    let alg = SigningAlg::parse(std::str::from_utf8(&alg).unwrap()).unwrap();
    HttpResponse::Ok().json(json!({
        "access_token": keys.sign(SigningAlg::ES256, "at+jwt", &claims, now).unwrap(),
        "id_token": keys.sign(alg, "JWT", &claims, now).unwrap(),
        "token_type": "Bearer", "expires_in": 600, "scope": "openid",
    }))
}

/// Prints what one comparison costs.
pub fn argon2() {
    let kept = std::env::args().nth(2).unwrap() == "kept";
    let span = Duration::from_millis(std::env::args().nth(3).unwrap().parse().unwrap());
    let cost = Argon2Cost::default();
    let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None).unwrap();
    let (library, ours) = (Argon2::from(params.clone()), Hasher::new(params));
    let stored = ours.hash(b"the right password", &[7; 16], &mut Memory::default()).unwrap();
    let parsed = PasswordHash::new(&stored).unwrap();
    let until = Instant::now() + span;
    let compare = || {
        let (mut memory, mut count) = (Memory::default(), 0_u32);
        while Instant::now() < until {
            let wrong = b"a wrong password";
            match kept {
                true => assert_eq!(ours.verify(&stored, wrong, &mut memory), Some(false)),
                false => assert!(library.verify_password(wrong, &parsed).is_err()),
            }
            count += 1;
        }
        count
    };
    let count = std::thread::scope(|scope| {
        let threads = (0..available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(compare));
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
    });
    println!("{}", Cpu::of(std::process::id()).since(Cpu::nothing()) / f64::from(count));
}
