//! Names and values between SQL and the seam: literals that no session's settings can change the meaning of.

mod column;

pub(crate) use column::{
    bind, bytes_of, constant, cutoff, exact_text, from_text, is_binary, labels, old, parameter, read, text, unicode,
    value, with_exponent, written,
};

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Writes a text so that neither `sql_mode` nor the connection's character set reads anything else into it: in quotes where it
/// has no letter that could mean something there, else as the digits of its bytes, which are twice as many.
pub(crate) fn write_text(out: &mut String, text: &str) {
    out.push_str("_utf8mb4 ");
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\');
    if text.bytes().all(plain) {
        out.reserve(text.len() + 2);
        out.push('\'');
        out.push_str(text);
        out.push('\'');
    } else {
        write_hex(out, text.as_bytes());
    }
}

/// Writes bytes.
pub(crate) fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("_binary ");
    write_hex(out, bytes);
}

/// A text in quotes, for statements that a person reads and runs: account names and the like. Absent: it holds what some
/// `sql_mode` reads in another way.
pub(crate) fn quoted_text(text: &str) -> Option<String> {
    (!text.contains(['\\', '\0'])).then(|| format!("'{}'", text.replace('\'', "''")))
}

/// An account, in quotes: `user@host`, or a user from everywhere.
pub(crate) fn account(role: &str) -> String {
    let quoted = |text: &str| {
        let bare = text.trim_matches(['`', '\'', '"']);
        quoted_text(bare).unwrap_or_else(|| quote(bare))
    };
    let (user, host) = role.rsplit_once('@').unwrap_or((role, "%"));
    format!("{}@{}", quoted(user), quoted(host))
}

fn write_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2 + 3);
    out.push_str("x'");
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            out.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use super::{account, quote, quoted_text};

    #[test]
    fn accounts_are_quoted_in_both_parts() {
        for (role, expected) in [
            ("forgetd", "'forgetd'@'%'"),
            ("forgetd@localhost", "'forgetd'@'localhost'"),
            ("`forgetd`@`10.0.0.%`", "'forgetd'@'10.0.0.%'"),
            ("a@b@h", "'a@b'@'h'"),
        ] {
            assert_eq!(account(role), expected, "{role}");
        }
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote("a`b"), "`a``b`");
        assert_eq!(quoted_text("o'brien").as_deref(), Some("'o''brien'"));
        assert_eq!(quoted_text("a\\"), None);
    }
}
