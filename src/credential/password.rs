//! Passwords: argon2id (RFC 9106), bounded, with the same work for a user who does not exist. Hashing is in `argon2id.rs`, at which
//! costs is in `costs.rs`.

use super::argon2id::Hasher;
use super::argon2id::Memory;
use super::costs::Cost;
use super::costs::Costs;
use super::guessable::Guessable;
use super::guessable::is_guessable;
use super::shares::Shares;
use crate::base::crowd::Crowd;
use crate::base::entropy::Entropy;
use crate::base::entropy::random;
use argon2::Params;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Hashes and verifies, on as many threads as there are permits.
#[derive(Clone)]
pub struct Passwords {
    hasher: Hasher,
    costs: Arc<Costs>,
    permits: Arc<Semaphore>,
    /// How many there are, taken or not.
    most_permits: usize,
    waiting: Arc<Semaphore>,
    /// Of the places of those who wait.
    shares: Shares,
    /// Who asks, and how many places each of them may hold.
    askers: Vec<(String, usize)>,
    /// Of those who are done, for those who come: to give it back and take it anew costs a third of a hash.
    memory: Arc<Mutex<Vec<Memory>>>,
    compared: Arc<Mutex<BTreeMap<Cost, u64>>>,
    worked: Arc<AtomicU64>,
    crowd: Crowd,
}

/// The price of a guess. The default is OWASP's: 19 MiB, two passes, one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

/// A password that may be set: 8 to 1,024 bytes, of any composition, but none of the common ones, and none that is made of names of its
/// user or of ours (NIST SP 800-63B §5.1.1.2).
pub struct NewPassword(Zeroizing<String>);

/// Why a password may not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BadPassword {
    Short,
    Long,
    Common,
    Named,
}

/// Too many are being hashed already; nothing was decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

const LONGEST: usize = 1024;
/// The length of that list: a password that takes no more guesses falls to whoever tries it from the top.
const COMMON: u64 = 30_000;
const WAITING_PER_PERMIT: usize = 32;
/// Attack: one account, or one network, takes every place, and nobody signs in.
const SHARE_OF_A_PERSON: usize = 8;
const SHARE_OF_A_SOURCE_PER_PERMIT: usize = WAITING_PER_PERMIT / 2;

impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

impl Argon2Cost {
    /// The cost, if argon2 can be run at it; else the mend.
    pub fn checked(self) -> Result<Self, String> {
        match self.params() {
            Ok(_) => Ok(self),
            Err(why) => Err(format!(
                "can't be used ({why}); write memory_kib = 19456, iterations = 2, parallelism = 1"
            )),
        }
    }

    fn params(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.iterations, self.parallelism, None)
    }
}

impl NewPassword {
    pub fn parse(text: &str, guessable: &Guessable) -> Result<Self, BadPassword> {
        match text.len() {
            0..8 => Err(BadPassword::Short),
            8..=LONGEST if is_guessable(text, guessable) => Err(BadPassword::Named),
            8..=LONGEST if guesses(text, &[]) <= COMMON => Err(BadPassword::Common),
            8..=LONGEST if guesses(text, guessable.words()) <= COMMON => Err(BadPassword::Named),
            8..=LONGEST => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err(BadPassword::Long),
        }
    }
}

/// How soon it is guessed, by who tries zxcvbn's list of common passwords and these words. The beginning tells; of a text
/// that is all substitutions (`4@8({[<`) a longer one would take the better part of a second.
fn guesses(text: &str, words: &[String]) -> u64 {
    let beginning = text.chars().take(32).collect::<String>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    zxcvbn::zxcvbn(&beginning, &words).guesses()
}

impl Passwords {
    pub fn new(cost: Argon2Cost, permits: usize, entropy: &dyn Entropy) -> Result<Self, String> {
        let params = cost.params().map_err(|why| why.to_string())?;
        let hasher = Hasher::new(params);
        let sample = hasher.hash(b"a password that nobody has", &random(entropy), &mut Memory::default());
        let costs = Costs::new(Cost::of(&sample.ok_or("argon2 can't hash")?));
        let waiting = Arc::new(Semaphore::new(permits * WAITING_PER_PERMIT));
        let (most_permits, permits) = (permits, Arc::new(Semaphore::new(permits)));
        let (shares, askers) = (Shares::default(), Vec::new());
        let (memory, compared, worked, crowd) =
            (Arc::default(), Arc::default(), Arc::default(), Crowd::default());
        Ok(Self {
            hasher,
            costs,
            permits,
            most_permits,
            waiting,
            shares,
            askers,
            memory,
            compared,
            worked,
            crowd,
        })
    }

