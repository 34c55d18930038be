//! Values of a user's columns between SQL and the seam: read as text, bound as literals, exact both ways.

use forgetd_connector::{Cause, Column, ColumnKind, Cutoff, Fault, FaultClass, SinceForm, Value, julian};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::quote;
use crate::flavour::Flavour;
use crate::kind::TypeName;
use crate::query::{Param, Sql};

/// The expression that reads `expr`, a value of this column, as text. What is no text and has no text form of its own is
/// read as hexadecimal digits.
pub(crate) fn read(column: &Column, expr: &str) -> String {
    let name = TypeName::of(column);
    match (column.kind, name.base) {
        (_, "bit") => format!("({expr} + 0)"),
        // The server prints six digits of it, and reads others back.
        (ColumnKind::Number, "float") => format!("({expr} + 0e0)"),
        _ if is_hex(column) => format!("hex({expr})"),
        _ => expr.to_owned(),
    }
}

/// The expression that a shape is looked for in: the value's text in its code points' order, in lower case where it is no
/// text.
pub(crate) fn exact_text(column: &Column) -> String {
    match column.kind {
        ColumnKind::Text => unicode(column, &own(column)),
        _ => format!("lower(convert({} using utf8mb4))", written(column)),
    }
}

/// The expression that reads a column whose new value is computed.
pub(crate) fn written(column: &Column) -> String {
    read(column, &own(column))
}

/// A text as the server would send it to us: another character set's text is converted.
pub(crate) fn unicode(column: &Column, expr: &str) -> String {
    let known = column.fit.collation.as_ref().is_some_and(|collation| collation.starts_with("utf8mb4_"));
    if known { expr.to_owned() } else { format!("convert({expr} using utf8mb4)") }
}

/// A text as the bytes of its code points, which are in the order of those and equal for nothing else.
pub(crate) fn bytes_of(column: &Column, expr: &str) -> String {
    format!("cast({} as binary)", unicode(column, expr))
}

/// The expression that turns a text that [`read`] made back into a value of the column's type.
pub(crate) fn from_text(column: &Column, expr: &str) -> String {
    if is_hex(column) { format!("unhex({expr})") } else { expr.to_owned() }
}

/// Binds a value that was read from this column; returns the expression that stands for it.
pub(crate) fn bind(column: &Column, value: &Value, sql: &mut Sql) -> String {
    sql.bind(parameter(column, value))
}

/// A value that was read from this column, or that a person wrote for it, as a literal. Beside a number the server would
/// read the digits that a text begins with: what is none is bound as NULL, and equals nothing.
pub(crate) fn parameter(column: &Column, value: &Value) -> Param {
    if let Value::Bytes(bytes) = value {
        return Param::Bytes(Some(bytes.clone()));
    }
    let Some(text) = text(value) else { return Param::Null };
    let number = |text: &str| Some(Param::number(text).unwrap_or(Param::Null));
    let read = match column.kind {
        ColumnKind::Integer | ColumnKind::Bool => number(whole(&text)),
        ColumnKind::Number if is_binary(column) => number(&with_exponent(&text)),
        ColumnKind::Number => number(&text),
        ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date => Param::time(&text),
        ColumnKind::Other if TypeName::of(column).base == "bit" => number(&text),
        ColumnKind::Other if is_hex(column) => {
            hex::decode(digits_of(&text)).ok().map(|bytes| Param::Bytes(Some(bytes)))
        }
        ColumnKind::Text | ColumnKind::Json | ColumnKind::Any | ColumnKind::Other => None,
    };
    read.unwrap_or(Param::Text(Some(text)))
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
        _ if is_hex(column) => match hex::decode(&text) {
            Ok(bytes) => Value::Bytes(bytes),
            Err(_) => Value::Text(text),
        },
        _ => Value::Typed { kind: TypeName::of(column).base.to_owned(), text },
    }
}

/// A value of the seam as text.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(u8::from(*truth).to_string()),
        other => Some(other.canonical_text().into_owned()),
    }
}

