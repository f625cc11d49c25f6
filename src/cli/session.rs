//! `stepgate session`: who is signed in, and ending it.

use super::Said;
use super::user::find;
use crate::app::App;
use crate::base::id::SessionId;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::grants;
use crate::store::sessions;
use crate::store::sessions::Listed;
use anyhow::bail;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

#[derive(Subcommand)]
pub enum Command {
    /// List a user's sessions.
    List { user: String },
    /// End a session by its sid, with what was granted in it.
    Revoke { sid: String },
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<Said> {
    match command {
        Command::List { user } => list(app, &user).await,
        Command::Revoke { sid } => revoke(app, sid).await,
    }
}

async fn list(app: &App, user: &str) -> anyhow::Result<Said> {
    let (id, life, now) = (find(app, user).await?.id, app.session_life(), app.now());
    let sessions = app.store.read(move |c| sessions::of_user(c, &id, life, now)).await?;
    let line =
        |s: &Listed| format!("{}  since {}, seen {}\n", s.id, s.started_at.rfc3339(), s.seen_at.rfc3339());
    let words = sessions.iter().map(line).collect();
    let json = sessions
        .iter()
        .map(|s| json!({"sid": s.id, "started_at": s.started_at.rfc3339(), "seen_at": s.seen_at.rfc3339()}));
    Ok(Said { json: Value::Array(json.collect()), words })
}

async fn revoke(app: &App, sid: String) -> anyhow::Result<Said> {
    let (id, now) = (SessionId::from_text(&sid), app.now());
    let entry = super::entry(app, What::SessionRevoked).session(&id);
    let ended = app.store.write(move |c| {
        if !sessions::lives(c, &id, now)? {
            return Ok(false);
        }
        sessions::end(c, &id, now)?;
        grants::end_with_session(c, &id, now)?;
        audit::append(c, &entry)?;
        Ok(true)
    });
    match ended.await? {
        true => Ok(Said { json: json!({"sid": sid}), words: format!("Session {sid} has ended.") }),
        false => bail!("no session {sid} lives; see `stepgate session list USER`"),
    }
}
