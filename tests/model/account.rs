//! What people change about themselves: a passkey goes, a password becomes another one.

use super::browser::Reply;
use super::operation::Change;
use super::operation::With;
use super::pages::Asks;
use super::pages::Tab;
use super::pages::says_that_it_is_done;
use super::people::Session;
use super::statement::Method;
use super::statement::Need;
use super::statement::Proof;
use super::world::World;
use super::world::sound;

/// The highest rank may have been shown so many seconds ago.
pub const FRESH: i64 = 300;

impl World {
    /// `who`, or whoever else can do this here.
    pub async fn change(&mut self, browser: usize, who: usize, what: Change, with: With) {
        let can =
            |user: &usize| what == Change::Password || self.people[*user].factors.contains_key(&Method::Key);
        let able = self.signed_in(browser).into_iter().filter(can).collect::<Vec<_>>();
        let Some(user) = able.iter().copied().find(|user| *user == who).or(able.first().copied()) else {
            return;
        };
        let need = Need { max_age: Some(FRESH), ..self.highest(user) };
        let id = self.people[user].user.id.clone();
        let led = match what {
            Change::Password => self.browsers[browser].get(&format!("/account/password?account={id}")).await,
            Change::RemovePasskey => {
                let page = self.browsers[browser].open(&format!("/account/passkeys?account={id}")).await;
                assert_eq!(page.page(), "account-passkeys", "{page:?}");
                let mut form = page.hidden_fields_beside("value=\"remove\"");
                form.push(("action".into(), "remove".into()));
                let form = form.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                self.browsers[browser].post("/account/passkeys", &form.collect::<Vec<_>>()).await
            }
        };
        sound(&led);
        let path = led.location().unwrap_or_else(|| panic!("it leads nowhere: {led:?}"));
        let tab = self.tabs.len();
        self.tabs.push(Tab::new(browser, Asks::Person(what), need, Some(user), &path));
        let reply = self.browsers[browser].follow(led).await;
        self.landed(tab, reply).await;
        self.fill_to_the_end(tab, with, user).await;
    }

    /// It is done, or was declined.
    pub fn back_at_the_account(&mut self, tab: usize, reply: &Reply) {
        let Asks::Person(what) = self.tabs[tab].asks else { panic!("not what was asked: {reply:?}") };
        let (Tab { browser, person, .. }, need) = (&self.tabs[tab], self.need(tab));
        let user = person.expect("a change about nobody");
        // Who removes what they are signed in with has to sign in before they are told what came of it.
        let untold = reply.page() != "account-passkeys";
        let (proofs, two) = (self.proofs(*browser, user, Some(tab)), self.people[user].two());
        let proved = need.stated(&proofs, two, Some(tab), self.now()).is_some();
        let proved = proved && !self.tabs[tab].declined;
        if says_that_it_is_done(reply) || untold && proved {
            self.changed(tab, what, reply);
        }
    }

    fn changed(&mut self, tab: usize, what: Change, reply: &Reply) {
        let (user, session, _) = self.settled(tab);
        match what {
            // Another page of theirs was first.
            Change::RemovePasskey if reply.path.contains("said=gone") => {}
            Change::RemovePasskey => {
                self.count("passkey removed");
                self.loses(user, |method| method == Method::Key);
            }
            Change::Password => {
                self.count("password changed");
                self.has_another_password(user, session);
            }
        }
    }

    /// Elsewhere everything ends. What was shown in this very session stands, and waits nowhere else.
    fn has_another_password(&mut self, user: usize, own: usize) {
        let old = self.people[user].factor(user, Method::Pwd).unwrap();
        self.people[user].gets(Method::Pwd);
        let new = self.people[user].factor(user, Method::Pwd).unwrap();
        let renamed = |proof: &mut Proof| {
            if proof.factor == old {
                proof.factor = new;
            }
        };
        self.sessions[own].proofs.iter_mut().for_each(renamed);
        let others = |(at, session): &(usize, &mut Session)| session.user == user && *at != own;
        self.sessions.iter_mut().enumerate().filter(others).for_each(|(_, session)| session.ended = true);
        for grant in self.grants.iter_mut().filter(|grant| grant.user == user) {
            grant.revoked |= grant.session != own;
            grant.statement.behind.iter_mut().for_each(renamed);
        }
    }
}
