//! `where` as a filter. It has three truth values and a filter has two, so each part has a filter for true and one for
//! false, and unknown is where neither holds.

use forgetd_connector::{Check, Comparison, Predicate, Test, Value};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};

use super::field::{Arrays, all, any, each, nameable, never, none, present, some};
use super::{Composer, Refused};

impl Composer {
    /// Whether it is true.
    pub(super) fn holds(&mut self, predicate: &Predicate) -> Result<Document, Refused> {
        match predicate {
            Predicate::All(parts) => Ok(all(self.each_part(parts, Self::holds)?)),
            Predicate::Any(parts) => Ok(any(self.each_part(parts, Self::holds)?)),
            Predicate::Not { part, or_null: false } => self.fails(part),
            Predicate::Not { part, or_null: true } => Ok(none(vec![self.holds(part)?])),
            Predicate::Test(test) if test.or_null => Ok(none(vec![self.test_fails(test)?])),
            Predicate::Test(test) => self.test_holds(test),
        }
    }

    /// Whether it is false.
    pub(super) fn fails(&mut self, predicate: &Predicate) -> Result<Document, Refused> {
        match predicate {
            Predicate::All(parts) => Ok(any(self.each_part(parts, Self::fails)?)),
            Predicate::Any(parts) => Ok(all(self.each_part(parts, Self::fails)?)),
            Predicate::Not { part, .. } => self.holds(part),
            Predicate::Test(test) => self.test_fails(test),
        }
    }

    fn each_part(
        &mut self,
        parts: &[Predicate],
        of: fn(&mut Self, &Predicate) -> Result<Document, Refused>,
    ) -> Result<Vec<Document>, Refused> {
        parts.iter().map(|part| of(self, part)).collect()
    }

    fn test_holds(&mut self, test: &Test) -> Result<Document, Refused> {
        let Test { path, check, .. } = test;
        nameable(path)?;
        let operators = match check {
            Check::Null(true) => return Ok(none(vec![present(path)])),
            Check::Null(false) => return Ok(present(path)),
            Check::Exists(true) => return Ok(some(path, &doc! { "$exists": true }, Arrays::Asked)),
            Check::Exists(false) => return Ok(none(vec![some(path, &doc! { "$exists": true }, Arrays::Asked)])),
            Check::Compare(Comparison::NotEqual, value) => self.unlike(std::slice::from_ref(value))?,
            Check::Compare(comparison, value) => {
                if is_order_of_truth(*comparison, value) {
                    return Ok(never());
                }
                doc! { operator(*comparison): self.value(value)? }
            }
            Check::In(values) => doc! { "$in": self.values(values)? },
            Check::NotIn(values) => self.unlike(values)?,
            Check::Like(pattern) => self.matching(like(pattern, Escapes::Read)),
            Check::Prefix(prefix) => self.prefixed(prefix),
        };
        Ok(some(path, &operators, Arrays::Never))
    }

    fn test_fails(&mut self, test: &Test) -> Result<Document, Refused> {
        let Test { path, check, .. } = test;
        nameable(path)?;
        let operators = match check {
            Check::Null(_) | Check::Exists(_) => {
                let holds = self.test_holds(&Test { or_null: false, ..test.clone() })?;
                return Ok(none(vec![holds]));
            }
            Check::Compare(comparison, value) if is_order_of_truth(*comparison, value) => return Ok(never()),
            Check::Compare(Comparison::Equal, value) => self.unlike(std::slice::from_ref(value))?,
            Check::Compare(Comparison::NotEqual, value) => doc! { "$eq": self.value(value)? },
            // What is no number is neither before a number nor behind it.
            Check::Compare(comparison, value) => doc! { operator(opposite(*comparison)): self.value(value)? },
            Check::In(values) => self.unlike(values)?,
            Check::NotIn(values) => doc! { "$in": self.values(values)? },
            Check::Like(pattern) => {
                let matching = self.matching(like(pattern, Escapes::Read));
                doc! { "$type": "string", "$not": matching }
            }
            Check::Prefix(prefix) => {
                let prefixed = self.prefixed(prefix);
                doc! { "$type": "string", "$not": prefixed }
            }
        };
        Ok(each(path, &operators))
    }

