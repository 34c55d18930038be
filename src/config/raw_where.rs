//! What stands under `where`, as it is written: a tree whose values keep their types and whose keys keep their places.
//! What it means is worked out in `resolve::condition`. None of its values is ever shown.

use std::fmt;

use forgetd_connector::Value;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::read::{At, Field, KeyAt};

/// How the reader recognises a part of it.
pub(super) const WHERE: &str = "$where";

/// Keys of a mapping that name no column; a column of such a name is written with a backslash before it.
pub(super) const KEYWORDS: &[&str] = &["any", "all", "not", "or_null"];

/// What can be asked of a value.
pub(super) const OPERATORS: &[&str] =
    &["eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "like", "prefix", "is_null", "exists", "or_null"];

/// A part of a condition.
#[derive(Clone, Debug)]
pub(super) enum RawWhere {
    /// Nothing, or null.
    Null,
    /// One value.
    One(Value),
    /// A list; parts that were refused stand as broken fields.
    List(Vec<Field<RawWhere>>),
    /// A mapping, in the order it is written in.
    Map(Vec<(At<String>, Field<RawWhere>)>),
}

// === impl RawWhere ===

impl RawWhere {
    /// What it is, in words; never its value.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::One(Value::Bool(_)) => "a truth value",
            Self::One(Value::Int(_) | Value::Real(_)) => "a number",
            Self::One(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for RawWhere {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(WHERE, WhereVisitor)
    }
}

struct WhereVisitor;

impl<'de> Visitor<'de> for WhereVisitor {
    type Value = RawWhere;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawWhere, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E: Error>(self) -> Result<RawWhere, E> {
        Ok(RawWhere::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<RawWhere, E> {
        Ok(RawWhere::One(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<RawWhere, E> {
        Ok(RawWhere::One(Value::Int(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<RawWhere, E> {
        Ok(RawWhere::One(Value::Real(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<RawWhere, E> {
        Ok(RawWhere::One(Value::Text(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawWhere, A::Error> {
        let mut parts = vec![];
        while let Some(part) = access.next_element()? {
            parts.push(part);
        }
        Ok(RawWhere::List(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawWhere, A::Error> {
        let mut entries = vec![];
        while let Some((KeyAt(key), value)) = access.next_entry()? {
            entries.push((key, value));
        }
        Ok(RawWhere::Map(entries))
    }
}
