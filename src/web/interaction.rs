//! `/interaction/{id}`: GET shows what is next or answers; POST takes one step and leads back to GET.

use super::account as web_account;
use super::cookie;
use super::edge;
use super::forged;
use super::interaction_pages::Shown;
use super::language;
use super::respond;
use crate::account;
use crate::app::App;
use crate::assurance::ledger::Assurance;
use crate::authorize::again::Again;
use crate::authorize::again::again;
use crate::authorize::answer;
use crate::authorize::request::AuthorizationRequest;
use crate::base::id::ClientId;
use crate::base::id::InteractionId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::time::Seconds;
use crate::interaction;
use crate::interaction::Interaction;
use crate::interaction::OpenError;
use crate::interaction::mail_code;
use crate::interaction::next_step::Next;
use crate::interaction::prove::ProveError;
use crate::interaction::reopen::reopen;
use crate::interaction::settle;
use crate::interaction::submit;
use crate::interaction::submit::Page;
use crate::interaction::submit::Submitted;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::store::StoreError;
use crate::store::audit::What;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::web::Data;
use actix_web::web::Path;
use serde_json::json;

pub async fn show(app: Data<App>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let (interaction, whose) = match load(&app, &request, &id).await {
        Ok(Some(open)) => open,
        Ok(None) => return gone(&app, &request),
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    apart(is_own(&interaction), dispatch(&app, &request, &id, interaction, &whose).await)
}

/// What is next: a page, or what follows.
async fn dispatch(
    app: &App,
    request: &HttpRequest,
    id: &str,
    interaction: Interaction,
    whose: &Whose,
) -> HttpResponse {
    let shown = Shown::to(app, request, &interaction);
    let next = match whose {
        Whose::Person | Whose::Client(_) => interaction.next(app),
        Whose::Nobody { fault, .. } => Next::End(fault.clone()),
    };
    let answered = match next {
        Next::Select => return shown.select(),
        Next::Create => return shown.create(),
        Next::Approve(person) => return shown.consent(person),
        Next::Continue(person) => return shown.proceed(person),
        Next::SignIn { passkey } => return shown.login(passkey),
        Next::Prove { person, step, others, to_enrol } => {
            return shown.prove(person, step, &others, to_enrol);
        }
        Next::ConfirmMail(person)
            if interaction.progress.theirs.mailed == 0
                && mail_code::full_until(&interaction, app.now()).is_none() =>
        {
            let sent = mail_code::send(app, &interaction, &person, false).await;
            sent.map(|()| respond::see_other(&format!("/interaction/{id}")).finish())
        }
        Next::ConfirmMail(person) => return shown.mail_code(person),
        Next::Enrol { person, what, others } => return shown.enrol(person, what, &others),
        Next::OfferCodes(person) => return shown.recovery_codes(&person),
        Next::NewPassword(person) => return shown.new_password(person),
        Next::Settle => sign_in(app, &interaction).await,
        Next::Answer(assurance) => answer_client(app, request, interaction, whose, &assurance).await,
        Next::End(fault) => end(app, request, interaction, whose, &fault).await,
    };
    match answered {
        Ok(answer) => answer,
        // Another tab was first: the browser looks again, with the cookie that it has now.
        Err(StoreError::Lost) => respond::see_other(&format!("/interaction/{id}")).finish(),
        Err(error) => respond::unavailable(app, request, &error),
    }
}

/// The page's script asks for a ceremony.
pub async fn options(
    app: Data<App>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> HttpResponse {
    let (id, page) = path.into_inner();
    let past = || HttpResponse::Conflict().json(json!({"error": "the page is past"}));
    let Some(page) = Page::parse(&page) else { return past() };
    let form = edge::form(&request, &body).and_then(Parameters::parse);
    let Ok(form) = form else { return past() };
    let interaction = match load(&app, &request, &id).await {
        Ok(Some((interaction, Whose::Person | Whose::Client(_)))) => interaction,
        Ok(Some((_, Whose::Nobody { .. })) | None) => return past(),
        Err(error) => return respond::store_json(&error),
    };
    if forged::is_from_elsewhere(&app, &request) {
        return forged(&app, &request, &interaction).await;
    }
    match submit::options(&app, &interaction, page, &form).await {
        Ok(Some(options)) => HttpResponse::Ok().json(options),
        Ok(None) => past(),
        Err(error) => respond::store_json(&error),
    }
}

pub async fn submit(
    app: Data<App>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> HttpResponse {
    let (id, page) = path.into_inner();
    let Some(page) = Page::parse(&page) else { return respond::not_found(app, request).await };
    let interaction = match load(&app, &request, &id).await {
        Ok(Some((interaction, Whose::Person | Whose::Client(_)))) => interaction,
        Ok(Some((_, Whose::Nobody { .. }))) => {
            return respond::see_other(&format!("/interaction/{id}")).finish();
        }
        Ok(None) => return reopened(&app, &request, &id, page, &body).await,
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let form = match edge::form(&request, &body).and_then(Parameters::parse) {
        Ok(form) => form,
        Err(fault) => return respond::fault_page(&app, &request, &fault),
    };
    let taken = take(&app, &request, &interaction, page, &form).await;
    apart(is_own(&interaction), taken)
}

/// The form of a page whose row is gone: taken in the same request anew, or told that it is over.
async fn reopened(app: &App, request: &HttpRequest, id: &str, page: Page, body: &Bytes) -> HttpResponse {
    let over = || gone(app, request);
    let Ok(form) = edge::form(request, body).and_then(Parameters::parse) else { return over() };
    let (Some(secret), Some(id)) = (cookie::presented(request), InteractionId::parse(id)) else {
        return over();
    };
    if forged::is_from_elsewhere(app, request) {
        return over();
    }
    let source = edge::source(app, request);
    let (opened, form) = match reopen(app, &secret.hash(), &id, &source, form).await {
        Ok(Some(reopened)) => reopened,
        Ok(None) => return over(),
        Err(OpenError::TooMany) => return super::authorize::too_many(app, request),
        Err(OpenError::Store(error)) => return respond::unavailable(app, request, &error),
    };
    let Some(secret) = opened.cookie else { return over() };
    let interaction = match read(app, request, &secret.hash(), &opened.id).await {
        Ok(Some((interaction, Whose::Person | Whose::Client(_)))) => interaction,
        Ok(Some((_, Whose::Nobody { .. })) | None) => return over(),
        Err(error) => return respond::unavailable(app, request, &error),
    };
    let mut taken = take(app, request, &interaction, page, &form).await;
    // Unless it has replaced that secret by now.
    if !taken.headers().contains_key(header::SET_COOKIE)
        && let Err(why) = taken.add_cookie(&cookie::set(app, &secret))
    {
        tracing::error!(%why, "cookie.unsendable");
    }
    apart(is_own(&interaction), taken)
}

async fn take(
    app: &App,
    request: &HttpRequest,
    interaction: &Interaction,
    page: Page,
    form: &Parameters,
) -> HttpResponse {
    if forged::is_from_elsewhere(app, request) {
        return forged(app, request, interaction).await;
    }
    let id = interaction.id();
    match submit::submit(app, interaction, page, form).await {
        Ok(Submitted::Taken(secret)) => back_to(app, id.as_str(), secret),
        Ok(Submitted::Forged) => forged(app, request, interaction).await,
        // Another form was first: the browser looks at what stands now.
        Err(ProveError::Store(StoreError::Lost)) => {
            respond::see_other(&format!("/interaction/{id}")).finish()
        }
        Err(ProveError::TooMany) => super::authorize::too_many(app, request),
        Err(ProveError::Busy) => respond::unavailable(app, request, &ProveError::Busy),
        Err(ProveError::Braked(until)) => {
            let wait = until.seconds_since(app.now()).max(Seconds(1));
            let t = language::texts(request);
            let locked = wait > Seconds::days(30);
            let sentence = if locked { t.locked.to_owned() } else { (t.braked)(wait) };
            respond::too_many(app, request, &sentence, wait)
        }
        Err(ProveError::Store(error)) => respond::unavailable(app, request, &error),
    }
}

/// It was not made here for whoever it is about.
async fn forged(app: &App, request: &HttpRequest, interaction: &Interaction) -> HttpResponse {
    let tried = match interaction.progress.person() {
        Some(person) => vec![interaction.entry(app, person, What::Form)],
        None => forged::everybody(app, request, &interaction.browser),
    };
    forged::refused(app, request, tried, language::texts(request).forged_sign_in).await
}

/// Nobody has opened it but the person themself.
fn is_own(interaction: &Interaction) -> bool {
    interaction.then().0 == account::KIND
}

fn apart(own: bool, mut answer: HttpResponse) -> HttpResponse {
    if own {
        respond::apart(answer.headers_mut());
    }
    answer
}

/// Whom an interaction answers in the end.
enum Whose {
    /// Somebody who came for their own account.
    Person,
    /// A client, for this request, as it is registered now.
    Client(Box<AuthorizationRequest>),
    /// A client that can't be answered any more; where it may be told so, at this address.
    Nobody { client: ClientId, address: Option<Box<ReturnAddress>>, fault: Fault },
}

async fn load(
    app: &App,
    request: &HttpRequest,
    id: &str,
) -> Result<Option<(Interaction, Whose)>, StoreError> {
    let Some(cookie) = cookie::presented(request) else { return Ok(None) };
    let Some(id) = InteractionId::parse(id) else { return Ok(None) };
    read(app, request, &cookie.hash(), &id).await
}

async fn read(
    app: &App,
    request: &HttpRequest,
    secret: &SecretHash,
    id: &InteractionId,
) -> Result<Option<(Interaction, Whose)>, StoreError> {
    let source = edge::source(app, request);
    let loaded = interaction::load(app, secret, id, source).await?;
    language::prefer(request, loaded.as_ref().and_then(|interaction| interaction.ask.language));
    let Some(mut interaction) = loaded else { return Ok(None) };
    if interaction.then().0 == account::KIND {
        return Ok(Some((interaction, Whose::Person)));
    }
    let whose = match again(app, &mut interaction).await? {
        Again::Stands(request) => Whose::Client(request),
        Again::Over { client, address, fault } => Whose::Nobody { client, address, fault },
        Again::Unreadable => return Ok(None),
    };
    Ok(Some((interaction, whose)))
}

async fn answer_client(
    app: &App,
    request: &HttpRequest,
    interaction: Interaction,
    whose: &Whose,
    assurance: &Assurance,
) -> Result<HttpResponse, StoreError> {
    let answered = match whose {
        Whose::Person => {
            return Ok(web_account::done(app, account::after(app, interaction).await?));
        }
        Whose::Client(asked) => answer::after(app, interaction, asked, assurance).await?,
        Whose::Nobody { fault, .. } => return end(app, request, interaction, whose, fault).await,
    };
    let cookie = answered.cookie.map(|secret| cookie::set(app, &secret));
    Ok(respond::authorization(app, request, &answered.response, cookie))
}

/// Signed in, and something is left to be asked.
async fn sign_in(app: &App, interaction: &Interaction) -> Result<HttpResponse, StoreError> {
    let secret = settle::sign_in(app, interaction).await?;
    Ok(back_to(app, interaction.id().as_str(), secret))
}

/// The dispatcher shows what is next; the browser may have another cookie by then.
fn back_to(app: &App, id: &str, secret: Option<Secret>) -> HttpResponse {
    let mut answer = respond::see_other(&format!("/interaction/{id}"));
    if let Some(secret) = secret {
        answer.cookie(cookie::set(app, &secret));
    }
    answer.finish()
}

async fn end(
    app: &App,
    request: &HttpRequest,
    interaction: Interaction,
    whose: &Whose,
    fault: &Fault,
) -> Result<HttpResponse, StoreError> {
    tracing::info!(code = fault.code.as_str(), reason = %fault.description, "interaction.ended");
    let (client, address) = match whose {
        Whose::Person => return Ok(web_account::done(app, account::refused(app, interaction).await?)),
        Whose::Client(asked) => (&asked.client.id, Some(&asked.address)),
        Whose::Nobody { client, address, .. } => (client, address.as_deref()),
    };
    Ok(match answer::refused(app, interaction, client, address, fault).await? {
        (Some(response), forgotten) => {
            respond::authorization(app, request, &response, forgotten.then(cookie::forget))
        }
        (None, _) => respond::fault_page(app, request, fault),
    })
}

fn gone(app: &App, request: &HttpRequest) -> HttpResponse {
    respond::problem(app, request, StatusCode::BAD_REQUEST, language::texts(request).gone)
}
