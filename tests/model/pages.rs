//! Pages that are open: what the model knows of each, and what is typed there.

use super::account::FRESH;
use super::browser::Reply;
use super::mail::Mailed;
use super::operation::Acr;
use super::operation::Button;
use super::operation::Change;
use super::operation::With;
use super::passkeys::Answered;
use super::people::Session;
use super::statement::BY_RANK;
use super::statement::Method;
use super::statement::Need;
use super::statement::Proof;
use super::statement::Statement;
use super::world::World;
use super::world::sound;
use std::collections::BTreeMap;
use stepgate::base::time::Clock;
use stepgate::base::time::Time;
use stepgate::credential::totp::TotpSecret;

/// A request that leads to pages.
pub struct Tab {
    pub browser: usize,
    pub asks: Asks,
    pub need: Need,
    path: String,
    /// Whom it is about.
    pub person: Option<usize>,
    pub proofs: Vec<Proof>,
    /// The name that was chosen of those that are remembered.
    pub chosen: Option<usize>,
    /// What a passkey last answered here.
    pub answered: Option<Answered>,
    pub declined: bool,
    pub mailed: Mailed,
    /// The application asks for consent (`prompt=consent`); when its person has given it.
    pub wants_consent: bool,
    consented: Option<i64>,
    /// When the page of recovery codes was answered.
    codes_read: Option<i64>,
    pages: Vec<Reply>,
    pub open: bool,
    /// When its time was seen to be over. If the clock is set back, it may be open again until then.
    ran_out: Option<i64>,
}

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asks {
    /// A client, which may want tokens that outlive the session.
    Client(usize, bool),
    Person(Change),
}

const STEP: i64 = 30;
/// No tab: a proof that counts by its age alone.
const BEFORE: usize = usize::MAX - 1;

impl Tab {
    pub fn new(browser: usize, asks: Asks, need: Need, person: Option<usize>, path: &str) -> Self {
        Self {
            browser,
            asks,
            need,
            path: path.to_owned(),
            person,
            proofs: Vec::new(),
            chosen: None,
            answered: None,
            declined: false,
            mailed: Mailed::default(),
            wants_consent: false,
            consented: None,
            codes_read: None,
            pages: Vec::new(),
            open: true,
            ran_out: None,
        }
    }

    /// What was proved here before a page was read is as old as it is: reading is no reason to let it pass.
    fn as_of_reading(&self, need: &Need, proofs: &[Proof], tab: usize) -> (Need, Vec<Proof>) {
        let is_over = !self.wants_consent || self.consented.is_some();
        let read =
            self.consented.max(self.codes_read).filter(|_| is_over && matches!(self.asks, Asks::Client(..)));
        let Some(read) = read else { return (need.clone(), proofs.to_vec()) };
        let aged = |proof: &Proof| proof.tab == tab && proof.at < read;
        if !proofs.iter().any(aged) {
            return (need.clone(), proofs.to_vec());
        }
        let here = proofs.iter().filter(|proof| !need.anew || proof.tab == tab);
        let proofs = here.map(|proof| if aged(proof) { Proof { tab: BEFORE, ..*proof } } else { *proof });
        (Need { anew: false, ..need.clone() }, proofs.collect())
    }

    pub fn end(&mut self) {
        (self.open, self.ran_out) = (false, None);
    }
}

impl World {
    pub async fn fill(&mut self, place: usize, with: With, who: usize) {
        if let Some(tab) = self.open_tab(place) {
            self.fill_tab(tab, with, who).await;
        }
    }

