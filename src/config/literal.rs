//! Literals of `where`: each keeps the type it was written with, and none is ever shown.

use std::{borrow::Cow, fmt};

use forgetd_connector::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::read::Field;

/// How the reader recognises a literal.
pub(super) const LITERAL: &str = "$literal";

/// What must hold beside the period: every column equals its value, or one of its values.
#[derive(Clone, Debug)]
pub(super) struct RawWhere(pub(super) Vec<(String, Field<RawCondition>)>);

/// What one column is compared with.
#[derive(Clone, Debug)]
pub(super) enum RawCondition {
    One(Value),
    /// Values that were refused stand as broken fields.
    Many(Vec<Field<Literal>>),
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Literal(pub(super) Value);

// === impl RawWhere ===

impl<'de> Deserialize<'de> for RawWhere {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WhereVisitor)
    }
}

struct WhereVisitor;

impl<'de> Visitor<'de> for WhereVisitor {
    type Value = RawWhere;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of columns to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawWhere, A::Error> {
        let mut columns = vec![];
        while let Some(entry) = access.next_entry()? {
            columns.push(entry);
        }
        Ok(RawWhere(columns))
    }
}

impl JsonSchema for RawWhere {
    fn schema_name() -> Cow<'static, str> {
        "Where".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = serde_json::json!({ "type": ["string", "integer", "number", "boolean"] });
        schemars::json_schema!({
            "description": "What must hold beside the period: every column equals its value, or one of its values.",
            "type": "object",
            "additionalProperties": { "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] },
        })
    }
}

// === impl RawCondition ===

impl<'de> Deserialize<'de> for RawCondition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(LITERAL, ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = RawCondition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawCondition, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawCondition, A::Error> {
        let mut values = vec![];
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(RawCondition::Many(values))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<RawCondition, E> {
        Ok(RawCondition::One(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<RawCondition, E> {
        Ok(RawCondition::One(Value::Int(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<RawCondition, E> {
        Ok(RawCondition::One(Value::Real(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<RawCondition, E> {
        Ok(RawCondition::One(Value::Text(value.into())))
    }

    fn visit_unit<E: Error>(self) -> Result<RawCondition, E> {
        Err(E::custom("null equals nothing; write a value: `is_null` comes later"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawCondition, A::Error> {
        // Read to its end, so that keys are not complained about as well.
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::custom("comparisons other than equality are not known to this version; write a value or a list"))
    }
}

// === impl Literal ===

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match RawCondition::deserialize(deserializer)? {
            RawCondition::One(value) => Ok(Self(value)),
            RawCondition::Many(_) => Err(D::Error::custom("a list stands inside a list; write its values out")),
        }
    }
}
