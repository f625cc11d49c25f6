//! Programs that run at the same time: two servers on one PostgreSQL, and commands beside a server on SQLite. Of all who want
//! what there is once, one gets it.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::browser::Reply;
use crate::database::postgres;
use crate::passkeys;
use crate::program::Place;
use crate::program::Serving;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use futures_util::future::join_all;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::time::Clock;
use stepgate::base::time::SystemClock;
use stepgate::credential::totp::TotpSecret;
use totp_rs::Totp;

struct Provider {
    places: Vec<Place>,
    totp: TotpSecret,
    servers: Vec<Serving>,
}

impl Provider {
    /// One server on SQLite, or two on PostgreSQL, with the user `ada` and the client `rp`.
    fn start(database: &str) -> Self {
        let first = if database == "SQLite" { Place::new() } else { Place::on(&postgres()) };
        let settings = "[accounts]\ncreate = true\n[argon2]\nmemory_kib = 8\niterations = 1\n";
        fs::write(first.path("stepgate.toml"), settings).unwrap();
        let metadata = json!({
            "client_id": "rp", "client_secret": SECRET, "redirect_uris": [CALLBACK], "skip_consent": true,
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_post",
        });
        first.says(&["client", "add"], &metadata.to_string());
        let ada = ["user", "add", "ada", "--password-stdin", "--totp", "--second-factor", "step-up"];
        let uri = first.says(&ada, PASSWORD)["totp"]["otpauth_uri"].as_str().unwrap().to_owned();
        let totp = TotpSecret::from_bytes(Totp::from_url(uri).unwrap().secret().to_vec());
        let mut places = vec![first];
        if database != "SQLite" {
            places.push(places[0].beside());
        }
        let servers = places.iter().map(|place| place.serve(&[])).collect();
        Self { places, totp, servers }
    }

    /// One after the other.
    fn address(&self, n: usize) -> String {
        self.places[n % self.places.len()].address()
    }

    async fn signed_in(&self, n: usize) -> (Browser, String) {
        let mut browser = Browser::at(&self.address(n));
        let page = browser.open(&Request::new().path()).await;
        let reply = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
        (browser, reply.answer()["code"].clone())
    }

    async fn token(&self, n: usize, form: &[(&str, &str)]) -> (u16, Value) {
        let own = [("client_id", "rp"), ("client_secret", SECRET)];
        let reply = Browser::at(&self.address(n)).post("/token", &[&own, form].concat()).await;
        (reply.status.as_u16(), serde_json::from_str(&reply.body).unwrap())
    }

