//! Moments around a cutoff, around changes of summer time, and how columns write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan as _};

use super::Dice;
use crate::{Cell, Kind};

/// Zones with one peculiarity each: ordinary changes, changes of half an hour and of two hours, at midnight, over
/// midnight, days that never were, odd offsets, and none of it.
const ZONES: &[&str] = &[
    "Europe/Stockholm",
    "America/New_York",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Beirut",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "UTC",
];

/// Changes that no other zone has: days that were skipped, hours that came back over midnight.
const ODD: &[(&str, &str)] = &[
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
    ("America/St_Johns", "2010-11-07T02:31:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("America/Havana", "2023-11-05T05:00:00Z"),
];

/// How long rows are kept.
const PERIODS: &[&str] =
    &["30d", "1mo", "6mo", "1y", "2y", "1y 6mo", "90d", "2w", "1d", "36h", "1mo 12h", "P1M15D", "10mo", "3y", "45s"];

/// The last second that the moments of every engine reach: some count them in 32 bits.
pub(super) const LAST: i64 = i32::MAX as i64;

/// When a rule counts.
#[derive(Clone, Debug)]
pub(super) struct When {
    /// The zone of its columns.
    pub(super) zone: TimeZone,
    /// About the cutoff.
    pub(super) target: Timestamp,
    /// The nearest change of the zone's offset, if the target was chosen for it.
    pub(super) change: Option<Timestamp>,
}

// === impl When ===

impl When {
    pub(super) fn random(dice: &mut Dice) -> Self {
        if dice.chance(35)
            && let Some(when) = Self::at_a_change(dice)
        {
            return when;
        }
        let zone = zone(dice.pick::<&str>(ZONES));
        let from: i64 = 631_152_000;
        let second = from + dice.between(0, 40 * 365 * 86_400);
        let target = match dice.below(5) {
            // Midnight of the zone, a fraction, a whole hour of UTC, the grid of Julian days.
            0 => zone
                .to_datetime(moment(second))
                .date()
                .to_zoned(zone.clone())
                .map_or(moment(second), |day| day.timestamp()),
            1 => moment(second) + SignedDuration::from_micros(dice.between(0, 999_999)),
            2 => moment(second - second.rem_euclid(3_600)),
            3 => moment(second - second.rem_euclid(10_800)),
            _ => moment(second),
        };
        Self { zone, target, change: None }
    }

    fn at_a_change(dice: &mut Dice) -> Option<Self> {
        let (zone, change) = if dice.chance(35) {
            let (name, at) = *dice.pick(ODD);
            (zone(name), at.parse().expect("an instant"))
        } else {
            let zone = zone(dice.pick::<&str>(ZONES));
            let from = moment(dice.between(504_921_600, 1_893_456_000));
            let change = zone.following(from).next()?.timestamp();
            // A period and a while later the calendar of some types ends.
            (zone, (change < moment(1_900_000_000)).then_some(change)?)
        };
        let seconds =
            [-86_400, -7_200, -3_601, -3_600, -1_800, -61, -30, -1, 0, 1, 30, 61, 1_800, 3_599, 3_600, 7_200, 86_400];
        let target = change + dice.pick(&seconds).seconds();
        Some(Self { zone, target, change: Some(change) })
    }

    /// On whole minutes: where a column counts days in binary numbers.
    pub(super) fn coarse(&mut self) {
        let second = self.target.as_second();
        self.target = moment(second - second.rem_euclid(60));
    }

    /// A period, and the moment at which rows of about the target have been kept for so long.
    pub(super) fn period(&self, dice: &mut Dice) -> (String, Timestamp) {
        let text = *dice.pick(PERIODS);
        let now = self.target.to_zoned(self.zone.clone()).checked_add(span(text)).expect("a year of this age");
        (text.into(), now.timestamp())
    }

    /// Another period, and about the cutoff that it gives.
    pub(super) fn cutoff(&self, dice: &mut Dice, now: Timestamp) -> (String, Timestamp) {
        let text = *dice.pick(PERIODS);
        let cutoff = now.to_zoned(self.zone.clone()).checked_sub(span(text)).expect("a year of this age");
        (text.into(), cutoff.timestamp())
    }

    /// Moments near and far from these cutoffs, few enough that many rows share one.
    pub(super) fn moments(&self, dice: &mut Dice, cutoffs: &[Timestamp]) -> Vec<Timestamp> {
        let mut moments = vec![];
        for _ in 0..4 + dice.below(8) {
            let around = match self.change {
                Some(change) if dice.chance(50) => change,
                _ => *dice.pick(cutoffs),
            };
            moments.push(around + distance(dice));
        }
        moments
    }

    /// Local times that no clock of the zone ever showed, if there are any near.
    fn skipped(&self, dice: &mut Dice) -> Option<DateTime> {
        let change = self.change?;
        let (before, after) = (self.zone.to_offset(change - 1.second()), self.zone.to_offset(change));
        let gap = i64::from(after.seconds() - before.seconds());
        (gap > 0).then(|| before.to_datetime(change) + dice.between(0, gap - 1).seconds())
    }

    /// A cell that writes this moment in a column of this kind.
    pub(super) fn cell(&self, dice: &mut Dice, kind: Kind, at: Timestamp) -> Cell {
        let local = match self.skipped(dice) {
            Some(local) if dice.chance(30) => local,
            _ => self.zone.to_datetime(at),
        };
        match kind {
            Kind::Instant => Cell::Instant(known(at)),
            Kind::Naive => Cell::Naive(local),
            Kind::InstantOf(digits) => Cell::Instant(known(at) - over(known(at).subsec_nanosecond(), digits)),
            Kind::NaiveOf(digits) => Cell::Naive(local - over(local.subsec_nanosecond(), digits)),
            Kind::Date => Cell::Date(local.date()),
            Kind::UnixS => Cell::Int(at.as_second()),
            Kind::UnixMs => Cell::Int(at.as_millisecond()),
            Kind::NaiveText => Cell::Text(written(dice, local)),
            Kind::DateText => Cell::Text(local.date().to_string()),
            Kind::Iso8601 => Cell::Text(with_offset(dice, at)),
            Kind::Julian => {
                // Eighths of a day are exact, as days and as seconds.
                let eighths = at.as_second().div_euclid(10_800);
                Cell::Real(2_440_587.5 + eighths as f64 / 8.0)
            }
            other => panic!("{other:?} holds no time"),
        }
    }
}

/// Dates that are no moment; the first is the only one of those that an instant can be.
pub(super) const ZEROS: &[&str] = &["0000-00-00", "0000-00-00", "2020-00-00", "2020-02-00", "2020-00-15", "2039-12-00"];

/// Texts that are no time in any form.
pub(super) const JUNK: &[&str] = &[
    "",
    "soon",
    "2020-02-30 10:00:00",
    "2020-02-30",
    "2020-1-1",
    "2020-01-01 10:00",
    "0",
    "2020-01-01T25:00:00Z",
    " 2020-01-01",
];

/// What a column of so many digits of a second leaves out.
fn over(nanosecond: i32, digits: u8) -> SignedDuration {
    SignedDuration::from_nanos(i64::from(nanosecond) % 10_i64.pow(9 - u32::from(digits)))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("the zones are bundled")
}

/// The nearest moment that every engine's best type can hold: some begin with 1970 and end with a signed number of seconds
/// in 32 bits.
pub(super) fn known(at: Timestamp) -> Timestamp {
    at.clamp(moment(365 * 86_400), moment(i64::from(i32::MAX) - 86_400))
}

pub(super) fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time of this age of the world")
}

