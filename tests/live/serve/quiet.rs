//! Quiet windows: nothing is started while one is open, and what was begun goes on behind it.

use forgetd::clock;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use super::{DUE, EVERY_MINUTE, FRESH, LEASE, SELDOM, serve, shops, status, until_held};
use crate::harness::{Clock, Database, Policy, Postgres, Process, Program, Sqlite, until};
use crate::shop;

/// The policy of sessions with these quiet windows.
fn policy(database: &dyn Database, schedule: &str, quiet: &str) -> Policy {
    let rule = shop::rule().with(schedule);
    let throttle = format!("throttle: {{ batch_rows_max: {}, quiet: {quiet} }}", shop::BATCH_ROWS);
    Policy::new(&database.url()).with(&throttle).top(&format!("coordination: {{ lease: {LEASE} }}")).rule(&rule)
}

/// Quiet today and tomorrow, in UTC, whenever this runs.
fn whole_days() -> String {
    let today = clock::now().to_zoned(TimeZone::UTC).weekday().to_sunday_zero_offset();
    format!("[{{ from: \"00:00\", to: \"24:00\", days: \"{today},{}\" }}]", (today + 1) % 7)
}

/// A fire time waits, a person is told, and a changed setting lets the rule go.
#[test]
fn nothing_starts_in_a_quiet_window_and_the_fire_time_waits() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&policy(&database, EVERY_MINUTE, &whole_days()));
    let process = serve(&program);
    until_held(&program);
    let report = program.call(&["run", "--json"]).expect(3).lines().remove(0);
    assert_eq!(report["cause"], "quiet_window", "{report}");
    assert!(report["detail"].as_str().unwrap().contains("until 2"), "{report}");
    assert!(status(&program)["verdict"].is_null(), "nothing was begun");
    let next: Timestamp = status(&program)["next"].as_str().unwrap().parse().unwrap();
    // Two whole days and the rest of this one, at most.
    assert!(next > clock::now() && next < clock::now() + 48.hours(), "{next}");
    assert!(program.call(&["status"]).stdout.contains("main: quiet until 2"));
    // A fire time passes.
    let next_minute = clock::now() + 61.seconds();
    until("a minute has passed", 90, || clock::now() > next_minute);
    assert_eq!(shop::rows(&database), DUE + FRESH);
    program.policy(&policy(&database, EVERY_MINUTE, "[]"));
    until("the rule runs", 60, || shop::rows(&database) == FRESH);
    until("the run is written down", 10, || status(&program)["verdict"] == "clean");
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(ended.stderr.contains("reason=\"quiet_window\""), "{}", ended.stderr);
    assert!(ended.stderr.contains("throttle.quiet"), "it says what would change that: {}", ended.stderr);
    assert!(program.entries("run.started").len() == 1, "one run for all that waited");
}

/// A run ends with its batch when the window opens, and goes on under its own cutoff when it is over.
#[test]
fn a_run_ends_at_a_batch_when_a_window_opens_and_goes_on_behind_it() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    shops::slow(&database, 1.2);
    // A window of an hour that opens in one to two minutes; for the run that is six seconds from now.
    let now = clock::now();
    let opens = Timestamp::from_second((now.as_second() / 60 + 2) * 60).unwrap();
    let time = |at: Timestamp| at.strftime("%H:%M").to_string();
    let quiet = format!("[{{ from: \"{}\", to: \"{}\" }}]", time(opens), time(opens + 1.hour()));
    let program = Program::installed(&policy(&database, SELDOM, &quiet));
    let ahead = opens.duration_since(clock::now()).as_secs() - 6;
    let clock = Clock::Off(Box::leak(format!("+{ahead}s").into_boxed_str()));
    let mut command = program.command(&["run", "--json"]);
    let stopped = Process::spawn(clock.set(&mut command)).wait().expect(3);
    let report = &stopped.lines()[0];
    assert_eq!(report["cause"], "quiet_window", "{report}");
    let left = shop::rows(&database);
    assert!(left > FRESH && left < DUE + FRESH, "{left} rows: it was in the middle\n{}", stopped.stderr);
    assert!(left.is_multiple_of(50), "whole batches: {left}");
    database.exec("drop trigger slow on web_session");
    // By the right clock the window has not opened yet.
    let resumed = program.run(0);
    assert_eq!((&resumed["run_id"], &resumed["changed"]), (&report["run_id"], &DUE.into()), "{resumed}");
    assert_eq!(shop::rows(&database), FRESH);
    assert_eq!(program.rows_in_evidence(), DUE);
}
