//! Values made coarser, and whether they are: two readings of one rule for each grain, which a test holds together.
//!
//! A value is taken by what it is, not by what its column is declared as. What cannot be read as what a grain is for is
//! neither coarse nor can it be made so.

use forgetd_connector::{Cause, Grain, Value};
use jiff::civil::Date;
use rusqlite::types::Value as Sql;

use super::Query;
use super::composer::Refused;
use super::moment;

/// From so many steps on, a number with a fraction is left as it is: rounding it would say nothing.
const STEPS_MAX: f64 = 1_125_899_906_842_624.0;

/// Integers up to here, either way, are exact as numbers with a fraction.
const EXACT_MAX: i64 = 9_007_199_254_740_992;

/// `numerator / denominator`, both whole and positive.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    numerator: i64,
    denominator: i64,
}

/// Whether a value that is there is as coarse as this: 0 or 1.
pub(super) fn is_coarse(column: &str, grain: &Grain, query: &mut Query) -> Result<String, Refused> {
    let test = match grain {
        Grain::Day => is_coarse_moment(column, "1"),
        Grain::Month => is_coarse_moment(column, &format!("substr({column}, 9, 2) = '01'")),
        Grain::Quarter => {
            let quarters = "('01-01', '04-01', '07-01', '10-01')";
            is_coarse_moment(column, &format!("substr({column}, 6, 5) in {quarters}"))
        }
        Grain::Year => is_coarse_moment(column, &format!("substr({column}, 6, 5) = '01-01'")),
        Grain::Step(step) => {
            let step = Step::parse(step).ok_or_else(|| refused("a step is a positive number"))?;
            step.is_multiple(column, query)
        }
        // In bytes: length() would stop at a NUL, and see no rest.
        Grain::Prefix(chars) => {
            let chars = query.bind(Sql::Integer(i64::from(*chars)));
            format!("typeof({column}) = 'text' and octet_length({column}) = octet_length(substr({column}, 1, {chars}))")
        }
        Grain::Network { .. } => return Err(refused("SQLite has no type for addresses")),
    };
    Ok(format!("ifnull({test}, 0)"))
}

fn refused(why: &str) -> Refused {
    Refused::new(Cause::ColumnType, "").with_detail(why)
}

/// The coarser value; absent where it is nothing that this grain is for.
pub(crate) fn coarser(value: &Value, grain: &Grain) -> Option<Value> {
    match (grain, value) {
        (Grain::Day | Grain::Month | Grain::Quarter | Grain::Year, Value::Text(text)) => {
            coarser_moment(text, grain).map(Value::Text)
        }
        (Grain::Step(step), value) => Step::parse(step)?.floor(value),
        (Grain::Prefix(chars), Value::Text(text)) => {
            let whole = text.split('\0').next().unwrap_or_default();
            let chars = usize::try_from(*chars).unwrap_or(usize::MAX);
            Some(Value::Text(whole.chars().take(chars).collect()))
        }
        _ => None,
    }
}

// === Moments ===

/// A date that is one by the calendar, alone or with a time of day whose digits are zeros. What stands behind the time
/// stays: it says which day is meant.
fn is_coarse_moment(column: &str, day: &str) -> String {
    let behind = format!(
        "case when {column} glob '*Z' then 1 when {column} glob '*[+-][0-2][0-9]:[0-5][0-9]' then 6 else 0 end"
    );
    let clock = format!("substr({column}, 11, length({column}) - 10 - {behind})");
    format!(
        "typeof({column}) = 'text' and octet_length({column}) = length({column}) * octet_length('0') \
         and date(substr({column}, 1, 10)) = substr({column}, 1, 10) and {day} and (length({column}) = 10 \
         or {clock} in (' 00:00', 'T00:00', ' 00:00:00', 'T00:00:00') \
         or ({clock} glob '[ T]00:00:00.0*' and substr({clock}, 11) not glob '*[^0]*'))"
    )
}

