//! The pages of an interaction, each filled from where it stands.

use super::language;
use super::respond;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::interaction::Interaction;
use crate::interaction::approval::Approval;
use crate::interaction::progress::Notice;
use crate::interaction::progress::Person;
use crate::interaction::sentence;
use crate::interaction::submit::Page;
use crate::pages::ConsentPage;
use crate::pages::CreatePage;
use crate::pages::Form;
use crate::pages::Frame;
use crate::pages::LoginPage;
use crate::pages::PasswordPage;
use crate::pages::SelectPage;
use crate::pages::TotpPage;
use crate::texts::Texts;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

/// Where it stands, and who looks.
pub struct Shown<'a> {
    pub app: &'a App,
    pub request: &'a HttpRequest,
    pub interaction: &'a Interaction,
    /// In the language of its pages.
    pub t: &'static Texts,
}

impl<'a> Shown<'a> {
    pub fn to(app: &'a App, request: &'a HttpRequest, interaction: &'a Interaction) -> Self {
        Self { app, request, interaction, t: language::texts(request) }
    }

    pub fn select(&self) -> HttpResponse {
        let form = self.form(Page::SelectAccount, (self.t.choose_to_go_on)(self.who()));
        let people = self.interaction.browser.sessions.iter();
        let people = people.map(|s| Person { user: s.user.clone(), username: s.username.clone() });
        let people = people.collect();
        self.page(|frame| SelectPage { frame, form, people })
    }

    pub fn consent(&self, person: Person) -> HttpResponse {
        let form = self.form(Page::Consent, (self.t.asks_for_access)(self.who()));
        let approval = self.interaction.ask.approval.as_ref();
        let scopes = approval.iter().flat_map(|approval| &approval.scopes);
        let wants = scopes.map(self.t.want).collect();
        let lasts = match approval.is_some_and(Approval::is_offline) {
            true => self.t.lasts_offline,
            false => self.t.lasts_for_the_session,
        };
        let asker = self.who().to_owned();
        self.page(|frame| ConsentPage { frame, form, person, asker, wants, lasts })
    }

    pub fn create(&self) -> HttpResponse {
        let form = self.form(Page::Create, (self.t.create_to_go_on)(self.who()));
        let name = self.typed().unwrap_or_default();
        let wrong_password = matches!(self.interaction.progress.notice, Some(Notice::BadPassword(_)));
        self.page(|frame| CreatePage { frame, form, name, wrong_password })
    }

    pub fn login(&self) -> HttpResponse {
        let ask = &self.interaction.ask;
        let is_known = ask.need.subject.is_some();
        let why = if is_known { self.t.sign_in_as_known } else { self.t.sign_in_to_go_on };
        let form = self.form(Page::Login, why(self.who()));
        let hint = self.typed().or_else(|| ask.login_hint.clone()).unwrap_or_default();
        let create = self.app.config.create_accounts && !is_known;
        self.page(|frame| LoginPage { frame, form, hint, create })
    }

    pub fn prove(&self, person: Person, method: Method, other_way: bool) -> HttpResponse {
        let ask = &self.interaction.ask;
        let events = self.interaction.events();
        let why = (self.t.why)(&sentence::why(&ask.asker, &ask.need, method, &events, self.app.now()));
        let other_account = ask.need.subject.is_none();
        if method == Method::Otp {
            let form = self.form(Page::Totp, why);
            return self.page(|frame| TotpPage { frame, form, person, other_way, other_account });
        }
        let form = self.form(Page::Password, why);
        self.page(|frame| PasswordPage { frame, form, person, other_way, other_account })
    }

    fn who(&self) -> &str {
        &self.interaction.ask.asker.name
    }

    fn typed(&self) -> Option<String> {
        self.interaction.progress.typed.as_ref().map(|name| name.as_str().to_owned())
    }

    /// Its forms lead to the application in the end.
    fn page<P: Template>(&self, page: impl FnOnce(Frame) -> P) -> HttpResponse {
        let origin = Some(self.interaction.ask.asker.origin.as_str());
        respond::page(self.app, self.request, StatusCode::OK, origin, page)
    }

    fn form(&self, page: Page, why: String) -> Form {
        let interaction = self.interaction;
        let is_known = interaction.progress.person.is_some();
        Form {
            action: format!("/interaction/{}/{}", interaction.id(), page.as_str()),
            code: interaction.form_code(self.app),
            step: interaction.step(),
            why,
            host: interaction.ask.asker.host.clone(),
            notice: interaction.progress.notice.map(|notice| (self.t.notice)(notice, is_known)),
        }
    }
}
