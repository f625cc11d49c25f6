//! `/account/…`: what somebody has to sign in with, and the forms that change it. A form opens an interaction, which asks
//! for the strongest factor first; it comes back here when it is done.

use super::authorize::not_in_a_window;
use super::cookie;
use super::destination;
use super::destination::Destination;
use super::edge;
use super::forged;
use super::language;
use super::respond;
use super::respond::Scripts;
use crate::account;
use crate::account::BeginError;
use crate::account::Done;
use crate::account::Wish;
use crate::account::passkeys;
use crate::account::passkeys::Changed;
use crate::account::passkeys::Own;
use crate::account::recovery;
use crate::app::App;
use crate::base::id::CredentialId;
use crate::base::secret::base64url;
use crate::interaction::OpenError;
use crate::interaction::Visitor;
use crate::interaction::enrol::Enrolment;
use crate::pages::KeyShown;
use crate::pages::PasskeysPage;
use crate::pages::RecoveryCancelPage;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use crate::store::credentials::Credential;
use crate::store::credentials::Kind;
use crate::store::sessions::Browser;
use crate::store::sessions::Session;
use crate::texts::Texts;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::web::Data;
use uuid::Uuid;

const PURPOSE: &str = "account";

pub async fn passkeys(app: Data<App>, request: HttpRequest) -> HttpResponse {
    if destination::of(&request) != Destination::Window {
        return not_in_a_window(&app, &request);
    }
    let query = Parameters::parse(request.query_string()).unwrap_or_default();
    let asked = |name| query.one(name).ok().flatten();
    let visitor = match visitor(&app, &request).await {
        Ok(visitor) => visitor,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let session = visitor.browser.as_ref().and_then(|browser| session(browser, asked("account")));
    let (Some(browser), Some(session)) = (&visitor.browser, session) else {
        return open(&app, &request, &visitor, None, Wish::Look).await;
    };
    match passkeys::of(&app, &session.user).await {
        Ok(own) => {
            let said = asked("said").and_then(Changed::parse);
            shown(&app, &request, browser, session, &own, said)
        }
        Err(error) => respond::unavailable(&app, &request, &error),
    }
}

/// Leads to the page that asks for another password, by way of whatever has to be shown first.
pub async fn password(app: Data<App>, request: HttpRequest) -> HttpResponse {
    if destination::of(&request) != Destination::Window {
        return not_in_a_window(&app, &request);
    }
    let query = Parameters::parse(request.query_string()).unwrap_or_default();
    let visitor = match visitor(&app, &request).await {
        Ok(visitor) => visitor,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let account = query.one("account").ok().flatten();
    let session = visitor.browser.as_ref().and_then(|browser| session(browser, account));
    let wish = if session.is_some() { Wish::Password } else { Wish::LookForPassword };
    open(&app, &request, &visitor, session, wish).await
}

/// The link of the mail: it asks, since machines follow links too.
pub async fn recovery(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let query = Parameters::parse(request.query_string()).unwrap_or_default();
    let cancel = query.one("cancel").ok().flatten().unwrap_or_default().to_owned();
    cancel_page(&app, &request, Some(cancel), None)
}

/// The secret of the link is all that it takes.
pub async fn cancel_recovery(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let form = match edge::form(&request, &body).and_then(Parameters::parse) {
        Ok(form) => form,
        Err(fault) => return respond::fault_page(&app, &request, &fault),
    };
    let secret = form.one("cancel").ok().flatten().unwrap_or_default();
    let t = language::texts(&request);
    match recovery::cancel(&app, secret, &edge::source(&app, &request)).await {
        Ok(true) => cancel_page(&app, &request, None, Some(t.recovery_cancelled)),
        Ok(false) => cancel_page(&app, &request, None, Some(t.nothing_to_cancel)),
        Err(error) => respond::unavailable(&app, &request, &error),
    }
}

fn cancel_page(
    app: &App,
    request: &HttpRequest,
    cancel: Option<String>,
    said: Option<&'static str>,
) -> HttpResponse {
    respond::page(app, request, StatusCode::OK, None, |frame| RecoveryCancelPage { frame, cancel, said })
}

pub async fn change_passkeys(app: Data<App>, request: HttpRequest, body: Bytes) -> HttpResponse {
    if destination::of(&request) != Destination::Window {
        return not_in_a_window(&app, &request);
    }
    let form = match edge::form(&request, &body).and_then(Parameters::parse) {
        Ok(form) => form,
        Err(fault) => return respond::fault_page(&app, &request, &fault),
    };
    let field = |name| form.one(name).ok().flatten().unwrap_or_default();
    let visitor = match visitor(&app, &request).await {
        Ok(visitor) => visitor,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let session = visitor.browser.as_ref().and_then(|browser| session(browser, Some(field("account"))));
    let own = visitor.browser.as_ref().zip(session).filter(|(browser, session)| {
        let parts = [browser.id.as_str(), session.id.as_str()];
        app.master.is_code(field("form"), PURPOSE, &parts) && !forged::is_from_elsewhere(&app, &request)
    });
    let Some((_, session)) = own else {
        let tried = visitor.browser.as_ref().map(|browser| forged::everybody(&app, &request, browser));
        return forged::refused(
            &app,
            &request,
            tried.unwrap_or_default(),
            language::texts(&request).forged_browser,
        )
        .await;
    };
    let passkey = CredentialId::from_text(field("passkey"));
    let wish = match field("action") {
        "continue" => Wish::Add(Enrolment::Passkey),
        "security-key" => Wish::Add(Enrolment::SecurityKey),
        "totp" => Wish::Add(Enrolment::Totp),
        "codes" => Wish::RecoveryCodes,
        "lost" => Wish::Replace { lost: passkey },
        "cancel-recovery" => {
            let source = edge::source(&app, &request);
            return match recovery::cancel_own(&app, session, &source).await {
                Ok(said) => {
                    let user = Some(session.user.clone());
                    done(&app, Done { user, path: account::PASSKEYS, said: Some(said), cookie: None })
                }
                Err(error) => respond::unavailable(&app, &request, &error),
            };
        }
        "remove" => Wish::Remove { passkey },
        "rename" => match passkeys::label(field("label")) {
            Some(label) => Wish::Rename { passkey, label },
            None => Wish::Look,
        },
        _ => Wish::Look,
    };
    open(&app, &request, &visitor, Some(session), wish).await
}

/// Back to the page, with what came of it.
pub fn done(app: &App, done: Done) -> HttpResponse {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(user) = &done.user {
        query.append_pair("account", user.as_str());
    }
    if let Some(said) = done.said {
        query.append_pair("said", said.as_str());
    }
    let mut answer = respond::see_other(&format!("{}?{}", done.path, query.finish()));
    if let Some(secret) = &done.cookie {
        answer.cookie(cookie::set(app, secret));
    }
    answer.finish()
}

async fn visitor(app: &App, request: &HttpRequest) -> Result<Visitor, StoreError> {
    let browser = cookie::browser(app, request).await?;
    Ok(Visitor { browser, source: edge::source(app, request) })
}

/// The session of the account that is asked about; where only one is signed in, that one.
fn session<'a>(browser: &'a Browser, account: Option<&str>) -> Option<&'a Session> {
    match (account, browser.sessions.as_slice()) {
        (Some(account), sessions) => sessions.iter().find(|session| session.user.as_str() == account),
        (None, [session]) => Some(session),
        (None, _) => None,
    }
}

async fn open(
    app: &App,
    request: &HttpRequest,
    visitor: &Visitor,
    session: Option<&Session>,
    wish: Wish,
) -> HttpResponse {
    match account::begin(app, visitor, session, wish).await {
        Ok(opened) => {
            let mut answer = respond::see_other(&format!("/interaction/{}", opened.interaction));
            if let Some(secret) = &opened.cookie {
                answer.cookie(cookie::set(app, secret));
            }
            answer.finish()
        }
        Err(BeginError::Open(OpenError::TooMany)) => super::authorize::too_many(app, request),
        Err(BeginError::NothingToProveWith) => {
            let t = language::texts(request);
            respond::problem(app, request, StatusCode::FORBIDDEN, t.nothing_to_prove_with)
        }
        Err(BeginError::NoSecondFactor) => {
            let t = language::texts(request);
            respond::problem(app, request, StatusCode::FORBIDDEN, t.codes_need_a_factor)
        }
        Err(BeginError::Open(OpenError::Store(error))) => respond::unavailable(app, request, &error),
    }
}

fn shown(
    app: &App,
    request: &HttpRequest,
    browser: &Browser,
    session: &Session,
    own: &Own,
    said: Option<Changed>,
) -> HttpResponse {
    let t = language::texts(request);
    let code = app.master.code(PURPOSE, &[browser.id.as_str(), session.id.as_str()]);
    let keys = own.keys.iter().map(|key| key_shown(t, key)).collect();
    let handle = Uuid::parse_str(session.user.as_str()).map(|id| base64url(id.as_bytes()));
    let accepted = own.keys.iter().filter_map(|key| key.key.as_ref()).map(|key| key.lookup.as_str());
    let accepted = accepted.collect::<Vec<_>>().join(" ");
    respond::page_with(app, request, (StatusCode::OK, Scripts::Passkeys), None, |frame| PasskeysPage {
        frame,
        username: session.username.clone(),
        user: session.user.to_string(),
        code,
        said: said.map(t.changed),
        failed: own.failed.map(t.failed_sign_ins),
        keys,
        totp: own.totp.as_ref().map(ToString::to_string),
        waiting: own.waiting.map(t.replacement_waits),
        may_replace: own.may_replace,
        codes: own.has_second_factor().then(|| (t.codes_left)(own.codes)),
        rp: app.passkeys.as_ref().map(|passkeys| passkeys.rp_id.clone()).unwrap_or_default(),
        handle: handle.unwrap_or_default(),
        accepted,
    })
}

fn key_shown(t: &Texts, credential: &Credential) -> KeyShown {
    let key = credential.key.as_ref();
    let detail = key.map(|key| key.detail.clone()).unwrap_or_default();
    let label = key.map(|key| key.label.clone()).filter(|label| !label.is_empty());
    let kind = if credential.kind == Kind::SecurityKey { t.security_key } else { t.passkey };
    let mut facts = Vec::new();
    if credential.kind == Kind::SecurityKey {
        facts.push(t.security_key_fact.to_owned());
    }
    facts.extend(detail.provider.clone().map(t.kept_by));
    facts.push(if detail.backup_eligible { t.synced.to_owned() } else { t.device_bound.to_owned() });
    facts.push((t.added_on)(credential.enrolled_at));
    facts.push((t.used_on)(key.and_then(|key| key.last_used_at)));
    KeyShown { id: credential.id.to_string(), label: label.unwrap_or_else(|| kind.to_owned()), facts }
}
