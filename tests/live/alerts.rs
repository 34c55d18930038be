//! Everything that stops a rule or a database is brought about for real, and seen where Prometheus reads: every cause for
//! which a rule can be blocked and every reason for a pause, as the code lists them. That alerts come of such states is seen
//! in `prometheus`.

mod guards;
mod process;
mod scrape;
mod tables;
mod throttle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forgetd::board::Pause;
use forgetd_connector::Cause;

use crate::harness::{Clock, Process, Program, until};
use crate::serve::Watched;
use scrape::Scrape;

/// Causes that no rule is blocked for.
const NEVER_BLOCK: &[(&[Cause], &str)] = &[
    (
        &[Cause::Locked, Cause::Check, Cause::Unique, Cause::RowRefused, Cause::Size, Cause::ValueUnfit],
        "of single rows: they are passed over, and the run is partial",
    ),
    (&[Cause::Cap, Cause::Observe, Cause::Interrupted, Cause::EvidenceBacklog], "the run is partial, and goes on"),
    (
        &[Cause::Unreachable, Cause::Unknown, Cause::Superseded, Cause::Internal],
        "the run failed: it says nothing about whether the rule may act",
    ),
    (&[Cause::Fenced], "another process acts, and shows how the rules stand"),
    (&[Cause::Overlap, Cause::StartingDeadline], "a fire time without a run"),
    (&[Cause::QuietWindow], "nothing is started in the database, which has a metric of its own"),
    (
        &[
            Cause::ReplicaLag,
            Cause::ReplicaUnreachable,
            Cause::NotMyReplica,
            Cause::SignalUnread,
            Cause::LogKept,
            Cause::Load,
            Cause::LockWaits,
            Cause::Veto,
        ],
        "batches wait in the database, which has a metric of its own",
    ),
    (&[Cause::Requests], "of whoever asks: no rule stands so"),
    (&[Cause::PolicySplit], "of the instance, and not of a rule: it has a metric of its own"),
];

/// What is listed and cannot be brought about here, with the reason.
const NOT_PRODUCED: &[(&str, &str)] = &[
    (
        "blocked survivors",
        "rows that come back behind the last walk of a run that changed none: nothing but a race, twice in one run",
    ),
    (
        "blocked evidence_no_space",
        "a file system that is full when the log is looked at first: the daemon's own tests fill one",
    ),
];

/// What was seen, and what it was seen of first.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, String>>);

/// Everything that is to be seen.
fn wanted() -> BTreeSet<String> {
    let never = |cause: &Cause| NEVER_BLOCK.iter().any(|(causes, _)| causes.contains(cause));
    let causes = Cause::ALL.iter().filter(|cause| !never(cause)).map(|cause| format!("blocked {cause}"));
    let pauses = Pause::ALL.iter().map(|pause| format!("paused {}", pause.id()));
    causes.chain(pauses).collect()
}

#[test]
fn whatever_stops_rules_and_databases_is_seen_in_metrics() {
    let seen = Seen::default();
    let scenes: [fn(&Seen); 5] = [tables::cases, tables::sabotage, guards::all, process::all, throttle::all];
    std::thread::scope(|scope| {
        let running: Vec<_> = scenes.iter().map(|scene| scope.spawn(|| scene(&seen))).collect();
        for scene in running {
            scene.join().expect("a scene panicked");
        }
    });
    let (seen, wanted) = (seen.0.into_inner().unwrap(), wanted());
    let excused: BTreeSet<String> = NOT_PRODUCED.iter().map(|(state, _)| (*state).to_owned()).collect();
    let produced = wanted.iter().filter(|state| seen.contains_key(*state)).count();
    println!("note: alertable states produced: {produced}/{}", wanted.len());
    for state in &wanted {
        match (seen.get(state), NOT_PRODUCED.iter().find(|(excused, _)| excused == state)) {
            (Some(by), _) => println!("note:   {state}: {by}"),
            (None, reason) => println!("note:   {state}: NOT PRODUCED: {}", reason.map_or("", |(_, why)| why)),
        }
    }
    let missing: Vec<&String> = wanted.difference(&excused).filter(|state| !seen.contains_key(*state)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    let needless: Vec<&String> = excused.iter().filter(|state| seen.contains_key(*state)).collect();
    assert!(needless.is_empty(), "excused, and seen all the same: {needless:?}");
    let unlisted: Vec<&String> = seen.keys().filter(|state| !wanted.contains(*state)).collect();
    assert!(unlisted.is_empty(), "said to be impossible, and seen: {unlisted:?}");
}

// === impl Seen ===

impl Seen {
    fn is_seen(&self, state: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(state)
    }

    /// Whether a cause was seen already.
    fn has(&self, cause: &str) -> bool {
        self.is_seen(&format!("blocked {cause}"))
    }

    /// Notes everything that a process shows.
    fn look(&self, by: &str, watched: &Watched) {
        let now = Scrape::of(watched);
        let blocked = now.on("forgetd_rule_blocked", "cause").into_iter().map(|cause| format!("blocked {cause}"));
        let paused = now.on("forgetd_paused", "reason").into_iter().map(|reason| format!("paused {reason}"));
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for state in blocked.chain(paused) {
            seen.entry(state).or_insert_with(|| by.to_owned());
        }
    }

    /// Serves, has every rule run once, and looks.
    fn serve(&self, by: &str, program: &Program) {
        self.serve_at(by, program, &Clock::Right);
    }

    /// The same by a clock that may be wrong.
    fn serve_at(&self, by: &str, program: &Program, clock: &Clock) {
        let watched = Watched::start_at(program, clock);
        let until_known = Instant::now() + Duration::from_secs(20);
        loop {
            let role = watched.board()["role"].take();
            let nobody = role["nobody"].is_object();
            if role != "starting" && !nobody {
                break;
            }
            // Whoever sabotages the home database too keeps everybody from acting: no rule stands anyhow then.
            if nobody || Instant::now() > until_known {
                self.look(by, &watched);
                watched.end();
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(Process::spawn(clock.set(&mut program.command(&["run", "--json"]))).wait());
        // Where nothing is installed nobody answers: the rules are looked at in their own time.
        until("a rule is blocked", 30, || !Scrape::of(&watched).on("forgetd_rule_blocked", "cause").is_empty());
        self.look(by, &watched);
        watched.end();
    }
}

/// Looks until a state has been seen, or fails.
fn until_seen(seen: &Seen, by: &str, state: &str, watched: &Watched) {
    until(state, 60, || {
        seen.look(by, watched);
        seen.is_seen(state)
    });
}

/// A daemon that knows who acts.
fn served(program: &Program, clock: &Clock) -> Watched {
    let watched = Watched::start_at(program, clock);
    until("it is known who acts", 60, || watched.board()["role"] != "starting");
    watched
}
