//! What a form may do: one step, or nothing. A form that is not for the present step changes nothing; whoever sent it
//! is led back to the page that stands.

use super::Interaction;
use super::approval;
use super::create;
use super::next_step::Next;
use super::next_step::next_step;
use super::progress::Person;
use super::progress::Progress;
use super::prove;
use super::prove::ProveError;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::interactions;

/// The page that a form belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    SelectAccount,
    Login,
    Create,
    Password,
    Totp,
    Consent,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The dispatcher shows what is next.
    Taken,
    /// The form was not made here, for this interaction.
    Forged,
}

impl Page {
    const ALL: [Self; 6] =
        [Self::SelectAccount, Self::Login, Self::Create, Self::Password, Self::Totp, Self::Consent];

    /// The name of the page, in `data-page` and in the address of its form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelectAccount => "select-account",
            Self::Login => "login",
            Self::Create => "create",
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Consent => "consent",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.as_str() == text)
    }

    pub fn of(next: &Next) -> Option<Self> {
        match next {
            Next::Select => Some(Self::SelectAccount),
            Next::SignIn => Some(Self::Login),
            Next::Create => Some(Self::Create),
            Next::Approve(_) => Some(Self::Consent),
            Next::Prove { method: Method::Otp, .. } => Some(Self::Totp),
            Next::Prove { .. } => Some(Self::Password),
            Next::Settle | Next::Answer(_) | Next::End(_) => None,
        }
    }
}

pub async fn submit(
    app: &App,
    interaction: &Interaction,
    page: Page,
    form: &Parameters,
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
    act(app, interaction, next, field("action").unwrap_or("continue"), &field).await?;
    Ok(Submitted::Taken)
}

async fn act<'a>(
    app: &App,
    interaction: &Interaction,
    next: Next,
    action: &str,
    field: &impl Fn(&'a str) -> Option<&'a str>,
) -> Result<(), ProveError> {
    let progress = interaction.progress.clone();
    let text = |name| field(name).unwrap_or_default();
    match (action, next) {
        ("decline", Next::Approve(person)) => approval::refuse(app, interaction, &person).await?,
        ("continue", Next::Approve(person)) => approval::approve(app, interaction, &person).await?,
        ("decline", _) => save(app, interaction, Progress { declined: true, ..progress }).await?,
        ("other-account", Next::Select) => {
            save(app, interaction, Progress { elsewhere: true, ..progress }).await?;
        }
        ("other-account", Next::Prove { .. }) if interaction.ask.need.subject.is_none() => {
            save(app, interaction, progress.for_another_account()).await?;
        }
        ("create", Next::SignIn) if app.config.create_accounts => {
            save(app, interaction, Progress { creating: Some(true), notice: None, ..progress }).await?;
        }
        ("sign-in", Next::Create) => {
            let progress = Progress { creating: Some(false), notice: None, elsewhere: true, ..progress };
            save(app, interaction, progress).await?;
        }
        ("other-way", Next::Prove { others, .. }) => {
            let way = others.first().map(|method| method.as_str().to_owned());
            save(app, interaction, Progress { way, notice: None, ..progress }).await?;
        }
        ("continue", Next::Select) => {
            if let Some(person) = chosen(interaction, text("account")) {
                save(app, interaction, progress.for_account(person)).await?;
            }
        }
        ("continue", Next::Create) => {
            create::create(app, interaction, text("username"), text("password")).await?;
        }
        ("continue", Next::SignIn) => {
            prove::sign_in(app, interaction, text("username"), text("password")).await?;
        }
        ("continue", Next::Prove { method: Method::Otp, person, .. }) => {
            prove::totp(app, interaction, &person, text("code")).await?;
        }
        ("continue", Next::Prove { person, .. }) => {
            prove::password(app, interaction, &person, text("password")).await?;
        }
        _ => {}
    }
    Ok(())
}

/// One of those who are signed in in this browser, and nobody else.
fn chosen(interaction: &Interaction, user: &str) -> Option<Person> {
    let session = interaction.browser.sessions.iter().find(|session| session.user.as_str() == user)?;
    Some(Person { user: session.user.clone(), username: session.username.clone() })
}

impl Interaction {
    /// What comes next, as things stand.
    pub fn next(&self, app: &App) -> Next {
        let events = self.events();
        next_step(&self.ask, &self.progress, &self.stand(&events), &app.config.policy, app.now())
    }
}

/// Takes the step with `progress`; a form of the same step that was faster has taken it already.
pub async fn save(app: &App, interaction: &Interaction, progress: Progress) -> Result<(), StoreError> {
    let (row, expires_at) = (interaction.row.clone(), interaction.expires_at(app, app.now()));
    let json = super::json(&progress)?;
    app.store.write(move |c| interactions::advance(c, &row, &json, expires_at)).await?;
    Ok(())
}
