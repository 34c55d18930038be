//! Limits on the number of rows: an absolute one, and one by what is usual. Pure.

use forgetd_connector::{Cause, Count};

use super::{Book, Stop};
use crate::rules::Rule;

/// Whether more rows are due than `guard.rows_max`.
pub(super) fn max(rule: &Rule, due: Count) -> Option<Stop> {
    let max = rule.guard.rows_max?;
    above(due, max, &format!("guard.rows_max {max}")).map(|text| (Cause::RowsMax, text))
}

/// Whether more rows would go than `guard.times_usual` allows. Before the first run that deleted anything nothing is
/// usual, and the guard keeps still.
pub(super) fn times_usual(rule: &Rule, book: &Book, due: Count) -> Option<Stop> {
    let (times, usual, most) = (rule.guard.times_usual?, book.usual()?, most_usual(rule, book)?);
    // A cap ends the run there: that many is what it would delete.
    let capped = |rows: u64| rule.cap.rows_per_run.map_or(rows, |cap| rows.min(cap));
    let due = match due {
        Count::Exact(rows) => Count::Exact(capped(rows)),
        Count::Estimate(rows) => Count::Estimate(capped(rows)),
        Count::Capped(rows) if capped(rows) < rows => Count::Exact(capped(rows)),
        other => other,
    };
    let what = format!("{times} times the usual {usual}");
    above(due, most, &what).map(|text| (Cause::TimesUsual, text))
}

/// The most rows that `guard.times_usual` lets through.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit; casts from floats stop at the ends"
)]
pub(super) fn most_usual(rule: &Rule, book: &Book) -> Option<u64> {
    Some((book.usual()? as f64 * rule.guard.times_usual?) as u64)
}

/// A count that cannot be told from a larger one is above.
fn above(due: Count, max: u64, limit: &str) -> Option<String> {
    match due {
        Count::Exact(rows) | Count::Estimate(rows) if rows <= max => None,
        Count::Exact(rows) => Some(format!("{rows} rows are due, more than {limit}")),
        Count::Estimate(rows) => Some(format!("about {rows} rows are due, more than {limit}")),
        Count::Capped(rows) if rows > max => Some(format!("at least {rows} rows are due, more than {limit}")),
        Count::Capped(rows) => Some(format!("counting stopped at {rows} rows, below {limit}")),
        Count::Blind(_) => Some(format!("due rows cannot be counted, so {limit} cannot be kept")),
    }
}
