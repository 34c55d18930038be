use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};

use super::Schedule;

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule::parse(cron, TimeZone::get(zone).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next fires after an instant, in UTC, without seconds.
fn fires(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let fires = schedule(cron, zone).fires(at(after)).take(count).map(|fire| fire.to_string()).collect::<Vec<_>>();
    fires.iter().map(|fire| fire.strip_suffix(":00Z").unwrap().to_owned()).collect()
}

#[test]
fn days_and_aliases_follow_the_calendar() {
    for (cron, after, expected) in [
        ("@hourly", "2026-12-31T22:59:59Z", ["2026-12-31T23:00", "2027-01-01T00:00"]),
        ("@daily", "2026-02-27T00:00:00Z", ["2026-02-28T00:00", "2026-03-01T00:00"]),
        ("@midnight", "2026-02-27T12:00:00Z", ["2026-02-28T00:00", "2026-03-01T00:00"]),
        // Sundays.
        ("@weekly", "2026-08-01T00:00:00Z", ["2026-08-02T00:00", "2026-08-09T00:00"]),
        ("@monthly", "2026-01-31T23:59:59.999Z", ["2026-02-01T00:00", "2026-03-01T00:00"]),
        ("@yearly", "2026-01-01T00:00:00Z", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("@annually", "2025-12-31T23:59:59Z", ["2026-01-01T00:00", "2027-01-01T00:00"]),
        // An instant is not its own successor; a moment before it is not too late.
        ("15 3 * * *", "2026-05-01T03:15:00Z", ["2026-05-02T03:15", "2026-05-03T03:15"]),
        ("15 3 * * *", "2026-05-01T03:14:59.999999999Z", ["2026-05-01T03:15", "2026-05-02T03:15"]),
        ("15 3 * * *", "2026-05-01T03:15:00.000000001Z", ["2026-05-02T03:15", "2026-05-03T03:15"]),
        // Months without the day are passed over.
        ("0 4 31 * *", "2026-01-31T04:00:00Z", ["2026-03-31T04:00", "2026-05-31T04:00"]),
        ("0 4 30 * *", "2026-01-30T04:00:00Z", ["2026-03-30T04:00", "2026-04-30T04:00"]),
        ("0 4 28-31 2 *", "2026-02-28T04:00:00Z", ["2027-02-28T04:00", "2028-02-28T04:00"]),
        ("0 0 29 2 *", "2024-02-29T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 29 2,4 *", "2026-02-01T00:00:00Z", ["2026-04-29T00:00", "2027-04-29T00:00"]),
        ("59 23 31 12 *", "2026-12-31T23:58:59Z", ["2026-12-31T23:59", "2027-12-31T23:59"]),
        ("0 4 * * 1-5", "2026-07-31T04:00:00Z", ["2026-08-03T04:00", "2026-08-04T04:00"]),
        ("0 4 * * 6,7", "2026-07-31T04:00:00Z", ["2026-08-01T04:00", "2026-08-02T04:00"]),
        ("0 4 * feb mon", "2026-02-23T04:00:00Z", ["2027-02-01T04:00", "2027-02-08T04:00"]),
        // The crate's years begin here.
        ("@yearly", "1960-01-01T00:00:00Z", ["1970-01-01T00:00", "1971-01-01T00:00"]),
        ("* * * * *", "1969-12-31T23:59:59.5Z", ["1970-01-01T00:00", "1970-01-01T00:01"]),
    ] {
        assert_eq!(fires(cron, "UTC", after, 2), expected, "{cron} after {after}");
    }
}

#[test]
fn a_time_that_the_clock_skips_fires_once_after_the_gap() {
    for (cron, zone, after, expected) in [
        // 02:00 to 03:00 on 29 March, which is 01:00 UTC.
        ("30 2 * * *", "Europe/Stockholm", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("0 2 * * *", "Europe/Stockholm", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        ("*/10 2 29 * *", "Europe/Stockholm", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-04-29T00:00"]),
        ("0 2,3 * * *", "Europe/Stockholm", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        ("30 2,3 * * *", "Europe/Stockholm", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-29T01:30"]),
        ("30 2 * * *", "Europe/Stockholm", "2026-03-29T00:59:59Z", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("30 2 * * *", "Europe/Stockholm", "2026-03-29T01:00:00Z", ["2026-03-30T00:30", "2026-03-31T00:30"]),
        ("0 */2 * * *", "Europe/Stockholm", "2026-03-28T23:00:00Z", ["2026-03-29T01:00", "2026-03-29T02:00"]),
        // Midnight itself is skipped.
        ("@daily", "America/Sao_Paulo", "2018-11-03T12:00:00Z", ["2018-11-04T03:00", "2018-11-05T02:00"]),
        ("@daily", "Asia/Tehran", "2022-03-21T12:00:00Z", ["2022-03-21T20:30", "2022-03-22T19:30"]),
        // Half an hour, 02:00 to 02:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", ["2026-10-03T15:30", "2026-10-04T15:15"]),
        ("45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", ["2026-10-03T15:45", "2026-10-04T15:45"]),
        // Two hours, 01:00 to 03:00.
        ("15,45 1-2 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-29T23:15"]),
        // An hour before midnight: the gap ends on Sunday.
        ("30 23 * * 6", "America/Nuuk", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-04-05T00:30"]),
        // The whole of 30 December 2011, a Friday.
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z", ["2011-12-30T10:00", "2011-12-30T22:00"]),
        ("0 12 * * 5", "Pacific/Apia", "2011-12-29T22:00:00Z", ["2011-12-30T10:00", "2012-01-05T22:00"]),
        ("0 0 31 * *", "Pacific/Apia", "2011-12-29T22:00:00Z", ["2011-12-30T10:00", "2012-01-30T10:00"]),
    ] {
        assert_eq!(fires(cron, zone, after, 2), expected, "{cron} {zone} after {after}");
    }
}

#[test]
fn a_time_that_the_clock_shows_twice_fires_the_first_time() {
    for (cron, zone, after, expected) in [
        // 03:00 back to 02:00 on 25 October, at 01:00 UTC.
        ("30 2 * * *", "Europe/Stockholm", "2026-10-24T12:00:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("30 2 * * *", "Europe/Stockholm", "2026-10-25T00:30:00Z", ["2026-10-26T01:30", "2026-10-27T01:30"]),
        ("30 2 * * *", "Europe/Stockholm", "2026-10-25T01:00:00Z", ["2026-10-26T01:30", "2026-10-27T01:30"]),
        ("30 2 * * *", "Europe/Stockholm", "2026-10-25T01:10:00Z", ["2026-10-26T01:30", "2026-10-27T01:30"]),
        ("0 2 * * *", "Europe/Stockholm", "2026-10-25T00:59:59Z", ["2026-10-26T01:00", "2026-10-27T01:00"]),
        ("0 3 * * *", "Europe/Stockholm", "2026-10-25T01:10:00Z", ["2026-10-25T02:00", "2026-10-26T02:00"]),
        ("*/30 2 25 * *", "Europe/Stockholm", "2026-10-25T00:00:00Z", ["2026-10-25T00:30", "2026-11-25T01:00"]),
        ("0 */2 * * *", "Europe/Stockholm", "2026-10-24T23:00:00Z", ["2026-10-25T00:00", "2026-10-25T03:00"]),
        ("@daily", "America/Sao_Paulo", "2018-02-17T00:00:00Z", ["2018-02-17T02:00", "2018-02-18T03:00"]),
        // The hour that comes twice is the last of Saturday.
        ("30 23 * * 6", "America/Sao_Paulo", "2018-02-17T12:00:00Z", ["2018-02-18T01:30", "2018-02-25T02:30"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", ["2026-04-04T14:45", "2026-04-05T15:15"]),
        ("30 1-2 * * *", "Antarctica/Troll", "2026-10-25T00:00:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]),
    ] {
        assert_eq!(fires(cron, zone, after, 2), expected, "{cron} {zone} after {after}");
    }
}

#[test]
fn a_schedule_of_every_hour_follows_the_time_that_passes() {
    let stockholm = |cron, after, count| fires(cron, "Europe/Stockholm", after, count);
    for (cron, after, expected) in [
        // The skipped hour passes in no time.
        ("30 * * * *", "2026-03-29T00:00:00Z", ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"]),
        ("*/30 * * * *", "2026-03-29T00:20:00Z", ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]),
        // The doubled one takes two.
        ("30 * * * *", "2026-10-25T00:00:00Z", ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"]),
        ("0 0-23 25 10 *", "2026-10-25T00:00:00Z", ["2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"]),
    ] {
        assert_eq!(stockholm(cron, after, 3), expected, "{cron} after {after}");
    }
    let tens = stockholm("*/10 * * * *", "2026-10-24T23:59:00Z", 18);
    assert_eq!((tens[0].as_str(), tens[17].as_str()), ("2026-10-25T00:00", "2026-10-25T02:50"), "none is left out");
}

#[test]
fn what_never_comes_is_not_looked_for_without_end() {
    assert_eq!(schedule("0 0 29 2 *", "Europe/Stockholm").after(at("2096-03-01T00:00:00Z")), None);
    assert_eq!(schedule("@hourly", "Africa/Casablanca").after(at("2100-12-31T23:59:00Z")), None);
    assert_eq!(schedule("@daily", "UTC").after(Timestamp::MAX), None);
    assert!(schedule("@daily", "Asia/Kathmandu").after(Timestamp::MIN).is_some());
    // The leap day that is eight years off.
    let far = schedule("0 0 29 2 *", "Europe/Stockholm").after(at("1896-03-01T00:00:00Z")).unwrap();
    assert_eq!(far.to_string(), "1972-02-28T23:00:00Z");
}

#[test]
fn no_zone_changes_its_clocks_too_often() {
    let from = at("1970-01-01T00:00:00Z");
    let to = from.to_zoned(TimeZone::UTC).checked_add(131.years()).unwrap().timestamp();
    for name in jiff::tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        let changes = zone.following(from).take_while(|change| change.timestamp() < to).count();
        assert!(changes < super::CHANGES_MAX, "{name}: {changes}");
    }
}

#[test]
fn an_interval_is_the_longest_gap() {
    for (cron, zone, hours) in [
        ("* * * * *", "UTC", (0, 1)),
        ("*/20 * * * *", "Europe/Stockholm", (0, 20)),
        ("@hourly", "America/New_York", (1, 0)),
        ("15 3 * * *", "UTC", (24, 0)),
        // The day that has 25 hours.
        ("15 3 * * *", "Europe/Stockholm", (25, 0)),
        ("*/5 1-4 * * *", "UTC", (20, 5)),
        ("0 6,20 * * *", "UTC", (14, 0)),
        ("* 0-5 * * 1-5", "UTC", (66, 1)),
        ("0 4 * * 1-5", "UTC", (72, 0)),
        ("@weekly", "UTC", (168, 0)),
        ("@monthly", "UTC", (31 * 24, 0)),
        ("0 4 31 * *", "UTC", (61 * 24, 0)),
        // All of January by the minute, then nothing until the next.
        ("* * * 1 *", "UTC", (335 * 24, 1)),
        ("@yearly", "UTC", (366 * 24, 0)),
        ("0 0 29 2 *", "UTC", (1461 * 24, 0)),
    ] {
        let (hours, minutes) = hours;
        let expected = SignedDuration::from_mins(hours * 60 + minutes);
        assert_eq!(schedule(cron, zone).interval(at("2026-05-01T00:00:00Z")), Some(expected), "{cron} {zone}");
    }
    assert_eq!(schedule("@yearly", "UTC").interval(at("2099-06-01T00:00:00Z")), None, "one fire has no interval");
}
