//! At which costs passwords are compared: the one of now, and those at which some are still stored. A try is a hash at each,
//! whoever it is about, so that its time does not tell a name whose hash is of before the settings changed.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

/// How a PHC string begins: algorithm, version and parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(String);

pub struct Costs {
    present: Cost,
    stored: RwLock<Stored>,
}

#[derive(Default)]
struct Stored {
    /// Beside the present one.
    compared: Vec<Cost>,
    /// A hash at one of these is too old, or can't be read: it is compared no more.
    given_up: Vec<Cost>,
}

/// Beside the present one: each costs every try a hash.
pub const MOST_OTHERS: usize = 2;
/// What stands behind a cost in the PHC string of nobody: a salt and a hash, which no password has.
const NOBODYS: &str = "$c3RlcGdhdGVzdGVwZ2F0ZQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Cost {
    /// Of a PHC string: without its hash and its salt. `store/password_costs.rs` has the same in SQL.
    pub fn of(phc: &str) -> Self {
        let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
        let without = |text: &str| text.trim_end_matches(base64).trim_end_matches('$').len();
        let salted = phc.get(..without(phc)).unwrap_or_default();
        Self(salted.get(..without(salted)).unwrap_or_default().to_owned())
    }

    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose comparison is the same work, and never a match.
    pub fn nobodys(&self) -> String {
        format!("{}{NOBODYS}", self.0)
    }
}

impl Costs {
    pub fn new(present: Cost) -> Arc<Self> {
        Arc::new(Self { present, stored: RwLock::default() })
    }

    /// The present one first.
    pub fn compared(&self) -> Vec<Cost> {
        let others = self.with(|stored| stored.compared.clone());
        [self.present.clone()].into_iter().chain(others).collect()
    }

    /// From now on passwords are stored at these, those of the last settings first; `readable` says at which argon2 can compare.
    pub fn learn(&self, stored: Vec<Cost>, readable: impl Fn(&Cost) -> bool) {
        let others = stored.into_iter().filter(|cost| *cost != self.present);
        let (mut compared, mut given_up) = others.partition::<Vec<_>, _>(readable);
        given_up.extend(compared.drain(MOST_OTHERS.min(compared.len())..));
        *self.stored.write().unwrap_or_else(PoisonError::into_inner) = Stored { compared, given_up };
    }

    pub fn is_present(&self, cost: &Cost) -> bool {
        *cost == self.present
    }

    pub fn is_given_up(&self, cost: &Cost) -> bool {
        self.with(|stored| stored.given_up.contains(cost))
    }

    /// `false` of a cost that came after the last look.
    pub fn is_known(&self, cost: &Cost) -> bool {
        self.is_present(cost) || self.is_given_up(cost) || self.with(|stored| stored.compared.contains(cost))
    }

    fn with<T>(&self, read: impl FnOnce(&Stored) -> T) -> T {
        read(&self.stored.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(memory: u32) -> Cost {
        Cost(format!("$argon2id$v=19$m={memory},t=1,p=1"))
    }

    #[test]
    fn a_cost_is_what_stands_before_salt_and_hash() {
        for memory in [8, 19456] {
            assert_eq!(Cost::of(&cost(memory).nobodys()), cost(memory));
        }
        assert_eq!(Cost::of("garbage"), Cost(String::new()));
        assert_eq!(Cost::of(""), Cost(String::new()));
    }

    #[test]
    fn two_others_are_compared_and_what_is_older_or_not_readable_is_given_up() {
        let costs = Costs::new(cost(8));
        assert_eq!(costs.compared(), [cost(8)]);
        assert!(!costs.is_known(&cost(16)));
        let stored = vec![cost(16), Cost("x".into()), cost(8), cost(24), cost(32)];
        costs.learn(stored, |cost| cost.0 != "x");
        assert_eq!(costs.compared(), [cost(8), cost(16), cost(24)]);
        assert_eq!([32, 24, 40].map(|m| costs.is_given_up(&cost(m))), [true, false, false]);
        assert_eq!([8, 16, 32, 40].map(|m| costs.is_known(&cost(m))), [true, true, true, false]);
        costs.learn(Vec::new(), |_| true);
        assert_eq!(costs.compared(), [cost(8)], "all are renewed");
    }
}
