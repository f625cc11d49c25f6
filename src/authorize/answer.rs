//! The authorization response: a code and the grant behind it, or an error, at an address that was verified.

use super::AuthorizationRequest;
use super::verdict::Known;
use super::verdict::step_up;
use crate::app::App;
use crate::assurance::aal;
use crate::assurance::aal::Aal;
use crate::assurance::ledger::Assurance;
use crate::assurance::ledger::Event;
use crate::base::id::ClientId;
use crate::base::id::GrantId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::GrantSecret;
use crate::base::secret::Secret;
use crate::interaction::Interaction;
use crate::interaction::brake;
use crate::interaction::settle;
use crate::interaction::settle::Changes;
use crate::mint::granted::Stated;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::redirect_uri::Response;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::protocol::standard_claims::OFFLINE;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Actor;
use crate::store::audit::Entry;
use crate::store::audit::What;
use crate::store::connection::Conn;
use crate::store::grants;
use crate::store::grants::CodeTimes;
use crate::store::grants::Grant;
use crate::store::sessions;
use crate::store::throttles;
use serde::Serialize;

/// Names what follows an interaction of this feature.
pub const KIND: &str = "authorize";

/// A response, and the browser's new cookie if somebody proved something.
pub struct Answered {
    pub response: Response,
    pub cookie: Option<Secret>,
}

/// A code that is about to be issued.
struct Issue {
    grant: Grant,
    code: GrantSecret,
    times: CodeTimes,
    entry: Entry,
}

/// The session satisfies the request as it is: a code, and no page; unless it had too many of them lately.
pub async fn silently(
    app: &App,
    request: &AuthorizationRequest,
    known: &Known<'_>,
    source: &str,
    assurance: &Assurance,
) -> Result<Result<Response, Fault>, StoreError> {
    let Known { session, account, .. } = known;
    let aal = (session_aal(app, &session.events), aal::of_account(account));
    let entry = app.entry(Actor::User(&session.user, Some(&session.id)), What::Authorization);
    let entry = entry.client(&request.client.id).source(source);
    let issue = issue(app, request, &session.user, assurance, entry.aal(aal.0, aal.1))?;
    let response = issue.response(app, &request.address);
    let now = app.now();
    let (session, noted) = (session.id.clone(), session.is_noted(app.session_life(), now));
    let written = app.store.write(move |c| {
        if !noted {
            // If it has ended by now, the code is worth nothing.
            sessions::touch(c, &session, now)?;
        }
        issue.write(c, &session)
    });
    if !written.await? {
        return Ok(Err(too_often()));
    }
    app.metrics.authorization("code");
    Ok(Ok(response))
}

/// The interaction has met the need: its proofs become events, and the code is written with them; unless the session had too many of
/// them lately.
pub async fn after(
    app: &App,
    interaction: Interaction,
    request: &AuthorizationRequest,
    assurance: &Assurance,
) -> Result<Answered, StoreError> {
    let Some(person) = interaction.progress.person().cloned() else { return Err(StoreError::Lost) };
    let account = interaction.account.as_ref().map_or(Aal::One, aal::of_account);
    let aal = (session_aal(app, &interaction.events()), account);
    let entry = interaction.entry(app, &person, What::Authorization).client(&request.client.id);
    let too_often = too_often();
    let refusal = entry.clone().refused(too_often.code.as_str());
    let issue = issue(app, request, &person.user, assurance, entry.aal(aal.0, aal.1))?;
    let response = issue.response(app, &request.address);
    let step_up = interaction.session().and_then(|_| step_up(&interaction.ask.need, &app.config.policy));
    let step_up = step_up.map(str::to_owned);
    let proved_again = interaction.session().is_some() && !interaction.progress.theirs.proofs.is_empty();
    let counter = proved_again.then(|| brake::step_ups(&person.user, &request.client.id));
    let now = app.now();
    let settled = settle::settle(app, interaction, Changes::Nothing, move |c, session| {
        if let Some(counter) = counter {
            // This one was shown; the next may have to wait.
            let _ = throttles::raise(c, &[counter], now)?;
        }
        let written = issue.write(c, session)?;
        if !written {
            audit::append(c, &refusal.session(session))?;
        }
        Ok(written)
    });
    let settled = settled.await?;
    step_up.iter().for_each(|class| app.metrics.step_up(class, "done"));
    let response = if settled.followed {
        app.metrics.authorization("code");
        response
    } else {
        error_response(app, &request.address, &too_often)
    };
    Ok(Answered { response, cookie: settled.cookie })
}

