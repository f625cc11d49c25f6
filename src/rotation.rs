//! Successors of signing keys: by age, by command, or at once when one is withdrawn. A successor is shown in the JWKS for a day
//! before it signs, so that a relying party that caches the JWKS for as long never fails. Of several instances on one folder
//! one makes it: the decision is taken on a listing of the folder, and carried out by a name that only one can take.

use crate::app::App;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::jose::folder;
use crate::jose::folder::KeyError;
use crate::jose::folder::Listing;
use crate::jose::key::KeyState;
use crate::jose::key::SigningKey;
use crate::jose::key::state;
use crate::protocol::metadata::SigningAlg;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::keys;
use crate::store::lost;
use std::sync::Arc;
use std::sync::mpsc::channel;
use thiserror::Error;

/// How long a successor is shown before it signs.
pub const SHOWN_BEFORE: Seconds = Seconds::days(1);

#[derive(Debug, Error)]
pub enum RotationError {
    #[error(transparent)]
    Folder(#[from] KeyError),
    #[error("the key can't be made: {0}")]
    Key(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The name of the successor, and from when on it signs.
    Done { kid: String, signs_from: Time },
    /// There is one already, or another program made it a moment ago.
    AlreadyThere,
}

/// Begins a line of the audit, in the name of whoever wants it.
pub type Line<'a> = dyn Fn(What) -> Entry + Sync + 'a;

/// Makes a successor of the key that signs with `alg`, unless one is waiting.
pub async fn rotate(app: &Arc<App>, alg: SigningAlg, line: &Line<'_>) -> Result<Rotated, RotationError> {
    let listing = folder::listing(&app.config.keys)?;
    let now = app.now();
    if newest(&listing, alg).is_some_and(|newest| newest.signs_from > now) {
        return Ok(Rotated::AlreadyThere);
    }
    add(app, listing, alg, now.plus(SHOWN_BEFORE), line).await
}

/// Makes the successors of keys that have come of age.
pub async fn rotate_due(app: &Arc<App>) -> Result<(), RotationError> {
    record_waiting(app).await?;
    for alg in SigningAlg::ALL {
        let listing = folder::listing(&app.config.keys)?;
        let oldest = app.now().minus(app.config.rotate_keys_after);
        if newest(&listing, alg).is_some_and(|newest| newest.signs_from <= oldest)
            && let Rotated::Done { kid, .. } =
                rotate(app, alg, &|what| app.entry(Actor::Server, what)).await?
        {
            tracing::info!(alg = alg.as_str(), kid, "key.rotated");
        }
    }
    Ok(())
}

/// A successor whose transaction failed after its file was placed: recorded before the time from which it signs, after which the
/// next start would take it for a foreign key. It may sign already, if what it succeeds was withdrawn.
async fn record_waiting(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    let recorded = app.store.read(keys::recorded).await?.signing;
    let waiting = app.keys.keys(now).into_iter().filter(|(key, _)| key.signs_from > now);
    for (key, _) in waiting.filter(|(key, _)| !recorded.contains(&key.kid)) {
        app.store.write(move |c| keys::record(c, &key.kid, "signing", now)).await?;
    }
    Ok(())
}

/// Withdraws a key at once: it leaves the JWKS, and what it signed is refused here. A successor that waits signs
/// from now on; if there is none, one is made, which waits too until the withdrawal: were it placed and not recorded, it would
/// have signed nothing yet. `false` if there is no such key.
pub async fn retire(app: &Arc<App>, kid: &str, line: &Line<'_>) -> Result<bool, RotationError> {
    let listing = folder::listing(&app.config.keys)?;
    let Some(key) = listing.keys().find(|key| key.kid == kid) else { return Ok(false) };
    let (now, alg) = (app.now(), key.alg);
    let same = listing.keys().filter(|other| other.alg == alg && other.kid != kid).collect::<Vec<_>>();
    let times = same.iter().map(|key| key.times()).collect::<Vec<_>>();
    let signs = |key: &&SigningKey| state(key.times(), &times, Seconds(0), now) == KeyState::Current;
    if !same.into_iter().any(|key| signs(&key)) {
        add(app, folder::listing(&app.config.keys)?, alg, now.plus(SHOWN_BEFORE), line).await?;
    }
    let entry = line(What::KeyRetired).because(kid);
    let (kid, entropy) = (kid.to_owned(), app.entropy.clone());
    let withdraw = move || folder::withdraw(listing, &kid, now, entropy.as_ref());
    recorded_and_placed(app, move |c| audit::append(c, &entry), withdraw).await
}

/// Reads the folder again if it has changed since it looked like `seen`.
pub fn reload(app: &App, seen: &mut String) -> Result<(), KeyError> {
    let looks = folder::fingerprint(&app.config.keys)?;
    if looks != *seen {
        app.keys.replace(folder::listing(&app.config.keys)?.into_keys());
        *seen = looks;
    }
    Ok(())
}

fn newest(listing: &Listing, alg: SigningAlg) -> Option<&SigningKey> {
    let usable = listing.keys().filter(|key| key.alg == alg && key.withdrawn_at.is_none());
    usable.max_by_key(|key| key.signs_from)
}

async fn add(
    app: &Arc<App>,
    listing: Listing,
    alg: SigningAlg,
    signs_from: Time,
    line: &Line<'_>,
) -> Result<Rotated, RotationError> {
    let now = app.now();
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(alg, now, signs_from)).await;
    let key = made.map_err(|why| RotationError::Key(why.to_string()))?.map_err(RotationError::Key)?;
    let entry = line(What::KeyRotated).because(&format!("{} {}", alg.as_str(), key.kid));
    let (kid, recorded, entropy) = (key.kid.clone(), key.kid.clone(), app.entropy.clone());
    let record = move |c: &mut Conn| {
        keys::record(c, &recorded, "signing", now)?;
        audit::append(c, &entry)
    };
    match recorded_and_placed(app, record, move || folder::add(&listing, &key, entropy.as_ref())).await? {
        true => Ok(Rotated::Done { kid, signs_from }),
        false => Ok(Rotated::AlreadyThere),
    }
}

/// Record and file in one transaction. The file goes last: no program sees a key that is not recorded, and where it can't be
/// written nothing is recorded, or the next start would miss it. `false` if another program was first.
async fn recorded_and_placed(
    app: &App,
    record: impl FnOnce(&mut Conn) -> Written<()> + Send + 'static,
    place: impl FnOnce() -> Result<bool, KeyError> + Send + 'static,
) -> Result<bool, RotationError> {
    let (tell, told) = channel();
    let written = app.store.write(move |c| {
        record(c)?;
        match place() {
            Ok(true) => Ok(()),
            Ok(false) => lost(),
            Err(why) => {
                // Whoever asked waits for it below.
                let _ = tell.send(why);
                lost()
            }
        }
    });
    match (written.await, told.try_recv()) {
        (Ok(()), _) => Ok(true),
        (Err(_), Ok(why)) => Err(why.into()),
        (Err(StoreError::Lost), Err(_)) => Ok(false),
        (Err(error), Err(_)) => Err(error.into()),
    }
}
