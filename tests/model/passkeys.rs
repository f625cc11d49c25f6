//! Passkeys on the pages: shown, and shown once more (attack: whoever has recorded an answer sends it again).

use super::browser::Reply;
use super::operation::With;
use super::statement::Method;
use super::world::World;
use serde_json::Value;

/// A ceremony that was answered: on which page, and with what.
#[derive(Clone)]
pub struct Answered {
    pub page: Reply,
    pub ceremony: Value,
    pub said: String,
    replayed: bool,
}

impl World {
    /// On a page where a password would do.
    pub fn takes_a_passkey(&self, tab: usize, page: &Reply, with: With, who: usize) -> bool {
        let wanted = [With::Passkey, With::Wrong].contains(&with)
            || with == With::Spent && self.to_replay(tab, with).is_some();
        wanted && self.people[who].keys > 0 && page.body.contains("data-passkey")
    }

    pub async fn sign_in_with_passkey(&mut self, tab: usize, page: &Reply, with: With, who: usize) {
        let Some(page) = self.still_there_after_replays(tab, page, with, who).await else { return };
        let own = self.people[who].factors.get(&Method::Key) == Some(&self.people[who].newest_key);
        let chosen = self.tabs[tab].chosen.is_none_or(|chosen| chosen == who);
        let right = with != With::Wrong && own && chosen && self.may_sign_in(tab, who);
        let reply = self.tapped(tab, &page, with, who).await;
        self.judged(tab, &page, (who, Method::Key), right, reply.clone()).await;
        self.refused_ones_are_replayed(tab, &reply, who).await;
    }

    pub async fn prove_with_passkey(&mut self, tab: usize, page: &Reply, with: With, person: usize) {
        let other = (person + 1) % self.people.len();
        let whose = if with == With::OfAnother { other } else { person };
        if self.people[whose].keys == 0 {
            return;
        }
        let Some(page) = self.still_there_after_replays(tab, page, with, person).await else { return };
        let reply = self.tapped(tab, &page, with, whose).await;
        let right = with != With::Wrong && whose == person;
        self.judged(tab, &page, (person, Method::Key), right, reply.clone()).await;
        self.refused_ones_are_replayed(tab, &reply, person).await;
    }

    /// An answer that was refused has used up its challenge too: the right one would come too late.
    async fn refused_ones_are_replayed(&mut self, tab: usize, stands: &Reply, who: usize) {
        let asks = stands.page() == "passkey" || stands.body.contains("data-passkey");
        let refused = stands.body.contains("id=\"problem\"") && asks && self.tabs[tab].open;
        if refused && self.people[who].keys > 0 {
            self.replay(tab, stands, who, tab).await;
        }
    }

    async fn tapped(&mut self, tab: usize, page: &Reply, with: With, whose: usize) -> Reply {
        let browser = self.tabs[tab].browser;
        let ceremony = self.browsers[browser].ceremony(page).await;
        let phone = &mut self.people[whose].phone;
        phone.verifies = with != With::Wrong;
        let said = match with == With::OfAnother {
            true => phone.get_anyway(&ceremony["options"]),
            false => phone.get(&ceremony["options"]),
        };
        phone.verifies = true;
        let reply = self.browsers[browser].answer(page, &ceremony, &said).await;
        self.tabs[tab].answered = Some(Answered { page: page.clone(), ceremony, said, replayed: false });
        reply
    }

    /// Before somebody uses their own passkey, what was answered here is tried once more. `None` if that was all they came for.
    async fn still_there_after_replays(
        &mut self,
        tab: usize,
        page: &Reply,
        with: With,
        who: usize,
    ) -> Option<Reply> {
        let Some(of) = self.to_replay(tab, with) else { return Some(page.clone()) };
        let stands = self.replay(tab, page, who, of).await;
        (with != With::Spent && self.tabs[tab].open).then_some(stands)
    }

    /// The request whose ceremony that is: this one, or the last one of its browser.
    fn to_replay(&self, tab: usize, with: With) -> Option<usize> {
        let browser = self.tabs[tab].browser;
        let others = (0..self.tabs.len()).rev().filter(|other| self.tabs[*other].browser == browser);
        let answered = |tab: &usize| {
            let answered = self.tabs[*tab].answered.as_ref();
            answered.is_some_and(|answered| with == With::Spent || !answered.replayed)
        };
        [tab].into_iter().chain(others).find(answered)
    }

    /// WebAuthn §13.4.3: a challenge is used once. Neither the same answer proves anything once more, nor another one to the same
    /// challenge, nor the same one to another challenge.
    async fn replay(&mut self, tab: usize, page: &Reply, who: usize, of: usize) -> Reply {
        let spent = self.tabs[of].answered.as_mut().expect("nothing was answered");
        spent.replayed = true;
        let Answered { ceremony, said, .. } = spent.clone();
        self.count(if of == tab { "passkey replayed" } else { "passkey replayed elsewhere" });
        let browser = self.tabs[tab].browser;
        let another = self.people[who].phone.get_anyway(&ceremony["options"]);
        let unspent = self.browsers[browser].ceremony(page).await;
        let mut stands = page.clone();
        for (ceremony, said) in [(&ceremony, &said), (&ceremony, &another), (&unspent, &said)] {
            let reply = self.browsers[browser].answer(&stands, ceremony, said).await;
            self.judged(tab, &stands, (who, Method::Key), false, reply.clone()).await;
            stands = reply;
        }
        stands
    }
}
