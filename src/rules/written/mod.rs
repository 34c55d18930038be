//! Parts of a policy as they are written in its file: what [`config::condition`](crate::config::condition) and
//! [`config::since`](crate::config::since) read back as the same.

mod tree;

use forgetd_connector::{Check, Comparison, Latest, Path, Predicate, Since, SinceColumn, TableRef, Test, Value};
use serde_json::json;

use super::normal;

pub use tree::Written;

/// A condition as it stands under `where`. Nothing where a policy has no words for it: what holds for every row (no
/// `where` says that) or for none, and literals that are neither text nor finite numbers nor truth values.
///
/// It reads back as the normal form of `predicate`, provided that it keeps what [`Predicate`] says of its parts.
pub fn condition(predicate: &Predicate) -> Option<Written> {
    match normal(predicate.clone()) {
        Predicate::All(parts) | Predicate::Any(parts) if parts.is_empty() => None,
        predicate => part(&predicate).map(Written::Map),
    }
}

/// A moment as it stands under `since`. Nothing where a zone has no name.
pub fn since(since: &Since) -> Option<Written> {
    Some(match since {
        Since::Column(column) => moment(column)?,
        Since::Greatest(columns) => {
            let columns = columns.iter().map(moment).collect::<Option<_>>()?;
            Written::Map(vec![("greatest".into(), Written::List(columns))])
        }
        Since::Latest(latest) => {
            let mut entries = vec![("latest".into(), activity(latest)?)];
            if let Some(or) = &latest.or {
                entries.push(("or".into(), moment(or)?));
            }
            Written::Map(entries)
        }
    })
}

type Entries = Vec<(String, Written)>;

/// A mapping that means a predicate in normal form.
fn part(predicate: &Predicate) -> Option<Entries> {
    match predicate {
        Predicate::All(parts) => all(parts),
        Predicate::Any(parts) => Some(vec![("any".into(), Written::List(maps(parts)?))]),
        Predicate::Not { part: negated, or_null } => {
            let mut entries = part(negated)?;
            if *or_null {
                entries.push(("or_null".into(), json!(true).into()));
            }
            Some(vec![("not".into(), Written::Map(entries))])
        }
        Predicate::Test(test) => Some(vec![(key(&test.path), asked(&[test])?)]),
    }
}

fn maps(parts: &[Predicate]) -> Option<Vec<Written>> {
    parts.iter().map(|predicate| part(predicate).map(Written::Map)).collect()
}

/// One mapping, or, where a key would stand twice, `all` of several.
fn all(parts: &[Predicate]) -> Option<Entries> {
    let mut mappings: Vec<Entries> = vec![vec![]];
    let mut rest = parts;
    while let Some(first) = rest.first() {
        let tests = sharing(rest);
        let entry = match tests.first() {
            Some(test) => (key(&test.path), asked(&tests)?),
            None => part(first)?.pop()?,
        };
        rest = &rest[tests.len().max(1)..];
        if mappings.last().is_some_and(|last| last.iter().any(|(key, _)| *key == entry.0)) {
            mappings.push(vec![]);
        }
        mappings.last_mut()?.push(entry);
    }
    if mappings.len() == 1 {
        return mappings.pop();
    }
    Some(vec![("all".into(), Written::List(mappings.into_iter().map(Written::Map).collect()))])
}

/// The first tests that can stand in one mapping of operators: of one path, each with an operator of its own.
fn sharing(parts: &[Predicate]) -> Vec<&Test> {
    let mut tests: Vec<&Test> = vec![];
    for part in parts {
        let Predicate::Test(next) = part else { break };
        let shares = |before: &&Test| {
            let operators = (operator(&before.check), operator(&next.check));
            before.path == next.path && before.or_null == next.or_null && operators.0 != operators.1
        };
        if !tests.iter().all(shares) {
            break;
        }
        tests.push(next);
    }
    tests
}

