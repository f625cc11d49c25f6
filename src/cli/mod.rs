//! The commands. Each answers in words, or with `--json` in one JSON value on standard output.
//! Secrets come by standard input or from a file, never as an argument, where every process could read them.

mod audit;
mod client;
pub mod explain;
mod input;
mod key;
mod lifecycle;
mod names;
mod session;
mod update;
mod user;

use crate::account::recovery::Ending;
use crate::app::App;
use crate::base::entropy::SystemEntropy;
use crate::base::id::ClientId;
use crate::base::time::SystemClock;
use crate::config::Config;
use crate::interaction::progress::Person;
use crate::interaction::told;
use crate::interaction::told::Letter;
use crate::open_files;
use crate::server;
use crate::store::Written;
use crate::store::audit as audit_log;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::clients;
use crate::store::connection::Conn;
use crate::store::users;
use crate::store::users::LoginName;
use crate::store::users::User;
use clap::Parser;
use clap::Subcommand;
use rustix::thread::disable_transparent_huge_pages;
use serde_json::Value;
use serde_json::json;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// An OpenID Provider for re-authentication and step-up (RFC 9470).
#[derive(Parser)]
#[command(version, propagate_version = true)]
pub struct Arguments {
    /// The settings file [default: stepgate.toml, if there is one]; the environment stands over it.
    #[arg(long, global = true, env = "STEPGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop.
    Serve,
    /// Bring the database up to date and make the keys, if there are none.
    Migrate,
    /// Read the settings and say what is wrong or doubtful about them.
    CheckConfig,
    #[command(flatten)]
    OnDatabase(OnDatabase),
}

#[derive(Subcommand)]
enum OnDatabase {
    /// People who sign in.
    #[command(subcommand)]
    User(user::Command),
    /// Applications and resource servers.
    #[command(subcommand)]
    Client(client::Command),
    /// Who is signed in.
    #[command(subcommand)]
    Session(session::Command),
    /// Signing keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Who did what, and what was refused.
    Audit(audit::Arguments),
    /// What an authorization request would get, and why.
    Explain(explain::Arguments),
}

/// What a command has to say: for programs, and for people.
struct Said {
    json: Value,
    words: String,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.as_deref())?;
    let said = match arguments.command {
        Command::CheckConfig => check_config(&config),
        Command::Serve => return serve(config).await,
        Command::Migrate => {
            let database = config.database.to_string();
            open(config)?;
            Said { words: format!("{database} is up to date."), json: json!({"database": database}) }
        }
        Command::OnDatabase(command) => {
            on_database(&Arc::new(open(config)?), command, arguments.json).await?
        }
    };
    match arguments.json {
        true => println!("{}", said.json),
        false => println!("{}", said.words.trim_end()),
    }
    Ok(())
}

/// What was refused is recorded too; what was done records itself, in its own transaction.
async fn on_database(app: &Arc<App>, command: OnDatabase, in_json: bool) -> anyhow::Result<Said> {
    let (what, about) = (command.what(), command.about());
    let answered = match command {
        OnDatabase::User(command) => user::run(app, command).await,
        OnDatabase::Client(command) => client::run(app, command).await,
        OnDatabase::Session(command) => session::run(app, command).await,
        OnDatabase::Key(command) => key::run(app, command).await,
        OnDatabase::Audit(arguments) => audit::run(app, arguments, in_json).await,
        OnDatabase::Explain(arguments) => explain::run(app, arguments).await,
    };
    if let (Err(why), Some(what)) = (&answered, what) {
        let entry = entry(app, what).refused(&why.to_string());
        app.store
            .write(move |c| {
                let entry = about.named_in(c, entry)?;
                audit_log::append(c, &entry)
            })
            .await?;
    }
    answered
}

/// A line of the audit that somebody at the command line is the cause of.
fn entry(app: &App, what: What) -> Entry {
    let name = ["SUDO_USER", "USER"].into_iter().find_map(|name| std::env::var(name).ok());
    let source = name.map_or_else(|| "command line".to_owned(), |name| format!("command line ({name})"));
    app.entry(Actor::Administrator, what).source(&source)
}

/// What a user is told of it by mail, where mail is set up.
fn letter(app: &App, user: &User, what: told::What) -> Option<Letter> {
    Letter::to(app, &person(user), None, what)
}

/// What is written of a replacement that a command ends.
fn ending(app: &App, user: &User) -> Ending {
    Ending::new(app, &person(user), entry(app, What::RecoveryCancelled))
}

fn person(user: &User) -> Person {
    Person { user: user.id.clone(), username: user.username.clone() }
}

impl OnDatabase {
    /// What the audit calls it; `None` for a command that only looks.
    fn what(&self) -> Option<What> {
        match self {
            Self::User(command) => command.what(),
            Self::Client(command) => command.what(),
            Self::Session(session::Command::Revoke { .. }) => Some(What::SessionRevoked),
            Self::Key(key::Command::Rotate { .. }) => Some(What::KeyRotated),
            Self::Key(key::Command::Retire { .. }) => Some(What::KeyRetired),
            _ => None,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::User(command) => command.name().map_or(About::Nobody, |name| About::User(name.to_owned())),
            Self::Client(command) => command.id().map_or(About::Nobody, |id| About::Client(id.to_owned())),
            _ => About::Nobody,
        }
    }
}

/// Whom a command is about, as it was typed.
enum About {
    User(String),
    Client(String),
    Nobody,
}

impl About {
    /// With the name that the database has for them, if it knows them.
    fn named_in(&self, c: &mut Conn, entry: Entry) -> Written<Entry> {
        match self {
            Self::User(name) => {
                let user = LoginName::parse(name).map(|name| users::by_login_name(c, &name));
                Ok(user.transpose()?.flatten().map_or(entry.clone(), |user| entry.user(&user.id)))
            }
            Self::Client(id) => {
                let client = clients::by_id(c, &ClientId::from_text(id))?;
                Ok(client.map_or(entry.clone(), |client| entry.client(&client.id)))
            }
            Self::Nobody => Ok(entry),
        }
    }
}

fn open(config: Config) -> anyhow::Result<App> {
    App::open(config, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    log();
    for warning in config.warnings() {
        tracing::warn!(%warning, "settings");
    }
    // Attack: thousands of connections that say nothing. Buffers that they never fill cost nothing, except on huge pages.
    if let Err(why) = disable_transparent_huge_pages(true) {
        tracing::warn!(%why, "huge pages stay in use: idle connections take more memory");
    }
    let (issuer, listen) = (config.issuer.clone(), config.listen);
    let app = open(config)?;
    open_files::raise();
    let bound = server::bind(app)?;
    tracing::info!(%issuer, %listen, "serving");
    bound.run().await
}

/// `STEPGATE_LOG` filters, `STEPGATE_LOG_FORMAT=json` is for machines.
fn log() {
    let filter = EnvFilter::try_from_env("STEPGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let to_stderr = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("STEPGATE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        to_stderr.json().init();
    } else {
        to_stderr.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
}

fn check_config(config: &Config) -> Said {
    let warnings = config.warnings();
    let mut words =
        format!("The settings are sound. Issuer: {}, database: {}.\n", config.issuer, config.database);
    for warning in &warnings {
        words.push_str(&format!("Warning: {warning}.\n"));
    }
    let json = json!({"issuer": config.issuer.as_str(), "database": config.database.to_string(), "warnings": warnings});
    Said { json, words }
}
