//! The program itself, as an administrator runs it: a folder, the environment, commands and `serve`.

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

pub struct Place {
    pub folder: Arc<TempDir>,
    pub port: u16,
    database: String,
    issuer: String,
}

impl Place {
    pub fn new() -> Self {
        Self::on("sqlite://var/stepgate.db")
    }

    pub fn on(database: &str) -> Self {
        let port = free_port();
        let (database, issuer) = (database.to_owned(), format!("http://localhost:{port}"));
        let place = Self { folder: Arc::new(TempDir::new().unwrap()), port, database, issuer };
        fs::write(place.path("stepgate.toml"), "[argon2]\nmemory_kib = 8\niterations = 1\n").unwrap();
        place
    }

    /// Another instance of the same provider, on a port of its own.
    pub fn beside(&self) -> Self {
        let (database, issuer) = (self.database.clone(), self.issuer.clone());
        Self { folder: self.folder.clone(), port: free_port(), database, issuer }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepgate"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("STEPGATE_ISSUER", &self.issuer);
        command.env("STEPGATE_LISTEN", format!("127.0.0.1:{}", self.port));
        command.env("STEPGATE_DATABASE_URL", &self.database);
        command.env("STEPGATE_KEYS_DIR", "keys");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn output(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What a command says in JSON; it must succeed.
    pub fn says(&self, arguments: &[&str], input: &str) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat(), input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a command complains of; it must fail, and not say a word on standard output.
    pub fn complains(&self, arguments: &[&str], input: &str) -> String {
        let output = self.output(arguments, input);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Something is served: with or without TLS, a request gets bytes back.
    pub fn is_up(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let asked =
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        asked.is_ok() && stream.read(&mut [0; 1]).is_ok_and(|bytes| bytes == 1)
    }

    /// What the server answers to a GET, as it comes.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let asked = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn serve(&self, more: &[(&str, &str)]) -> Serving {
        let mut command = self.command(&["serve"]);
        let child = command.envs(more.iter().copied()).stdin(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while !self.is_up() {
            assert!(started.elapsed() < Duration::from_secs(20), "the server does not answer");
            sleep(Duration::from_millis(20));
        }
        Serving(child)
    }
}

pub struct Serving(pub Child);

impl Serving {
    /// SIGTERM, and what the server said until it was gone.
    pub fn stop(mut self) -> (bool, String) {
        Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        let status = self.0.wait().unwrap();
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.success(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
