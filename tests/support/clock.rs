//! A clock that stands still until a test moves it.

use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use stepgate::base::time::Clock;
use stepgate::base::time::Seconds;
use stepgate::base::time::Time;

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn at(time: Time) -> Self {
        Self(AtomicI64::new(time.micros()))
    }

    pub fn advance(&self, seconds: u32) {
        self.0.fetch_add(Seconds(seconds).micros(), Ordering::SeqCst);
    }

    /// Back, as a clock goes that was wrong.
    pub fn set_back(&self, seconds: u32) {
        self.0.fetch_sub(Seconds(seconds).micros(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }
}