    pub async fn fill_tab(&mut self, tab: usize, with: With, who: usize) {
        let Some(mut page) = self.look(tab).await else { return };
        if with == With::OtherWay && page.body.contains("value=\"other-way\"") {
            let browser = self.tabs[tab].browser;
            page = self.browsers[browser].submit(&page, &[("action", "other-way")]).await;
            self.landed(tab, page.clone()).await;
        }
        let browser = self.tabs[tab].browser;
        let person = self.tabs[tab].person;
        match (page.page().as_str(), person) {
            ("select-account", _) => self.choose(tab, &page, who).await,
            ("login", _) if self.takes_a_passkey(tab, &page, with, who) => {
                self.sign_in_with_passkey(tab, &page, with, who).await
            }
            ("login", _) => self.sign_in(tab, &page, with, who).await,
            ("password", Some(person)) => {
                let password = self.password(person, with);
                let right = password == self.people[person].password();
                let fields = [("username", self.people[who].user.name.clone()), ("password", password)];
                self.prove(tab, &page, (person, Method::Pwd), &fields, right).await;
            }
            ("totp", Some(person)) => {
                let (code, right) = self.code(person, with);
                if self.prove(tab, &page, (person, Method::Otp), &[("code", code)], right).await {
                    self.people[person].last_step = self.now().div_euclid(STEP);
                }
            }
            ("recovery", Some(person)) => {
                // In every other page a wrong one is tried before the right one: that of the last time, if there was one.
                let before = self.people[person].failed.get(&Method::Recovery).copied().unwrap_or_default();
                let again = with == With::OtherWay && before == 0 && tab.is_multiple_of(2);
                let (code, right) = self.recovery_code(person, if again { With::Spent } else { with });
                // It is spent before the answer that follows from it is looked at.
                if right {
                    let spent = self.people[person].codes.remove(0);
                    self.people[person].spent_codes.push(spent);
                }
                let taken =
                    self.prove(tab, &page, (person, Method::Recovery), &[("code", code)], right).await;
                if right && !taken {
                    let unspent = self.people[person].spent_codes.pop().unwrap();
                    self.people[person].codes.insert(0, unspent);
                }
            }
            ("account-password", Some(person)) if with != With::Wrong => {
                let password = self.people[person].next_password();
                let reply = self.browsers[browser].submit(&page, &[("password", &password)]).await;
                self.landed(tab, reply).await;
            }
            ("consent", Some(_)) if with != With::Wrong => {
                self.tabs[tab].consented = Some(self.now());
                self.count("consent given");
                let reply = self.browsers[browser].submit(&page, &[]).await;
                self.landed(tab, reply).await;
            }
            ("passkey", Some(person)) => self.prove_with_passkey(tab, &page, with, person).await,
            ("enrol-totp", Some(person)) if with != With::Wrong => self.set_up_totp(tab, &page, person).await,
            ("enrol-passkey", Some(person)) if with != With::Wrong => {
                self.strongest_was_shown(tab, person);
                self.mailbox_was_shown(tab, person);
                let reply = self.browsers[browser].tap(&page, &mut self.people[person].phone).await;
                let owner = &mut self.people[person];
                owner.keys += 1;
                owner.newest_key = owner.gets(Method::Key);
                assert_ne!(reply.page(), "enrol-passkey", "a passkey is refused");
                self.landed(tab, reply).await;
            }
            ("mail-code", Some(_)) if with != With::Wrong => {
                let has_it = [With::Right, With::Passkey, With::OtherWay].contains(&with);
                self.enter_mailed_code(tab, &page, has_it).await;
            }
            ("recovery-codes", Some(person)) if with != With::Wrong => {
                assert!(!self.people[person].factors.contains_key(&Method::Recovery), "there are codes");
                let shown = page.body.split("<li><code>").skip(1);
                let owner = &mut self.people[person];
                owner.codes = shown.map(|rest| rest.split_once('<').unwrap().0.to_owned()).collect();
                owner.spent_codes.clear();
                owner.gets(Method::Recovery);
                self.tabs[tab].codes_read = Some(self.now());
                let reply = self.browsers[browser].submit(&page, &[]).await;
                self.landed(tab, reply).await;
            }
            (_, None) => panic!("a page about nobody: {page:?}"),
            (_, Some(_)) => self.decline(tab, &page).await,
        }
    }

    async fn set_up_totp(&mut self, tab: usize, page: &Reply, person: usize) {
        self.strongest_was_shown(tab, person);
        self.mailbox_was_shown(tab, person);
        let shown = page.between("<code id=\"secret\" class=\"secret\">", "</code>");
        let secret = TotpSecret::from_bytes(base32(&shown));
        let code = secret.code_at(self.app.clock.now()).unwrap();
        let step = self.now().div_euclid(STEP);
        let owner = &mut self.people[person];
        (owner.user.totp, owner.last_step) = (Some(secret), step);
        owner.gets(Method::Otp);
        self.prove(tab, page, (person, Method::Otp), &[("code", code)], true).await;
    }

