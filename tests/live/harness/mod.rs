//! Databases of a test's own, and the program as its users run it.

mod aside;
mod clock;
mod cluster;
mod contents;
mod database;
mod ferret;
mod findings;
mod grants;
mod mongo;
mod mysql;
mod pgbouncer;
mod policy;
mod postgres;
mod process;
mod program;
mod server;
mod sqlite;
mod ssh;
mod wire;

pub(crate) use aside::Aside;
pub(crate) use clock::{Clock, tell};
pub(crate) use cluster::{Cluster, Flow, Node};
pub(crate) use contents::{assert_same, contents};
pub(crate) use database::{Database, Rows, every_engine};
pub(crate) use ferret::{Again, Ferret};
pub(crate) use findings::{Findings, assert_findings};
pub(crate) use grants::{Granted, Roles, granted};
pub(crate) use mongo::Mongo;
pub(crate) use mysql::{Mysql, MysqlSession, Product, Servers};
pub(crate) use pgbouncer::through_pgbouncer;
pub(crate) use policy::{Policy, Rule};
pub(crate) use postgres::{Postgres, Session, free_port};
pub(crate) use process::{Output, Process};
pub(crate) use program::Program;
pub(crate) use server::{Server, is_root, server_bin};
pub(crate) use sqlite::Sqlite;
pub(crate) use ssh::Ssh;
pub(crate) use wire::Wire;

use std::time::{Duration, Instant};

/// Whether the long forms were asked for: the same tests with bigger numbers.
pub(crate) fn full() -> bool {
    std::env::var_os("FORGETD_TEST_FULL").is_some()
}

/// Asks again until `condition` holds; fails with `what` after `seconds`.
pub(crate) fn until(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
