//! The commands. Each answers in words, or with `--json` in one JSON value on standard output.
//! Secrets come by standard input or from a file, never as an argument, where every process could read them.

mod client;
mod input;
mod key;
mod lifecycle;
mod session;
mod user;

use crate::app::App;
use crate::base::entropy::SystemEntropy;
use crate::base::time::SystemClock;
use crate::config::Config;
use crate::server;
use clap::Parser;
use clap::Subcommand;
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
        Command::User(command) => user::run(&open(config)?, command).await?,
        Command::Client(command) => client::run(&open(config)?, command).await?,
        Command::Session(command) => session::run(&open(config)?, command).await?,
        Command::Key(command) => key::run(&open(config)?, command),
    };
    match arguments.json {
        true => println!("{}", said.json),
        false => println!("{}", said.words.trim_end()),
    }
    Ok(())
}

fn open(config: Config) -> anyhow::Result<App> {
    App::open(config, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    log();
    for warning in config.policy.warnings() {
        tracing::warn!(%warning, "acr");
    }
    let (issuer, listen) = (config.issuer.clone(), config.listen);
    let bound = server::bind(open(config)?)?;
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
    let warnings = config.policy.warnings();
    let mut words =
        format!("The settings are sound. Issuer: {}, database: {}.\n", config.issuer, config.database);
    for warning in &warnings {
        words.push_str(&format!("Warning: acr {warning}.\n"));
    }
    let json = json!({"issuer": config.issuer.as_str(), "database": config.database.to_string(), "warnings": warnings});
    Said { json, words }
}
