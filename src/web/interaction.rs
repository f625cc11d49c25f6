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
use crate::authorize::answer;
use crate::base::id::InteractionId;
use crate::base::time::Seconds;
use crate::interaction;
use crate::interaction::Interaction;
use crate::interaction::mail_code;
use crate::interaction::next_step::Next;
use crate::interaction::prove::ProveError;
use crate::interaction::settle;
use crate::interaction::submit;
use crate::interaction::submit::Page;
use crate::interaction::submit::Submitted;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::web::Data;
use actix_web::web::Path;
use serde_json::json;

pub async fn show(app: Data<App>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let interaction = match load(&app, &request, &id).await {
        Ok(Some(interaction)) => interaction,
        Ok(None) => return gone(&app, &request),
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let shown = Shown::to(&app, &request, &interaction);
    let answered = match interaction.next(&app) {
        Next::Select => return shown.select(),
        Next::Create => return shown.create(),
        Next::Approve(person) => return shown.consent(person),
        Next::SignIn { passkey } => return shown.login(passkey),
        Next::Prove { person, step, others, to_enrol } => {
            return shown.prove(person, step, &others, to_enrol);
        }
        Next::ConfirmMail(person)
            if interaction.progress.mailed == 0
                && mail_code::full_until(&interaction, app.now()).is_none() =>
        {
            let sent = mail_code::send(&app, &interaction, &person, false).await;
            sent.map(|()| respond::see_other(&format!("/interaction/{id}")).finish())
        }
        Next::ConfirmMail(person) => return shown.mail_code(person),
        Next::Enrol { person, what, others } => return shown.enrol(person, what, &others),
        Next::OfferCodes(person) => return shown.recovery_codes(&person),
        Next::NewPassword(person) => return shown.new_password(person),
        Next::Settle => sign_in(&app, &interaction).await,
        Next::Answer(assurance) => answer_client(&app, &request, interaction, &assurance).await,
        Next::End(fault) => end(&app, &request, interaction, &fault).await,
    };
    match answered {
        Ok(answer) => answer,
        // Another tab was first: the browser looks again, with the cookie that it has now.
        Err(StoreError::Lost) => respond::see_other(&format!("/interaction/{id}")).finish(),
        Err(error) => respond::unavailable(&app, &request, &error),
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
        Ok(Some(interaction)) => interaction,
        Ok(None) => return past(),
        Err(error) => return respond::store_json(&error),
    };
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
        Ok(Some(interaction)) => interaction,
        Ok(None) => return gone(&app, &request),
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let form = match edge::form(&request, &body).and_then(Parameters::parse) {
        Ok(form) => form,
        Err(fault) => return respond::fault_page(&app, &request, &fault),
    };
    match submit::submit(&app, &interaction, page, &form).await {
        Ok(Submitted::Taken) => respond::see_other(&format!("/interaction/{id}")).finish(),
        Ok(Submitted::Forged) => {
            let person = interaction.progress.person.as_ref().map(|person| vec![person.user.clone()]);
            let users = person.unwrap_or_else(|| forged::users(&interaction.browser));
            forged::refused(&app, &request, users, language::texts(&request).forged_sign_in).await
        }
        // Another form was first: the browser looks at what stands now.
        Err(ProveError::Store(StoreError::Lost)) => {
            respond::see_other(&format!("/interaction/{id}")).finish()
        }
        Err(ProveError::Busy) => respond::unavailable(&app, &request, &ProveError::Busy),
        Err(ProveError::Braked(until)) => {
            tracing::info!(interaction = %id, until = %until.rfc3339(), "proof.braked");
            let wait = until.seconds_since(app.now()).max(Seconds(1));
            let t = language::texts(&request);
            let locked = wait > Seconds::days(30);
            let sentence = if locked { t.locked.to_owned() } else { (t.braked)(wait) };
            respond::too_many(&app, &request, &sentence, wait)
        }
        Err(ProveError::Store(error)) => respond::unavailable(&app, &request, &error),
    }
}

async fn load(app: &App, request: &HttpRequest, id: &str) -> Result<Option<Interaction>, StoreError> {
    let Some(cookie) = cookie::presented(request) else { return Ok(None) };
    let Some(id) = InteractionId::parse(id) else { return Ok(None) };
    let source = edge::source(app, request);
    let loaded = interaction::load(app, &cookie.hash(), &id, source).await?;
    language::prefer(request, loaded.as_ref().and_then(|interaction| interaction.ask.language));
    Ok(loaded)
}

async fn answer_client(
    app: &App,
    request: &HttpRequest,
    interaction: Interaction,
    assurance: &Assurance,
) -> Result<HttpResponse, StoreError> {
    if interaction.then().0 == account::KIND {
        return Ok(web_account::done(app, account::after(app, interaction, assurance).await?));
    }
    let answered = answer::after(app, interaction, assurance).await?;
    let cookie = answered.cookie.map(|secret| cookie::set(app, &secret));
    Ok(respond::authorization(app, request, &answered.response, cookie))
}

/// Signed in, and something is left to be asked.
async fn sign_in(app: &App, interaction: &Interaction) -> Result<HttpResponse, StoreError> {
    let cookie = settle::sign_in(app, interaction).await?;
    let mut answer = respond::see_other(&format!("/interaction/{}", interaction.id()));
    if let Some(secret) = cookie {
        answer.cookie(cookie::set(app, &secret));
    }
    Ok(answer.finish())
}

async fn end(
    app: &App,
    request: &HttpRequest,
    interaction: Interaction,
    fault: &Fault,
) -> Result<HttpResponse, StoreError> {
    tracing::info!(code = fault.code.as_str(), reason = %fault.description, "interaction.ended");
    if interaction.then().0 == account::KIND {
        return Ok(web_account::done(app, account::refused(app, interaction).await?));
    }
    let response = answer::refused(app, interaction, fault).await?;
    Ok(respond::authorization(app, request, &response, None))
}

fn gone(app: &App, request: &HttpRequest) -> HttpResponse {
    respond::problem(app, request, StatusCode::BAD_REQUEST, language::texts(request).gone)
}
