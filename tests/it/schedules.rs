//! Fires against another implementation: `croner`, which walks the wall clock itself and shares nothing with the `cron`
//! crate. Ten years, in zones whose clocks are changed in every way that there is.
//!
//! croner calls a schedule fixed when it is one minute of one hour, and lets everything else follow the time that
//! passes. Ours is fixed as soon as it names hours: it must fire like one of croner's fixed ones for each of its times.
//! What is still different has a test of its own at the end.

use std::collections::BTreeSet;

use croner::{Cron, errors::CronError};
use forgetd::rules::Schedule;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned, civil, tz::TimeZone};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

/// Each with the year in which its ten begin: some have changed their clocks for the last time.
const ZONES: &[(&str, i16)] = &[
    ("UTC", 2024),
    ("Europe/Stockholm", 2024),
    ("Europe/Dublin", 2024),
    ("America/New_York", 2024),
    // A minute after midnight.
    ("America/St_Johns", 2003),
    // Midnight does not exist, or comes twice.
    ("America/Sao_Paulo", 2010),
    ("America/Havana", 2024),
    ("Africa/Cairo", 2008),
    // The last hour of a day.
    ("America/Nuuk", 2022),
    // Half an hour, in summer or for good.
    ("Australia/Lord_Howe", 2024),
    ("America/Caracas", 2006),
    // Two hours.
    ("Antarctica/Troll", 2024),
    // A whole day.
    ("Pacific/Apia", 2006),
    ("Pacific/Kwajalein", 1990),
    // Quarters of hours.
    ("Pacific/Chatham", 2024),
    ("Asia/Kathmandu", 2024),
    ("Asia/Tehran", 2015),
    // By the moon.
    ("Africa/Casablanca", 2024),
    ("Asia/Gaza", 2024),
];

/// Aliases, and what people write.
const SCHEDULES: &str = "\
    @hourly;@daily;@midnight;@weekly;@monthly;@yearly;@annually;\
    * * * * *;*/10 * * * *;59 * * * *;0-59/7 * * * *;0 0-23 * * *;30 * 1 * *;5 * * 3,10 0;* * 29 2 *;\
    15 3 * * *;30 2 * * *;0 2 * * *;59 23 * * *;0 1 * * *;30 0 * * *;1 0 * * *;0 12 * * *;\
    */10 2 * * *;0,30 1-3 * * *;45 0,1,2,23 * * *;0 */2 * * *;0 */5 * * *;7 1-22/7 * * *;\
    0 4 * * 7;30 2 * * sun;30 23 * * sat;0 4 * * mon-fri;*/15 0-2 * * 6,7;0 3 * * */2;0 12 * * 5;\
    0 4 31 * *;0 0 1 */3 *;30 2 25-31 mar,oct *;0 0 */10 * *;15 1 28-31 2 *;0 0 29 2 *;0 2 29 FEB *";

/// Schedules that nobody wrote, beside those above.
const DRAWN: usize = 40;

/// Zones a schedule meets in the short form, each time others.
const ZONES_EACH: usize = 2;

/// How much of ten years is compared.
#[derive(Clone, Copy)]
struct Extent {
    /// Up to so many fires, the whole; above, the days around the changes of the clocks.
    whole_max: usize,
    /// Of those changes, every so manyth. Forward and back take turns, so never every second.
    every: usize,
}

const SHORT: Extent = Extent { whole_max: 530, every: 3 };
const FULL: Extent = Extent { whole_max: 5_000, every: 1 };

#[test]
fn ten_years_of_fires_are_those_of_croner() {
    let full = std::env::var_os("FORGETD_TEST_FULL").is_some();
    let mut compared = 0;
    for (s, text) in schedules().iter().enumerate() {
        for (z, (zone, year)) in ZONES.iter().enumerate() {
            if full || (z + ZONES_EACH * s) % ZONES.len() < ZONES_EACH {
                compared += Pair::new(text, zone).compare(*year, if full { FULL } else { SHORT });
            }
        }
    }
    assert!(compared > 20_000, "only {compared} fires were compared");
}

