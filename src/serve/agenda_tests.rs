//! When something is done about a rule, over made-up moments.

use std::time::Duration;

use forgetd_connector::Cause;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Next, drained, retry};
use crate::rules::testing::rule;
use crate::rules::{QuietWindow, QuietWindows, Rule, Schedule};
use crate::run::standing::{Paused, Standing};
use crate::run::{Report, Turn, Verdict};

/// What is next where no database is ever quiet.
fn next(rule: &Rule, standing: &Standing, seen: Timestamp, now: Timestamp, spread: f64) -> Option<Next> {
    super::next(rule, standing, &QuietWindows::default(), seen, now, spread)
}

fn at(text: &str) -> Timestamp {
    format!("2026-06-01T{text}Z").parse().unwrap()
}

fn nightly() -> Rule {
    Rule { schedule: Some(Schedule::parse("0 3 * * *", TimeZone::UTC).unwrap()), ..rule("old", "t") }
}

fn ended(rule: &Rule, verdict: Verdict, cause: Option<Cause>) -> Report {
    Report { left: Some(0), ..Report::new(rule, "run".into()).ended(verdict, cause, None) }
}

fn standing(served: &str) -> Standing {
    Standing { served: Some(at(served)), ..Standing::default() }
}

#[test]
fn a_rule_fires_at_its_time_and_catches_up_once_where_nobody_was_there() {
    let rule = nightly();
    let seen = at("02:00:00");
    let run = |fire, at| Some(Next { fire, at, turn: Turn::Run });
    let before = standing("01:00:00");
    assert_eq!(next(&rule, &before, seen, at("02:30:00"), 0.5), run(at("03:00:00"), at("03:00:00")));
    assert_eq!(next(&rule, &before, seen, at("03:00:00"), 0.5), run(at("03:00:00"), at("03:00:00")));
    // Started at five: the fire time of three is caught up, half a minute after the start by this process's share.
    let late = at("05:00:00");
    assert_eq!(next(&rule, &before, late, late, 0.5), run(at("03:00:00"), at("05:00:30")));
    assert_eq!(next(&rule, &before, late, at("05:00:31"), 0.5), run(at("03:00:00"), at("05:00:30")));
    // Served, however late: the next one is tomorrow's.
    let tomorrow = "2026-06-02T03:00:00Z".parse().unwrap();
    assert_eq!(next(&rule, &standing("05:00:30"), late, at("05:01:00"), 0.5), run(tomorrow, tomorrow));
    // Several missed ones are caught up by one run.
    let week = Standing { served: Some("2026-05-24T03:00:00Z".parse().unwrap()), ..Standing::default() };
    let missed = next(&rule, &week, late, at("05:01:00"), 0.0).unwrap();
    let mut after = week;
    after.ran(&ended(&rule, Verdict::Clean, None), Some(missed.fire.max(at("05:01:00"))), at("05:02:00"));
    assert_eq!(next(&rule, &after, late, at("05:03:00"), 0.0).unwrap().fire, tomorrow);
}

#[test]
fn a_rule_that_nobody_served_counts_from_when_it_was_seen() {
    let (rule, new) = (nightly(), Standing::default());
    assert_eq!(next(&rule, &new, at("02:00:00"), at("02:00:00"), 0.0).unwrap().fire, at("03:00:00"));
    let unscheduled = Rule { schedule: None, ..nightly() };
    assert_eq!(next(&unscheduled, &new, at("02:00:00"), at("02:00:00"), 0.0), None);
}

#[test]
fn a_failed_run_is_tried_again_later_each_time_and_a_blocked_one_at_the_next_fire_time() {
    let rule = nightly();
    let seen = at("02:00:00");
    let mut stands = standing("01:00:00");
    let failed = ended(&rule, Verdict::Failed, Some(Cause::Unreachable));
    stands.ran(&failed, Some(at("03:00:00")), at("03:00:01"));
    let again = next(&rule, &stands, seen, at("03:00:02"), 1.0).unwrap();
    assert_eq!((again.fire, again.at), (at("03:00:00"), at("03:00:11")));
    stands.ran(&failed, Some(at("03:00:11")), at("03:00:12"));
    assert_eq!(next(&rule, &stands, seen, at("03:00:13"), 1.0).unwrap().at, at("03:00:32"));
    stands.ran(&ended(&rule, Verdict::Blocked, Some(Cause::CoolOff)), Some(at("03:00:32")), at("03:00:33"));
    assert_eq!(stands.failures, 0);
    assert_eq!(stands.blocked.unwrap().since, at("03:00:33"));
    assert_eq!(next(&rule, &stands, seen, at("03:01:00"), 1.0).unwrap().fire, "2026-06-02T03:00:00Z".parse().unwrap());
}

