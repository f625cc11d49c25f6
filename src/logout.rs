//! Sign-out (OpenID Connect RP-Initiated Logout 1.0): at once for a client that shows an ID token of a session of this
//! browser, after a question for everybody else. Whoever only knows the address can't sign anybody out.

use crate::app::App;
use crate::base::id::BrowserId;
use crate::base::id::ClientId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::client;
use crate::mint::id_token;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::parameters::Parameters;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::store::StoreError;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::What;
use crate::store::grants;
use crate::store::interactions;
use crate::store::remembered;
use crate::store::sessions;
use crate::store::sessions::Browser;
use crate::store::sessions::Session;
use thiserror::Error;

pub enum Asked {
    /// Signed out, or there was nobody; go on to this address if there is one.
    Done(Option<String>),
    /// These are signed in; a person has to say so, and then goes on to an address of `origin`, if there is one.
    Question { people: Vec<String>, origin: Option<String> },
}

#[derive(Debug, Error)]
pub enum LogoutError {
    #[error("{0}")]
    Fault(Fault),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a client asks for.
struct Request {
    /// The session that its ID token names.
    session: Option<SessionId>,
    back: Option<ReturnAddress>,
}

pub async fn begin(
    app: &App,
    parameters: &Parameters,
    browser: Option<&Browser>,
    source: &str,
) -> Result<Asked, LogoutError> {
    let request = receive(app, parameters).await?;
    let live = browser.map(|browser| browser.sessions.as_slice()).unwrap_or_default();
    let named = live.iter().find(|session| Some(&session.id) == request.session.as_ref());
    match (browser, named) {
        (Some(browser), Some(session)) => end(app, browser, source, vec![session.clone()], false).await?,
        (Some(_), None) if !live.is_empty() => {
            let people = live.iter().map(|session| session.username.clone()).collect();
            return Ok(Asked::Question { people, origin: request.back.map(|address| address.origin()) });
        }
        _ => {}
    }
    Ok(Asked::Done(request.back.map(|address| address.plain_location())))
}

/// The person has said so: everybody who is signed in in this browser is signed out, and forgotten if that is wished.
pub async fn confirmed(
    app: &App,
    parameters: &Parameters,
    browser: &Browser,
    source: &str,
    forget: bool,
) -> Result<Option<String>, LogoutError> {
    let request = receive(app, parameters).await?;
    end(app, browser, source, browser.sessions.clone(), forget).await?;
    Ok(request.back.map(|address| address.plain_location()))
}

async fn receive(app: &App, parameters: &Parameters) -> Result<Request, LogoutError> {
    parameters.all_sound().map_err(LogoutError::Fault)?;
    let one = |name| parameters.one(name).map_err(LogoutError::Fault);
    let hint = one("id_token_hint")?.and_then(|hint| id_token::read(&app.keys, &app.config.issuer, hint));
    let named = one("client_id")?.map(ClientId::from_text);
    if let (Some(hint), Some(named)) = (&hint, &named)
        && hint.client != *named
    {
        return Err(fault("client_id is not the client that id_token_hint was issued to; send one of them."));
    }
    let back = match one("post_logout_redirect_uri")? {
        None => None,
        Some(presented) => {
            let id = hint.as_ref().map(|hint| hint.client.clone()).or(named);
            let id = id.ok_or_else(|| {
                fault("post_logout_redirect_uri needs id_token_hint or client_id beside it.")
            })?;
            Some(registered(app, &id, presented).await?.with_state(one("state")?))
        }
    };
    Ok(Request { session: hint.map(|hint| hint.session), back })
}

async fn registered(app: &App, id: &ClientId, presented: &str) -> Result<ReturnAddress, LogoutError> {
    let client = client::find(app, id).await?;
    let address = client.and_then(|client| {
        let metadata = &client.metadata;
        ReturnAddress::verify(&metadata.post_logout_redirect_uris, presented, metadata.is_native())
    });
    address.ok_or_else(|| fault("post_logout_redirect_uri is not one that the application registered."))
}

/// Sessions and everything that was granted in them, except what is to outlive them; then what is open in their browser.
async fn end(
    app: &App,
    browser: &Browser,
    source: &str,
    ended: Vec<Session>,
    forget: bool,
) -> Result<(), StoreError> {
    let (now, browser) = (app.now(), browser.id.clone());
    let entry = |session: &Session| {
        app.entry(Actor::User(&session.user, Some(&session.id)), What::SignOut).source(source)
    };
    let users = ended.iter().map(|session| session.user.clone()).collect::<Vec<_>>();
    let ended = ended.iter().map(|s| (s.id.clone(), s.user.clone(), entry(s))).collect::<Vec<_>>();
    let own = browser.clone();
    app.store
        .write(move |c| {
            for (session, user, entry) in &ended {
                // In the order in which a step-up of another tab takes them: on PostgreSQL each would wait for the other.
                interactions::end_posted(c, &own, user)?;
                sessions::end(c, session, now)?;
                grants::end_with_session(c, user, session, now)?;
                audit::append(c, entry)?;
            }
            if forget {
                remembered::forget_all(c, &own)?;
            }
            Ok(())
        })
        .await?;
    for user in &users {
        end_pages(app, &browser, user).await?;
    }
    Ok(())
}

/// What nobody has answered yet holds no proof, and opens nothing without the session: it goes piece by piece, and others get a turn
/// in between.
async fn end_pages(app: &App, browser: &BrowserId, user: &UserId) -> Result<(), StoreError> {
    let mut next = Some(String::new());
    while let Some(after) = next {
        let (browser, user) = (browser.clone(), user.clone());
        next = app.store.write(move |c| interactions::end_piece(c, &browser, &user, &after)).await?;
    }
    Ok(())
}

fn fault(description: &'static str) -> LogoutError {
    LogoutError::Fault(Fault::new(ErrorCode::InvalidRequest, description))
}
