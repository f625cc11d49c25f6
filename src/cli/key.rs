//! `stepgate key`: the signing keys and their states.

use super::Said;
use crate::app::App;
use crate::jose::key::KeyState;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

#[derive(Subcommand)]
pub enum Command {
    /// List the signing keys, the oldest first.
    List,
}

pub fn run(app: &App, command: Command) -> Said {
    let Command::List = command;
    let mut words = String::new();
    let mut keys = Vec::new();
    for (key, state) in app.keys.keys(app.now()) {
        let state = word(state);
        words.push_str(&format!(
            "{}  {}  {state}, signs from {}\n",
            key.kid,
            key.alg.as_str(),
            key.signs_from.rfc3339()
        ));
        keys.push(json!({
            "kid": key.kid,
            "alg": key.alg.as_str(),
            "state": state,
            "created_at": key.created_at.rfc3339(),
            "signs_from": key.signs_from.rfc3339(),
        }));
    }
    Said { json: Value::Array(keys), words }
}

fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Current => "current",
        KeyState::Retired => "retired",
        KeyState::Gone => "gone",
    }
}
