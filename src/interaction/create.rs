//! An account that somebody makes for themselves (Initiating User Registration via OpenID Connect 1.0), where that is switched
//! on. The password typed here counts as a proof; nothing else is known of the person.

use super::Interaction;
use super::brake;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::progress::Proof;
use super::prove::ProveError;
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
use crate::store::users;
use crate::store::users::Added;
use crate::store::users::LoginName;
use crate::store::users::NewUser;
use serde_json::json;

pub async fn create(app: &App, on: &Interaction, name: &str, password: &str) -> Result<(), ProveError> {
    let typed = LoginName::parse(name.trim());
    let (source, now) = (on.source.clone(), app.now());
    // Every try counts, whatever is wrong with it: each costs us as much.
    if let Err(until) = app.store.write(move |c| brake::count_creation(c, &source, now)).await? {
        return Err(ProveError::Braked(until));
    }
    let Some(name) = typed.clone().filter(may_be_chosen) else {
        return Ok(told(app, on, typed, Notice::BadName).await?);
    };
    let password = match app.passwords.wanted(password).await.map_err(|Busy| ProveError::Busy)? {
        Ok(password) => password,
        Err(why) => return Ok(told(app, on, typed, Notice::BadPassword(why)).await?),
    };
    let hash = app.passwords.hash(password, app.entropy.as_ref()).await;
    let secret = hash.map_err(|Busy| ProveError::Busy)?;
    match add(app, on, name, secret).await? {
        Added::Done => Ok(()),
        Added::NameTaken => Ok(told(app, on, typed, Notice::NameTaken).await?),
    }
}

/// A name with an @ could be somebody's address, under which they would sign in one day.
fn may_be_chosen(name: &LoginName) -> bool {
    !name.as_str().contains('@')
}

/// User, factor and proof in one transaction; of two who want one name, one gets it.
async fn add(app: &App, on: &Interaction, name: LoginName, secret: String) -> Result<Added, ProveError> {
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
    let (row, expires_at) = (on.row.clone(), on.expires_at(app, now));
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

async fn told(
    app: &App,
    on: &Interaction,
    typed: Option<LoginName>,
    notice: Notice,
) -> Result<(), crate::store::StoreError> {
    let progress = Progress { typed, notice: Some(notice), ..on.progress.clone() };
    super::submit::save(app, on, progress).await
}
