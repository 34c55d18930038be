//! Building blocks of the raw structs: fields that remember where they stand, and values with a short form.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, EnumAccess, Error as _, SeqAccess, VariantAccess as _, Visitor};

use crate::config::place::Place;

/// How the reader recognises a [`Field`].
pub(super) const FIELD: &str = "$field";
/// How the reader recognises a [`KeyAt`].
pub(super) const KEY: &str = "$key";
/// How the reader recognises a [`TextOr`].
pub(super) const TEXT_OR: &str = "$text_or";
/// The forms of a [`TextOr`].
pub(super) const TEXT_OR_FORMS: &[&str] = &["text", "full"];

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// A key of a mapping that may be missing, or whose value was refused.
#[derive(Clone, Debug, Default)]
pub(crate) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there, and what is wrong with it has been said.
    Broken,
    /// It is there.
    Given(At<T>),
}

/// A key of a mapping whose keys are free, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct KeyAt(pub(crate) At<String>);

/// A text, or the mapping that says more.
#[derive(Clone, Debug)]
pub(crate) enum TextOr<T> {
    /// The short form.
    Text(String),
    /// The full form.
    Full(T),
}

// === impl Field ===

impl<T> Field<T> {
    /// The value and its place.
    pub(crate) const fn get(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Broken => None,
        }
    }

    /// The value alone.
    pub(crate) fn value(&self) -> Option<&T> {
        self.get().map(|at| &at.value)
    }

    /// Whether nobody wrote it.
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Itself if it was written, else the other.
    pub(crate) const fn or<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.is_absent() { other } else { self }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FIELD, FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Broken)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Field<T>, A::Error> {
        located(access).map(Field::Given)
    }
}

/// The reader hands over source, line, column and the value.
fn located<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut access: A) -> Result<At<T>, A::Error> {
    let lost = || A::Error::custom("a value without a place");
    let source = access.next_element()?.ok_or_else(lost)?;
    let line = access.next_element()?.ok_or_else(lost)?;
    let column = access.next_element()?.ok_or_else(lost)?;
    let value = access.next_element()?.ok_or_else(lost)?;
    Ok(At { value, place: Place { source, line, column } })
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

// === impl KeyAt ===

impl<'de> Deserialize<'de> for KeyAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(KEY, KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = KeyAt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<KeyAt, A::Error> {
        located(access).map(KeyAt)
    }
}

// === impl TextOr ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(TEXT_OR, TEXT_OR_FORMS, TextOrVisitor(PhantomData))
    }
}

struct TextOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = TextOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a mapping")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<TextOr<T>, A::Error> {
        let (form, content) = access.variant::<String>()?;
        if form == "text" {
            content.newtype_variant().map(TextOr::Text)
        } else {
            content.newtype_variant().map(TextOr::Full)
        }
    }
}

impl<T: JsonSchema> JsonSchema for TextOr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("TextOr{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, full] })
    }
}
