//! How numbers lie to literals: by value, whatever type the server would compare them in.

use forgetd_connector::{Comparison, Value};

use super::{Param, Sql};

/// What the numbers are that a literal is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Integers of at most 65 digits.
    Integers,
    /// Decimals.
    Decimals,
    /// Binary numbers of 64 bits.
    Doubles,
    /// Binary numbers of 32 bits. A literal with a fraction is rounded as they are.
    Floats,
}

/// What a literal becomes.
#[derive(Debug, PartialEq, Eq)]
enum Literal {
    /// A number of that kind, in digits.
    Value(String),
    /// It lies between these two, which are neighbours among the numbers of that kind, or beyond them all.
    Between(String, String),
}

/// More digits than this no number of the server's has.
const DIGITS_MAX: usize = 65;

/// More decimals than this no column keeps on any server.
const DECIMALS_MAX: usize = 38;

/// Beyond all integers that the server has.
const INTEGERS_END: f64 = 18_446_744_073_709_551_616.0;

/// How an expression lies to a literal; absent: the literal is no number.
pub(super) fn compared(
    expr: &str,
    numbers: Numbers,
    comparison: Comparison,
    value: &Value,
    sql: &mut Sql,
) -> Option<String> {
    if comparison == Comparison::Equal || comparison == Comparison::NotEqual {
        return listed(expr, numbers, comparison == Comparison::Equal, std::slice::from_ref(value), sql);
    }
    let lower = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
    Some(match numbers.literal(value)? {
        Literal::Value(digits) => format!("{expr} {} {}", sign(comparison), bind(&digits, sql)?),
        Literal::Between(below, _) if lower => format!("{expr} <= {}", bind(&below, sql)?),
        Literal::Between(_, above) => format!("{expr} >= {}", bind(&above, sql)?),
    })
}

/// Whether an expression is one of these, or none of them; absent: one of them is no number.
pub(super) fn listed(expr: &str, numbers: Numbers, among: bool, values: &[Value], sql: &mut Sql) -> Option<String> {
    let mut literals = vec![];
    for value in values {
        // What lies between its neighbours equals none.
        if let Literal::Value(digits) = numbers.literal(value)? {
            literals.push(bind(&digits, sql)?);
        }
    }
    Some(match (literals.is_empty(), among) {
        // No number is one of these: false, unless it is NULL.
        (true, true) => format!("{expr} <> {expr}"),
        (true, false) => format!("{expr} = {expr}"),
        (false, true) => format!("{expr} {}", list("=", "in", literals)),
        (false, false) => format!("{expr} {}", list("<>", "not in", literals)),
    })
}

fn bind(digits: &str, sql: &mut Sql) -> Option<String> {
    Some(sql.bind_once(Param::number(digits)?))
}

/// The sign of a comparison.
pub(super) const fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

/// `= value`, or `in (values)`.
pub(super) fn list(one: &str, many: &str, values: Vec<String>) -> String {
    match values.as_slice() {
        [value] => format!("{one} {value}"),
        values => format!("{many} ({})", values.join(", ")),
    }
}

// === impl Numbers ===

impl Numbers {
    fn literal(self, value: &Value) -> Option<Literal> {
        match (self, value) {
            (Self::Integers | Self::Decimals, Value::Int(int)) => Some(Literal::Value(int.to_string())),
            (Self::Doubles | Self::Floats, Value::Int(int)) => Some(double_of(*int)),
            (Self::Integers, Value::Real(real)) if real.is_finite() => Some(integers_about(*real)),
            (Self::Decimals, Value::Real(real)) if real.is_finite() => Some(decimals_about(*real)),
            (Self::Doubles, Value::Real(real)) if real.is_finite() => Some(Literal::Value(format!("{real:e}"))),
            (Self::Floats, Value::Real(real)) if real.is_finite() => {
                #[allow(clippy::cast_possible_truncation, reason = "this is what the column does")]
                let held = f64::from(*real as f32);
                let held = if held.is_finite() { held } else { *real };
                Some(Literal::Value(format!("{held:e}")))
            }
            _ => None,
        }
    }
}

/// The integer that a number is, or those around it.
fn integers_about(real: f64) -> Literal {
    if real.abs() >= INTEGERS_END {
        let (one_below, end) = ("99999999999999999999", "100000000000000000000");
        return if real > 0.0 {
            Literal::Between(one_below.into(), end.into())
        } else {
            Literal::Between(format!("-{end}"), format!("-{one_below}"))
        };
    }
    // Without the sign that a zero can have.
    let whole = |real: f64| if real == 0.0 { "0".to_owned() } else { format!("{real:.0}") };
    if real.fract() == 0.0 {
        Literal::Value(whole(real))
    } else {
        Literal::Between(whole(real.floor()), whole(real.ceil()))
    }
}

