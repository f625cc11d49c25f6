//! What a form may do: one step, or nothing. A form that is not for the present step changes nothing; whoever sent it
//! is led back to the page that stands.

use super::Interaction;
use super::approval;
use super::create;
use super::enrol;
use super::enrol::Enrolment;
use super::mail_code;
use super::next_step::Next;
use super::next_step::next_step;
use super::next_step::refusal;
use super::passkey;
use super::passkey::Answer;
use super::progress::Person;
use super::progress::Progress;
use super::prove;
use super::prove::ProveError;
use crate::app::App;
use crate::assurance::Reason;
use crate::assurance::ledger::Method;
use crate::base::id::UserId;
use crate::base::secret::Secret;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::interactions;
use crate::store::remembered;
use crate::store::users::LoginName;
use serde_json::Value;

/// The page that a form belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    SelectAccount,
    Login,
    Create,
    Password,
    Totp,
    Passkey,
    Recovery,
    MailCode,
    EnrolPasskey,
    EnrolTotp,
    RecoveryCodes,
    NewPassword,
    Consent,
    Continue,
}

#[derive(Debug)]
pub enum Submitted {
    /// The dispatcher shows what is next; with the browser's new cookie if a factor was set up.
    Taken(Option<Secret>),
    /// The form was not made here, for this interaction.
    Forged,
}

impl Page {
    const ALL: [Self; 14] = [
        Self::SelectAccount,
        Self::Login,
        Self::Create,
        Self::Password,
        Self::Totp,
        Self::Passkey,
        Self::Recovery,
        Self::MailCode,
        Self::EnrolPasskey,
        Self::EnrolTotp,
        Self::RecoveryCodes,
        Self::NewPassword,
        Self::Consent,
        Self::Continue,
    ];

