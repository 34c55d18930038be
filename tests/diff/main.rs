//! Random rules on random tables: what each engine deletes, or writes, is what the oracle says, row by row.
//!
//! Without arguments a short form and every case of `tests/cases/diff/` run. `diff --cases N [--seed S] [--engine E]..` runs
//! the long form, on the engines that are named if any is; its last line has the counts, and its exit code is 1 when an
//! engine and the oracle ever differ, or, on all engines, when the cases met too little of what matters.

#![allow(clippy::print_stdout, reason = "its lines are its result")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a world that cannot be made fails the test")]

#[path = "../it/calendar.rs"]
mod calendar;
mod coverage;
mod engine;
#[path = "../live/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the live tests use the rest")]
mod harness;
mod lanes;
mod mongo;
mod mysql;
mod policy;
mod replay;
mod rounds;
mod shrink;
mod transforms;
mod trial;
mod written;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Cases of the short form.
const QUICK_CASES: u64 = 210;

/// The seed of the short form: the same cases every time.
const QUICK_SEED: u64 = 1;

/// Cases of the long form, unless told otherwise.
const LONG_CASES: u64 = 5_000;

type Test<'a> = (String, Box<dyn Fn() -> Result<String, String> + 'a>);

fn main() -> ExitCode {
    trial::keep_panics_quiet();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match long_form(&arguments) {
        Some(Ok(long)) => match rounds::run(long.cases, long.seed, &long.engines) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(line) => {
                println!("{line}");
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

/// How many cases of which seed, and on which engines, if not on all.
struct Long {
    cases: u64,
    seed: u64,
    engines: Vec<String>,
}

/// What the long form is told, if it was asked for.
fn long_form(arguments: &[String]) -> Option<Result<Long, String>> {
    if !arguments.iter().any(|argument| matches!(argument.as_str(), "--cases" | "--seed" | "--engine" | "--long")) {
        return None;
    }
    let mut long = Long { cases: LONG_CASES, seed: QUICK_SEED, engines: vec![] };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let mut number = || rest.next().and_then(|text| text.parse().ok()).ok_or(format!("{flag} needs a number"));
        let read = match flag.as_str() {
            "--cases" => number().map(|n| long.cases = n),
            "--seed" => number().map(|n| long.seed = n),
            "--engine" => rest.next().map(|name| long.engines.push(name.clone())).ok_or(format!("{flag} needs a name")),
            "--long" => Ok(()),
            other => Err(format!("{other} is no flag of the differential test")),
        };
        if let Err(why) = read {
            return Some(Err(why));
        }
    }
    Some(Ok(long))
}

/// The short form, as one test per line, for `cargo test`.
fn quick(arguments: &[String]) -> ExitCode {
    let mut tests: Vec<Test<'_>> =
        vec![("random_cases".into(), Box::new(|| rounds::run(QUICK_CASES, QUICK_SEED, &[])))];
    for name in replay::names() {
        tests.push((format!("case_{name}"), Box::new(move || replay::run(&name))));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let fits = |name: &str, filter: &str| if exact { name == filter } else { name.contains(filter) };
    let (mut passed, mut failed, mut filtered) = (0, 0, 0);
    for (name, run) in &tests {
        if !filters.is_empty() && !filters.iter().any(|filter| fits(name, filter)) {
            filtered += 1;
            continue;
        }
        // A world that falls apart fails its own test alone.
        let done = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(trial::said(&*panic)));
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
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