    /// A form of an earlier page does nothing, whatever is in it. Of what is over, the last form is an earlier one too: it has
    /// brought its answer, and brings no other one.
    pub async fn send_old_form(&mut self, place: usize, earlier: usize, over: bool) {
        let form = |page: &Reply| (page.page(), step(page));
        let has_one = |tab: &Tab| {
            let mut forms = tab.pages.iter().map(form).collect::<Vec<_>>();
            forms.dedup();
            tab.open != over && forms.len() > usize::from(tab.open)
        };
        let with_one = (0..self.tabs.len()).rev().filter(|tab| has_one(&self.tabs[*tab]));
        let Some(tab) = with_one.clone().nth(place) else { return };
        let stands = self.look(tab).await;
        let stood = stands.as_ref().map(form);
        let mut old = self.tabs[tab].pages.iter().rev().collect::<Vec<_>>();
        old.retain(|page| Some(form(page)) != stood);
        old.dedup_by_key(|page| form(page));
        let Some(old) = old.get(earlier).map(|page| (*page).clone()) else { return };
        let user = self.tabs[tab].person.unwrap_or(0);
        let code = self.code(user, With::Right).0;
        let code = if old.page() == "recovery" { self.recovery_code(user, With::Right).0 } else { code };
        let (name, password) = (self.people[user].user.name.clone(), self.people[user].password());
        let fields = [("username", name.as_str()), ("password", &password), ("code", &code)];
        let browser = self.tabs[tab].browser;
        let answered = self.tabs[tab].answered.clone().filter(|answered| form(&answered.page) == form(&old));
        let reply = match answered {
            Some(Answered { ceremony, said, .. }) => {
                self.browsers[browser].answer(&old, &ceremony, &said).await
            }
            None => self.browsers[browser].submit(&old, &fields).await,
        };
        self.count(if stood.is_some() { "old form sent" } else { "form of what is over sent" });
        if stood.is_some() {
            assert_eq!(Some(form(&reply)), stood, "a form of an earlier page did something: {old:?}");
        }
        self.landed(tab, reply).await;
    }

    pub async fn press(&mut self, place: usize, button: Button) {
        let Some(tab) = self.open_tab(place) else { return };
        let Some(page) = self.look(tab).await else { return };
        let action = match button {
            Button::Decline => return self.decline(tab, &page).await,
            Button::OtherWay => "other-way",
            Button::OtherAccount => "other-account",
        };
        let browser = self.tabs[tab].browser;
        let reply = self.browsers[browser].submit(&page, &[("action", action)]).await;
        let known = ["password", "totp", "passkey", "recovery"].contains(&page.page().as_str());
        let this = &mut self.tabs[tab];
        if action == "other-account" && (page.page() == "login" || known && this.need.subject.is_none()) {
            (this.person, this.chosen, this.consented, this.codes_read) = (None, None, None, None);
            this.mailed = Mailed::default();
            this.proofs.clear();
        }
        self.landed(tab, reply).await;
    }

    async fn decline(&mut self, tab: usize, page: &Reply) {
        if page.page() == "recovery-codes" {
            self.tabs[tab].codes_read = Some(self.now());
        }
        self.tabs[tab].declined = true;
        let browser = self.tabs[tab].browser;
        let reply = self.browsers[browser].submit(page, &[("action", "decline")]).await;
        self.landed(tab, reply).await;
    }

    /// Newest first.
    fn open_tab(&self, place: usize) -> Option<usize> {
        (0..self.tabs.len()).rev().filter(|tab| self.tabs[*tab].open).nth(place)
    }

    /// The page as it stands, if there still is one.
    async fn look(&mut self, tab: usize) -> Option<Reply> {
        let path = self.tabs[tab].path.clone();
        let reply = self.browsers[self.tabs[tab].browser].open(&path).await;
        self.landed(tab, reply.clone()).await;
        self.tabs[tab].open.then_some(reply)
    }

