//! The days of 23 and of 25 hours, lived through on a clock that runs ahead.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::harness::{Clock, Database, Output, Policy, Process, Program, Rule, Sqlite, full, until};

/// A rule that follows the time that passes, and one whose time is skipped on the one day and comes twice on the other.
const HOURLY: &str = "hourly";
const NIGHTLY: &str = "nightly";

/// A part of a day on which the clocks of Stockholm are changed, and what must happen in it.
struct Day {
    /// From a moment to another one, in UTC.
    from: &'static str,
    to: &'static str,
    /// How much faster than ours its clock runs.
    speed: i64,
    /// How often the hourly rule is served.
    hours: usize,
    /// When the nightly rule, at half past two, is served: once.
    night: &'static str,
}

/// 29 March 2026: behind 01:59 comes 03:00, and the first moment after the gap stands for half past two.
const SPRING: Day = Day {
    from: "2026-03-29T00:10:00Z",
    to: "2026-03-29T02:30:00Z",
    speed: 240,
    hours: 2,
    night: "2026-03-29T01:00:00Z",
};

/// 25 October 2026: 02:59 is followed by 02:00, and half past two counts the first time.
const AUTUMN: Day = Day {
    from: "2026-10-24T23:40:00Z",
    to: "2026-10-25T02:30:00Z",
    speed: 240,
    hours: 3,
    night: "2026-10-25T00:30:00Z",
};

/// The same two days from midnight to midnight.
const DAYS: [Day; 2] = [
    Day { from: "2026-03-28T22:50:00Z", to: "2026-03-29T21:30:00Z", speed: 360, hours: 23, ..SPRING },
    Day { from: "2026-10-24T21:50:00Z", to: "2026-10-25T22:30:00Z", speed: 360, hours: 25, ..AUTUMN },
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The program on a clock that stands, or runs, from a moment on.
fn on(program: &Program, args: &[&str], from: &str, speed: i64) -> Process {
    let clock = format!("@{} x{speed}", at(from).strftime("%Y-%m-%d %H:%M:%S"));
    let mut command = program.command(args);
    Process::spawn(Clock::Off(Box::leak(clock.into_boxed_str())).set(&mut command).env("TZ", "UTC"))
}

fn policy(database: &dyn Database) -> Policy {
    let rule = |name, cron| {
        Rule::delete(name, "session", "{ column: seen_at, zone: UTC }")
            .with(&format!("schedule: {{ cron: \"{cron}\", zone: Europe/Stockholm }}"))
    };
    Policy::new(&database.url())
        .top("coordination: none")
        .rule(&rule(HOURLY, "0 * * * *"))
        .rule(&rule(NIGHTLY, "30 2 * * *"))
}

/// When the rule's fire times were answered, whatever the answer.
fn answers(entries: &[Value], rule: &str) -> Vec<Timestamp> {
    let answers = ["run.started", "run.skipped", "heartbeat"];
    let own = entries.iter().filter(|entry| {
        entry["rule"] == rule && answers.contains(&entry["type"].as_str().unwrap()) && entry["resumed"] != true
    });
    own.map(|entry| at(entry["at"].as_str().unwrap())).collect()
}

fn last(program: &Program, rule: &str) -> Option<Timestamp> {
    let status = program.call(&["status", "--json"]).lines();
    let line = status.into_iter().find(|line| line["rule"] == rule)?;
    line["at"].as_str()?.parse().ok()
}

fn lives(day: &Day) {
    let database = Sqlite::database();
    database.exec("create table session (id integer primary key, seen_at datetime not null)");
    database.exec("insert into session values (1, '2025-12-01 00:00:00'), (2, '2026-10-20 00:00:00')");
    let program = Program::new(&policy(&database));
    let once = |args: &[&str], moment: &str| -> Output { on(&program, args, moment, 1).wait() };
    once(&["install"], day.from).expect(0);
    let process = on(&program, &["serve", "--listen", "127.0.0.1:0"], day.from, day.speed);
    let long = at(day.to).duration_since(at(day.from)).as_secs() / day.speed;
    // The last hour is served at its beginning.
    let newest = at(day.to) - SignedDuration::from_mins(30);
    let patience = u64::try_from(long).unwrap() + 120;
    until("the last hour is served", patience, || last(&program, HOURLY).is_some_and(|served| served >= newest));
    process.signal("TERM");
    process.wait().expect(0);
    assert_eq!(database.count("select count(*) from session"), 1, "what was due went");
    let entries = program.evidence();
    let hourly = answers(&entries, HOURLY);
    assert_eq!(hourly.len(), day.hours, "{hourly:?}");
    // Each hour's answer came in its hour, one after another.
    let hours: Vec<i64> = hourly.iter().map(|answer| answer.as_second().div_euclid(3_600)).collect();
    assert!(hours.windows(2).all(|pair| pair[1] == pair[0] + 1), "{hourly:?}");
    let nightly = answers(&entries, NIGHTLY);
    assert_eq!(nightly.len(), 1, "once: {nightly:?}");
    let late = nightly[0].duration_since(at(day.night));
    // The process looks every two seconds, on a clock that runs ahead.
    let look = SignedDuration::try_from(Duration::from_secs(10)).unwrap() * i32::try_from(day.speed).unwrap();
    assert!(late >= SignedDuration::ZERO && late < look, "{nightly:?} for {}", day.night);
    let missing = once(&["evidence", "show", "--missing"], day.to).expect(0);
    assert!(missing.stderr.contains("every fire time left an entry"), "{} {}", missing.stdout, missing.stderr);
}

#[test]
fn clocks_are_changed_under_a_process_that_serves() {
    let days = if full() { DAYS } else { [SPRING, AUTUMN] };
    std::thread::scope(|scope| {
        for day in &days {
            scope.spawn(move || lives(day));
        }
    });
}
