//! A page that a stranger has opened and nobody has answered carries what its row holds, sealed. So a flood of pages, which takes the
//! rows of others behind the same address along, ends no sign-in: the first form of a page whose row is gone opens the same request
//! anew, as an interaction of its own, in a browser of its own. It holds no proof, and opens nothing that the browser's secret of then
//! did not.

use super::Interaction;
use super::OpenError;
use super::Opened;
use super::Then;
use super::Visitor;
use super::open;
use super::parsed;
use crate::app::App;
use crate::base::id::InteractionId;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use crate::protocol::parameters::CARRIED;
use crate::protocol::parameters::LONGEST_CARRIED;
use crate::protocol::parameters::Parameters;
use crate::store::sessions;
use serde::Deserialize;
use serde::Serialize;

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The hash of the browser's secret.
    browser: String,
    ask: String,
    progress: String,
    kind: String,
    body: String,
    asked_at: Time,
}

/// What its page carries; `None` for one whose row nobody else takes along, and where it would be too long for a form.
pub fn kept(app: &App, on: &Interaction) -> Option<String> {
    let somebody =
        on.progress.person().is_some() || !on.browser.sessions.is_empty() || !on.accounts.is_empty();
    if on.step() > 0 || somebody {
        return None;
    }
    let row = &on.row;
    let kept = Kept {
        browser: on.browser.secret_hash.as_str().to_owned(),
        ask: row.need.clone(),
        progress: row.resting.progress.clone(),
        kind: row.then_kind.clone(),
        body: row.then_body.clone(),
        asked_at: row.asked_at,
    };
    let sealed = app.master.seal(&owner(on.id()), &serde_json::to_vec(&kept).ok()?, app.entropy.as_ref());
    sealed.filter(|sealed| sealed.len() <= LONGEST_CARRIED)
}

/// The same request anew, where `form` is of a page of `id` that this browser has opened, and both are gone; with the form as one of the
/// new page.
pub async fn reopen(
    app: &App,
    secret: &SecretHash,
    id: &InteractionId,
    source: &str,
    form: Parameters,
) -> Result<Option<(Opened, Parameters)>, OpenError> {
    let field = |name| form.one(name).ok().flatten().unwrap_or_default();
    let step = "0";
    let is_own = field("step") == step && app.master.is_code(field("form"), "form", &[id.as_str(), step]);
    let Some(kept) = opened(app, id, field(CARRIED)).filter(|kept| is_own && kept.browser == secret.as_str())
    else {
        return Ok(None);
    };
    let (now, life, secret) = (app.now(), app.session_life(), secret.clone());
    if kept.asked_at.plus(app.config.lifetimes.interaction) <= now || !kept.asked_at.has_come(now) {
        return Ok(None);
    }
    // In a browser that is known still, it has ended by itself.
    if app.store.read(move |c| sessions::browser(c, &secret, life, now)).await?.is_some() {
        return Ok(None);
    }
    let Some((ask, progress)) = parsed(id, &kept.ask, &kept.progress) else { return Ok(None) };
    let visitor = Visitor { browser: None, source: source.to_owned() };
    let opened = open(app, &visitor, ask, progress, Then { kind: kept.kind, body: kept.body }).await?;
    let code = app.master.code("form", &[opened.id.as_str(), step]);
    Ok(Some((opened, form.with("form", code))))
}

fn opened(app: &App, id: &InteractionId, sealed: &str) -> Option<Kept> {
    serde_json::from_slice(&app.master.open(&owner(id), sealed)?).ok()
}

fn owner(id: &InteractionId) -> String {
    format!("page {id}")
}
