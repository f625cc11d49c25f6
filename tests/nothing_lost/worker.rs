//! A relying party and its user at work, without pause, who write down what was answered, and what was asked and never answered.
//! Answered is what was read to its end.

use crate::any;
use crate::app::CALLBACK;
use crate::app::SECRET;
use crate::browser::Reply;
use crate::relying_party::Request;
use crate::relying_party::VERIFIER;
use crate::visitor::Visitor;
use reqwest::Client;
use reqwest::Result;
use serde_json::Value;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

pub struct Worker {
    http: Client,
    address: String,
    /// Its number, by which the servers tell it from the others.
    n: usize,
    user: String,
    rounds: usize,
    sessions: Vec<Visitor>,
    families: Vec<Family>,
    /// Those of before were looked at.
    looked_at: (usize, usize),
    asked: Asked,
    /// Writes that were answered.
    pub answered: Arc<AtomicUsize>,
    /// Codes whose redemption had been done and was not answered.
    pub unanswered: Vec<String>,
    /// Outages that it went on after.
    pub outages_seen: usize,
    /// An outage may also be "not now"; and when it has been enough of them.
    outages: Option<Arc<AtomicBool>>,
}

/// What one code bought.
struct Family {
    code: String,
    access: String,
    refresh: String,
    used: Option<String>,
    revoked: bool,
}

/// What is under way.
#[derive(Default)]
enum Asked {
    #[default]
    Nothing,
    Redeem(String),
    /// And since when.
    Refresh(usize, Instant),
    Revoke(usize),
}

const LOST_ANSWER: Duration = Duration::from_secs(10);

/// Nothing came back, or "not now".
pub struct Gone;

impl From<reqwest::Error> for Gone {
    fn from(_: reqwest::Error) -> Self {
        Self
    }
}

impl Worker {
    pub fn new(http: &Client, address: &str, n: usize, people: usize) -> Self {
        Self {
            http: http.clone(),
            address: address.to_owned(),
            n,
            user: format!("person{}", n % people),
            rounds: 0,
            sessions: Vec::new(),
            families: Vec::new(),
            looked_at: (0, 0),
            asked: Asked::Nothing,
            answered: Arc::default(),
            unanswered: Vec::new(),
            outages_seen: 0,
            outages: None,
        }
    }

    /// Where the server stays and its database goes: "not now" (503) is an outage too.
    pub fn through_outages(self, enough: &Arc<AtomicBool>) -> Self {
        Self { outages: Some(enough.clone()), ..self }
    }

    /// Until the server is gone.
    pub async fn work(&mut self) {
        while self.turn().await.is_ok() {}
    }

    /// Goes on after each outage with something else, until it has been enough; what was under way in the last one is asked for
    /// again by [`Self::look`].
    pub async fn work_again_and_again(&mut self) {
        let enough = self.outages.clone().unwrap();
        while !enough.load(Ordering::Relaxed) {
            if self.turn().await.is_err() {
                self.outages_seen += 1;
                if !matches!(self.asked, Asked::Nothing) {
                    return;
                }
            }
        }
    }

