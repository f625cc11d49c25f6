//! `stepgate explain`: what an authorization request would get, from whom, and why. The same parse and the same decision as at
//! `/authorize`; nothing is written and nothing issued.

use super::Said;
use super::user::find;
use crate::app::App;
use crate::assurance::ledger::Assurance;
use crate::assurance::need::Need;
use crate::authorize;
use crate::authorize::AuthorizeError;
use crate::authorize::request;
use crate::authorize::request::AuthorizationRequest;
use crate::authorize::verdict::Verdict;
use crate::authorize::verdict::verdict;
use crate::interaction::submit::Page;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::store::sessions;
use crate::store::sessions::Session;
use anyhow::bail;
use clap::Args;
use serde_json::Value;
use serde_json::json;

#[derive(Args)]
pub struct Arguments {
    /// The user whom the request meets.
    #[arg(long)]
    user: String,
    /// The client that sends it.
    #[arg(long)]
    client: String,
    /// Only what this session would get.
    #[arg(long)]
    session: Option<String>,
    /// The query of the request, or its whole URL.
    query: String,
}

pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<Said> {
    let (id, life, now) = (find(app, &arguments.user).await?.id, app.session_life(), app.now());
    let sessions = app.store.read(move |c| sessions::live_of_user(c, &id, life, now)).await?;
    let wanted = arguments.session.as_deref();
    let mut meets = sessions.into_iter().filter(|s| wanted.is_none_or(|sid| s.id.as_str() == sid));
    let meets = match wanted {
        None => std::iter::once(None).chain(meets.map(Some)).collect::<Vec<_>>(),
        Some(sid) => match meets.next() {
            Some(session) => vec![Some(session)],
            None => bail!("no session {sid} of {} lives; see `stepgate session list`", arguments.user),
        },
    };
    let json = explained(app, &query(&arguments)?, &meets).await?;
    Ok(Said { words: words(&arguments.user, &json), json })
}

/// What `query` gets from a browser in which nobody (`None`) or one session is signed in.
pub async fn explained(app: &App, query: &str, meets: &[Option<Session>]) -> anyhow::Result<Value> {
    let received = match Parameters::parse(query) {
        Ok(parameters) => request::receive(app, &parameters).await,
        Err(fault) => Err(AuthorizeError::Page(fault)),
    };
    let request = match received {
        Ok(request) => request,
        Err(AuthorizeError::Page(fault)) => return Ok(refused("error page", &fault)),
        Err(AuthorizeError::Client(_, fault)) => return Ok(refused("error", &fault)),
        Err(AuthorizeError::TooMany | AuthorizeError::AskedAgain(..)) => {
            bail!("too many requests of this source are open")
        }
        Err(AuthorizeError::Store(error)) => return Err(error.into()),
    };
    let mut answers = Vec::new();
    for session in meets {
        let mut answer = answer(app, &request, session.as_slice()).await?;
        if let (Some(session), Some(answer)) = (session, answer.as_object_mut()) {
            let shown = session.events.iter();
            let shown = shown.map(|e| json!({"method": e.method.as_str(), "at": e.at.rfc3339()}));
            answer.insert("sid".into(), json!(session.id));
            answer.insert("shown".into(), shown.collect());
        }
        answers.push(answer);
    }
    Ok(json!({"need": told(&request.need), "answers": answers}))
}

async fn answer(app: &App, request: &AuthorizationRequest, of: &[Session]) -> anyhow::Result<Value> {
    let who = authorize::who(app, request, of).await?;
    Ok(match verdict(request, &who, &app.config.policy, app.now()) {
        Verdict::Code(assurance) => stated(&assurance),
        Verdict::Error(fault) => refused("error", &fault),
        Verdict::Page => {
            let page = authorize::first_page(app, request, &who, of);
            json!({"outcome": "page", "page": page.map(Page::as_str)})
        }
    })
}

/// The query as it would be sent. A `?` may stand in it; before it only where a whole URL was given.
fn query(arguments: &Arguments) -> anyhow::Result<String> {
    let given = arguments.query.as_str();
    let is_url = ["https:", "http:", "/", "?"].iter().any(|beginning| given.starts_with(beginning));
    let query = if is_url { given.split_once('?').map_or("", |(_, query)| query) } else { given };
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "client_id");
    match named {
        Some((_, named)) if named == arguments.client => Ok(query.to_owned()),
        Some((_, named)) => {
            bail!("the query names the client {named:?}; leave it out, or name it with --client")
        }
        None => {
            let id = url::form_urlencoded::byte_serialize(arguments.client.as_bytes());
            Ok(format!("client_id={}&{query}", id.collect::<String>()))
        }
    }
}

fn stated(assurance: &Assurance) -> Value {
    json!({
        "outcome": "code",
        "acr": assurance.acr,
        "amr": assurance.amr,
        "auth_time": assurance.auth_time.unix_seconds(),
    })
}

fn refused(outcome: &str, fault: &Fault) -> Value {
    json!({"outcome": outcome, "error": fault.code.as_str(), "error_description": fault.description})
}

fn told(need: &Need) -> Value {
    json!({
        "requested": need.requested,
        "floors": need.floors,
        "max_age": need.max_age,
        "anew": need.anew,
        "silent": need.silent,
        "sub": need.subject,
    })
}

fn words(user: &str, json: &Value) -> String {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let said = |of: &Value| match text(of, "outcome").as_deref() {
        Some("code") => format!(
            "a code at once: acr {}, amr {}, auth_time {}",
            of.get("acr").unwrap_or(&Value::Null),
            of.get("amr").unwrap_or(&Value::Null),
            of.get("auth_time").unwrap_or(&Value::Null),
        ),
        Some("page") => format!("the page {}", text(of, "page").unwrap_or_default()),
        outcome => {
            let told = |name| text(of, name).unwrap_or_default();
            format!("{}: {} ({})", outcome.unwrap_or_default(), told("error"), told("error_description"))
        }
    };
    let Some(need) = json.get("need") else { return format!("Whoever sends it gets an {}\n", said(json)) };
    let mut words = format!("It needs {need}\n");
    for answer in json.get("answers").and_then(Value::as_array).into_iter().flatten() {
        let meets = match text(answer, "sid") {
            None => "Where nobody is signed in".to_owned(),
            Some(sid) => {
                format!("{user} in session {sid} (shown: {})", answer.get("shown").unwrap_or(&Value::Null))
            }
        };
        words.push_str(&format!("{meets}: {}\n", said(answer)));
    }
    words
}
