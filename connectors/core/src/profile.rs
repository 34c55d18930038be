//! What a plan says about rows beside how many are due.

use jiff::Timestamp;
use serde::Serialize;

use crate::Count;

/// How rows are spread, and what is kept although somebody may expect it to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Rows that are due, by the month of their moment, as the column writes it (instants and numbers in UTC).
    pub months: Vec<Month>,
    /// Whether every due row was looked at; else counting stopped at the cap.
    pub complete: bool,
    /// Rows that stay, by reason; reasons that cannot occur are left out, those that do not occur have 0.
    pub kept: Vec<KeptRows>,
}

/// Due rows of one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Month {
    /// `YYYY-MM`; absent where there is no moment (NULL that means delete).
    pub month: Option<String>,
    /// How many rows.
    pub rows: u64,
}

/// Rows that stay for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptRows {
    /// The reason.
    pub why: KeptWhy,
    /// How many.
    pub rows: Count,
}

/// Why rows stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptWhy {
    /// There is no moment, and the rule keeps such rows.
    Null,
    /// The moment lies in the future.
    Future,
    /// The moment cannot be read as time.
    Unreadable,
    /// What should be the moment is of this type, which says no time; the engine's name of the type.
    Mistyped(String),
    /// They would be due, and this rule keeps them.
    Rule(String),
    /// They would be due, and children of theirs must stay; the foreign key's name.
    Child(String),
}

/// Why one row goes or stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it is due.
    pub due: bool,
    /// Every condition, in the order they stand in the predicate.
    pub clauses: Vec<Clause>,
}

/// One condition on one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Which.
    pub what: ClauseOf,
    /// Whether it is true for the row; absent: unknown. For [`ClauseOf::Kept`] true means that the row is kept.
    pub holds: Option<bool>,
    /// The moment that was compared with the cutoff, for conditions that compare one and where it can be read.
    pub moment: Option<Timestamp>,
}

/// Which condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClauseOf {
    /// The period is over.
    Since,
    /// A part of `where`, named by its paths.
    Where(String),
    /// `where_native`.
    Native,
    /// The transform is not done.
    Undone,
    /// Another rule keeps the row.
    Kept(String),
    /// A child of the row must stay; the foreign key's name. True means that the row stays with it.
    Child(String),
}

/// The engine's own account of how it would run a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Which of the step's statements: `change`, `count`, ..
    pub statement: String,
    /// What the engine prints.
    pub text: String,
}
