//! `/interaction/{id}`: GET shows what is next or answers; POST takes one step and leads back to GET.

use super::cookie;
use super::edge;
use super::respond;
use crate::app::App;
use crate::assurance::ledger::Assurance;
use crate::assurance::ledger::Method;
use crate::authorize::answer;
use crate::base::id::InteractionId;
use crate::base::time::Seconds;
use crate::interaction;
use crate::interaction::Interaction;
use crate::interaction::next_step::Next;
use crate::interaction::progress::Notice;
use crate::interaction::progress::Person;
use crate::interaction::prove::ProveError;
use crate::interaction::sentence;
use crate::interaction::settle;
use crate::interaction::submit;
use crate::interaction::submit::Page;
use crate::interaction::submit::Submitted;
use crate::pages::ConsentPage;
use crate::pages::CreatePage;
use crate::pages::Form;
use crate::pages::Frame;
use crate::pages::LoginPage;
use crate::pages::PasswordPage;
use crate::pages::SelectPage;
use crate::pages::TotpPage;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::StoreError;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::web::Data;
use actix_web::web::Path;
use askama::Template;

pub async fn show(app: Data<App>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let interaction = match load(&app, &request, &id).await {
        Ok(Some(interaction)) => interaction,
        Ok(None) => return gone(&app, &request),
        Err(error) => return respond::unavailable(&app, &request, &error),
    };
    let answered = match interaction.next(&app) {
        Next::Select => return select_page(&app, &interaction),
        Next::Create => return create_page(&app, &interaction),
        Next::Approve(person) => return consent_page(&app, &interaction, person),
        Next::Settle => sign_in(&app, &interaction).await,
        Next::SignIn => return login_page(&app, &interaction),
        Next::Prove { person, method, others } => {
            return prove_page(&app, &interaction, person, method, !others.is_empty());
        }
        Next::Answer(assurance) => answer_client(&app, interaction, &assurance).await,
        Next::End(fault) => end(&app, interaction, &fault).await,
    };
    match answered {
        Ok(answer) => answer,
        // Another tab was first: the browser looks again, with the cookie that it has now.
        Err(StoreError::Lost) => respond::see_other(&format!("/interaction/{id}")).finish(),
        Err(error) => respond::unavailable(&app, &request, &error),
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
            tracing::info!("form.forged");
            let sentence =
                "This form was not made for this sign-in. Go back to your application and start again.";
            respond::problem(&app, &request, StatusCode::FORBIDDEN, sentence, None)
        }
        // Another form was first: the browser looks at what stands now.
        Err(ProveError::Store(StoreError::Lost)) => {
            respond::see_other(&format!("/interaction/{id}")).finish()
        }
        Err(ProveError::Busy) => respond::unavailable(&app, &request, &ProveError::Busy),
        Err(ProveError::Braked(until)) => {
            tracing::info!(interaction = %id, until = %until.rfc3339(), "proof.braked");
            let wait = until.seconds_since(app.now()).max(Seconds(1));
            let sentence = format!("Too many tries failed. Wait {wait}, go back, and try again.");
            respond::too_many(&app, &request, &sentence, wait)
        }
        Err(ProveError::Store(error)) => respond::unavailable(&app, &request, &error),
    }
}

async fn load(app: &App, request: &HttpRequest, id: &str) -> Result<Option<Interaction>, StoreError> {
    let Some(cookie) = cookie::presented(request) else { return Ok(None) };
    let source = edge::source(app, request);
    interaction::load(app, &cookie.hash(), &InteractionId::from_text(id), source).await
}

