//! The authorization endpoint (OIDC Core §3.1.2, RFC 6749 §4.1.1, RFC 9470 §5): a code at once, an error, or a page.
//! An error reaches a redirect URI only through a [`ReturnAddress`]; whatever can't be trusted that far gets a page.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod again;
pub mod answer;
pub mod choose;
pub mod need;
pub mod request;
pub mod verdict;

use crate::app::App;
use crate::base::id::InteractionId;
use crate::base::id::SessionId;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::interaction;
use crate::interaction::Ask;
use crate::interaction::OpenError;
use crate::interaction::Then;
use crate::interaction::Visitor;
use crate::interaction::brake;
use crate::interaction::next_step::Stand;
use crate::interaction::next_step::next_step;
use crate::interaction::progress::Person;
use crate::interaction::progress::Progress;
use crate::interaction::submit::Page;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::redirect_uri::Response;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::What;
use crate::store::consents;
use crate::store::credentials;
use crate::store::sessions;
use crate::store::sessions::Session;
use crate::store::throttles;
use choose::Choice;
use choose::choose;
use request::AuthorizationRequest;
use thiserror::Error;
use verdict::Known;
use verdict::Verdict;
use verdict::Who;
use verdict::step_up;
use verdict::verdict;

/// What a request that can be answered gets.
#[derive(Debug)]
pub enum Begun {
    Answer(Response),
    /// The browser goes on to a page.
    Page {
        interaction: InteractionId,
        cookie: Option<Secret>,
    },
}

#[derive(Debug, Error)]
pub enum AuthorizeError {
    /// Client or redirect URI can't be trusted, so nobody but the person is told.
    #[error("{0}")]
    Page(Fault),
    #[error("{1}")]
    Client(Box<ReturnAddress>, Fault),
    #[error("too many requests of this source are open")]
    TooMany,
    /// The client asks the user to prove themself again and again; not before this moment.
    #[error("asked again and again, until {}", .1.rfc3339())]
    AskedAgain(String, Time),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Answers an authorization request, or opens the interaction that will.
pub async fn begin(app: &App, parameters: &Parameters, visitor: &Visitor) -> Result<Begun, AuthorizeError> {
    let request = request::receive(app, parameters).await?;
    let sessions = visitor.browser.as_ref().map(|browser| browser.sessions.as_slice()).unwrap_or_default();
    let who = who(app, &request, sessions).await?;
    let verdict = verdict(&request, &who, &app.config.policy, app.now());
    let known = match &who {
        Who::Known(known) => Some(known),
        Who::Nobody | Who::Unclear => None,
    };
    if let (Some(_), Some(class)) = (known, step_up(&request.need, &app.config.policy)) {
        let outcome = match &verdict {
            Verdict::Code(_) => "met",
            Verdict::Page => "asked",
            Verdict::Error(fault) => fault.code.as_str(),
        };
        app.metrics.step_up(class, outcome);
    }
    match (verdict, known) {
        (Verdict::Code(assurance), Some(known)) => {
            match answer::silently(app, &request, known, &visitor.source, &assurance).await? {
                Ok(response) => Ok(Begun::Answer(response)),
                Err(fault) => refused(app, request, Some(known), visitor, fault).await,
            }
        }
        (Verdict::Code(_) | Verdict::Page, _) => open(app, &request, visitor, &who).await,
        (Verdict::Error(fault), known) => refused(app, request, known, visitor, fault).await,
    }
}

async fn refused(
    app: &App,
    request: AuthorizationRequest,
    known: Option<&Known<'_>>,
    visitor: &Visitor,
    fault: Fault,
) -> Result<Begun, AuthorizeError> {
    if let Some(known) = known {
        refusal(app, &request, known, visitor, fault.code.as_str()).await?;
    }
    Err(AuthorizeError::Client(Box::new(request.address), fault))
}

/// The line in the audit of whom a request is about.
async fn refusal(
    app: &App,
    request: &AuthorizationRequest,
    known: &Known<'_>,
    visitor: &Visitor,
    reason: &str,
) -> Result<(), StoreError> {
    let actor = Actor::User(&known.session.user, Some(&known.session.id));
    let entry = app.entry(actor, What::Authorization).client(&request.client.id);
    let entry = entry.source(&visitor.source).refused(reason);
    app.store.write(move |c| audit::append(c, &entry)).await
}

/// Whom the request is about, of those who are signed in, with what they have and have approved.
pub async fn who<'a>(
    app: &App,
    request: &AuthorizationRequest,
    sessions: &'a [Session],
) -> Result<Who<'a>, StoreError> {
    let last = if sessions.len() > 1 { last_answered(app, request, sessions).await? } else { None };
    let session = match choose(sessions, request, last.as_ref()) {
        Choice::Session(session) => session,
        Choice::Nobody => return Ok(Who::Nobody),
        Choice::Unclear => return Ok(Who::Unclear),
    };
    let (user, client, given) = (session.user.clone(), request.client.id.clone(), request.approval.given);
    let read = app.store.read(move |c| {
        let Some(account) = credentials::account(c, &user)? else { return Ok(None) };
        // Nobody is asked for what an administrator has approved.
        let remembered = if given { Vec::new() } else { consents::of(c, &user, &client)? };
        Ok(Some((account, remembered)))
    });
    Ok(match read.await? {
        Some((account, remembered)) => Who::Known(Known { session, account, remembered }),
        None => Who::Nobody,
    })
}

