//! Values between SQL and the seam: read as text, bound as text, exact both ways whatever the session's settings are.

use forgetd_connector::{Cause, Column, ColumnKind, Cutoff, Fault, FaultClass, SinceForm, Value};
use jiff::tz::TimeZone;

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal in quotes, for the DDL alone; statements bind their values.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The expression that reads `expr`, a column like `column`, as text.
///
/// Times are read through JSON, which ignores DateStyle, and instants in UTC, because two texts of one instant would
/// look like two positions.
pub(crate) fn read(column: &Column, expr: &str) -> String {
    match column.kind {
        ColumnKind::Instant => format!("to_json({expr} at time zone 'UTC') #>> '{{}}'"),
        ColumnKind::NaiveTime | ColumnKind::Date => format!("to_json({expr}) #>> '{{}}'"),
        _ => format!("{expr}::text"),
    }
}

/// The expression that turns a text parameter back into a value of the column's type.
pub(crate) fn bind(column: &Column, placeholder: &str) -> String {
    match column.kind {
        ColumnKind::Instant => format!("({placeholder}::text::timestamp at time zone 'UTC')"),
        _ => format!("{placeholder}::text::{}", column.type_name),
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
        other => Some(other.canonical_text()),
    }
}

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
    "; set local extra_float_digits = 1; set local intervalstyle = postgres; set local datestyle = iso; \
     set local bytea_output = hex; set local timezone = 'UTC'"
}

/// A parameter's text, and the expression around its placeholder.
pub(crate) type Cast = (String, fn(&str) -> String);

/// The cutoff as the text of a parameter that `since` is compared with, and the expression around it.
///
/// Where a column says less than an instant does, the later reading counts: a whole second is due when it is over.
pub(crate) fn cutoff(
    column: &Column,
    form: Option<SinceForm>,
    zone: Option<&TimeZone>,
    cutoff: Cutoff,
    place: &str,
) -> Result<Cast, Fault> {
    let refuse = |cause| Err(Fault::new(FaultClass::Blocked(cause), "compare since", place).with_detail(&*column.name));
    let micros = cutoff.0.as_microsecond() - i64::from(cutoff.0.as_nanosecond() % 1000 < 0);
    let cutoff = Cutoff(jiff::Timestamp::from_microsecond(micros).unwrap_or(cutoff.0));
    Ok(match (column.kind, form) {
        (ColumnKind::Instant, None | Some(SinceForm::Timestamp)) => {
            (naive_text(TimeZone::UTC.to_datetime(cutoff.0)), |p| format!("({p}::text::timestamp at time zone 'UTC')"))
        }
        (ColumnKind::NaiveTime, None | Some(SinceForm::Timestamp)) => match zone {
            Some(zone) => (naive_text(cutoff.naive(zone)), |p| format!("{p}::text::timestamp")),
            None => return refuse(Cause::ZoneMissing),
        },
        (ColumnKind::Date, None | Some(SinceForm::Date)) => match zone {
            Some(zone) => (cutoff.date(zone).to_string(), |p| format!("{p}::text::date")),
            None => return refuse(Cause::ZoneMissing),
        },
        (ColumnKind::Integer, Some(SinceForm::UnixS)) => {
            (micros.div_euclid(1_000_000).to_string(), |p| format!("{p}::text::bigint"))
        }
        (ColumnKind::Integer, Some(SinceForm::UnixMs)) => {
            (micros.div_euclid(1_000).to_string(), |p| format!("{p}::text::bigint"))
        }
        (ColumnKind::Number, Some(SinceForm::UnixS)) => {
            (micros.to_string(), |p| format!("({p}::text::numeric / 1000000)"))
        }
        (ColumnKind::Number, Some(SinceForm::UnixMs)) => {
            (micros.to_string(), |p| format!("({p}::text::numeric / 1000)"))
        }
        _ => return refuse(Cause::ColumnType),
    })
}

fn naive_text(time: jiff::civil::DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Column, ColumnKind, Cutoff, SinceForm};
    use jiff::tz::TimeZone;

    use super::{cutoff, quote};

    fn column(kind: ColumnKind) -> Column {
        Column { name: "c".into(), type_name: "t".into(), kind, nullable: false }
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
        ] {
            let (text, _) = cutoff(&column(kind), form, Some(&zone), at, "p").unwrap();
            assert_eq!(text, expected, "{kind:?}");
        }
        assert!(cutoff(&column(ColumnKind::Date), None, None, at, "p").is_err());
        assert!(cutoff(&column(ColumnKind::Text), Some(SinceForm::Iso8601), None, at, "p").is_err());
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote(r#"a"b"#), r#""a""b""#);
    }
}
