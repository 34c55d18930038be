//! What befalls the daemon itself, its databases and its evidence log.

use forgetd::clock;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::scrape::Scrape;
use super::{Seen, served, until_seen};
use crate::harness::{Clock, Database, Policy, Postgres, Program, Sqlite, tell};
use crate::serve::rollout;
use crate::shop;

const DUE: u64 = 300;
const FRESH: u64 = 50;

/// Three days, in seconds.
const THREE_DAYS: f64 = 3.0 * 86_400.0;

/// Everything, one after another.
pub(super) fn all(seen: &Seen) {
    for scene in [refused, observing, away, homeless, unwritable, alone, unrelayed, quiet, rests, split] {
        scene(seen);
    }
}

/// Files that are refused, and a process that is gone.
fn refused(seen: &Seen) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "3s"));
    let watched = served(&program, &Clock::Right);
    program.write("forgetd.yaml", "version: 1\nrules: [");
    watched.process.signal("HUP");
    until_seen(seen, "a file that is refused", "alert ForgetdConfigInvalid", &[&watched]);
    watched.process.signal("TERM");
    until_seen(seen, "a process that ended", "alert ForgetdAbsent", &[&watched]);
}

/// A rule that only looks, while more and more is due.
fn observing(seen: &Seen) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let rule = shop::rule().with("mode: observe").with("schedule: \"@daily\"");
    let program = Program::installed(&shop::ruled_by(&database, "3s", &rule));
    let watched = served(&program, &Clock::Right);
    let mut looks = vec![];
    for first in [10_000, 20_000] {
        drop(program.call(&["run"]));
        looks.push(Scrape::of(&[&watched], 0.0));
        shop::add(&database, first, 100, 40);
    }
    seen.note("a rule that only looks while rows come in", &looks);
    watched.end();
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
    until_seen(seen, "a database that is away", "paused unreachable", &[&watched]);
    std::fs::rename(crm.path().with_extension("away"), crm.path()).unwrap();
    watched.end();
}

/// The home database is away: nobody acts.
fn homeless(seen: &Seen) {
    let home = Sqlite::database();
    shop::create(&home, DUE, FRESH);
    let program = Program::installed(&shop::policy(&home, "2s"));
    let watched = served(&program, &Clock::Right);
    std::fs::rename(home.path(), home.path().with_extension("away")).unwrap();
    until_seen(seen, "a home database that is away", "alert ForgetdNoLeader", &[&watched]);
    watched.end();
}

/// The home database only reads: nobody acts.
fn unwritable(seen: &Seen) {
    let home = Postgres::database();
    shop::create(&home, DUE, FRESH);
    let program = Program::installed(&shop::policy(&home, "2s"));
    home.exec(&format!("alter database {} set default_transaction_read_only = on", home.name()));
    let watched = served(&program, &Clock::Right);
    until_seen(seen, "a home database that only reads", "paused read_only", &[&watched]);
    watched.end();
}

/// Two processes that were both promised to be alone.
fn alone(seen: &Seen) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::uncoordinated(&database));
    let first = served(&program, &Clock::Right);
    let second = served(&program, &Clock::Right);
    until_seen(seen, "two processes without coordination", "alert ForgetdSplitLeader", &[&first, &second]);
    second.end();
}

/// An evidence log that takes nothing any more, for days.
fn unrelayed(seen: &Seen) {
    let database = Sqlite::database();
    // One batch, so that the first run is clean.
    shop::create(&database, 90, FRESH);
    let rule = shop::rule().with("schedule: \"@daily\"");
    let program = Program::installed(&shop::ruled_by(&database, "3s", &rule).evidence("receipts_pending_max: 2"));
    let time = program.path("time");
    let watched = served(&program, &Clock::told_by(time.clone()));
    program.call(&["run"]).expect(0);
    database.exec("create trigger full before update on forgetd_log_head begin select raise(abort, 'disk full'); end");
    shop::add(&database, 10_000, 1_000, 40);
    drop(program.call(&["run"]));
    let by = "an evidence log that takes no entry";
    until_seen(seen, by, "paused evidence_backlog", &[&watched]);
    tell(&time, "+3d");
    seen.note(by, &[Scrape::of(&[&watched], THREE_DAYS)]);
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
    until_seen(seen, "a quiet window", "paused quiet_window", &[&watched]);
    watched.end();
}

/// Every rule of a database rests.
fn rests(seen: &Seen) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, "3s"));
    let watched = served(&program, &Clock::Right);
    program.call(&["pause", "--reason", "a migration"]).expect(0);
    until_seen(seen, "every rule of a database paused", "paused operator", &[&watched]);
    watched.end();
}

fn split(seen: &Seen) {
    rollout::stands_still(|holder, _| seen.look("a rollout that stands still", holder));
}
