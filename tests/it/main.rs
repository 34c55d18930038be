//! Tests that need no server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod apart;
mod calendar;
#[path = "../fuzz/checks.rs"]
mod checks;
mod completions;
mod conditions;
mod configuration_page;
mod connecting;
mod engines_page;
mod lost_answers;
mod metrics;
mod properties;
mod reference;
mod schedules;
mod schema;
mod tokens;
mod transforms;
mod web;
