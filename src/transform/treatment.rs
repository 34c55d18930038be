//! What happens to one value, as a policy says it.

use forgetd_connector::{Grain, Value};

/// The largest integer where no column says one.
const INTEGER_MAX: i64 = i32::MAX as i64;

/// What happens to the value at one place.
#[derive(Clone, Debug, PartialEq)]
pub enum Treatment {
    /// A token stands in its place.
    Pseudonymize {
        /// The form of the token.
        kind: TokenKind,
        /// Whose key makes it.
        domain: String,
    },
    /// This stands in its place; [`Value::Null`] takes it away.
    Redact(Value),
    /// It becomes coarser.
    Generalize(Grain),
}

/// The form of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A word of 26 lower case letters and digits.
    Text,
    /// An address of 44 characters that no mail reaches.
    Email,
    /// A telephone number of as many digits, at least six.
    Phone,
    /// Another digit for each digit, at least four; everything else stays as it is, letters too.
    Digits {
        /// What the last one is computed by.
        check: Option<CheckDigit>,
    },
    /// A network address that nobody has, of the same family.
    Ip,
    /// A UUID of version 8.
    Uuid,
    /// A positive number.
    Integer {
        /// The largest; absent: what the column takes, inside JSON 2^31 - 1. Another one gives other tokens.
        max: Option<i64>,
    },
}

/// What a last digit is computed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDigit {
    /// ISO/IEC 7812-1, annex B.
    Luhn,
}

// === impl Treatment ===

impl Treatment {
    /// The domain whose key it needs.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Pseudonymize { domain, .. } => Some(domain),
            Self::Redact(_) | Self::Generalize(_) => None,
        }
    }
}

// === impl TokenKind ===

impl TokenKind {
    /// As a policy writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Digits { .. } => "digits",
            Self::Ip => "ip",
            Self::Uuid => "uuid",
            Self::Integer { .. } => "integer",
        }
    }

    /// The largest integer that a token of this kind is there; at least 1.
    pub fn largest(self, holder: Holder) -> i64 {
        let column = match holder {
            Holder::Integer { max } => max,
            _ => INTEGER_MAX,
        };
        match self {
            Self::Integer { max: Some(max) } if matches!(holder, Holder::Integer { .. }) => max.min(column).max(1),
            Self::Integer { max: Some(max) } => max.max(1),
            _ => column.max(1),
        }
    }
}

/// What holds a value: decides what can be written there, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A place inside JSON, or inside a field of a document.
    Json,
    /// A whole field of a document, whatever it holds.
    Any,
    /// A column of text.
    Text,
    /// A column of integers.
    Integer {
        /// The largest one.
        max: i64,
    },
    /// A column of other numbers.
    Number,
    /// A column of moments or dates.
    Time,
    /// A column of truth values.
    Bool,
    /// A column of a type for UUIDs.
    Uuid,
    /// A column of a type for network addresses.
    Address,
    /// A column of JSON as a whole.
    WholeJson,
    /// A column of another type.
    Other,
}
