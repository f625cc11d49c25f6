//! Settings: a TOML file under the environment, read once. Unknown keys are refused; an error names the key, the
//! value and the mend. The README lists them all; defaults are the safe and runnable ones.

mod environment;
mod file;

use crate::assurance::policy::Policy;
use crate::base::time::Seconds;
use crate::credential::guessable::Guessable;
use crate::credential::password::Argon2Cost;
use crate::mail::settings::MailSettings;
use crate::mail::settings::Smtp;
use crate::mail::settings::Way;
use crate::mail::settings::mailbox;
use crate::store::connection::DatabaseUrl;
use environment::Environment;
use file::File;
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use url::Url;

/// Everything that can be set, checked.
#[derive(Debug)]
pub struct Config {
    pub issuer: Issuer,
    pub listen: SocketAddr,
    pub database: DatabaseUrl,
    pub keys: PathBuf,
    pub tls: Option<Tls>,
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read `/metrics`.
    pub metrics_allow: Vec<IpNet>,
    /// Whether people may make accounts for themselves (`prompt=create`).
    pub create_accounts: bool,
    /// The age at which a signing key gets a successor.
    pub rotate_keys_after: Seconds,
    /// How long a replacement for a lost factor waits before it takes effect.
    pub recovery_delay: Seconds,
    pub lifetimes: Lifetimes,
    pub page: Page,
    /// `None`: no mail is written or sent.
    pub mail: Option<MailSettings>,
    pub policy: Policy,
    pub argon2: Argon2Cost,
}

/// The issuer identifier (OIDC Discovery §3): no query, no fragment, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

/// PEM files.
#[derive(Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub code: Seconds,
    pub access_token: Seconds,
    pub id_token: Seconds,
    pub session_idle: Seconds,
    pub session: Seconds,
    /// How long a browser is known, and which accounts were used in it.
    pub remember: Seconds,
    /// From the last completed step.
    pub interaction: Seconds,
    /// From its beginning.
    pub interaction_most: Seconds,
    /// How long the audit is kept.
    pub audit: Seconds,
}

/// What pages say about the organisation.
#[derive(Clone, Debug)]
pub struct Page {
    pub name: String,
    pub support: Option<Url>,
}

/// A setting that can't be used: its key, what was found, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub key: String,
    pub problem: String,
}

impl Lifetimes {
    /// After so long nothing that a key signed is good any more.
    pub fn longest_token(&self) -> Seconds {
        self.access_token.max(self.id_token)
    }
}

impl Config {
    /// Reads `path` (or `stepgate.toml` if there is one) and the environment over it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = File::read(path)?;
        Self::build(file, &Environment::of_process())
    }

    /// Reads settings out of `toml` alone, whatever the environment says.
    pub fn parse(toml: &str) -> Result<Self, ConfigError> {
        Self::build(File::parse(toml, "settings")?, &Environment::default())
    }

    fn build(file: File, environment: &Environment) -> Result<Self, ConfigError> {
        let text = |name: &str, from_file: &Option<String>| -> Result<Option<String>, ConfigError> {
            Ok(environment.value(name)?.or_else(|| from_file.clone()))
        };
        let issuer = text("STEPGATE_ISSUER", &file.issuer)?.ok_or_else(|| {
            error("issuer", "is missing; set STEPGATE_ISSUER, for example to https://login.example.com")
        })?;
        let listen = text("STEPGATE_LISTEN", &file.listen)?.unwrap_or_else(|| "127.0.0.1:8080".into());
        let database = text("STEPGATE_DATABASE_URL", &file.database_url)?;
        let database = database.unwrap_or_else(|| "sqlite://var/stepgate.db".into());
        let keys = text("STEPGATE_KEYS_DIR", &file.keys_dir)?.unwrap_or_else(|| "keys".into());
        let certificate = text("STEPGATE_TLS_CERT", &file.tls_cert)?;
        let key = text("STEPGATE_TLS_KEY", &file.tls_key)?;
        let proxies = match environment.value("STEPGATE_TRUSTED_PROXIES")? {
            Some(list) => list.split([',', ' ']).filter(|p| !p.is_empty()).map(str::to_owned).collect(),
            None => file.trusted_proxies.clone().unwrap_or_default(),
        };
        let mail = mail(
            text("STEPGATE_MAIL_SMTP", &file.mail.smtp)?,
            text("STEPGATE_MAIL_FOLDER", &file.mail.folder)?,
            text("STEPGATE_MAIL_FROM", &file.mail.from)?,
        )?;
        let loopback = || ["127.0.0.0/8", "::1"].map(str::to_owned).into();
        let metrics_allow = file.metrics_allow.clone().unwrap_or_else(loopback);
        Ok(Self {
            issuer: Issuer::parse(&issuer)?,
            listen: listen
                .parse()
                .map_err(|_| wrong("listen", &listen, "write an address and a port, as 127.0.0.1:8080"))?,
            database: DatabaseUrl::parse(&database)
                .map_err(|why| error("database_url (STEPGATE_DATABASE_URL)", &why.to_string()))?,
            keys: keys.into(),
            tls: tls(certificate, key)?,
            trusted_proxies: networks("trusted_proxies", &proxies)?,
            metrics_allow: networks("metrics_allow", &metrics_allow)?,
            create_accounts: file.accounts.create,
            rotate_keys_after: file.key_rotation()?,
            recovery_delay: file.recovery.delay()?,
            lifetimes: file.lifetimes.checked()?,
            page: file.page.checked()?,
            mail,
            argon2: file.argon2.checked()?,
            policy: file.policy()?,
        })
    }

    /// What the service is called, the program and its host: names that nobody else may take, nor have for a password.
    pub fn own_names(&self) -> [String; 3] {
        [self.page.name.clone(), "Stepgate".to_owned(), self.issuer.host()]
    }

    /// What is tried first against somebody with these names.
    pub fn guessable(&self, names: &[String]) -> Guessable {
        let own = self.own_names();
        let address = [self.issuer.as_str(), "www"];
        Guessable::of(names.iter().chain(&own).map(String::as_str).chain(address))
    }

    /// What is sound and doubtful all the same.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings =
            self.policy.warnings().iter().map(|warning| format!("acr {warning}")).collect::<Vec<_>>();
        if let Some(MailSettings { way: Way::Smtp(smtp), .. }) = &self.mail {
            warnings.extend(smtp.warning());
        }
        warnings
    }
}