fn coarser_moment(text: &str, grain: &Grain) -> Option<String> {
    let (day, rest) = text.split_at_checked(10)?;
    let day = moment::date(day)?;
    let month = match grain {
        Grain::Year => 1,
        Grain::Quarter => (day.month() - 1) / 3 * 3 + 1,
        _ => day.month(),
    };
    let day = Date::new(day.year(), month, if *grain == Grain::Day { day.day() } else { 1 }).ok()?;
    let (clock, behind) = split_clock(rest)?;
    let zeros: String = clock.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    Some(format!("{:04}-{:02}-{:02}{zeros}{behind}", day.year(), day.month(), day.day()))
}

/// What stands behind a date: nothing, or a time of day with what stands behind it.
fn split_clock(rest: &str) -> Option<(&str, &str)> {
    if rest.is_empty() {
        return Some((rest, ""));
    }
    let offset = |behind: &str| {
        matches!(behind.as_bytes(), [b'+' | b'-', b'0'..=b'2', b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9'])
    };
    let at = match rest.len().checked_sub(6).and_then(|at| rest.split_at_checked(at)) {
        Some((clock, behind)) if offset(behind) => clock.len(),
        _ if rest.ends_with('Z') => rest.len() - 1,
        _ => rest.len(),
    };
    let (clock, behind) = rest.split_at_checked(at)?;
    let number = |at: usize, below: u8| {
        let digits = clock.get(at..at + 2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u8>().ok()).is_some_and(|number| number < below)
    };
    let sign = |at: usize, sign: &str| clock.get(at..=at) == Some(sign);
    let fraction = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = match clock.len() {
        6 => true,
        9 => sign(6, ":") && number(7, 60),
        _ => sign(6, ":") && number(7, 60) && sign(9, ".") && clock.get(10..).is_some_and(fraction),
    };
    let minutes = (sign(0, " ") || sign(0, "T")) && number(1, 24) && sign(3, ":") && number(4, 60);
    (minutes && seconds).then_some((clock, behind))
}

// === impl Step ===

impl Step {
    /// Reads a positive decimal of up to 15 digits.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let shaped = !whole.is_empty() && digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let numerator = digits.parse().ok().filter(|numerator| shaped && *numerator > 0)?;
        let denominator = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        Some(Self { numerator, denominator })
    }

    /// Whether a value is a multiple.
    fn is_multiple(self, column: &str, query: &mut Query) -> String {
        let [numerator, denominator] = self.parts().map(|part| query.bind(Sql::Real(part)));
        let real = |number: &str| {
            let steps = format!("{number} * {denominator} / {numerator}");
            format!("(abs({steps}) >= {STEPS_MAX:?} or round({steps}) * {numerator} / {denominator} = {number})")
        };
        let integer = if self.denominator == 1 {
            format!("+{column} % {} = 0", query.bind(Sql::Integer(self.numerator)))
        } else {
            format!("+{column} between -{EXACT_MAX} and {EXACT_MAX} and {}", real(&format!("cast({column} as real)")))
        };
        format!(
            "case typeof({column}) when 'integer' then {integer} when 'real' then {} end",
            real(&format!("+{column}"))
        )
    }

    /// The multiple that a number becomes: an integer the next lower one, others the nearest.
    fn floor(self, value: &Value) -> Option<Value> {
        match value {
            Value::Int(value) if self.denominator == 1 => {
                value.checked_sub(value.rem_euclid(self.numerator)).map(Value::Int)
            }
            #[allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "exact up to there")]
            Value::Int(value) if (-EXACT_MAX..=EXACT_MAX).contains(value) => {
                let (real, integer) = (self.nearest(*value as f64), Value::Int(*value));
                Some(if real == *value as f64 { integer } else { Value::Real(real) })
            }
            Value::Real(value) => Some(Value::Real(self.nearest(*value))),
            _ => None,
        }
    }

    fn nearest(self, value: f64) -> f64 {
        let [numerator, denominator] = self.parts();
        let steps = value * denominator / numerator;
        // Nothing added to it makes a negative zero a zero.
        if steps.abs() < STEPS_MAX { steps.round() * numerator / denominator + 0.0 } else { value }
    }

    #[allow(clippy::cast_precision_loss, reason = "of 15 digits")]
    const fn parts(self) -> [f64; 2] {
        [self.numerator as f64, self.denominator as f64]
    }
}

#[cfg(test)]
mod tests;
