//! Guards: limits that stop a run with zero rows changed. Pure. A guard that cannot be decided stops the run.

use forgetd_connector::{Cause, Count, Measure};

use crate::rules::Rule;

/// The first guard of `rule` that `measure` trips, with the numbers in words; nothing for guards that are not set.
pub fn check(rule: &Rule, measure: &Measure) -> Option<(Cause, String)> {
    let rows = rule.guard.rows_max.and_then(|max| rows_max(max, measure.due).map(|text| (Cause::RowsMax, text)));
    rows.or_else(|| {
        let max = rule.guard.share_max?;
        share_max(max, measure).map(|text| (Cause::ShareMax, text))
    })
}

fn rows_max(max: u64, due: Count) -> Option<String> {
    match due {
        Count::Exact(rows) | Count::Estimate(rows) if rows <= max => None,
        Count::Exact(rows) => Some(format!("{rows} rows are due, more than guard.rows_max {max}")),
        Count::Estimate(rows) => Some(format!("about {rows} rows are due, more than guard.rows_max {max}")),
        Count::Capped(rows) if rows > max => {
            Some(format!("at least {rows} rows are due, more than guard.rows_max {max}"))
        }
        Count::Capped(rows) => Some(format!("counting stopped at {rows} rows, below guard.rows_max {max}")),
        Count::Blind(_) => Some(format!("due rows cannot be counted, so guard.rows_max {max} cannot be kept")),
    }
}

fn share_max(max: f64, measure: &Measure) -> Option<String> {
    let exact_due = !matches!(measure.due, Count::Capped(_));
    let (Some(due), Some(total), true) = (measure.due.rows(), measure.total.rows(), exact_due) else {
        return Some(format!("the share of due rows cannot be counted, so guard.share_max {max} cannot be kept"));
    };
    // Nothing due is no share at all, whatever an estimate says about the table.
    if due == 0 {
        return None;
    }
    // A capped total is a lower bound, so this is an upper bound of the share; an estimate below `due` is stale.
    let share = ratio(due, total.max(due));
    (share > max)
        .then(|| format!("{due} of {total} rows are due, a share of {share:.3}, more than guard.share_max {max}"))
}

/// Precision is lost above 2^53 rows only.
#[allow(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