    async fn turn(&mut self) -> std::result::Result<(), Gone> {
        let code = if self.sessions.is_empty() || any(5) == 0 {
            self.sign_in().await?
        } else {
            let last = self.sessions.len() - 1;
            let reply = self.sessions[last].get(&silent()).await?;
            self.now(reply)?.answer()["code"].clone()
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        let family = self.redeem(code).await?;
        for _ in 0..any(4) {
            self.refresh(family).await?;
        }
        if any(3) == 0 {
            self.revoke(family).await?;
        }
        Ok(())
    }

    async fn sign_in(&mut self) -> std::result::Result<String, Gone> {
        let mut visitor = Visitor::new(&self.http, &self.address, &self.source());
        let reply = match self.outages.is_some() {
            false => visitor.sign_in(&Request::new(), &self.user).await?,
            true => {
                let page = visitor.open(&Request::new().path()).await?;
                let page = self.now(page)?;
                let fields = [("username", self.user.as_str()), ("password", crate::app::PASSWORD)];
                visitor.submit(&page, &fields).await?
            }
        };
        let code = self.now(reply)?.answer()["code"].clone();
        self.sessions.push(visitor);
        Ok(code)
    }

    async fn redeem(&mut self, code: String) -> std::result::Result<usize, Gone> {
        self.asked = Asked::Redeem(code.clone());
        let reply = self.redeemed(&code).await?;
        let bought = success(&self.now(reply)?);
        self.asked = Asked::Nothing;
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.families.push(Family::of(code, &bought));
        Ok(self.families.len() - 1)
    }

    async fn refresh(&mut self, at: usize) -> std::result::Result<(), Gone> {
        self.asked = Asked::Refresh(at, Instant::now());
        let reply = self.refreshed(&self.families[at].refresh.clone()).await?;
        let bought = success(&self.now(reply)?);
        self.asked = Asked::Nothing;
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.families[at].goes_on(&bought);
        Ok(())
    }

    async fn revoke(&mut self, at: usize) -> std::result::Result<(), Gone> {
        self.asked = Asked::Revoke(at);
        let reply = self.post("/revoke", &[("token", &self.families[at].refresh.clone())]).await?;
        assert_eq!(self.now(reply)?.status, 200);
        self.asked = Asked::Nothing;
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.families[at].revoked = true;
        Ok(())
    }

    /// The reply, unless it says "not now" while that is to be expected.
    fn now(&self, reply: Reply) -> std::result::Result<Reply, Gone> {
        if self.outages.is_some() && reply.status == 503 {
            assert_eq!(reply.header("retry-after"), "5", "{reply:?}");
            return Err(Gone);
        }
        Ok(reply)
    }

    /// The server is back: what was under way happened whole, once, or not at all; everything that was answered is there.
    pub async fn look(&mut self) {
        self.rounds += 1;
        self.settle().await;
        for at in self.looked_at.0..self.sessions.len() {
            self.session_lives(at).await;
        }
        for at in self.looked_at.1..self.families.len() {
            self.family_is_as_answered(at).await;
        }
        self.looked_at = (self.sessions.len(), self.families.len());
    }

    /// Once more everything, and in the end one code again.
    pub async fn look_at_all(&mut self) {
        self.looked_at = (0, 0);
        self.look().await;
        let Some(at) = self.families.iter().position(|family| !family.revoked) else { return };
        self.is_used(&self.families[at].code.clone()).await;
        self.families[at].revoked = true;
        self.family_is_as_answered(at).await;
    }

    async fn settle(&mut self) {
        match take(&mut self.asked) {
            Asked::Nothing => {}
            Asked::Redeem(code) => {
                let reply = self.redeemed(&code).await.unwrap();
                if reply.status == 200 {
                    self.is_used(&code).await;
                    self.families.push(Family { revoked: true, ..Family::of(code, &success(&reply)) });
                } else {
                    assert!(is_invalid_grant(&reply), "{reply:?}");
                    self.unanswered.push(code);
                }
            }
            Asked::Refresh(at, since) => {
                let presented = self.families[at].refresh.clone();
                self.looked_at.1 = self.looked_at.1.min(at);
                let reply = self.refreshed(&presented).await.unwrap();
                // On a machine that was busy for longer than a lost answer may be repeated, it is reuse.
                if is_invalid_grant(&reply) && since.elapsed() > LOST_ANSWER {
                    self.families[at].revoked = true;
                    return;
                }
                assert_eq!(reply.status, 200, "asked again after {:?}: {reply:?}", since.elapsed());
                let bought = success(&reply);
                if since.elapsed() < LOST_ANSWER / 2 {
                    let again = success(&self.refreshed(&presented).await.unwrap());
                    assert_eq!(bought["refresh_token"], again["refresh_token"], "one successor");
                }
                self.families[at].goes_on(&bought);
            }
            Asked::Revoke(at) => {
                let token = self.families[at].refresh.clone();
                assert_eq!(self.post("/revoke", &[("token", &token)]).await.unwrap().status, 200);
                self.families[at].revoked = true;
                self.looked_at.1 = self.looked_at.1.min(at);
            }
        }
    }

    async fn session_lives(&mut self, at: usize) {
        let reply = self.sessions[at].get(&silent()).await.unwrap();
        assert_eq!(reply.outcome(), "code", "a sign-in that was answered: {reply:?}");
    }

    async fn family_is_as_answered(&self, at: usize) {
        let Family { access, refresh, used, revoked, .. } = &self.families[at];
        assert_eq!(self.is_active(access).await, !revoked, "the access token; revoked: {revoked}");
        assert_eq!(self.is_active(refresh).await, !revoked, "the refresh token; revoked: {revoked}");
        if let Some(used) = used {
            assert!(!self.is_active(used).await, "a refresh token that was used");
        }
    }

    async fn is_used(&self, code: &str) {
        let reply = self.redeemed(code).await.unwrap();
        assert!(is_invalid_grant(&reply), "a code is redeemed once: {reply:?}");
    }

    async fn is_active(&self, token: &str) -> bool {
        let reply = self.post("/introspect", &[("token", token)]).await.unwrap();
        success(&reply)["active"].as_bool().unwrap()
    }

    async fn redeemed(&self, code: &str) -> Result<Reply> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &form).await
    }

    async fn refreshed(&self, token: &str) -> Result<Reply> {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let own = [("client_id", "rp"), ("client_secret", SECRET)];
        let mut visitor = Visitor::new(&self.http, &self.address, &self.source());
        visitor.post(path, &[&own, form].concat()).await
    }

    /// Sign-ins that a kill leaves open count against their source.
    fn source(&self) -> String {
        format!("10.{}.{}.{}", self.rounds / 250, self.rounds % 250, self.n)
    }
}

impl Family {
    fn of(code: String, bought: &Value) -> Self {
        let text = |name: &str| bought[name].as_str().unwrap().to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        Self { code, access, refresh, used: None, revoked: false }
    }

    fn goes_on(&mut self, bought: &Value) {
        let next = Self::of(self.code.clone(), bought);
        self.used = Some(std::mem::replace(&mut self.refresh, next.refresh));
        self.access = next.access;
    }
}

fn silent() -> String {
    Request::new().with("prompt", "none").path()
}

fn success(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn is_invalid_grant(reply: &Reply) -> bool {
    reply.status == 400 && reply.body.contains("\"invalid_grant\"")
}
