//! A rate limit that takes one column and no statement of its own (the generic cell rate algorithm): each thing that is done moves a
//! moment on by [`EACH`], and that moment is never more than [`MOST`] ahead. So 3,600 may be done at once, and then one in a second.

use crate::base::time::Seconds;
use crate::base::time::Time;

pub const EACH: Seconds = Seconds(1);
pub const MOST: Seconds = Seconds::hours(1);

/// The earliest and the latest value of the column that is of the present: before it everything is paid for, and what is after it
/// comes of a clock that was set back since.
pub const fn present(now: Time) -> (Time, Time) {
    (now, now.plus(MOST))
}

/// The column's value after one more; `None` where it is to wait.
pub fn one_more(paid_until: Time, now: Time) -> Option<Time> {
    let (first, last) = present(now);
    let of_the_present = first < paid_until && paid_until <= last;
    let next = if of_the_present { paid_until } else { now }.plus(EACH);
    (next <= last).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix_seconds(1_800_000_000);

    /// How many are done in a row, each of them at `now`.
    fn in_a_row(paid_until: &mut Time, now: Time) -> usize {
        let next = || one_more(*paid_until, now).inspect(|next| *paid_until = *next);
        std::iter::from_fn(next).count()
    }

    #[test]
    fn three_thousand_six_hundred_are_done_at_once_and_then_one_in_a_second() {
        let mut paid_until = Time::from_micros(0);
        assert_eq!(in_a_row(&mut paid_until, NOW), 3_600);
        assert_eq!(in_a_row(&mut paid_until, NOW), 0);
        assert_eq!(in_a_row(&mut paid_until, NOW.plus(Seconds(5))), 5);
        assert_eq!(in_a_row(&mut paid_until, NOW.plus(Seconds::days(9))), 3_600);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_what_it_said_before() {
        let mut paid_until = NOW.plus(Seconds::days(3));
        assert_eq!(in_a_row(&mut paid_until, NOW), 3_600);
    }
}