#[test]
fn a_cause_that_stays_keeps_its_beginning_and_another_one_begins_anew() {
    let rule = nightly();
    let mut stands = Standing::default();
    for (cause, time, since) in [
        (Cause::CoolOff, "03:00:00", "03:00:00"),
        (Cause::CoolOff, "04:00:00", "03:00:00"),
        (Cause::WholeTableDue, "05:00:00", "05:00:00"),
    ] {
        stands.ran(&ended(&rule, Verdict::Blocked, Some(cause)), Some(at(time)), at(time));
        assert_eq!(stands.blocked.unwrap().since, at(since), "{cause}");
    }
    // A failure says nothing about the block; a run that worked ends it.
    stands.ran(&ended(&rule, Verdict::Failed, Some(Cause::Unreachable)), None, at("06:00:00"));
    assert!(stands.blocked.is_some());
    stands.ran(&ended(&rule, Verdict::Clean, None), None, at("07:00:00"));
    assert_eq!((stands.blocked, stands.last_clean), (None, Some(at("07:00:00"))));
}

#[test]
fn a_fire_time_that_is_too_old_is_left_out_and_a_run_that_began_goes_on() {
    let within = |hours| SignedDuration::from_hours(hours);
    let schedule = Schedule::parse("0 3 * * *", TimeZone::UTC).unwrap().starting_within(within(2));
    let rule = Rule { schedule: Some(schedule), ..nightly() };
    let seen = at("01:00:00");
    let turn = |standing: &Standing, now| next(&rule, standing, seen, at(now), 0.0).unwrap();
    let waiting = standing("01:00:00");
    assert_eq!(turn(&waiting, "05:00:00").turn, Turn::Run, "exactly so late");
    let late = turn(&waiting, "05:00:01");
    assert_eq!((late.fire, late.at, late.turn), (at("03:00:00"), at("03:00:00"), Turn::Skip(Cause::StartingDeadline)));
    // Who starts late does not wait beyond it.
    assert_eq!(next(&rule, &waiting, at("04:59:30"), at("04:59:30"), 1.0).unwrap().at, at("05:00:00"));
    let mut began = waiting.clone();
    began.ran(&ended(&rule, Verdict::Partial, Some(Cause::Interrupted)), Some(at("03:00:00")), at("04:00:00"));
    assert_eq!(turn(&began, "09:00:00").turn, Turn::Run);
    // Until the next one is due, quiet hours aside, in which it could not.
    let later = |hours| at("04:00:00") + SignedDuration::from_hours(hours);
    let turn_later =
        |quiet: &QuietWindows, hours| super::next(&rule, &began, quiet, seen, later(hours), 0.0).unwrap().turn;
    let never = QuietWindows::default();
    assert_eq!(turn_later(&never, 23), Turn::Run);
    assert_eq!(turn_later(&never, 24), Turn::Skip(Cause::StartingDeadline));
    let nights = QuietWindow::parse("04:00", "22:00", "*", TimeZone::UTC).unwrap();
    let nights = QuietWindows::new(vec![nights]).unwrap();
    assert_eq!(turn_later(&nights, 48 + 20), Turn::Run, "six hours a night, three nights");
    assert_eq!(turn_later(&nights, 5 * 24), Turn::Skip(Cause::StartingDeadline));
    let mut failed = waiting;
    failed.ran(&ended(&rule, Verdict::Failed, Some(Cause::Unreachable)), Some(at("03:00:00")), at("04:00:00"));
    assert_eq!(turn(&failed, "04:30:00").turn, Turn::Run);
    assert_eq!(turn(&failed, "09:00:00").turn, Turn::Skip(Cause::StartingDeadline), "it never began");
}

/// The node's clock once said 2030; it is right again.
#[test]
fn a_clock_that_was_ahead_silences_nothing() {
    let rule = nightly();
    let ahead: Timestamp = "2030-01-01T03:00:00Z".parse().unwrap();
    let stands = Standing { served: Some(ahead), ..Standing::default() };
    let now = at("02:00:00");
    assert_eq!(next(&rule, &stands, now, now, 0.0).unwrap().fire, at("03:00:00"));
    let mut failed = standing("01:00:00");
    failed.ran(&ended(&rule, Verdict::Failed, Some(Cause::Unreachable)), Some(at("03:00:00")), ahead);
    assert_eq!(next(&rule, &failed, now, at("03:01:00"), 0.0).unwrap().at, at("03:01:10"));
}

#[test]
fn an_interrupted_run_goes_on_at_once() {
    let rule = nightly();
    let mut stands = standing("01:00:00");
    stands.ran(&ended(&rule, Verdict::Partial, Some(Cause::Interrupted)), Some(at("03:00:00")), at("03:00:20"));
    let again = next(&rule, &stands, at("02:00:00"), at("03:00:21"), 1.0).unwrap();
    assert_eq!((again.fire, again.at), (at("03:00:00"), at("03:00:00")));
}