    /// The name of the page, in `data-page` and in the address of its form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelectAccount => "select-account",
            Self::Login => "login",
            Self::Create => "create",
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
            Self::MailCode => "mail-code",
            Self::EnrolPasskey => "enrol-passkey",
            Self::EnrolTotp => "enrol-totp",
            Self::RecoveryCodes => "recovery-codes",
            Self::NewPassword => "account-password",
            Self::Consent => "consent",
            Self::Continue => "continue",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.as_str() == text)
    }

    pub fn of(next: &Next) -> Option<Self> {
        match next {
            Next::Select => Some(Self::SelectAccount),
            Next::SignIn { .. } => Some(Self::Login),
            Next::Create => Some(Self::Create),
            Next::Approve(_) => Some(Self::Consent),
            Next::Continue(_) => Some(Self::Continue),
            Next::Prove { step, .. } => Some(match step.method {
                Method::Pwd => Self::Password,
                Method::Otp => Self::Totp,
                Method::Webauthn => Self::Passkey,
                Method::Recovery => Self::Recovery,
            }),
            Next::ConfirmMail(_) => Some(Self::MailCode),
            Next::Enrol { what: Enrolment::Totp, .. } => Some(Self::EnrolTotp),
            Next::Enrol { .. } => Some(Self::EnrolPasskey),
            Next::OfferCodes(_) => Some(Self::RecoveryCodes),
            Next::NewPassword(_) => Some(Self::NewPassword),
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
    let cookie = match standing(app, interaction, page, form) {
        Standing::Forged => return Ok(Submitted::Forged),
        Standing::Past => None,
        Standing::Now(next) => {
            if !has_room(app, interaction).await? {
                return Err(ProveError::TooMany);
            }
            act(app, interaction, *next, field("action").unwrap_or("continue"), &field).await?
        }
    };
    Ok(Submitted::Taken(cookie))
}

/// The first form of an interaction makes it one of those whose number is bounded for good: what was only opened shuts nobody out.
async fn has_room(app: &App, interaction: &Interaction) -> Result<bool, StoreError> {
    if interaction.step() > 0 {
        return Ok(true);
    }
    let (row, browser, now) = (interaction.row.clone(), interaction.browser.id.clone(), app.now());
    app.store.read(move |c| interactions::may_post(c, &row, &browser, now)).await
}

/// The options of the page's ceremony, for its script; `None` where there is none, or the page is past.
pub async fn options(
    app: &App,
    interaction: &Interaction,
    page: Page,
    form: &Parameters,
) -> Result<Option<Value>, StoreError> {
    match standing(app, interaction, page, form) {
        Standing::Now(next) => passkey::begin(app, interaction, &next).await,
        Standing::Forged | Standing::Past => Ok(None),
    }
}

/// Of a form, beside the interaction that it names.
enum Standing {
    Forged,
    Past,
    Now(Box<Next>),
}

fn standing(app: &App, interaction: &Interaction, page: Page, form: &Parameters) -> Standing {
    let field = |name| form.one(name).ok().flatten().unwrap_or_default();
    let step = field("step");
    if !app.master.is_code(field("form"), "form", &[interaction.id().as_str(), step]) {
        return Standing::Forged;
    }
    let next = interaction.next(app);
    let is_of_this_step = interaction.form_step(page).is_ok_and(|now| now == step);
    match is_of_this_step && Page::of(&next) == Some(page) {
        true => Standing::Now(Box::new(next)),
        false => Standing::Past,
    }
}

async fn act<'a>(
    app: &App,
    interaction: &Interaction,
    next: Next,
    action: &str,
    field: &impl Fn(&'a str) -> Option<&'a str>,
) -> Result<Option<Secret>, ProveError> {
    let progress = interaction.progress.clone();
    let text = |name| field(name).unwrap_or_default();
    match (action, next) {
        ("decline", Next::Approve(person) | Next::Continue(person)) => {
            approval::refuse(app, interaction, &person).await?;
        }
        ("continue", Next::Continue(_)) => approval::go_on(app, interaction).await?,
        ("continue", Next::Approve(person)) => approval::approve(app, interaction, &person).await?,
        ("decline", Next::OfferCodes(_)) => {
            save(app, interaction, progress.with(|theirs| theirs.codes_at = Some(app.now()))).await?;
        }
        ("decline", _) => save(app, interaction, progress.with(|theirs| theirs.declined = true)).await?,
        ("other-account", Next::Select) => {
            save(app, interaction, Progress { elsewhere: true, ..progress }).await?;
        }
        ("other-account", Next::Prove { .. } | Next::Continue(_))
            if interaction.ask.need.subject.is_none() =>
        {
            save(app, interaction, progress.for_another_account()).await?;
        }
        // The name that was chosen from the list, or typed with no success, is not the one.
        ("other-account", Next::SignIn { .. }) => {
            save(app, interaction, progress.for_another_account()).await?;
        }
        ("forget-account", Next::Select) => {
            forget(app, interaction, text("account")).await?;
        }
        ("create", Next::SignIn { .. }) if app.config.create_accounts => {
            save(app, interaction, Progress { creating: Some(true), notice: None, ..progress }).await?;
        }
        ("sign-in", Next::Create) => {
            let progress = Progress { creating: Some(false), notice: None, elsewhere: true, ..progress };
            save(app, interaction, progress).await?;
        }
        ("other-way", Next::Prove { others, .. }) => {
            let way = others.first().map(|step| step.as_str().to_owned());
            save(app, interaction, Progress { notice: None, ..progress.with(|theirs| theirs.way = way) })
                .await?;
        }
        ("other-way", Next::Enrol { others, .. }) => {
            let way = others.first().map(|what| what.as_str().to_owned());
            save(app, interaction, Progress { notice: None, ..progress.with(|theirs| theirs.way = way) })
                .await?;
        }
        ("continue", Next::Select) => {
            if let Some(progress) = chosen(interaction, text("account")) {
                save(app, interaction, progress).await?;
            }
        }
        ("continue", Next::Create) => {
            create::create(app, interaction, text("username"), text("password")).await?;
        }
        ("continue", Next::SignIn { .. }) => {
            prove::sign_in(app, interaction, text("username"), text("password")).await?;
        }
        ("passkey", Next::SignIn { passkey: true }) => {
            let answer = Answer { ceremony: text("ceremony"), credential: text("credential") };
            passkey::sign_in(app, interaction, answer).await?;
        }
        ("continue", Next::Prove { step, person, .. }) => match step.method {
            Method::Pwd => prove::password(app, interaction, &person, text("password")).await?,
            Method::Otp => prove::totp(app, interaction, &person, text("code")).await?,
            Method::Recovery => prove::recovery(app, interaction, &person, text("code")).await?,
            Method::Webauthn => {
                let answer = Answer { ceremony: text("ceremony"), credential: text("credential") };
                passkey::proof(app, interaction, (&person, &step), answer).await?;
            }
        },
        ("continue", Next::Enrol { what: Enrolment::Totp, person, .. }) => {
            return enrol::totp(app, interaction, &person, text("code")).await;
        }
        ("continue", Next::Enrol { person, .. }) => {
            let answer = Answer { ceremony: text("ceremony"), credential: text("credential") };
            return enrol::key(app, interaction, &person, answer).await;
        }
        ("continue", Next::ConfirmMail(person)) => {
            mail_code::confirm(app, interaction, &person, text("code")).await?;
        }
        ("resend", Next::ConfirmMail(person)) => mail_code::send(app, interaction, &person, true).await?,
        ("continue", Next::OfferCodes(person)) => return enrol::keep_codes(app, interaction, &person).await,
        ("continue", Next::NewPassword(person)) => {
            enrol::password(app, interaction, &person, text("password")).await?;
        }
        _ => {}
    }
    Ok(None)
}

/// One of those who are signed in in this browser; or a name that was used here before, which still has everything to prove.
fn chosen(interaction: &Interaction, user: &str) -> Option<Progress> {
    let progress = &interaction.progress;
    let session = interaction.browser.sessions.iter().find(|session| session.user.as_str() == user);
    if let Some(session) = session {
        let person = Person { user: session.user.clone(), username: session.username.clone() };
        return Some(progress.for_account(person));
    }
    let account = interaction.accounts.iter().find(|account| account.user.as_str() == user)?;
    let typed = LoginName::parse(&account.username);
    Some(Progress { typed, chosen: true, notice: None, ..progress.clone() })
}

/// Off the list. Whoever is signed in stays on it until they sign out.
async fn forget(app: &App, interaction: &Interaction, user: &str) -> Result<(), StoreError> {
    let (browser, user) = (interaction.browser.id.clone(), UserId::from_text(user));
    let (row, expires_at) = (interaction.row.clone(), interaction.expires_at(app, app.now()));
    let json = interaction.progress.resting()?;
    app.store
        .write(move |c| {
            interactions::advance(c, &row, &json, expires_at)?;
            remembered::forget(c, &browser, &user)
        })
        .await
}

impl Interaction {
    /// What comes next, as things stand.
    pub fn next(&self, app: &App) -> Next {
        if self.is_lost_gone() {
            return Next::End(refusal(Reason::Unmet));
        }
        let events = self.events();
        next_step(&self.ask, &self.progress, &self.stand(app, &events), &app.config.policy, app.now())
    }
}

/// Takes the step with `progress`.
pub async fn save(app: &App, interaction: &Interaction, progress: Progress) -> Result<(), StoreError> {
    let (row, expires_at) = (interaction.row.clone(), interaction.expires_at(app, app.now()));
    let json = progress.resting()?;
    app.store.write(move |c| interactions::advance(c, &row, &json, expires_at)).await
}
