//! Whether two predicates can mean the same row. Pure.

use std::cmp::Ordering;

use forgetd_connector::{Check, Comparison, Predicate, Test, Value};

/// Pairs of parts that are looked at before it is said that two predicates are not known to be apart.
const PAIRS_MAX: usize = 100_000;

/// Whether no row can match both, for certain. What is not certain is not apart.
pub fn apart(a: &Predicate, b: &Predicate) -> bool {
    Looking { left: PAIRS_MAX }.apart(&parts(a), &parts(b))
}

/// One look, which ends.
struct Looking {
    left: usize,
}

// === impl Looking ===

impl Looking {
    /// Whether all of `a` and all of `b` cannot be true together.
    fn apart(&mut self, a: &[&Predicate], b: &[&Predicate]) -> bool {
        let Some(left) = self.left.checked_sub(a.len() * b.len() + 1) else { return false };
        self.left = left;
        denied(a, b)
            || denied(b, a)
            || a.iter().any(|a| b.iter().any(|b| contradict(a, b)))
            || a.iter().any(|a| self.none_of(a, b))
            || b.iter().any(|b| self.none_of(b, a))
    }

    /// Whether it is an `any` of which each part is apart from `others`.
    fn none_of(&mut self, any: &Predicate, others: &[&Predicate]) -> bool {
        matches!(any, Predicate::Any(any) if any.iter().all(|part| self.apart(&parts(part), others)))
    }
}

/// What must all be true for the whole to be.
fn parts(predicate: &Predicate) -> Vec<&Predicate> {
    match predicate {
        Predicate::All(parts) => parts.iter().flat_map(self::parts).collect(),
        other => vec![other],
    }
}

/// Whether one of `b` is a `not` of what all of `a` make true.
fn denied(a: &[&Predicate], b: &[&Predicate]) -> bool {
    b.iter().any(|b| matches!(b, Predicate::Not { part, .. } if implied(a, part)))
}

/// Whether `part` is true wherever all of `known` are.
fn implied(known: &[&Predicate], part: &Predicate) -> bool {
    match part {
        Predicate::All(parts) => parts.iter().all(|part| implied(known, part)),
        Predicate::Any(parts) if parts.iter().any(|part| implied(known, part)) => true,
        _ => known.iter().any(|known| {
            *known == part || matches!((known, part), (Predicate::Test(a), Predicate::Test(b)) if narrower(a, b))
        }),
    }
}

/// Whether `b` is true wherever `a` is: a value among fewer.
fn narrower(a: &Test, b: &Test) -> bool {
    let (Some(few), Some(many)) = (among(&a.check), among(&b.check)) else { return false };
    a.path == b.path && !a.or_null && few.iter().all(|a| many.iter().any(|b| same(a, b)))
}

/// The values one of which it must be.
fn among(check: &Check) -> Option<&[Value]> {
    match check {
        Check::Compare(Comparison::Equal, _) | Check::In(_) => Some(check.values()),
        _ => None,
    }
}

/// Whether these are tests that cannot both be true of one row.
fn contradict(a: &Predicate, b: &Predicate) -> bool {
    let (Predicate::Test(a), Predicate::Test(b)) = (a, b) else { return false };
    // Each element of an array may make another test true, and what is unknown may make both.
    if a.path != b.path || a.path.is_many() || a.or_null || b.or_null {
        return false;
    }
    excluded(&a.check, &b.check) || excluded(&b.check, &a.check)
}

fn excluded(a: &Check, b: &Check) -> bool {
    match (a, b) {
        (Check::Null(true), Check::Null(true) | Check::Exists(_)) => false,
        (Check::Exists(false), Check::Null(true) | Check::Exists(false)) => false,
        // What is asked otherwise is there and not NULL.
        (Check::Null(true) | Check::Exists(false), _) => true,
        _ => match among(a) {
            Some(values) => values.iter().all(|value| fails(value, b)),
            None => bounds_part(a, b) || beginnings_part(a, b),
        },
    }
}

/// Whether the check is certainly not true of this value.
fn fails(value: &Value, check: &Check) -> bool {
    match check {
        Check::Compare(Comparison::Equal, _) | Check::In(_) => check.values().iter().all(|other| differ(value, other)),
        Check::Compare(Comparison::NotEqual, _) | Check::NotIn(_) => {
            check.values().iter().any(|other| same(value, other))
        }
        Check::Compare(comparison, bound) => order(value, bound).is_some_and(|order| !holds(*comparison, order)),
        Check::Like(_) | Check::Prefix(_) => match value {
            Value::Text(text) => beginning(check).is_some_and(|beginning| !text.starts_with(&beginning)),
            _ => true,
        },
        Check::Null(_) | Check::Exists(_) => false,
    }
}

/// Whether one is below what the other is above.
fn bounds_part(a: &Check, b: &Check) -> bool {
    use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let (Check::Compare(below @ (Less | LessOrEqual), top), Check::Compare(above @ (Greater | GreaterOrEqual), bottom)) =
        (a, b)
    else {
        return false;
    };
    match order(top, bottom) {
        Some(Ordering::Less) => true,
        Some(Ordering::Equal) => matches!(below, Less) || matches!(above, Greater),
        Some(Ordering::Greater) | None => false,
    }
}

fn beginnings_part(a: &Check, b: &Check) -> bool {
    let (Some(a), Some(b)) = (beginning(a), beginning(b)) else { return false };
    !a.starts_with(&b) && !b.starts_with(&a)
}

/// What a text must begin with.
fn beginning(check: &Check) -> Option<String> {
    match check {
        Check::Prefix(prefix) => Some(prefix.clone()),
        Check::Like(pattern) => {
            let mut beginning = String::new();
            let mut chars = pattern.chars();
            while let Some(c) = chars.next() {
                match c {
                    '%' | '_' => break,
                    '\\' => beginning.extend(chars.next()),
                    c => beginning.push(c),
                }
            }
            Some(beginning)
        }
        _ => None,
    }
}

fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

/// Whether two literals are the same value for certain.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => order(a, b).is_some_and(Ordering::is_eq),
    }
}

/// Whether no value equals both literals, for certain.
fn differ(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Types that are compared by their text form may write one value in several ways.
        (Value::Text(a), Value::Text(b)) => !folded(a).eq(folded(b)),
        (Value::Text(_), Value::Bool(_) | Value::Int(_) | Value::Real(_)) => true,
        (Value::Bool(_) | Value::Int(_) | Value::Real(_), Value::Text(_)) => true,
        (Value::Bool(a), Value::Bool(b)) => a != b,
        _ => order(a, b).is_some_and(Ordering::is_ne),
    }
}

/// Letters and digits alone, in small letters.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// How two literals of one type lie to each other, where that is exact.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    // Beyond this, not every whole number is a binary number with a fraction.
    const EXACT: i64 = 1 << 53;
    let real = |value: i64| (-EXACT..=EXACT).contains(&value).then_some(value as f64);
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Real(a), Value::Real(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Real(b)) => real(*a)?.partial_cmp(b),
        (Value::Real(a), Value::Int(b)) => a.partial_cmp(&real(*b)?),
        // UTF-8 keeps the order of code points.
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
