//! Every statement that looks at or changes a row of a user's table. Names are quoted, values are bound.

mod sql;

pub(crate) use sql::{Param, Sql, may_stand, shown};

/// The statements of one step.
pub(crate) struct Query;
