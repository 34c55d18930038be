//! The connector for MySQL and MariaDB on real servers: the conformance suite, and what only these engines do.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]

mod cluster;
mod company;
mod conditions;
mod conformance;
mod connecting;
mod control;
mod describing;
mod documents;
mod due;
mod faults;
mod fixture;
mod keys;
mod late;
mod locking;
mod looking;
mod lost;
mod neighbours;
mod nodes;
mod privileges;
mod rewriting;
mod server;
mod server_look;
mod steps;
mod tls;
mod transform_look;
mod turning;
