//! Proofs become events of a session, and the browser's secret is replaced, in one transaction with whatever follows: the
//! answer, or the next page. All of it or nothing.

use super::Interaction;
use super::ground::Ground;
use crate::app::App;
use crate::assurance::aal;
use crate::assurance::ledger::Event;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::events;
use crate::store::failed_sign_ins;
use crate::store::interactions;
use crate::store::lost;
use crate::store::remembered;
use crate::store::sessions;
use crate::store::sessions::Browser;
use crate::store::sessions::SessionLife;

/// What was settled, and the browser's new cookie if there was a proof.
pub struct Settled<T> {
    pub followed: T,
    pub cookie: Option<Secret>,
}

/// The proofs of an interaction, on their way into the ledger.
struct Ledger {
    browser: Browser,
    user: UserId,
    session: SessionId,
    is_new: bool,
    ground: Ground,
    proofs: Vec<Event>,
    secret: Option<SecretHash>,
    entry: Option<Entry>,
    life: SessionLife,
    /// The browser is.
    known_until: Time,
    now: Time,
}

/// Finishes a satisfied interaction; `follow` writes what follows for the session. [`StoreError::Lost`] when another
/// request was first: nothing was done, and the browser should ask again.
pub async fn settle<T, F>(app: &App, interaction: Interaction, follow: F) -> Result<Settled<T>, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Conn, &SessionId) -> Written<T> + Send + 'static,
{
    let (ledger, cookie) = Ledger::of(app, &interaction)?;
    let (row, now, methods) = (interaction.row, ledger.now, ledger.opens());
    let followed = app.store.write(move |c| {
        interactions::finish(c, &row, now)?;
        ledger.write(c)?;
        follow(c, &ledger.session)
    });
    Ok(Settled { followed: counted(app, methods, followed.await)?, cookie })
}

/// The person is signed in; the interaction goes on.
pub async fn sign_in(app: &App, interaction: &Interaction) -> Result<Option<Secret>, StoreError> {
    let (ledger, cookie) = Ledger::of(app, interaction)?;
    let progress = super::json(&interaction.progress.settled())?;
    let (row, expires_at) = (interaction.row.clone(), interaction.expires_at(app, ledger.now));
    let methods = ledger.opens();
    let written = app.store.write(move |c| {
        interactions::advance(c, &row, &progress, expires_at)?;
        ledger.write(c)
    });
    counted(app, methods, written.await).map(|()| cookie)
}

/// Finishes an interaction that ends without an answer; the session stays as it was.
pub async fn end(app: &App, interaction: Interaction, entry: Option<Entry>) -> Result<(), StoreError> {
    let (now, row) = (app.now(), interaction.row);
    app.store
        .write(move |c| {
            interactions::finish(c, &row, now)?;
            entry.iter().try_for_each(|entry| audit::append(c, entry))
        })
        .await
}

impl Ledger {
    fn of(app: &App, interaction: &Interaction) -> Result<(Self, Option<Secret>), StoreError> {
        let (now, life) = (app.now(), app.session_life());
        let Some(person) = &interaction.progress.person else { return Err(StoreError::Lost) };
        let proofs = interaction.proofs().collect::<Vec<_>>();
        let live = interaction.session().map(|session| session.id.clone());
        let is_new = live.is_none();
        let session = live.unwrap_or_else(|| SessionId::generate(app.entropy.as_ref(), now));
        let cookie = (!proofs.is_empty()).then(|| Secret::generate(app.entropy.as_ref()));
        let entry = (!proofs.is_empty()).then(|| {
            let what = if is_new { What::SignIn } else { What::ReAuthentication };
            let entry = app.entry(Actor::User, what).user(&person.user).session(&session);
            let entry = entry.source(&interaction.source).because(&methods(&proofs));
            let account = interaction.account.as_ref().map_or(aal::Aal::One, aal::of_account);
            entry.aal(aal::of_session(&interaction.events(), &app.config.policy, now), account)
        });
        let secret = cookie.as_ref().map(Secret::hash);
        let (browser, user) = (interaction.browser.clone(), person.user.clone());
        let lifetimes = app.config.lifetimes;
        let known_until = now.plus(lifetimes.remember.max(lifetimes.session));
        let ground = Ground::of(interaction, &user);
        let ledger =
            Self { browser, user, session, is_new, ground, proofs, secret, entry, life, known_until, now };
        Ok((ledger, cookie))
    }

    /// The methods of a session that is opened.
    fn opens(&self) -> Option<String> {
        self.is_new.then(|| methods(&self.proofs))
    }

    fn write(&self, c: &mut Conn) -> Written<()> {
        self.ground.stands(c, self.now)?;
        // Session fixation: whoever knew the secret before the proof does not know it after.
        if let Some(secret) = &self.secret
            && !sessions::rotate(c, &self.browser, secret, self.known_until)?
        {
            return lost();
        }
        if self.is_new {
            sessions::open(c, &self.session, (&self.browser.id, &self.user), self.life, self.now)?;
            remembered::note(c, &self.browser.id, &self.user, self.now)?;
            failed_sign_ins::tell(c, &self.user)?;
        }
        events::append(c, &self.session, &self.proofs)?;
        self.entry.iter().try_for_each(|entry| audit::append(c, entry))
    }
}

fn counted<T>(app: &App, methods: Option<String>, written: Result<T, StoreError>) -> Result<T, StoreError> {
    match (&methods, &written) {
        (Some(methods), Ok(_)) => app.metrics.sign_in(methods, "done"),
        (Some(methods), Err(StoreError::Unavailable(_) | StoreError::Query(_))) => {
            app.metrics.sign_in(methods, "failed");
        }
        _ => {}
    }
    written
}

fn methods(proofs: &[Event]) -> String {
    proofs.iter().map(|proof| proof.method.as_str()).collect::<Vec<_>>().join(" ")
}
