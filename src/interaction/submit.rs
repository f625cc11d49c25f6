//! What a form may do: one step, or nothing. A form that is not for the present step changes nothing; whoever sent it
//! is led back to the page that stands.

use super::Interaction;
use super::next_step::Next;
use super::next_step::next_step;
use super::progress::Progress;
use super::prove;
use super::prove::ProveError;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::protocol::parameters::Parameters;
use crate::store::interactions;

/// The page that a form belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Login,
    Password,
    Totp,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The dispatcher shows what is next.
    Taken,
    /// The form was not made here, for this interaction.
    Forged,
}

impl Page {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "login" => Some(Self::Login),
            "password" => Some(Self::Password),
            "totp" => Some(Self::Totp),
            _ => None,
        }
    }

    pub fn of(next: &Next) -> Option<Self> {
        match next {
            Next::SignIn => Some(Self::Login),
            Next::Prove { method: Method::Otp, .. } => Some(Self::Totp),
            Next::Prove { .. } => Some(Self::Password),
            Next::Answer(_) | Next::End(_) => None,
        }
    }
}

pub async fn submit(
    app: &App,
    interaction: &Interaction,
    page: Page,
    form: &Parameters,
    source: &str,
) -> Result<Submitted, ProveError> {
    let field = |name| form.one(name).ok().flatten();
    let step = field("step").unwrap_or_default();
    let code = field("form").unwrap_or_default();
    if !app.master.is_code(code, "form", &[interaction.id().as_str(), step]) {
        return Ok(Submitted::Forged);
    }
    let next = interaction.next(app);
    if step != interaction.step().to_string() || Page::of(&next) != Some(page) {
        return Ok(Submitted::Taken);
    }
    let progress = interaction.progress.clone();
    match (field("action").unwrap_or("continue"), next) {
        ("decline", _) => save(app, interaction, Progress { declined: true, ..progress }).await?,
        ("other-account", Next::Prove { .. }) if interaction.ask.need.subject.is_none() => {
            save(app, interaction, progress.for_another_account()).await?;
        }
        ("other-way", Next::Prove { others, .. }) => {
            let way = others.first().map(|method| method.as_str().to_owned());
            save(app, interaction, Progress { way, notice: None, ..progress }).await?;
        }
        ("continue", Next::SignIn) => {
            let (name, password) =
                (field("username").unwrap_or_default(), field("password").unwrap_or_default());
            prove::sign_in(app, interaction, source, name, password).await?;
        }
        ("continue", Next::Prove { method: Method::Otp, person, .. }) => {
            prove::totp(app, interaction, source, &person, field("code").unwrap_or_default()).await?;
        }
        ("continue", Next::Prove { person, .. }) => {
            prove::password(app, interaction, source, &person, field("password").unwrap_or_default()).await?;
        }
        _ => {}
    }
    Ok(Submitted::Taken)
}

impl Interaction {
    /// What comes next, as things stand.
    pub fn next(&self, app: &App) -> Next {
        next_step(
            &self.ask,
            &self.progress,
            &self.events(),
            self.account.as_ref(),
            &app.config.policy,
            app.now(),
        )
    }
}

/// Takes the step with `progress`; a form of the same step that was faster has taken it already.
async fn save(app: &App, interaction: &Interaction, progress: Progress) -> Result<(), ProveError> {
    let (row, expires_at) = (interaction.row.clone(), interaction.expires_at(app, app.now()));
    let json = super::json(&progress)?;
    app.store.write(move |c| interactions::advance(c, &row, &json, expires_at)).await?;
    Ok(())
}