async fn last_answered(
    app: &App,
    request: &AuthorizationRequest,
    of: &[Session],
) -> Result<Option<SessionId>, StoreError> {
    let (client, of) = (request.client.id.clone(), of.to_vec());
    app.store.read(move |c| sessions::last_answered(c, &of, &client)).await
}

async fn open(
    app: &App,
    request: &AuthorizationRequest,
    visitor: &Visitor,
    who: &Who<'_>,
) -> Result<Begun, AuthorizeError> {
    if let Who::Known(known) = who {
        rest(app, request, known, visitor).await?;
    }
    let (ask, progress) = asked(request, who);
    let body =
        serde_json::to_string(&request.asked).map_err(|why| StoreError::Unavailable(why.to_string()))?;
    let then = Then { kind: answer::KIND.to_owned(), body };
    match interaction::open(app, visitor, ask, progress, then).await {
        Ok(opened) => Ok(Begun::Page { interaction: opened.id, cookie: opened.cookie }),
        Err(OpenError::TooMany) => Err(AuthorizeError::TooMany),
        Err(OpenError::Store(error)) => Err(error.into()),
    }
}

/// Attack: a resource server that is never content sends somebody round and round, until they confirm whatever is asked.
async fn rest(
    app: &App,
    request: &AuthorizationRequest,
    known: &Known<'_>,
    visitor: &Visitor,
) -> Result<(), AuthorizeError> {
    let (client, user, now) = (&request.client.id, &known.session.user, app.now());
    let key = brake::step_ups(user, client).key;
    let Some(until) = app.store.read(move |c| throttles::braked(c, &key, now)).await? else { return Ok(()) };
    refusal(app, request, known, visitor, "asked again and again").await?;
    Err(AuthorizeError::AskedAgain(request.asker().name, until))
}

/// The page that an interaction of this request would begin with, where `sessions` are signed in.
pub fn first_page(
    app: &App,
    request: &AuthorizationRequest,
    who: &Who<'_>,
    sessions: &[Session],
) -> Option<Page> {
    let (ask, progress) = asked(request, who);
    let known = match who {
        Who::Known(known) => Some(known),
        Who::Nobody | Who::Unclear => None,
    };
    let stand = Stand {
        events: known.map(|known| known.session.events.as_slice()).unwrap_or_default(),
        account: known.map(|known| &known.account),
        signed_in: known.is_some(),
        anybody: !sessions.is_empty(),
        remembers: false,
        hints_elsewhere: false,
        passkeys: app.passkeys.is_some(),
        mails_codes: false,
        remembered: known.map(|known| known.remembered.as_slice()).unwrap_or_default(),
    };
    Page::of(&next_step(&ask, &progress, &stand, &app.config.policy, app.now()))
}

fn ask(request: &AuthorizationRequest, select: bool) -> Ask {
    Ask {
        need: request.need.clone(),
        asker: request.asker(),
        login_hint: request.login_hint.clone(),
        select,
        create: request.create,
        approval: Some(request.approval.clone()),
        task: None,
        language: request.language,
    }
}

fn asked(request: &AuthorizationRequest, who: &Who) -> (Ask, Progress) {
    let ask = ask(request, matches!(who, Who::Unclear));
    let person = match who {
        Who::Known(Known { session, .. }) => {
            Some(Person { user: session.user.clone(), username: session.username.clone() })
        }
        Who::Nobody | Who::Unclear => None,
    };
    (ask, Progress::about(person))
}
