//! Three processes on one home database, each over a wire of its own, and trouble that never ends: holders are killed,
//! frozen for three leases (inside an open transaction, too), told to end, and cut off from the database in three ways.
//! Rows that are gone are rows in evidence, and of each term there is one holder with one policy.

mod ground;
mod judged;
mod pod;
mod storm;

use std::time::Duration;

use ground::{Documents, Ground, Tables};
use storm::{Plan, Trouble, survives};

use crate::harness::{Mongo, Mysql, Postgres, Product};

/// The long form: so many minutes on each home.
const MINUTES: &str = "FORGETD_TEST_CHAOS_MINUTES";

/// Minutes of the long form that nobody asked for by itself.
const MINUTES_IN_FULL: u64 = 10;

/// One of each in the short form, in an order that no machine's speed changes.
const SHORT: [Trouble; 5] = [Trouble::FreezeInside, Trouble::Swallow, Trouble::Kill, Trouble::Hold, Trouble::Refuse];

fn weathers(ground: &dyn Ground) {
    let minutes = std::env::var(MINUTES).ok().map(|minutes| minutes.parse().expect(MINUTES));
    let minutes = minutes.or_else(|| crate::harness::full().then_some(MINUTES_IN_FULL));
    survives(ground, &minutes.map_or(Plan::Each(&SHORT), |minutes| Plan::For(Duration::from_secs(60 * minutes))));
}

#[test]
fn rows_gone_are_rows_in_evidence_with_a_home_on_postgresql() {
    weathers(&Tables::on(Postgres::database()));
}

#[test]
fn rows_gone_are_rows_in_evidence_with_a_home_on_mariadb() {
    if Product::there().any(|product| product == Product::MariaDb) {
        weathers(&Tables::on(Mysql::on(Product::MariaDb)));
    }
}

#[test]
fn rows_gone_are_rows_in_evidence_with_a_home_on_mysql() {
    if Product::there().any(|product| product == Product::MySql) {
        weathers(&Tables::on(Mysql::on(Product::MySql)));
    }
}

#[test]
fn rows_gone_are_rows_in_evidence_with_a_home_on_mongodb() {
    if let Some(documents) = Mongo::database() {
        weathers(&Documents(documents));
    }
}
