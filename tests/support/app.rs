//! The real server on a free port, with a database and a clock of its own. Users and clients are written as the
//! commands write them; everything else goes over HTTP.

use super::clock::TestClock;
use super::database::TestDatabase;
use serde_json::Value;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::OnceLock;
use stepgate::app::App;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::entropy::SystemEntropy;
use stepgate::base::id::ClientId;
use stepgate::base::id::CredentialId;
use stepgate::base::id::UserId;
use stepgate::base::secret::Secret;
use stepgate::base::time::Clock;
use stepgate::base::time::SystemClock;
use stepgate::config::Config;
use stepgate::credential::guessable::Guessable;
use stepgate::credential::password::NewPassword;
use stepgate::credential::totp::TotpSecret;
use stepgate::jose::folder;
use stepgate::protocol::metadata::ClientMetadata;
use stepgate::server;
use stepgate::store::clients;
use stepgate::store::clients::NewClient;
use stepgate::store::credentials;
use stepgate::store::credentials::Credential;
use stepgate::store::credentials::Kind;
use stepgate::store::users;
use stepgate::store::users::LoginName;
use stepgate::store::users::NewUser;
use tempfile::TempDir;

pub const ISSUER: &str = "https://op.test";
pub const CALLBACK: &str = "https://rp.test/cb";
pub const SECRET: &str = "a secret of the relying party in tests";
pub const PASSWORD: &str = "correct horse battery";

pub struct TestApp {
    /// Where the server listens; its issuer is [`ISSUER`] all the same.
    pub address: String,
    pub app: Arc<App>,
    pub clock: Arc<TestClock>,
    pub raw_url: String,
    _database: Option<TestDatabase>,
    pub keys: Arc<TempDir>,
}

/// A user who was added, with what their authenticator app knows.
pub struct TestUser {
    pub id: UserId,
    pub name: String,
    pub totp: Option<TotpSecret>,
}

impl TestApp {
    /// A server with the client `rp`: confidential, `client_secret_basic`, PKCE.
    pub async fn spawn() -> Self {
        Self::on(super::database::sqlite(), "").await
    }

    /// A server on `database` with `settings` (TOML) beside those of the tests.
    pub async fn on(database: TestDatabase, settings: &str) -> Self {
        let clock = Arc::new(TestClock::at(SystemClock.now()));
        let mut this = Self::start(&database.raw_url, clock, settings, Arc::new(copied_keys()));
        this._database = Some(database);
        this.client("rp", json!({"client_name": "Acme Shop"})).await;
        this
    }

    /// Another instance on the same database, with the same keys and clock.
    pub fn beside(&self) -> Self {
        self.beside_with("")
    }

    pub fn beside_with(&self, settings: &str) -> Self {
        Self::start(&self.raw_url, self.clock.clone(), settings, self.keys.clone())
    }

    fn start(raw_url: &str, clock: Arc<TestClock>, settings: &str, keys: Arc<TempDir>) -> Self {
        let argon2 = "[argon2]\nmemory_kib = 8\niterations = 1\n";
        let argon2 = if settings.contains("argon2") { "" } else { argon2 };
        let toml = format!(
            "issuer = \"{ISSUER}\"\nlisten = \"127.0.0.1:0\"\ndatabase_url = \"{}\"\nkeys_dir = \"{}\"\n{settings}\n{argon2}",
            raw_url,
            keys.path().display()
        );
        let config = Config::parse(&toml).unwrap();
        let app = App::open(config, clock.clone(), Arc::new(SystemEntropy)).unwrap();
        let bound = server::bind(app).unwrap();
        let address = format!("http://127.0.0.1:{}", bound.port().unwrap());
        let app = bound.app.clone().into_inner();
        tokio::spawn(bound.run());
        Self { address, app, clock, raw_url: raw_url.to_owned(), _database: None, keys }
    }

    /// Registers a confidential client with the redirect URI [`CALLBACK`], approved for everybody, and `more` metadata.
    pub async fn client(&self, id: &str, more: Value) {
        let mut metadata = json!({"redirect_uris": [CALLBACK], "skip_consent": true});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let parsed =
            ClientMetadata::parse(metadata, |name| self.app.config.policy.class(name).is_some()).unwrap();
        let (id, resource) = (ClientId::from_text(id), parsed.resource.clone());
        let hash = parsed.has_secret().then(|| Secret::presented(SECRET).hash());
        let metadata = serde_json::to_string(&parsed).unwrap();
        let (now, origins) = (self.clock.now(), parsed.origins());
        let insert = move |c: &mut _| {
            let new = NewClient {
                id: &id,
                metadata: &metadata,
                secret_hash: hash.as_ref(),
                resource: resource.as_deref(),
                origins: &origins,
            };
            clients::insert(c, &new, now)
        };
        self.app.store.write(insert).await.unwrap();
    }

