//! Counting.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use forgetd_connector::{Count, Fault, Measure, Path, RowCap, Shape, Step, Table};

use crate::answer::odd;
use crate::connector::Shared;

/// Counts what is due.
pub(crate) async fn measure(shared: &Shared, _: &Step, _: RowCap) -> Result<Measure, Fault> {
    Err(odd(shared.database()))
}

/// Counts what is still due.
pub(crate) async fn survivors(shared: &Shared, _: &Step) -> Result<Count, Fault> {
    Err(odd(shared.database()))
}

/// Counts the rows that look like this at a place.
pub(crate) async fn count_shaped(shared: &Shared, _: &Table, _: &Path, _: &Shape) -> Result<u64, Fault> {
    Err(odd(shared.database()))
}
