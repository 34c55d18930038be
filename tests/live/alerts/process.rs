//! What befalls databases and the evidence log, and what people want of them.

use forgetd::clock;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::{Seen, served, until_seen};
use crate::harness::{Clock, Database, Policy, Postgres, Program, Sqlite};
use crate::shop;

const DUE: u64 = 300;
const FRESH: u64 = 50;

/// Everything, one after another.
pub(super) fn all(seen: &Seen) {
    for scene in [away, unwritable, unrelayed, quiet, rests] {
        scene(seen);
    }
}

/// A database that is away while the one that holds the lease is there.
fn away(seen: &Seen) {
    let (home, crm) = (Sqlite::database(), Sqlite::database());
    shop::create(&crm, DUE, FRESH);
    let policy = Policy::new(&home.url())
        .top("coordination: { lease: 3s }")
        .another("crm", &crm.url())
        .rule(&shop::rule().with("database: crm").with("schedule: \"@daily\""));
    let program = Program::installed(&policy);
    let watched = served(&program, &Clock::Right);
    std::fs::rename(crm.path(), crm.path().with_extension("away")).unwrap();
    drop(program.call(&["run"]));
    until_seen(seen, "a database that is away", "paused unreachable", &watched);
    std::fs::rename(crm.path().with_extension("away"), crm.path()).unwrap();
    watched.end();
}

/// The home database only reads: nobody acts.
fn unwritable(seen: &Seen) {
    let home = Postgres::database();
    shop::create(&home, DUE, FRESH);
    let program = Program::installed(&shop::policy(&home, "2s"));
    home.exec(&format!("alter database {} set default_transaction_read_only = on", home.name()));
    let watched = served(&program, &Clock::Right);
    until_seen(seen, "a home database that only reads", "paused read_only", &watched);
    watched.end();
}

/// An evidence log that takes nothing any more.
fn unrelayed(seen: &Seen) {
    let database = Sqlite::database();
    // One batch, so that the first run is clean.
    shop::create(&database, 90, FRESH);
    let rule = shop::rule().with("schedule: \"@daily\"");
    let program = Program::installed(&shop::ruled_by(&database, "3s", &rule).evidence("receipts_pending_max: 2"));
    let watched = served(&program, &Clock::Right);
    program.call(&["run"]).expect(0);
    database.exec("create trigger full before update on forgetd_log_head begin select raise(abort, 'disk full'); end");
    shop::add(&database, 10_000, 1_000, 40);
    drop(program.call(&["run"]));
    until_seen(seen, "an evidence log that takes no entry", "paused evidence_backlog", &watched);
    watched.end();
}

/// Hours in which nothing is started.
fn quiet(seen: &Seen) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    // Whole days, and enough of them that this one is among them whenever the test runs.
    let today = clock::now().to_zoned(TimeZone::UTC).weekday();
    let window =
        |day: Weekday| format!("{{ from: \"00:00\", to: \"24:00\", days: \"{}\" }}", day.to_sunday_zero_offset());
    let windows = format!("[{}, {}]", window(today), window(today.next()));
    let policy = Policy::new(&database.url())
        .with(&format!("throttle: {{ quiet: {windows} }}"))
        .top("coordination: { lease: 3s }")
        .rule(&shop::rule());
    let program = Program::installed(&policy);
    let watched = served(&program, &Clock::Right);
    until_seen(seen, "a quiet window", "paused quiet_window", &watched);
    watched.end();
}

/// Every rule of a database rests.
fn rests(seen: &Seen) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "3s"));
    let watched = served(&program, &Clock::Right);
    program.call(&["pause", "--reason", "a migration"]).expect(0);
    until_seen(seen, "every rule of a database paused", "paused operator", &watched);
    watched.end();
}
