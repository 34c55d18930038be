//! A serde deserializer over nodes.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StrDeserializer,
};

use super::{
    ReadError, Session,
    field::{FIELD, TEXT_OR},
    key::{KeyReader, Located},
};
use crate::config::{
    node::{Key, Kind, Node},
    raw_where::WHERE,
    words,
};

/// serde's name of the enum that says where a secret is.
const SECRET: &str = "RawSecret";

/// One node, about to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    node: &'a Node,
    session: &'a Session<'a>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) const fn new(node: &'a Node, session: &'a Session<'a>) -> Self {
        Self { node, session }
    }

    fn expected(&self, expected: &str) -> ReadError {
        let error = match &self.node.kind {
            Kind::Odd(oddity) => {
                let (message, fix) = oddity.words();
                ReadError::new(message, fix)
            }
            Kind::Null => ReadError::new("the value is missing", format!("write {expected}, or remove the key")),
            Kind::Text { bare_word: true, .. } if expected == "true or false" => {
                ReadError::new("yes, no, on and off are text", "write true or false")
            }
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) if expected == "text" => {
                ReadError::new(format!("expected text, found {}", self.node.kind.word()), "put it in quotes")
            }
            Kind::Float(_) if expected == "a whole number" => {
                ReadError::new("the number has a fraction", "write a whole number")
            }
            kind => ReadError::new(format!("expected {expected}, found {}", kind.word()), format!("write {expected}")),
        };
        error.at(self.node)
    }

    fn text(&self) -> Result<&'a str, ReadError> {
        match &self.node.kind {
            Kind::Text { text, .. } | Kind::Untyped(text) => Ok(text),
            _ => Err(self.expected("text")),
        }
    }

    fn integer(&self) -> Result<i64, ReadError> {
        match &self.node.kind {
            Kind::Int(value) => Ok(*value),
            Kind::Untyped(text) => text.parse().map_err(|_| self.expected("a whole number")),
            _ => Err(self.expected("a whole number")),
        }
    }

    fn whole<T: TryFrom<i64>>(&self) -> Result<T, ReadError> {
        let value = self.integer()?;
        T::try_from(value).map_err(|_| {
            let what = if value < 0 { "the number is negative" } else { "the number is too large" };
            ReadError::new(what, "write a whole number in range").at(self.node)
        })
    }

    fn entries(&self) -> Result<&'a [(Key, Node)], ReadError> {
        match &self.node.kind {
            Kind::Map(entries) => Ok(entries),
            _ => Err(self.expected("a mapping")),
        }
    }

    fn visit_map<V: Visitor<'a>>(
        self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let access = Entries { rest: self.entries()?.iter(), value: None, known, session: self.session };
        visitor.visit_map(access).map_err(|error| error.at(self.node))
    }
}

