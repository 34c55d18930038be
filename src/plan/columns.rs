//! Whether the columns that a rule's terms name exist and fit their use.

use forgetd_connector::{
    Catalog, Cause, Check, Column, ColumnKind, Comparison, Finding, Joined, Latest, Path, Predicate, Since,
    SinceColumn, SinceForm, Table, TableKind, Test, Value, WhenNull,
};

use crate::rules::Rule;

/// What is wrong with `since`: its columns, their forms, their zones, the other table.
pub(super) fn since(rule: &Rule, table: &Table, catalog: &Catalog, place: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        rule.since.columns().into_iter().filter_map(|since| moment(since, table, place)).collect();
    if let Since::Latest(latest) = &rule.since {
        findings.extend(activity(latest, table, catalog, place));
    }
    findings
}

/// What is wrong with one column as a moment.
fn moment(since: &SinceColumn, table: &Table, place: &str) -> Option<Finding> {
    let name = &since.column;
    let Some(column) = table.field(name) else { return Some(missing(table, name, place)) };
    if let Some(finding) = unnameable(table, name, place) {
        return Some(finding);
    }
    let place = format!("{place}.{name}");
    if let Some(message) = form_misfit(&column, since.form) {
        return Some(Finding::blocks(Cause::ColumnType, place, message));
    }
    if needs_zone(&column, since.form) && since.zone.is_none() {
        let message = format!("{name} ({}) holds times without a zone", column.type_name);
        let fix = format!("write `{{ column: {name}, zone: Area/City }}`");
        return Some(Finding::blocks(Cause::ZoneMissing, place, message).with_fix(fix));
    }
    None
}

/// What is wrong with the other table that activity is looked for in.
fn activity(latest: &Latest, table: &Table, catalog: &Catalog, place: &str) -> Vec<Finding> {
    let database = place.split('.').next().unwrap_or_default();
    let elsewhere = format!("{database}.{}", latest.table);
    let Some(other) = catalog.table(&latest.table) else {
        let message =
            format!("{} does not exist, or the role cannot see it; the rule looks for activity there", latest.table);
        return vec![Finding::blocks(Cause::TableMissing, elsewhere, message)];
    };
    let mut findings: Vec<Finding> = moment(&latest.at, other, &elsewhere).into_iter().collect();
    for Joined { other: theirs, own } in &latest.on {
        findings.extend(unnameable(other, theirs, &elsewhere));
        findings.extend(unnameable(table, own, place));
        match (other.field(theirs), table.field(own)) {
            (Some(theirs), Some(own)) if !joins(&theirs, &own) => {
                let message = format!(
                    "{} ({}) is compared with {}.{} ({}), which is of another type",
                    theirs.name, theirs.type_name, table.name, own.name, own.type_name
                );
                let fix = "join columns of one type".into();
                let place = format!("{elsewhere}.{}", theirs.name);
                findings.push(Finding { fix, ..Finding::blocks(Cause::ColumnType, place, message) });
            }
            (Some(_), Some(_)) => {}
            (None, _) => findings.push(missing(other, theirs, &elsewhere)),
            (_, None) => findings.push(missing(table, own, place)),
        }
    }
    findings
}

fn joins(a: &Column, b: &Column) -> bool {
    let numbers = |kind| matches!(kind, ColumnKind::Integer | ColumnKind::Number);
    match (a.kind, b.kind) {
        (ColumnKind::Any, _) | (_, ColumnKind::Any) => true,
        (a, b) if numbers(a) && numbers(b) => true,
        (ColumnKind::Text, ColumnKind::Text) => true,
        (ColumnKind::Json, _) | (_, ColumnKind::Json) => false,
        _ => a.kind == b.kind && a.type_name == b.type_name,
    }
}

fn form_misfit(column: &Column, form: Option<SinceForm>) -> Option<String> {
    use ColumnKind::{Any, Date, Instant, Integer, NaiveTime, Number, Text};
    let fits = match form {
        _ if column.kind == Any => true,
        None => matches!(column.kind, Instant | NaiveTime | Date),
        Some(SinceForm::Timestamp) => matches!(column.kind, Instant | NaiveTime | Text),
        Some(SinceForm::Date) => matches!(column.kind, Date | Text),
        Some(SinceForm::Iso8601) => matches!(column.kind, Text),
        Some(SinceForm::UnixS | SinceForm::UnixMs) => matches!(column.kind, Integer | Number),
        Some(SinceForm::Julian) => matches!(column.kind, Integer | Number),
        Some(SinceForm::ObjectId) => false,
    };
    if fits {
        return None;
    }
    Some(match form {
        None => format!("{} ({}) does not say how it writes time", column.name, column.type_name),
        Some(form) => format!("{} ({}) cannot hold time as {}", column.name, column.type_name, form.word()),
    })
}

fn needs_zone(column: &Column, form: Option<SinceForm>) -> bool {
    match column.kind {
        ColumnKind::NaiveTime | ColumnKind::Date => true,
        ColumnKind::Text => matches!(form, Some(SinceForm::Timestamp | SinceForm::Date)),
        ColumnKind::Any => form == Some(SinceForm::Date),
        _ => false,
    }
}

