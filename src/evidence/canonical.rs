//! Canonical JSON: RFC 8785 on a subset where it needs no number formatting.
//!
//! Allowed are objects, arrays, strings, booleans and integers up to 2^53 - 1 in size; floats, null and larger
//! integers are refused, so sorted keys and compact form *are* the canonical form, and any JSON reader agrees.

use serde_json::Value;
use thiserror::Error;

/// The largest integer every JSON reader keeps exactly.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Why a value has no canonical form here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// It is null.
    #[error("null has no place in an entry")]
    Null,
    /// It is a float or an integer beyond 2^53 - 1.
    #[error("numbers must be integers up to 2^53 - 1")]
    Number,
}

/// The canonical bytes of `value`.
pub fn to_vec(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::with_capacity(512);
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => return Err(CanonicalError::Null),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Number(number) => match number.as_i64() {
            Some(number) if number.abs() <= INTEGER_MAX => out.extend_from_slice(number.to_string().as_bytes()),
            _ => return Err(CanonicalError::Number),
        },
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            // RFC 8785 section 3.2.3: by UTF-16 code units.
            keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                string(key, out);
                out.push(b':');
                write(&map[key], out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// serde_json escapes exactly what RFC 8785 section 3.2.2.2 asks for.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Neither text nor vector can fail.
    serde_json::to_writer(out, text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CanonicalError, to_vec};

    #[test]
    fn keys_are_sorted_by_utf16_units_and_nothing_is_spaced() {
        let value = json!({ "\u{fb33}": 1, "\u{1f600}": 2, "b": [true, "x\n\u{1}\u{7f}é"], "a": {} });
        let text = String::from_utf8(to_vec(&value).unwrap()).unwrap();
        assert_eq!(text, "{\"a\":{},\"b\":[true,\"x\\n\\u0001\u{7f}é\"],\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for (value, error) in [
            (json!(null), CanonicalError::Null),
            (json!(1.0), CanonicalError::Number),
            (json!(-0.0), CanonicalError::Number),
            (json!(9_007_199_254_740_992_i64), CanonicalError::Number),
            (json!(u64::MAX), CanonicalError::Number),
            (json!([{ "deep": null }]), CanonicalError::Null),
        ] {
            assert_eq!(to_vec(&value), Err(error), "{value}");
        }
        assert_eq!(to_vec(&json!(-9_007_199_254_740_991_i64)).unwrap(), b"-9007199254740991");
    }
}
