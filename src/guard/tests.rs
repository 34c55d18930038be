use forgetd_connector::{ApprovedRow, Cause, Count, LastRow, Measure, Outside, PendingRow, Severity};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Book, Once, Seen, Standing, Stop, along, check, rows_needed, skew, standing, tripped};
use crate::plan::testing::rule;
use crate::rules::{CoolOff, Mode, Period, Rule, Schedule};

const CATALOG: &str = "cc";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A rule that is approved as it is, with nothing to stop it.
fn approved(rule: &Rule) -> Book {
    let row = ApprovedRow {
        digest: rule.digest(),
        definition: rule.definition().to_string(),
        catalog_digest: CATALOG.into(),
        how: "approved".into(),
        who: "ann@example".into(),
        reason: String::new(),
        at: at("2026-01-01T00:00:00Z"),
    };
    Book { approved: Some(row), ..Book::default() }
}

fn measured(due: Count, total: Count) -> Measure {
    Measure { due, oldest: None, total, outside: Outside::Rows }
}

fn seen<'a>(rule: &'a Rule, book: &'a Book, measure: &'a Measure) -> Seen<'a> {
    let now = at("2026-06-30T12:00:00Z");
    Seen { rule, book, measure, cutoff: at("2026-05-31T12:00:00Z"), catalog: CATALOG, now }
}

fn causes(stops: &[Stop]) -> Vec<Cause> {
    stops.iter().map(|(cause, _)| *cause).collect()
}

#[test]
fn limits_that_are_not_set_never_trip() {
    let rule = rule("r", "t");
    let book = approved(&rule);
    for due in [Count::Exact(u64::MAX), Count::Capped(7), Count::Blind(Cause::RowSecurity)] {
        assert_eq!(check(&seen(&rule, &book, &measured(due, Count::Exact(1)))), []);
    }
    assert_eq!(rows_needed(&rule, &book), Some(0));
}

#[test]
fn rows_max_trips_above_it_and_where_it_cannot_be_decided() {
    let mut rule = rule("r", "t");
    rule.guard.rows_max = Some(10);
    let book = approved(&rule);
    assert_eq!(rows_needed(&rule, &book), Some(11));
    let total = Count::Exact(1000);
    for (due, trips) in [
        (Count::Exact(10), false),
        (Count::Exact(11), true),
        (Count::Estimate(10), false),
        (Count::Estimate(11), true),
        (Count::Capped(11), true),
        (Count::Capped(5), true),
        (Count::Blind(Cause::RowSecurity), true),
    ] {
        let found = causes(&check(&seen(&rule, &book, &measured(due, total))));
        assert_eq!(found, if trips { vec![Cause::RowsMax] } else { vec![] }, "{due:?}");
    }
    let found = check(&seen(&rule, &book, &measured(Count::Exact(11), total)));
    assert_eq!(found[0].1, "11 rows are due, more than guard.rows_max 10");
}

#[test]
fn share_max_trips_above_it_and_where_it_cannot_be_decided() {
    let mut rule = rule("r", "t");
    rule.guard.share_max = Some(0.2);
    let book = approved(&rule);
    assert_eq!(rows_needed(&rule, &book), None);
    for (due, total, trips) in [
        (Count::Exact(20), Count::Exact(100), false),
        (Count::Exact(21), Count::Exact(100), true),
        (Count::Exact(0), Count::Exact(0), false),
        (Count::Exact(0), Count::Estimate(0), false),
        (Count::Exact(5), Count::Estimate(0), true),
        (Count::Exact(20), Count::Capped(100), false),
        (Count::Exact(21), Count::Capped(100), true),
        (Count::Capped(20), Count::Exact(1000), true),
        (Count::Exact(1), Count::Blind(Cause::Privilege), true),
    ] {
        let found = causes(&check(&seen(&rule, &book, &measured(due, total))));
        assert_eq!(found, if trips { vec![Cause::ShareMax] } else { vec![] }, "{due:?} {total:?}");
    }
    let found = check(&seen(&rule, &book, &measured(Count::Exact(21), Count::Exact(100))));
    assert_eq!(found[0].1, "21 of 100 rows are due, a share of 0.210, more than guard.share_max 0.2");
}