/// What is asked of one path.
fn asked(tests: &[&Test]) -> Option<Written> {
    match tests {
        [Test { check: Check::Compare(Comparison::Equal, value), or_null: false, .. }] => return literal(value),
        [Test { check: Check::In(values), or_null: false, .. }] => return literals(values),
        _ => {}
    }
    let mut entries = vec![];
    for test in tests {
        let against = match &test.check {
            Check::Compare(_, value) => literal(value)?,
            Check::In(values) | Check::NotIn(values) => literals(values)?,
            Check::Like(text) | Check::Prefix(text) => json!(text).into(),
            Check::Null(yes) | Check::Exists(yes) => json!(yes).into(),
        };
        entries.push((operator(&test.check).into(), against));
    }
    if tests.first().is_some_and(|test| test.or_null) {
        entries.push(("or_null".into(), json!(true).into()));
    }
    Some(Written::Map(entries))
}

const fn operator(check: &Check) -> &'static str {
    match check {
        Check::Compare(Comparison::Equal, _) => "eq",
        Check::Compare(Comparison::NotEqual, _) => "ne",
        Check::Compare(Comparison::Less, _) => "lt",
        Check::Compare(Comparison::LessOrEqual, _) => "le",
        Check::Compare(Comparison::Greater, _) => "gt",
        Check::Compare(Comparison::GreaterOrEqual, _) => "ge",
        Check::In(_) => "in",
        Check::NotIn(_) => "not_in",
        Check::Like(_) => "like",
        Check::Prefix(_) => "prefix",
        Check::Null(_) => "is_null",
        Check::Exists(_) => "exists",
    }
}

/// A path as a key: a column that is called like a word of the grammar has a backslash before it.
fn key(path: &Path) -> String {
    let text = path.to_string();
    if matches!(text.as_str(), "any" | "all" | "not" | "or_null") { format!("\\{text}") } else { text }
}

fn literal(value: &Value) -> Option<Written> {
    Some(match value {
        Value::Bool(value) => json!(value).into(),
        Value::Int(value) => json!(value).into(),
        Value::Real(value) if value.is_finite() => json!(value).into(),
        Value::Text(text) => json!(text).into(),
        Value::Null | Value::Real(_) | Value::Bytes(_) | Value::Typed { .. } => return None,
    })
}

fn literals(values: &[Value]) -> Option<Written> {
    values.iter().map(literal).collect::<Option<_>>().map(Written::List)
}

/// A column alone where it says nothing else.
fn moment(column: &SinceColumn) -> Option<Written> {
    if column.zone.is_none() && column.form.is_none() {
        return Some(json!(column.column).into());
    }
    let mut entries = vec![("column".into(), json!(column.column).into())];
    entries.extend(around(column)?);
    Some(Written::Map(entries))
}

/// The zone and the form of a column.
fn around(column: &SinceColumn) -> Option<Entries> {
    let mut entries = vec![];
    if let Some(zone) = &column.zone {
        entries.push(("zone".into(), json!(zone.iana_name()?).into()));
    }
    if let Some(form) = column.form {
        entries.push(("as".into(), json!(form).into()));
    }
    Some(entries)
}

fn activity(latest: &Latest) -> Option<Written> {
    let on = latest.on.iter().map(|joined| (joined.other.clone(), json!(joined.own).into()));
    let mut entries = vec![
        ("table".into(), json!(table(&latest.table)).into()),
        ("column".into(), json!(latest.at.column).into()),
        ("on".into(), Written::Map(on.collect())),
    ];
    entries.extend(around(&latest.at)?);
    Some(Written::Map(entries))
}

/// A table's name, its own dots escaped.
fn table(table: &TableRef) -> String {
    let part = |name: &str| name.replace('\\', r"\\").replace('.', r"\.");
    match &table.schema {
        Some(schema) => format!("{}.{}", part(schema), part(&table.name)),
        None => part(&table.name),
    }
}