/// Whether a number of the column is a binary one.
pub(crate) fn is_binary(column: &Column) -> bool {
    matches!(TypeName::of(column).base, "float" | "double")
}

/// Digits of a binary number: without an exponent they would be a decimal to the server.
pub(crate) fn with_exponent(text: &str) -> String {
    if text.contains(['e', 'E']) { text.to_owned() } else { format!("{text}e0") }
}

/// A value of the policy's as the column's type: what is written, and what a row that is done holds. Absent: it is none.
pub(crate) fn constant(column: &Column, value: &Value, flavour: Flavour, sql: &mut Sql) -> Option<String> {
    let Some(text) = text(value) else { return Some("null".into()) };
    let time = |text: String| Param::time(&text);
    Some(match column.kind {
        ColumnKind::Instant => format!("timestamp {}", sql.bind_once(time(instant_text(&text)?)?)),
        ColumnKind::NaiveTime => {
            format!("timestamp {}", sql.bind_once(time(naive_text(text.parse::<DateTime>().ok()?))?))
        }
        ColumnKind::Date => format!("date {}", sql.bind_once(time(text.parse::<Date>().ok()?.to_string())?)),
        ColumnKind::Integer => sql.bind_once(Param::number(&text)?),
        ColumnKind::Number if is_binary(column) => {
            let number: f64 = text.parse().ok()?;
            sql.bind_once(Param::number(&binary(column, number))?)
        }
        ColumnKind::Number => sql.bind_once(Param::number(&text)?),
        ColumnKind::Bool => sql.bind_once(Param::number(whole(&text))?),
        ColumnKind::Json if !flavour.is_mariadb() => {
            format!("cast({} as json)", sql.bind_once(Param::Text(Some(text))))
        }
        ColumnKind::Text | ColumnKind::Json | ColumnKind::Any => sql.bind_once(Param::Text(Some(text))),
        ColumnKind::Other if TypeName::of(column).base == "set" => {
            sql.bind_once(Param::Text(Some(labels(column, &text)?)))
        }
        ColumnKind::Other => match parameter(column, &Value::Text(text)) {
            Param::Null => return None,
            param => sql.bind_once(param),
        },
    })
}

/// A label of the type or, of a set of them, several in the order in which the server writes them. Absent: one is none.
pub(crate) fn labels(column: &Column, text: &str) -> Option<String> {
    let known = &column.fit.labels;
    if known.iter().any(|label| label == text) {
        return Some(text.to_owned());
    }
    if TypeName::of(column).base != "set" {
        return None;
    }
    let asked: Vec<&str> = text.split(',').filter(|_| !text.is_empty()).collect();
    let all = asked.iter().all(|asked| known.iter().any(|label| label == asked));
    let among = known.iter().map(String::as_str).filter(|label| asked.contains(label)).collect::<Vec<_>>();
    all.then(|| among.join(","))
}

/// A number as a binary column holds it.
pub(crate) fn binary(column: &Column, number: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "this is what the column does")]
    let held = if TypeName::of(column).base == "float" { f64::from(number as f32) } else { number };
    if held.is_finite() { format!("{held:e}") } else { format!("{number:e}") }
}

/// A column of the aliased table.
fn own(column: &Column) -> String {
    format!("t.{}", quote(&column.name))
}

fn is_hex(column: &Column) -> bool {
    let name = TypeName::of(column);
    name.is_bytes()
        || matches!(
            name.base,
            "geometry"
                | "point"
                | "linestring"
                | "polygon"
                | "multipoint"
                | "multilinestring"
                | "multipolygon"
                | "geometrycollection"
                | "geomcollection"
                | "vector"
        )
}

/// Hexadecimal digits as people write them: those of a UUID stand between dashes.
fn digits_of(text: &str) -> String {
    text.strip_prefix("0x").unwrap_or(text).replace('-', "")
}

fn whole(text: &str) -> &str {
    match text {
        "true" => "1",
        "false" => "0",
        text => text,
    }
}

