//! Rows that are done.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use forgetd_connector::{DoneRows, Fault, Key, Step};

use crate::answer::odd;
use crate::connector::Shared;

/// The next done rows.
pub(crate) async fn rows(shared: &Shared, _: &Step, _: Option<&Key>, _: u32) -> Result<DoneRows, Fault> {
    Err(odd(shared.database()))
}