    /// Runs a command of the program beside this server; it must succeed.
    pub fn command(&self, arguments: &[&str], input: &str) {
        let output = self.output(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs one that must fail, and gives what it says.
    pub fn complains(&self, arguments: &[&str]) -> String {
        self.complains_of(arguments, "")
    }

    /// The same, of one that is given `input`.
    pub fn complains_of(&self, arguments: &[&str], input: &str) -> String {
        let output = self.output(arguments, input);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs a command that must succeed, and gives what it says in JSON.
    pub fn says_in_json(&self, arguments: &[&str]) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat(), "");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn output(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepgate"));
        command.args(arguments).env_clear().current_dir(self.keys.path());
        command.env("STEPGATE_ISSUER", ISSUER).env("STEPGATE_DATABASE_URL", &self.raw_url);
        command.env("STEPGATE_KEYS_DIR", self.keys.path());
        if self.app.mail.is_some() {
            // It only writes the mails; the server sends them its own way.
            command.env("STEPGATE_MAIL_FOLDER", self.keys.path()).env("STEPGATE_MAIL_FROM", "login@op.test");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What somebody does to the database itself, beside this server; says what comes of it, without headings.
    pub fn sql(&self, statements: &str) -> String {
        let mut command = match self.raw_url.strip_prefix("sqlite://") {
            Some(file) => {
                let mut sqlite = Command::new("sqlite3");
                sqlite.args(["-cmd", ".timeout 5000", file, statements]);
                sqlite
            }
            None => {
                let mut psql = Command::new("psql");
                psql.args([&self.raw_url, "-v", "ON_ERROR_STOP=1", "-qtAc", statements]);
                psql
            }
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Sets up one-time codes for a user who has none.
    pub async fn give_totp(&self, user: &TestUser) -> TestUser {
        let (app, now) = (&self.app, self.clock.now());
        let totp = TotpSecret::generate(&SystemEntropy);
        let id = CredentialId::generate(&SystemEntropy, now);
        let sealed = app.master.seal(id.as_str(), totp.as_bytes(), &SystemEntropy).unwrap();
        let (owner, factor) = (user.id.clone(), Credential::new(id, Kind::Totp, sealed, now));
        app.store.write(move |c| credentials::insert(c, &owner, &factor)).await.unwrap();
        TestUser { id: user.id.clone(), name: user.name.clone(), totp: Some(totp) }
    }

    /// Deletes a client and registers it anew.
    pub async fn replace_client(&self, id: &str, more: Value) {
        let old = ClientId::from_text(id);
        self.app.store.write(move |c| clients::delete(c, &old)).await.unwrap();
        self.client(id, more).await;
    }

    /// A user with [`PASSWORD`] and nothing else.
    pub async fn user(&self, name: &str) -> TestUser {
        self.person(name, false, SecondFactor::StepUp).await
    }

    /// A user with [`PASSWORD`] and TOTP, asked for when `second_factor` says.
    pub async fn user_with_totp(&self, name: &str, second_factor: SecondFactor) -> TestUser {
        self.person(name, true, second_factor).await
    }

    async fn person(&self, name: &str, totp: bool, second_factor: SecondFactor) -> TestUser {
        let (app, now) = (&self.app, self.clock.now());
        let id = UserId::generate(&SystemEntropy, now);
        let password = NewPassword::parse(PASSWORD, &Guessable::default()).unwrap();
        let secret = app.passwords.hash(password, &SystemEntropy).await.unwrap();
        let factor = |kind, secret: &dyn Fn(&CredentialId) -> String| {
            let id = CredentialId::generate(&SystemEntropy, now);
            Credential::new(id.clone(), kind, secret(&id), now)
        };
        let mut factors = vec![factor(Kind::Password, &|_| secret.clone())];
        let totp = totp.then(|| TotpSecret::generate(&SystemEntropy));
        if let Some(totp) = &totp {
            let seal =
                |id: &CredentialId| app.master.seal(id.as_str(), totp.as_bytes(), &SystemEntropy).unwrap();
            factors.push(factor(Kind::Totp, &seal));
        }
        let (user, login) = (id.clone(), LoginName::parse(name).unwrap());
        let claims =
            json!({"name": format!("{name} of Test"), "email": format!("{name}@op.test")}).to_string();
        let insert = move |c: &mut _| {
            let new = NewUser { id: &user, name: &login, email: None, claims: &claims, second_factor };
            users::insert(c, &new, now)?;
            factors.iter().try_for_each(|factor| credentials::insert(c, &user, factor))
        };
        app.store.write(insert).await.unwrap();
        TestUser { id, name: name.into(), totp }
    }
}

impl TestUser {
    /// What the authenticator app shows now.
    pub fn code(&self, app: &TestApp) -> String {
        self.totp.as_ref().unwrap().code_at(app.clock.now()).unwrap()
    }
}

/// Keys are dear to make: one set for all tests, copied, as an administrator would bring a folder along.
fn copied_keys() -> TempDir {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        folder::create(&folder.path().join("keys"), SystemClock.now(), &SystemEntropy).unwrap();
        folder
    });
    let copy = TempDir::new().unwrap();
    for file in std::fs::read_dir(Path::new(made.path()).join("keys")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}
