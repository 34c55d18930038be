//! The parts of a rule that say when: `since`, `when_null`, `schedule`.

use forgetd_connector::{Since, SinceColumn, WhenNull};
use jiff::tz::TimeZone;

use super::say::{Say, split};
use crate::{
    config::{
        raw_rule::{RawSchedule, RawSince, RawWhenNull},
        read::{At, Field, TextOr},
    },
    rules::Schedule,
};

/// The moment a period counts from. Nothing: broken, and said.
pub(super) fn since(at: &At<TextOr<RawSince>>, say: &mut Say<'_>) -> Option<Since> {
    let raw = match &at.value {
        TextOr::Text(column) => {
            return column_name(column, at, say).map(|column| Since::column(&column));
        }
        TextOr::Full(raw) => raw,
    };
    let zone = raw.zone.get().map(|zone| say.zone(zone));
    let column = match &raw.column {
        Field::Absent => {
            say.at(at.place, "`since` names no column", "write `since: { column: name }`");
            None
        }
        field => field.get().and_then(|column| column_name(&column.value, column, say)),
    };
    let zone = match zone {
        None => None,
        Some(found) => Some(found?),
    };
    let form = raw.form.value().map(|form| (*form).into());
    Some(Since::Column(SinceColumn { column: column?, zone, form }))
}

/// What NULL means.
pub(super) fn when_null(at: &At<RawWhenNull>, since: Option<&Since>, say: &mut Say<'_>) -> Option<WhenNull> {
    match &at.value {
        RawWhenNull::Keep => Some(WhenNull::Keep),
        RawWhenNull::Delete => Some(WhenNull::Delete),
        RawWhenNull::Use(column) => {
            let column = column_name(column, at, say)?;
            if since.and_then(Since::single).is_some_and(|since| since.column == column) {
                say.at(at.place, "`when_null` uses the column of `since` itself", "name another column");
                return None;
            }
            Some(WhenNull::Use(column))
        }
    }
}

/// When a rule fires.
pub(super) fn schedule(at: &At<TextOr<RawSchedule>>, say: &mut Say<'_>) -> Option<Schedule> {
    let (cron, place, zone) = match &at.value {
        TextOr::Text(cron) => (cron, at.place, Some(TimeZone::UTC)),
        TextOr::Full(raw) => {
            let zone = match raw.zone.get() {
                Some(zone) => say.zone(zone),
                None => Some(TimeZone::UTC),
            };
            match &raw.cron {
                Field::Absent => {
                    say.at(at.place, "`schedule` has no `cron`", "write `schedule: { cron: \"15 3 * * *\" }`");
                    return None;
                }
                field => {
                    let cron = field.get()?;
                    (&cron.value, cron.place, zone)
                }
            }
        }
    };
    match Schedule::parse(cron, zone.clone().unwrap_or(TimeZone::UTC)) {
        Ok(schedule) => zone.map(|_| schedule),
        Err(error) => {
            let (message, fix) = split(&error);
            say.at(place, format!("the schedule {message}"), fix);
            None
        }
    }
}

fn column_name<T>(name: &str, at: &At<T>, say: &mut Say<'_>) -> Option<String> {
    if name.is_empty() || name.contains('\0') {
        say.at(at.place, "the column's name is empty", "name a column");
        return None;
    }
    Some(name.into())
}
