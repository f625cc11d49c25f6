//! `stepgate session`: who is signed in, and ending it.

use super::Said;
use super::user::find;
use crate::app::App;
use crate::assurance::aal;
use crate::base::id::SessionId;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::grants;
use crate::store::sessions;
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
    let read = app.store.read(move |c| {
        Ok((sessions::of_user(c, &id, life, now)?, sessions::live_of_user(c, &id, life, now)?))
    });
    let (listed, live) = read.await?;
    let mut words = String::new();
    let mut json = Vec::new();
    for session in &live {
        let Some(times) = listed.iter().find(|listed| listed.id == session.id) else { continue };
        let (started, seen) = (times.started_at.rfc3339(), times.seen_at.rfc3339());
        let aal = aal::of_session(&session.events, &app.config.policy, now).as_str();
        words.push_str(&format!("{}  since {started}, seen {seen}, {aal}\n", session.id));
        json.push(json!({"sid": session.id, "started_at": started, "seen_at": seen, "aal": aal}));
    }
    Ok(Said { json: Value::Array(json), words })
}

async fn revoke(app: &App, sid: String) -> anyhow::Result<Said> {
    let (id, now) = (SessionId::from_text(&sid), app.now());
    let entry = super::entry(app, What::SessionRevoked).session(&id);
    let ended = app.store.write(move |c| {
        let Some(user) = sessions::owner(c, &id, now)? else { return Ok(false) };
        sessions::end(c, &id, now)?;
        grants::end_with_session(c, &user, &id, now)?;
        audit::append(c, &entry.user(&user))?;
        Ok(true)
    });
    match ended.await? {
        true => Ok(Said { json: json!({"sid": sid}), words: format!("Session {sid} has ended.") }),
        false => bail!("no session {sid} lives; see `stepgate session list USER`"),
    }
}
