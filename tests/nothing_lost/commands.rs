//! Commands that are killed at any moment: all of what they do, or nothing of it.

use crate::DATABASES;
use crate::any;
use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::provider::Provider;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::times;
use crate::visitor::Visitor;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;
use stepgate::base::time::Clock;
use stepgate::base::time::SystemClock;
use stepgate::credential::totp::TotpSecret;
use totp_rs::Totp;

const MFA: &str = "urn:stepgate:acr:mfa";

/// Somebody who has stepped up, with three sets of tokens that rest on it.
struct SteppedUp {
    name: String,
    id: String,
    visitor: Visitor,
}

impl SteppedUp {
    async fn at(provider: &Provider, name: &str) -> Self {
        let add = ["user", "add", name, "--password-stdin", "--totp", "--second-factor", "step-up"];
        let said = provider.place.says(&add, PASSWORD);
        let uri = said["totp"]["otpauth_uri"].as_str().unwrap().to_owned();
        let totp = TotpSecret::from_bytes(Totp::from_url(uri).unwrap().secret().to_vec());
        let mut visitor = Visitor::new(&Visitor::http(), &provider.place.address(), "10.0.0.1");
        let request = Request::new().with("acr_values", MFA);
        let page = visitor.sign_in(&request, name).await.unwrap();
        let code = totp.code_at(SystemClock.now()).unwrap();
        let mut reply = visitor.submit(&page, &[("code", &code)]).await.unwrap();
        for _ in 0..3 {
            let form = [
                ("client_id", "rp"),
                ("client_secret", SECRET),
                ("grant_type", "authorization_code"),
                ("code", &reply.answer()["code"]),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ];
            assert_eq!(visitor.clone().post("/token", &form).await.unwrap().status, 200);
            reply = visitor.get(&request.clone().with("prompt", "none").path()).await.unwrap();
        }
        Self { name: name.to_owned(), id: said["sub"].as_str().unwrap().to_owned(), visitor }
    }

    /// Whether the factor is there, with everything that rests on it; or gone, with all of that. Nothing between.
    async fn has_factor(&mut self, provider: &Provider) -> bool {
        let silent = Request::new().with("acr_values", MFA).with("prompt", "none").path();
        loop {
            let stands = self.stands(provider);
            let outcome = self.visitor.get(&silent).await.unwrap().outcome();
            // What a killed command had handed over already may become true at any moment, this one too.
            if self.stands(provider) == stands {
                assert_eq!(outcome == "code", stands);
                return stands;
            }
        }
    }

