//! An account that somebody makes for themselves (Initiating User Registration via OpenID Connect 1.0), where that is switched
//! on. The password typed here counts as a proof; nothing else is known of the person.

use super::Interaction;
use super::brake;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use super::prove::ProveError;
use super::prove::braked;
use super::prove::note;
use super::reserved_names::is_reserved;
use crate::app::App;
use crate::assurance::factors::SecondFactor;
use crate::assurance::ledger::Method;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::UserId;
use crate::credential::password::Busy;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::credentials;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::interactions;
use crate::store::interactions::InteractionRow;
use crate::store::users;
use crate::store::users::Added;
use crate::store::users::LoginName;
use crate::store::users::NewUser;
use serde_json::json;

pub async fn create(app: &App, on: &Interaction, name: &str, password: &str) -> Result<(), ProveError> {
    let typed = LoginName::parse(name.trim());
    let row = take_step(app, on, typed.clone()).await?;
    let told = async |notice| {
        let progress = Progress { typed: typed.clone(), notice: Some(notice), ..on.progress.clone() };
        note(app, on, &row, &progress).await
    };
    let Some(name) = typed.clone().filter(may_be_chosen) else { return Ok(told(Notice::BadName).await?) };
    let own_names = app.config.own_names();
    if is_reserved(&name, &own_names) {
        return Ok(told(Notice::ReservedName).await?);
    }
    let passwords = app.passwords.shared_by(on.id().as_str(), &on.source);
    let guessable = app.config.guessable(&[name.as_str().to_owned()]);
    let password = match passwords.wanted(password, guessable).await.map_err(|Busy| ProveError::Busy)? {
        Ok(password) => password,
        Err(why) => return Ok(told(Notice::BadPassword(why)).await?),
    };
    let hash = passwords.hash(password, app.entropy.as_ref()).await;
    let secret = hash.map_err(|Busy| ProveError::Busy)?;
    match add(app, on, row.clone(), name, secret).await? {
        Added::Done => Ok(()),
        Added::NameTaken => Ok(told(Notice::NameTaken).await?),
    }
}

/// The step is taken before anything is judged or hashed (attack: one form sent a thousand times at once). Every try counts,
/// whatever is wrong with it: each costs us as much.
async fn take_step(
    app: &App,
    on: &Interaction,
    typed: Option<LoginName>,
) -> Result<InteractionRow, ProveError> {
    let (source, now, row) = (on.source.clone(), app.now(), on.row.clone());
    let progress = Progress { typed, notice: None, ..on.progress.clone() }.resting()?;
    let expires_at = on.expires_at(app, now);
    let taken = app.store.write(move |c| {
        if let Err(until) = brake::count_creation(c, &source, now)? {
            return Ok(Err(until));
        }
        interactions::advance(c, &row, &progress, expires_at)?;
        Ok(Ok(InteractionRow { step: row.step + 1, ..row }))
    });
    taken.await?.map_err(|until| braked(on, until))
}

/// A name with an @ could be somebody's address, under which they would sign in one day.
fn may_be_chosen(name: &LoginName) -> bool {
    !name.as_str().contains('@')
}

/// User, factor and proof in one transaction; of two who want one name, one gets it.
async fn add(
    app: &App,
    on: &Interaction,
    row: InteractionRow,
    name: LoginName,
    secret: String,
) -> Result<Added, ProveError> {
    let (now, entropy) = (app.now(), app.entropy.as_ref());
    let user = UserId::generate(entropy, now);
    let id = CredentialId::generate(entropy, now);
    let credential = Credential::new(id, Kind::Password, secret, now);
    let proof = Proof {
        id: EventId::generate(entropy, now),
        method: Method::Pwd.as_str().to_owned(),
        at: now,
        credential: credential.id.clone(),
        factor_enrolled_at: now,
        uv: false,
        device_bound: false,
    };
    let person = Person { user: user.clone(), username: name.as_str().to_owned() };
    let progress = on.proved(app, person.clone(), proof);
    let entry = on.entry_with(app, &progress, &person, What::AccountCreated);
    let progress = progress.resting()?;
    let claims = json!({"preferred_username": name.as_str()}).to_string();
    let expires_at = on.expires_at(app, now);
    let added = app.store.write(move |c| {
        let second_factor = SecondFactor::SignIn;
        let new = NewUser { id: &user, name: &name, email: None, claims: &claims, second_factor };
        if users::insert(c, &new, now)? == Added::NameTaken {
            return Ok(Added::NameTaken);
        }
        credentials::insert(c, &user, &credential)?;
        audit::append(c, &entry)?;
        interactions::advance(c, &row, &progress, expires_at)?;
        Ok(Added::Done)
    });
    Ok(added.await?)
}
