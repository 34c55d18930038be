//! What every connector of forgetd must show, and the tools to show it.
//!
//! [`suite`] holds the conformance tests, one file per area: a connector's own tests implement [`Fixture`] and call
//! [`conformance!`]. [`oracle`] says which rows are due without asking any connector; [`generator`]
//! draws tables and rules for it to judge. [`faulty`] wraps a connector so
//! that the n-th call of an operation fails, or is done and its answer lost. [`proxy`] stands between a client and a
//! server, counts turns and delays bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "everything here runs inside tests: a panic is a failed test"
)]

mod arena;
mod deadline;
pub mod faulty;
mod fixture;
pub mod generator;
pub mod oracle;
pub mod proxy;
pub mod suite;
mod table;
mod tagger;
mod wanted;

pub use arena::{Arena, Drained, HOLDER, RULE};
pub use deadline::{Ends, Looks};
pub use fixture::{ColumnSql, Fixture, Held, Keeps, Snare, TestDatabase};
pub use table::{Cell, ColumnSpec, KeySpec, Kind, LABELS, MARKS, Reference, Row, TableSpec, in_zone, literal};
pub use tagger::{TAG, Tagger};
pub use wanted::{Wanted, member};
