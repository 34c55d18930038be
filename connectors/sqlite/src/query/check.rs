//! What is asked of one value, exact by type and code points, whatever collation and affinity a column has.
//!
//! Each check is a CASE over what the value is; what no branch takes is NULL. So a value of another type than the
//! literal's is unknown, and neither the check nor its negation matches.

use forgetd_connector::{Cause, Check, Comparison, Value};

use super::Query;
use super::composer::Refused;
use super::like::Glob;

/// A value that is there, and how to ask what it is.
pub(super) struct Operand {
    value: String,
    is_text: String,
    is_number: String,
    is_truth: String,
    is_bytes: Option<String>,
    /// Whether truth values are numbers: where they are, a list of both is one of numbers.
    truths_are_numbers: bool,
}

/// The types that literals have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Truth,
    Bytes,
}

// === impl Operand ===

impl Operand {
    /// What a quoted column holds.
    pub(super) fn column(column: &str) -> Self {
        Self {
            // `+` keeps an index out, and the column's affinity.
            value: format!("+{column}"),
            is_text: format!("typeof({column}) = 'text'"),
            is_number: format!("typeof({column}) in ('integer', 'real')"),
            is_truth: format!("typeof({column}) = 'integer' and +{column} in (0, 1)"),
            is_bytes: Some(format!("typeof({column}) = 'blob'")),
            truths_are_numbers: true,
        }
    }

    /// The JSON value that a row of `json_each` is.
    pub(super) fn json(alias: &str) -> Self {
        Self {
            value: format!("{alias}.value"),
            is_text: format!("{alias}.type = 'text'"),
            is_number: format!("{alias}.type in ('integer', 'real')"),
            is_truth: format!("{alias}.type in ('true', 'false')"),
            is_bytes: None,
            truths_are_numbers: false,
        }
    }

    fn is(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Text => Some(&self.is_text),
            Kind::Number => Some(&self.is_number),
            Kind::Truth => Some(&self.is_truth),
            Kind::Bytes => self.is_bytes.as_deref(),
        }
    }
}

// === impl Kind ===

impl Kind {
    fn of(value: &Value) -> Result<Self, Refused> {
        match value {
            Value::Text(_) => Ok(Self::Text),
            Value::Int(_) | Value::Real(_) => Ok(Self::Number),
            Value::Bool(_) => Ok(Self::Truth),
            Value::Bytes(_) => Ok(Self::Bytes),
            Value::Null | Value::Typed { .. } => {
                Err(Refused::new(Cause::ColumnType, "").with_detail("a literal of another engine"))
            }
        }
    }
}

/// The condition that a check is. Neither `null` nor `exists`: those are asked of what may not be there.
pub(super) fn compose(
    operand: &Operand,
    check: &Check,
    code_points: bool,
    query: &mut Query,
) -> Result<String, Refused> {
    let Operand { value, is_text, .. } = operand;
    Ok(match check {
        Check::Compare(comparison, literal) => compare(operand, *comparison, literal, code_points, query)?,
        Check::In(literals) => one_of(operand, literals, query)?,
        Check::NotIn(literals) => format!("(not {})", one_of(operand, literals, query)?),
        Check::Like(pattern) => {
            match Glob::new(pattern).map_err(|why| Refused::new(Cause::Unsupported, "").with_detail(why))? {
                // GLOB reads a text up to its first NUL only: what has one is not judged.
                Glob::Pattern(pattern) => {
                    let pattern = query.bind_value(&Value::Text(pattern));
                    format!("case when {is_text} and instr({value}, char(0)) = 0 then {value} glob {pattern} end")
                }
                Glob::Never => format!("case when {is_text} and instr({value}, char(0)) = 0 then 0 end"),
            }
        }
        Check::Prefix(prefix) => {
            let prefix = query.bind_value(&Value::Text(prefix.clone()));
            // In bytes, which no NUL ends. A part of nothing is NULL to SQLite.
            format!(
                "case when {is_text} then ifnull(substr(cast({value} as blob), 1, octet_length({prefix})), x'') = \
                 cast({prefix} as blob) end"
            )
        }
        Check::Null(_) | Check::Exists(_) => return Err(Refused::new(Cause::Internal, "")),
    })
}

/// Whether a value is a text of one of these forms: 0 or 1. `%` and `_` are wildcards, nothing is escaped.
pub(super) fn like_one_of(operand: &Operand, patterns: &[String], query: &mut Query) -> Result<String, Refused> {
    let Operand { value, is_text, .. } = operand;
    let mut alike = vec![];
    for pattern in patterns {
        let glob = Glob::new(&pattern.replace('\\', r"\\"));
        if let Glob::Pattern(glob) = glob.map_err(|why| Refused::new(Cause::Unsupported, "").with_detail(why))? {
            alike.push(format!("{value} glob {}", query.bind_value(&Value::Text(glob))));
        }
    }
    if alike.is_empty() {
        return Ok("0".into());
    }
    // GLOB reads a text up to its first NUL only: what has one is of none of these forms.
    Ok(format!("case when {is_text} and instr({value}, char(0)) = 0 then {} else 0 end", alike.join(" or ")))
}

fn compare(
    operand: &Operand,
    comparison: Comparison,
    literal: &Value,
    code_points: bool,
    query: &mut Query,
) -> Result<String, Refused> {
    let kind = Kind::of(literal)?;
    let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if ordered && kind == Kind::Text && !code_points {
        let why = "the file stores text as UTF-16, whose order is not that of code points";
        return Err(Refused::new(Cause::Unsupported, "").with_detail(why));
    }
    let (Some(is), false) = (operand.is(kind), ordered && matches!(kind, Kind::Truth | Kind::Bytes)) else {
        return Ok("null".into());
    };
    let sign = match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    };
    let (value, place) = (&operand.value, query.bind_value(literal));
    Ok(format!("case when {is} then {value} {sign} {place} collate binary end"))
}

/// Literals of one type share one branch.
fn one_of(operand: &Operand, literals: &[Value], query: &mut Query) -> Result<String, Refused> {
    let kinds: Vec<Kind> = literals.iter().map(Kind::of).collect::<Result<_, _>>()?;
    let as_numbers = operand.truths_are_numbers && kinds.contains(&Kind::Number);
    let kind_of = |kind: Kind| if as_numbers && kind == Kind::Truth { Kind::Number } else { kind };
    let mut branches = String::new();
    for kind in [Kind::Number, Kind::Text, Kind::Truth, Kind::Bytes] {
        let alike = literals.iter().zip(&kinds).filter(|(_, other)| kind_of(**other) == kind);
        let places: Vec<String> = alike.map(|(literal, _)| query.bind_value(literal)).collect();
        let Some(is) = operand.is(kind).filter(|_| !places.is_empty()) else { continue };
        let value = &operand.value;
        let equal = match places.as_slice() {
            [one] => format!("{value} = {one} collate binary"),
            many => format!("{value} collate binary in ({})", many.join(", ")),
        };
        branches += &format!(" when {is} then {equal}");
    }
    Ok(if branches.is_empty() { "null".into() } else { format!("case{branches} end") })
}
