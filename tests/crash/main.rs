//! Kills the real program at random moments, lets it recover, and compares the rows that are gone, or transformed, with
//! the evidence. No row may be transformed by half, or twice.
//!
//! Without arguments a short form of everything runs. `crash LANE [--rounds N] [--points] [--naive VARIANT] [--seed S]`
//! runs one long form; its last line has the counts, and its exit code is 1 when a row is gone or changed without
//! evidence, stands in evidence twice, is done by half or twice, or too few kills met the states that matter.

#![allow(clippy::print_stdout, reason = "its lines are its result")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a world that cannot be made fails the test")]

mod deleted;
mod dice;
mod documents;
mod evidence;
#[path = "../live/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the live tests use the rest")]
mod harness;
mod lane;
mod ledger;
mod nodes;
mod points;
mod report;
mod rounds;
mod table;
mod transformed;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use dice::Dice;
use harness::Cluster;
use lane::Lane;
use nodes::FENCE_BY_READ;
use points::Ways;

/// Rounds of each lane in the short form.
const QUICK_ROUNDS: u64 = 8;

/// The same of lanes that transform: their batches are those of the other lanes but for what is done with the rows.
const QUICK_ROUNDS_OF_TRANSFORMS: u64 = 5;

/// Freezes of the lanes on documents: each lasts longer than a lease.
const QUICK_FREEZES: u64 = 3;

/// Rounds of the same in which writes are meddled with.
const QUICK_FAULTS: u64 = 3;

/// The same where a cluster's fence is none: two of them have a node that lags behind its holder.
const QUICK_ROUNDS_OF_A_FENCE: u64 = 5;

/// What was asked for.
struct Request {
    lane: Lane,
    rounds: u64,
    points: bool,
    naive: Option<String>,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let of_documents = arguments.first().and_then(|lane| documents::NAMES.into_iter().find(|name| name == lane));
    if let Some(name) = of_documents {
        return documents::long(name, &arguments[1..]);
    }
    match request(&arguments) {
        Some(Ok(request)) => match long(&request) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(why) => {
                println!("{why}");
                ExitCode::FAILURE
            }
        },
        Some(Err(why)) => {
            println!("{why}");
            ExitCode::from(64)
        }
        None => quick(&arguments),
    }
}

fn long(request: &Request) -> Result<String, String> {
    let dice = Dice::new(request.seed);
    if request.points {
        points::run(request.lane, Ways::All)
    } else {
        rounds::run(request.lane, request.rounds, request.naive.as_deref(), dice)
    }
}

/// The short form, as one test per line, for `cargo test`.
fn quick(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if filters.is_empty() {
        // Its nodes take a while to find each other.
        std::thread::spawn(|| Cluster::Galera.servers().is_some());
    }
    let (mut passed, mut failed, mut filtered) = (0, 0, 0);
    let mut test = |name: String, run: &dyn Fn() -> Result<String, String>| {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            filtered += 1;
            return;
        }
        // A world that falls apart fails its own test alone.
        let done = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("panicked, see above".into()));
        match done {
            Ok(line) => {
                passed += 1;
                println!("test {name} ... ok: {line}");
            }
            Err(why) => {
                failed += 1;
                println!("test {name} ... FAILED: {why}");
            }
        }
    };
    // Points are passed on a cluster as on one of its servers, and rows are written as they are there.
    for lane in Lane::ALL.iter().filter(|lane| lane.engine.cluster().is_none()) {
        let (rounds, ways) =
            if lane.transforms() { (QUICK_ROUNDS_OF_TRANSFORMS, Ways::OfBatches) } else { (QUICK_ROUNDS, Ways::All) };
        test(format!("kills_{}", lane.name()), &|| rounds::run(*lane, rounds, None, Dice::new(Dice::seed())));
        test(format!("points_{}", lane.name()), &|| points::run(*lane, ways));
    }
    for lane in ["sqlite", "transform-sqlite"].into_iter().filter_map(Lane::parse) {
        for naive in ["log_after_commit", "log_before_commit"] {
            test(format!("catches_{naive}_{}", lane.name()), &|| caught(lane, naive, QUICK_ROUNDS));
        }
    }
    for name in documents::NAMES {
        let rounds = documents::Rounds { kills: QUICK_ROUNDS, freezes: QUICK_FREEZES, faults: QUICK_FAULTS };
        test(format!("kills_{name}"), &|| documents::run(name, rounds, None, Dice::new(Dice::seed())));
        test(format!("catches_{}_{name}", documents::LOG_AFTER), &|| documents::caught(name, QUICK_ROUNDS));
    }
    for lane in ["galera"].into_iter().filter_map(Lane::parse) {
        test(format!("kills_{}", lane.name()), &|| rounds::run(lane, QUICK_ROUNDS, None, Dice::new(Dice::seed())));
        let rounds = QUICK_ROUNDS_OF_A_FENCE;
        test(format!("catches_{FENCE_BY_READ}_{}", lane.name()), &|| caught(lane, FENCE_BY_READ, rounds));
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A wrong order of delete and receipt, or a fence that is none, must show in the counts.
fn caught(lane: Lane, naive: &str, rounds: u64) -> Result<String, String> {
    let wrong = match naive {
        "log_after_commit" => "lost=",
        FENCE_BY_READ => "committed_late=",
        _ => "doubled=",
    };
    match rounds::run(lane, rounds, Some(naive), Dice::new(Dice::seed())) {
        Ok(line) => Err(format!("{naive} was not caught: {line}")),
        Err(line) if line.contains(wrong) && !line.contains(&format!("{wrong}0")) => Ok(line),
        Err(why) => Err(why),
    }
}

/// Reads the long form's arguments; absent where they are `cargo test`'s own.
fn request(arguments: &[String]) -> Option<Result<Request, String>> {
    let lane = Lane::parse(arguments.first()?)?;
    let mut request = Request { lane, rounds: 200, points: false, naive: None, seed: Dice::seed() };
    let mut rest = arguments[1..].iter();
    while let Some(flag) = rest.next() {
        let mut number = || rest.next().and_then(|text| text.parse().ok()).ok_or(format!("{flag} needs a number"));
        let read = match flag.as_str() {
            "--rounds" => number().map(|n| request.rounds = n),
            "--seed" => number().map(|n| request.seed = n),
            "--points" => {
                request.points = true;
                Ok(())
            }
            "--naive" => match rest.next().map(String::as_str) {
                Some(name @ ("log_after_commit" | "log_before_commit")) => {
                    request.naive = Some(name.into());
                    Ok(())
                }
                Some(FENCE_BY_READ) if lane.engine.cluster().is_some() => {
                    request.naive = Some(FENCE_BY_READ.into());
                    Ok(())
                }
                _ => Err("--naive is log_after_commit, log_before_commit or, on a cluster, fence_by_read".into()),
            },
            other => Err(format!("{other} is no flag of the crash harness")),
        };
        if let Err(why) = read {
            return Some(Err(why));
        }
    }
    Some(Ok(request))
}
