//! Proofs become events of a session, and the browser's secret is replaced, in one transaction with whatever follows: the
//! answer, or the next page. All of it or nothing.

use super::Interaction;
use super::demanded::Demanded;
use super::ground::Ground;
use super::new_secret::NewSecret;
use crate::app::App;
use crate::assurance::aal;
use crate::assurance::ledger::Event;
use crate::base::id::BrowserId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::events;
use crate::store::failed_sign_ins;
use crate::store::interactions;
use crate::store::remembered;
use crate::store::sessions;
use crate::store::sessions::SessionLife;

/// What follows does to what its person proves themself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    Nothing,
    Factors,
}

/// What was settled, and the browser's new cookie if something was proved or is changed.
pub struct Settled<T> {
    pub followed: T,
    pub cookie: Option<Secret>,
}

/// The proofs of an interaction, on their way into the ledger.
struct Ledger {
    browser: BrowserId,
    user: UserId,
    session: SessionId,
    is_new: bool,
    /// By what somebody came for, where what follows does it: what they set up on a page is done.
    demanded: Option<Demanded>,
    ground: Ground,
    proofs: Vec<Event>,
    secret: Option<NewSecret>,
    entry: Option<Entry>,
    life: SessionLife,
    now: Time,
}

/// Finishes a satisfied interaction; `follow` writes what follows for the session. [`StoreError::Lost`] when another
/// request was first: nothing was done, and the browser should ask again.
pub async fn settle<T, F>(
    app: &App,
    interaction: Interaction,
    changes: Changes,
    follow: F,
) -> Result<Settled<T>, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Conn, &SessionId) -> Written<T> + Send + 'static,
{
    let (ledger, cookie) = Ledger::of(app, &interaction, changes)?;
    let (row, now, methods) = (interaction.row, ledger.now, ledger.opens());
    let followed = app.store.write(move |c| {
        ledger.person_stands(c)?;
        interactions::finish(c, &row, now)?;
        ledger.write(c)?;
        follow(c, &ledger.session)
    });
    Ok(Settled { followed: counted(app, methods, followed.await)?, cookie })
}

/// The person is signed in; the interaction goes on.
pub async fn sign_in(app: &App, interaction: &Interaction) -> Result<Option<Secret>, StoreError> {
    let (ledger, cookie) = Ledger::of(app, interaction, Changes::Nothing)?;
    let progress = interaction.progress.settled().resting()?;
    let (row, expires_at) = (interaction.row.clone(), interaction.expires_at(app, ledger.now));
    let methods = ledger.opens();
    let written = app.store.write(move |c| {
        ledger.person_stands(c)?;
        interactions::advance(c, &row, &progress, expires_at)?;
        ledger.write(c)
    });
    counted(app, methods, written.await).map(|()| cookie)
}

/// Finishes an interaction that ends without an answer; the session stays as it was. Says whether its browser went with it, since nobody
/// ever was in it.
pub async fn end(app: &App, interaction: Interaction, entry: Option<Entry>) -> Result<bool, StoreError> {
    let (now, row, askers) = (app.now(), interaction.row, interaction.askers);
    let browser = interaction.browser.id;
    app.store
        .write(move |c| {
            askers.stand(c)?;
            interactions::finish(c, &row, now)?;
            entry.iter().try_for_each(|entry| audit::append(c, entry))?;
            sessions::forget_idle(c, &[browser.to_string()]).map(|gone| gone > 0)
        })
        .await
}

impl Ledger {
    fn of(
        app: &App,
        interaction: &Interaction,
        changes: Changes,
    ) -> Result<(Self, Option<Secret>), StoreError> {
        let (now, life) = (app.now(), app.session_life());
        let Some(person) = interaction.progress.person() else { return Err(StoreError::Lost) };
        let proofs = interaction.proofs().collect::<Vec<_>>();
        let live = interaction.session().map(|session| session.id.clone());
        let is_new = live.is_none();
        let planned = || interaction.progress.opens(&person.user).cloned();
        let session = live.or_else(planned).unwrap_or_else(|| SessionId::generate(app.entropy.as_ref(), now));
        let replaces = !proofs.is_empty() || changes == Changes::Factors;
        let (secret, cookie) = replaces.then(|| NewSecret::generate(app, interaction)).unzip();
        let entry = (!proofs.is_empty()).then(|| {
            let what = if is_new { What::SignIn } else { What::ReAuthentication };
            let entry = interaction.entry(app, person, what).session(&session).because(&methods(&proofs));
            let account = interaction.account.as_ref().map_or(aal::Aal::One, aal::of_account);
            entry.aal(aal::of_session(&interaction.events(), &app.config.policy, now), account)
        });
        let (browser, user) = (interaction.browser.id.clone(), person.user.clone());
        let task = interaction.ask.task.clone().filter(|_| changes == Changes::Factors);
        let demanded = task.map(|task| Demanded::of(app, interaction, &user, task));
        let ground = Ground::of(interaction, &user);
        let ledger =
            Self { browser, user, session, is_new, demanded, ground, proofs, secret, entry, life, now };
        Ok((ledger, cookie))
    }

    /// The methods of a session that is opened.
    fn opens(&self) -> Option<String> {
        self.is_new.then(|| methods(&self.proofs))
    }

    /// Before the interaction's row is touched: what is demanded locks the user, and the ground only holds them.
    fn person_stands(&self, c: &mut Conn) -> Written<()> {
        self.demanded.iter().try_for_each(|demanded| demanded.is_met(c, self.now))?;
        self.ground.person_stands(c)
    }

    fn write(&self, c: &mut Conn) -> Written<()> {
        self.ground.session_stands(c, self.now)?;
        self.secret.iter().try_for_each(|secret| secret.write(c))?;
        if self.is_new {
            sessions::open(c, &self.session, (&self.browser, &self.user), self.life, self.now)?;
            remembered::note(c, &self.browser, &self.user, self.now)?;
            failed_sign_ins::tell(c, &self.user)?;
        }
        events::append(c, &self.session, &self.proofs, self.now)?;
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