/// What it means that there is no moment; where there always is one, no answer is needed.
pub(super) fn when_null(rule: &Rule, table: &Table, place: &str) -> Result<WhenNull, Finding> {
    // Missing columns are reported by `since`.
    let nullable = |since: &SinceColumn| table.field(&since.column).is_some_and(|column| column.nullable);
    let missing_moment = match &rule.since {
        Since::Column(since) if nullable(since) => {
            Some((since.column.as_str(), format!("{} can be NULL", since.column)))
        }
        Since::Greatest(all) if all.iter().all(nullable) => {
            let names: Vec<&str> = all.iter().map(|since| since.column.as_str()).collect();
            Some((names[0], format!("{} can all be NULL in one row", names.join(" and "))))
        }
        Since::Latest(latest) => match &latest.or {
            None => Some((latest.at.column.as_str(), format!("a row can have no activity in {}", latest.table))),
            Some(or) if nullable(or) => {
                let message = format!("a row can have no activity in {} and NULL in {}", latest.table, or.column);
                Some((or.column.as_str(), message))
            }
            Some(_) => None,
        },
        Since::Column(_) | Since::Greatest(_) => None,
    };
    match (&rule.when_null, missing_moment) {
        (None, Some((name, message))) => {
            let message = format!("{message}, and the rule does not say what that means");
            Err(Finding::blocks(Cause::WhenNullMissing, format!("{place}.{name}"), message))
        }
        (None, None) => Ok(WhenNull::Keep),
        (Some(WhenNull::Use(other)), _) => used(rule, other, table, place),
        (Some(said), _) => Ok(said.clone()),
    }
}

fn used(rule: &Rule, other: &str, table: &Table, place: &str) -> Result<WhenNull, Finding> {
    let Some(used) = table.field(other) else { return Err(missing(table, other, place)) };
    if let Some(finding) = unnameable(table, other, place) {
        return Err(finding);
    }
    let Some(column) = rule.since.single().and_then(|since| table.field(&since.column)) else {
        return Ok(WhenNull::Keep);
    };
    if used.kind == column.kind && used.type_name == column.type_name {
        return Ok(WhenNull::Use(other.into()));
    }
    let message = format!(
        "when_null uses {other} ({}), which is not of the type of {} ({})",
        used.type_name, column.name, column.type_name
    );
    let fix = "use a column of the same type".into();
    Err(Finding { fix, ..Finding::blocks(Cause::ColumnType, format!("{place}.{other}"), message) })
}

/// What is wrong with the columns of `where`. The literals' types are named, the literals never.
pub(super) fn predicate(predicate: &Predicate, table: &Table, place: &str) -> Vec<Finding> {
    predicate.tests().into_iter().filter_map(|test| misfit(test, table, place)).collect()
}

fn misfit(test: &Test, table: &Table, place: &str) -> Option<Finding> {
    let name = &test.path.column;
    let Some(column) = table.field(name) else { return Some(missing(table, name, place)) };
    if let Some(finding) = unnamed(table, &test.path, place) {
        return Some(finding);
    }
    let refuse = |message: String, fix: &str| {
        let place = format!("{place}.{}", test.path);
        Some(Finding { fix: fix.into(), ..Finding::blocks(Cause::ColumnType, place, message) })
    };
    if !test.path.steps.is_empty() {
        // Text can hold JSON where the engine has no type for it; an engine that has one refuses it itself.
        if matches!(column.kind, ColumnKind::Json | ColumnKind::Text | ColumnKind::Any) {
            return None;
        }
        let message = format!("where looks into {name} ({}), which holds no JSON", column.type_name);
        return refuse(message, "name a column that holds JSON, or write a dot that belongs to the name as `\\.`");
    }
    if matches!(test.check, Check::Null(_)) || column.kind == ColumnKind::Any {
        return None;
    }
    if column.kind == ColumnKind::Json {
        let message = format!("where compares {name} ({}) as a whole", column.type_name);
        return refuse(message, "name a place inside it, for example `column.member`");
    }
    if let Some(value) = test.check.values().iter().find(|value| !comparable(column.kind, value)) {
        let message = format!("where compares {name} ({}) with {}", column.type_name, literal_word(value));
        return refuse(message, "write the literal in the column's type; times and dates cannot be compared in where");
    }
    let ordered = !matches!(&test.check, Check::Compare(Comparison::Equal | Comparison::NotEqual, _))
        && matches!(&test.check, Check::Compare(..));
    if ordered && !matches!(column.kind, ColumnKind::Integer | ColumnKind::Number | ColumnKind::Text) {
        let message = format!("where asks for an order of {name} ({}), which has none here", column.type_name);
        return refuse(message, "compare for equality, or use where_native");
    }
    if matches!(test.check, Check::Like(_) | Check::Prefix(_)) && column.kind != ColumnKind::Text {
        let message = format!("where looks for text in {name} ({})", column.type_name);
        return refuse(message, "use like and prefix on text");
    }
    None
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

/// What is wrong with a path to a field, as a policy writes it, where columns are not declared.
pub(super) fn unnameable(table: &Table, written: &str, place: &str) -> Option<Finding> {
    if table.kind != TableKind::Collection {
        return None;
    }
    match Path::parse(written) {
        Ok(path) => unnamed(table, &path, place),
        Err(error) => {
            let place = format!("{place}.{written}");
            Some(Finding::blocks(Cause::ColumnMissing, place, format!("{written} is no path: {error}")))
        }
    }
}

/// What is wrong with the names of a path, where documents are asked by paths between dots.
pub(super) fn unnamed(table: &Table, path: &Path, place: &str) -> Option<Finding> {
    if table.kind != TableKind::Collection || path.names_fields() {
        return None;
    }
    let message = format!("no statement on {} can name {path}: a name in it has a dot or begins with `$`", table.name);
    let fix = "give the field another name, or use where_native with `$getField`";
    Some(Finding::blocks(Cause::ColumnMissing, format!("{place}.{path}"), message).with_fix(fix))
}

fn missing(table: &Table, name: &str, place: &str) -> Finding {
    let message = format!("{} has no column {name}", table.name);
    Finding::blocks(Cause::ColumnMissing, format!("{place}.{name}"), message)
}
