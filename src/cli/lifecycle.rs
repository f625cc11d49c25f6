//! `stepgate user disable|enable|reset-mfa|delete`: what ends with an account or a factor, in one transaction, at once.

use super::Said;
use crate::app::App;
use crate::interaction::brake;
use crate::interaction::told;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Kind;
use crate::store::grants;
use crate::store::interactions;
use crate::store::sessions;
use crate::store::users;
use crate::store::users::User;
use anyhow::bail;
use serde_json::json;

/// Sessions and grants end and do not come back when the user is enabled again.
pub async fn disable(app: &App, user: User) -> anyhow::Result<Said> {
    let (now, id) = (app.now(), user.id.clone());
    let entry = super::entry(app, What::UserDisabled).user(&id);
    let ending = super::ending(app, &user);
    app.store
        .write(move |c| {
            users::set_disabled(c, &id, Some(now))?;
            interactions::finish_all(c, &id, now)?;
            sessions::end_all(c, &id, now)?;
            grants::revoke_of_user(c, &id, "user disabled", now)?;
            ending.of_user(c, &id, "user disabled")?;
            audit::append(c, &entry)
        })
        .await?;
    Ok(said(&user, "is disabled; their sessions and grants have ended."))
}

pub async fn enable(app: &App, user: User) -> anyhow::Result<Said> {
    let (id, entry) = (user.id.clone(), super::entry(app, What::UserEnabled).user(&user.id));
    app.store
        .write(move |c| {
            users::set_disabled(c, &id, None)?;
            audit::append(c, &entry)
        })
        .await?;
    Ok(said(&user, "is enabled."))
}

/// Forgets the failed tries that were counted against the account, whoever made them.
pub async fn unlock(app: &App, user: User) -> anyhow::Result<Said> {
    let (id, entry) = (user.id.clone(), super::entry(app, What::UserUnlocked).user(&user.id));
    app.store
        .write(move |c| {
            brake::unlock(c, &id)?;
            audit::append(c, &entry)
        })
        .await?;
    Ok(said(&user, "may try again."))
}

/// Takes the second factor away: what was shown with it no longer stands, nor what was granted for it.
pub async fn reset_mfa(app: &App, user: User) -> anyhow::Result<Said> {
    let (now, id) = (app.now(), user.id.clone());
    let entry = super::entry(app, What::UserFactorsReset).user(&id);
    let letter = super::letter(app, &user, told::What::Removed(Kind::Totp));
    let ending = super::ending(app, &user);
    let removed = app.store.write(move |c| {
        users::hold(c, &id)?;
        if credentials::of_user(c, &id)?.iter().all(|factor| factor.kind == Kind::Password) {
            return Ok(0);
        }
        interactions::finish_all(c, &id, now)?;
        let mut removed = 0;
        // Looked at again: while one was taken away, somebody who had just shown it may have set up another.
        loop {
            let factors = credentials::of_user(c, &id)?.into_iter().filter(|f| f.kind != Kind::Password);
            let factors = factors.collect::<Vec<_>>();
            if factors.is_empty() {
                break;
            }
            for factor in &factors {
                removed += usize::from(credentials::take_away(c, &id, &factor.id, now)?);
            }
        }
        removed += usize::from(ending.of_user(c, &id, "factors reset")?);
        if removed > 0 {
            letter.iter().try_for_each(|letter| letter.post(c))?;
            audit::append(c, &entry)?;
        }
        Ok(removed)
    });
    match removed.await? {
        0 => bail!("{} has no factor beside the password", user.username),
        _ => Ok(said(&user, "has no second factor any more; what rested on it has ended.")),
    }
}

pub async fn delete(app: &App, user: User) -> anyhow::Result<Said> {
    let (now, id) = (app.now(), user.id.clone());
    let entry = super::entry(app, What::UserDeleted).user(&id).because(&user.username);
    let ending = super::ending(app, &user);
    app.store
        .write(move |c| {
            users::hold(c, &id)?;
            // What locks a factor goes with it, and who owns a replacement is told while their address is known.
            brake::unlock(c, &id)?;
            ending.of_user(c, &id, "user deleted")?;
            interactions::finish_all(c, &id, now)?;
            grants::revoke_of_user(c, &id, "user deleted", now)?;
            users::delete(c, &id)?;
            audit::append(c, &entry)
        })
        .await?;
    Ok(said(&user, "is deleted; their sub is never given to anybody else."))
}

fn said(user: &User, what: &str) -> Said {
    Said {
        json: json!({"sub": user.id, "username": user.username}),
        words: format!("{} {what}", user.username),
    }
}
