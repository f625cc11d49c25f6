//! The people of the world, what they have to prove themselves with, and their sessions.

use super::app::ISSUER;
use super::app::TestApp;
use super::app::TestUser;
use super::authenticator::Authenticator;
use super::statement::Factor;
use super::statement::Method;
use super::statement::Proof;
use std::collections::BTreeMap;
use stepgate::assurance::factors::SecondFactor;
use stepgate::base::entropy::SystemEntropy;
use stepgate::base::id::CredentialId;
use stepgate::base::time::Clock;
use stepgate::credential::guessable::Guessable;
use stepgate::credential::password::NewPassword;
use stepgate::store::credentials;
use stepgate::store::credentials::Credential;
use stepgate::store::credentials::Kind;

pub struct Person {
    pub user: TestUser,
    pub enabled: bool,
    /// Asked for the second factor at every sign-in.
    pub always_two: bool,
    /// What they have now.
    pub factors: BTreeMap<Method, u32>,
    pub phone: Authenticator,
    /// The factor that the newest key of the phone is, and how many keys it holds.
    pub newest_key: u32,
    pub keys: usize,
    pub last_step: i64,
    pub codes: Vec<String>,
    pub spent_codes: Vec<String>,
    /// Proofs that failed, of each method, since the last right one.
    pub failed: BTreeMap<Method, u32>,
    /// A verified one, where mail is set up.
    pub has_address: bool,
    /// How many came, and the page that the newest one is good in.
    pub codes_mailed: usize,
    pub newest_code_in: Option<usize>,
    pub failed_mail_codes: u32,
    generations: u32,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub browser: usize,
    pub user: usize,
    pub started: i64,
    pub seen: i64,
    pub ended: bool,
    pub proofs: Vec<Proof>,
    /// When it last answered which client.
    pub answered: BTreeMap<usize, i64>,
}

pub const IDLE: i64 = 43_200;
pub const WHOLE: i64 = 604_800;

impl Person {
    pub async fn new(app: &TestApp, name: &str, totp: Option<SecondFactor>) -> Self {
        let user = match totp {
            Some(when) => app.user_with_totp(name, when).await,
            None => app.user(name).await,
        };
        let mut this = Self {
            user,
            enabled: true,
            always_two: totp == Some(SecondFactor::SignIn),
            factors: BTreeMap::new(),
            phone: Authenticator::new(ISSUER),
            newest_key: 0,
            keys: 0,
            last_step: 0,
            codes: Vec::new(),
            spent_codes: Vec::new(),
            failed: BTreeMap::new(),
            has_address: false,
            codes_mailed: 0,
            newest_code_in: None,
            failed_mail_codes: 0,
            generations: 0,
        };
        this.gets(Method::Pwd);
        if totp.is_some() {
            this.gets(Method::Otp);
        }
        // Nobody's password is another one's.
        let password = NewPassword::parse(&this.password(), &Guessable::default()).unwrap();
        let secret = app.app.passwords.hash(password, &SystemEntropy).await.unwrap();
        let now = app.clock.now();
        let id = CredentialId::generate(&SystemEntropy, now);
        let (owner, new) = (this.user.id.clone(), Credential::new(id, Kind::Password, secret, now));
        app.app.store.write(move |c| credentials::set_password(c, &owner, &new)).await.unwrap();
        this
    }

    /// A new factor takes the place of the old one.
    pub fn gets(&mut self, method: Method) -> u32 {
        self.generations += 1;
        self.factors.insert(method, self.generations);
        self.generations
    }

    pub fn password(&self) -> String {
        format!("{} keeps horse number {}", self.user.name, self.factors[&Method::Pwd])
    }

    /// That they would choose now.
    pub fn next_password(&self) -> String {
        format!("{} keeps horse number {}", self.user.name, self.generations + 1)
    }

    /// A second factor is wanted at every sign-in, and there is one.
    pub fn two(&self) -> bool {
        self.always_two && self.factors.contains_key(&Method::Otp)
    }

    pub fn has(&self, factor: Factor) -> bool {
        self.factors.get(&factor.method) == Some(&factor.generation)
    }

    pub fn factor(&self, user: usize, method: Method) -> Option<Factor> {
        self.factors.get(&method).map(|generation| Factor { user, method, generation: *generation })
    }
}

impl Session {
    pub fn lives(&self, people: &[Person], now: i64) -> bool {
        !self.ended && people[self.user].enabled && now < self.started + WHOLE
    }

    /// Which is not written down more often than every thousandth of its idle time.
    pub fn is_answered_silently(&mut self, now: i64) {
        if !(0..=IDLE / 1_000).contains(&(now - self.seen)) {
            self.seen = now;
        }
    }

    pub fn is_in_use(&self, people: &[Person], now: i64) -> bool {
        self.lives(people, now) && now < self.seen + IDLE
    }
}
