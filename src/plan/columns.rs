//! Whether the columns a rule names exist and fit their use.

use forgetd_connector::{Cause, Column, ColumnKind, Finding, Predicate, SinceForm, Table, Value, WhenNull};

use crate::rules::Rule;

/// What is wrong with `since`: its column, its form, its zone.
pub(super) fn since(rule: &Rule, table: &Table, place: &str) -> Option<Finding> {
    let name = &rule.since.column;
    let Some(column) = table.column(name) else { return Some(missing(table, name, place)) };
    let place = format!("{place}.{name}");
    if let Some(message) = form_misfit(column, rule.since.form) {
        return Some(Finding::blocks(Cause::ColumnType, place, message));
    }
    if needs_zone(column, rule.since.form) && rule.since.zone.is_none() {
        let message = format!("{name} ({}) holds times without a zone", column.type_name);
        return Some(Finding::blocks(Cause::ZoneMissing, place, message));
    }
    None
}

fn form_misfit(column: &Column, form: Option<SinceForm>) -> Option<String> {
    use ColumnKind::{Date, Instant, Integer, NaiveTime, Number, Text};
    let fits = match form {
        None => matches!(column.kind, Instant | NaiveTime | Date),
        Some(SinceForm::Timestamp) => matches!(column.kind, Instant | NaiveTime | Text),
        Some(SinceForm::Date) => matches!(column.kind, Date | Text),
        Some(SinceForm::Iso8601) => matches!(column.kind, Text),
        Some(SinceForm::UnixS | SinceForm::UnixMs) => matches!(column.kind, Integer | Number),
    };
    if fits {
        return None;
    }
    Some(match form {
        None => format!("{} ({}) does not say how it writes time", column.name, column.type_name),
        Some(form) => format!("{} ({}) cannot hold time as {}", column.name, column.type_name, word(form)),
    })
}

const fn word(form: SinceForm) -> &'static str {
    match form {
        SinceForm::Timestamp => "timestamp",
        SinceForm::Date => "date",
        SinceForm::Iso8601 => "iso8601",
        SinceForm::UnixS => "unix_s",
        SinceForm::UnixMs => "unix_ms",
    }
}

fn needs_zone(column: &Column, form: Option<SinceForm>) -> bool {
    match column.kind {
        ColumnKind::NaiveTime | ColumnKind::Date => true,
        ColumnKind::Text => matches!(form, Some(SinceForm::Timestamp | SinceForm::Date)),
        _ => false,
    }
}

/// What NULL in `since` means; a column that cannot be NULL needs no answer.
pub(super) fn when_null(rule: &Rule, table: &Table, place: &str) -> Result<WhenNull, Finding> {
    // A missing column is reported by `since`.
    let Some(column) = table.column(&rule.since.column) else { return Ok(WhenNull::Keep) };
    match &rule.when_null {
        None if column.nullable => {
            let message = format!("{} can be NULL, and the rule does not say what that means", column.name);
            Err(Finding::blocks(Cause::WhenNullMissing, format!("{place}.{}", column.name), message))
        }
        None => Ok(WhenNull::Keep),
        Some(WhenNull::Use(other)) => {
            let Some(used) = table.column(other) else { return Err(missing(table, other, place)) };
            if used.kind == column.kind && used.type_name == column.type_name {
                return Ok(WhenNull::Use(other.clone()));
            }
            let message = format!(
                "when_null uses {other} ({}), which is not of the type of {} ({})",
                used.type_name, column.name, column.type_name
            );
            let fix = "use a column of the same type".into();
            Err(Finding { fix, ..Finding::blocks(Cause::ColumnType, format!("{place}.{other}"), message) })
        }
        Some(said) => Ok(said.clone()),
    }
}

/// What is wrong with the columns of `where`. The literals' types are named, the literals never.
pub(super) fn predicate(rule: &Rule, table: &Table, place: &str) -> Vec<Finding> {
    let mut findings = vec![];
    collect(&rule.predicate, table, place, &mut findings);
    findings
}

fn collect(predicate: &Predicate, table: &Table, place: &str, findings: &mut Vec<Finding>) {
    let (name, values) = match predicate {
        Predicate::All(parts) => {
            for part in parts {
                collect(part, table, place, findings);
            }
            return;
        }
        Predicate::Equal { column, value } => (column, std::slice::from_ref(value)),
        Predicate::In { column, values } => (column, values.as_slice()),
    };
    let Some(column) = table.column(name) else {
        findings.push(missing(table, name, place));
        return;
    };
    if let Some(value) = values.iter().find(|value| !comparable(column.kind, value)) {
        let message = format!("where compares {name} ({}) with {}", column.type_name, literal_word(value));
        let fix = "write the literal in the column's type; times and dates cannot be compared in where".into();
        findings.push(Finding { fix, ..Finding::blocks(Cause::ColumnType, format!("{place}.{name}"), message) });
    }
}

/// Portable comparison is exact: only what is of one type compares.
const fn comparable(kind: ColumnKind, value: &Value) -> bool {
    match value {
        Value::Text(_) => matches!(kind, ColumnKind::Text | ColumnKind::Other),
        Value::Int(_) => matches!(kind, ColumnKind::Integer | ColumnKind::Number),
        Value::Real(_) => matches!(kind, ColumnKind::Number),
        Value::Bool(_) => matches!(kind, ColumnKind::Bool),
        Value::Null | Value::Bytes(_) | Value::Typed { .. } => false,
    }
}

const fn literal_word(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "text",
        Value::Int(_) => "an integer",
        Value::Real(_) => "a number with a fraction",
        Value::Bool(_) => "a truth value",
        Value::Null => "NULL",
        Value::Bytes(_) | Value::Typed { .. } => "a value of another type",
    }
}

fn missing(table: &Table, name: &str, place: &str) -> Finding {
    let message = format!("{} has no column {name}", table.name);
    Finding::blocks(Cause::ColumnMissing, format!("{place}.{name}"), message)
}
