//! Places that are taken and given back, by whoever holds them: nobody may hold more than a share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// What is held, by holder; a holder of nothing is not in it.
#[derive(Clone, Default)]
pub struct Shares(Arc<Mutex<HashMap<String, usize>>>);

/// One place, until it is dropped.
pub struct Share {
    shares: Shares,
    holder: String,
}

impl Shares {
    /// One more place for `holder`, who may hold `most` at once.
    pub fn take(&self, holder: &str, most: usize) -> Option<Share> {
        self.with(|held| {
            let holds = held.entry(holder.to_owned()).or_default();
            (*holds < most).then(|| *holds += 1)
        })?;
        Some(Share { shares: self.clone(), holder: holder.to_owned() })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, usize>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.with(|held| {
            if let Some(holds) = held.get_mut(&self.holder) {
                *holds -= 1;
                if *holds == 0 {
                    held.remove(&self.holder);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_held_until_it_is_dropped_and_leaves_nothing_behind() {
        let shares = Shares::default();
        let first = shares.take("ada", 2);
        let second = shares.take("ada", 2);
        assert!(first.is_some() && second.is_some() && shares.take("ada", 2).is_none());
        assert!(shares.take("bob", 1).is_some(), "others have their own");
        drop(first);
        assert!(shares.take("ada", 2).is_some());
        drop(second);
        assert_eq!(shares.with(|held| held.len()), 0);
    }
}