#[test]
fn times_usual_compares_what_would_go_with_what_went() {
    let mut rule = rule("r", "t");
    rule.guard.times_usual = Some(2.5);
    let mut book = approved(&rule);
    let total = Count::Exact(100_000);
    assert_eq!(check(&seen(&rule, &book, &measured(Count::Exact(50_000), total))), [], "nothing is usual yet");
    for rows in [90, 100, 5_000] {
        book.ran(rows, 1.0);
    }
    assert_eq!(rows_needed(&rule, &book), Some(251));
    for (due, cap, trips) in [
        (Count::Exact(250), None, false),
        (Count::Exact(251), None, true),
        (Count::Capped(251), None, true),
        (Count::Capped(249), None, true),
        (Count::Exact(50_000), Some(250), false),
        (Count::Capped(50_000), Some(250), false),
        (Count::Exact(50_000), Some(251), true),
    ] {
        rule.cap.rows_per_run = cap;
        // A cap is for the rule's own digest too.
        book.approved = approved(&rule).approved;
        let found = causes(&check(&seen(&rule, &book, &measured(due, total))));
        assert_eq!(found, if trips { vec![Cause::TimesUsual] } else { vec![] }, "{due:?} {cap:?}");
    }
    let found = check(&seen(&rule, &book, &measured(Count::Exact(251), total)));
    assert_eq!(found[0].1, "251 rows are due, more than 2.5 times the usual 100");
}

#[test]
fn a_whole_table_is_due_only_where_something_is_and_nothing_is_left() {
    let rule = rule("r", "t");
    let book = approved(&rule);
    for (due, outside, trips) in [
        (Count::Exact(1), Outside::Nothing, true),
        (Count::Capped(100), Outside::Nothing, true),
        (Count::Exact(0), Outside::Nothing, false),
        (Count::Exact(5), Outside::Rows, false),
        (Count::Exact(5), Outside::Unknown, true),
    ] {
        let measure = Measure { outside, ..measured(due, Count::Estimate(7)) };
        let found = causes(&check(&seen(&rule, &book, &measure)));
        assert_eq!(found, if trips { vec![Cause::WholeTableDue] } else { vec![] }, "{due:?} {outside:?}");
    }
    let measure = Measure { outside: Outside::Nothing, ..measured(Count::Exact(9), Count::Exact(9)) };
    assert_eq!(check(&seen(&rule, &book, &measure))[0].1, "all 9 rows of the table are due");
}

#[test]
fn a_cutoff_moves_with_time_and_no_further() {
    let measure = measured(Count::Exact(1), Count::Exact(9));
    // The rule keeps 30 days, and its cutoff is that of 30 June.
    for (last_run, last_cutoff, jumps) in [
        ("2026-06-30T11:00:00Z", "2026-05-31T11:00:00Z", false),
        ("2026-06-23T12:00:00Z", "2026-05-24T12:00:00Z", false),
        ("2026-06-23T11:59:59Z", "2026-05-24T11:59:59Z", true),
        ("2016-06-30T12:00:00Z", "2016-05-31T12:00:00Z", true),
        // It kept rows for longer then: that is for its approval to allow.
        ("2026-06-29T12:00:00Z", "2025-06-29T12:00:00Z", false),
        // A clock that goes back moves nothing forward.
        ("2036-06-30T12:00:00Z", "2036-05-31T12:00:00Z", false),
    ] {
        let rule = rule("r", "t");
        let last = LastRow { cutoff: at(last_cutoff), at: at(last_run) };
        let book = Book { last: Some(last), ..approved(&rule) };
        let found = causes(&check(&seen(&rule, &book, &measure)));
        assert_eq!(found, if jumps { vec![Cause::CutoffJump] } else { vec![] }, "{last_run}");
    }
}

/// Ten of the rule's own intervals, where that is more than a week.
#[test]
fn a_rule_that_rarely_fires_may_move_its_cutoff_further() {
    let measure = measured(Count::Exact(1), Count::Exact(9));
    for (schedule, last_run, jumps) in [
        ("@hourly", "2026-06-23T12:00:00Z", false),
        ("@hourly", "2026-06-23T11:00:00Z", true),
        ("@daily", "2026-06-20T12:00:00Z", false),
        ("@daily", "2026-06-20T11:00:00Z", true),
        ("@monthly", "2025-08-25T12:00:00Z", false),
        ("@monthly", "2025-08-20T12:00:00Z", true),
    ] {
        let mut rule = rule("r", "t");
        rule.schedule = Schedule::parse(schedule, TimeZone::UTC).ok();
        let cutoff = rule.keep_for.cutoff(at(last_run), &TimeZone::UTC).unwrap();
        let book = Book { last: Some(LastRow { cutoff, at: at(last_run) }), ..approved(&rule) };
        let found = causes(&check(&seen(&rule, &book, &measure)));
        assert_eq!(found, if jumps { vec![Cause::CutoffJump] } else { vec![] }, "{schedule} {last_run}");
    }
}

