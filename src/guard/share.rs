//! A limit on the share of the table. Pure.

use forgetd_connector::{Cause, Count, Measure};

use super::Stop;
use crate::rules::Rule;

/// Whether a larger share of the table is due than `guard.share_max`.
pub(super) fn max(rule: &Rule, measure: &Measure) -> Option<Stop> {
    let max = rule.guard.share_max?;
    above(max, measure).map(|text| (Cause::ShareMax, text))
}

fn above(max: f64, measure: &Measure) -> Option<String> {
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