fn too_often() -> Fault {
    let description = "This session was answered too often within an hour; wait before you ask again.";
    Fault::new(ErrorCode::TemporarilyUnavailable, description)
}

/// The interaction ends without an answer, whose client is told why; `None` where it can't be, since its address is not registered. And
/// whether its browser is forgotten with it.
pub async fn refused(
    app: &App,
    interaction: Interaction,
    client: &ClientId,
    address: Option<&ReturnAddress>,
    fault: &Fault,
) -> Result<(Option<Response>, bool), StoreError> {
    let entry = interaction.progress.person().map(|person| {
        interaction.entry(app, person, What::Authorization).client(client).refused(fault.code.as_str())
    });
    let step_up = interaction.session().and_then(|_| step_up(&interaction.ask.need, &app.config.policy));
    let step_up = step_up.map(str::to_owned);
    let forgotten = settle::end(app, interaction, entry).await?;
    step_up.iter().for_each(|class| app.metrics.step_up(class, fault.code.as_str()));
    Ok((address.map(|address| error_response(app, address, fault)), forgotten))
}

/// RFC 6749 §4.1.2.1.
pub fn error_response(app: &App, address: &ReturnAddress, fault: &Fault) -> Response {
    app.metrics.authorization(fault.code.as_str());
    let members = [("error", fault.code.as_str()), ("error_description", &fault.description)];
    address.respond(app.config.issuer.as_str(), &members)
}

fn session_aal(app: &App, events: &[Event]) -> Aal {
    aal::of_session(events, &app.config.policy, app.now())
}

fn issue(
    app: &App,
    request: &AuthorizationRequest,
    user: &UserId,
    assurance: &Assurance,
    entry: Entry,
) -> Result<Issue, StoreError> {
    let (now, lifetimes, entropy) = (app.now(), app.config.lifetimes, app.entropy.as_ref());
    let grant = Grant {
        id: GrantId::generate(entropy, now),
        client: request.client.id.clone(),
        user: user.clone(),
        // Known only once the session is: filled in when it is written.
        session: SessionId::from_text(""),
        scope: request.granted.scope.to_string(),
        request: json(&request.granted)?,
        assurance: json(&Stated::from(assurance))?,
        offline: request.granted.scope.contains(OFFLINE),
        granted_at: now,
    };
    let code_expires_at = now.plus(lifetimes.code);
    // A used code is known for as long as what it bought may live, so that a replay can revoke it.
    let expires_at = code_expires_at.plus(lifetimes.longest_token());
    let entry = entry.acr(&assurance.acr);
    let times = CodeTimes { code_expires_at, expires_at };
    let code = GrantSecret::new(&grant.id, &Secret::generate(entropy));
    Ok(Issue { grant, code, times, entry })
}

impl Issue {
    fn response(&self, app: &App, address: &ReturnAddress) -> Response {
        address.respond(app.config.issuer.as_str(), &[("code", self.code.reveal())])
    }

    /// `false`, with nothing written: this session answers this client too often.
    fn write(self, c: &mut Conn, session: &SessionId) -> Written<bool> {
        if !sessions::answered(c, session, &self.grant.client, self.grant.granted_at)? {
            return Ok(false);
        }
        let grant = Grant { session: session.clone(), ..self.grant };
        grants::insert(c, &grant, &self.code.hash(), &self.times)?;
        audit::append(c, &self.entry.session(session))?;
        Ok(true)
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Unavailable(why.to_string()))
}
