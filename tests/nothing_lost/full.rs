//! A database that reads and does not write: the disk is full, PostgreSQL has become read-only, the audit refuses its line. It is
//! said, nothing is decided without it, and it is over by itself.

use crate::DATABASES;
use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::browser::Reply;
use crate::program::Serving;
use crate::provider::Provider;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::visitor::Visitor;
use crate::worker::Worker;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::time::sleep;

/// Somebody signed in, with a code and tokens in hand.
#[derive(Clone)]
pub struct Stage {
    pub visitor: Visitor,
    code: String,
    access: String,
    refresh: String,
}

/// A database that can't write: so long until it is said. One that does not answer at all has a bound of its own.
const SOON: Duration = Duration::from_secs(10);
/// Until everything goes on once it can.
const BACK: Duration = Duration::from_secs(5);

impl Stage {
    pub async fn of(provider: &Provider) -> Self {
        let mut visitor = Visitor::new(&Visitor::http(), &provider.place.address(), "10.0.0.1");
        let code = visitor.sign_in(&Request::new(), "person0").await.unwrap().answer()["code"].clone();
        let mut stage = Self { visitor, code, access: String::new(), refresh: String::new() };
        let bought: Value = serde_json::from_str(&stage.redeem().await.body).unwrap();
        let text = |name: &str| bought[name].as_str().unwrap().to_owned();
        (stage.access, stage.refresh) = (text("access_token"), text("refresh_token"));
        stage.code = stage.silent().await.answer()["code"].clone();
        stage
    }

    pub async fn silent(&mut self) -> Reply {
        self.visitor.get(&Request::new().with("prompt", "none").path()).await.unwrap()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let own = [("client_id", "rp"), ("client_secret", SECRET)];
        self.visitor.clone().post(path, &[&own, form].concat()).await.unwrap()
    }

    pub async fn redeem(&self) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", self.code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &form).await
    }

    pub async fn refresh(&self) -> Reply {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &self.refresh)]).await
    }

    async fn revoke(&self) -> Reply {
        self.post("/revoke", &[("token", &self.refresh)]).await
    }

    async fn introspect(&self, token: &str) -> Reply {
        self.post("/introspect", &[("token", token)]).await
    }

    async fn userinfo(&self) -> Reply {
        self.visitor.clone().get_with(&self.access, "/userinfo").await.unwrap()
    }

    async fn is_active(&self) -> bool {
        let reply = self.introspect(&self.refresh).await;
        serde_json::from_str::<Value>(&reply.body).unwrap()["active"].as_bool().unwrap()
    }

    /// Whoever keeps decisions in memory has these from now on.
    pub async fn the_access_token_is_seen(&self) {
        for _ in 0..2 {
            assert!(self.introspect(&self.access).await.body.contains("\"active\":true"));
            assert_eq!(self.userinfo().await.status, 200);
        }
    }

    /// The answers to whatever needs the database, all asked for at once.
    pub async fn everything_at_once(&mut self) -> Vec<Reply> {
        let (mut page, mut state, stage) = (self.visitor.clone(), self.visitor.clone(), self.clone());
        let (silent, code, refresh, revoked, active, claims, page, state) = tokio::join!(
            self.silent(),
            stage.redeem(),
            stage.refresh(),
            stage.revoke(),
            stage.introspect(&stage.access),
            stage.userinfo(),
            page.get("/"),
            state.get("/readyz"),
        );
        vec![silent, code, refresh, revoked, active, claims, page.unwrap(), state.unwrap()]
    }

    /// Whatever has to be written is "not now", and was not done.
    async fn nothing_is_done(&mut self) {
        let began = Instant::now();
        for reply in [self.silent().await, self.redeem().await, self.refresh().await, self.revoke().await] {
            is_unavailable(&reply);
        }
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert!(self.is_active().await, "neither used nor revoked, whatever was asked");
        self.what_is_only_read_goes_on().await;
    }

    async fn what_is_only_read_goes_on(&mut self) {
        for path in ["/.well-known/openid-configuration", "/jwks", "/healthz", "/"] {
            assert_eq!(self.visitor.get(path).await.unwrap().status, 200, "{path}");
        }
    }

    /// And what was not done can be done now.
    pub async fn everything_goes_on(&mut self) {
        let began = Instant::now();
        assert_eq!(self.silent().await.outcome(), "code");
        assert_eq!(self.redeem().await.status, 200, "the code was not spent");
        assert_eq!(self.refresh().await.status, 200, "nor the refresh token");
        assert_eq!(self.revoke().await.status, 200);
        assert!(!self.is_active().await);
        let mut other = Visitor::new(&Visitor::http(), &self.visitor.address, "10.0.0.3");
        assert_eq!(other.sign_in(&Request::new(), "person0").await.unwrap().outcome(), "code");
        assert!(began.elapsed() < BACK, "{:?}", began.elapsed());
    }
}

