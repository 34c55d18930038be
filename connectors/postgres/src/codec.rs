//! Values between SQL and the seam: read as text, bound as text, exact both ways whatever the session's settings are.

use forgetd_connector::{Cause, Column, ColumnKind, Cutoff, Fault, FaultClass, SinceForm, Value, julian};
use jiff::tz::TimeZone;
use tokio_postgres::types::Type;

use crate::query::{Param, Sql, Written};

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal in quotes, for the DDL alone; statements bind their values.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The expression that reads `expr`, a value of this kind, as text.
///
/// Times are read through JSON, which ignores DateStyle, and instants in UTC, because two texts of one instant would
/// look like two positions.
pub(crate) fn read(kind: ColumnKind, expr: &str) -> String {
    match kind {
        ColumnKind::Instant => format!("to_json({expr} at time zone 'UTC') #>> '{{}}'"),
        ColumnKind::NaiveTime | ColumnKind::Date => format!("to_json({expr}) #>> '{{}}'"),
        _ => format!("{expr}::text"),
    }
}

/// The expression that a shape is looked for in: the value's text, in lower case where it is no text. Addresses without a
/// prefix of their own are written without one.
pub(crate) fn exact_text(column: &Column) -> String {
    match column.kind {
        ColumnKind::Text => written(column),
        _ => format!("lower({})", written(column)),
    }
}

/// The expression that reads a column whose new value is computed: [`read`], but an address without a prefix of its own is
/// written without one.
pub(crate) fn written(column: &Column) -> String {
    let name = format!("t.{}", quote(&column.name));
    if column.type_name == "inet" { format!("abbrev({name})") } else { read(column.kind, &name) }
}

/// The expression that turns a text that [`read`] made back into a value of the column's type.
pub(crate) fn from_text(column: &Column, expr: &str) -> String {
    match column.kind {
        ColumnKind::Instant => format!("({expr}::text::timestamp at time zone 'UTC')"),
        _ => format!("{expr}::text::{}", column.type_name),
    }
}

/// Binds a value that was read from this column; returns the expression that stands for it.
pub(crate) fn bind(column: &Column, value: &Value, sql: &mut Sql) -> String {
    let (param, around) = parameter(column.kind, text(value));
    let placeholder = sql.bind(param);
    match around {
        Some(around) => around(&placeholder),
        None => from_text(column, &placeholder),
    }
}

/// A text as a parameter, and the expression around its placeholder where the column's type alone does not say it.
/// Times are parameters of their own type: see [`Param::Typed`].
fn parameter(kind: ColumnKind, text: Option<String>) -> (Param, Option<Around>) {
    match kind {
        ColumnKind::Instant => (Param::Typed(Written(text), Type::TIMESTAMP), Some(instant)),
        ColumnKind::NaiveTime => (Param::Typed(Written(text), Type::TIMESTAMP), Some(|p| format!("{p}::timestamp"))),
        ColumnKind::Date => (Param::Typed(Written(text), Type::DATE), Some(|p| format!("{p}::date"))),
        _ => (Param::Text(text), None),
    }
}

fn instant(placeholder: &str) -> String {
    format!("({placeholder}::timestamp at time zone 'UTC')")
}

/// A text that [`written`] made, as a transform takes it.
pub(crate) fn old(column: &Column, text: Option<String>) -> Value {
    let Some(text) = text else { return Value::Null };
    match column.kind {
        ColumnKind::Integer => text.parse().map_or(Value::Text(text), Value::Int),
        _ => Value::Text(text),
    }
}

/// What was read, as a value of the seam.
pub(crate) fn value(column: &Column, text: String) -> Value {
    match column.kind {
        ColumnKind::Text => Value::Text(text),
        _ => Value::Typed { kind: column.type_name.clone(), text },
    }
}

/// A value of the seam as the text of a parameter.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        other => Some(other.canonical_text().into_owned()),
    }
}

/// All settings that text forms and times without a zone depend on.
pub(crate) const PINS: &str = "; set local extra_float_digits = 1; set local intervalstyle = postgres; set local datestyle = iso; \
     set local bytea_output = hex; set local timezone = 'UTC'";

/// Settings that the text forms of these columns depend on; pinned inside the transaction, and only where needed:
/// triggers of the table see them too.
pub(crate) fn pins(columns: &[&Column]) -> &'static str {
    let plain = |column: &&Column| match column.kind {
        ColumnKind::Other => matches!(column.type_name.as_str(), "uuid" | "inet" | "cidr" | "macaddr" | "bit varying"),
        ColumnKind::Number => column.type_name == "numeric",
        _ => true,
    };
    if columns.iter().all(plain) {
        return "";
    }
    PINS
}

/// The expression around a placeholder.
pub(crate) type Around = fn(&str) -> String;