/// All of [`SCHEDULES`], and drawn ones: the same in every run.
fn schedules() -> Vec<String> {
    let minute = "(\\*|\\*/[1-9]|\\*/[1-5][0-9]|[0-9]|[1-5][0-9]|[0-9],[1-5][0-9]|[0-2][0-9]-[3-5][0-9](/[1-9])?)";
    let hour = "(\\*|\\*/[1-9]|[0-3]|1[0-9]|2[0-3]|[0-3],(1[0-9]|2[0-3])|[0-2]-[2-9](/[1-3])?)";
    let days = "(\\*|\\*/[1-9]|[1-9]|[12][0-9]|3[01]|[1-9],2[0-9]|2[0-7]-(2[89]|3[01]))";
    let months = "(\\*|\\*/[1-6]|[1-9]|1[0-2]|(mar|NOV),(apr|Oct)|[1-3]-[3-9])";
    let weekdays = "([0-7]|[0-3]-[3-7]|(sun|MON|tue),(Fri|sat))";
    let drawn = prop_oneof![
        (minute, hour, days, months)
            .prop_map(|(minute, hour, days, months)| format!("{minute} {hour} {days} {months} *")),
        (minute, hour, months, weekdays)
            .prop_map(|(minute, hour, months, days)| format!("{minute} {hour} * {months} {days}")),
    ];
    let mut runner = TestRunner::deterministic();
    let mut texts: Vec<String> = SCHEDULES.split(';').map(String::from).collect();
    // A day that no month has is drawn again, but not without end.
    for _ in 0..10 * DRAWN {
        let text = drawn.new_tree(&mut runner).unwrap().current();
        if texts.len() < SCHEDULES.split(';').count() + DRAWN && Schedule::parse(&text, TimeZone::UTC).is_ok() {
            texts.push(text);
        }
    }
    assert_eq!(texts.len(), SCHEDULES.split(';').count() + DRAWN);
    texts
}

/// The next fire after an instant by ours, and by croner's reading of the same fields unless it gives up.
fn next(text: &str, zone: &str, after: &str) -> (String, Option<String>) {
    let zone = TimeZone::get(zone).unwrap();
    let after: Timestamp = after.parse().unwrap();
    let ours = Schedule::parse(text, zone.clone()).unwrap().after(after).unwrap();
    let cron: Cron = text.parse().unwrap();
    let theirs = match cron.find_next_occurrence(&after.to_zoned(zone), false) {
        Ok(fire) => Some(fire.timestamp().to_string()),
        Err(CronError::TimeSearchLimitExceeded) => None,
        Err(error) => panic!("{text}: {error}"),
    };
    (ours.to_string(), theirs)
}

