//! Native conditions that the oracle can judge: each is the same text on every engine of tables, and the same filter on every
//! engine of documents.

use super::Truth;

/// A condition on `id`, an integer that every table of the kit has and that is never NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// Two rows out of three.
    NotEveryThird,
    /// Joined with `or`: whoever pastes it without parentheses gets other rows.
    Either,
    /// Unknown for every fourth row, true for the others.
    UnknownAtTimes,
    /// Has a quoted text that looks like more SQL.
    Quoted,
}

// === impl Native ===

impl Native {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::NotEveryThird, Self::Either, Self::UnknownAtTimes, Self::Quoted];

    /// What stands in a policy.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotEveryThird => "id % 3 <> 0",
            Self::Either => "id % 2 = 0 or id < 6",
            Self::UnknownAtTimes => "nullif(id % 4, 0) > 0",
            Self::Quoted => "'a) or ('' or 1=1' <> 'b' and id % 5 <> 1",
        }
    }

    /// What stands in a policy for documents. A filter knows nothing that is unknown: what is unknown in a table is false.
    pub const fn filter(self) -> &'static str {
        match self {
            Self::NotEveryThird => r#"{"_id": {"$not": {"$mod": [3, 0]}}}"#,
            Self::Either => r#"{"$or": [{"_id": {"$mod": [2, 0]}}, {"_id": {"$lt": 6}}]}"#,
            Self::UnknownAtTimes => r#"{"_id": {"$not": {"$mod": [4, 0]}}}"#,
            Self::Quoted => r#"{"_id": {"$not": {"$mod": [5, 1]}}, "a}, {'$or": {"$ne": "}]}"}}"#,
        }
    }

    /// The one of this text.
    pub fn called(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|native| native.text() == text || native.filter() == text)
    }

    /// Whether it holds for the row with this id.
    pub fn holds(self, id: i64) -> Truth {
        match self {
            Self::NotEveryThird => (id % 3 != 0).into(),
            Self::Either => (id % 2 == 0 || id < 6).into(),
            Self::UnknownAtTimes if id % 4 == 0 => Truth::Unknown,
            Self::UnknownAtTimes => (id % 4 > 0).into(),
            Self::Quoted => (id % 5 != 1).into(),
        }
    }
}
