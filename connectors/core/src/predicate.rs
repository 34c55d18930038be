//! What must hold for a row, the same on every engine.
//!
//! Three-valued: a row is due only where the whole is true. Comparison is exact, by type and by code points, whatever
//! collation and conversions the engine has. A comparison with NULL, with something that is missing, or with a value of
//! another type than the literal's is unknown: it never matches, and neither does its negation. Numbers are one type
//! and compare by value.

use crate::{Path, Value};

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Every part is true. Empty: always true.
    All(Vec<Predicate>),
    /// At least one part is true. Empty: never true.
    Any(Vec<Predicate>),
    /// The part is false. Unknown stays unknown, unless `or_null` makes it true.
    Not {
        /// What must be false.
        part: Box<Predicate>,
        /// Whether unknown counts as a match.
        or_null: bool,
    },
    /// A test of one value.
    Test(Test),
}

/// A test of what lies at a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Where the value is.
    pub path: Path,
    /// What is asked of it.
    pub check: Check,
    /// Whether unknown counts as a match.
    pub or_null: bool,
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// How it compares with a literal. Truth values are only equal or not. The literal is never NULL.
    Compare(Comparison, Value),
    /// It equals one of these; never empty, no NULL among them. Unknown where no literal is of the value's type.
    In(Vec<Value>),
    /// It equals none of these; never empty, no NULL among them. Unknown where no literal is of the value's type.
    NotIn(Vec<Value>),
    /// Text of this form: `%` is any text, `_` any one character, a backslash takes the next character as it is (and is
    /// never the last).
    Like(String),
    /// Text that begins with this.
    Prefix(String),
    /// Whether it is NULL, JSON null or missing. Never unknown. Not behind [`crate::PathStep::Each`].
    Null(bool),
    /// Whether it is there at all, JSON null included. Never unknown. Only inside JSON, not behind [`crate::PathStep::Each`].
    Exists(bool),
}

/// How a value lies to a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Equal,
    /// Another one of the same type.
    NotEqual,
    /// Before it: numbers by value, text by code points.
    Less,
    /// Before it, or the same.
    LessOrEqual,
    /// Behind it.
    Greater,
    /// Behind it, or the same.
    GreaterOrEqual,
}

// === impl Predicate ===

impl Predicate {
    /// What holds for every row.
    pub const fn always() -> Self {
        Self::All(vec![])
    }

    /// A column equals a value.
    pub fn equal(column: &str, value: Value) -> Self {
        Self::test(column, Check::Compare(Comparison::Equal, value))
    }

    /// A column equals one of these values.
    pub fn one_of(column: &str, values: Vec<Value>) -> Self {
        Self::test(column, Check::In(values))
    }

    fn test(column: &str, check: Check) -> Self {
        Self::Test(Test { path: Path { column: column.into(), steps: vec![] }, check, or_null: false })
    }

    /// The paths that it asks, each once, in order: what people are told it is about.
    pub fn paths(&self) -> String {
        let mut paths: Vec<String> = vec![];
        for test in self.tests() {
            let path = test.path.to_string();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths.join(", ")
    }

    /// Every test in it, in order.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
            Self::Not { part, .. } => part.tests(),
            Self::Test(test) => vec![test],
        }
    }
}

// === impl Check ===

impl Check {
    /// The literals it compares with.
    pub fn values(&self) -> &[Value] {
        match self {
            Self::Compare(_, value) => std::slice::from_ref(value),
            Self::In(values) | Self::NotIn(values) => values,
            Self::Like(_) | Self::Prefix(_) | Self::Null(_) | Self::Exists(_) => &[],
        }
    }
}
