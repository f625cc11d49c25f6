//! The world: the server, the people who use it, and what the model knows of both.

use super::app::TestApp;
use super::browser::Browser;
use super::browser::Reply;
use super::database::TestDatabase;
use super::grants::Grant;
use super::mail::Mail;
use super::mail::give_address;
use super::operation::About;
use super::operation::Acr;
use super::operation::Command;
use super::operation::MFA;
use super::operation::Operation;
use super::operation::PHR;
use super::operation::SignOut;
use super::operation::Wish;
use super::operation::With;
use super::pages::Tab;
use super::people::Person;
use super::people::Session;
use super::relying_party::Request;
use super::smtp::SmtpServer;
use super::statement::Class;
use super::statement::Method;
use super::statement::Proof;
use super::statement::settings;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::time::Clock;

pub struct World {
    pub app: TestApp,
    pub policy: &'static [Class],
    /// The floors of the second client are raised.
    pub raised: bool,
    pub mail: Mail,
    pub mailbox: Option<SmtpServer>,
    pub people: Vec<Person>,
    pub browsers: Vec<Browser>,
    pub sessions: Vec<Session>,
    pub tabs: Vec<Tab>,
    pub grants: Vec<Grant>,
    /// Every right proof: who gave it, which, and when.
    pub given: Vec<(usize, Method, i64)>,
    pub told: Arc<Mutex<Told>>,
}

/// What happened in this world, and how often in all of them.
#[derive(Default)]
pub struct Told {
    pub lines: Vec<String>,
    pub counts: BTreeMap<String, u32>,
}

/// Seconds (RFC 6238 §4.1).
const TOTP_STEP: i64 = 30;

/// One that gets no refresh tokens, one that does, and one with floors.
pub const CLIENTS: [&str; 3] = ["rp", "app", "vault"];

