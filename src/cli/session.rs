//! `stepgate session`: who is signed in, and ending it.

use super::Said;
use super::user::find;
use crate::app::App;
use crate::assurance::aal;
use crate::base::id::SessionId;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::grants;
use crate::store::interactions;
use crate::store::sessions;
use anyhow::bail;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

#[derive(Subcommand)]
pub enum Command {
    /// List a user's sessions.
    List { user: String },
    /// End a session by its sid, with what was granted in it; or what outlived one that has ended.
    Revoke {
        sid: String,
        /// Spare what was granted to outlive the session (offline_access).
        #[arg(long)]
        keep_offline: bool,
    },
}

pub async fn run(app: &App, command: Command) -> anyhow::Result<Said> {
    match command {
        Command::List { user } => list(app, &user).await,
        Command::Revoke { sid, keep_offline } => revoke(app, sid, keep_offline).await,
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

/// What came of it.
struct Revoked {
    /// The session was alive.
    lived: bool,
    /// So many grants have ended, and so many were spared.
    ended: usize,
    kept: usize,
}

async fn revoke(app: &App, sid: String, keep_offline: bool) -> anyhow::Result<Said> {
    let (id, life, now) = (SessionId::from_text(&sid), app.session_life(), app.now());
    let reason = if keep_offline { "offline_access kept" } else { "with offline_access" };
    let entry = super::entry(app, What::SessionRevoked).session(&id).because(reason);
    let revoked = app.store.write(move |c| {
        let place = sessions::place_of(c, &id)?;
        let user = match &place {
            Some((user, _)) => Some(user.clone()),
            None => grants::owner_in(c, &id)?,
        };
        let Some(user) = user else { return Ok(None) };
        let lived = sessions::is_in_use(c, &id, life, now)?;
        if let Some((_, browser)) = &place {
            interactions::finish_of(c, browser, &user, now)?;
            sessions::end(c, &id, now)?;
        }
        let ended = grants::revoke_of_session(c, (&user, &id), keep_offline, "session revoked", now)?;
        let kept = grants::standing_in(c, (&user, &id), now)?;
        audit::append(c, &entry.user(&user))?;
        Ok(Some(Revoked { lived, ended, kept }))
    });
    let Some(revoked) = revoked.await? else {
        bail!("no session {sid} is known; see `stepgate session list USER`")
    };
    Ok(said(&sid, &revoked))
}

fn said(sid: &str, Revoked { lived, ended, kept }: &Revoked) -> Said {
    let mut words = match lived {
        true => format!("Session {sid} has ended, with what was granted in it ({ended} in all)."),
        false if *ended > 0 => {
            format!("Session {sid} had ended before; what outlived it has ended too ({ended} in all).")
        }
        false => format!("Session {sid} had ended before; nothing more of it has ended."),
    };
    if *kept > 0 {
        words.push_str(&format!(" {kept} with offline_access live on."));
    }
    Said { json: json!({"sid": sid, "lived": lived, "grants_ended": ended, "offline_kept": kept}), words }
}
