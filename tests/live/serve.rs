//! The daemon: rules fire by themselves, people ask it, others take over, and it ends when it is told to.

mod asking;
mod backwards;
mod changing;
mod chaos;
mod crowd;
mod days;
#[path = "../crash/dice.rs"]
mod dice;
mod ending;
mod failover;
mod late;
mod outages;
mod page;
mod quiet;
mod reloading;
pub(crate) mod rollout;
mod shops;
mod standing_in;
mod throttle;
mod watched;
mod watching;

use serde_json::Value;

use super::harness::{Database, Postgres, Process, Program, Sqlite, until};
use super::shop;

pub(crate) use watched::Watched;

const DUE: u64 = 1_000;
const FRESH: u64 = 50;

/// The lease where somebody goes away.
const LEASE: &str = "3s";

/// A rule that fires every minute.
pub(crate) const EVERY_MINUTE: &str = "schedule: \"* * * * *\"";

/// A rule that fires on a day that no test lives to see.
pub(crate) const SELDOM: &str = "schedule: \"0 0 29 2 *\"";

/// A database with sessions and an installation whose rule fires by this schedule.
fn open_shop(database: &dyn Database, schedule: &str) -> Program {
    shop::create(database, DUE, FRESH);
    Program::installed(&shop::ruled_by(database, LEASE, &shop::rule().with(schedule)))
}

/// Starts the daemon on a port of its own.
fn serve(program: &Program) -> Process {
    program.start(&["serve", "--listen", "127.0.0.1:0"])
}

/// How the only rule stands.
fn status(program: &Program) -> Value {
    program.call(&["status", "--json"]).expect(0).lines().remove(0)
}

/// Waits until a process serves and holds the lease.
fn until_held(program: &Program) {
    until("somebody serves", 60, || program.call(&["status"]).stdout.starts_with("serve@"));
}

/// A rule fires without anybody, once a minute; what was due before is gone then, and evidence says so; what becomes
/// due later goes with a later fire time. A heartbeat stands for the minutes in between.
#[test]
fn a_rule_fires_by_itself() {
    let databases: [Box<dyn Database>; 2] = [Box::new(Postgres::database()), Box::new(Sqlite::database())];
    let running: Vec<_> = databases
        .iter()
        .map(|database| {
            let program = open_shop(database.as_ref(), EVERY_MINUTE);
            let process = serve(&program);
            (database, program, process)
        })
        .collect();
    for (database, program, _) in &running {
        until("the first run", 90, || shop::rows(database.as_ref()) == FRESH);
        until("the run is written down", 10, || status(program)["verdict"] == "clean");
        shop::add(database.as_ref(), DUE + FRESH + 1, 10, 40);
    }
    for (database, program, process) in running {
        until("the next run", 90, || shop::rows(database.as_ref()) == FRESH);
        until("the next run is written down", 10, || status(&program)["changed"] == 10);
        process.signal("TERM");
        process.wait().expect(0);
        assert_eq!(program.rows_in_evidence(), DUE + 10, "{}", database.engine());
        assert_eq!(program.entries("run.finished").len(), 2);
    }
}
