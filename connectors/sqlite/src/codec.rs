//! Values between the seam and SQLite, without loss.
//!
//! Two of SQLite's values have no exact form in the seam's JSON: numbers with a fraction (JSON readers may round them)
//! and text that is not UTF-8. Cursors and key lists carry them as [`Value::Typed`].

use forgetd_connector::{Key, Value};
use rusqlite::Row;
use rusqlite::types::{Value as Sql, ValueRef};

/// The kind of a number with a fraction, written as its 64 bits in hexadecimal.
const REAL_BITS: &str = "sqlite.real";

/// The kind of text that is not UTF-8, written as its bytes in hexadecimal.
const RAW_TEXT: &str = "sqlite.text";

/// A value as it is bound: what to bind, and whether it must be cast to text in the statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    /// The value.
    pub(crate) value: Sql,
    /// True for text that the driver can only bind as bytes.
    pub(crate) as_text: bool,
}

/// Reads a column.
pub(crate) fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Typed { kind: RAW_TEXT.into(), text: hex::encode(bytes) },
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

/// Reads the first `width` columns of a row as a key.
pub(crate) fn key(row: &Row<'_>, width: usize) -> rusqlite::Result<Key> {
    (0..width).map(|at| row.get_ref(at).map(read)).collect::<Result<_, _>>().map(Key)
}

/// What to bind for a value; absent for values of other engines.
pub(crate) fn bind(value: &Value) -> Option<Bound> {
    let plain = |value| Some(Bound { value, as_text: false });
    match value {
        Value::Null => plain(Sql::Null),
        Value::Bool(value) => plain(Sql::Integer(i64::from(*value))),
        Value::Int(value) => plain(Sql::Integer(*value)),
        Value::Real(value) => plain(Sql::Real(*value)),
        Value::Text(text) => plain(Sql::Text(text.clone())),
        Value::Bytes(bytes) => plain(Sql::Blob(bytes.clone())),
        Value::Typed { kind, text } if kind == REAL_BITS => {
            plain(Sql::Real(f64::from_bits(u64::from_str_radix(text, 16).ok()?)))
        }
        Value::Typed { kind, text } if kind == RAW_TEXT => {
            Some(Bound { value: Sql::Blob(hex::decode(text).ok()?), as_text: true })
        }
        Value::Typed { .. } => None,
    }
}

/// The same value in a form that survives JSON exactly.
pub(crate) fn pack(value: Value) -> Value {
    match value {
        Value::Real(value) => Value::Typed { kind: REAL_BITS.into(), text: format!("{:016x}", value.to_bits()) },
        other => other,
    }
}

/// Undoes [`pack`].
pub(crate) fn unpack(value: Value) -> Value {
    match &value {
        Value::Typed { kind, text } if kind == REAL_BITS => {
            u64::from_str_radix(text, 16).map_or(value, |bits| Value::Real(f64::from_bits(bits)))
        }
        _ => value,
    }
}

/// A key list as JSON; keys of any engine come back exactly.
pub(crate) fn keys_to_json(keys: &[Key]) -> Option<String> {
    let packed: Vec<Key> = keys.iter().map(|key| Key(key.0.iter().cloned().map(pack).collect())).collect();
    serde_json::to_string(&packed).ok()
}

/// Reads [`keys_to_json`].
pub(crate) fn keys_from_json(json: &str) -> Option<Vec<Key>> {
    let keys: Vec<Key> = serde_json::from_str(json).ok()?;
    Some(keys.into_iter().map(|key| Key(key.0.into_iter().map(unpack).collect())).collect())
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Key, Value};
    use rusqlite::types::ValueRef;

    use super::{bind, keys_from_json, keys_to_json, read};

    #[test]
    fn every_value_comes_back_exactly() {
        let keys = vec![
            Key(vec![Value::Int(i64::MIN), Value::Real(0.1 + 0.2), Value::Real(-f64::MAX), Value::Real(f64::INFINITY)]),
            Key(vec![Value::Text("a\0b".into()), Value::Bytes(vec![0, 255]), read(ValueRef::Text(&[0xff, 0x41]))]),
            Key(vec![Value::Typed { kind: "uuid".into(), text: "x".into() }, Value::Null, Value::Bool(true)]),
        ];
        assert_eq!(keys_from_json(&keys_to_json(&keys).unwrap()).unwrap(), keys);
        assert!(bind(&keys[1].0[2]).unwrap().as_text);
        assert_eq!(bind(&keys[2].0[0]), None);
    }
}