/// The expression around a placeholder.
pub(crate) type Around = fn(&str) -> String;

/// The cutoff as a value that `since` is compared with, and the expression around it.
///
/// Where a column says less than an instant does, the later reading counts: a whole second is due when it is over. So a
/// cutoff is rounded down to what the column can say.
pub(crate) fn cutoff(
    column: &Column,
    form: Option<SinceForm>,
    zone: Option<&TimeZone>,
    cutoff: Cutoff,
    place: &str,
) -> Result<(Param, Around), Fault> {
    let fault = |cause| Fault::new(FaultClass::Blocked(cause), "compare since", place).with_detail(&*column.name);
    let refuse = |cause| Err(fault(cause));
    let micros = cutoff.0.as_microsecond() - i64::from(cutoff.0.as_nanosecond() % 1000 < 0);
    let cutoff = Cutoff(Timestamp::from_microsecond(micros).unwrap_or(cutoff.0));
    let digits = TypeName::of(column).second_digits();
    let param =
        |param: Option<Param>, around: Around| param.map(|param| (param, around)).ok_or(fault(Cause::ColumnType));
    let time = |at: DateTime| param(Param::time(&naive_text(floor(at, digits))), |p| format!("timestamp {p}"));
    let number = |text: String| param(Param::number(&text), ToOwned::to_owned);
    let text = |text: String| Ok::<_, Fault>((Param::Bytes(Some(text.into_bytes())), ToOwned::to_owned as Around));
    match (column.kind, form) {
        (ColumnKind::Instant, None | Some(SinceForm::Timestamp)) => time(TimeZone::UTC.to_datetime(cutoff.0)),
        (ColumnKind::NaiveTime, None | Some(SinceForm::Timestamp)) => match zone {
            Some(zone) => time(cutoff.naive(zone)),
            None => refuse(Cause::ZoneMissing),
        },
        (ColumnKind::Date, None | Some(SinceForm::Date)) => match zone {
            Some(zone) => param(Param::time(&calendar(cutoff.date(zone)).to_string()), |p| format!("date {p}")),
            None => refuse(Cause::ZoneMissing),
        },
        (ColumnKind::Integer, Some(SinceForm::UnixS)) => number(micros.div_euclid(1_000_000).to_string()),
        (ColumnKind::Integer, Some(SinceForm::UnixMs)) => number(micros.div_euclid(1_000).to_string()),
        (ColumnKind::Integer, Some(SinceForm::Julian)) => number(julian::whole_days(micros).to_string()),
        (ColumnKind::Number, Some(SinceForm::UnixS)) => number(thousandths(micros, 6)),
        (ColumnKind::Number, Some(SinceForm::UnixMs)) => number(thousandths(micros, 3)),
        (ColumnKind::Number, Some(SinceForm::Julian)) if is_binary(column) => {
            number(with_exponent(&julian::binary(micros)))
        }
        (ColumnKind::Number, Some(SinceForm::Julian)) => number(julian::decimal(micros)),
        // In the normal form of the texts: see `query::written`.
        (ColumnKind::Text, Some(form)) => match (form, zone) {
            (SinceForm::Iso8601, _) => text(naive_text(TimeZone::UTC.to_datetime(cutoff.0))),
            (SinceForm::Timestamp, Some(zone)) => text(naive_text(cutoff.naive(zone))),
            (SinceForm::Date, Some(zone)) => text(calendar(cutoff.date(zone)).to_string()),
            (SinceForm::Timestamp | SinceForm::Date, None) => refuse(Cause::ZoneMissing),
            (SinceForm::UnixS | SinceForm::UnixMs | SinceForm::Julian | SinceForm::ObjectId, _) => {
                refuse(Cause::ColumnType)
            }
        },
        _ => refuse(Cause::ColumnType),
    }
}