impl Issuer {
    /// Plain http is for loopback hosts only.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let bad = |mend: &str| Err(wrong("issuer", text, mend));
        let Ok(url) = Url::parse(text) else {
            return bad("write an absolute URL, as https://login.example.com");
        };
        if text.contains(['?', '#']) || !url.username().is_empty() || url.password().is_some() {
            return bad("leave out user, query and fragment");
        }
        if text.ends_with('/') {
            return bad("leave out the slash at the end");
        }
        match url.scheme() {
            "https" => Ok(Self(text.to_owned())),
            "http" if crate::protocol::redirect_uri::is_loopback(&url) => Ok(Self(text.to_owned())),
            _ => bad("use https; plain http is for loopback hosts only"),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The absolute URL of one of our paths.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Scheme, host and port, with a path that says nothing.
    pub fn address(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }

    /// The host, as a label for authenticator apps.
    pub fn host(&self) -> String {
        Url::parse(&self.0).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.problem)
    }
}

impl std::error::Error for ConfigError {}

fn tls(certificate: Option<String>, key: Option<String>) -> Result<Option<Tls>, ConfigError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(Tls { certificate: certificate.into(), key: key.into() })),
        (Some(_), None) => Err(error("tls_key (STEPGATE_TLS_KEY)", "is missing; tls_cert needs it")),
        (None, Some(_)) => Err(error("tls_cert (STEPGATE_TLS_CERT)", "is missing; tls_key needs it")),
    }
}

fn mail(
    smtp: Option<String>,
    folder: Option<String>,
    from: Option<String>,
) -> Result<Option<MailSettings>, ConfigError> {
    let way = match (smtp, folder) {
        (None, None) => return Ok(None),
        // Never with its value, which may carry a password.
        (Some(url), None) => {
            Way::Smtp(Smtp::parse(&url).map_err(|why| error("mail.smtp (STEPGATE_MAIL_SMTP)", &why))?)
        }
        (None, Some(folder)) => Way::Folder(folder.into()),
        (Some(_), Some(_)) => {
            return Err(error(
                "mail.smtp (STEPGATE_MAIL_SMTP)",
                "is set together with mail.folder; keep one of them",
            ));
        }
    };
    let key = "mail.from (STEPGATE_MAIL_FROM)";
    let from =
        from.ok_or_else(|| error(key, "is missing; write who sends, as Acme Login <login@example.com>"))?;
    let from = mailbox(&from).ok_or_else(|| wrong(key, &from, "write Acme Login <login@example.com>"))?;
    Ok(Some(MailSettings { way, from }))
}

fn networks(key: &str, list: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let network = |text: &String| {
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        parsed.map_err(|_| wrong(key, text, "write an address or a network, as 10.0.0.0/8"))
    };
    list.iter().map(network).collect()
}

fn error(key: &str, problem: &str) -> ConfigError {
    ConfigError { key: key.into(), problem: problem.into() }
}

