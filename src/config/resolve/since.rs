//! The moment that a period counts from: `since` and `when_null`.

use forgetd_connector::{Joined, Latest, Since, SinceColumn, SinceForm, WhenNull};
use jiff::tz::TimeZone;

use super::say::Say;
use crate::config::{
    limits,
    place::Place,
    raw::ByName,
    raw_rule::RawWhenNull,
    raw_since::{RawForm, RawMoment, RawSince},
    read::{At, Field, TextOr},
};

/// The moment a period counts from; `zone` is that of `defaults`. Nothing: broken, and said.
pub(super) fn since(at: &At<TextOr<RawSince>>, zone: Option<&TimeZone>, say: &mut Say<'_>) -> Option<Since> {
    let raw = match &at.value {
        TextOr::Text(column) => {
            let column = column_name(column, at.place, say)?;
            return Some(Since::Column(SinceColumn { column, zone: zone.cloned(), form: None }));
        }
        TextOr::Full(raw) => raw,
    };
    let written = [!raw.column.is_absent(), !raw.greatest.is_absent(), !raw.latest.is_absent()];
    match written.iter().filter(|written| **written).count() {
        0 => {
            say.at(at.place, "`since` names no column", "write `since: { column: name }`, or `greatest` or `latest`");
            return None;
        }
        1 => {}
        _ => {
            let message = "`since` takes one of `column`, `greatest` and `latest`";
            say.at(at.place, message, "write one of them; several columns stand in `greatest: [a, b]`");
            return None;
        }
    }
    if raw.latest.is_absent()
        && let Some(or) = raw.or.get()
    {
        let fix = "write the columns as `greatest: [a, b]`, or a column for NULL as `when_null: { use: column }`";
        say.at(or.place, "`or` stands beside `latest` only", fix);
        return None;
    }
    let around = Around::read(&raw.zone, &raw.form, zone, say);
    if !raw.latest.is_absent() {
        return latest(raw, zone, say);
    }
    if raw.greatest.is_absent() {
        let column = raw.column.get()?;
        return Some(Since::Column(around?.column(column_name(&column.value, column.place, say)?)));
    }
    greatest(raw.greatest.get()?, around, say)
}

/// The zone and form that hold for columns which do not say their own.
#[derive(Clone)]
struct Around {
    zone: Option<TimeZone>,
    form: Option<SinceForm>,
}

// === impl Around ===

impl Around {
    /// Nothing: the zone or the form is broken, and said.
    fn read(
        zone: &Field<String>,
        form: &Field<RawForm>,
        default: Option<&TimeZone>,
        say: &mut Say<'_>,
    ) -> Option<Self> {
        let zone = match zone {
            Field::Absent => default.cloned(),
            field => Some(say.zone(field.get()?)?),
        };
        let form = match form {
            Field::Absent => None,
            field => Some((*field.value()?).into()),
        };
        Some(Self { zone, form })
    }

    fn column(self, column: String) -> SinceColumn {
        SinceColumn { column, zone: self.zone, form: self.form }
    }
}

/// Reads every column before it gives up, so that all of it is said.
fn greatest(at: &At<Vec<Field<TextOr<RawMoment>>>>, around: Option<Around>, say: &mut Say<'_>) -> Option<Since> {
    if at.value.len() < 2 {
        say.at(at.place, "`greatest` takes two columns or more", "add a column, or write `since: column`");
        return None;
    }
    if at.value.len() > limits::COLUMNS_MAX {
        let fix = format!("write at most {}", limits::COLUMNS_MAX);
        say.at(at.place, "`greatest` has too many columns", fix);
        return None;
    }
    let nothing = Around { zone: None, form: None };
    let mut columns: Vec<Option<SinceColumn>> = vec![];
    for item in &at.value {
        let column = item.get().and_then(|item| moment(item, around.as_ref().unwrap_or(&nothing), say));
        if let (Some(column), Some(item)) = (&column, item.get())
            && columns.iter().flatten().any(|other| other.column == column.column)
        {
            say.at(item.place, "the column is in `greatest` already", "name another column, or remove it");
        }
        columns.push(column);
    }
    around.and(columns.into_iter().collect::<Option<_>>()).map(Since::Greatest)
}

/// A column of `greatest`, or that of `or`.
fn moment(at: &At<TextOr<RawMoment>>, around: &Around, say: &mut Say<'_>) -> Option<SinceColumn> {
    let raw = match &at.value {
        TextOr::Text(column) => return Some(around.clone().column(column_name(column, at.place, say)?)),
        TextOr::Full(raw) => raw,
    };
    let own = Around::read(&raw.zone, &raw.form, around.zone.as_ref(), say);
    let column = required(&raw.column, at.place, "column", "write `{ column: name }`", say);
    let own = own?;
    Some(Around { form: own.form.or(around.form), ..own }.column(column?))
}

