//! Which of the accounts that are signed in a request is about. Pure.

use super::request::AuthorizationRequest;
use crate::base::id::SessionId;
use crate::store::sessions::Session;

#[derive(Debug)]
pub enum Choice<'a> {
    Session(&'a Session),
    /// Nobody is signed in, or not the one that is named: someone has to sign in.
    Nobody,
    /// Several are, and nothing says which.
    Unclear,
}

/// The subject that is named; else the one that is made; else the only one; else the one this client was last answered for.
pub fn choose<'a>(
    sessions: &'a [Session],
    request: &AuthorizationRequest,
    last_answered: Option<&SessionId>,
) -> Choice<'a> {
    if let Some(subject) = &request.need.subject {
        return sessions.iter().find(|s| s.user == *subject).map_or(Choice::Nobody, Choice::Session);
    }
    if request.create {
        return Choice::Nobody;
    }
    if request.select_account {
        return Choice::Unclear;
    }
    match sessions {
        [] => Choice::Nobody,
        [only] => Choice::Session(only),
        _ => sessions
            .iter()
            .find(|session| Some(&session.id) == last_answered)
            .map_or(Choice::Unclear, Choice::Session),
    }
}
