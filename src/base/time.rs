//! Moments and spans, in types that can't be mixed: [`Time`] counts microseconds, [`Seconds`] whole seconds.
//! Only a [`Clock`] reads the time; everything below `app` is handed a [`Time`].

use chrono::DateTime;
use chrono::SecondsFormat;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// A moment: microseconds since 1970-01-01T00:00:00Z. Stored as it is (BIGINT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

/// A span of whole seconds, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

/// What people count spans in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Day,
    Hour,
    Minute,
    Second,
}

/// Tells the time. Two implementations: the system's clock, and one that tests move by hand.
pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
}

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Time {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the `NumericDate` that tokens state (RFC 7519 §2).
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub const fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.micros()))
    }

    pub const fn minus(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.micros()))
    }

    /// How long ago `earlier` was, in whole seconds as tokens state them; zero for a moment that has not come yet.
    pub fn seconds_since(self, earlier: Time) -> Seconds {
        let seconds = self.unix_seconds().saturating_sub(earlier.unix_seconds());
        Seconds(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
    }

    /// Attack: a clock was ahead and is set back, and what was shown then is younger than anything of now, for as long as it was
    /// ahead. What is more than a minute to come counts as nothing until its time has come; clocks of several instances may
    /// differ by so much.
    pub fn has_come(self, now: Time) -> bool {
        self <= now.latest()
    }

    /// The latest moment that [has come](Self::has_come), by this clock.
    pub const fn latest(self) -> Self {
        self.plus(Seconds::minutes(1))
    }

    /// RFC 3339 in UTC, to the second.
    pub fn rfc3339(self) -> String {
        DateTime::from_timestamp_micros(self.0)
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
            .unwrap_or_else(|| format!("{} µs", self.0))
    }

    /// In the words of `strftime`, UTC.
    pub fn date(self, format: &str) -> String {
        DateTime::from_timestamp_micros(self.0).map(|at| at.format(format).to_string()).unwrap_or_default()
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_micros()))
    }
}

impl Seconds {
    pub const fn minutes(minutes: u32) -> Self {
        Self(minutes.saturating_mul(60))
    }

    pub const fn hours(hours: u32) -> Self {
        Self(hours.saturating_mul(3600))
    }

    pub const fn days(days: u32) -> Self {
        Self(days.saturating_mul(86_400))
    }

    pub const fn micros(self) -> i64 {
        self.0 as i64 * 1_000_000
    }

    /// Reads `60s`, `12h`, `1h 30m`; a fraction of a second is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let span = humantime::parse_duration(text).ok()?;
        (span.subsec_nanos() == 0).then_some(())?;
        u32::try_from(span.as_secs()).ok().map(Self)
    }

    /// How a person counts it, rounded down.
    pub const fn in_words(self) -> (u32, Unit) {
        match self.0 {
            s if s >= 2 * 86_400 => (s / 86_400, Unit::Day),
            s if s >= 3600 && (s % 3600 == 0 || s >= 7200) => (s / 3600, Unit::Hour),
            s if s >= 60 && (s % 60 == 0 || s >= 120) => (s / 60, Unit::Minute),
            s => (s, Unit::Second),
        }
    }
}

/// As a person says it: `5 minutes`, `1 hour`, `42 seconds`.
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = self.in_words();
        let unit = match unit {
            Unit::Day => "day",
            Unit::Hour => "hour",
            Unit::Minute => "minute",
            Unit::Second => "second",
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_counted_in_the_seconds_that_tokens_state() {
        let shown = Time::from_micros(10_999_999);
        assert_eq!(Time::from_micros(12_000_000).seconds_since(shown), Seconds(2));
        assert_eq!(Time::from_micros(11_000_000).seconds_since(shown), Seconds(1));
        assert_eq!(Time::from_micros(10_000_000).seconds_since(shown), Seconds(0));
        assert_eq!(Time::from_micros(0).seconds_since(shown), Seconds(0));
    }

    #[test]
    fn spans_read_like_settings_and_print_like_speech() {
        assert_eq!(Seconds::parse("12h"), Some(Seconds::hours(12)));
        assert_eq!(Seconds::parse("1h 30m"), Some(Seconds(5400)));
        assert_eq!(Seconds::parse("10x"), None);
        assert_eq!(Seconds::parse("1500ms"), None);
        let said = [42, 60, 90, 300, 3600, 7300, 200_000].map(|s| Seconds(s).to_string());
        assert_eq!(
            said,
            ["42 seconds", "1 minute", "90 seconds", "5 minutes", "1 hour", "2 hours", "2 days"]
        );
    }
}
