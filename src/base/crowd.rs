//! Requests that wait for a processor, and whether there are any. Whoever makes them wait counts them.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

#[derive(Clone, Default)]
pub struct Crowd(Arc<AtomicUsize>);

/// One of them, as long as it is held.
pub struct Waiting(Crowd);

impl Crowd {
    #[must_use]
    pub fn join(&self) -> Waiting {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }

    pub fn waits(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
