//! What would keep a step from doing what it says.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use forgetd_connector::{Fault, Finding, Step, TableRef};

use crate::answer::odd;
use crate::connector::Shared;

/// Looks at the step.
pub(crate) async fn look(shared: &Shared, _: &Step) -> Result<Vec<Finding>, Fault> {
    Err(odd(shared.database()))
}

/// The statements that grant what the step needs.
pub(crate) fn grants(_: &Shared, _: &Step, _: &str) -> String {
    String::new()
}

/// The statement that makes an index.
pub(crate) fn index(_: &TableRef, _: &[String]) -> String {
    String::new()
}
