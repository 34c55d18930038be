//! `{"all": [..]}`, `{"any": [..]}`, `{"not": .., "or_null": true}`, or a test: `{"path": ["column", ".member", "[]"],
//! "eq": 5}`.

use forgetd_connector::{Check, Comparison, Path, PathStep, Predicate, Test, Value};
use serde_json::{Map, Value as Json, json};

use super::{Read, each, member, optional, wrong};

const COMPARISONS: &[(&str, Comparison)] = &[
    ("eq", Comparison::Equal),
    ("ne", Comparison::NotEqual),
    ("lt", Comparison::Less),
    ("le", Comparison::LessOrEqual),
    ("gt", Comparison::Greater),
    ("ge", Comparison::GreaterOrEqual),
];

pub(super) fn write(predicate: &Predicate) -> Json {
    let parts = |parts: &[Predicate]| parts.iter().map(write).collect::<Vec<_>>();
    match predicate {
        Predicate::All(all) => json!({ "all": parts(all) }),
        Predicate::Any(any) => json!({ "any": parts(any) }),
        Predicate::Not { part, or_null } => with_or_null(json!({ "not": write(part) }), *or_null),
        Predicate::Test(test) => {
            let mut path = vec![test.path.column.clone()];
            path.extend(test.path.steps.iter().map(|step| match step {
                PathStep::Field(name) => format!(".{name}"),
                PathStep::Each => "[]".into(),
            }));
            let values = |values: &[Value]| values.iter().map(value).collect::<Vec<_>>();
            let (operator, operand) = match &test.check {
                Check::Compare(comparison, literal) => {
                    let word = COMPARISONS.iter().find(|(_, known)| known == comparison).expect("a comparison");
                    (word.0, value(literal))
                }
                Check::In(list) => ("in", values(list).into()),
                Check::NotIn(list) => ("not_in", values(list).into()),
                Check::Like(pattern) => ("like", pattern.clone().into()),
                Check::Prefix(prefix) => ("prefix", prefix.clone().into()),
                Check::Null(wanted) => ("is_null", (*wanted).into()),
                Check::Exists(wanted) => ("exists", (*wanted).into()),
            };
            let mut test_json = Map::from_iter([("path".to_owned(), path.into())]);
            test_json.insert(operator.into(), operand);
            with_or_null(test_json.into(), test.or_null)
        }
    }
}

fn with_or_null(mut json: Json, or_null: bool) -> Json {
    if or_null && let Some(object) = json.as_object_mut() {
        object.insert("or_null".into(), true.into());
    }
    json
}

pub(super) fn value(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Real(value) => (*value).into(),
        Value::Text(text) => text.clone().into(),
        other => panic!("{other:?} is no literal of a policy"),
    }
}

pub(super) fn read(json: &Json) -> Read<Predicate> {
    let or_null = optional(json, "or_null").and_then(Json::as_bool).unwrap_or(false);
    if let Some(parts) = optional(json, "all") {
        return Ok(Predicate::All(each(parts, read)?));
    }
    if let Some(parts) = optional(json, "any") {
        return Ok(Predicate::Any(each(parts, read)?));
    }
    if let Some(part) = optional(json, "not") {
        return Ok(Predicate::Not { part: Box::new(read(part)?), or_null });
    }
    let steps =
        each(member(json, "path")?, |step| step.as_str().map(str::to_owned).ok_or_else(|| wrong("step", step)))?;
    let [column, steps @ ..] = steps.as_slice() else { return Err(wrong("path", json)) };
    let steps = steps.iter().map(|step| match step.strip_prefix('.') {
        Some(name) => PathStep::Field(name.into()),
        None => PathStep::Each,
    });
    let path = Path { column: column.clone(), steps: steps.collect() };
    Ok(Predicate::Test(Test { path, check: check(json)?, or_null }))
}

fn check(json: &Json) -> Read<Check> {
    for (word, comparison) in COMPARISONS {
        if let Some(operand) = optional(json, word) {
            return Ok(Check::Compare(*comparison, literal(operand)?));
        }
    }
    let text = |operand: &Json| operand.as_str().map(str::to_owned).ok_or_else(|| wrong("text", operand));
    let truth = |operand: &Json| operand.as_bool().ok_or_else(|| wrong("truth value", operand));
    for word in ["in", "not_in", "like", "prefix", "is_null", "exists"] {
        let Some(operand) = optional(json, word) else { continue };
        return Ok(match word {
            "in" => Check::In(each(operand, literal)?),
            "not_in" => Check::NotIn(each(operand, literal)?),
            "like" => Check::Like(text(operand)?),
            "prefix" => Check::Prefix(text(operand)?),
            "is_null" => Check::Null(truth(operand)?),
            _ => Check::Exists(truth(operand)?),
        });
    }
    Err(wrong("operator", json))
}

pub(super) fn literal(json: &Json) -> Read<Value> {
    Ok(match json {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Real(number.as_f64().ok_or_else(|| wrong("number", json))?),
        },
        Json::String(text) => Value::Text(text.clone()),
        _ => return Err(wrong("literal", json)),
    })
}