    /// Whoever waits for a hash is one of these.
    pub fn crowding(self, crowd: Crowd) -> Self {
        Self { crowd, ..self }
    }

    /// For somebody, somewhere: what is done for them has their shares of the places.
    pub fn shared_by(&self, person: &str, source: &str) -> Self {
        let askers = vec![
            (format!("person {person}"), SHARE_OF_A_PERSON),
            (format!("source {source}"), self.most_permits * SHARE_OF_A_SOURCE_PER_PERMIT),
        ];
        Self { askers, ..self.clone() }
    }

    /// What a stranger wants for a password. Judged where hashes are made, and bounded like them: it takes as long as one.
    pub async fn wanted(
        &self,
        text: &str,
        guessable: Guessable,
    ) -> Result<Result<NewPassword, BadPassword>, Busy> {
        let text = Zeroizing::new(text.to_owned());
        self.work(move |_| NewPassword::parse(&text, &guessable)).await
    }

    /// The PHC string to store.
    pub async fn hash(&self, password: NewPassword, entropy: &dyn Entropy) -> Result<String, Busy> {
        self.hash_text(password.0, entropy).await
    }

    /// The PHC string of a password that was verified, at the present cost.
    pub async fn hash_anew(&self, password: &str, entropy: &dyn Entropy) -> Result<String, Busy> {
        self.hash_text(Zeroizing::new(password.to_owned()), entropy).await
    }

    /// Whether `password` is the one behind `stored`. Each try is a hash at each cost that is stored, in the same order; nobody's
    /// password takes as long as a wrong one.
    pub async fn verify(&self, stored: Option<&str>, password: &str) -> Result<bool, Busy> {
        let known = stored.is_some() && password.len() <= LONGEST;
        let cost = stored.map(Cost::of);
        let own = |compared: &Cost| stored.filter(|_| cost.as_ref() == Some(compared)).map(str::to_owned);
        let costs = self.costs.compared().into_iter();
        let hashes = costs.map(|cost| (own(&cost), cost)).collect::<Vec<_>>();
        let shortened = password.as_bytes().get(..LONGEST).unwrap_or(password.as_bytes());
        let password = Zeroizing::new(shortened.to_vec());
        let (hasher, compared) = (self.hasher.clone(), self.compared.clone());
        let matches = self.work(move |memory| {
            let mut matches = false;
            for (own, cost) in hashes {
                let is_own = own.is_some();
                let hash = own.unwrap_or_else(|| cost.nobodys());
                let is_right = hasher.verify(&hash, &password, memory);
                *lock(&compared).entry(cost).or_default() += is_right.iter().count() as u64;
                matches |= is_own && is_right == Some(true);
            }
            matches
        });
        Ok(matches.await? && known)
    }

    /// Passwords are stored at these costs, those that were set last first.
    pub fn learn(&self, stored: Vec<Cost>) {
        let readable = |cost: &Cost| self.hasher.can_read(&cost.nobodys());
        self.costs.learn(stored, readable);
    }

    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// How often argon2 has compared, somebody's or nobody's: work that must be the same for every name.
    pub fn compared(&self) -> u64 {
        lock(&self.compared).values().sum()
    }

    /// The same, at each cost.
    pub fn compared_at(&self) -> BTreeMap<Cost, u64> {
        lock(&self.compared).clone()
    }

    /// How many places were taken: everything that is as dear as a hash.
    pub fn worked(&self) -> u64 {
        self.worked.load(Ordering::Relaxed)
    }

    /// Clears the memory that no hash is using, and gives it back: for a moment when there may be nobody who signs in.
    pub fn rest(&self) {
        lock(&self.memory).clear();
    }