#[test]
fn croner_leaves_lists_and_steps_out_of_a_gap_and_fires_them_twice_in_a_fold() {
    for (text, after, ours, theirs) in [
        ("0,30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"),
        ("30 2,14 * * *", "2026-03-28T13:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"),
        ("*/10 2 * * *", "2026-10-25T00:50:00Z", "2026-10-26T01:00:00Z", "2026-10-25T01:00:00Z"),
        ("0 */2 * * *", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", "2026-10-25T01:00:00Z"),
    ] {
        assert_eq!(next(text, "Europe/Stockholm", after), (ours.into(), Some(theirs.into())), "{text} after {after}");
    }
}

#[test]
fn croner_leaves_out_what_a_gap_pushes_into_another_day() {
    // The last hour of a Saturday; Sunday is not asked for.
    let (ours, theirs) = next("30 23 * * 6", "America/Nuuk", "2026-03-28T12:00:00Z");
    assert_eq!((ours.as_str(), theirs), ("2026-03-29T01:00:00Z", Some("2026-04-05T00:30:00Z".into())));
}

#[test]
fn croner_gives_up_in_a_gap_of_a_day() {
    let (ours, theirs) = next("0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z");
    assert_eq!((ours.as_str(), theirs), ("2011-12-30T10:00:00Z", None));
}

/// One schedule in one zone, as both read it.
struct Pair {
    name: String,
    zone: TimeZone,
    ours: Schedule,
    /// One for each time of the day, or a single one that follows the time that passes.
    theirs: Vec<Cron>,
}

// === impl Pair ===

impl Pair {
    fn new(text: &str, zone: &str) -> Self {
        let name = format!("{text} {zone}");
        let zone = TimeZone::get(zone).unwrap();
        let ours = Schedule::parse(text, zone.clone()).unwrap();
        // The one alias that croner does not know.
        let whole: Cron = text.replace("@midnight", "@daily").parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let (minutes, hours) = (whole.pattern.minutes.values(), whole.pattern.hours.values());
        let rest = whole.pattern.to_string().split_whitespace().skip(2).collect::<Vec<_>>().join(" ");
        let theirs = if hours.len() == 24 {
            vec![whole]
        } else {
            let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| format!("{minute} {hour}")));
            times
                .map(|time| {
                    format!("{time} {rest}").parse().unwrap_or_else(|error| panic!("{text} {time} {rest}: {error}"))
                })
                .collect()
        };
        Self { name, zone, ours, theirs }
    }

    /// Compares ten years, or the parts of them that matter; says how many fires there were.
    fn compare(&self, year: i16, extent: Extent) -> usize {
        let from = self.instant(civil::date(year, 1, 1));
        let to = self.instant(civil::date(year + 10, 1, 1));
        let changes = self.zone.following(from).map(|change| change.timestamp()).take_while(|change| *change < to);
        let changes: Vec<Timestamp> = changes.step_by(extent.every).collect();
        // Asked in the middle of an hour that is shown for the second time.
        let late: usize =
            changes.iter().map(|change| self.compare_between(*change + 20.minutes(), *change + 3.hours())).sum();
        if self.ours.fires(from).take_while(|fire| *fire <= to).nth(extent.whole_max).is_none() {
            return late + self.compare_between(from, to);
        }
        // And the ends of a year and of a leap year's February.
        let leap = year + (4 - year % 4) % 4;
        let ends = [civil::date(year + 1, 1, 1), civil::date(leap, 2, 29), civil::date(leap + 1, 3, 1)];
        let moments = changes.into_iter().chain(ends.map(|day| self.instant(day)));
        late + moments.map(|moment| self.compare_between(moment - 30.hours(), moment + 30.hours())).sum::<usize>()
    }

    /// Compares the fires after one instant, up to and with another.
    fn compare_between(&self, from: Timestamp, to: Timestamp) -> usize {
        let ours: Vec<Timestamp> = self.ours.fires(from).take_while(|fire| *fire <= to).collect();
        assert!(ours.windows(2).all(|pair| pair[0] < pair[1]), "{}: not ascending", self.name);
        let ours: BTreeSet<Timestamp> = ours.into_iter().collect();
        let theirs: BTreeSet<Timestamp> = self.theirs.iter().flat_map(|line| self.all(line, from, to)).collect();
        for fire in ours.symmetric_difference(&theirs) {
            let ours = ours.contains(fire);
            assert!(
                ours && self.begins_a_day_late(*fire),
                "{}: {fire} is {}",
                self.name,
                if ours { "ours alone" } else { "missing" }
            );
        }
        ours.len()
    }

    /// What one of croner's schedules fires.
    fn all(&self, line: &Cron, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut fires = vec![];
        let mut after = (from.to_zoned(self.zone.clone()), false);
        while let Some(fire) = self.next(line, &after).filter(|fire| fire.timestamp() <= to) {
            fires.push(fire.timestamp());
            after = (fire, false);
        }
        fires
    }

    /// The next of croner's after an instant, or from it on.
    fn next(&self, line: &Cron, (after, inclusive): &(Zoned, bool)) -> Option<Zoned> {
        match line.find_next_occurrence(after, *inclusive) {
            Ok(fire) => Some(fire),
            // In a gap that is too long for it; its place is taken up behind the gap.
            Err(CronError::TimeSearchLimitExceeded) => {
                let mut changes = self.zone.following(after.timestamp());
                let end = changes.find(|change| self.gap(change.timestamp()) > SignedDuration::from_hours(2))?;
                line.find_next_occurrence(&end.timestamp().to_zoned(self.zone.clone()), true).ok()
            }
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    /// How far the clock leaps forward at an instant.
    fn gap(&self, at: Timestamp) -> SignedDuration {
        let before = self.zone.to_offset(at - 1.second());
        SignedDuration::from_secs((self.zone.to_offset(at).seconds() - before.seconds()).into())
    }

    /// Whether the clock leaps, at an instant, from one day into another.
    fn begins_a_day_late(&self, at: Timestamp) -> bool {
        let date = |at| self.zone.to_datetime(at).date();
        self.gap(at).is_positive() && date(at - 1.second()) < date(at)
    }

    fn instant(&self, day: civil::Date) -> Timestamp {
        self.zone.to_timestamp(day.into()).unwrap()
    }
}
