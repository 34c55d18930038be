//! A document as a tree in which every key and value knows where it stands, and scalars keep the type they were
//! written with.

use std::ops::Range;

use super::place::Place;

/// A value.
#[derive(Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    /// Bytes of the source; empty for values that come from elsewhere.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, PartialEq)]
pub(super) enum Kind {
    /// Nothing was written, or null.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text {
        text: String,
        /// Written bare as `yes`, `no`, `on` or `off`, which older readers take for truth values.
        bare_word: bool,
    },
    /// Text of an environment variable or a flag, whose type is that of the setting.
    Untyped(String),
    /// A number that readers of YAML disagree about, or that does not fit.
    Odd(Oddity),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) span: Range<usize>,
}

/// Why a number is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// `010`: eight for some, ten for others.
    LeadingZero,
    /// `0x1f`, `0o17`, `0b1`, `1_000`.
    Notation,
    /// Beyond 64 bits.
    TooLarge,
    /// `.inf`, `.nan`.
    NotFinite,
}

// === impl Kind ===

impl Kind {
    /// What it is, in words; never its value.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) | Self::Odd(_) => "a number",
            Self::Text { .. } | Self::Untyped(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

// === impl Oddity ===

impl Oddity {
    /// What is wrong and what to do.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LeadingZero => (
                "a number with a leading zero is eight to some readers of YAML and ten to others",
                "write it without the zero, or in quotes if it is text",
            ),
            Self::Notation => (
                "readers of YAML disagree about numbers in this notation",
                "write plain decimal digits, or put it in quotes if it is text",
            ),
            Self::TooLarge => ("the number does not fit into 64 bits", "write a smaller one, or put it in quotes"),
            Self::NotFinite => {
                ("infinity and not-a-number are no values here", "write a number, or quotes around text")
            }
        }
    }
}
