//! Whether any row would be left. Pure.

use forgetd_connector::{Cause, Count, Measure, Outside};

use super::Stop;

pub(super) fn check(measure: &Measure) -> Option<Stop> {
    if measure.due.rows() == Some(0) {
        return None;
    }
    let rows = match measure.due {
        Count::Exact(rows) => format!("all {rows} rows"),
        Count::Capped(rows) => format!("all rows, at least {rows},"),
        Count::Estimate(rows) => format!("all rows, about {rows},"),
        Count::Blind(_) => "all rows".into(),
    };
    match measure.outside {
        Outside::Rows => None,
        Outside::Nothing => Some((Cause::WholeTableDue, format!("{rows} of the table are due"))),
        Outside::Unknown => {
            Some((Cause::WholeTableDue, "whether any row of the table is not due cannot be seen".into()))
        }
    }
}
