//! Values between the seam and BSON, without loss, and numbers as the control collections keep them.

use forgetd_connector::{Key, Value};
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::{BinarySubtype, ElementType};
use mongodb::bson::{Binary, Bson, Document};

use crate::reply;

/// Terms, sequences and sizes never reach where signed numbers end.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Bytes as they are stored.
pub(crate) fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

/// Always nine digits behind the point, so that the order of texts is the order of moments: BSON's own dates end at
/// milliseconds.
pub(crate) fn moment(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// The kind of a [`Value::Typed`] that holds extended JSON.
pub(crate) const KIND: &str = "bson";

/// A whole number that a double holds exactly.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A key's value. Numbers that are equal are one key to the server, whatever their types are.
pub(crate) fn value(bson: &Bson) -> Value {
    match bson {
        Bson::String(text) => Value::Text(text.clone()),
        Bson::Boolean(value) => Value::Bool(*value),
        Bson::Int32(value) => Value::Int((*value).into()),
        Bson::Int64(value) => Value::Int(*value),
        #[allow(clippy::cast_possible_truncation, reason = "what is asked first")]
        Bson::Double(value) if value.fract() == 0.0 && value.abs() <= WHOLE_MAX => Value::Int(*value as i64),
        Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes }) => Value::Bytes(bytes.clone()),
        other => Value::Typed { kind: KIND.into(), text: canonical(other) },
    }
}

/// Reads [`value`]; absent: it is none of ours.
pub(crate) fn bson(value: &Value) -> Option<Bson> {
    Some(match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Int(value) => Bson::Int64(*value),
        Value::Real(value) => Bson::Double(*value),
        Value::Text(text) => Bson::String(text.clone()),
        Value::Bytes(bytes) => binary(bytes),
        Value::Typed { kind, text } if kind == KIND => from_canonical(text)?,
        Value::Typed { .. } => return None,
    })
}

/// What an ObjectId begins and ends with as extended JSON: the most frequent key is written and read without a parser.
const OBJECT_ID: &str = "{\"$oid\":\"";
const OBJECT_ID_END: &str = "\"}";

const OBJECT_ID_BYTES: usize = 12;

/// Our own kind of bytes: ObjectIds, one behind the other.
const OBJECT_IDS: BinarySubtype = BinarySubtype::UserDefined(0x80);

/// Of a key that has no length of its own.
const KEY_BYTES: usize = 40;

