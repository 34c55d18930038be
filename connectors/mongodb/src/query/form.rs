//! Moments in fields that can hold anything. What is not of the form is never over.
//!
//! Dates, numbers and ObjectIds may stand in arrays, on the way too: the period is over when it is over for every one of
//! them, and something else among them, or nothing, keeps the document. Texts stand alone. They are compared as texts where
//! their order is that of the moments, else the server reads them, and only those whose shape is known.

use forgetd_connector::{Cause, SinceColumn, SinceForm, Until};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime as BsonDate, Document, doc};

use super::field::{Field, all, any};
use super::{Composer, Refused};

/// Days of months, February's by the year.
const DAYS: &str = "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)\
                    |02-(?:0[1-9]|1\\d|2[0-8]))|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
const CLOCK: &str = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?";
const OFFSET: &str = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)";

/// Seconds of 0000-01-01T00:00:00Z and of the end of 9999-12-31. Numbers outside are no time.
const SECONDS: (i128, i128) = (-62_167_219_200, 253_402_300_800);
const SECOND: i128 = 1_000_000_000;

/// How a field writes time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// A date of BSON's.
    Instant,
    /// The same; and where there is a zone, text `YYYY-MM-DD HH:MM:SS[.f]`, or with `T`.
    Naive(Option<TimeZone>),
    /// The day of a date of BSON's in UTC, or text `YYYY-MM-DD`.
    Date(TimeZone),
    /// Text like [`Form::Naive`]'s with `Z` or `+HH:MM` behind it.
    Iso8601,
    /// A number of units, so many nanoseconds each, from so many before the epoch. It names all of its unit.
    Number { unit: i128, origin: i128 },
    /// An ObjectId's own second.
    ObjectId,
}

// === impl Form ===

impl Form {
    pub(crate) fn new(since: &SinceColumn) -> Result<Self, Refused> {
        let zone =
            || since.zone.clone().ok_or(Refused { cause: Cause::ZoneMissing, what: "a date has no zone".into() });
        Ok(match since.form {
            None => Self::Instant,
            Some(SinceForm::Timestamp) => Self::Naive(since.zone.clone()),
            Some(SinceForm::Date) => Self::Date(zone()?),
            Some(SinceForm::Iso8601) => Self::Iso8601,
            Some(SinceForm::UnixS) => Self::Number { unit: SECOND, origin: 0 },
            Some(SinceForm::UnixMs) => Self::Number { unit: SECOND / 1_000, origin: 0 },
            Some(SinceForm::Julian) => Self::Number { unit: 86_400 * SECOND, origin: 210_866_760_000 * SECOND },
            Some(SinceForm::ObjectId) => Self::ObjectId,
        })
    }

    /// Whether the moment in the field is over.
    pub(super) fn over(&self, field: &Field, until: Until, to: &mut Composer) -> Document {
        match self {
            Self::Instant => field.every(&doc! { "$lt": to.shown(before(until.instant())) }),
            Self::Naive(zone) => {
                let mut ways = vec![field.every(&doc! { "$lt": to.shown(before(until.instant())) })];
                if let Some(zone) = zone {
                    let bound = naive_text(until.naive(zone));
                    for between in [" ", "T"] {
                        let shape = doc! { "$regex": naive(between), "$lt": to.shown(bound.replace(' ', between)) };
                        ways.push(field.single(shape));
                    }
                }
                any(ways)
            }
            Self::Date(zone) => {
                let date = until.date(zone);
                let midnight = date.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
                let bound = midnight.map_or(Bson::MinKey, before);
                any(vec![
                    field.every(&doc! { "$lt": to.shown(bound) }),
                    field.single(doc! { "$regex": format!(r"\A{DAYS}\z"), "$lt": to.shown(date_text(date)) }),
                ])
            }
            Self::Iso8601 => iso_over(field, until.instant(), to),
            Self::Number { unit, origin } => {
                let mut ways = vec![field.every(&doc! {
                    "$gte": Bson::Double(least(SECONDS.0 * SECOND, *unit, *origin)),
                    "$lt": to.shown(until.unit(*unit, *origin)),
                })];
                if *origin != 0 {
                    // With a fraction a day is a moment of it.
                    ways.push(field.every(&doc! {
                        "$type": "double",
                        "$gte": Bson::Double(least(SECONDS.0 * SECOND, *unit, *origin)),
                        "$lt": to.shown(least(until.instant().as_nanosecond(), *unit, *origin)),
                    }));
                }
                any(ways)
            }
            Self::ObjectId => {
                let second = u32::try_from(until.unit(SECOND, 0).max(0)).unwrap_or(u32::MAX);
                field.every(&doc! { "$lt": to.shown(made_in(second)) })
            }
        }
    }

