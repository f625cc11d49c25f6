//! The shop's own sessions: in memory, bounded, under a cookie of the shop.

use super::openid::Open;
use super::payment::Receipt;
use super::payment::Round;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use stepgate::base::entropy::SystemEntropy;
use stepgate::base::secret::Secret;
use stepgate_resource::requirement::Shown;

#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Session>>);

struct Session {
    /// Goes into every form, so that no other site can press our buttons.
    csrf: String,
    pending: Option<Pending>,
    customer: Option<Customer>,
    receipt: Option<Receipt>,
}

/// An authorization request that is under way.
pub struct Pending {
    pub open: Open,
    pub purpose: Purpose,
}

pub enum Purpose {
    SignIn,
    Payment(Round),
}

/// Who is signed in, by the ID token that says so.
#[derive(Clone)]
pub struct Customer {
    pub sub: String,
    /// The claims of the ID token, and the token itself as a hint for the next request.
    pub claims: Value,
    pub id_token: String,
    pub access_token: String,
}

const MOST: usize = 10_000;

impl Sessions {
    /// The session of this cookie or a new one: its id, and what its forms carry.
    pub fn visit(&self, id: Option<&str>) -> (String, String) {
        let mut sessions = self.all();
        if let Some((id, session)) = id.and_then(|id| sessions.get_key_value(id)) {
            return (id.clone(), session.csrf.clone());
        }
        if sessions.len() >= MOST {
            sessions.clear();
        }
        let (id, csrf) = (random(), random());
        sessions
            .insert(id.clone(), Session { csrf: csrf.clone(), pending: None, customer: None, receipt: None });
        (id, csrf)
    }

    pub fn customer(&self, id: &str) -> Option<Customer> {
        self.all().get(id)?.customer.clone()
    }

    pub fn set_pending(&self, id: &str, open: Open, purpose: Purpose) {
        if let Some(session) = self.all().get_mut(id) {
            session.pending = Some(Pending { open, purpose });
        }
    }

    /// The request that `state` belongs to; each is answered once.
    pub fn take_pending(&self, id: &str, state: &str) -> Option<Pending> {
        self.all().get_mut(id)?.pending.take_if(|pending| pending.open.is_answered_by(state))
    }

    pub fn sign_in(&self, id: &str, customer: Customer) -> String {
        let mut sessions = self.all();
        sessions.remove(id);
        let id = random();
        sessions.insert(
            id.clone(),
            Session { csrf: random(), pending: None, customer: Some(customer), receipt: None },
        );
        id
    }

    pub fn renew(&self, id: &str, customer: Customer) {
        if let Some(session) = self.all().get_mut(id) {
            session.customer = Some(customer);
        }
    }

    pub fn keep_receipt(&self, id: &str, receipt: Receipt) {
        if let Some(session) = self.all().get_mut(id) {
            session.receipt = Some(receipt);
        }
    }

    pub fn receipt(&self, id: &str) -> Option<Receipt> {
        self.all().get(id)?.receipt.clone()
    }

    pub fn end(&self, id: &str) {
        self.all().remove(id);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Customer {
    /// What the ID token states of the authentication.
    pub fn shown(&self) -> Shown {
        serde_json::from_value(self.claims.clone()).unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        let claim = |name: &str| self.claims.get(name).and_then(Value::as_str);
        claim("name").or(claim("preferred_username")).unwrap_or("customer")
    }
}

fn random() -> String {
    Secret::generate(&SystemEntropy).reveal().to_owned()
}