/// The last moment at or before this one that a column with so many digits of a second can hold.
fn floor(at: DateTime, digits: u32) -> DateTime {
    let over = i64::from(at.subsec_nanosecond()) % 10_i64.pow(9 - digits);
    at.checked_sub(SignedDuration::from_nanos(over)).unwrap_or(at)
}

/// What the engine's calendar has: it begins with the year 0.
fn calendar(date: Date) -> Date {
    if date.year() < 0 { Date::constant(0, 1, 1) } else { date }
}

fn naive_text(at: DateTime) -> String {
    let at = if at.year() < 0 { calendar(at.date()).at(0, 0, 0, 0) } else { at };
    at.strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

/// An instant as it is written, with an offset or, as one of UTC, without.
fn instant_text(text: &str) -> Option<String> {
    let at = text.parse::<Timestamp>().or_else(|_| TimeZone::UTC.to_timestamp(text.parse::<DateTime>()?)).ok()?;
    Some(naive_text(TimeZone::UTC.to_datetime(at)))
}

/// An integer with the point moved to the left.
fn thousandths(number: i64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let (sign, number) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    format!("{sign}{}.{:0width$}", number / unit, number % unit, width = places as usize)
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Column, ColumnKind, Cutoff, Fit, SinceForm, Value};
    use jiff::tz::TimeZone;

    use super::{bind, constant, cutoff, labels, value};
    use crate::flavour::{Flavour, Product};
    use crate::query::Sql;

    fn column(kind: ColumnKind, type_name: &str) -> Column {
        Column { name: "c".into(), type_name: type_name.into(), kind, nullable: false, fit: Fit::default() }
    }

    fn rendered(sql: Sql, text: String) -> String {
        let mut out = String::new();
        assert!(sql.say(text).render(&mut out));
        out
    }

    #[test]
    fn the_later_reading_counts() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let at = Cutoff("2026-01-09T23:30:00.7500009Z".parse().unwrap());
        use ColumnKind::{Date, Instant, Integer, NaiveTime, Number, Text};
        for (kind, type_name, form, expected) in [
            (Instant, "timestamp(6)", None, "timestamp '2026-01-09 23:30:00.75'"),
            (Instant, "timestamp", None, "timestamp '2026-01-09 23:30:00'"),
            (NaiveTime, "datetime(1)", None, "timestamp '2026-01-10 00:30:00.7'"),
            (Date, "date", None, "date '2026-01-10'"),
            (Integer, "bigint(20)", Some(SinceForm::UnixS), "1768001400"),
            (Integer, "bigint(20)", Some(SinceForm::UnixMs), "1768001400750"),
            (Number, "decimal(20,6)", Some(SinceForm::UnixS), "1768001400.750000"),
            (Integer, "int(11)", Some(SinceForm::Julian), "2461050"),
            (Text, "text", Some(SinceForm::Date), "_binary x'323032362d30312d3130'"),
        ] {
            let mut sql = Sql::default();
            let (param, around) = cutoff(&column(kind, type_name), form, Some(&zone), at, "p").unwrap();
            let text = around(&sql.bind(param));
            assert_eq!(rendered(sql, text), expected, "{type_name}");
        }
        assert!(cutoff(&column(Date, "date"), None, None, at, "p").is_err());
        assert!(cutoff(&column(Text, "text"), None, Some(&zone), at, "p").is_err());
        let ages_ago = Cutoff(jiff::Timestamp::MIN);
        let mut sql = Sql::default();
        let (param, around) = cutoff(&column(Instant, "timestamp"), None, None, ages_ago, "p").unwrap();
        let text = around(&sql.bind(param));
        assert_eq!(rendered(sql, text), "timestamp '0000-01-01 00:00:00'");
    }

    #[test]
    fn values_come_back_as_they_were_read() {
        use ColumnKind::{Bool, Integer, NaiveTime, Number, Other, Text};
        for (kind, type_name, read, literal) in [
            (Integer, "bigint(20) unsigned", "18446744073709551615", "18446744073709551615"),
            (Integer, "bigint(20)", "-5", "(-5)"),
            (Number, "decimal(10,2)", "-0.10", "(-0.10)"),
            (Number, "double", "0.1", "0.1e0"),
            (NaiveTime, "datetime(6)", "0000-00-00 00:00:00.000000", "'0000-00-00 00:00:00.000000'"),
            (Bool, "tinyint(1)", "1", "1"),
            (Text, "varchar(9)", "a'b", "_utf8mb4 x'612762'"),
            (Other, "binary(2)", "00FF", "_binary x'00ff'"),
            (Other, "uuid", "0-f", "_utf8mb4 '0-f'"),
        ] {
            let (column, mut sql) = (column(kind, type_name), Sql::default());
            let text = bind(&column, &value(&column, read.into()), &mut sql);
            assert_eq!(rendered(sql, text), literal, "{type_name}");
        }
        // What is no number is none: the server would read the digits that it begins with.
        for (kind, type_name) in [(Integer, "int"), (Number, "decimal(9,2)"), (Number, "double"), (Other, "bit(8)")] {
            let (column, mut sql) = (column(kind, type_name), Sql::default());
            let text = bind(&column, &Value::Text("12a".into()), &mut sql);
            assert_eq!(rendered(sql, text), "null", "{type_name}");
            let mut sql = Sql::default();
            let maria = Flavour { product: Product::MariaDb, version: (10, 11, 0) };
            assert_eq!(constant(&column, &Value::Text("12a".into()), maria, &mut sql), None, "{type_name}");
        }
        // As a person writes the key of a row.
        let (column, mut sql) = (column(Other, "binary(4)"), Sql::default());
        let text = bind(&column, &Value::Text("00ff-1234".into()), &mut sql);
        assert_eq!(rendered(sql, text), "_binary x'00ff1234'");
    }

    #[test]
    fn labels_stand_in_the_order_of_their_type() {
        let known = ["a", "b", "c,d"].map(str::to_owned).to_vec();
        for (type_name, text, said) in [
            ("set", "b,a,b", Some("a,b")),
            ("set", "b", Some("b")),
            ("set", "", Some("")),
            ("set", "a,x", None),
            ("set", "a,", None),
            ("enum", "c,d", Some("c,d")),
            ("enum", "a,b", None),
            ("enum", "", None),
        ] {
            let fit = Fit { labels: known.clone(), ..Fit::default() };
            let column = Column { fit, ..column(ColumnKind::Other, type_name) };
            assert_eq!(labels(&column, text).as_deref(), said, "{type_name} {text}");
        }
    }

    #[test]
    fn constants_are_what_their_columns_will_hold() {
        use ColumnKind::{Date, Instant, Json, NaiveTime, Number};
        let mysql = Flavour { product: Product::MySql, version: (9, 7, 0) };
        let text = |text: &str| Value::Text(text.into());
        for (kind, type_name, value, literal) in [
            (Instant, "timestamp", text("2026-01-01 12:00:00+02:00"), Some("timestamp '2026-01-01 10:00:00'")),
            (Instant, "timestamp", text("2026-01-01 12:00:00"), Some("timestamp '2026-01-01 12:00:00'")),
            (NaiveTime, "datetime", text("1970-01-01"), Some("timestamp '1970-01-01 00:00:00'")),
            (Date, "date", text("1970-01-01"), Some("date '1970-01-01'")),
            (Date, "date", text("soon"), None),
            (Number, "float", Value::Real(0.1), Some("1.0000000149011612e-1")),
            (Number, "double", Value::Int(5), Some("5e0")),
            (Json, "json", text("{}"), Some("cast(_utf8mb4 '{}' as json)")),
            (Date, "date", Value::Null, Some("null")),
        ] {
            let mut sql = Sql::default();
            let said = constant(&column(kind, type_name), &value, mysql, &mut sql);
            assert_eq!(said.map(|said| rendered(sql, said)).as_deref(), literal, "{type_name} {value:?}");
        }
    }
}