/// This long after a moment.
pub(super) fn after(at: Timestamp, period: &str) -> Timestamp {
    at.to_zoned(TimeZone::UTC).checked_add(span(period)).expect("a year of this age").timestamp()
}

fn span(text: &str) -> Span {
    text.parse().expect("a period")
}

/// From nothing to years, to the microsecond.
fn distance(dice: &mut Dice) -> SignedDuration {
    const UNITS: &[i64] = &[
        1,
        1_000,
        1_000_000,
        60_000_000,
        1_800_000_000,
        3_600_000_000,
        86_400_000_000,
        2_592_000_000_000,
        31_536_000_000_000,
    ];
    let times = *dice.pick(&[0, 0, 1, 1, -1, -1, -1, -2, -3, 2]);
    SignedDuration::from_micros(dice.pick(UNITS) * times)
}

/// `YYYY-MM-DD HH:MM:SS[.f]` in one of its spellings; never earlier than the moment, never later in fewer digits.
fn written(dice: &mut Dice, local: DateTime) -> String {
    let separator = if dice.chance(50) { 'T' } else { ' ' };
    let micros = local.subsec_nanosecond() / 1_000;
    let fraction = match micros {
        0 if dice.chance(70) => String::new(),
        0 => ".000".into(),
        _ => format!(".{micros:06}"),
    };
    format!("{}{separator}{}{fraction}", local.date(), local.strftime("%H:%M:%S"))
}

fn with_offset(dice: &mut Dice, at: Timestamp) -> String {
    let minutes = *dice.pick(&[0, 0, 60, 120, -330, 345, 840, -720]);
    let offset = jiff::tz::Offset::from_seconds(minutes * 60).expect("an offset");
    let text = written(dice, offset.to_datetime(at));
    match minutes {
        0 => format!("{text}Z"),
        _ => {
            format!("{text}{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
        }
    }
}
