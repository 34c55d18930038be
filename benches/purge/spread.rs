//! Medians, with the spread.

/// The median of what was measured, or the middle between two, and the least and the most.
pub(crate) fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    format!("{median:.2} [{:.2}-{:.2}]", values[0], values[values.len() - 1])
}