fn wrong(key: &str, value: &str, mend: &str) -> ConfigError {
    error(key, &format!("= {value:?} can't be used; {mend}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(toml: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let file = File::parse(toml, "stepgate.toml").map_err(|e| e.to_string())?;
        Config::build(file, &Environment::of(environment)).map_err(|e| e.to_string())
    }

    #[test]
    fn an_issuer_alone_starts_a_server() {
        let config = build("", &[("STEPGATE_ISSUER", "http://localhost:8080")]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.lifetimes.code, Seconds(60));
    }

    #[test]
    fn a_setting_may_lie_in_a_file_of_its_own_but_not_in_two_places() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "https://c.example\n").unwrap();
        let named = ("STEPGATE_ISSUER_FILE", file.path().to_str().unwrap());
        assert_eq!(build("", &[named]).unwrap().issuer.as_str(), "https://c.example");
        let twice = build("", &[named, ("STEPGATE_ISSUER", "https://d.example")]).unwrap_err();
        assert!(
            twice.contains("STEPGATE_ISSUER is set together with STEPGATE_ISSUER_FILE; keep one"),
            "{twice}"
        );
        let missing = build("", &[("STEPGATE_ISSUER_FILE", "/nowhere")]).unwrap_err();
        assert!(missing.contains("STEPGATE_ISSUER_FILE = \"/nowhere\" can't be read"), "{missing}");
    }

    #[test]
    fn a_way_for_mails_is_chosen_or_none_and_its_password_is_never_printed() {
        let issuer = ("STEPGATE_ISSUER", "https://op.example");
        assert!(build("[mail]\nfrom = \"a@b.test\"", &[issuer]).unwrap().mail.is_none());
        let smtp = ("STEPGATE_MAIL_SMTP", "smtp://ada:hunter22@mail.example");
        let from = ("STEPGATE_MAIL_FROM", "Acme Login <login@op.example>");
        let config = build("", &[issuer, smtp, from]).unwrap();
        assert!(matches!(config.mail, Some(MailSettings { way: Way::Smtp(_), .. })));
        assert!(!format!("{config:?}").contains("hunter22"));
        let warnings = config.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].starts_with("mail.smtp: mails go to mail.example"),
            "{warnings:?}"
        );
        let folder = build("mail.folder = \"var/mails\"", &[issuer, from]).unwrap();
        assert!(matches!(folder.mail, Some(MailSettings { way: Way::Folder(_), .. })));
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let file = "issuer = \"https://a.example\"\nlisten = \"0.0.0.0:1\"";
        let config = build(file, &[("STEPGATE_ISSUER", "https://b.example")]).unwrap();
        assert_eq!(config.issuer.as_str(), "https://b.example");
        assert_eq!(config.listen.to_string(), "0.0.0.0:1");
    }

    #[test]
    fn a_wrong_setting_names_the_key_the_value_and_the_mend() {
        let issuer = "issuer = \"https://op.example\"\n";
        for (toml, said) in [
            ("", "issuer is missing"),
            ("issuer = \"http://op.example\"", "issuer = \"http://op.example\" can't be used; use https"),
            ("issuer = \"https://op.example/\"", "leave out the slash"),
            (&format!("{issuer}listen = \"8080\""), "listen = \"8080\" can't be used; write an address"),
            (&format!("{issuer}isuer = \"x\""), "isuer"),
            (
                &format!("{issuer}[lifetimes]\ncode = \"10x\""),
                "lifetimes.code = \"10x\" can't be used; write",
            ),
            (&format!("{issuer}[lifetimes]\ncode = \"1h\""), "lifetimes.code = \"1h\" can't be used"),
            (&format!("{issuer}trusted_proxies = [\"x\"]"), "trusted_proxies = \"x\" can't be used"),
            (&format!("{issuer}tls_cert = \"a.pem\""), "tls_key (STEPGATE_TLS_KEY) is missing"),
            (
                &format!("{issuer}[mail]\nsmtp = \"smtp://u:p@h?tls=no\"\nfrom = \"a@b.test\""),
                "mail.smtp (STEPGATE_MAIL_SMTP) has an unknown value for tls",
            ),
            (
                &format!("{issuer}[mail]\nsmtp = \"smtps://h\"\nfolder = \"m\""),
                "is set together with mail.folder",
            ),
            (
                &format!("{issuer}[mail]\nfolder = \"m\""),
                "mail.from (STEPGATE_MAIL_FROM) is missing; write who sends",
            ),
            (
                &format!("{issuer}[mail]\nfolder = \"m\"\nfrom = \"me\""),
                "mail.from (STEPGATE_MAIL_FROM) = \"me\" can't be used",
            ),
            (&format!("{issuer}[mail]\nserver = \"h\""), "server"),
            (&format!("{issuer}database_url = \"mysql://x\""), "database_url"),
        ] {
            let error = build(toml, &[]).unwrap_err();
            assert!(error.contains(said), "{error:?} lacks {said:?}");
        }
    }
}