async fn answer_client(
    app: &App,
    interaction: Interaction,
    assurance: &Assurance,
) -> Result<HttpResponse, StoreError> {
    let answered = answer::after(app, interaction, assurance).await?;
    let cookie = answered.cookie.map(|secret| cookie::set(app, &secret));
    Ok(respond::authorization(app, &answered.response, cookie))
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

async fn end(app: &App, interaction: Interaction, fault: &Fault) -> Result<HttpResponse, StoreError> {
    tracing::info!(code = fault.code.as_str(), reason = %fault.description, "interaction.ended");
    let response = answer::refused(app, interaction, fault).await?;
    Ok(respond::authorization(app, &response, None))
}

fn select_page(app: &App, interaction: &Interaction) -> HttpResponse {
    let why = format!("Choose an account to go on to {}.", interaction.ask.asker.name);
    let people = interaction.browser.sessions.iter();
    let people = people.map(|s| Person { user: s.user.clone(), username: s.username.clone() }).collect();
    shown(app, interaction, |frame| SelectPage {
        frame,
        form: form(app, interaction, "select-account", why),
        people,
    })
}

fn consent_page(app: &App, interaction: &Interaction, person: Person) -> HttpResponse {
    let name = &interaction.ask.asker.name;
    let why = format!("{name} asks for access to your account.");
    let scopes = interaction.ask.approval.iter().flat_map(|approval| &approval.scopes);
    let wants = sentence::wants(&scopes.cloned().collect::<Vec<_>>());
    let lasts = sentence::lasts(interaction.ask.approval.as_ref());
    let asker = name.clone();
    shown(app, interaction, |frame| ConsentPage {
        frame,
        form: form(app, interaction, "consent", why),
        person,
        asker,
        wants,
        lasts,
    })
}

fn create_page(app: &App, interaction: &Interaction) -> HttpResponse {
    let why = format!("Create an account to go on to {}.", interaction.ask.asker.name);
    let name = typed(interaction).unwrap_or_default();
    let wrong_password = matches!(interaction.progress.notice, Some(Notice::BadPassword(_)));
    shown(app, interaction, |frame| CreatePage {
        frame,
        form: form(app, interaction, "create", why),
        name,
        wrong_password,
    })
}

fn login_page(app: &App, interaction: &Interaction) -> HttpResponse {
    let name = &interaction.ask.asker.name;
    let why = if interaction.ask.need.subject.is_some() {
        format!("{name} asks for the account that it knows you by. Sign in with that one.")
    } else {
        format!("Sign in to go on to {name}.")
    };
    let hint = typed(interaction).or_else(|| interaction.ask.login_hint.clone()).unwrap_or_default();
    let create = app.config.create_accounts && interaction.ask.need.subject.is_none();
    shown(app, interaction, |frame| LoginPage {
        frame,
        form: form(app, interaction, "login", why),
        hint,
        create,
    })
}

fn typed(interaction: &Interaction) -> Option<String> {
    interaction.progress.typed.as_ref().map(|name| name.as_str().to_owned())
}

/// A page whose forms lead to the application in the end.
fn shown<P: Template>(app: &App, interaction: &Interaction, page: impl FnOnce(Frame) -> P) -> HttpResponse {
    let frame = respond::frame(app);
    let nonce = frame.nonce.clone();
    respond::page(StatusCode::OK, &nonce, Some(&interaction.ask.asker.origin), &page(frame))
}

fn prove_page(
    app: &App,
    interaction: &Interaction,
    person: Person,
    method: Method,
    other_way: bool,
) -> HttpResponse {
    let ask = &interaction.ask;
    let why = sentence::why(&ask.asker, &ask.need, method, &interaction.events(), app.now());
    let other_account = ask.need.subject.is_none();
    if method == Method::Otp {
        let form = form(app, interaction, "totp", why);
        return shown(app, interaction, |frame| TotpPage { frame, form, person, other_way, other_account });
    }
    let form = form(app, interaction, "password", why);
    shown(app, interaction, |frame| PasswordPage { frame, form, person, other_way, other_account })
}

fn form(app: &App, interaction: &Interaction, page: &str, why: String) -> Form {
    Form {
        action: format!("/interaction/{}/{page}", interaction.id()),
        code: interaction.form_code(app),
        step: interaction.step(),
        why,
        host: interaction.ask.asker.host.clone(),
        notice: interaction.progress.notice.map(|notice| notice.text(interaction.progress.person.is_some())),
    }
}

fn gone(app: &App, request: &HttpRequest) -> HttpResponse {
    let sentence = "This sign-in is over, has expired, or belongs to another browser. \
                    Go back to your application and start again.";
    respond::problem(app, request, StatusCode::BAD_REQUEST, sentence, None)
}
