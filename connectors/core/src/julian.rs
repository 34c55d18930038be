//! Julian day numbers: where a cutoff lies among them. Pure arithmetic, without rounding.

use jiff::Timestamp;

/// Microseconds of a day.
const DAY: i128 = 86_400_000_000;

/// Microseconds from the beginning of the count to 1970: 2440587.5 days.
const EPOCH: i128 = 210_866_760_000_000_000;

/// Decimals of a cutoff: far below a nanosecond of a day.
const DECIMALS: u32 = 20;

/// The first whole day that is not over at the cutoff, which is given in microseconds since 1970.
pub fn whole_days(cutoff: i64) -> i64 {
    let days = (i128::from(cutoff) + EPOCH).div_euclid(DAY);
    // A thousandth of its argument.
    i64::try_from(days).unwrap_or(i64::MIN)
}

/// The least decimal number that is not before the cutoff.
pub fn decimal(cutoff: i64) -> String {
    let one = 10_i128.pow(DECIMALS);
    let scaled = ceiling((i128::from(cutoff) + EPOCH) * one, DAY);
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, rest) = (scaled.abs() / one, scaled.abs() % one);
    format!("{sign}{whole}.{rest:0width$}", width = DECIMALS as usize)
}

/// The least binary number (`double precision`) that is not before the cutoff, in decimals that read back as it is.
pub fn binary(cutoff: i64) -> String {
    let micros = i128::from(cutoff) + EPOCH;
    // Rounded twice, so at most one step from the right one.
    #[allow(clippy::cast_precision_loss, reason = "mended below")]
    let mut days = micros as f64 / DAY as f64;
    if is_before(days, micros) {
        days = days.next_up();
    } else if !is_before(days.next_down(), micros) {
        days = days.next_down();
    }
    format!("{days:?}")
}

/// The moment of a day number in decimals, to the millisecond; absent where it lies outside the calendar.
pub fn instant(days: &str) -> Option<Timestamp> {
    let days: f64 = days.parse().ok()?;
    let millis = ((days - 2_440_587.5) * 86_400_000.0).round();
    // Far outside, it becomes the last of all integers, which no calendar has either.
    #[allow(clippy::cast_possible_truncation, reason = "checked by the calendar")]
    Timestamp::from_millisecond(millis as i64).ok()
}

/// Whether this many days are less than these microseconds.
fn is_before(days: f64, micros: i128) -> bool {
    let (mut whole, mut halvings) = (days, 0_u32);
    // Numbers of this size have no more fraction than that.
    while whole.fract() != 0.0 && halvings < 60 {
        whole *= 2.0;
        halvings += 1;
    }
    // Whole by now, and below 2^64.
    #[allow(clippy::cast_possible_truncation, reason = "whole and small")]
    let whole = whole as i128;
    whole * DAY < micros << halvings
}

const fn ceiling(a: i128, b: i128) -> i128 {
    let floor = a.div_euclid(b);
    if a.rem_euclid(b) == 0 { floor } else { floor + 1 }
}

#[cfg(test)]
mod tests {
    use super::{DAY, EPOCH, binary, decimal, is_before, whole_days};

    #[test]
    fn the_epoch_is_a_noon_and_a_half() {
        assert_eq!((whole_days(0), whole_days(43_200_000_000), whole_days(-1)), (2_440_587, 2_440_588, 2_440_587));
        assert_eq!((decimal(0).as_str(), binary(0).as_str()), ("2440587.50000000000000000000", "2440587.5"));
        // Rounded up: the moment itself is not before itself.
        assert_eq!(decimal(1_000_000), "2440587.50001157407407407408");
        assert_eq!(decimal(-377_705_023_201_000_000), "-1930998.41667824074074074074");
    }

    #[test]
    fn no_binary_number_lies_between_the_bound_and_the_cutoff() {
        for n in 0..10_000_i64 {
            let cutoff = 1_700_000_000_000_000 + n * 7_777_777_777;
            let bound: f64 = binary(cutoff).parse().unwrap();
            let micros = i128::from(cutoff) + EPOCH;
            assert!(!is_before(bound, micros) && is_before(bound.next_down(), micros), "{cutoff}");
            assert!(i128::from(whole_days(cutoff)) * DAY <= micros);
        }
    }
}
