//! After the settings of argon2 change: which costs are still stored, so that each try is the same work for every name, and a
//! password that was right is hashed anew at the present cost. What is older than two costs ago is compared no more.

use crate::app::App;
use crate::credential::costs::Cost;
use crate::credential::password::Passwords;
use crate::store::StoreError;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::password_costs;

/// Looks which costs are stored; once a minute, and when one is met that came after the last look.
pub async fn look(app: &App) -> Result<(), StoreError> {
    app.passwords.learn(app.store.read(password_costs::stored).await?);
    Ok(())
}

/// Before a password is compared with this one, whose cost may be a new one: of another instance, or of a command.
pub async fn know(app: &App, stored: &Credential) -> Result<(), StoreError> {
    let cost = Cost::of(&stored.secret);
    if !app.passwords.costs().is_known(&cost) {
        look(app).await?;
    }
    if app.passwords.costs().is_given_up(&cost) {
        tracing::warn!(credential = %stored.id, cost = cost.as_str(), "password.cost_given_up");
    }
    Ok(())
}

/// The sign-in has succeeded, and whatever becomes of this, it stays so.
pub async fn renew(app: &App, passwords: &Passwords, read: Credential, password: &str) {
    if app.passwords.costs().is_present(&Cost::of(&read.secret)) {
        return;
    }
    let Ok(secret) = passwords.hash_anew(password, app.entropy.as_ref()).await else { return };
    let (id, now) = (read.id.clone(), app.now());
    match app.store.write(move |c| credentials::renew(c, &read, &secret, now)).await {
        Ok(renewed) => tracing::info!(credential = %id, renewed, "password.hashed_anew"),
        Err(why) => tracing::warn!(credential = %id, %why, "password.not_hashed_anew"),
    }
}

/// At the start of a server: how many passwords are of another cost, and how many of them are good no more.
pub async fn tell(app: &App) -> Result<(), StoreError> {
    let counted = app.store.read(|c| {
        let stored = password_costs::stored(c)?.into_iter();
        stored.map(|cost| Ok((password_costs::count(c, &cost)?, cost))).collect::<Result<Vec<_>, _>>()
    });
    for (count, cost) in counted.await? {
        let costs = app.passwords.costs();
        if costs.is_given_up(&cost) {
            tracing::warn!(
                count,
                cost = cost.as_str(),
                "passwords.given_up: of more than two costs ago; they sign nobody in, `stepgate user set-password` gives new ones"
            );
        } else if !costs.is_present(&cost) {
            tracing::info!(
                count,
                cost = cost.as_str(),
                "passwords.of_another_cost: hashed anew at the next sign-in"
            );
        }
    }
    Ok(())
}
