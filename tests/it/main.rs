//! Tests that need no server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../fuzz/checks.rs"]
mod checks;
mod conditions;
mod lost_answers;
mod properties;