pub fn is_unavailable(reply: &Reply) {
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "5"), "{reply:?}");
}

/// While others wait.
pub async fn what_needs_no_database_is_there_at_once(visitor: &mut Visitor) {
    sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    for path in ["/.well-known/openid-configuration", "/jwks", "/healthz"] {
        assert_eq!(visitor.get(path).await.unwrap().status, 200, "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Where a little room is left that is too little for others, asking uses it up.
async fn is_not_ready(visitor: &mut Visitor) {
    let mut reply = visitor.get("/readyz").await.unwrap();
    for _ in 0..20 {
        if reply.status == 503 {
            break;
        }
        is_unavailable(&visitor.open(&Request::new().path()).await.unwrap());
        reply = visitor.get("/readyz").await.unwrap();
    }
    is_unavailable(&reply);
}

/// How long until `/readyz` says so.
pub async fn ready(visitor: &mut Visitor) -> Duration {
    let began = Instant::now();
    while visitor.get("/readyz").await.unwrap().status != 200 {
        assert!(began.elapsed() < BACK, "it does not come back by itself");
        sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

/// Every connection to this database but our own; says in how many of them a transaction was open.
pub const CUT: &str = "SELECT count(*) FILTER (WHERE open AND cut) FROM \
     (SELECT xact_start IS NOT NULL AS open, pg_terminate_backend(pid) AS cut FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()) AS others";

/// The size that no file of the process may grow past.
fn limit(process: u32, size: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &process.to_string(), &format!("--fsize={size}:")]);
    assert!(command.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_loses_nothing_and_is_over_once_there_is_room() {
    let provider = Provider::on("SQLite", 4);
    let (mut serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    let (http, address) = (Visitor::http(), provider.place.address());
    let workers = (0..8).map(|n| Worker::new(&http, &address, n, 4).through_outages(&Arc::default()));
    let mut workers = workers.collect::<Vec<_>>();
    for round in 0..3 {
        let filled = async {
            sleep(Duration::from_millis(300)).await;
            // Less than what the log grows to before it begins anew; in the middle of a page, too.
            limit(serving.0.id(), &(400_000 + 1000 * round).to_string());
        };
        tokio::join!(filled, join_all(workers.iter_mut().map(Worker::work)));
        assert!(serving.0.try_wait().unwrap().is_none(), "the process lives");
        stage.nothing_is_done().await;
        let mut stranger = Visitor::new(&http, &address, "10.0.0.4");
        is_unavailable(&stranger.open(&Request::new().path()).await.unwrap());
        is_not_ready(&mut stranger).await;
        limit(serving.0.id(), "unlimited");
        ready(&mut stranger).await;
        join_all(workers.iter_mut().map(Worker::look)).await;
        provider.is_whole();
    }
    stage.everything_goes_on().await;
    join_all(workers.iter_mut().map(Worker::look_at_all)).await;
    provider.is_whole();
}

#[test]
fn a_sqlite_file_that_may_not_be_written_to_stops_the_start_and_gets_nothing_beside_it() {
    let provider = Provider::on("SQLite", 0);
    let (folder, file) = (provider.place.path("var"), provider.place.path("var/stepgate.db"));
    for (locked, closed, open) in [(&file, 0o444, 0o600), (&folder, 0o555, 0o700)] {
        fs::set_permissions(locked, Permissions::from_mode(closed)).unwrap();
        let before = names(&folder);
        for command in ["serve", "migrate"] {
            let mut command = Serving(unprivileged(&provider.place.command(&[command])).spawn().unwrap());
            let began = Instant::now();
            while command.0.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < Duration::from_secs(10), "it runs");
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut said = String::new();
            command.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            let name = locked.strip_prefix(provider.place.folder.path()).unwrap().display();
            let expected = format!(
                "stepgate: The database sqlite://var/stepgate.db can't be prepared: the database does not answer: \
                 {name} may not be written to (Permission denied (os error 13)); \
                 file and folder must belong to the user as whom Stepgate runs\n"
            );
            assert_eq!((command.0.wait().unwrap().success(), said), (false, expected));
        }
        assert_eq!(names(&folder), before);
        fs::set_permissions(locked, Permissions::from_mode(open)).unwrap();
    }
    provider.serve();
    provider.is_whole();
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// By somebody for whom the modes of files hold: whoever runs the tests, root without its privileges.
fn unprivileged(command: &Command) -> Command {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut run = Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        run.args(["--bounding-set=-all", "--inh-caps=-all"]);
    }
    run.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    run.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_only_reads_is_told_and_is_over_once_it_writes() {
    let provider = Provider::on("PostgreSQL", 1);
    let (_serving, _) = provider.serve();
    let mut stage = Stage::of(&provider).await;
    let (_, name) = provider.database.rsplit_once('/').unwrap();
    // For connections that are made from now on: those that are there are cut.
    let only_reads = |yes: &str| {
        let mut c = provider.postgres();
        c.batch_execute("SET default_transaction_read_only = off").unwrap();
        c.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {yes}")).unwrap();
        c.batch_execute(CUT).unwrap();
    };
    only_reads("on");
    let mut stranger = Visitor::new(&Visitor::http(), &provider.place.address(), "10.0.0.4");
    // One request each may find a connection that was cut.
    for _ in 0..20 {
        stranger.get("/readyz").await.unwrap();
        stage.silent().await;
    }
    stage.nothing_is_done().await;
    is_not_ready(&mut stranger).await;
    only_reads("off");
    ready(&mut stranger).await;
    for _ in 0..20 {
        stage.silent().await;
    }
    stage.everything_goes_on().await;
    provider.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_audit_does_not_take_is_not_done() {
    for database in DATABASES {
        let provider = Provider::on(database, 1);
        let (_serving, _) = provider.serve();
        let mut stage = Stage::of(&provider).await;
        let (refuses, takes) = match provider.is_sqlite() {
            true => (
                "CREATE TRIGGER refused BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'refused'); END",
                "DROP TRIGGER refused",
            ),
            false => (
                "ALTER TABLE audit ADD CONSTRAINT refused CHECK (false) NOT VALID",
                "ALTER TABLE audit DROP CONSTRAINT refused",
            ),
        };
        provider.run(refuses);
        stage.nothing_is_done().await;
        let mut other = Visitor::new(&Visitor::http(), &provider.place.address(), "10.0.0.5");
        let page = other.open(&Request::new().path()).await.unwrap();
        let fields = [("username", "person0"), ("password", PASSWORD)];
        is_unavailable(&other.submit(&page, &fields).await.unwrap());
        for command in
            [["user", "disable", "person0"], ["user", "delete", "person0"], ["client", "delete", "rp"]]
        {
            provider.place.complains(&command, "");
        }
        provider
            .place
            .complains(&["user", "set-password", "person0", "--password-stdin"], "another horse battery");
        assert_eq!(stage.visitor.get("/").await.unwrap().page(), "home");
        provider.run(takes);
        stage.everything_goes_on().await;
        provider.is_whole();
    }
}
