//! An application asks: what the model expects, and what came.

use super::browser::Reply;
use super::operation::About;
use super::operation::Acr;
use super::operation::MFA;
use super::operation::Wish;
use super::pages::Asks;
use super::pages::Tab;
use super::statement::Class;
use super::statement::Method;
use super::statement::Need;
use super::statement::Proof;
use super::statement::Statement;
use super::world::World;
use super::world::sound;

/// Of the oldest proof that a client with floors takes.
const FLOOR_AGE: i64 = 300;

/// Whom a request is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Known(usize),
    Nobody,
    Unclear,
}

impl World {
    /// The page that it leads to, if it leads to one.
    pub async fn ask(&mut self, browser: usize, wish: &Wish) -> Option<usize> {
        let subject = match self.subject(wish) {
            Ok(subject) => subject,
            Err(()) => {
                let reply = self.send(browser, wish).await;
                assert_eq!(reply.outcome(), "invalid_request", "a hint that is another client's");
                return None;
            }
        };
        let asked = need(wish, subject, self.policy);
        let need = self.with_floors(&asked, wish.client);
        let who = self.who(browser, &need, wish);
        let statement = match who {
            Who::Known(user) if wish.prompt != Some("consent") => self.silently(browser, user, &need),
            Who::Known(_) | Who::Nobody | Who::Unclear => None,
        };
        let signed_in = self.signed_in(browser);
        let reply = self.send(browser, wish).await;
        if reply.status == 429 {
            return None;
        }
        match (reply.outcome().as_str(), statement) {
            ("code", Some(statement)) => {
                let Who::Known(user) = who else { panic!("nobody is known") };
                let session = self.session(browser, user).unwrap();
                let now = self.now();
                self.sessions[session].is_answered_silently(now);
                self.granted(&reply, (wish.client, user, session, wish.offline), statement);
                None
            }
            ("code", None) => {
                panic!("a code, though {who:?} of {signed_in:?} has not proved what is needed: {need:?}")
            }
            (came, Some(statement)) => panic!("{came}, though {statement:?} is proved"),
            (came, None) if need.silent => {
                assert!(reply.location().is_some(), "prompt=none shows a page: {came}");
                let several = who == Who::Unclear;
                let errors = match several {
                    true => vec!["account_selection_required", "unmet_authentication_requirements"],
                    false => {
                        vec!["login_required", "interaction_required", "unmet_authentication_requirements"]
                    }
                };
                assert!(errors.contains(&came), "{came} of {who:?}");
                None
            }
            (came, None) if reply.location().is_some() => {
                assert_eq!(came, "unmet_authentication_requirements");
                None
            }
            (_, None) => {
                let person = match who {
                    Who::Known(user) => Some(user),
                    Who::Nobody | Who::Unclear => None,
                };
                let asks = Asks::Client(wish.client, wish.client == 1 && wish.offline);
                self.tabs.push(Tab::new(browser, asks, asked, person, &reply.path));
                let tab = self.tabs.len() - 1;
                self.tabs[tab].wants_consent = wish.prompt == Some("consent");
                self.landed(tab, reply).await;
                Some(tab)
            }
        }
    }

    /// What its client is registered with by now holds as well.
    pub fn with_floors(&self, need: &Need, client: usize) -> Need {
        if client != 1 || !self.raised {
            return need.clone();
        }
        let max_age = need.max_age.into_iter().chain([FLOOR_AGE]).min();
        Need { floor: Some(MFA), max_age, ..need.clone() }
    }

    async fn send(&mut self, browser: usize, wish: &Wish) -> Reply {
        let path = self.request(wish).path();
        let reply = self.browsers[browser].open(&path).await;
        sound(&reply);
        self.tell(format!("    {}", reply.outcome()));
        self.count(&format!("asked, {}", reply.outcome()));
        reply
    }

    fn subject(&self, wish: &Wish) -> Result<Option<usize>, ()> {
        match wish.about {
            None => Ok(None),
            Some(About::Sub(user)) => Ok(Some(user)),
            Some(About::Hint(place)) => match self.grant(place).map(|grant| &self.grants[grant]) {
                Some(grant) if grant.id_token.is_none() => Ok(None),
                Some(grant) if grant.client == wish.client => Ok(Some(grant.user)),
                Some(_) => Err(()),
                None => Ok(None),
            },
        }
    }

    fn who(&self, browser: usize, need: &Need, wish: &Wish) -> Who {
        let signed_in = self.signed_in(browser);
        if let Some(subject) = need.subject {
            return if signed_in.contains(&subject) { Who::Known(subject) } else { Who::Nobody };
        }
        if wish.prompt == Some("select_account") {
            return Who::Unclear;
        }
        match signed_in.as_slice() {
            [] => Who::Nobody,
            [only] => Who::Known(*only),
            several => {
                let answered = several.iter().filter_map(|user| {
                    let session = self.session(browser, *user)?;
                    Some((self.sessions[session].answered.get(&wish.client)?, *user))
                });
                answered.max().map_or(Who::Unclear, |(_, user)| Who::Known(user))
            }
        }
    }

    /// What is answered at once. A preference is asked for where it is in reach, and given up where it is not, or nobody may be asked.
    fn silently(&self, browser: usize, user: usize, need: &Need) -> Option<Statement> {
        let (proofs, two, now) = (self.proofs(browser, user, None), self.people[user].two(), self.now());
        let preferred = need.strictly_stated(&proofs, two, None, now);
        if preferred.is_some() || !need.silent && self.in_reach(user, need, &proofs) {
            return preferred;
        }
        need.stated(&proofs, two, None, now)
    }

    /// With everything that this account has, shown now.
    pub fn in_reach(&self, user: usize, need: &Need, proofs: &[Proof]) -> bool {
        let (now, tab) = (self.now(), usize::MAX);
        let person = &self.people[user];
        let usable = person.factors.keys().filter(|m| **m != Method::Recovery || !person.codes.is_empty());
        let shown =
            usable.filter_map(|method| Some(Proof { factor: person.factor(user, *method)?, at: now, tab }));
        let all = proofs.iter().copied().chain(shown).collect::<Vec<_>>();
        need.strictly_stated(&all, person.two(), Some(tab), now).is_some()
    }
}

fn need(wish: &Wish, subject: Option<usize>, policy: &'static [Class]) -> Need {
    let floors = wish.client == 2;
    let max_age = wish.max_age.map(i64::from).into_iter().chain(floors.then_some(FLOOR_AGE)).min();
    Need {
        acr: match &wish.acr {
            Acr::Any => Acr::Any,
            named => named.clone(),
        },
        floor: floors.then_some(MFA),
        max_age,
        anew: wish.prompt == Some("login") || max_age == Some(0),
        silent: wish.prompt == Some("none"),
        subject,
        policy,
    }
}
