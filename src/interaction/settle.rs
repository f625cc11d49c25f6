//! The end of an interaction, in one transaction: it is finished, its proofs become events of a session, the browser's
//! secret is replaced, and what follows is written. All of it or nothing.

use super::Interaction;
use crate::app::App;
use crate::base::id::SessionId;
use crate::base::secret::Secret;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::events;
use crate::store::interactions;
use crate::store::lost;
use crate::store::sessions;

/// What was settled, and the browser's new cookie if there was a proof.
pub struct Settled<T> {
    pub followed: T,
    pub cookie: Option<Secret>,
}

/// Finishes a satisfied interaction; `follow` writes what follows for the session. [`StoreError::Lost`] when another
/// request was first: nothing was done, and the browser should ask again.
pub async fn settle<T, F>(app: &App, interaction: Interaction, follow: F) -> Result<Settled<T>, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Conn, &SessionId) -> Written<T> + Send + 'static,
{
    let (now, life) = (app.now(), app.session_life());
    let Some(person) = interaction.progress.person.clone() else { return Err(StoreError::Lost) };
    let id = interaction.id().clone();
    let proofs = interaction.progress.proofs.iter().map(|proof| proof.event(&id)).collect::<Vec<_>>();
    let live = interaction.session().map(|session| session.id.clone());
    let fresh = SessionId::generate(app.entropy.as_ref(), now);
    let cookie = (!proofs.is_empty()).then(|| Secret::generate(app.entropy.as_ref()));
    let hash = cookie.as_ref().map(Secret::hash);
    let (row, browser) = (interaction.row, interaction.browser);
    let followed = app.store.write(move |c| {
        if !interactions::finish(c, &row, now)? {
            return lost();
        }
        // Session fixation: whoever knew the secret before the proof does not know it after.
        if let Some(hash) = hash
            && !sessions::rotate(c, &browser, &hash, now.plus(life.whole))?
        {
            return lost();
        }
        let session = match live {
            Some(session) => session,
            None => {
                sessions::open(c, &fresh, (&browser.id, &person.user), life, now)?;
                fresh
            }
        };
        events::append(c, &session, &proofs)?;
        sessions::touch(c, &session, now)?;
        follow(c, &session)
    });
    Ok(Settled { followed: followed.await?, cookie })
}

/// Finishes an interaction that ends without an answer; the session stays as it was.
pub async fn end(app: &App, interaction: Interaction) -> Result<(), StoreError> {
    let (now, row) = (app.now(), interaction.row);
    app.store.write(move |c| if interactions::finish(c, &row, now)? { Ok(()) } else { lost() }).await
}
