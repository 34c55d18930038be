//! One statement: its text and its typed parameters.

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A parameter. Its type is always given, so nothing has to be prepared.
#[derive(Clone, PartialEq)]
pub(crate) enum Param {
    Text(Option<String>),
    /// The text of a value of this type, which the server reads once, when it binds. A cast of a text in the statement
    /// would be done again for every row where reading depends on settings, as it does for all times.
    Typed(Written, Type),
    Int(i64),
    Bool(bool),
    Bytes(Option<Vec<u8>>),
    Texts(Vec<Option<String>>),
    Ints(Vec<i64>),
    Blobs(Vec<Vec<u8>>),
}

/// A value in its type's own text form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written(pub(crate) Option<String>);

/// One statement.
#[derive(Clone, Default)]
pub(crate) struct Sql {
    text: String,
    params: Vec<Param>,
}

// === impl Param ===

impl Param {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(value) => (value, Type::TEXT),
            Self::Typed(value, kind) => (value, kind.clone()),
            Self::Int(value) => (value, Type::INT8),
            Self::Bool(value) => (value, Type::BOOL),
            Self::Bytes(value) => (value, Type::BYTEA),
            Self::Texts(values) => (values, Type::TEXT_ARRAY),
            Self::Ints(values) => (values, Type::INT8_ARRAY),
            Self::Blobs(values) => (values, Type::BYTEA_ARRAY),
        }
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<u64> for Param {
    /// Numbers beyond the engine's own stop at its largest: no counter gets there.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

// === impl Written ===

impl ToSql for Written {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.put_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

// === impl Sql ===

impl Sql {
    /// A statement with its parameters, in the order of its placeholders.
    pub(crate) fn new(text: impl Into<String>, params: Vec<Param>) -> Self {
        Self { text: text.into(), params }
    }

    /// Adds a parameter and returns its placeholder.
    pub(crate) fn bind(&mut self, param: Param) -> String {
        self.params.push(param);
        format!("${}", self.params.len())
    }

    /// The placeholder of this parameter; adds it where there is none yet.
    pub(crate) fn bind_once(&mut self, param: Param) -> String {
        match self.params.iter().position(|bound| *bound == param) {
            Some(at) => format!("${}", at + 1),
            None => self.bind(param),
        }
    }

    /// The first parameters alone.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { text: String::new(), params: self.params.iter().take(count).cloned().collect() }
    }

    /// How many parameters there are.
    pub(crate) fn bound(&self) -> usize {
        self.params.len()
    }

    /// The same parameters under this text.
    pub(crate) fn say(mut self, text: String) -> Self {
        self.text = text;
        self
    }

    /// The text, with placeholders.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The parameters as the driver takes them.
    pub(crate) fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params.iter().map(Param::typed).collect()
    }
}
