//! What an authorization request gets from those who are signed in, or from nobody: a code at once, a page, or an error. Pure:
//! `/authorize` acts on it, and `stepgate explain` tells it.

use super::request::AuthorizationRequest;
use crate::assurance::Decision;
use crate::assurance::Reason;
use crate::assurance::SessionView;
use crate::assurance::decide;
use crate::assurance::factors::Account;
use crate::assurance::ledger::Assurance;
use crate::assurance::need::Need;
use crate::assurance::need::Requested;
use crate::assurance::policy::Policy;
use crate::base::time::Time;
use crate::interaction::next_step::refusal;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::store::sessions::Session;

/// Whom a request is about.
#[derive(Debug)]
pub enum Who<'a> {
    /// Nobody who is signed in.
    Nobody,
    /// Several are signed in, and nothing says which.
    Unclear,
    Known(Known<'a>),
}

#[derive(Debug)]
pub struct Known<'a> {
    pub session: &'a Session,
    pub account: Account,
    /// What the user has approved for this client.
    pub remembered: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Code(Assurance),
    Page,
    Error(Fault),
}

pub fn verdict(request: &AuthorizationRequest, who: &Who, policy: &Policy, now: Time) -> Verdict {
    match who {
        Who::Known(known) => about(request, known, policy, now),
        Who::Nobody => about_nobody(request, policy, now),
        Who::Unclear if request.need.silent => match about_nobody(request, policy, now) {
            Verdict::Error(fault) if fault.code != ErrorCode::LoginRequired => Verdict::Error(fault),
            Verdict::Code(_) | Verdict::Page | Verdict::Error(_) => Verdict::Error(Fault::new(
                ErrorCode::AccountSelectionRequired,
                "Several accounts are signed in, and prompt=none forbids asking for one.",
            )),
        },
        Who::Unclear => about_nobody(request, policy, now),
    }
}

/// The class that somebody signed in is asked for, if more is asked than that they are.
pub fn step_up<'a>(need: &'a Need, policy: &'a Policy) -> Option<&'a str> {
    match &need.requested {
        Requested::Required(names) | Requested::Preferred(names) => {
            Some(names.iter().find_map(|name| policy.class(name)).map_or("unknown", |class| &class.name))
        }
        Requested::Any => (need.max_age.is_some() || need.anew).then_some("any"),
    }
}

fn about(request: &AuthorizationRequest, known: &Known, policy: &Policy, now: Time) -> Verdict {
    let view = SessionView { user: &known.session.user, events: &known.session.events };
    let unapproved = request.approval.is_open(&known.remembered, false);
    match decide(&request.need, Some(&view), Some(&known.account), policy, now) {
        Decision::Satisfied(_) if unapproved && request.need.silent => Verdict::Error(Fault::new(
            ErrorCode::ConsentRequired,
            "The user has not approved this, and prompt=none forbids asking.",
        )),
        Decision::Satisfied(_) if unapproved => Verdict::Page,
        Decision::Satisfied(_) if request.approval.never_silent && request.need.silent => {
            Verdict::Error(Fault::new(
                ErrorCode::InteractionRequired,
                "The user would have to go on to an application on their device, and prompt=none forbids asking.",
            ))
        }
        Decision::Satisfied(_) if request.approval.never_silent => Verdict::Page,
        Decision::Satisfied(assurance) => Verdict::Code(assurance),
        Decision::Challenge(_) | Decision::Enrol(_) => Verdict::Page,
        // What a user lacks is not for applications that they never approved.
        Decision::Refuse(Reason::Unmet)
            if request.need.silent && request.approval.is_first(&known.remembered) =>
        {
            Verdict::Error(Fault::new(
                ErrorCode::InteractionRequired,
                "The user would have to act, and prompt=none forbids it.",
            ))
        }
        Decision::Refuse(reason) => Verdict::Error(refusal(reason)),
    }
}

fn about_nobody(request: &AuthorizationRequest, policy: &Policy, now: Time) -> Verdict {
    match decide(&request.need, None, None, policy, now) {
        Decision::Challenge(_) => Verdict::Page,
        Decision::Refuse(reason) => Verdict::Error(refusal(reason)),
        // Without a person nothing is stated and nothing set up.
        Decision::Satisfied(_) | Decision::Enrol(_) => Verdict::Error(refusal(Reason::Unmet)),
    }
}