/// The cutoff as a parameter that `since` is compared with, and the expression around it.
///
/// Where a column says less than an instant does, the later reading counts: a whole second is due when it is over.
pub(crate) fn cutoff(
    column: &Column,
    form: Option<SinceForm>,
    zone: Option<&TimeZone>,
    cutoff: Cutoff,
    place: &str,
) -> Result<(Param, Around), Fault> {
    let refuse = |cause| Err(Fault::new(FaultClass::Blocked(cause), "compare since", place).with_detail(&*column.name));
    let micros = cutoff.0.as_microsecond() - i64::from(cutoff.0.as_nanosecond() % 1000 < 0);
    let cutoff = Cutoff(jiff::Timestamp::from_microsecond(micros).unwrap_or(cutoff.0));
    let time = |kind, text| match parameter(kind, Some(text)) {
        (param, Some(around)) => Ok((param, around)),
        (_, None) => refuse(Cause::ColumnType),
    };
    let number = |number: i64, around: Around| Ok((Param::Text(Some(number.to_string())), around));
    match (column.kind, form) {
        (ColumnKind::Instant, None | Some(SinceForm::Timestamp)) => {
            time(column.kind, naive_text(TimeZone::UTC.to_datetime(cutoff.0)))
        }
        (ColumnKind::NaiveTime, None | Some(SinceForm::Timestamp)) => match zone {
            Some(zone) => time(column.kind, naive_text(cutoff.naive(zone))),
            None => refuse(Cause::ZoneMissing),
        },
        (ColumnKind::Date, None | Some(SinceForm::Date)) => match zone {
            Some(zone) => time(column.kind, cutoff.date(zone).to_string()),
            None => refuse(Cause::ZoneMissing),
        },
        (ColumnKind::Integer, Some(SinceForm::UnixS)) => {
            number(micros.div_euclid(1_000_000), |p| format!("{p}::text::bigint"))
        }
        (ColumnKind::Integer, Some(SinceForm::UnixMs)) => {
            number(micros.div_euclid(1_000), |p| format!("{p}::text::bigint"))
        }
        (ColumnKind::Number, Some(SinceForm::UnixS)) => number(micros, |p| format!("({p}::text::numeric / 1000000)")),
        (ColumnKind::Number, Some(SinceForm::UnixMs)) => number(micros, |p| format!("({p}::text::numeric / 1000)")),
        (ColumnKind::Integer, Some(SinceForm::Julian)) => {
            number(julian::whole_days(micros), |p| format!("{p}::text::bigint"))
        }
        (ColumnKind::Number, Some(SinceForm::Julian)) if column.type_name == "numeric" => {
            Ok((Param::Text(Some(julian::decimal(micros))), |p| format!("{p}::text::numeric")))
        }
        (ColumnKind::Number, Some(SinceForm::Julian)) => {
            Ok((Param::Text(Some(julian::binary(micros))), |p| format!("{p}::text::double precision")))
        }
        // In the normal form of the texts: see `query::written`.
        (ColumnKind::Text, Some(form)) => {
            let text = match (form, zone) {
                (SinceForm::Iso8601, _) => naive_text(TimeZone::UTC.to_datetime(cutoff.0)),
                (SinceForm::Timestamp, Some(zone)) => naive_text(cutoff.naive(zone)),
                (SinceForm::Date, Some(zone)) => cutoff.date(zone).to_string(),
                (SinceForm::Timestamp | SinceForm::Date, None) => return refuse(Cause::ZoneMissing),
                (SinceForm::UnixS | SinceForm::UnixMs | SinceForm::Julian | SinceForm::ObjectId, _) => {
                    return refuse(Cause::ColumnType);
                }
            };
            Ok((Param::Text(Some(text)), |p| format!("{p}::text")))
        }
        _ => refuse(Cause::ColumnType),
    }
}

fn naive_text(time: jiff::civil::DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Column, ColumnKind, Cutoff, Fit, SinceForm};
    use jiff::tz::TimeZone;

    use super::{cutoff, quote};
    use crate::query::{Param, Written};

    fn column(kind: ColumnKind) -> Column {
        Column { name: "c".into(), type_name: "t".into(), kind, nullable: false, fit: Fit::default() }
    }

    #[test]
    fn the_later_reading_counts() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let at = Cutoff("2026-01-09T23:30:00.7500009Z".parse().unwrap());
        for (kind, form, expected) in [
            (ColumnKind::Instant, None, "2026-01-09 23:30:00.75"),
            (ColumnKind::NaiveTime, None, "2026-01-10 00:30:00.75"),
            (ColumnKind::Date, None, "2026-01-10"),
            (ColumnKind::Integer, Some(SinceForm::UnixS), "1768001400"),
            (ColumnKind::Integer, Some(SinceForm::UnixMs), "1768001400750"),
            // Noon of the 9th began this day, noon of the 10th ends it.
            (ColumnKind::Integer, Some(SinceForm::Julian), "2461050"),
            (ColumnKind::Text, Some(SinceForm::Iso8601), "2026-01-09 23:30:00.75"),
            (ColumnKind::Text, Some(SinceForm::Timestamp), "2026-01-10 00:30:00.75"),
            (ColumnKind::Text, Some(SinceForm::Date), "2026-01-10"),
        ] {
            let text = match cutoff(&column(kind), form, Some(&zone), at, "p").unwrap().0 {
                Param::Text(text) | Param::Typed(Written(text), _) => text,
                _ => None,
            };
            assert_eq!(text.as_deref(), Some(expected), "{kind:?}");
        }
        assert!(cutoff(&column(ColumnKind::Date), None, None, at, "p").is_err());
        assert!(cutoff(&column(ColumnKind::Text), Some(SinceForm::Timestamp), None, at, "p").is_err());
        assert!(cutoff(&column(ColumnKind::Text), Some(SinceForm::UnixS), None, at, "p").is_err());
        assert!(cutoff(&column(ColumnKind::Text), None, None, at, "p").is_err());
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote(r#"a"b"#), r#""a""b""#);
    }
}
