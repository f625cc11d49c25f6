//! Judges one need: which combination of events serves a class, and which proofs would close the gap.

use super::factors::Account;
use super::factors::Factor;
use super::factors::SecondFactor;
use super::ledger::Assurance;
use super::ledger::Event;
use super::ledger::Method;
use super::ledger::amr;
use super::need::Need;
use super::need::Requested;
use super::plan::Menu;
use super::plan::Step;
use super::policy::Class;
use super::policy::Policy;
use super::policy::Proof;
use super::policy::Within;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::base::time::Time;

pub struct Judge<'a> {
    pub need: &'a Need,
    pub policy: &'a Policy,
    pub now: Time,
}

/// The events that serve a class, and the time of the oldest that had to be fresh.
struct Served<'e> {
    auth_time: Time,
    events: Vec<&'e Event>,
}

/// Factors that can show the same.
struct Kind {
    /// For each proof that the policy names: is it shown?
    shows: Vec<bool>,
    /// By one of them.
    proof: Event,
    factors: Vec<CredentialId>,
}

/// A class with the name it was asked for.
type Wanted<'a> = (&'a str, &'a Class);

/// More kinds of factor than this are not searched; an account has four or five.
const MOST_KINDS: usize = 10;

impl<'a> Judge<'a> {
    pub fn only_unknown_classes(&self) -> bool {
        matches!(self.need.requested, Requested::Required(_)) && self.wanted().is_empty()
    }

    pub fn leading_class(&self) -> String {
        self.wanted().first().map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    }

    /// Whether a passkey is of any use for this need, whoever has one: as long as nobody is known, no account decides it.
    pub fn a_passkey_helps(&self) -> bool {
        let factor = |method| Factor {
            device_bound: true,
            enrolled_at: Time::from_unix_seconds(0),
            ..self.new_factor(method)
        };
        let factors = [Method::Webauthn, Method::Pwd, Method::Otp, Method::Recovery].map(factor).to_vec();
        let nobody = UserId::from_text("nobody");
        let anybody = Account { user: nobody, factors, second_factor: SecondFactor::StepUp };
        let ways = self
            .wanted()
            .into_iter()
            .flat_map(|(_, class)| self.ways(class, &[], &anybody, &anybody.factors))
            .collect::<Vec<_>>();
        ways.iter().flatten().any(Step::is_passkey)
    }

    /// What can be stated from these events, if the need is met.
    pub fn statement(&self, events: &[Event], account: &Account) -> Option<Assurance> {
        let floors = self.floors_served(events, account)?;
        let (name, served) = self.answer(events)?;
        let mut behind = served.events.clone();
        for event in floors.into_iter().flat_map(|floor| floor.events) {
            if !behind.iter().any(|known| known.id == event.id) {
                behind.push(event);
            }
        }
        Some(Assurance {
            acr: name.to_owned(),
            amr: amr(&served.events),
            auth_time: served.auth_time,
            events: behind.iter().map(|event| event.id.clone()).collect(),
            credentials: behind.iter().map(|event| event.credential.clone()).collect(),
        })
    }

    /// The ways to the requested classes with what the account has; `None` if there is none.
    pub fn challenge(&self, events: &[Event], account: &Account) -> Option<Menu> {
        let wanted = self.wanted();
        let mut reachable = wanted.iter().filter_map(|(name, class)| {
            let ways = self.ways(class, events, account, &account.factors);
            (!ways.is_empty()).then_some((*name, ways))
        });
        let (class, mut ways) = reachable.next()?;
        for way in reachable.flat_map(|(_, ways)| ways) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        Some(Menu { class: class.to_owned(), ways })
    }

    /// What could be set up to reach a requested class: a passkey or TOTP, never a password or a recovery code.
    pub fn enrolment(&self, events: &[Event], account: &Account) -> Option<Menu> {
        let allowed = self.wanted().into_iter().filter(|(_, class)| class.enrol).collect::<Vec<_>>();
        let helps = |method| {
            allowed.iter().find(|(_, class)| {
                let mut factors = account.factors.clone();
                factors.push(self.new_factor(method));
                !self.ways(class, events, account, &factors).is_empty()
            })
        };
        let found = [Method::Webauthn, Method::Otp].map(|method| (method, helps(method)));
        let class = found.iter().find_map(|(_, class)| class.map(|(name, _)| (*name).to_owned()))?;
        let offered = found.iter().filter(|(_, class)| class.is_some());
        let ways = offered.map(|(method, _)| vec![Step::of_anybody(*method, *method == Method::Webauthn)]);
        Some(Menu { class, ways: ways.collect() })
    }

