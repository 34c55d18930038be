//! The PostgreSQL connector on a real server: the conformance suite, and what only this engine does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]

mod blind;
mod company;
mod conditions;
mod conformance;
mod control;
mod effect;
mod faults;
mod fit;
mod fixture;
mod json;
mod judging;
mod late;
mod limits;
mod looking;
mod native;
mod others;
mod predicate;
mod server;
mod since;
mod tls;
mod transaction;
mod transform;
mod transform_look;
mod transform_rows;
mod turning;
mod undone;
mod walk;
mod written;
