//! The SQLite connector on real files: the conformance suite, and what only this engine does.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod conformance;
mod fixture;
