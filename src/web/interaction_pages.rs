//! The pages of an interaction, each filled from where it stands.

use super::language;
use super::respond;
use super::respond::Scripts;
use crate::app::App;
use crate::assurance::ledger::Method;
use crate::assurance::plan::Step;
use crate::credential::recovery::RecoveryCode;
use crate::interaction::Interaction;
use crate::interaction::approval::Approval;
use crate::interaction::enrol;
use crate::interaction::enrol::Enrolment;
use crate::interaction::mail_code;
use crate::interaction::progress::Notice;
use crate::interaction::progress::Person;
use crate::interaction::reopen;
use crate::interaction::sentence;
use crate::interaction::submit::Page;
use crate::interaction::task::Task;
use crate::pages::ConsentPage;
use crate::pages::ContinuePage;
use crate::pages::CreatePage;
use crate::pages::EnrolPasskeyPage;
use crate::pages::EnrolTotpPage;
use crate::pages::Form;
use crate::pages::Frame;
use crate::pages::LoginPage;
use crate::pages::MailCodePage;
use crate::pages::NewPasswordPage;
use crate::pages::PasskeyPage;
use crate::pages::PasswordPage;
use crate::pages::RecoveryCodesPage;
use crate::pages::RecoveryPage;
use crate::pages::SelectPage;
use crate::pages::TotpPage;
use crate::texts::Texts;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use qrcode::EcLevel;
use qrcode::QrCode;
use qrcode::render::svg;

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
        let mut people = people.collect::<Vec<_>>();
        let remembered = self.interaction.accounts.iter();
        let remembered = remembered.map(|r| Person { user: r.user.clone(), username: r.username.clone() });
        let mut remembered = remembered.filter(|person| !people.contains(person)).collect::<Vec<_>>();
        // First, where Enter takes it.
        let hinted = self.interaction.hinted();
        people.sort_by_key(|person| Some(&person.user) != hinted);
        remembered.sort_by_key(|person| Some(&person.user) != hinted);
        self.page(|frame| SelectPage { frame, form, people, remembered })
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

    pub fn proceed(&self, person: Person) -> HttpResponse {
        let form = self.form(Page::Continue, self.t.continue_why.to_owned());
        let asker = self.who().to_owned();
        let other_account = self.interaction.ask.need.subject.is_none();
        self.page(|frame| ContinuePage { frame, form, person, asker, other_account })
    }

    pub fn create(&self) -> HttpResponse {
        let form = self.form(Page::Create, (self.t.create_to_go_on)(self.who()));
        let name = self.typed().unwrap_or_default();
        let wrong_password = matches!(self.interaction.progress.notice, Some(Notice::BadPassword(_)));
        self.page(|frame| CreatePage { frame, form, name, wrong_password })
    }

    pub fn login(&self, passkey: bool) -> HttpResponse {
        let (ask, progress) = (&self.interaction.ask, &self.interaction.progress);
        let is_known = ask.need.subject.is_some();
        let why = if is_known { self.t.sign_in_as_known } else { self.t.sign_in_to_go_on };
        let form = self.form(Page::Login, why(self.who()));
        let hint = self.typed().or_else(|| ask.login_hint.clone()).unwrap_or_default();
        let create = self.app.config.create_accounts && !is_known;
        let unknown = progress.unknown_passkey.clone();
        let scripts = if passkey { Scripts::Passkeys } else { Scripts::None };
        self.page_with(scripts, |frame| LoginPage {
            frame,
            form,
            hint,
            chosen: progress.chosen,
            create,
            passkey,
            unknown,
            rp: self.rp(),
        })
    }

    pub fn prove(&self, person: Person, step: Step, others: &[Step], to_enrol: bool) -> HttpResponse {
        let ask = &self.interaction.ask;
        let mut events = self.interaction.events();
        // Of a factor that is not asked for, nobody is told how long ago it was used.
        events.retain(|event| step.factors.contains(&event.credential));
        let why = match to_enrol {
            true => (self.t.first_prove)(self.who()),
            false => {
                (self.t.why)(&sentence::why(&ask.asker, &ask.need, step.method, &events, self.app.now()))
            }
        };
        let other_account = ask.need.subject.is_none() && !to_enrol;
        let other_way = others.first().map(|other| (self.t.another_way)(other));
        match step.method {
            Method::Otp => {
                let form = self.form(Page::Totp, why);
                self.page(|frame| TotpPage { frame, form, person, other_way, other_account })
            }
            Method::Pwd => {
                let form = self.form(Page::Password, why);
                self.page(|frame| PasswordPage { frame, form, person, other_way, other_account })
            }
            Method::Recovery => {
                let form = self.form(Page::Recovery, why);
                self.page(|frame| RecoveryPage { frame, form, person, other_way, other_account })
            }
            Method::Webauthn => {
                let form = self.form(Page::Passkey, why);
                // By itself once, where a person's click led here; after a failure only by the button.
                let auto = form.notice.is_none() && self.comes_from_a_click();
                let security_key = !step.uv;
                self.page_with(Scripts::Passkeys, |frame| PasskeyPage {
                    frame,
                    form,
                    person,
                    security_key,
                    auto,
                    other_way,
                    other_account,
                })
            }
        }
    }

    pub fn mail_code(&self, person: Person) -> HttpResponse {
        let now = self.app.now();
        let why = match mail_code::full_until(self.interaction, now) {
            Some(until) => (self.t.mails_full)(until.seconds_since(now)),
            None => (self.t.mailed_why)(self.who()),
        };
        let form = self.form(Page::MailCode, why);
        let is_mailed = self.interaction.progress.theirs.mailed > 0;
        self.page(|frame| MailCodePage { frame, form, person, is_mailed })
    }

    pub fn enrol(&self, person: Person, what: Enrolment, others: &[Enrolment]) -> HttpResponse {
        let why = match &self.interaction.ask.task {
            None => (self.t.enrol_why)(self.who()),
            Some(Task::Replace { .. }) => (self.t.replace_why)(self.app.config.recovery_delay),
            Some(_) => self.t.enrol_wished.to_owned(),
        };
        let other_way = others.first().map(|other| (self.t.enrol_instead)(*other));
        if what == Enrolment::Totp {
            return self.enrol_totp(person, why, other_way);
        }
        let form = self.form(Page::EnrolPasskey, why);
        let security_key = what == Enrolment::SecurityKey;
        self.page_with(Scripts::Passkeys, |frame| EnrolPasskeyPage {
            frame,
            form,
            person,
            security_key,
            other_way,
        })
    }

    fn enrol_totp(&self, person: Person, why: String, other_way: Option<&'static str>) -> HttpResponse {
        let (app, config) = (self.app, &self.app.config);
        let secret = enrol::totp_secret(app, self.interaction, &person);
        let label = format!("{} ({})", config.page.name, config.issuer.host());
        let uri = secret.otpauth_uri(&label, &person.username).unwrap_or_default();
        let form = self.form(Page::EnrolTotp, why);
        let (qr, secret) = (qr(&uri), secret.as_typed());
        self.page(|frame| EnrolTotpPage { frame, form, person, qr, secret, other_way })
    }

    pub fn recovery_codes(&self, person: &Person) -> HttpResponse {
        let form = self.form(Page::RecoveryCodes, self.t.codes_why.to_owned());
        let codes = enrol::codes(self.app, self.interaction, person);
        let codes = codes.iter().map(RecoveryCode::reveal).collect();
        self.page(|frame| RecoveryCodesPage { frame, form, codes })
    }

    pub fn new_password(&self, person: Person) -> HttpResponse {
        let form = self.form(Page::NewPassword, self.t.new_password_why.to_owned());
        self.page(|frame| NewPasswordPage { frame, form, person })
    }

    /// Fetch Metadata: the navigation that led here began with a person's act.
    fn comes_from_a_click(&self) -> bool {
        self.request.headers().get("sec-fetch-user").is_some_and(|value| value.as_bytes() == b"?1")
    }

    fn rp(&self) -> String {
        self.app.passkeys.as_ref().map(|passkeys| passkeys.rp_id.clone()).unwrap_or_default()
    }

    fn who(&self) -> &str {
        &self.interaction.ask.asker.name
    }

    fn typed(&self) -> Option<String> {
        self.interaction.progress.typed.as_ref().map(|name| name.as_str().to_owned())
    }

    /// Its forms lead to the application in the end.
    fn page<P: Template>(&self, page: impl FnOnce(Frame) -> P) -> HttpResponse {
        self.page_with(Scripts::None, page)
    }

    fn page_with<P: Template>(&self, scripts: Scripts, page: impl FnOnce(Frame) -> P) -> HttpResponse {
        let origin = Some(self.interaction.ask.asker.origin.as_str());
        respond::page_with(self.app, self.request, (StatusCode::OK, scripts), origin, page)
    }

    fn form(&self, page: Page, why: String) -> Form {
        let interaction = self.interaction;
        let is_known = interaction.progress.person().is_some();
        // Without a step, no form of it is good.
        let step = interaction.form_step(page).unwrap_or_default();
        Form {
            action: format!("/interaction/{}/{}", interaction.id(), page.as_str()),
            code: interaction.form_code(self.app, &step),
            kept: reopen::kept(self.app, interaction),
            step,
            why,
            host: interaction.ask.asker.host.clone(),
            notice: interaction.progress.notice.map(|notice| (self.t.notice)(notice, is_known)),
        }
    }
}

/// The picture that an authenticator app scans; dark on light, whatever the page is.
fn qr(uri: &str) -> String {
    let code = QrCode::with_error_correction_level(uri, EcLevel::M);
    let picture = code.map(|code| {
        let mut svg = code.render::<svg::Color>();
        svg.min_dimensions(200, 200).quiet_zone(true);
        svg.dark_color(svg::Color("#000")).light_color(svg::Color("#fff")).build()
    });
    // Without what a page can't have in its middle.
    picture.map(|svg| svg.split_once("?>").map_or(svg.clone(), |(_, svg)| svg.to_owned())).unwrap_or_default()
}