    /// Whether every value in the field can be read as time.
    pub(super) fn readable(&self, field: &Field) -> Document {
        let dates = || field.every(&doc! { "$type": "date" });
        match self {
            Self::Instant => dates(),
            Self::Naive(None) => dates(),
            Self::Naive(Some(_)) => any(vec![dates(), field.single(doc! { "$regex": naive("[ T]") })]),
            Self::Date(_) => any(vec![dates(), field.single(doc! { "$regex": format!(r"\A{DAYS}\z") })]),
            Self::Iso8601 => field.single(doc! { "$regex": iso() }),
            Self::Number { unit, origin } => {
                let [low, high] = [SECONDS.0, SECONDS.1].map(|second| least(second * SECOND, *unit, *origin));
                field.every(&doc! { "$gte": low, "$lt": high })
            }
            Self::ObjectId => field.every(&doc! { "$type": "objectId" }),
        }
    }
}

/// The first date of BSON's that is not before this moment: they end at milliseconds.
fn before(at: Timestamp) -> Bson {
    let millis = at.as_nanosecond().div_euclid(1_000_000) + i128::from(at.as_nanosecond().rem_euclid(1_000_000) != 0);
    Bson::DateTime(BsonDate::from_millis(i64::try_from(millis).unwrap_or(i64::MIN)))
}

/// The least ObjectId of a second.
fn made_in(second: u32) -> Bson {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&second.to_be_bytes());
    Bson::ObjectId(ObjectId::from_bytes(bytes))
}

/// The smallest number that does not lie before this moment, or one behind it.
#[allow(clippy::cast_precision_loss, reason = "rounded down below, never up")]
fn least(nanos: i128, unit: i128, origin: i128) -> f64 {
    let nanos = nanos + origin;
    let (whole, rest) = (nanos.div_euclid(unit), nanos.rem_euclid(unit));
    let near = whole as f64 + rest as f64 / unit as f64;
    // What is due a rounding early is left for the next run.
    if rest == 0 { near } else { near.next_down() }
}

fn naive(between: &str) -> String {
    format!(r"\A{DAYS}{between}{CLOCK}\z")
}

fn iso() -> String {
    format!(r"\A{DAYS}[ T]{CLOCK}{OFFSET}\z")
}

/// The server reads the whole seconds of a text whose shape is known, and of nothing else: asked to read anything, one was
/// seen to fail where it was told not to.
fn iso_over(field: &Field, until: Timestamp, to: &mut Composer) -> Document {
    let value = field.value();
    let length = doc! { "$strLenBytes": &value };
    let last = |bytes: i32| doc! { "$substrBytes": [&value, { "$subtract": [length.clone(), bytes] }, bytes] };
    let ends = |then: Bson, otherwise: Bson| doc! { "$cond": [{ "$eq": [last(1), "Z"] }, then, otherwise] };
    let offset = ends("Z".into(), last(6).into());
    let fraction = doc! { "$substrBytes": [
        &value, 19, { "$subtract": [{ "$subtract": [length.clone(), 19] }, ends(1.into(), 6.into())] },
    ] };
    let second = doc! { "$dateFromString": { "dateString": { "$concat": [
        { "$substrBytes": [&value, 0, 10] }, "T", { "$substrBytes": [&value, 11, 8] }, offset,
    ] }, "onError": Bson::Null } };
    let nanos = until.as_nanosecond();
    let whole =
        Timestamp::from_second(i64::try_from(nanos.div_euclid(SECOND)).unwrap_or(i64::MIN)).unwrap_or(Timestamp::MIN);
    let bound = to.shown(before(whole));
    let rest = to.shown(fraction_text(nanos.rem_euclid(SECOND)));
    let reads = doc! { "$and": [
        { "$eq": [{ "$type": &value }, "string"] }, { "$regexMatch": { "input": { "$cond": [
            { "$eq": [{ "$type": &value }, "string"] }, &value, "",
        ] }, "regex": iso() } },
    ] };
    // What could not be read is null, which lies before every date.
    let compared = doc! { "$let": { "vars": { "second": second, "fraction": fraction }, "in": { "$and": [
        { "$eq": [{ "$type": "$$second" }, "date"] },
        { "$or": [
            { "$lt": ["$$second", bound.clone()] },
            { "$and": [{ "$eq": ["$$second", bound] }, { "$lt": ["$$fraction", rest] }] },
        ] },
    ] } } };
    // An offset can put the local date a day ahead of UTC's.
    let date = TimeZone::UTC.to_datetime(until).date();
    let day = format!("{}U", date_text(date.tomorrow().unwrap_or(date)));
    let shape = field.single(doc! { "$regex": iso(), "$lt": to.shown(day) });
    all(vec![shape, doc! { "$expr": { "$cond": [reads, compared, false] } }])
}

/// Years below 0 do not occur: no period reaches there.
fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year().max(0), date.month(), date.day())
}

fn naive_text(local: DateTime) -> String {
    let time = local.time();
    format!(
        "{} {:02}:{:02}:{:02}{}",
        date_text(local.date()),
        time.hour(),
        time.minute(),
        time.second(),
        fraction_text(i128::from(time.subsec_nanosecond()))
    )
}

/// `.f` without zeros at its end; nothing for a whole second.
fn fraction_text(nanos: i128) -> String {
    if nanos == 0 {
        return String::new();
    }
    format!(".{nanos:09}").trim_end_matches('0').to_owned()
}