fn latest(raw: &RawSince, default: Option<&TimeZone>, say: &mut Say<'_>) -> Option<Since> {
    for place in [raw.zone.get().map(|zone| zone.place), raw.form.get().map(|form| form.place)].into_iter().flatten() {
        let fix = "write it inside `latest`, and for the column of `or` inside `or: { column, zone, as }`";
        say.at(place, "`zone` and `as` beside `latest` belong to no column", fix);
    }
    let At { value, place } = raw.latest.get()?;
    if let Some(or) = value.or.get() {
        say.at(or.place, "`or` stands inside `latest`", "write it beside: `since: { latest: { .. }, or: column }`");
    }
    let fix = "write `latest: { table: other, column: at, on: { their_column: own_column } }`";
    let column = required(&value.column, *place, "column", fix, say);
    let around = Around::read(&value.zone, &value.form, default, say);
    let table = match &value.table {
        Field::Absent => missing(*place, "table", fix, say),
        field => field.get().and_then(|table| super::rules::table(table, say)),
    };
    let on = match &value.on {
        Field::Absent => missing(*place, "on", fix, say),
        field => field.get().and_then(|on| joined(on, say)),
    };
    let or = match &raw.or {
        Field::Absent => None,
        field => Some(moment(field.get()?, &Around { zone: default.cloned(), form: None }, say)?),
    };
    Some(Since::Latest(Box::new(Latest { table: table?, at: around?.column(column?), on: on?, or })))
}

/// Which rows belong together, in the order of their columns' names.
fn joined(at: &At<ByName<String>>, say: &mut Say<'_>) -> Option<Vec<Joined>> {
    let columns = &at.value.0;
    if columns.is_empty() || columns.len() > limits::COLUMNS_MAX {
        let fix = format!("write `on: {{ their_column: own_column }}`, at most {} of them", limits::COLUMNS_MAX);
        say.at(at.place, "`on` says not which rows belong together", fix);
        return None;
    }
    let mut joined = vec![];
    for (other, own) in columns {
        let other = column_name(other, at.place, say);
        let own = own.get().and_then(|own| column_name(&own.value, own.place, say));
        joined.push(other.zip(own).map(|(other, own)| Joined { other, own }));
    }
    joined.into_iter().collect()
}

fn required(field: &Field<String>, place: Place, what: &str, fix: &str, say: &mut Say<'_>) -> Option<String> {
    match field {
        Field::Absent => missing(place, what, fix, say),
        field => field.get().and_then(|column| column_name(&column.value, column.place, say)),
    }
}

fn missing<T>(place: Place, what: &str, fix: &str, say: &mut Say<'_>) -> Option<T> {
    say.at(place, format!("`{what}` is missing"), fix);
    None
}

/// What it means that there is no moment. `rule` is the place of `since` where `defaults` said it: what cannot stand
/// beside one rule's `since` is said there.
pub(super) fn when_null(
    at: &At<RawWhenNull>,
    since: Option<&Since>,
    rule: Option<Place>,
    say: &mut Say<'_>,
) -> Option<WhenNull> {
    let column = match &at.value {
        RawWhenNull::Keep => return Some(WhenNull::Keep),
        RawWhenNull::Delete => return Some(WhenNull::Delete),
        RawWhenNull::Use(column) => column_name(column, at.place, say)?,
    };
    let (message, fix) = match since {
        Some(Since::Column(since)) if since.column == column => ("the column of `since` itself", "name another column"),
        Some(Since::Greatest(_)) => {
            ("a column beside `greatest`", "add the column to the list of `greatest`, and write `keep` or `delete`")
        }
        Some(Since::Latest(_)) => {
            ("a column beside `latest`", "write `or: column` beside `latest`, and `when_null: keep` or `delete`")
        }
        Some(Since::Column(_)) | None => return Some(WhenNull::Use(column)),
    };
    match rule {
        None => say.at(at.place, format!("`when_null` uses {message}"), fix),
        Some(place) => {
            let message = format!("`when_null` of `defaults` uses {message}");
            say.at(place, message, format!("write `when_null` in this rule: {fix}"));
        }
    }
    None
}

fn column_name(name: &str, place: Place, say: &mut Say<'_>) -> Option<String> {
    if name.is_empty() || name.contains('\0') {
        say.at(place, "the column's name is empty", "name a column");
        return None;
    }
    Some(name.into())
}