    fn stands(&self, provider: &Provider) -> bool {
        let id = &self.id;
        let of_session = format!("events e JOIN sessions s ON s.id = e.session_id WHERE s.user_id = '{id}'");
        // One statement, since all of it comes true in one moment.
        let sql = format!(
            "SELECT 1000 * (SELECT count(*) FROM credentials WHERE user_id = '{id}' AND kind = 'otp') \
             + 100 * (SELECT count(*) FROM {of_session} AND e.method = 'otp' AND e.voided_at IS NULL) \
             + 10 * (SELECT count(*) FROM grants WHERE user_id = '{id}' AND redeemed_at IS NOT NULL AND revoked_at IS NULL) \
             + (SELECT count(*) FROM audit WHERE user_id = '{id}' AND what = 'user.factors_reset' AND outcome = 'done')"
        );
        match provider.number(&sql) {
            1130 => true,
            1 => false,
            other => panic!("factor, proof, three grants, audit: {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_of_factors_that_is_killed_takes_everything_with_it_or_nothing() {
    for database in DATABASES {
        let provider = Provider::on(database, 0);
        let (_serving, _) = provider.serve();
        let mut person = SteppedUp::at(&provider, "usual").await;
        let began = Instant::now();
        provider.place.says(&["user", "reset-mfa", "usual"], "");
        let usual = began.elapsed();
        assert!(!person.has_factor(&provider).await);
        let (kills, mut done) = (times("STEPGATE_COMMAND_KILLS", 30), 0);
        for n in 0..kills {
            if person.name == "usual" {
                person = SteppedUp::at(&provider, &format!("person{n}")).await;
            }
            // It writes last of all.
            let at = if n % 3 == 0 { within(usual) } else { usual / 2 + within(usual * 6 / 10) };
            kill_after(provider.place.command(&["user", "reset-mfa", &person.name]), at);
            sleep(Duration::from_millis(20));
            if !person.has_factor(&provider).await {
                done += 1;
                person.name = "usual".into();
            }
        }
        println!("{database}: {kills} resets killed, {done} were done; one takes {usual:?}");
        provider.is_sound();
    }
}

#[test]
fn a_migration_that_is_killed_on_sqlite_is_finished_by_the_next_start() {
    finished_by_the_next_start("SQLite");
}

#[test]
fn a_migration_that_is_killed_on_postgresql_is_finished_by_the_next_start() {
    finished_by_the_next_start("PostgreSQL");
}

fn finished_by_the_next_start(database: &str) {
    let first = Provider::empty(database);
    let began = Instant::now();
    first.place.says(&["migrate"], "");
    let usual = began.elapsed();
    first.place.says(&["migrate"], "");
    let tables = 2 * (began.elapsed() - usual);
    let whole = shape(&first);
    assert!(whole.contains("remembered_accounts_user"), "{whole}");
    let mut unfinished = 0;
    for n in 0..times("STEPGATE_COMMAND_KILLS", 20) {
        let provider = Provider::empty(database);
        let is_older = n % 2 == 1;
        if is_older {
            older(&provider, 1 + usize::try_from(any(5)).unwrap());
        }
        // The tables come first, then the keys, which take longest to make.
        let makes_keys = n % 4 == 3;
        if !makes_keys {
            copy(&first.place.path("keys"), &provider.place.path("keys"));
        }
        let at = within(if makes_keys { usual } else { tables });
        kill_after(provider.place.command(&["migrate"]), at);
        unfinished += usize::from(shape_if_any(&provider).as_ref() != Some(&whole));
        provider.serve();
        assert_eq!(shape(&provider), whole, "{database}, killed after {at:?}");
        let olds = provider.number("SELECT count(*) FROM users WHERE username = 'old'");
        assert_eq!(olds, i64::from(is_older));
        provider.place.says(&["user", "add", "new", "--password-stdin"], PASSWORD);
        provider.is_sound();
    }
    println!("{database}: {unfinished} were unfinished; one takes {usual:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// As a version of before left it, with a user.
fn older(provider: &Provider, migrations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    all.sort();
    let mut sql = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
                   run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);"
        .to_owned();
    for migration in &all[..migrations] {
        let (version, _) = migration.file_name().unwrap().to_str().unwrap().split_once('_').unwrap();
        sql += &fs::read_to_string(migration.join("up.sql")).unwrap();
        sql += &format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}');");
    }
    sql += "INSERT INTO users (id, username, claims, second_factor, created_at) VALUES ('o', 'old', '{}', 'step-up', 1);";
    fs::create_dir_all(provider.place.path("var")).unwrap();
    provider.run(&sql);
}

/// Every table and index, and which migrations were made.
fn shape(provider: &Provider) -> String {
    const OWN: &str = "'__diesel_schema_migrations'";
    let (parts, sql) = match provider.is_sqlite() {
        true => (
            format!("SELECT name || coalesce(sql, '') AS part FROM sqlite_master WHERE tbl_name <> {OWN}"),
            "SELECT group_concat(part, char(10)) FROM (SELECT part FROM parts ORDER BY part)",
        ),
        false => (
            format!(
                "SELECT table_name || column_name || data_type || is_nullable || coalesce(column_default, '') AS part \
                 FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> {OWN} \
                 UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> {OWN} \
                 UNION ALL SELECT version FROM __diesel_schema_migrations"
            ),
            "SELECT string_agg(part, chr(10) ORDER BY part) FROM parts",
        ),
    };
    let migrations = provider.number("SELECT count(*) FROM __diesel_schema_migrations");
    format!("{migrations} migrations\n{}", provider.text(&format!("WITH parts AS ({parts}) {sql}")))
}

/// `None` where a killed start has left no table of migrations.
fn shape_if_any(provider: &Provider) -> Option<String> {
    let there = match provider.is_sqlite() {
        true if !provider.place.path("var/stepgate.db").exists() => return None,
        true => "SELECT count(*) FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
        false => "SELECT count(*) FROM pg_tables WHERE tablename = '__diesel_schema_migrations'",
    };
    (provider.number(there) == 1).then(|| shape(provider))
}

fn within(span: Duration) -> Duration {
    Duration::from_micros(any(u64::try_from(span.as_micros()).unwrap().max(1)))
}

fn kill_after(mut command: Command, time: Duration) {
    let mut child = command.spawn().unwrap();
    sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}
