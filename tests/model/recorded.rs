//! What the server has written down: a grant states what the model states, and rests on proofs that its own user gave.

use super::grants::Grant;
use super::people::WHOLE;
use super::statement::Method;
use super::world::World;
use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel::sql_types::Text;
use std::collections::BTreeSet;
use stepgate::base::time::Time;
use stepgate::mint::granted::Stated;
use stepgate::store::statement::Statement;

#[derive(QueryableByName, Debug)]
struct Granted {
    #[diesel(sql_type = Text)]
    code_hash: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    session_id: String,
    #[diesel(sql_type = Text)]
    assurance: String,
}

/// With the user of its session.
#[derive(QueryableByName, Debug)]
struct Event {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    session_id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = BigInt)]
    at: i64,
}

const GRANTS: &str = "SELECT code_hash, user_id, session_id, assurance FROM grants";
const EVENTS: &str = "SELECT e.id, e.session_id, s.user_id, e.method, e.at \
    FROM events e JOIN sessions s ON s.id = e.session_id";
/// Of each credential; older ones make room for them.
const EVENTS_KEPT: usize = 16;

impl World {
    pub async fn what_is_recorded_is_true(&self) {
        let rows =
            |c: &mut _| Ok((sql_query(GRANTS).rows::<Granted>(c)?, sql_query(EVENTS).rows::<Event>(c)?));
        let (grants, events) = self.app.app.store.read(rows).await.unwrap();
        for event in &events {
            let given = self.given.iter().any(|(user, method, at)| event.is(self.id(*user), *method, *at));
            assert!(given, "nobody gave this proof: {event:?}");
        }
        for granted in &grants {
            let known = self.grants.iter().find(|known| known.code_hash().as_str() == granted.code_hash);
            let known = known.unwrap_or_else(|| panic!("a code that nobody got: {granted:?}"));
            self.grant_is_recorded(granted, known, &events);
        }
    }

    fn grant_is_recorded(&self, granted: &Granted, known: &Grant, events: &[Event]) {
        let stated = serde_json::from_str::<Stated>(&granted.assurance).unwrap();
        let own = &known.statement;
        assert_eq!(granted.user_id, self.id(known.user), "{granted:?}");
        assert_eq!((stated.acr.as_str(), stated.auth_time.unix_seconds()), (own.acr, own.auth_time));
        assert_eq!(stated.amr, own.amr);
        let named = |id: &str| stated.events.iter().any(|event| event.as_str() == id);
        let behind = events.iter().filter(|event| named(&event.id)).collect::<Vec<_>>();
        for event in &behind {
            assert_eq!(event.user_id, granted.user_id, "another one's proof: {event:?} behind {granted:?}");
            assert_eq!(event.session_id, granted.session_id, "another session's: {event:?}");
        }
        let of_session = events.iter().filter(|event| event.session_id == granted.session_id).count();
        let session_is_over = self.now() >= self.sessions[known.session].started + WHOLE;
        if of_session < EVENTS_KEPT && !session_is_over {
            assert_eq!(behind.len(), stated.events.len(), "it rests on nothing: {granted:?}");
            let methods = behind.iter().map(|event| event.method.as_str()).collect::<BTreeSet<_>>();
            let expected = own.behind.iter().map(|proof| name(proof.factor.method)).collect();
            assert_eq!(methods, expected, "{granted:?}");
        }
    }

    fn id(&self, user: usize) -> &str {
        self.people[user].user.id.as_str()
    }
}

impl Event {
    fn is(&self, user: &str, method: Method, at: i64) -> bool {
        let own = Time::from_micros(self.at).unix_seconds();
        self.user_id == user && self.method == name(method) && own == at
    }
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Pwd => "pwd",
        Method::Otp => "otp",
        Method::Key => "webauthn",
        Method::Recovery => "recovery",
    }
}