/// A number in the decimals that it is written with, or the decimals around it.
fn decimals_about(real: f64) -> Literal {
    let digits = real.abs().to_string();
    let sign = |digits: String| if real < 0.0 { format!("-{digits}") } else { digits };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if whole.len() > DIGITS_MAX {
        let last = sign("9".repeat(DIGITS_MAX));
        return Literal::Between(last.clone(), last);
    }
    if fraction.len() <= DECIMALS_MAX {
        return Literal::Value(sign(digits));
    }
    // So many decimals only a number below one has: what is cut off lies towards zero.
    let near = format!("{whole}.{}", &fraction[..DECIMALS_MAX]);
    let far = near.trim_start_matches(['0', '.']).parse::<u128>().unwrap_or(0) + 1;
    let far = format!("0.{far:0width$}", width = DECIMALS_MAX);
    if real < 0.0 { Literal::Between(sign(far), sign(near)) } else { Literal::Between(near, far) }
}

/// The binary number that an integer is, or its neighbours among those.
fn double_of(int: i64) -> Literal {
    #[allow(clippy::cast_precision_loss, reason = "this is what is looked for")]
    let near = int as f64;
    let digits = |number: f64| format!("{number:e}");
    match exact(near).cmp(&i128::from(int)) {
        std::cmp::Ordering::Equal => Literal::Value(digits(near)),
        std::cmp::Ordering::Less => Literal::Between(digits(near), digits(near.next_up())),
        std::cmp::Ordering::Greater => Literal::Between(digits(near.next_down()), digits(near)),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "made of an i64")]
fn exact(number: f64) -> i128 {
    number as i128
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Comparison, Value};

    use super::{Literal, Numbers, compared, listed};
    use crate::query::Sql;

    fn value(digits: &str) -> Literal {
        Literal::Value(digits.into())
    }

    fn between(below: &str, above: &str) -> Literal {
        Literal::Between(below.into(), above.into())
    }

    #[test]
    fn literals_are_exact_or_lie_between_their_neighbours() {
        let small = format!("0.{}1", "0".repeat(37));
        for (numbers, literal, expected) in [
            (Numbers::Integers, Value::Int(i64::MIN), value("-9223372036854775808")),
            (Numbers::Integers, Value::Real(5.0), value("5")),
            (Numbers::Integers, Value::Real(-0.0), value("0")),
            (Numbers::Integers, Value::Real(-2.25), between("-3", "-2")),
            (Numbers::Integers, Value::Real(-0.5), between("-1", "0")),
            (Numbers::Integers, Value::Real(1e300), between("99999999999999999999", "100000000000000000000")),
            (Numbers::Decimals, Value::Real(0.1), value("0.1")),
            (Numbers::Decimals, Value::Real(-1e-7), value("-0.0000001")),
            (Numbers::Decimals, Value::Real(1e-300), between(&format!("0.{}", "0".repeat(38)), &small)),
            (Numbers::Decimals, Value::Real(1e300), between(&"9".repeat(65), &"9".repeat(65))),
            (Numbers::Doubles, Value::Int(5), value("5e0")),
            (
                Numbers::Doubles,
                Value::Int(9_007_199_254_740_993),
                between("9.007199254740992e15", "9.007199254740994e15"),
            ),
            (Numbers::Doubles, Value::Real(0.1), value("1e-1")),
            (Numbers::Floats, Value::Real(0.1), value("1.0000000149011612e-1")),
        ] {
            assert_eq!(numbers.literal(&literal), Some(expected), "{numbers:?} {literal:?}");
        }
        for literal in [Value::Text("5".into()), Value::Real(f64::NAN), Value::Bool(true), Value::Null] {
            assert_eq!(Numbers::Doubles.literal(&literal), None, "{literal:?}");
        }
    }

    #[test]
    fn what_equals_no_number_is_false_and_not_unknown() {
        let mut sql = Sql::default();
        let odd = [Value::Int(9_007_199_254_740_993)];
        assert_eq!(listed("x", Numbers::Doubles, true, &odd, &mut sql).as_deref(), Some("x <> x"));
        assert_eq!(listed("x", Numbers::Doubles, false, &odd, &mut sql).as_deref(), Some("x = x"));
        let said = compared("x", Numbers::Doubles, Comparison::LessOrEqual, &odd[0], &mut sql).unwrap();
        let mut out = String::new();
        assert!(sql.say(said).render(&mut out));
        assert_eq!(out, "x <= 9.007199254740992e15");
    }
}