impl World {
    /// Ada has a code where it is asked for, Bob a passkey and recovery codes, Eve a code at every sign-in.
    pub async fn new(
        database: TestDatabase,
        (policy, mail): (&'static [Class], Mail),
        told: Arc<Mutex<Told>>,
    ) -> Self {
        let mailbox = mail.start().await;
        let with_mail = mailbox.as_ref().map(SmtpServer::settings).unwrap_or_default();
        let app = TestApp::on(database, &format!("{}\n{with_mail}", settings(policy))).await;
        // The same codes of the apps are new, spent or old in every run.
        let into_the_step = u32::try_from(app.clock.now().unix_seconds() % TOTP_STEP).unwrap();
        app.clock.advance(u32::try_from(TOTP_STEP).unwrap() - into_the_step);
        let refreshing = json!(["authorization_code", "refresh_token"]);
        app.client("app", json!({"grant_types": refreshing, "scope": "openid offline_access"})).await;
        app.client("other", json!({"grant_types": refreshing})).await;
        app.client("vault", json!({"minimum_acr": "urn:stepgate:acr:mfa", "maximum_age": 300})).await;
        let people = vec![
            Person::new(&app, "ada", Some(SecondFactor::StepUp)).await,
            Person::new(&app, "bob", None).await,
            Person::new(&app, "eve", Some(SecondFactor::SignIn)).await,
        ];
        let browsers = (0..3).map(|_| Browser::new(&app)).collect();
        let (sessions, tabs, grants, given) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let raised = false;
        let mut this = Self {
            app,
            policy,
            raised,
            mail,
            mailbox,
            people,
            browsers,
            sessions,
            tabs,
            grants,
            given,
            told,
        };
        let wish = Wish {
            client: 0,
            prompt: None,
            max_age: None,
            acr: Acr::Values(vec![PHR]),
            about: None,
            login_hint: None,
            offline: false,
        };
        this.go_through(2, &wish, 1, With::Right).await;
        assert!(this.people[1].factors.contains_key(&Method::Key), "Bob has his passkey");
        if this.mailbox.is_some() {
            for person in &mut this.people[..2] {
                give_address(&this.app, person).await;
            }
        }
        this
    }

    pub async fn perform(&mut self, operation: &Operation) {
        self.go_on();
        self.tell(format!("{operation:?}"));
        match operation {
            Operation::Ask { browser, wish } => {
                self.ask(*browser, wish).await;
            }
            Operation::GoThrough { browser, wish, who, with } => {
                self.go_through(*browser, wish, *who, *with).await;
            }
            Operation::Fill { page, with, who } => self.fill(*page, *with, *who).await,
            Operation::SendOldForm { page, earlier, over } => {
                self.send_old_form(*page, *earlier, *over).await;
            }
            Operation::Press { page, button } => self.press(*page, *button).await,
            Operation::Redeem { grant, how } => {
                if let Some(grant) = self.grant(*grant) {
                    self.redeem(grant, *how).await;
                }
            }
            Operation::Refresh { grant, older, by_its_client } => {
                self.refresh(*grant, *older, *by_its_client).await;
            }
            Operation::Revoke { grant, what } => self.revoke(*grant, *what).await,
            Operation::SignOut { browser, by } => self.sign_out(*browser, *by).await,
            Operation::Change { browser, who, what, with } => {
                self.change(*browser, *who, *what, *with).await;
            }
            Operation::Wait { seconds } => {
                self.app.clock.advance(*seconds);
                self.everything_stands_as_it_should().await;
            }
            Operation::SetBack { seconds } => {
                self.count("clock set back");
                self.app.clock.set_back(*seconds);
                self.everything_stands_as_it_should().await;
            }
            Operation::SetFloors { raised } => self.set_floors(*raised),
            Operation::Administer { user, what } => self.administer(*user, *what).await,
        }
    }

    /// No two answers are given at one moment, nor at one that was before the clock was set back: of two one is the last.
    fn go_on(&self) {
        let answered =
            |at| self.sessions.iter().any(|session| session.answered.values().any(|own| *own == at));
        self.app.clock.advance(1);
        while answered(self.now()) {
            self.app.clock.advance(1);
        }
    }

    pub fn tell(&self, what: String) {
        self.told.lock().unwrap().lines.push(what);
    }

    pub fn count(&self, what: &str) {
        *self.told.lock().unwrap().counts.entry(what.to_owned()).or_default() += 1;
    }

    pub fn now(&self) -> i64 {
        self.app.clock.now().unix_seconds()
    }

    /// The session of somebody in a browser, if it would answer a request.
    pub fn session(&self, browser: usize, user: usize) -> Option<usize> {
        let live = |session: &Session| {
            session.browser == browser
                && session.user == user
                && session.is_in_use(&self.people, self.now())
                && session.proofs.iter().any(|proof| self.people[user].has(proof.factor))
        };
        self.sessions.iter().position(live)
    }

    pub fn signed_in(&self, browser: usize) -> Vec<usize> {
        (0..self.people.len()).filter(|user| self.session(browser, *user).is_some()).collect()
    }

    /// What `user` has proved in this browser, and for this request, and still stands.
    pub fn proofs(&self, browser: usize, user: usize, tab: Option<usize>) -> Vec<Proof> {
        let earlier = self.session(browser, user).map(|session| self.sessions[session].proofs.clone());
        let here = tab.map(|tab| self.tabs[tab].proofs.clone()).unwrap_or_default();
        let all = earlier.unwrap_or_default().into_iter().chain(here);
        all.filter(|proof| proof.factor.user == user && self.people[user].has(proof.factor)).collect()
    }

    /// Newest first.
    pub fn grant(&self, place: usize) -> Option<usize> {
        (place < self.grants.len()).then(|| self.grants.len() - 1 - place)
    }

    /// As an application would write it.
    pub fn request(&self, wish: &Wish) -> Request {
        let mut request = Request::new().with("client_id", CLIENTS[wish.client]);
        if wish.client == 1 && wish.offline {
            request = request.with("scope", "openid offline_access");
        }
        if let Some(prompt) = wish.prompt {
            request = request.with("prompt", prompt);
        }
        if let Some(max_age) = wish.max_age {
            request = request.with("max_age", &max_age.to_string());
        }
        let mut claims = serde_json::Map::new();
        match &wish.acr {
            Acr::Any => {}
            Acr::Values(names) => request = request.with("acr_values", &names.join(" ")),
            Acr::Essential(names) => {
                claims.insert("acr".into(), json!({"essential": true, "values": names}));
            }
            Acr::Voluntary(names) => {
                claims.insert("acr".into(), json!({"values": names}));
            }
        }
        match wish.about {
            Some(About::Sub(user)) => {
                claims.insert("sub".into(), json!({"value": self.people[user].user.id}));
            }
            Some(About::Hint(grant)) => {
                if let Some(hint) = self.hint(grant) {
                    request = request.with("id_token_hint", &hint);
                }
            }
            None => {}
        }
        if !claims.is_empty() {
            request = request.with("claims", &json!({"id_token": claims}).to_string());
        }
        match wish.login_hint {
            Some(user) => request.with("login_hint", &self.people[user].user.name),
            None => request,
        }
    }

    /// An ID token of this grant, if it bought one.
    pub fn hint(&self, place: usize) -> Option<String> {
        self.grants[self.grant(place)?].id_token.clone()
    }

    pub async fn go_through(&mut self, browser: usize, wish: &Wish, who: usize, with: With) {
        let grants = self.grants.len();
        let who = match wish.about {
            Some(About::Sub(user)) => user,
            Some(About::Hint(place)) => self.grant(place).map_or(who, |grant| self.grants[grant].user),
            None => who,
        };
        if let Some(tab) = self.ask(browser, wish).await {
            self.fill_to_the_end(tab, with, who).await;
        }
        if self.grants.len() > grants {
            self.redeem(grants, super::operation::Presenting::Rightly).await;
        }
    }

    /// As long as pages come and nothing is wrong.
    pub async fn fill_to_the_end(&mut self, tab: usize, with: With, who: usize) {
        for _ in 0..8 {
            if self.tabs[tab].open {
                self.fill_tab(tab, with, who).await;
            }
            if with == With::Wrong {
                return;
            }
        }
    }

    async fn sign_out(&mut self, browser: usize, by: SignOut) {
        let signed_in = self.signed_in(browser);
        let ended = match by {
            SignOut::Form => {
                let page = self.browsers[browser].open("/").await;
                assert_eq!(page.page(), "home", "{page:?}");
                for (user, person) in self.people.iter().enumerate() {
                    let shown = page.body.contains(&format!("<strong>{}</strong>", person.user.name));
                    assert_eq!(shown, signed_in.contains(&user), "{} is signed in here", person.user.name);
                }
                if signed_in.is_empty() {
                    return;
                }
                let reply = self.browsers[browser].submit(&page, &[]).await;
                assert_eq!(reply.page(), "logged-out", "{reply:?}");
                signed_in.iter().filter_map(|user| self.session(browser, *user)).collect::<Vec<_>>()
            }
            SignOut::Hint(place) => {
                let Some(grant) = self.grant(place) else { return };
                let Some(hint) = self.hint(place) else { return };
                let own = self.grants[grant].session;
                let own = Some(own).filter(|own| {
                    let session = &self.sessions[*own];
                    session.browser == browser && self.session(browser, session.user) == Some(*own)
                });
                let reply = self.browsers[browser].get(&format!("/logout?id_token_hint={hint}")).await;
                let expected = if own.is_none() && !signed_in.is_empty() { "logout" } else { "logged-out" };
                assert_eq!(reply.page(), expected, "{reply:?}");
                own.into_iter().collect()
            }
        };
        for session in ended {
            self.end(session);
        }
        self.everything_stands_as_it_should().await;
    }

    /// A session, what is open in its browser about its user, and what was granted in it and not to outlive it.
    fn end(&mut self, session: usize) {
        let Session { browser, user, .. } = self.sessions[session];
        self.sessions[session].ended = true;
        let of_user = |tab: &&mut Tab| tab.browser == browser && tab.person == Some(user);
        self.tabs.iter_mut().filter(of_user).for_each(Tab::end);
        let granted = self.grants.iter_mut().filter(|grant| grant.session == session);
        granted.filter(|grant| !grant.offline || !grant.redeemed).for_each(|grant| grant.revoked = true);
    }

    fn set_floors(&mut self, raised: bool) {
        if raised == self.raised {
            return;
        }
        self.raised = raised;
        self.count(if raised { "floors raised" } else { "floors lowered" });
        let floors = match raised {
            true => json!({"minimum_acr": MFA, "maximum_age": 300}),
            false => json!({"minimum_acr": null, "maximum_age": null}),
        };
        self.app.command(&["client", "update", "app"], &floors.to_string());
    }

    async fn administer(&mut self, user: usize, what: Command) {
        let name = self.people[user].user.name.clone();
        match what {
            Command::Disable => {
                self.app.command(&["user", "disable", &name], "");
                self.people[user].enabled = false;
                self.end_everything_of(user);
            }
            Command::Enable => {
                self.app.command(&["user", "enable", &name], "");
                self.people[user].enabled = true;
            }
            Command::SetPassword => {
                self.people[user].gets(Method::Pwd);
                let password = self.people[user].password();
                self.app.command(&["user", "set-password", &name, "--password-stdin"], &password);
                self.end_everything_of(user);
            }
            Command::ResetMfa => {
                let lost = self.people[user].factors.clone();
                if lost.len() == 1 {
                    return;
                }
                self.app.command(&["user", "reset-mfa", &name], "");
                self.pages_end_of(user);
                self.loses(user, |method| method != Method::Pwd);
            }
            Command::GiveTotp => {
                if self.people[user].factors.contains_key(&Method::Otp) {
                    return;
                }
                let with = self.app.give_totp(&self.people[user].user).await;
                let person = &mut self.people[user];
                person.user = with;
                person.last_step = 0;
                person.gets(Method::Otp);
            }
        }
        self.everything_stands_as_it_should().await;
    }

    /// What was granted for a factor goes with it. Recovery codes stand in for a second factor, and go with the last one.
    pub fn loses(&mut self, user: usize, lost: impl Fn(Method) -> bool) {
        let factors = &mut self.people[user].factors;
        factors.retain(|method, _| !lost(*method));
        if !factors.contains_key(&Method::Key) && !factors.contains_key(&Method::Otp) {
            factors.remove(&Method::Recovery);
        }
        let person = &self.people[user];
        let of_user = self.grants.iter_mut().filter(|grant| grant.user == user);
        of_user
            .filter(|grant| grant.statement.behind.iter().any(|proof| !person.has(proof.factor)))
            .for_each(|grant| grant.revoked = true);
    }

    /// In every browser.
    fn pages_end_of(&mut self, user: usize) {
        self.tabs.iter_mut().filter(|tab| tab.person == Some(user)).for_each(Tab::end);
    }

    fn end_everything_of(&mut self, user: usize) {
        self.pages_end_of(user);
        self.sessions.iter_mut().filter(|session| session.user == user).for_each(|s| s.ended = true);
        self.grants.iter_mut().filter(|grant| grant.user == user).for_each(|grant| grant.revoked = true);
    }

    /// What has ended is nothing anywhere: no token of it is active, and no browser is answered for it silently. What was granted
    /// rests on what its user proved.
    pub async fn everything_stands_as_it_should(&mut self) {
        self.what_is_recorded_is_true().await;
        for grant in 0..self.grants.len() {
            self.tokens_stand_as_they_should(grant).await;
        }
        for browser in 0..self.browsers.len() {
            if self.signed_in(browser).is_empty() {
                let silent = Request::new().with("prompt", "none");
                let reply = self.browsers[browser].open(&silent.path()).await;
                assert_eq!(reply.outcome(), "login_required", "nobody is signed in in browser {browser}");
            }
        }
    }
}

/// It never breaks.
pub fn sound(reply: &Reply) {
    assert!(!reply.status.is_server_error(), "{reply:?}");
}