    async fn choose(&mut self, tab: usize, page: &Reply, who: usize) {
        let browser = self.tabs[tab].browser;
        let offered = page.body.contains(self.people[who].user.id.as_str());
        let signed_in = self.session(browser, who).is_some();
        assert!(offered || !signed_in, "{who} is signed in and not offered");
        if !offered {
            let reply = self.browsers[browser].submit(page, &[("action", "other-account")]).await;
            return self.landed(tab, reply).await;
        }
        let reply = self.browsers[browser].choose(page, &self.people[who].user).await;
        match signed_in {
            true => (self.tabs[tab].person, self.tabs[tab].mailed) = (Some(who), Mailed::default()),
            false => self.tabs[tab].chosen = Some(who),
        }
        self.landed(tab, reply).await;
    }

    async fn sign_in(&mut self, tab: usize, page: &Reply, with: With, who: usize) {
        let password = self.password(who, with);
        let right = password == self.people[who].password() && self.may_sign_in(tab, who);
        let fields = [("username", self.people[who].user.name.clone()), ("password", password)];
        if self.tabs[tab].chosen.is_some() {
            self.tabs[tab].chosen = Some(who);
        }
        self.prove(tab, page, (who, Method::Pwd), &fields, right).await;
    }

    pub fn may_sign_in(&self, tab: usize, who: usize) -> bool {
        self.people[who].enabled && self.tabs[tab].need.subject.is_none_or(|subject| subject == who)
    }

    /// Sends a form with a proof. Says whether it counts.
    async fn prove(
        &mut self,
        tab: usize,
        page: &Reply,
        of: (usize, Method),
        fields: &[(&str, String)],
        right: bool,
    ) -> bool {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
        let reply = self.browsers[self.tabs[tab].browser].submit(page, &fields).await;
        self.judged(tab, page, of, right, reply).await
    }

    pub async fn judged(
        &mut self,
        tab: usize,
        page: &Reply,
        (user, method): (usize, Method),
        right: bool,
        reply: Reply,
    ) -> bool {
        sound(&reply);
        self.tell(format!("    {method:?} of {}, {right}", self.people[user].user.name));
        self.count(&format!("{method:?} {}", if right { "given" } else { "refused" }));
        let failed = self.people[user].failed.entry(method).or_default();
        if reply.status == 429 {
            assert!(*failed >= 5, "{method:?} of {user} is braked after {failed} failures");
            return false;
        }
        let told = reply.body.contains("id=\"problem\"");
        if right {
            *failed = 0;
            assert!(!told, "a right proof is refused: {reply:?}");
            let factor = self.people[user].factor(user, method).unwrap();
            let at = self.now();
            self.given.push((user, method, at));
            let this = &mut self.tabs[tab];
            if this.person != Some(user) {
                (this.consented, this.codes_read, this.mailed) = (None, None, Mailed::default());
            }
            this.person = Some(user);
            this.proofs.push(Proof { factor, at, tab });
        } else {
            *failed += 1;
            let ended = match self.tabs[tab].asks {
                Asks::Client(..) => reply.location().is_some() && reply.outcome() == "access_denied",
                Asks::Person(_) => reply.path != self.tabs[tab].path && !says_that_it_is_done(&reply),
            };
            assert!(told || ended, "a wrong proof passes at {}: {reply:?}", page.page());
        }
        self.landed(tab, reply).await;
        right
    }

