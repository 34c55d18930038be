//! forgetd, the daemon that forgets: declarative retention beside an application's databases, with evidence.
//!
//! The rooms, in the direction data flows: `config` reads the policy file into [`rules`]; `plan` turns a rule, a
//! described table and a moment into a step; `guard` may stop it; [`run`] changes rows in batches, each with its
//! receipt; [`evidence`] relays receipts into a log that outsiders can check. `lease` says who may act, `app` wires it
//! together, `cli` speaks with people. ARCHITECTURE.md tells the whole.

pub mod app;
pub mod approval;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod evidence;
pub mod guard;
pub mod http;
pub mod keys;
pub mod lease;
pub mod plan;
pub mod preflight;
pub mod rules;
pub mod run;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod throttle;
pub mod transform;
