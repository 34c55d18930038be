//! Keys, and things that are handed over with their places.

use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer as _, SeqAccess, Visitor, value::StrDeserializer};

use super::{ReadError, field::KEY};
use crate::config::{node::Key, place::Place};

/// A key, about to be read.
pub(super) struct KeyReader<'a>(pub(super) &'a Key);

/// Hands over source, line, column and the thing itself.
pub(super) struct Located<D> {
    place: Place,
    thing: Option<D>,
    step: u8,
}

// === impl KeyReader ===

impl<'a> KeyReader<'a> {
    fn name(&self) -> StrDeserializer<'a, ReadError> {
        self.0.name.as_str().into_deserializer()
    }
}

impl<'a> Deserializer<'a> for KeyReader<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(&self.0.name)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        if name == KEY {
            return visitor.visit_seq(Located::new(self.0.place, self.name()));
        }
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

// === impl Located ===

impl<D> Located<D> {
    pub(super) const fn new(place: Place, thing: D) -> Self {
        Self { place, thing: Some(thing), step: 0 }
    }
}

impl<'a, D: Deserializer<'a, Error = ReadError>> SeqAccess<'a> for Located<D> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.step += 1;
        match self.step {
            1 => seed.deserialize(self.place.source.into_deserializer()).map(Some),
            2 => seed.deserialize(self.place.line.into_deserializer()).map(Some),
            3 => seed.deserialize(self.place.column.into_deserializer()).map(Some),
            _ => self.thing.take().map(|thing| seed.deserialize(thing)).transpose(),
        }
    }
}