/// A value as extended JSON, without loss.
pub(crate) fn canonical(bson: &Bson) -> String {
    match bson {
        Bson::Int32(value) => format!("{{\"$numberInt\":\"{value}\"}}"),
        Bson::Int64(value) => format!("{{\"$numberLong\":\"{value}\"}}"),
        Bson::Double(value) if value.is_nan() => r#"{"$numberDouble":"NaN"}"#.into(),
        Bson::Double(value) if value.is_infinite() => {
            format!("{{\"$numberDouble\":\"{}Infinity\"}}", if *value < 0.0 { "-" } else { "" })
        }
        Bson::ObjectId(id) => [OBJECT_ID, &id.to_hex(), OBJECT_ID_END].concat(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// Reads [`canonical`].
pub(crate) fn from_canonical(text: &str) -> Option<Bson> {
    match hex(text).and_then(|hex| ObjectId::parse_str(hex).ok()) {
        Some(id) => Some(Bson::ObjectId(id)),
        None => serde_json::from_str(text).ok(),
    }
}

/// The digits of an ObjectId as extended JSON.
fn hex(text: &str) -> Option<&str> {
    text.strip_prefix(OBJECT_ID).and_then(|rest| rest.strip_suffix(OBJECT_ID_END))
}

/// How many bytes a key takes where keys are listed, about.
pub(crate) fn length(id: &Bson) -> usize {
    match id {
        Bson::ObjectId(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => KEY_BYTES,
        Bson::String(text) => text.len() + KEY_BYTES,
        other => canonical(other).len(),
    }
}

/// The name of a value's type, as `$type` takes it.
pub(crate) fn type_name(bson: &Bson) -> &'static str {
    match bson.element_type() {
        ElementType::Double => "double",
        ElementType::String => "string",
        ElementType::EmbeddedDocument => "object",
        ElementType::Array => "array",
        ElementType::Binary => "binData",
        ElementType::Undefined => "undefined",
        ElementType::ObjectId => "objectId",
        ElementType::Boolean => "bool",
        ElementType::DateTime => "date",
        ElementType::Null => "null",
        ElementType::RegularExpression => "regex",
        ElementType::DbPointer => "dbPointer",
        ElementType::JavaScriptCode => "javascript",
        ElementType::Symbol => "symbol",
        ElementType::JavaScriptCodeWithScope => "javascriptWithScope",
        ElementType::Int32 => "int",
        ElementType::Timestamp => "timestamp",
        ElementType::Int64 => "long",
        ElementType::Decimal128 => "decimal",
        ElementType::MinKey => "minKey",
        ElementType::MaxKey => "maxKey",
    }
}

/// A list of keys as a document holds it. Nothing but ObjectIds: their bytes, one behind the other, which a server has not to
/// take apart. Else as they are, where each is the `_id` of a type that comes back as it went; else as JSON, which is three
/// times as long.
pub(crate) fn keys_to_bson(keys: &[Key]) -> Option<Bson> {
    let ids: Option<Vec<Bson>> = keys.iter().map(plain).collect();
    let Some(ids) = ids else { return serde_json::to_string(keys).ok().map(Bson::String) };
    let mut bytes = Vec::with_capacity(ids.len() * OBJECT_ID_BYTES);
    for id in &ids {
        match id {
            Bson::ObjectId(id) => bytes.extend(id.bytes()),
            _ => return Some(Bson::Array(ids)),
        }
    }
    Some(Bson::Binary(Binary { subtype: OBJECT_IDS, bytes }))
}

fn plain(key: &Key) -> Option<Bson> {
    match key.0.as_slice() {
        [Value::Int(value)] => Some(Bson::Int64(*value)),
        [Value::Text(text)] => Some(Bson::String(text.clone())),
        // As it is written, and no other way to say it.
        [Value::Typed { kind, text }] if kind == KIND => {
            let id = hex(text).filter(|hex| !hex.bytes().any(|byte| byte.is_ascii_uppercase()));
            id.and_then(|id| ObjectId::parse_str(id).ok()).map(Bson::ObjectId)
        }
        _ => None,
    }
}

/// Reads [`keys_to_bson`].
pub(crate) fn keys_from_bson(kept: &Bson) -> Option<Vec<Key>> {
    match kept {
        Bson::Array(ids) => Some(ids.iter().map(|id| Key(vec![value(id)])).collect()),
        Bson::Binary(Binary { subtype: OBJECT_IDS, bytes }) => {
            let (ids, rest) = bytes.as_chunks::<OBJECT_ID_BYTES>();
            let key = |id: &[u8; OBJECT_ID_BYTES]| Key(vec![value(&Bson::ObjectId(ObjectId::from_bytes(*id)))]);
            rest.is_empty().then(|| ids.iter().map(key).collect())
        }
        Bson::String(json) => serde_json::from_str(json).ok(),
        _ => None,
    }
}

/// Fields of a document of ours; absent where it holds something else.
pub(crate) trait Fields {
    fn text(&self, name: &str) -> Option<String>;
    fn number(&self, name: &str) -> Option<u64>;
    fn bytes(&self, name: &str) -> Option<Vec<u8>>;
    fn at(&self, name: &str) -> Option<Timestamp>;
    fn is_null(&self, name: &str) -> bool;
    fn is_true(&self, name: &str) -> bool;
    fn says(&self, name: &str, text: &str) -> bool;

    /// 32 bytes; a damaged value fails every comparison with what we know.
    fn bytes32(&self, name: &str) -> Option<[u8; 32]> {
        self.bytes(name).map(|bytes| bytes.try_into().unwrap_or([0; 32]))
    }
}

// === impl Document ===

impl Fields for Document {
    fn text(&self, name: &str) -> Option<String> {
        self.get_str(name).ok().map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<u64> {
        reply::number(self.get(name)?)
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self.get(name)? {
            Bson::Binary(binary) => Some(binary.bytes.clone()),
            _ => None,
        }
    }

    fn at(&self, name: &str) -> Option<Timestamp> {
        self.get_str(name).ok()?.parse().ok()
    }

    fn says(&self, name: &str, text: &str) -> bool {
        self.get_str(name).is_ok_and(|said| said == text)
    }

    fn is_true(&self, name: &str) -> bool {
        self.get_bool(name).unwrap_or(false)
    }

    fn is_null(&self, name: &str) -> bool {
        matches!(self.get(name), None | Some(Bson::Null))
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::oid::ObjectId;
    use mongodb::bson::{Binary, Bson};

    use super::{KIND, Key, OBJECT_IDS, Value, bson, canonical, keys_from_bson, keys_to_bson, value};

    #[test]
    fn numbers_that_are_equal_are_one_key() {
        for number in [Bson::Int32(1), Bson::Int64(1), Bson::Double(1.0)] {
            assert_eq!(value(&number), Value::Int(1), "{number}");
        }
        for other in [Bson::Double(94.958_862_831_581_03), Bson::Null, Bson::ObjectId(ObjectId::new())] {
            assert_eq!(bson(&value(&other)), Some(other.clone()), "{other}");
        }
    }

    #[test]
    fn keys_come_back_exactly() {
        let keys = vec![
            Key(vec![Value::Int(i64::MIN)]),
            Key(vec![Value::Text("a\0b".into())]),
            Key(vec![Value::Typed { kind: "objectId".into(), text: "665f".into() }, Value::Bytes(vec![0, 255])]),
        ];
        let kept = keys_to_bson(&keys).unwrap();
        assert!(matches!(kept, Bson::String(_)));
        assert_eq!(keys_from_bson(&kept).unwrap(), keys);

        let id = canonical(&Bson::ObjectId(ObjectId::new()));
        let plain = [Value::Int(i64::MAX), Value::Text("a\0b".into()), Value::Typed { kind: KIND.into(), text: id }];
        let plain: Vec<Key> = plain.into_iter().map(|value| Key(vec![value])).collect();
        let kept = keys_to_bson(&plain).unwrap();
        assert!(matches!(kept, Bson::Array(_)));
        assert_eq!(keys_from_bson(&kept).unwrap(), plain);

        let ids = [[0; 12], [255; 12], *b"eighteen_ids"].map(|id| Bson::ObjectId(ObjectId::from_bytes(id)));
        let keys: Vec<Key> = ids.iter().map(|id| Key(vec![value(id)])).collect();
        let kept = keys_to_bson(&keys).unwrap();
        assert!(matches!(&kept, Bson::Binary(kept) if kept.bytes.len() == 36));
        assert_eq!(keys_from_bson(&kept).unwrap(), keys);
        // Also as they were kept before.
        assert_eq!(keys_from_bson(&Bson::Array(ids.to_vec())).unwrap(), keys);
        let cut = Bson::Binary(Binary { subtype: OBJECT_IDS, bytes: vec![0; 35] });
        assert_eq!(keys_from_bson(&cut), None);
    }

    #[test]
    fn keys_that_are_written_otherwise_are_kept_as_they_are_written() {
        let written = r#"{"$oid":"ABCDEF0123456789abcdef01"}"#;
        let keys = vec![Key(vec![Value::Typed { kind: KIND.into(), text: written.into() }])];
        let kept = keys_to_bson(&keys).unwrap();
        assert!(matches!(kept, Bson::String(_)));
        assert_eq!(keys_from_bson(&kept).unwrap(), keys);
    }
}
