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
use futures_util::future::join_all;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::entropy::SystemEntropy;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::base::time::SystemClock;
use stepgate::credential::password::Argon2Cost;
use stepgate::credential::password::Passwords;
use stepgate::jose::folder;
use stepgate::jose::keyring::Keyring;
use stepgate::protocol::metadata::SigningAlg;

#[derive(Clone, Copy)]
pub enum Floor {
    /// Two exchanges with a handler that does nothing, and the two signatures of a token response, the ID token's with this `alg`.
    Bare(&'static str),
    /// One hash, as many at once as there are processors.
    Argon2,
}

impl Floor {
    /// CPU milliseconds.
    pub async fn measure(self, place: &Place, span: Duration) -> f64 {
        match self {
            Self::Bare(alg) => bare(place, alg, span).await,
            Self::Argon2 => argon2_alone(span),
        }
    }
}

async fn bare(place: &Place, alg: &str, span: Duration) -> f64 {
    let mut child = again("floor").arg(place.keys()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let before = Cpu::of(child.id());
    let flows = client::bare(line.trim(), alg, 32, span).await;
    let cpu = Cpu::of(child.id()).since(before) / flows as f64;
    end(child);
    cpu
}

fn argon2_alone(span: Duration) -> f64 {
    let output = again("argon2").arg(span.as_millis().to_string()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
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
    let span = Duration::from_millis(std::env::args().nth(2).unwrap().parse().unwrap());
    let threads = available_parallelism().map_or(1, usize::from);
    let passwords = Arc::new(Passwords::new(Argon2Cost::default(), threads, &SystemEntropy).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (count, cpu) = runtime.block_on(async {
        // The first hash of each thread takes its memory from the kernel.
        join_all((0..threads).map(|_| passwords.verify(None, "a wrong password"))).await;
        let cpu = Cpu::of(std::process::id());
        let until = Instant::now() + span;
        let work = (0..threads).map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move {
                let mut count = 0_u32;
                while Instant::now() < until {
                    let _ = passwords.verify(None, "a wrong password").await;
                    count += 1;
                }
                count
            })
        });
        (join_all(work).await.into_iter().map(Result::unwrap).sum::<u32>(), cpu)
    });
    println!("{}", Cpu::of(std::process::id()).since(cpu) / f64::from(count));
}
