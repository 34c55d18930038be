//! Numbers, compared by their exact value.

use std::cmp::Ordering;

/// A number of either kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i128),
    Real(f64),
}

// === impl Number ===

impl Number {
    /// How the exact values lie; nothing for what is no number.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Real(b)) => mixed(a, b),
            (Self::Real(a), Self::Int(b)) => mixed(b, a).map(Ordering::reverse),
        }
    }

    /// Whether `self` times `unit` lies before `instant`, both counted from the same moment. An integer stands for all of
    /// its unit, to the end.
    pub(super) fn times_is_before(self, unit: i128, instant: i128) -> bool {
        match self {
            Self::Int(value) => (value + 1) * unit <= instant,
            Self::Real(value) => scaled_is_before(value, unit, instant),
        }
    }
}

fn mixed(int: i128, real: f64) -> Option<Ordering> {
    if real.is_nan() {
        return None;
    }
    // No integer of a column's lies beyond 2^64 on either side.
    if real.abs() >= 18_446_744_073_709_551_616.0 {
        return Some(if real > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = real.floor();
    let order = int.cmp(&(whole as i128));
    // Equal whole parts: what is left of `real` lies above.
    Some(if order == Ordering::Equal && real > whole { Ordering::Less } else { order })
}

/// `value * unit < instant` without rounding: a binary number is a whole number of halves of halves.
fn scaled_is_before(value: f64, unit: i128, instant: i128) -> bool {
    assert!(value.is_finite(), "a time that is a number");
    let (mut whole, mut halvings) = (value, 0_u32);
    while whole.fract() != 0.0 && halvings < 40 {
        whole *= 2.0;
        halvings += 1;
    }
    // 40 halvings of a day are less than a tenth of a microsecond: what is left is cut off.
    (whole.floor() as i128) * unit < instant * (1_i128 << halvings)
}
