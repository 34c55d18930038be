//! Calendar arithmetic by hand, to judge cutoffs by.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

/// What is wrong with a cutoff of a period, written as in a policy, at `now`: early, or later than it had to be.
pub(crate) fn complaint(cutoff: Timestamp, period: &str, zone: &TimeZone, now: Timestamp) -> Option<String> {
    let period: Span = period.parse().expect("a period");
    let over = |since: Timestamp| end(since, &period, zone) <= now;
    // Neither the cutoff nor any row before it.
    for minutes in [0, 1, 20, 30, 59, 61, 90, 119, 180, 600, 1_410, 1_439, 1_441, 10_000] {
        let since = cutoff - minutes.minutes();
        if !over(since) {
            return Some(format!("{period} before {now} is early: {since} is before {cutoff} and not over"));
        }
    }
    let days = i64::from(period.get_days() + period.get_weeks() * 7);
    let months = i64::from(period.get_months()) + i64::from(period.get_years()) * 12;
    if months == 0 && days == 0 {
        let exact = end(cutoff, &period, zone) == now;
        return (!exact).then(|| format!("{period} before {now} is not {cutoff}"));
    }
    // A month is at most three days shorter than another, and a zone has skipped at most one.
    let skipped = zone.following(now - 72.hours()).next().is_some_and(|change| {
        let before = zone.to_offset(change.timestamp() - 1.second());
        change.timestamp() <= now && change.offset().duration_since(before).as_hours() >= 12
    });
    let late = if months == 0 { 1 } else { 4 } + i64::from(skipped);
    let later = instant(add_days(zone.to_datetime(cutoff), late), zone);
    over(later).then(|| format!("{period} before {now} is {cutoff}, though {later} is over too"))
}

/// When a period that begins at `since` is over: months first, then days, then hours; the last day of a month that is too
/// short.
fn end(since: Timestamp, period: &Span, zone: &TimeZone) -> Timestamp {
    let months = i64::from(period.get_months()) + i64::from(period.get_years()) * 12;
    let days = i64::from(period.get_days()) + i64::from(period.get_weeks()) * 7;
    let seconds = i64::from(period.get_hours()) * 3_600 + period.get_minutes() * 60 + period.get_seconds();
    let behind_days = if months == 0 && days == 0 {
        since
    } else {
        instant(add_days(add_months(zone.to_datetime(since), months), days), zone)
    };
    behind_days + seconds.seconds()
}

fn add_months(local: DateTime, months: i64) -> DateTime {
    let months = i64::from(local.year()) * 12 + i64::from(local.month()) - 1 + months;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let day = i64::from(local.day()).min(length(year, month));
    date(year, month, day).to_datetime(local.time())
}

fn add_days(local: DateTime, days: i64) -> DateTime {
    let (mut year, mut month) = (i64::from(local.year()), i64::from(local.month()));
    let mut day = i64::from(local.day()) + days;
    while day > length(year, month) {
        day -= length(year, month);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    date(year, month, day).to_datetime(local.time())
}

fn length(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn date(year: i64, month: i64, day: i64) -> Date {
    Date::new(year.try_into().expect("a year"), month.try_into().expect("a month"), day.try_into().expect("a day"))
        .expect("a date of this age of the world")
}

/// The first instant at which a clock of the zone shows this local time; where none does, as many hours later as the
/// clocks were set forward.
fn instant(local: DateTime, zone: &TimeZone) -> Timestamp {
    let as_utc = TimeZone::UTC.to_timestamp(local).expect("a time of this age of the world");
    let around = (-30..=30).map(|hours: i64| zone.to_offset(as_utc + hours.hours()));
    let readings: Vec<Timestamp> = around.map(|offset| offset.to_timestamp(local).expect("a time")).collect();
    let shown = readings.iter().filter(|at| zone.to_datetime(**at) == local).min();
    shown.or(readings.iter().max()).copied().expect("a zone has offsets")
}
