//! What the engine says about the statements of a step.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use forgetd_connector::{Explained, Fault, Statements, Step};

use crate::answer::odd;
use crate::connector::Shared;

/// How the engine would run the step's statements.
pub(crate) async fn explain(shared: &Shared, _: &Step) -> Result<Vec<Explained>, Fault> {
    Err(odd(shared.database()))
}

/// The statements of a step.
pub(crate) fn statements(shared: &Shared, _: &Step) -> Result<Statements, Fault> {
    Err(odd(shared.database()))
}
