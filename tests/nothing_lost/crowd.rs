//! Thousands of sign-ins over two processes, a hundred at once, the same people twice at once: each is themself wherever they ask.

use crate::any;
use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::provider::Provider;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::times;
use crate::visitor::Visitor;
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Instant;
use stepgate::base::secret::from_base64url;

const PEOPLE: usize = 200;
const AT_ONCE: usize = 100;
/// Of those whose number is even, and of the others.
const PASSWORDS: [&str; 2] = [PASSWORD, "another horse battery"];

struct Crowd {
    http: Client,
    /// Two processes, one provider.
    places: [String; 2],
    /// By number.
    subs: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_sign_in_over_two_processes_and_each_is_themself() {
    let provider = Provider::on("PostgreSQL", 1);
    provider.place.says(&["user", "add", "person1", "--password-stdin"], PASSWORDS[1]);
    let subs = everybody(&provider);
    let other = provider.place.beside();
    let places = [provider.place.address(), other.address()];
    let _servings = (provider.serve(), other.serve(&[("STEPGATE_LOG", "off")]));
    let crowd = Arc::new(Crowd { http: Visitor::http(), places, subs });
    let (next, sign_ins) = (Arc::new(AtomicUsize::new(0)), times("STEPGATE_SIGN_INS", 1500));
    let began = Instant::now();
    let lanes = (0..AT_ONCE).map(|_| {
        let (crowd, next) = (crowd.clone(), next.clone());
        tokio::spawn(async move {
            let mut sids = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= sign_ins {
                    return sids;
                }
                sids.push(crowd.one_signs_in(n).await);
            }
        })
    });
    let sids = join_all(lanes).await.into_iter().flat_map(|lane| lane.unwrap()).collect::<Vec<_>>();
    println!("{sign_ins} sign-ins in {:?}", began.elapsed());
    assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), sign_ins, "a session each");
    provider.is_whole();
}

/// As many as there are, each with the password of the first or of the second; their subjects.
fn everybody(provider: &Provider) -> Vec<String> {
    let copies = format!("generate_series(2, {PEOPLE} - 1) n JOIN users u ON u.username = 'person' || n % 2");
    provider.run(&format!(
        "INSERT INTO users (id, username, claims, second_factor, created_at) \
           SELECT 'sub-' || n, 'person' || n, u.claims, u.second_factor, u.created_at FROM {copies}; \
         INSERT INTO login_names (name, user_id, kind, verified_at) \
           SELECT 'person' || n, 'sub-' || n, l.kind, l.verified_at FROM {copies} JOIN login_names l ON l.user_id = u.id; \
         INSERT INTO credentials (id, user_id, kind, secret, last_step, enrolled_at) \
           SELECT 'password-' || n, 'sub-' || n, c.kind, c.secret, 0, c.enrolled_at \
           FROM {copies} JOIN credentials c ON c.user_id = u.id"
    ));
    let subs = provider.text("SELECT string_agg(id, ' ' ORDER BY substr(username, 7)::int) FROM users");
    subs.split(' ').map(str::to_owned).collect()
}

impl Crowd {
    /// Anyone, every step at the other process than the one before; the session's name.
    async fn one_signs_in(&self, n: usize) -> String {
        let person = usize::try_from(any(PEOPLE as u64)).unwrap();
        let source = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
        let [one, other] = [&self.places[n % 2], &self.places[(n + 1) % 2]];
        let mut visitor = Visitor::new(&self.http, one, &source).in_turns_with(other);
        let (name, password) = (format!("person{person}"), PASSWORDS[person % 2]);
        let reply = visitor.sign_in_with(&Request::new(), &name, password).await.unwrap();
        let mut client = Visitor::new(&self.http, one, &source).in_turns_with(other);
        let code = [
            ("grant_type", "authorization_code"),
            ("code", &reply.answer()["code"]),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let bought = self.tokens(&mut client, person, &code).await;
        let refresh =
            [("grant_type", "refresh_token"), ("refresh_token", bought["refresh_token"].as_str().unwrap())];
        let refreshed = self.tokens(&mut client, person, &refresh).await;
        self.is_told_who_it_is(one, person, &bought["access_token"]).await;
        assert_eq!(claims(&refreshed["id_token"])["sid"], claims(&bought["id_token"])["sid"]);
        claims(&bought["id_token"])["sid"].as_str().unwrap().to_owned()
    }

    async fn tokens(&self, client: &mut Visitor, person: usize, form: &[(&str, &str)]) -> Value {
        let own = [("client_id", "rp"), ("client_secret", SECRET)];
        let reply = client.post("/token", &[&own, form].concat()).await.unwrap();
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        for token in ["id_token", "access_token"] {
            assert_eq!(claims(&answer[token])["sub"], self.subs[person], "{answer}");
        }
        answer
    }

    async fn is_told_who_it_is(&self, place: &str, person: usize, access_token: &Value) {
        let request = self.http.get(format!("{place}/userinfo")).bearer_auth(access_token.as_str().unwrap());
        let told = request.send().await.unwrap().text().await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["sub"], self.subs[person], "{told}");
    }
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&from_base64url(payload).unwrap()).unwrap()
}
