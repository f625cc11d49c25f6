//! `stepgate key`: the signing keys and their states, successors, and pulling one.

use super::Said;
use crate::app::App;
use crate::jose::key::KeyState;
use crate::protocol::metadata::SigningAlg;
use crate::rotation;
use crate::rotation::Rotated;
use anyhow::Context;
use anyhow::bail;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

#[derive(Subcommand)]
pub enum Command {
    /// List the signing keys, the oldest first.
    List,
    /// Make a successor of each signing key; it is published at once and signs in a day.
    Rotate {
        /// Only of this algorithm.
        #[arg(long)]
        alg: Option<String>,
    },
    /// Withdraw a key at once: what it has signed is refused from now on.
    Retire {
        /// As `key list` names it; names of older keys may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

pub async fn run(app: &Arc<App>, command: Command) -> anyhow::Result<Said> {
    match command {
        Command::List => Ok(list(app)),
        Command::Rotate { alg } => rotate(app, alg.as_deref()).await,
        Command::Retire { kid } => retire(app, &kid).await,
    }
}

fn list(app: &App) -> Said {
    let mut words = String::new();
    let mut keys = Vec::new();
    for (key, state) in app.keys.keys(app.now()) {
        let (state, alg, from) = (word(state), key.alg.as_str(), key.signs_from.rfc3339());
        words.push_str(&format!("{}  {alg}  {state}, signs from {from}\n", key.kid));
        keys.push(json!({
            "kid": key.kid,
            "alg": alg,
            "state": state,
            "created_at": key.created_at.rfc3339(),
            "signs_from": from,
        }));
    }
    Said { json: Value::Array(keys), words }
}

async fn rotate(app: &Arc<App>, alg: Option<&str>) -> anyhow::Result<Said> {
    let algs = match alg {
        None => SigningAlg::ALL.to_vec(),
        Some(text) => {
            let names = SigningAlg::ALL.map(SigningAlg::as_str).join(", ");
            vec![SigningAlg::parse(text).with_context(|| format!("--alg {text:?} is none of {names}"))?]
        }
    };
    let mut words = String::new();
    let mut made = Vec::new();
    for alg in algs {
        match rotation::rotate(app, alg, &|what| super::entry(app, what)).await? {
            Rotated::Done { kid, signs_from } => {
                words.push_str(&format!("{kid}  {} signs from {}\n", alg.as_str(), signs_from.rfc3339()));
                made.push(json!({"kid": kid, "alg": alg.as_str(), "signs_from": signs_from.rfc3339()}));
            }
            Rotated::AlreadyThere => {
                words.push_str(&format!("{} has a successor that waits already\n", alg.as_str()));
            }
        }
    }
    Ok(Said { json: Value::Array(made), words })
}

async fn retire(app: &Arc<App>, kid: &str) -> anyhow::Result<Said> {
    if !rotation::retire(app, kid, &|what| super::entry(app, what)).await? {
        bail!("no signing key is named {kid:?}; see `stepgate key list`");
    }
    Ok(Said {
        json: json!({"kid": kid}),
        words: format!("{kid} is withdrawn; running servers follow within a second."),
    })
}

fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Current => "current",
        KeyState::Retired => "retired",
        KeyState::Gone => "gone",
        KeyState::Withdrawn => "withdrawn",
    }
}
