//! The SQLite connector on real files: the conformance suite, and what only this engine does.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod conformance;
mod control;
mod effect;
mod faults;
mod files;
mod fixture;
mod json;
mod judge;
mod keep;
mod look;
mod native;
mod predicate;
mod profile;
mod rewriting;
mod sealed;
mod since;
mod time;
mod transaction;
mod transform;
mod transform_rows;
mod trial;
mod truth;
mod turning;
mod undone;
mod walk;
