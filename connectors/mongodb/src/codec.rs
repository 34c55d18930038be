//! Values between the seam and BSON, without loss, and numbers as the control collections keep them.

use forgetd_connector::Key;
#[cfg(test)]
use forgetd_connector::Value;
use jiff::Timestamp;
use mongodb::bson::spec::BinarySubtype;
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

/// A list of keys as JSON.
pub(crate) fn keys_to_json(keys: &[Key]) -> Option<String> {
    serde_json::to_string(keys).ok()
}

/// Reads [`keys_to_json`].
pub(crate) fn keys_from_json(json: &str) -> Option<Vec<Key>> {
    serde_json::from_str(json).ok()
}

/// Fields of a document of ours; absent where it holds something else.
pub(crate) trait Fields {
    fn text(&self, name: &str) -> Option<String>;
    fn number(&self, name: &str) -> Option<u64>;
    fn bytes(&self, name: &str) -> Option<Vec<u8>>;
    fn at(&self, name: &str) -> Option<Timestamp>;
    fn is_null(&self, name: &str) -> bool;
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

    fn is_null(&self, name: &str) -> bool {
        matches!(self.get(name), None | Some(Bson::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Value, keys_from_json, keys_to_json};

    #[test]
    fn keys_come_back_exactly() {
        let keys = vec![
            Key(vec![Value::Int(i64::MIN)]),
            Key(vec![Value::Text("a\0b".into())]),
            Key(vec![Value::Typed { kind: "objectId".into(), text: "665f".into() }, Value::Bytes(vec![0, 255])]),
        ];
        assert_eq!(keys_from_json(&keys_to_json(&keys).unwrap()).unwrap(), keys);
    }
}
