//! The whole program against real servers. One behaviour a file; each test's name states its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that cannot be set up fails the test")]
#![allow(clippy::print_stdout, reason = "`note:` lines are figures for the summary of ./test")]

#[allow(dead_code, unused_imports, reason = "each behaviour uses its part")]
mod harness;

mod alerts;
mod begun_ahead;
mod checkpoints;
mod chinook;
mod commitments;
mod demo;
mod deployed;
mod documents;
mod engines;
mod findings;
mod forum;
mod galera;
mod guards;
mod kept_children;
mod leaks;
mod least_privilege;
mod neighbours;
mod nordvik;
mod origin;
mod plan_equals_run;
mod planning;
mod poison;
mod poolers;
mod prometheus;
mod pseudonym_keys;
mod races;
mod replica;
mod restore;
mod sealed;
mod serve;
mod shop;
mod signed;
mod silent_zero;
mod ties;
mod transforms;
mod two_at_once;
mod two_lanes;
mod unplug;