#[test]
fn rules_whose_rows_go_along_must_be_approved_too() {
    let (calls, notes) = (rule("calls", "call"), rule("notes", "note"));
    let now = at("2026-06-30T12:00:00Z");
    let stops = along(&[(&calls, approved(&calls)), (&notes, Book::default())], now);
    assert_eq!(causes(&stops), [Cause::CoolOff]);
    assert!(stops[0].1.starts_with("rows of rule notes would go along: the rule was never approved"), "{stops:?}");
}

#[test]
fn a_definition_is_approved_narrower_or_waits_as_long_as_it_says() {
    let now = at("2026-06-30T12:00:00Z");
    let old = Rule { keep_for: Period::parse("365d").unwrap(), ..rule("r", "t") };
    let wait = |text: &str| CoolOff::Lasts(Period::parse(text).unwrap());
    let with = |keep_for: &str, cool_off: CoolOff| {
        let mut rule = Rule { keep_for: Period::parse(keep_for).unwrap(), ..rule("r", "t") };
        rule.guard.cool_off = cool_off;
        rule
    };
    let until = |text: &str| Standing::Waits(Some(at(text)));
    for (changed, seen_since, stands) in [
        (old.clone(), None, Standing::Approved),
        (with("400d", wait("24h")), None, Standing::Narrower),
        (with("36d", wait("24h")), None, until("2026-07-01T12:00:00Z")),
        (with("36d", wait("24h")), Some("2026-06-29T13:00:00Z"), until("2026-06-30T13:00:00Z")),
        (with("36d", wait("24h")), Some("2026-06-29T12:00:00Z"), Standing::Waited),
        (with("36d", wait("48h")), Some("2026-06-30T11:00:00Z"), until("2026-07-02T11:00:00Z")),
        // A change that shortens its own wait, or switches it off, waits as long as what is approved says.
        (with("36d", wait("2h")), Some("2026-06-30T11:00:00Z"), until("2026-07-01T11:00:00Z")),
        (with("36d", CoolOff::None), None, until("2026-07-01T12:00:00Z")),
    ] {
        let since = seen_since.map(at);
        let pending = since.map(|since| PendingRow { digest: changed.digest(), since });
        let book = Book { pending, ..approved(&old) };
        assert_eq!(standing(&changed, &book, now), stands, "{seen_since:?}");
    }
    let other = Book {
        pending: Some(PendingRow { digest: "another".into(), since: Timestamp::UNIX_EPOCH }),
        ..Book::default()
    };
    assert_eq!(standing(&old, &other, now), until("2026-07-01T12:00:00Z"), "another definition's wait is its own");
}

#[test]
fn a_rule_that_waits_says_what_changed_and_until_when() {
    let measure = measured(Count::Exact(1), Count::Exact(9));
    let new = rule("web", "t");
    let stops = check(&seen(&new, &Book::default(), &measure));
    assert_eq!(causes(&stops), [Cause::CoolOff]);
    assert_eq!(
        stops[0].1,
        "the rule was never approved; it waits for `forgetd approve web`, or for 24h (cool_off) from the first run that \
         finds it so"
    );
    let pending = Some(PendingRow { digest: new.digest(), since: at("2026-06-30T12:00:00Z") });
    let stops = check(&seen(&new, &Book { pending, ..Book::default() }, &measure));
    assert_eq!(
        stops[0].1,
        "the rule was never approved; it waits until 2026-07-01T12:00:00Z (cool_off 24h), or for `forgetd approve web`"
    );
    let old = Rule { keep_for: Period::parse("365d").unwrap(), ..rule("web", "t") };
    let stops = check(&seen(&new, &approved(&old), &measure));
    assert!(stops[0].1.starts_with("the rule changed (keep_for: 365d -> 30d); it waits for"), "{}", stops[0].1);
    let observing = Rule { mode: Mode::Observe, ..new };
    assert_eq!(check(&seen(&observing, &Book::default(), &measure)), [], "what only looks needs nobody");
}

