//! The authorization endpoint (OIDC Core §3.1.2, RFC 6749 §4.1.1, RFC 9470 §5): a code at once, an error, or a page.
//! An error reaches a redirect URI only through a [`ReturnAddress`]; whatever can't be trusted that far gets a page.

pub mod answer;
pub mod choose;
pub mod need;
pub mod request;

use crate::app::App;
use crate::assurance::Decision;
use crate::assurance::Reason;
use crate::assurance::SessionView;
use crate::assurance::decide;
use crate::assurance::factors::Account;
use crate::base::id::InteractionId;
use crate::base::id::SessionId;
use crate::base::secret::Secret;
use crate::interaction;
use crate::interaction::Ask;
use crate::interaction::OpenError;
use crate::interaction::Then;
use crate::interaction::Visitor;
use crate::interaction::next_step::refusal;
use crate::interaction::progress::Person;
use crate::interaction::progress::Progress;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::redirect_uri::Response;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::store::StoreError;
use crate::store::credentials;
use crate::store::sessions;
use crate::store::sessions::Session;
use answer::Follow;
use choose::Choice;
use choose::choose;
use request::AuthorizationRequest;
use thiserror::Error;

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
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Answers an authorization request, or opens the interaction that will.
pub async fn begin(app: &App, parameters: &Parameters, visitor: &Visitor) -> Result<Begun, AuthorizeError> {
    let request = request::receive(app, parameters).await?;
    let person = who_is_it(app, &request, visitor).await?;
    let refused = |fault: Fault| AuthorizeError::Client(Box::new(request.address.clone()), fault);
    let Some((session, account)) = &person else {
        return match decide(&request.need, None, None, &app.config.policy, app.now()) {
            Decision::Challenge(_) => open(app, &request, visitor, None).await,
            Decision::Refuse(reason) => Err(refused(refusal(reason))),
            // Without a person nothing is stated and nothing set up.
            Decision::Satisfied(_) | Decision::Enrol(_) => Err(refused(refusal(Reason::Unmet))),
        };
    };
    let view = SessionView { user: &session.user, events: &session.events };
    match decide(&request.need, Some(&view), Some(account), &app.config.policy, app.now()) {
        Decision::Satisfied(assurance) => {
            Ok(Begun::Answer(answer::silently(app, &request, session, &assurance).await?))
        }
        Decision::Challenge(_) => open(app, &request, visitor, Some(session)).await,
        Decision::Enrol(_) => Err(refused(refusal(Reason::Unmet))),
        Decision::Refuse(reason) => Err(refused(refusal(reason))),
    }
}

/// The session that the request is about, and what its user has.
async fn who_is_it<'a>(
    app: &App,
    request: &AuthorizationRequest,
    visitor: &'a Visitor,
) -> Result<Option<(&'a Session, Account)>, AuthorizeError> {
    let sessions = visitor.browser.as_ref().map(|browser| browser.sessions.as_slice()).unwrap_or_default();
    let last = if sessions.len() > 1 { last_answered(app, request, sessions).await? } else { None };
    let session = match choose(sessions, &request.need, request.select_account, last.as_ref()) {
        Choice::Session(session) => session,
        Choice::Nobody => return Ok(None),
        Choice::Unclear if request.need.silent => {
            let none_known = decide(&request.need, None, None, &app.config.policy, app.now());
            let fault = match none_known {
                Decision::Refuse(Reason::UnknownClass) => refusal(Reason::UnknownClass),
                _ => Fault::new(
                    ErrorCode::AccountSelectionRequired,
                    "Several accounts are signed in, and prompt=none forbids asking for one.",
                ),
            };
            return Err(AuthorizeError::Client(Box::new(request.address.clone()), fault));
        }
        Choice::Unclear => return Ok(None),
    };
    let user = session.user.clone();
    let account = app.store.read(move |c| credentials::account(c, &user)).await?;
    Ok(account.map(|account| (session, account)))
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
    session: Option<&Session>,
) -> Result<Begun, AuthorizeError> {
    let ask =
        Ask { need: request.need.clone(), asker: request.asker(), login_hint: request.login_hint.clone() };
    let person = session.map(|s| Person { user: s.user.clone(), username: s.username.clone() });
    let progress = Progress { person, ..Progress::default() };
    let then = Then { kind: answer::KIND, body: Follow::of(request).to_json()? };
    match interaction::open(app, visitor, ask, progress, then).await {
        Ok(opened) => Ok(Begun::Page { interaction: opened.id, cookie: opened.cookie }),
        Err(OpenError::TooMany) => Err(AuthorizeError::TooMany),
        Err(OpenError::Store(error)) => Err(error.into()),
    }
}