    /// The classes that may be answered, in the order in which they are tried for a challenge.
    fn wanted(&self) -> Vec<Wanted<'a>> {
        let named = |names: &'a [String]| {
            names
                .iter()
                .filter_map(|name| Some((name.as_str(), self.policy.class(name)?)))
                .collect::<Vec<_>>()
        };
        match &self.need.requested {
            Requested::Required(names) | Requested::Preferred(names) if !self.any_will_do() => named(names),
            Requested::Any | Requested::Required(_) | Requested::Preferred(_) => {
                self.policy.classes().iter().take(1).map(|class| (class.name.as_str(), class)).collect()
            }
        }
    }

    /// No class was asked for; a wish for classes that nobody knows is none.
    fn any_will_do(&self) -> bool {
        match &self.need.requested {
            Requested::Any => true,
            Requested::Required(_) => false,
            Requested::Preferred(names) => names.iter().all(|name| self.policy.class(name).is_none()),
        }
    }

    /// The class to answer with: of the requested ones the first that holds, else the strongest that does.
    fn answer<'e>(&self, events: &'e [Event]) -> Option<(&'a str, Served<'e>)> {
        let mut wanted = self.wanted();
        if self.any_will_do() {
            let (_, weakest) = wanted.first()?;
            self.served(weakest, events)?;
            wanted = self.policy.classes().iter().rev().map(|class| (class.name.as_str(), class)).collect();
        }
        wanted.into_iter().find_map(|(name, class)| Some((name, self.served(class, events)?)))
    }

    fn floors_served<'e>(&self, events: &'e [Event], account: &Account) -> Option<Vec<Served<'e>>> {
        let named = self.need.floors.iter().map(|name| self.policy.class(name));
        // A floor that the policy no longer knows can't be met: fail closed.
        let mut served = named.map(|class| self.served(class?, events)).collect::<Option<Vec<_>>>()?;
        if account.requires_aal2() {
            served.push(self.second_factor_served(events)?);
        }
        Some(served)
    }

    /// Whether the events serve the class that a mandatory second factor asks for.
    pub fn shows_second_factor(&self, events: &[Event]) -> bool {
        self.second_factor_served(events).is_some()
    }

    fn second_factor_served<'e>(&self, events: &'e [Event]) -> Option<Served<'e>> {
        self.served(self.policy.second_factor(), events)
    }

    /// The best combination of a class: the newest `auth_time`, then the first in the policy.
    fn served<'e>(&self, class: &Class, events: &'e [Event]) -> Option<Served<'e>> {
        let mut best = None::<Served>;
        for combination in &class.any_of {
            best = newer(best, self.combination_served(class, combination, events));
        }
        best
    }

    /// Gives each proof the newest event that fits. A combination names a method once, so no two want the same event.
    fn combination_served<'e>(
        &self,
        class: &Class,
        proofs: &[Proof],
        events: &'e [Event],
    ) -> Option<Served<'e>> {
        let mut served = Served { auth_time: self.now, events: Vec::new() };
        for proof in proofs {
            let fitting = events.iter().filter(|event| self.fits(class, proof, event));
            let event = fitting.max_by_key(|event| (event.at, &event.id))?;
            if proof.within.is_none() {
                served.auth_time = served.auth_time.min(event.at);
            }
            served.events.push(event);
        }
        Some(served)
    }

    fn fits(&self, class: &Class, proof: &Proof, event: &Event) -> bool {
        let age = self.now.seconds_since(event.at);
        let here = self.need.interaction.as_ref() == Some(&event.interaction);
        let timely = match proof.within {
            _ if here => true,
            _ if self.need.anew => false,
            None => smaller(self.need.max_age, class.max_age).is_none_or(|max_age| age <= max_age),
            Some(Within::Span(span)) => age <= span,
            Some(Within::Session) => true,
        };
        event.at.has_come(self.now) && timely && proof.is_shown_by(event)
    }

    /// Every smallest set of further proofs after which `class` and the floors hold.
    fn ways(&self, class: &Class, events: &[Event], account: &Account, factors: &[Factor]) -> Vec<Vec<Step>> {
        let here = self.need.interaction.clone().unwrap_or_else(|| InteractionId::from_text("to come"));
        let need = Need { interaction: Some(here.clone()), ..self.need.clone() };
        let then = Judge { need: &need, policy: self.policy, now: self.now };
        let kinds = self.kinds(factors, &here);
        let mut found = Vec::<usize>::new();
        let mut sets = (1_usize..1 << kinds.len()).collect::<Vec<_>>();
        sets.sort_by_key(|set| set.count_ones());
        for set in sets {
            let superset = found.iter().any(|smaller| set & smaller == *smaller);
            if superset {
                continue;
            }
            let given = members(&kinds, set).map(|kind| kind.proof.clone());
            let all = events.iter().cloned().chain(given).collect::<Vec<_>>();
            if then.served(class, &all).is_some() && then.floors_served(&all, account).is_some() {
                found.push(set);
            }
        }
        let mut ways = found
            .into_iter()
            .map(|set| {
                let mut way = members(&kinds, set)
                    .map(|kind| Step {
                        method: kind.proof.method,
                        uv: kind.proof.method == Method::Webauthn && kind.proof.uv,
                        factors: kind.factors.clone(),
                    })
                    .collect::<Vec<_>>();
                way.sort();
                way
            })
            .collect::<Vec<_>>();
        ways.sort_by_key(|way| (way.first().map(|step| step.method), way.len()));
        ways.dedup();
        ways
    }

    /// One proof for each kind of factor, as if it were given now; factors that can show the same are one kind.
    fn kinds(&self, factors: &[Factor], here: &InteractionId) -> Vec<Kind> {
        let mut kinds = Vec::<Kind>::new();
        for (index, factor) in factors.iter().enumerate() {
            let event = self.proof_now(factor, index, here);
            let shows = self.policy.proofs().map(|proof| proof.is_shown_by(&event)).collect::<Vec<_>>();
            let same = |kind: &Event| kind.method == factor.method && kind.uv == factor.uv;
            let has_room = kinds.len() < MOST_KINDS;
            let alike = kinds.iter_mut().find(|kind| kind.shows == shows && same(&kind.proof));
            match alike {
                Some(kind) => kind.factors.push(factor.credential.clone()),
                None if shows.contains(&true) && has_room => {
                    kinds.push(Kind { shows, proof: event, factors: vec![factor.credential.clone()] });
                }
                None => {}
            }
        }
        kinds
    }

    fn proof_now(&self, factor: &Factor, index: usize, here: &InteractionId) -> Event {
        Event {
            id: EventId::from_text(format!("to come {index}")),
            method: factor.method,
            at: self.now,
            interaction: here.clone(),
            credential: factor.credential.clone(),
            uv: factor.uv,
            device_bound: factor.device_bound,
            attested: factor.attested,
            factor_enrolled_at: factor.enrolled_at,
        }
    }

    fn new_factor(&self, method: Method) -> Factor {
        Factor {
            credential: CredentialId::from_text("to come"),
            method,
            uv: method == Method::Webauthn,
            device_bound: false,
            attested: false,
            enrolled_at: self.now,
        }
    }
}

fn members(kinds: &[Kind], set: usize) -> impl Iterator<Item = &Kind> {
    kinds.iter().enumerate().filter(move |(index, _)| set & (1 << index) != 0).map(|(_, kind)| kind)
}

fn newer<'e>(best: Option<Served<'e>>, found: Option<Served<'e>>) -> Option<Served<'e>> {
    match (&best, &found) {
        (Some(best), Some(found)) if found.auth_time <= best.auth_time => {}
        (_, None) => {}
        (_, Some(_)) => return found,
    }
    best
}

fn smaller(a: Option<Seconds>, b: Option<Seconds>) -> Option<Seconds> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
