//! When it is quiet, by clocks of several zones.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{QuietError, QuietWindow, QuietWindows};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(from: &str, to: &str, days: &str, zone: &str) -> QuietWindow {
    QuietWindow::parse(from, to, days, TimeZone::get(zone).unwrap()).unwrap()
}

fn until(windows: &[QuietWindow], moment: &str) -> Option<Timestamp> {
    QuietWindows::new(windows.to_vec()).unwrap().until(at(moment))
}

#[test]
fn a_window_holds_from_its_begin_up_to_its_end_on_its_days() {
    // Monday, the first of June 2026; Stockholm is two hours ahead of UTC.
    let office = [window("08:00", "18:00", "mon-fri", "Europe/Stockholm")];
    let end = Some(at("2026-06-01T16:00:00Z"));
    assert_eq!(until(&office, "2026-06-01T05:59:59Z"), None);
    assert_eq!(until(&office, "2026-06-01T06:00:00Z"), end);
    assert_eq!(until(&office, "2026-06-01T15:59:59Z"), end);
    assert_eq!(until(&office, "2026-06-01T16:00:00Z"), None);
    assert_eq!(until(&office, "2026-06-06T10:00:00Z"), None, "Saturday");
    assert_eq!(QuietWindows::default().until(at("2026-06-01T10:00:00Z")), None);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let friday = [window("22:00", "06:00", "fri", "UTC")];
    let end = Some(at("2026-06-06T06:00:00Z"));
    assert_eq!(until(&friday, "2026-06-05T02:00:00Z"), None, "Friday's early hours are Thursday's night");
    assert_eq!(until(&friday, "2026-06-05T22:00:00Z"), end);
    assert_eq!(until(&friday, "2026-06-06T05:59:00Z"), end, "Saturday's early hours are Friday's");
    assert_eq!(until(&friday, "2026-06-06T22:30:00Z"), None);
}

#[test]
fn windows_that_follow_each_other_are_one_quiet() {
    let days = [window("08:00", "24:00", "*", "UTC"), window("00:00", "02:00", "tue", "UTC")];
    assert_eq!(until(&days, "2026-06-01T09:00:00Z"), Some(at("2026-06-02T02:00:00Z")), "into Tuesday");
    assert_eq!(until(&days, "2026-06-02T09:00:00Z"), Some(at("2026-06-03T00:00:00Z")));
    // A weekend in one window a day.
    let weekend = [window("00:00", "24:00", "sat,sun", "UTC")];
    assert_eq!(until(&weekend, "2026-06-06T00:00:00Z"), Some(at("2026-06-08T00:00:00Z")));
}

/// 29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00.
#[test]
fn where_clocks_are_changed_a_window_is_never_shorter_than_it_says() {
    let zone = "Europe/Stockholm";
    let night = [window("01:00", "02:30", "*", zone)];
    // It ends at 02:30, which the clock skips: half past what it shows instead.
    assert_eq!(until(&night, "2026-03-29T00:30:00Z"), Some(at("2026-03-29T01:30:00Z")));
    let morning = [window("02:30", "05:00", "*", zone)];
    assert_eq!(until(&morning, "2026-03-29T00:45:00Z"), Some(at("2026-03-29T03:00:00Z")));
    // 02:30 comes twice: it ends with the second one, and begins with the first.
    assert_eq!(until(&night, "2026-10-25T00:45:00Z"), Some(at("2026-10-25T01:30:00Z")));
    assert_eq!(until(&night, "2026-10-25T01:29:00Z"), Some(at("2026-10-25T01:30:00Z")));
    assert_eq!(until(&morning, "2026-10-25T00:30:00Z"), Some(at("2026-10-25T04:00:00Z")));
}

#[test]
fn time_that_is_not_quiet_is_counted() {
    let windows = vec![window("08:00", "18:00", "mon-fri", "UTC"), window("17:00", "20:00", "tue", "UTC")];
    let windows = QuietWindows::new(windows).unwrap();
    let hours = |from, to, most| windows.open_between(at(from), at(to), SignedDuration::from_hours(most)).as_hours();
    // From Monday, the first of June 2026.
    assert_eq!(hours("2026-06-01T00:00:00Z", "2026-06-01T12:00:00Z", 999), 8);
    assert_eq!(hours("2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z", 999), 0);
    assert_eq!(hours("2026-06-01T09:00:00Z", "2026-06-03T09:00:00Z", 999), 14 + 12);
    assert_eq!(hours("2026-06-05T18:00:00Z", "2026-06-08T08:00:00Z", 999), 62, "a weekend");
    assert_eq!(hours("2026-06-01T00:00:00Z", "2036-06-01T00:00:00Z", 10), 22, "no further than that");
    assert_eq!(hours("2026-06-02T00:00:00Z", "2026-06-01T00:00:00Z", 999), 0);
    let never = QuietWindows::default();
    assert_eq!(
        never.open_between(at("2026-06-01T00:00:00Z"), at("2026-06-03T00:00:00Z"), SignedDuration::MAX).as_hours(),
        48
    );
}

#[test]
fn what_is_no_window_is_refused() {
    let parse = |from, to, days| QuietWindow::parse(from, to, days, TimeZone::UTC).map(drop);
    for (from, to, days, error) in [
        ("8:00", "18:00", "*", QuietError::Time),
        ("24:00", "06:00", "*", QuietError::Time),
        ("08:00", "24:01", "*", QuietError::Time),
        ("08:60", "18:00", "*", QuietError::Time),
        ("08", "18:00", "*", QuietError::Time),
        ("08:00", "08:00", "*", QuietError::Empty),
        ("08:00", "18:00", "fri-mon", QuietError::Days),
        ("08:00", "18:00", "", QuietError::Days),
    ] {
        assert_eq!(parse(from, to, days), Err(error), "{from} {to} {days}");
    }
    let all = vec![window("00:00", "24:00", "*", "UTC")];
    assert_eq!(QuietWindows::new(all), Err(QuietError::Always));
    let halves = vec![window("22:00", "10:00", "*", "UTC"), window("10:00", "22:00", "*", "Europe/Stockholm")];
    assert!(QuietWindows::new(halves).is_ok(), "an hour or two is left");
}