    /// What a page led to: another page, or the application.
    pub async fn landed(&mut self, tab: usize, reply: Reply) {
        sound(&reply);
        self.tell(format!("    {}", reply.outcome()));
        let now = self.now();
        let this = &mut self.tabs[tab];
        let stands = this.open || this.ran_out.is_some_and(|at| now < at);
        match (reply.location().is_some(), reply.status.as_u16()) {
            (true, _) => {
                assert!(stands, "an answer out of what is over: {reply:?}");
                this.end();
                self.count(&format!("page ends with {}", reply.outcome()));
                if reply.outcome() == "code" {
                    self.answered(tab, &reply);
                }
            }
            (false, 200) if reply.path != this.path => {
                assert!(stands, "an answer out of what is over: {reply:?}");
                this.end();
                self.back_at_the_account(tab, &reply);
            }
            (false, 200) => {
                assert!(stands, "a page of what is over: {reply:?}");
                this.open = true;
                // Whoever says no stays signed in.
                if reply.page() == "consent" && !this.proofs.is_empty() {
                    self.settled(tab);
                    self.tabs[tab].proofs.clear();
                }
                self.page_is_right(tab, &reply);
                if reply.page() == "mail-code" {
                    self.is_mailed(tab, &reply).await;
                }
                self.tabs[tab].pages.push(reply);
            }
            (false, 429) => {}
            (false, _) if stands => (this.open, this.ran_out) = (false, Some(now)),
            (false, _) => {}
        }
    }

    /// It is about the one whom it has to be about, and nobody is asked for what is proved.
    fn page_is_right(&self, tab: usize, page: &Reply) {
        let this = &self.tabs[tab];
        let name = page.page();
        if ["recovery-codes", "account-password"].contains(&name.as_str()) {
            return;
        }
        if ["password", "totp", "passkey", "recovery", "enrol-passkey", "enrol-totp"].contains(&name.as_str())
        {
            let person = this.person.expect("a page about nobody");
            let shown = format!("<strong>{}</strong>", self.people[person].user.name);
            assert!(page.body.contains(&shown), "it is about {person}: {page:?}");
            assert!(this.need.subject.is_none_or(|subject| subject == person), "{:?}", this.need);
        }
        let Some(person) = this.person else { return };
        if name == "consent" {
            assert!(this.wants_consent && this.consented.is_none(), "nobody asks for consent: {page:?}");
            return;
        }
        let (proofs, two) = (self.proofs(this.browser, person, Some(tab)), self.people[person].two());
        let (need, proofs) = this.as_of_reading(&self.need(tab), &proofs, tab);
        let proved = match this.declined || !self.in_reach(person, &need, &proofs) {
            true => need.stated(&proofs, two, Some(tab), self.now()),
            false => need.strictly_stated(&proofs, two, Some(tab), self.now()),
        };
        assert_eq!(proved, None, "page {name}, though it is proved");
    }

    /// A request ends with a code.
    fn answered(&mut self, tab: usize, reply: &Reply) {
        let Asks::Client(client, offline) = self.tabs[tab].asks else {
            panic!("a code for nobody: {reply:?}")
        };
        let (user, session, statement) = self.settled(tab);
        self.granted(reply, (client, user, session, offline), statement);
    }

    /// What was asked for is proved: the proofs become those of the session.
    pub fn settled(&mut self, tab: usize) -> (usize, usize, Statement) {
        let (browser, now) = (self.tabs[tab].browser, self.now());
        let user = self.tabs[tab].person.expect("an answer about nobody");
        let need = self.need(tab);
        assert!(need.subject.is_none_or(|subject| subject == user), "an answer about another one: {need:?}");
        assert!(self.people[user].enabled, "an answer about somebody who is disabled");
        let proofs = self.proofs(browser, user, Some(tab));
        let (asked, young) = self.tabs[tab].as_of_reading(&need, &proofs, tab);
        let statement = asked.stated(&young, self.people[user].two(), Some(tab), now);
        let statement = statement.unwrap_or_else(|| panic!("an answer to {need:?}, proved is {proofs:?}"));
        let session = self.session(browser, user).unwrap_or_else(|| {
            let own = self.sessions.iter_mut().filter(|s| s.browser == browser && s.user == user);
            own.for_each(|session| session.ended = true);
            let (proofs, answered) = (Vec::new(), BTreeMap::new());
            self.sessions.push(Session {
                browser,
                user,
                started: now,
                seen: now,
                ended: false,
                proofs,
                answered,
            });
            self.sessions.len() - 1
        });
        self.sessions[session].proofs = proofs;
        self.sessions[session].seen = now;
        (user, session, statement)
    }

