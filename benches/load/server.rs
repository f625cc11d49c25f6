//! The server under load: a folder, the environment, the commands, the process.

use super::process;
use super::process::Cpu;
use diesel::Connection;
use diesel::RunQueryDsl;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::Integer;
use diesel::sql_types::Text;
use serde_json::Value;
use serde_json::json;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::thread::sleep;
use std::thread::spawn;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

pub const CALLBACK: &str = "https://rp.test/cb";
pub const SECRET: &str = "a secret of the relying party under load";
pub const PASSWORD: &str = "correct horse battery";
pub const RESOURCE: &str = "https://api.test";

pub struct Place {
    folder: TempDir,
    port: u16,
    pub database: String,
    /// The process of PostgreSQL that all others are children of.
    postmaster: Option<u32>,
}

pub struct Server {
    child: Child,
    pub address: String,
    postmaster: Option<u32>,
}

/// Forgets how often somebody was answered, again and again.
pub struct Paces {
    is_over: Arc<AtomicBool>,
    forgets: Option<JoinHandle<()>>,
}

#[derive(diesel::QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

#[derive(diesel::QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    said: String,
}

impl Place {
    pub fn sqlite() -> Self {
        // Of the disk that a server would use, and not of memory.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let database = format!("sqlite://{}/stepgate.db", folder.path().display());
        Self { folder, port: free_port(), database, postmaster: None }
    }

    pub fn postgresql(url: &str) -> Self {
        let mut c = PgConnection::establish(url).unwrap();
        diesel::sql_query("DROP DATABASE IF EXISTS bench").execute(&mut c).unwrap();
        diesel::sql_query("CREATE DATABASE bench").execute(&mut c).unwrap();
        let backend =
            diesel::sql_query("SELECT pg_backend_pid() AS pid").get_result::<Backend>(&mut c).unwrap();
        let postmaster = process::parent_of(u32::try_from(backend.pid).unwrap());
        for setting in ["fsync", "synchronous_commit"] {
            let asked = format!("SELECT current_setting('{setting}') AS said");
            let Setting { said } = diesel::sql_query(asked).get_result(&mut c).unwrap();
            assert_eq!(said, "on", "{setting} (POSTGRES_FSYNC=on scripts/postgres start)");
        }
        let database = format!("{}/bench", url.rsplit_once('/').unwrap().0);
        Self { folder: TempDir::new().unwrap(), port: free_port(), database, postmaster }
    }

    pub fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepgate"));
        command.args(arguments).arg("--json").current_dir(self.folder.path()).env_clear();
        command.env("STEPGATE_ISSUER", self.issuer()).env("STEPGATE_DATABASE_URL", &self.database);
        command
            .env("STEPGATE_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("STEPGATE_KEYS_DIR", self.keys());
        command.env("STEPGATE_LOG", std::env::var("STEPGATE_LOG").unwrap_or_else(|_| "info".into()));
        command
    }

    pub fn says(&self, arguments: &[&str], input: &str) -> Value {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Clients, and users `u0` and so on with password and TOTP, whose `otpauth_uri` lies in `totp-<name>`.
    pub fn prepare(&self, users: usize) {
        let grants = json!(["authorization_code", "refresh_token", "client_credentials"]);
        for (id, alg) in [("rs256", "RS256"), ("es256", "ES256")] {
            let client = json!({
                "client_id": id, "client_secret": SECRET, "redirect_uris": [CALLBACK], "skip_consent": true,
                "grant_types": grants, "id_token_signed_response_alg": alg,
            });
            self.says(&["client", "add"], &client.to_string());
        }
        let api = json!({"client_id": "api", "client_secret": SECRET, "resource": RESOURCE, "scopes_supported": ["x"]});
        self.says(&["client", "add"], &api.to_string());
        for n in 0..users {
            let name = format!("u{n}");
            let add = ["user", "add", &name, "--password-stdin", "--totp", "--second-factor", "step-up"];
            let added = self.says(&add, PASSWORD);
            let uri = added["totp"]["otpauth_uri"].as_str().unwrap();
            std::fs::write(self.folder.path().join(format!("totp-{name}")), uri).unwrap();
        }
    }

    /// While this is held, people are answered as often as they ask: nobody is as fast as a load.
    pub fn forget_paces(&self) -> Paces {
        const EACH: Duration = Duration::from_millis(500);
        let (url, is_over) = (self.database.clone(), Arc::new(AtomicBool::new(false)));
        let seen = is_over.clone();
        let forgets = spawn(move || {
            let mut c: Box<dyn SimpleConnection> = match url.strip_prefix("sqlite://") {
                Some(path) => Box::new(SqliteConnection::establish(path).unwrap()),
                None => Box::new(PgConnection::establish(&url).unwrap()),
            };
            if url.starts_with("sqlite://") {
                c.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
            }
            while !seen.load(Ordering::Relaxed) {
                c.batch_execute("UPDATE session_clients SET paid_until = 0 WHERE paid_until > 0").unwrap();
                c.batch_execute("UPDATE refresh_tokens SET paid_until = 0 WHERE used_at IS NULL").unwrap();
                sleep(EACH);
            }
        });
        Paces { is_over, forgets: Some(forgets) }
    }

    pub fn otpauth_uri(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("totp-{name}"))).unwrap()
    }

    pub fn serve(&self) -> Server {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = self.command(&["serve"]).stdin(Stdio::null()).stderr(log).spawn().unwrap();
        while self.status("/healthz") != Some(200) {
            sleep(Duration::from_millis(1));
        }
        let address = format!("http://127.0.0.1:{}", self.port);
        Server { child, address, postmaster: self.postmaster }
    }

    /// And how many seconds it took until the first answer.
    pub fn serve_timed(&self) -> (Server, f64) {
        let began = Instant::now();
        (self.serve(), began.elapsed().as_secs_f64())
    }

    /// Of what is answered to a GET on a connection of its own.
    pub fn status(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let asked = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }
}

impl Server {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn memory(&self) -> f64 {
        process::memory(self.id())
    }

    /// Of memory, from now on.
    pub fn begin_peak(&self) {
        process::begin_peak(self.id());
    }

    pub fn peak(&self) -> f64 {
        process::peak(self.id())
    }

    /// Of PostgreSQL with all its processes.
    pub fn database_cpu(&self) -> Option<Cpu> {
        self.postmaster.map(Cpu::with_children)
    }
}

impl Drop for Paces {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(forgets) = self.forgets.take() {
            forgets.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
