//! Values of a user's table. They pass through forgetd and never leave it: `Debug` prints kind and length only.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One value, exact: no connector may round or convert it on the way.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// SQL NULL, or a missing field.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A binary floating point number.
    Real(f64),
    /// Text, compared by code points.
    Text(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Any other type, in the engine's own exact text form together with the engine's name of the type.
    Typed {
        /// The engine's name of the type, for example `timestamp with time zone`.
        kind: String,
        /// The text form the engine prints and reads back without loss.
        text: String,
    },
}

/// The values of a table's key, in the order of its key columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Vec<Value>);

// === impl Value ===

impl Value {
    /// The text form that enters a row commitment. Two values of one column have the same text only if they are equal.
    pub fn canonical_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(value) => Cow::Owned(value.to_string()),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Real(value) => Cow::Owned(format!("{value:?}")),
            Self::Text(text) | Self::Typed { text, .. } => Cow::Borrowed(text),
            Self::Bytes(bytes) => Cow::Owned(hex::encode(bytes)),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(_) => f.write_str("bool"),
            Self::Int(_) => f.write_str("int"),
            Self::Real(_) => f.write_str("real"),
            Self::Text(text) => write!(f, "text({})", text.len()),
            Self::Bytes(bytes) => write!(f, "bytes({})", bytes.len()),
            Self::Typed { kind, text } => write!(f, "{kind}({})", text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn debug_never_shows_the_value() {
        let values = [
            Value::Bool(true),
            Value::Int(424_242),
            Value::Real(42.42),
            Value::Text("marker".into()),
            Value::Bytes(b"marker".to_vec()),
            Value::Typed { kind: "uuid".into(), text: "marker".into() },
        ];
        let shown = format!("{values:?}");
        assert_eq!(shown, "[bool, int, real, text(6), bytes(6), uuid(6)]");
    }

    /// Key lists and positions are kept as JSON: what comes back as its neighbour would be no key of any row.
    #[test]
    fn numbers_come_back_from_json_exactly() {
        for number in [94.958_862_831_581_03, 0.1 + 0.2, f64::MIN_POSITIVE, f64::MAX, -1.0 / 3.0] {
            let text = serde_json::to_string(&Value::Real(number)).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::Real(number), "{text}");
        }
    }
}