    /// Of the type of one of the values, and none of them.
    fn unlike(&mut self, values: &[Value]) -> Result<Document, Refused> {
        let mut types: Vec<&str> = values.iter().filter_map(type_name).collect();
        types.sort_unstable();
        types.dedup();
        Ok(doc! { "$type": types, "$nin": self.values(values)? })
    }

    fn values(&mut self, values: &[Value]) -> Result<Vec<Bson>, Refused> {
        values.iter().map(|value| self.value(value)).collect()
    }

    /// A literal of the policy's.
    pub(super) fn value(&mut self, value: &Value) -> Result<Bson, Refused> {
        let bson = match value {
            Value::Null => Bson::Null,
            Value::Bool(value) => Bson::Boolean(*value),
            Value::Int(value) => Bson::Int64(*value),
            Value::Real(value) => Bson::Double(*value),
            Value::Text(text) => Bson::String(text.clone()),
            Value::Bytes(bytes) => Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.clone() }),
            Value::Typed { .. } => {
                return Err(Refused::column_type("a literal is of a type that no document has"));
            }
        };
        Ok(self.shown(bson))
    }

    /// Texts that an expression describes, in which a point is any character.
    pub(super) fn matching(&mut self, expression: String) -> Document {
        doc! { "$regex": self.shown(Bson::String(expression)), "$options": "s" }
    }

    /// Texts that begin so, as a range: the order of strings is that of their code points.
    fn prefixed(&mut self, prefix: &str) -> Document {
        let mut operators = doc! { "$gte": self.shown(Bson::String(prefix.into())) };
        match behind(prefix) {
            Some(end) => drop(operators.insert("$lt", self.shown(Bson::String(end)))),
            // Nothing lies behind all of them: any text is at or behind the prefix.
            None => drop(operators.insert("$type", "string")),
        }
        operators
    }
}

/// A truth value is before nothing.
fn is_order_of_truth(comparison: Comparison, value: &Value) -> bool {
    matches!(value, Value::Bool(_)) && !matches!(comparison, Comparison::Equal | Comparison::NotEqual)
}

const fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "$eq",
        Comparison::NotEqual => "$ne",
        Comparison::Less => "$lt",
        Comparison::LessOrEqual => "$lte",
        Comparison::Greater => "$gt",
        Comparison::GreaterOrEqual => "$gte",
    }
}

const fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
    }
}

/// The type that only equals itself.
const fn type_name(value: &Value) -> Option<&'static str> {
    match value {
        Value::Bool(_) => Some("bool"),
        Value::Int(_) | Value::Real(_) => Some("number"),
        Value::Text(_) => Some("string"),
        Value::Bytes(_) => Some("binData"),
        Value::Null | Value::Typed { .. } => None,
    }
}

/// The first text behind all that begin so.
fn behind(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// What a backslash is to a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// It takes the next character as it is.
    Read,
    /// A character like any other.
    None,
}

/// A pattern of `%` and `_` as an anchored expression that holds nothing but its texts, escaped.
pub(super) fn like(pattern: &str, escapes: Escapes) -> String {
    format!(r"\A{}\z", body(pattern, escapes))
}

/// One of several patterns.
pub(super) fn like_one_of(patterns: &[String]) -> String {
    let bodies: Vec<String> = patterns.iter().map(|pattern| body(pattern, Escapes::None)).collect();
    format!(r"\A(?:{})\z", bodies.join("|"))
}

fn body(pattern: &str, escapes: Escapes) -> String {
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            '\\' if escapes == Escapes::Read => text.extend(chars.next().map(escaped)),
            c => text.push_str(&escaped(c)),
        }
    }
    text
}

/// A character of an expression that stands for itself.
fn escaped(c: char) -> String {
    if c.is_alphanumeric() || !c.is_ascii() || matches!(c, ' ' | '_' | '\n' | '\r' | '\t') {
        return c.to_string();
    }
    if c.is_ascii_control() { format!("\\x{{{:x}}}", u32::from(c)) } else { format!("\\{c}") }
}
