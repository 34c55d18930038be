//! How rows are transformed: which places are written, with what, and how a row is known to be done.

use crate::{Cause, Key, Path, PathStep, TableRef, Value};

/// What a transform writes into a row. Whether a row is done already is asked by [`crate::Selection::undone`].
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    /// A column that is set in the same statement to say that the row is done.
    pub marker: Option<Marker>,
    /// Of a collection, the path to a number that every write of a document counts up, ours too: a change is made where it
    /// is as it was read, instead of where the old values are. Absent: the old values are compared.
    pub version: Option<String>,
    /// The places that are written, each once. Those of one JSON column stand beside each other.
    pub places: Vec<Place>,
    /// Tables whose referencing columns the engine changes along with the row's, because their foreign keys say so and
    /// the rule allows it.
    pub follows: Vec<TableRef>,
}

/// A column that says that a row is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// The column; of a collection the path to a field, as [`crate::Path::parse`] reads it.
    pub column: String,
    /// What is written into it, in the column's own text form.
    pub value: Value,
}

/// One place that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// A column, or a place in a JSON column.
    pub path: Path,
    /// What is written.
    pub put: Put,
    /// Values such as will be written, to try constraints with; empty where the old value decides too much. Texts of the
    /// column's own form, never taken from a row.
    pub samples: Vec<Value>,
}

/// What is written at a place. NULL, and what is missing inside JSON, is never written over.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// The same in every row; only for a whole column. Value::Null takes the value away.
    Constant(Value),
    /// The old value, coarser; only for a whole column. The engine does it itself, so that what it writes is what
    /// [`Shape::Coarse`] takes for done.
    Coarser(Grain),
    /// What [`Transform`] makes of the old value.
    Computed,
}

/// How coarse a value becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grain {
    /// A moment or date becomes the first of its day, in UTC where it is an instant.
    Day,
    /// The first of its month.
    Month,
    /// The first of its quarter.
    Quarter,
    /// The first of its year.
    Year,
    /// A number becomes a multiple of this one, a positive decimal: integers the next lower, others the nearest (away from
    /// zero in the middle).
    Step(String),
    /// A text becomes its first so many characters.
    Prefix(u32),
    /// An address becomes the network that it lies in, by the lengths of their prefixes. Only for columns of a type for
    /// addresses.
    Network {
        /// For IPv4.
        v4: u8,
        /// For IPv6.
        v6: u8,
    },
}

/// One sign that a row is not done. A row is transformed if it has at least one of its rule's.
#[derive(Clone, Debug, PartialEq)]
pub enum Undone {
    /// The marker is NULL.
    Unmarked(String),
    /// The moment in the marker lies before the one in a column of the same type: the row was used again after it was
    /// done. Not where one of them is NULL.
    MarkedBefore {
        /// The marker.
        marker: String,
        /// The column that the period counts from.
        since: String,
    },
    /// There is a value at the path, neither NULL nor JSON null, that has another shape. Behind `[]`: in at least one
    /// element.
    Other {
        /// Where.
        path: Path,
        /// How a value looks that is done.
        shape: Shape,
    },
    /// The value at the path is a text, and exactly one of these, by code points; a type without a form of its own in
    /// [`Value`]: the engine's text in lower case. Behind `[]`: in at least one element.
    Is {
        /// Where.
        path: Path,
        /// The texts. They were read from rows: nothing shows them.
        texts: Vec<String>,
    },
}

/// How a value looks that is done. Never asked of NULL, which is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// None does: the value is taken away.
    Nothing,
    /// This very value, by type and code points.
    Constant(Value),
    /// As coarse as this. Only for a whole column.
    Coarse(Grain),
    /// Its text (a type without a form of its own in [`Value`]: the engine's text in lower case) is of one of these forms:
    /// `%` is any text, `_` any one character, nothing is escaped. A value of JSON that is no text has none of them.
    Like(Vec<String>),
}

/// The old values of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct OldRow {
    /// Those of [`Rewrite::computed`], in its order; a type without a form of its own in [`Value`] as the engine's text.
    pub values: Vec<Value>,
    /// Whether the marker says that the row was done already.
    pub marked: bool,
}

/// Some of the rows that a transform is done with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DoneRows {
    /// The rows, in the order of their position.
    pub rows: Vec<OldRow>,
    /// The position behind which the rest lies, for the same connector alone; absent: there is nothing more.
    pub next: Option<Key>,
}

/// What becomes of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum NewRow {
    /// The new values, in the order of the old ones.
    Values(Vec<Value>),
    /// Every value stays as it is. Of a row that nothing else is to be written into, it cannot be read as what the rule
    /// says it is: the row is due and would stay so.
    Same,
    /// A value cannot be read as what the rule says it is. The row is passed over.
    Unfit(Cause),
}

/// Computes new values from old ones. Pure, given its keys; it may take a while, so it is called where nothing waits
/// for it. Rows that are done come out as they went in.
pub trait Transform: Send + Sync {
    /// One answer for each row, in their order.
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow>;
}

// === impl Rewrite ===

impl Rewrite {
    /// The columns whose new values are computed, each once, in the order of the places.
    pub fn computed(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = vec![];
        for place in self.places.iter().filter(|place| place.put == Put::Computed) {
            if !columns.contains(&place.path.column.as_str()) {
                columns.push(&place.path.column);
            }
        }
        columns
    }

    /// Every column that is written, the marker included, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = vec![];
        let places = self.places.iter().map(|place| place.path.column.as_str());
        for column in places.chain(self.marker.iter().map(|marker| marker.column.as_str())) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }
}

// === impl Place ===

impl Place {
    /// Whether it is a whole column.
    pub const fn is_column(&self) -> bool {
        self.path.steps.is_empty()
    }

    /// Whether it goes through every element of an array.
    pub fn is_many(&self) -> bool {
        self.path.steps.contains(&PathStep::Each)
    }
}

// === impl Grain ===

impl Grain {
    /// As a policy writes it.
    pub fn word(&self) -> String {
        match self {
            Self::Day => "day".into(),
            Self::Month => "month".into(),
            Self::Quarter => "quarter".into(),
            Self::Year => "year".into(),
            Self::Step(step) => format!("step {step}"),
            Self::Prefix(chars) => format!("prefix {chars}"),
            Self::Network { v4, v6 } => format!("/{v4}, /{v6}"),
        }
    }
}

/// The transform of a step that computes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Untouched;

// === impl Untouched ===

impl Transform for Untouched {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        vec![NewRow::Same; rows.len()]
    }
}
