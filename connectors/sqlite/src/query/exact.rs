//! Moments as binary numbers, without a rounding that would make anything due early.

use std::cmp::Ordering;

/// A double is a whole number after this many doublings, where it is the number of seconds or days of some nanoseconds.
const DOUBLINGS_MAX: u32 = 100;

/// The smallest double that does not lie below `nanos / unit`: a double is below the fraction only if it is below this
/// one. `unit` is at most a day, and `nanos` is a moment of the calendar.
pub(super) fn double_from_above(nanos: i128, unit: i128) -> f64 {
    if nanos == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "only where to begin")]
    let mut double = nanos as f64 / unit as f64;
    while compare(double, nanos, unit) == Ordering::Less {
        double = double.next_up();
    }
    while compare(double.next_down(), nanos, unit) != Ordering::Less {
        double = double.next_down();
    }
    double
}

/// How a double near `nanos / unit` lies to it. Everything is whole numbers of at most 101 bits.
fn compare(double: f64, nanos: i128, unit: i128) -> Ordering {
    let (mut whole, mut doublings) = (double, 0);
    while whole.fract() != 0.0 && doublings < DOUBLINGS_MAX {
        whole *= 2.0;
        doublings += 1;
    }
    #[allow(clippy::cast_possible_truncation, reason = "it is whole, and of 53 bits")]
    let whole = whole as i128;
    (whole * unit).cmp(&(nanos << doublings))
}

#[cfg(test)]
mod tests {
    use super::double_from_above;

    #[test]
    fn the_next_double_is_found_from_every_side() {
        const SECOND: i128 = 1_000_000_000;
        const DAY: i128 = 86_400 * SECOND;
        for (nanos, unit, double) in [
            (0, SECOND, 0.0),
            (SECOND, SECOND, 1.0),
            (-SECOND, SECOND, -1.0),
            (SECOND / 2, SECOND, 0.5),
            // A tenth lies below the double that is written so.
            (SECOND / 10, SECOND, 0.1),
            (-SECOND / 10, SECOND, -(0.1_f64.next_down())),
            (3 * SECOND / 10, SECOND, 0.3_f64.next_up()),
            (1_700_000_000 * SECOND, SECOND, 1_700_000_000.0),
            (1_700_000_000 * SECOND + 1, SECOND, 1_700_000_000.000_000_2),
            (1_700_000_000 * SECOND - 1, SECOND, 1_700_000_000.0),
            (2_440_587 * DAY + DAY / 2, DAY, 2_440_587.5),
            (2_440_587 * DAY + DAY / 2 + 1, DAY, 2_440_587.5_f64.next_up()),
            (1, DAY, (1.0_f64 / 86_400e9).next_up()),
        ] {
            assert_eq!(double_from_above(nanos, unit).to_bits(), double.to_bits(), "{nanos} / {unit}");
        }
    }
}