#[test]
fn another_catalog_than_the_approved_one_stops_unless_the_wait_just_ended() {
    let measure = measured(Count::Exact(1), Count::Exact(9));
    let mut rule = rule("r", "t");
    rule.guard.cool_off = CoolOff::None;
    let book = approved(&rule);
    let of = |rule: &Rule, catalog| causes(&check(&Seen { catalog, ..seen(rule, &book, &measure) }));
    assert_eq!(of(&rule, CATALOG), []);
    assert_eq!(of(&rule, "dd"), [Cause::CatalogDrift]);
    let narrower = Rule { keep_for: Period::parse("31d").unwrap(), ..rule.clone() };
    assert_eq!(of(&narrower, "dd"), [Cause::CatalogDrift], "a narrower rule reads the same columns");
    let waited = Rule { keep_for: Period::parse("29d").unwrap(), ..rule };
    assert_eq!(of(&waited, "dd"), []);
}

#[test]
fn an_approval_for_the_next_run_reaches_as_far_as_it_says() {
    let rule = rule("r", "t");
    let whole = |due| Measure { outside: Outside::Nothing, ..measured(due, Count::Estimate(0)) };
    let once = Once {
        causes: vec![Cause::WholeTableDue],
        digest: rule.digest(),
        catalog: CATALOG.into(),
        due: 1_000,
        cutoff: at("2026-05-31T12:00:00Z"),
        expires: at("2026-07-07T12:00:00Z"),
    };
    let book = Book { once: Some(once.clone()), ..approved(&rule) };
    assert_eq!(rows_needed(&rule, &book), Some(1_201));
    let now = at("2026-06-30T12:00:00Z");
    let cutoff = once.cutoff;
    let day = SignedDuration::from_hours(24);
    let second = SignedDuration::from_secs(1);
    for (due, cutoff, now, stops) in [
        (Count::Exact(1_000), cutoff, now, false),
        (Count::Exact(3), cutoff, now, false),
        (Count::Exact(1_200), cutoff, now, false),
        (Count::Exact(1_201), cutoff, now, true),
        (Count::Capped(1_000), cutoff, now, true),
        (Count::Exact(1_000), cutoff + day, now + day, false),
        (Count::Exact(1_000), cutoff + day + second, now + day, true),
        (Count::Exact(1_000), cutoff, now + SignedDuration::from_hours(7 * 24) + second, true),
    ] {
        let measure = whole(due);
        let seen = Seen { cutoff, now, ..seen(&rule, &book, &measure) };
        let found = check(&seen);
        assert_eq!(causes(&found), if stops { vec![Cause::WholeTableDue] } else { vec![] }, "{due:?} {cutoff} {now}");
        assert!(found.iter().all(|(_, text)| text.contains("does not reach as far")), "{found:?}");
        assert_eq!(causes(&tripped(&seen)), [Cause::WholeTableDue]);
    }
    let measure = whole(Count::Exact(1_000));
    let changed = Rule { purpose: Some("another".into()), ..rule.clone() };
    assert_eq!(causes(&check(&seen(&changed, &book, &measure))), [Cause::WholeTableDue]);
    let drifted = Seen { catalog: "dd", ..seen(&rule, &book, &measure) };
    assert_eq!(causes(&check(&drifted)), [Cause::CatalogDrift, Cause::WholeTableDue]);
    let unasked = Book { once: Some(Once { causes: vec![Cause::RowsMax], ..once }), ..book };
    let found = check(&seen(&rule, &unasked, &measure));
    assert_eq!(causes(&found), [Cause::WholeTableDue], "what was not approved stops it");
    assert!(!found[0].1.contains("approved"), "{found:?}");
}

#[test]
fn clocks_may_differ_a_little() {
    let before = at("2026-06-30T12:00:00Z");
    let after = before + SignedDuration::from_secs(20);
    for (database, severity) in [
        ("2026-06-30T12:00:10Z", None),
        ("2026-06-30T12:00:50Z", None),
        ("2026-06-30T11:59:30Z", None),
        ("2026-06-30T12:00:51Z", Some(Severity::Warning)),
        ("2026-06-30T11:59:29Z", Some(Severity::Warning)),
        ("2026-06-30T13:00:20Z", Some(Severity::Warning)),
        ("2026-06-30T13:00:21Z", Some(Severity::Error)),
        ("2026-06-30T11:00:00Z", Some(Severity::Warning)),
        ("2026-06-30T10:59:59Z", Some(Severity::Error)),
    ] {
        let found = skew("crm", at(database), before, after);
        assert_eq!(found.as_ref().map(|finding| finding.severity), severity, "{database}");
    }
    let found = skew("crm", at("2036-06-30T12:00:00Z"), before, after).unwrap();
    assert_eq!((found.id.as_str(), found.blocking_cause()), ("clock_skew", Some(Cause::ClockSkew)));
    assert!(found.message.contains("ahead of ours"), "{}", found.message);
}
