//! The connector for MongoDB on a real server: the conformance suite, and what only such servers do.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]

mod activity;
mod conformance;
mod connecting;
mod control;
mod filters;
mod fixture;
mod looking;
mod losing;
#[allow(dead_code, reason = "the crash harness uses the rest")]
mod middleman;
mod rewriting;
mod seals;
mod server;
mod versions;
mod walking;
