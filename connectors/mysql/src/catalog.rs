//! Introspection.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use forgetd_connector::{Catalog, Fault, TableRef};

use crate::answer::odd;
use crate::connector::Shared;

/// The tables that the role can see.
pub(crate) async fn tables(shared: &Shared) -> Result<Vec<TableRef>, Fault> {
    Err(odd(shared.database()))
}

/// Describes the tables that exist among these.
pub(crate) async fn describe(shared: &Shared, _: &[TableRef]) -> Result<Catalog, Fault> {
    Err(odd(shared.database()))
}
