//! Whether bytes are canonical JSON, in one pass and without building a value: a log of a million entries is checked
//! this way. Takes foreign bytes; accepts exactly what [`super::canonical::to_vec`] writes.

use std::cmp::Ordering;

/// Nesting deeper than this is no entry.
const DEPTH_MAX: u32 = 32;

/// Whether `bytes` are one value in canonical form.
pub(super) fn is_canonical(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut reader = Reader { text, at: 0 };
    reader.value(0).is_some() && reader.at == text.len()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, token: &str) -> Option<()> {
        let found = self.text[self.at..].starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found.then_some(())
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(|_| ()),
            b't' => self.take("true"),
            b'f' => self.take("false"),
            _ => self.integer(),
        }
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        self.take("[")?;
        if self.take("]").is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.take(",").is_none() {
                return self.take("]");
            }
        }
    }

    fn object(&mut self, depth: u32) -> Option<()> {
        self.take("{")?;
        if self.take("}").is_some() {
            return Some(());
        }
        let mut before: Option<&str> = None;
        loop {
            let key = self.string()?;
            // Keys ascend strictly, so none comes twice. Escapes are rare in keys; then both are read in full.
            if before.is_some_and(|before| compare(before, key) != Ordering::Less) {
                return None;
            }
            before = Some(key);
            self.take(":")?;
            self.value(depth + 1)?;
            if self.take(",").is_none() {
                return self.take("}");
            }
        }
    }

    /// An integer up to 2^53 - 1 in size without a sign that says nothing and without leading zeros.
    fn integer(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest[sign..].iter().take_while(|b| b.is_ascii_digit()).count();
        let text = &self.text[self.at..self.at + sign + digits];
        let value: i64 = text.parse().ok()?;
        self.at += text.len();
        // Printing again is the definition of the one form that a number has.
        (value.unsigned_abs() < 1 << 53 && value.to_string() == text).then_some(())
    }

    /// A string with exactly the escapes that RFC 8785 section 3.2.2.2 asks for; returns its inside, still escaped.
    fn string(&mut self) -> Option<&'a str> {
        self.take("\"")?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => {
                    let inside = &self.text[start..self.at];
                    self.at += 1;
                    return Some(inside);
                }
                b'\\' => self.escape()?,
                byte if byte < 0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let length = match rest.first()? {
            b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r' => 2,
            b'u' => {
                let [b'u', b'0', b'0', high @ (b'0' | b'1'), low, ..] = rest else { return None };
                let has_short_form = *high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd');
                (matches!(low, b'0'..=b'9' | b'a'..=b'f') && !has_short_form).then_some(6)?
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }
}

/// The order of two keys, given as they are escaped: by UTF-16 code units.
fn compare(one: &str, other: &str) -> Ordering {
    let plain = |text: &str| text.is_ascii() && !text.contains('\\');
    if plain(one) && plain(other) {
        return one.cmp(other);
    }
    let read = |text: &str| -> Vec<u16> {
        let text: String = serde_json::from_str(&format!("\"{text}\"")).unwrap_or_default();
        text.encode_utf16().collect()
    };
    read(one).cmp(&read(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::is_canonical;
    use crate::evidence::canonical;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\u{0}-\u{20}\"\\\\\u{7f}a]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("[a-c\u{fb33}\u{1f600}\n\\\\]{0,3}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_canonical_and_nothing_close_to_it_that_differs(
            value in values(), at: prop::sample::Index, byte: u8,
        ) {
            let mut bytes = canonical::to_vec(&value).unwrap();
            prop_assert!(is_canonical(&bytes));
            let place = at.index(bytes.len());
            bytes[place] = byte;
            let rewritten = serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| canonical::to_vec(&value).ok());
            prop_assert_eq!(is_canonical(&bytes), rewritten.as_deref() == Some(bytes.as_slice()));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in "[\\[{\"\\\\u0-9a:,\\]}]{0,40}") {
            is_canonical(&bytes);
            is_canonical(text.as_bytes());
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "{}x",
            " {}",
            "{ }",
            "[1,]",
            "[01]",
            "[-0]",
            "[+1]",
            "[1.0]",
            "[1e3]",
            "[9007199254740992]",
            "null",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"["\u0041"]"#,
            r#"["\/"]"#,
            r#"["\u000a"]"#,
            r#"["\u001F"]"#,
            "[\"\n\"]",
        ] {
            assert!(!is_canonical(text.as_bytes()), "{text}");
        }
        assert!(is_canonical(canonical::to_vec(&json!({ "a": [1, -1, "\u{1f}", {}] })).unwrap().as_slice()));
        assert!(!is_canonical("[".repeat(1_000_000).as_bytes()));
    }
}