    /// Nothing is set up by anybody who has not shown the highest rank that is there, for this very request.
    fn strongest_was_shown(&self, tab: usize, person: usize) {
        let need = Need { anew: true, ..self.highest(person) };
        let (shown, two) =
            (self.proofs(self.tabs[tab].browser, person, Some(tab)), self.people[person].two());
        let stated = need.strictly_stated(&shown, two, Some(tab), self.now());
        assert!(stated.is_some(), "something is set up without {:?}", need.acr);
    }

    /// The highest rank that the factors of somebody reach, whatever the classes are.
    pub fn highest(&self, user: usize) -> Need {
        let factors = &self.people[user].factors;
        let [passkey, code, password] = BY_RANK;
        let rank = match (factors.contains_key(&Method::Key), factors.contains_key(&Method::Otp)) {
            (true, _) => passkey,
            (false, true) => code,
            (false, false) => password,
        };
        Need {
            acr: Acr::Values(vec![rank]),
            floor: None,
            max_age: None,
            anew: false,
            silent: false,
            subject: Some(user),
            policy: self.policy,
        }
    }

    /// What the page has to meet now: what a change demands follows from the factors that are there, and not from those that were when the
    /// page was opened.
    pub fn need(&self, tab: usize) -> Need {
        match (self.tabs[tab].asks, self.tabs[tab].need.subject) {
            (Asks::Person(_), Some(user)) => Need { max_age: Some(FRESH), ..self.highest(user) },
            (Asks::Client(client, _), _) => self.with_floors(&self.tabs[tab].need, client),
            (Asks::Person(_), None) => self.tabs[tab].need.clone(),
        }
    }

    fn password(&self, user: usize, with: With) -> String {
        match with {
            With::Right | With::Passkey | With::OtherWay => self.people[user].password(),
            With::OfAnother => self.people[(user + 1) % self.people.len()].password(),
            With::Wrong => "a guess".to_owned(),
            With::Spent => format!("{} keeps horse number 1", self.people[user].user.name),
        }
    }

    /// A code of an authenticator app, and whether it is right.
    fn code(&self, user: usize, with: With) -> (String, bool) {
        let now = self.app.clock.now();
        let code = |user: usize, at: Time| {
            let totp = self.people[user].user.totp.as_ref();
            totp.map_or_else(|| "000000".to_owned(), |totp| totp.code_at(at).unwrap())
        };
        let person = &self.people[user];
        match with {
            With::Right | With::Passkey | With::OtherWay => {
                (code(user, now), self.now().div_euclid(STEP) > person.last_step)
            }
            With::OfAnother => (code((user + 2) % self.people.len(), now), false),
            With::Spent => (code(user, Time::from_unix_seconds(person.last_step * STEP)), false),
            With::Wrong => {
                let right = code(user, now);
                let first = (right.as_bytes()[0] - b'0' + 1) % 10;
                (format!("{first}{}", &right[1..]), false)
            }
        }
    }

    fn recovery_code(&self, user: usize, with: With) -> (String, bool) {
        let person = &self.people[user];
        let other = &self.people[(user + 1) % self.people.len()];
        match with {
            With::Right | With::Passkey | With::OtherWay if !person.codes.is_empty() => {
                (person.codes[0].clone(), true)
            }
            With::Spent if !person.spent_codes.is_empty() => {
                (person.spent_codes[person.spent_codes.len() - 1].clone(), false)
            }
            With::OfAnother if !other.codes.is_empty() => (other.codes[0].clone(), false),
            _ => ("0000-0000-0000-0000".to_owned(), false),
        }
    }
}

/// The account page tells of a change.
pub fn says_that_it_is_done(reply: &Reply) -> bool {
    reply.path.contains("said=") && !reply.path.contains("said=too-many-tries")
}

/// RFC 4648 §6, as a page groups it.
fn base32(text: &str) -> Vec<u8> {
    let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
    let numbers = letters.map(|c| if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' });
    let bits = numbers.flat_map(|n| (0..5).rev().map(move |bit| n >> bit & 1)).collect::<Vec<_>>();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn step(page: &Reply) -> Option<String> {
    page.hidden_fields().into_iter().find(|(name, _)| name == "step").map(|(_, step)| step)
}