#[test]
fn a_paused_rule_leaves_each_fire_time_out_and_says_so() {
    let paused = Paused { since: at("01:00:00"), who: "a".into(), reason: String::new() };
    let stands = Standing { paused: Some(paused), ..standing("01:00:00") };
    let skipped = next(&nightly(), &stands, at("02:00:00"), at("03:00:00"), 1.0).unwrap();
    assert_eq!((skipped.turn, skipped.at), (Turn::Skip(Cause::Paused), at("03:00:00")));
}

#[test]
fn a_fire_time_waits_for_the_end_of_a_quiet_window() {
    let rule = nightly();
    let window = QuietWindow::parse("02:00", "06:00", "*", TimeZone::UTC).unwrap();
    let quiet = QuietWindows::new(vec![window]).unwrap();
    let next = |standing: &Standing, now| super::next(&rule, standing, &quiet, at("01:00:00"), now, 1.0).unwrap();
    let waits = Next { fire: at("03:00:00"), at: at("06:00:00"), turn: Turn::Run };
    for now in ["01:30:00", "02:30:00", "03:00:00", "05:59:59"] {
        assert_eq!(next(&standing("01:00:00"), at(now)), waits, "{now}");
    }
    assert!(next(&standing("01:00:00"), at("06:00:00")).at <= at("06:00:00"), "it is over");
    // A run that the window ended goes on behind it, as does one that failed.
    let mut stands = standing("01:00:00");
    stands.ran(&ended(&rule, Verdict::Partial, Some(Cause::QuietWindow)), Some(at("01:59:00")), at("02:00:00"));
    assert_eq!(stands.served, Some(at("01:00:00")));
    stands.ran(&ended(&rule, Verdict::Failed, Some(Cause::Unreachable)), Some(at("01:59:00")), at("02:00:01"));
    assert_eq!(next(&stands, at("03:30:00")).at, at("06:00:00"));
    // A paused rule skips its fire time all the same: nothing is started.
    let paused = Paused { since: at("01:00:00"), who: "a".into(), reason: String::new() };
    let next = next(&Standing { paused: Some(paused), ..standing("01:00:00") }, at("03:00:00"));
    assert_eq!((next.at, next.turn), (at("03:00:00"), Turn::Skip(Cause::Paused)));
}

#[test]
fn pauses_between_tries_double_up_to_half_an_hour() {
    let pauses = [1, 2, 3, 8, 9, 64, 65, u32::MAX].map(|failures| retry(failures).as_secs());
    assert_eq!(pauses, [10, 20, 40, 1280, 1800, 1800, 1800, 1800]);
    assert_eq!(retry(0), Duration::from_secs(10));
}

#[test]
fn a_backlog_ends_when_its_course_says_and_never_where_it_grows() {
    let course = |points: &[(&str, u64)]| Standing {
        course: points.iter().map(|(time, left)| (at(time), *left)).collect(),
        ..Standing::default()
    };
    assert_eq!(drained(&course(&[("01:00:00", 300), ("03:00:00", 100)])), Some(at("04:00:00")));
    assert_eq!(drained(&course(&[("01:00:00", 100), ("03:00:00", 100)])), None);
    assert_eq!(drained(&course(&[("01:00:00", 100), ("03:00:00", 300)])), None);
    assert_eq!(drained(&course(&[("01:00:00", 100), ("03:00:00", 0)])), None);
    assert_eq!(drained(&Standing::default()), None);
}

/// One point an hour, at most ninety, the newest always there.
#[test]
fn the_course_of_a_backlog_stays_short() {
    let rule = nightly();
    let mut stands = Standing::default();
    for minute in 0..10_000_u64 {
        let time = Timestamp::from_second(i64::try_from(minute * 60).unwrap()).unwrap();
        let report = Report { left: Some(minute), ..ended(&rule, Verdict::Partial, Some(Cause::Cap)) };
        stands.ran(&report, Some(time), time);
    }
    assert_eq!(stands.course.len(), 90);
    assert_eq!(stands.course.last().unwrap().1, 9_999);
    assert!(stands.course.windows(2).all(|pair| pair[1].0 > pair[0].0));
}

/// What another version wrote is read as far as it is understood.
#[test]
fn a_standing_survives_json() {
    let rule = nightly();
    let mut stands = standing("01:00:00");
    stands.ran(&ended(&rule, Verdict::Blocked, Some(Cause::CoolOff)), Some(at("03:00:00")), at("03:00:01"));
    let text = serde_json::to_string(&stands).unwrap();
    assert_eq!(Standing::read(&text), stands);
    assert_eq!(Standing::read(&text.replacen('{', "{\"newer\":1,", 1)), stands);
    assert_eq!(Standing::read("no JSON"), Standing::default());
}
