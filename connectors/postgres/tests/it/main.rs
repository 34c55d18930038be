//! The PostgreSQL connector on a real server: the conformance suite, and what only this engine does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]

mod conformance;
mod fixture;
mod server;
