//! The states that somebody is woken for, each brought about as it comes about, and mended as its runbook says.

mod evidence;
mod home;
mod rules;

use forgetd::clock;
use jiff::ToSpan as _;

use super::scene::Scene;
use crate::harness::{Clock, Output, Process, Program, until};

/// A state of the world.
pub(super) struct State {
    /// What it is.
    pub(super) name: &'static str,
    /// How many daemons are in it.
    pub(super) pods: usize,
    /// Brings it about, sees what it must be told by, and mends it.
    pub(super) play: fn(&Scene<'_>),
}

const fn state(name: &'static str, pods: usize, play: fn(&Scene<'_>)) -> State {
    State { name, pods, play }
}

/// Every state. They go on side by side.
pub(super) const ALL: &[State] = &[
    state("only looks", 1, rules::only_looks),
    state("late", 1, rules::late),
    state("blind", 1, rules::blind),
    state("fire time missed", 1, rules::fire_time_missed),
    state("more comes than goes", 1, rules::more_comes_than_goes),
    state("home away", 1, home::away),
    state("database down", 1, home::down),
    state("two holders", 2, home::two_holders),
    state("rollout stands still", 2, home::rollout_stands_still),
    state("broken file", 1, home::broken_file),
    state("log takes nothing", 1, evidence::takes_nothing),
    state("log written over", 1, evidence::written_over),
];

/// The lease of the daemons.
const LEASE: &str = "3s";

/// Rows that are due, and rows that are not.
const DUE: u64 = 300;
const FRESH: u64 = 50;

/// Every day, twelve hours from now: nothing fires while this goes on.
fn cron() -> String {
    (clock::now() + 12.hours()).strftime("\"%-M %-H * * *\"").to_string()
}

fn daily() -> String {
    format!("schedule: {}", cron())
}

/// What a person types, by a clock that may be wrong.
fn call_at(clock: &Clock, program: &Program, args: &[&str]) -> Output {
    Process::spawn(clock.set(&mut program.command(args))).wait()
}

/// Everything that is due goes, as soon as it can.
fn until_clean(clock: &Clock, program: &Program) {
    until("a run is clean", 60, || call_at(clock, program, &["run"]).code == 0);
}
