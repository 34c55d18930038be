//! What happens to one value, as a policy says it.

use forgetd_connector::{Grain, Value};

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
    /// A word of lower case letters and digits.
    Text,
    /// An address that no mail reaches.
    Email,
    /// A telephone number.
    Phone,
    /// Another digit for each digit.
    Digits {
        /// What the last one is computed by.
        check: Option<CheckDigit>,
    },
    /// An address that nobody has.
    Ip,
    /// A UUID of version 8.
    Uuid,
    /// A positive number.
    Integer {
        /// The largest; absent: what the column takes.
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
}

/// What holds a value: decides what can be written there, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A place inside JSON.
    Json,
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
