//! Moments, read from documents for people: exact where they decide nothing.

use forgetd_connector::Since;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mongodb::bson::{Bson, Document};

use crate::query::{Form, Written};

/// What a document says about time at one of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    /// `YYYY-MM`, as the field writes it; instants and numbers in UTC.
    pub(crate) month: String,
}

/// The moment that counts: the latest, where several do.
pub(crate) fn counts(document: &Document, since: &Since, fields: &[Written]) -> Option<Moment> {
    let mut moments = fields.iter().map(|written| of(document, written));
    match since {
        Since::Greatest(_) => moments.flatten().max_by_key(|moment| moment.at),
        // The first that is there.
        _ => moments.find_map(|moment| moment),
    }
}

/// The latest moment in one field.
pub(crate) fn of(document: &Document, written: &Written) -> Option<Moment> {
    let mut values = vec![];
    at(&Bson::Document(document.clone()), written.field.names(), &mut values);
    values.iter().filter_map(|value| read(value, &written.form)).max_by_key(|moment| moment.at)
}

/// The values that a field names, through arrays.
fn at(value: &Bson, names: &[String], values: &mut Vec<Bson>) {
    match (value, names.split_first()) {
        (Bson::Array(elements), _) => elements.iter().for_each(|element| at(element, names, values)),
        (value, None) => values.push(value.clone()),
        (Bson::Document(document), Some((name, rest))) => {
            if let Some(value) = document.get(name) {
                at(value, rest, values);
            }
        }
        _ => {}
    }
}

fn read(value: &Bson, form: &Form) -> Option<Moment> {
    let instant = |at: Timestamp| Moment { at, month: month(TimeZone::UTC.to_datetime(at)) };
    match (value, form) {
        (Bson::DateTime(date), Form::Instant | Form::Naive(_) | Form::Date(_)) => {
            Timestamp::from_millisecond(date.timestamp_millis()).ok().map(instant)
        }
        (Bson::String(text), Form::Naive(Some(zone))) => local(text.replace(' ', "T").parse().ok()?, zone),
        (Bson::String(text), Form::Date(zone)) => local(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0), zone),
        (Bson::String(text), Form::Iso8601) => {
            let at: Timestamp = text.replacen(' ', "T", 1).parse().ok()?;
            let local: DateTime = text.get(..19)?.replace(' ', "T").parse().ok()?;
            Some(Moment { at, month: month(local) })
        }
        (value, Form::Number { unit, origin }) => nanos(value, *unit)
            .and_then(|nanos| Timestamp::from_nanosecond(nanos.checked_sub(*origin)?).ok())
            .map(instant),
        (Bson::ObjectId(id), Form::ObjectId) => {
            Timestamp::from_millisecond(id.timestamp().timestamp_millis()).ok().map(instant)
        }
        _ => None,
    }
}

fn local(at: DateTime, zone: &TimeZone) -> Option<Moment> {
    Some(Moment { at: zone.to_timestamp(at).ok()?, month: month(at) })
}

fn month(at: DateTime) -> String {
    format!("{:04}-{:02}", at.year(), at.month())
}

fn nanos(value: &Bson, unit: i128) -> Option<i128> {
    match value {
        Bson::Int32(value) => i128::from(*value).checked_mul(unit),
        Bson::Int64(value) => i128::from(*value).checked_mul(unit),
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "shown and compared with nothing"
        )]
        Bson::Double(value) if value.is_finite() => Some((value * unit as f64) as i128),
        Bson::Decimal128(value) => nanos(&Bson::Double(value.to_string().parse().ok()?), unit),
        _ => None,
    }
}