    async fn redeem(&self, n: usize, code: &str) -> (u16, Value) {
        let own =
            [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.token(n, &[own.as_slice(), &[("code", code)]].concat()).await
    }
}

fn successes(children: Vec<Child>) -> usize {
    children.into_iter().map(|child| child.wait_with_output().unwrap()).filter(|o| o.status.success()).count()
}

#[tokio::test]
async fn a_code_buys_tokens_once_and_a_refresh_has_one_successor_in_all_answers() {
    for database in ["SQLite", "PostgreSQL"] {
        let provider = Provider::start(database);
        let (_, code) = provider.signed_in(0).await;
        let answers = join_all((0..20).map(|n| provider.redeem(n, &code))).await;
        assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{database}");
        let (_, code) = provider.signed_in(1).await;
        let (_, first) = provider.redeem(0, &code).await;
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", first["refresh_token"].as_str().unwrap())];
        let answers = join_all((0..20).map(|n| provider.token(n, &form))).await;
        let successors =
            answers.iter().map(|(_, body)| body["refresh_token"].to_string()).collect::<BTreeSet<_>>();
        assert!(answers.iter().all(|(status, _)| *status == 200), "{database}: {answers:?}");
        assert_eq!(successors.len(), 1, "{database}");
    }
}

#[tokio::test]
async fn a_one_time_code_counts_in_one_process() {
    for database in ["SQLite", "PostgreSQL"] {
        let provider = Provider::start(database);
        let mut waiting = Vec::new();
        for n in 0..6 {
            let (mut browser, _) = provider.signed_in(n).await;
            let page = browser.open(&Request::new().with("acr_values", "urn:stepgate:acr:mfa").path()).await;
            assert_eq!(page.page(), "totp");
            waiting.push((browser, page));
        }
        let code = provider.totp.code_at(SystemClock.now()).unwrap();
        let fields = [("code", code.as_str())];
        let replies = join_all(waiting.iter_mut().map(|(browser, page)| browser.submit(page, &fields))).await;
        let outcomes = replies.iter().map(Reply::outcome).collect::<Vec<_>>();
        assert_eq!(outcomes.iter().filter(|o| *o == "code").count(), 1, "{database}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_ceremony_is_answered_in_one_process() {
    for database in ["SQLite", "PostgreSQL"] {
        let provider = Provider::start(database);
        provider.places[0].says(&["user", "add", "bob", "--password-stdin"], PASSWORD);
        let issuer = format!("http://localhost:{}", provider.places[0].port);
        let (mut browser, mut phone) = (Browser::at(&provider.address(0)), Authenticator::new(&issuer));
        let page = browser.open(&Request::new().path()).await;
        let reply = browser.submit(&page, &[("username", "bob"), ("password", PASSWORD)]).await;
        assert_eq!(reply.outcome(), "code");
        passkeys::add(&mut browser, &mut phone).await;
        let page =
            browser.open(&Request::new().with("acr_values", "phr").with("prompt", "login").path()).await;
        let ceremony = browser.ceremony(&page).await;
        let said = phone.get(&ceremony["options"]);
        let tries = (0..20).map(|n| {
            let mut copy = Browser::at(&provider.address(n));
            copy.cookie = browser.cookie.clone();
            let (page, ceremony, said) = (page.clone(), ceremony.clone(), said.clone());
            async move { copy.answer(&page, &ceremony, &said).await.outcome() }
        });
        let outcomes = join_all(tries).await;
        assert_eq!(outcomes.iter().filter(|o| *o == "code").count(), 1, "{database}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_name_goes_to_one_of_pages_and_commands() {
    for database in ["SQLite", "PostgreSQL"] {
        let provider = Provider::start(database);
        let mut waiting = Vec::new();
        for n in 0..6 {
            let mut browser = Browser::at(&provider.address(n));
            let page = browser.open(&Request::new().with("prompt", "create").path()).await;
            waiting.push((browser, page));
        }
        let add = || provider.places[0].command(&["user", "add", "eve"]).spawn().unwrap();
        let commands = (0..4).map(|_| add()).collect::<Vec<_>>();
        let fields = [("username", "eve"), ("password", PASSWORD)];
        let replies = join_all(waiting.iter_mut().map(|(browser, page)| browser.submit(page, &fields))).await;
        let made = replies.iter().filter(|reply| reply.outcome() == "code").count();
        assert_eq!(made + successes(commands), 1, "{database}");
    }
}

#[tokio::test]
async fn a_key_gets_one_successor_from_commands_at_once() {
    for database in ["SQLite", "PostgreSQL"] {
        let provider = Provider::start(database);
        let place = &provider.places[0];
        let rotate = || place.command(&["key", "rotate", "--alg", "ES256"]).spawn().unwrap();
        let commands = (0..5).map(|_| rotate()).collect::<Vec<_>>();
        assert_eq!(successes(commands), 5, "{database}: who is late finds the successor there");
        let keys = place.says(&["key", "list"], "");
        let next = keys.as_array().unwrap().iter().filter(|key| key["state"] == "next").count();
        assert_eq!(next, 1, "{database}");
        assert_eq!(
            place
                .says(&["audit"], "")
                .as_array()
                .unwrap()
                .iter()
                .filter(|e| e["what"] == "key.rotated")
                .count(),
            1
        );
    }
}

#[tokio::test]
async fn a_server_that_is_killed_forgets_nothing_that_it_has_answered() {
    for database in ["SQLite", "PostgreSQL"] {
        let mut provider = Provider::start(database);
        let (_, code) = provider.signed_in(0).await;
        let (_, first) = provider.redeem(0, &code).await;
        let form = |token: &Value| token["refresh_token"].as_str().unwrap().to_owned();
        let (old, mut presented) = (form(&first), form(&first));
        for _ in 0..3 {
            let used = [("grant_type", "refresh_token"), ("refresh_token", presented.as_str())];
            let (status, next) = provider.token(0, &used).await;
            assert_eq!(status, 200, "{database}: what was issued before the kill is good after it");
            // SIGKILL, right after the answer.
            provider.servers.remove(0);
            let again = provider.places[0].serve(&[]);
            provider.servers.insert(0, again);
            presented = form(&next);
        }
        let used = [("grant_type", "refresh_token"), ("refresh_token", old.as_str())];
        assert_eq!(provider.token(0, &used).await.0, 400, "{database}: the old one stays used");
        let family = [("grant_type", "refresh_token"), ("refresh_token", presented.as_str())];
        assert_eq!(provider.token(0, &family).await.0, 400, "{database}: and its reuse revoked the family");
        assert_eq!(provider.redeem(0, &code).await.0, 400);
    }
}

/// A server whose limits of open files were set by a shell; what the system and its log say of them.
fn with_open_files(soft: u32, hard: u32) -> (String, String) {
    let place = Place::new();
    let own = place.command(&["serve"]);
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" serve");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(own.get_program()).current_dir(place.folder.path()).env_clear();
    shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Serving(shell.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let started = Instant::now();
    while !place.is_up() {
        assert!(started.elapsed() < Duration::from_secs(20), "the server does not answer");
        sleep(Duration::from_millis(20));
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.0.id())).unwrap();
    let own = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit = own.split_whitespace().nth(3).unwrap().to_owned();
    (limit, server.stop().1)
}

#[test]
fn a_server_takes_the_open_files_that_it_may_have_and_names_a_limit_that_is_too_low() {
    let (limit, said) = with_open_files(300, 4_096);
    assert_eq!(limit, "4096");
    assert!(said.contains("open_files limit=4096") && !said.contains("too_few"), "{said}");
    let (limit, said) = with_open_files(300, 1_000);
    assert_eq!(limit, "1000");
    for word in ["WARN", "limit=1000", "RLIMIT_NOFILE", "LimitNOFILE=", "nofile", "4096"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