macro_rules! whole_numbers {
    ($($method:ident => $visit:ident,)+) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.$visit(self.whole()?)
        })+
    };
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let at = |error: ReadError| error.at(self.node);
        match &self.node.kind {
            Kind::Null => visitor.visit_unit().map_err(at),
            Kind::Bool(value) => visitor.visit_bool(*value).map_err(at),
            Kind::Int(value) => visitor.visit_i64(*value).map_err(at),
            Kind::Float(value) => visitor.visit_f64(*value).map_err(at),
            Kind::Text { text, .. } | Kind::Untyped(text) => visitor.visit_str(text).map_err(at),
            Kind::Odd(_) => Err(self.expected("a value")),
            Kind::List(_) => self.deserialize_seq(visitor),
            Kind::Map(_) => self.visit_map(None, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.kind {
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Untyped(text) => match text.parse() {
                Ok(value) => visitor.visit_bool(value),
                Err(_) => Err(self.expected("true or false")),
            },
            _ => Err(self.expected("true or false")),
        }
    }

    whole_numbers! {
        deserialize_i64 => visit_i64,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.kind {
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Int(value) => match i32::try_from(*value) {
                Ok(value) => visitor.visit_f64(value.into()),
                Err(_) => Err(ReadError::new("the number is too large", "write a smaller one").at(self.node)),
            },
            Kind::Untyped(text) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => visitor.visit_f64(value),
                _ => Err(self.expected("a number")),
            },
            _ => Err(self.expected("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.text()?).map_err(|error: ReadError| error.at(self.node))
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        if name == WHERE && matches!(self.node.kind, Kind::Text { bare_word: true, .. }) {
            let message = "yes, no, on and off are text to some readers of YAML and truth values to others";
            return Err(ReadError::new(message, "put it in quotes, or write true or false").at(self.node));
        }
        if name != FIELD {
            return visitor.visit_newtype_struct(self);
        }
        if self.session.is_broken(self.node) {
            return visitor.visit_unit();
        }
        visitor.visit_seq(Located::new(self.node.place, self)).map_err(|error| error.absorbed_by(self.node))
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Kind::List(items) = &self.node.kind else { return Err(self.expected("a list")) };
        let access = Items { rest: items.iter(), session: self.session };
        visitor.visit_seq(access).map_err(|error| error.at(self.node))
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.visit_map(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.visit_map(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let access = if name == TEXT_OR {
            let form = if matches!(self.node.kind, Kind::Map(_)) { "full" } else { "text" };
            Chosen { name: form, content: Some(self), chooser: self }
        } else {
            self.choose(name, variants)?
        };
        visitor.visit_enum(access).map_err(|error| error.at(self.node))
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        i8 i16 i32 i128 u8 u16 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl<'a> Reader<'a> {
    /// The variant that a word, or a mapping with one key, chooses.
    fn choose(self, enum_name: &str, variants: &'static [&'static str]) -> Result<Chosen<'a>, ReadError> {
        match &self.node.kind {
            Kind::Text { .. } | Kind::Untyped(_) if enum_name == SECRET => {
                let fix = "write { file: path } or { env: NAME }, and put the secret there";
                Err(ReadError::new("a secret may not stand in the configuration", fix).at(self.node))
            }
            Kind::Text { text, .. } | Kind::Untyped(text) => {
                let Some(name) = variants.iter().find(|variant| *variant == text) else {
                    let (message, fix) = words::unknown_word(text, variants);
                    return Err(ReadError::new(message, fix).at(self.node));
                };
                Ok(Chosen { name, content: None, chooser: self })
            }
            Kind::Map(entries) => self.choose_key(entries, variants),
            _ => Err(self.expected(&format!("one of: {}", variants.join(", ")))),
        }
    }

    fn choose_key(
        self,
        entries: &'a [(Key, Node)],
        variants: &'static [&'static str],
    ) -> Result<Chosen<'a>, ReadError> {
        let (known, unknown): (Vec<_>, Vec<_>) =
            entries.iter().partition(|(key, _)| variants.contains(&key.name.as_str()));
        for (key, value) in &unknown {
            if self.session.mark(value) {
                let (message, fix) = words::unknown_key(&key.name, variants);
                self.session.say(key.place, message, fix);
            }
        }
        if let [(key, value)] = known.as_slice() {
            return Ok(Chosen { name: &key.name, content: Some(Self::new(value, self.session)), chooser: self });
        }
        let message = if entries.is_empty() { "no key is written" } else { "exactly one key is needed" };
        let error = ReadError::new(message, format!("write one of: {}", variants.join(", "))).at(self.node);
        Err(ReadError { silent: known.is_empty() && !unknown.is_empty(), ..error })
    }
}

/// The items of a list.
struct Items<'a> {
    rest: std::slice::Iter<'a, Node>,
    session: &'a Session<'a>,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let session = self.session;
        let Some(node) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Reader::new(node, session)).map(Some).map_err(|error| error.absorbed_by(node))
    }
}

/// The entries of a mapping. Where the keys are known, others are said and passed over.
struct Entries<'a> {
    rest: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a Node>,
    known: Option<&'static [&'static str]>,
    session: &'a Session<'a>,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        for (key, value) in self.rest.by_ref() {
            if let Some(known) = self.known.filter(|known| !known.contains(&key.name.as_str())) {
                if self.session.mark(value) {
                    let (message, fix) = words::unknown_key(&key.name, known);
                    self.session.say(key.place, message, fix);
                }
                continue;
            }
            self.value = Some(value);
            return seed.deserialize(KeyReader(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        match self.value.take() {
            Some(node) => seed.deserialize(Reader::new(node, self.session)),
            None => Err(ReadError::new("a key without a value", "write a value")),
        }
    }
}

/// A variant of an enum.
struct Chosen<'a> {
    name: &'a str,
    content: Option<Reader<'a>>,
    chooser: Reader<'a>,
}

impl<'a> EnumAccess<'a> for Chosen<'a> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        let name: StrDeserializer<'_, ReadError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a> VariantAccess<'a> for Chosen<'a> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.content {
            None => Ok(()),
            Some(_) => {
                let fix = format!("write the bare word {}", self.name);
                Err(ReadError::new("a mapping stands where a word is expected", fix).at(self.chooser.node))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, ReadError> {
        match self.content {
            Some(content) => seed.deserialize(content),
            None => {
                let fix = format!("write {{ {}: .. }}", self.name);
                Err(ReadError::new("the word needs a value", fix).at(self.chooser.node))
            }
        }
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value, ReadError> {
        Err(self.chooser.expected("a word or a mapping"))
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, ReadError> {
        Err(self.chooser.expected("a word or a mapping"))
    }
}
