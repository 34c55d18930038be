//! Values that mean the same become one text before a token is made of them.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// NFC, without white space around it.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        // Composing can bring no white space to the ends.
        _ => Cow::Owned(text.nfc().collect()),
    }
}

/// As a text, in lower case.
pub(super) fn email(email: &str) -> String {
    // Lower case can undo NFC, so it comes first.
    text(&email.to_lowercase()).into_owned()
}

/// A `+` where one stands before every digit, and the digits.
pub(super) fn phone(phone: &str) -> String {
    let mut normal = String::new();
    for c in phone.chars() {
        if c.is_ascii_digit() || (c == '+' && normal.is_empty()) {
            normal.push(c);
        }
    }
    normal
}

/// The digits.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// In decimal, if it is an integer.
pub(super) fn integer(text: &str) -> Option<String> {
    text.trim().parse::<i128>().ok().map(|integer| integer.to_string())
}

/// The bits of a UUID: 32 hexadecimal digits, with or without hyphens, braces or `urn:uuid:`.
pub(super) fn uuid(text: &str) -> Option<u128> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix("urn:uuid:").unwrap_or(&lower);
    let bare = bare.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(bare);
    let digits: String = bare.chars().filter(|c| *c != '-').collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|c| c.is_ascii_hexdigit());
    is_uuid.then(|| u128::from_str_radix(&digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_means_the_same_becomes_one() {
        for (one, other) in
            [(" Anna ", "Anna"), ("A\u{30a}sa", "\u{c5}sa"), ("\u{212b}", "\u{c5}"), ("\u{3000}x\n", "x")]
        {
            assert_eq!(super::text(one), super::text(other));
        }
        for (one, other) in [("Anna.B@Example.COM", " anna.b@example.com"), ("A\u{30a}SA@x.se", "\u{e5}sa@x.se")] {
            assert_eq!(super::email(one), super::email(other));
        }
        for (text, normal) in [
            ("+46 (0)70-123 45 67", "+460701234567"),
            (" (+46) 70 1", "+46701"),
            ("070/12+3", "070123"),
            ("tel: 112", "112"),
            ("none", ""),
        ] {
            assert_eq!(super::phone(text), normal);
        }
        for (text, normal) in [("007", Some("7")), (" -3 ", Some("-3")), ("+5", Some("5")), ("1.0", None), ("", None)] {
            assert_eq!(super::integer(text).as_deref(), normal);
        }
    }

    #[test]
    fn uuids_are_read_in_every_usual_form() {
        let expected = Some(0x0000_0000_0000_0000_0123_4567_89ab_cdef);
        for text in [
            "00000000-0000-0000-0123-456789abcdef",
            "00000000-0000-0000-0123-456789ABCDEF",
            "{00000000-0000-0000-0123-456789abcdef}",
            "urn:uuid:00000000-0000-0000-0123-456789abcdef",
            "00000000000000000123456789abcdef",
        ] {
            assert_eq!(super::uuid(text), expected, "{text}");
        }
        for text in ["", "0", "g0000000000000000123456789abcdef", "+0000000000000000123456789abcdef"] {
            assert_eq!(super::uuid(text), None, "{text}");
        }
    }
}