    async fn hash_text(&self, text: Zeroizing<String>, entropy: &dyn Entropy) -> Result<String, Busy> {
        let (hasher, salt) = (self.hasher.clone(), random::<16>(entropy));
        self.work(move |memory| hasher.hash(text.as_bytes(), &salt, memory)).await?.ok_or(Busy)
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let share = |(asker, most): &(String, usize)| self.shares.take(asker, *most).ok_or(Busy);
        let shares = self.askers.iter().map(share).collect::<Result<Vec<_>, _>>()?;
        let place = self.waiting.clone().try_acquire_owned().map_err(|_| Busy)?;
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waits = self.crowd.join();
                self.permits.clone().acquire_owned().await.map_err(|_| Busy)?
            }
        };
        self.worked.fetch_add(1, Ordering::Relaxed);
        let kept = self.memory.clone();
        let work = tokio::task::spawn_blocking(move || {
            // Attack: hang up in the middle, again and again. The permit ends with the work, not with who asked for it.
            let _held = (shares, place, permit);
            let mut memory = lock(&kept).pop().unwrap_or_default();
            let done = job(&mut memory);
            lock(&kept).push(memory);
            done
        });
        work.await.map_err(|_| Busy)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SystemEntropy;

    const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 8, iterations: 1, parallelism: 1 };

    fn passwords(permits: usize) -> Passwords {
        Passwords::new(CHEAP, permits, &SystemEntropy).unwrap()
    }

    fn parse(text: &str) -> Result<NewPassword, BadPassword> {
        NewPassword::parse(text, &Guessable::default())
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_and_nobodys_never_does() {
        let passwords = passwords(1);
        let chosen = parse("correct horse").unwrap();
        let stored = passwords.hash(chosen, &SystemEntropy).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        let verify = async |stored, password: &str| passwords.verify(stored, password).await.unwrap();
        assert!(verify(Some(stored.as_str()), "correct horse").await);
        assert!(!verify(Some(stored.as_str()), "correct hors").await);
        assert!(!verify(None, "a password that nobody has").await);
        assert!(!verify(Some("garbage"), "correct horse").await);
        assert!(!verify(Some(stored.as_str()), &"x".repeat(5000)).await);
    }

    #[tokio::test]
    async fn memory_is_used_again_until_it_is_given_back() {
        let passwords = passwords(2);
        let verify = || passwords.verify(None, "x");
        let (one, other, third) = tokio::join!(verify(), verify(), verify());
        assert_eq!([one, other, third], [Ok(false), Ok(false), Ok(false)]);
        let kept = || passwords.memory.lock().unwrap().len();
        assert!((1..=2).contains(&kept()));
        passwords.rest();
        assert_eq!(kept(), 0);
    }

    #[tokio::test]
    async fn who_hangs_up_in_the_middle_makes_no_room_for_another_hash() {
        let passwords = passwords(1);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let work = passwords.clone();
        let asked = tokio::spawn(async move {
            let job = move |_: &mut Memory| begin.send(()).and_then(|()| ended.recv().map_err(drop));
            work.work(job).await
        });
        begun.await.unwrap();
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(passwords.permits.available_permits(), 0, "it is still being hashed");
        end.send(()).unwrap();
        assert_eq!(passwords.verify(None, "x").await, Ok(false));
    }

    #[tokio::test]
    async fn who_waits_for_a_hash_is_counted_as_long_as_they_wait() {
        let crowd = Crowd::default();
        let passwords = passwords(1).crowding(crowd.clone());
        assert_eq!(passwords.verify(None, "x").await, Ok(false));
        assert!(!crowd.waits(), "alone");
        let taken = passwords.permits.clone().acquire_owned().await.unwrap();
        let asked = tokio::spawn(async move { passwords.verify(None, "x").await });
        while !crowd.waits() {
            tokio::task::yield_now().await;
        }
        drop(taken);
        assert_eq!(asked.await.unwrap(), Ok(false));
        assert!(!crowd.waits());
    }

    #[tokio::test]
    async fn past_its_queue_the_hasher_says_that_it_is_busy() {
        let passwords = passwords(1);
        let _taken = passwords.waiting.clone().acquire_many_owned(WAITING_PER_PERMIT as u32).await.unwrap();
        assert_eq!(passwords.verify(None, "x").await, Err(Busy));
    }

    #[tokio::test]
    async fn a_person_and_a_source_have_a_share_of_the_places_and_others_get_theirs() {
        let passwords = passwords(1);
        let busy = |shares: Passwords| async move { shares.verify(None, "x").await == Err(Busy) };
        let taken = passwords.permits.clone().acquire_owned().await.unwrap();
        let waits = |person: String, source: &str| {
            let shares = passwords.shared_by(&person, source);
            tokio::spawn(async move { shares.verify(None, "x").await })
        };
        let mut waiting =
            (0..SHARE_OF_A_PERSON).map(|n| waits("ada".into(), &n.to_string())).collect::<Vec<_>>();
        waiting.extend((0..SHARE_OF_A_SOURCE_PER_PERMIT).map(|n| waits(format!("bob{n}"), "192.0.2.1")));
        let held = || passwords.waiting.available_permits();
        while held() > WAITING_PER_PERMIT - SHARE_OF_A_PERSON - SHARE_OF_A_SOURCE_PER_PERMIT {
            tokio::task::yield_now().await;
        }
        assert!(busy(passwords.shared_by("ada", "198.51.100.1")).await);
        assert!(busy(passwords.shared_by("carl", "192.0.2.1")).await);
        let other = waits("carl".into(), "198.51.100.1");
        drop(taken);
        assert_eq!(other.await.unwrap(), Ok(false));
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(false));
        }
        assert!(!busy(passwords.shared_by("ada", "192.0.2.1")).await);
    }

    #[tokio::test]
    async fn a_try_is_a_hash_at_each_cost_that_is_stored_whoever_it_is_about() {
        let passwords = passwords(1);
        let at = |memory_kib| Argon2Cost { memory_kib, ..CHEAP };
        let hash = async |cost| {
            let then = Passwords::new(cost, 1, &SystemEntropy).unwrap();
            then.hash_anew("correct horse", &SystemEntropy).await.unwrap()
        };
        let stored = [hash(at(8)).await, hash(at(16)).await, hash(at(24)).await, hash(at(32)).await];
        passwords.learn(stored.iter().map(|hash| Cost::of(hash)).collect());
        let mut before = passwords.compared_at();
        for (hash, right) in [
            (Some(stored[0].as_str()), true),
            (Some(stored[1].as_str()), true),
            (Some(stored[2].as_str()), true),
            // Too old, garbage, and nobody's.
            (Some(stored[3].as_str()), false),
            (Some("garbage"), false),
            (None, false),
        ] {
            for (typed, expected) in [("correct horse", right), ("correct hors", false)] {
                assert_eq!(passwords.verify(hash, typed).await, Ok(expected), "{hash:?}");
                let after = passwords.compared_at();
                let done = after.iter().map(|(cost, n)| (cost.as_str(), n - before.get(cost).unwrap_or(&0)));
                let each = [8, 16, 24].map(|m| format!("$argon2id$v=19$m={m},t=1,p=1"));
                let mut each = each.iter().map(|cost| (cost.as_str(), 1)).collect::<Vec<_>>();
                each.sort_unstable();
                assert_eq!(done.collect::<Vec<_>>(), each, "{hash:?}");
                before = after;
            }
        }
    }

    #[test]
    fn what_everybody_guesses_first_is_no_password() {
        for common in [
            "password",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "Password1",
            "aaaaaaaaaaaa",
            "abcdefgh",
            "letmein1",
        ] {
            assert_eq!(parse(common).err(), Some(BadPassword::Common), "{common}");
        }
        assert_eq!(parse(&"aaaa".repeat(50)).err(), Some(BadPassword::Common));
        for other in ["correct horse", "vUz7Lw2q", "grün ist die heide", "ada1815lovelace"] {
            assert!(parse(other).is_ok(), "{other}");
        }
    }

    #[test]
    fn a_new_password_has_eight_bytes_to_1024() {
        let may_be = |n| parse(&"kP3 u".repeat(300)[..n]).is_ok();
        assert_eq!([7, 8, 1024, 1025].map(may_be), [false, true, true, false]);
    }

    #[test]
    fn a_cost_that_argon2_refuses_is_named() {
        let cost = Argon2Cost { memory_kib: 1, iterations: 0, parallelism: 1 };
        assert!(cost.checked().unwrap_err().contains("memory_kib"));
        assert_eq!(Argon2Cost::default().checked(), Ok(Argon2Cost::default()));
    }
}
