//! What an application wants of somebody's account: approved once, remembered, asked for again when it wants more.

use super::Interaction;
use super::progress::Person;
use super::progress::Progress;
use super::submit::save;
use crate::app::App;
use crate::base::id::ClientId;
use crate::protocol::standard_claims::OFFLINE;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::What;
use crate::store::consents;
use crate::store::interactions;
use serde::Deserialize;
use serde::Serialize;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approval {
    pub client: ClientId,
    pub scopes: Vec<AskedScope>,
    /// Asked whatever was approved before (`prompt=consent`).
    pub anew: bool,
    /// Approved by an administrator, for everybody (`skip_consent`).
    pub given: bool,
    /// Whoever asks may be any program on the device that passes itself off as the client (RFC 8252 §8.6): nothing is answered
    /// before a page was, whatever was approved.
    #[serde(default)]
    pub never_silent: bool,
}

/// One scope, by the name that is remembered, and as a person may understand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedScope {
    pub name: String,
    /// The resource server that defines it; `None` for those of OpenID Connect.
    pub at: Option<ResourceName>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceName {
    pub identifier: String,
    pub name: String,
}

impl Approval {
    /// Whether somebody has to say yes, after what is remembered of what they have said, and whether they have said it here. That
    /// they have said so counts as long as it is remembered.
    pub fn is_open(&self, remembered: &[String], said_here: bool) -> bool {
        let has = |scope: &AskedScope| remembered.contains(&scope.remembered());
        (self.anew && !said_here) || (!self.given && !self.scopes.iter().all(has))
    }

    /// Whether the access outlives the session that it is given in.
    pub fn is_offline(&self) -> bool {
        self.scopes.iter().any(|scope| scope.at.is_none() && scope.name == OFFLINE)
    }

    /// Whether nobody has ever said yes to this application.
    pub fn is_first(&self, remembered: &[String]) -> bool {
        !self.given && remembered.is_empty()
    }
}

impl AskedScope {
    pub fn remembered(&self) -> String {
        match &self.at {
            None => self.name.clone(),
            Some(at) => format!("{} {}", at.identifier, self.name),
        }
    }
}

/// The person says yes: remembered from now on.
pub async fn approve(app: &App, on: &Interaction, person: &Person) -> Result<(), StoreError> {
    let Some(approval) = on.ask.approval.clone() else { return Ok(()) };
    let scopes = approval.scopes.iter().map(AskedScope::remembered).collect::<Vec<_>>();
    let entry = on.entry(app, person, What::Consent).because(&scopes.join(", "));
    let (now, user, row, askers) = (app.now(), person.user.clone(), on.row.clone(), on.askers.clone());
    let approved = on.progress.with(|theirs| (theirs.approved_at, theirs.acted) = (Some(now), true));
    let progress = Progress { notice: None, ..approved }.resting()?;
    let expires_at = on.expires_at(app, now);
    app.store
        .write(move |c| {
            interactions::advance(c, &row, &progress, expires_at)?;
            askers.stand(c)?;
            consents::add(c, &user, &approval.client, &scopes, now)?;
            audit::append(c, &entry)
        })
        .await
}

/// The person goes on to an application that was approved before.
pub async fn go_on(app: &App, on: &Interaction) -> Result<(), StoreError> {
    save(app, on, Progress { notice: None, ..on.progress.with(|theirs| theirs.acted = true) }).await
}

/// The person says no: the application is told, and they stay signed in.
pub async fn refuse(app: &App, on: &Interaction, person: &Person) -> Result<(), StoreError> {
    let entry = on.entry(app, person, What::Consent).refused("the user did not approve");
    let (now, row) = (app.now(), on.row.clone());
    let progress = on.progress.with(|theirs| theirs.refused = true).resting()?;
    let expires_at = on.expires_at(app, now);
    app.store
        .write(move |c| {
            interactions::advance(c, &row, &progress, expires_at)?;
            audit::append(c, &entry)
        })
        .await
}
