//! What the database says about its tables.

use std::borrow::Cow;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Atomicity, TableRef};

/// The described tables, in the order they were asked for. A table that does not exist is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Catalog {
    /// One description per existing table.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Its name, with the schema resolved.
    pub name: TableRef,
    /// The name by which it was asked for: which table a name without a schema means is the engine's to say.
    #[serde(skip)]
    pub asked: TableRef,
    /// What kind of object it is.
    pub kind: TableKind,
    /// Columns in their order; of a [`TableKind::Collection`] those alone that every document has.
    pub columns: Vec<Column>,
    /// Columns of the primary key, else of the first unique key whose columns are all not null. Empty: none.
    pub key: Vec<String>,
    /// Indexes that a range or an equality can use (no partial, no expression indexes).
    pub indexes: Vec<Index>,
    /// Foreign keys of other tables (or of itself) that point here, and those that point at tables these cascade to:
    /// the whole closure that a delete can reach.
    pub referenced_by: Vec<ForeignKey>,
    /// Columns of this table that reference others (or itself).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Where the rows really are, if not in the object itself: the partitions of a parent, the tables that a view reads.
    #[serde(skip)]
    pub rows_in: Vec<TableRef>,
    /// How effect and receipt can belong together here: some engines keep tables without transactions beside others.
    #[serde(skip_serializing_if = "Atomicity::is_atomic")]
    pub atomicity: Atomicity,
    /// Rows by the engine's statistics; absent where it has none.
    #[serde(skip)]
    pub rows_estimate: Option<u64>,
}

/// Kinds of objects that a policy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary table, or a single partition.
    Plain,
    /// The parent of partitions.
    Partitioned,
    /// A view of either kind.
    View,
    /// A foreign or virtual table.
    Foreign,
    /// A collection of documents: it declares no columns, and each document has the fields and types that it has.
    Collection,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The engine's name of its type.
    pub type_name: String,
    /// What it can be used for.
    pub kind: ColumnKind,
    /// Whether it can hold NULL.
    pub nullable: bool,
    /// What can be written into it.
    #[serde(skip_serializing_if = "Fit::is_free")]
    pub fit: Fit,
}

/// What can be written into a column, as far as its type tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// The most characters of a text; absent: the type sets no limit.
    pub chars_max: Option<u32>,
    /// The largest integer; absent: the column is none, or its type sets no limit below 2^63 - 1.
    pub integer_max: Option<i64>,
    /// The most decimals that a number keeps; absent: the column is none, or its type sets no limit. What has more is
    /// rounded when it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// The engine's name of the collation by which it compares the column's texts; absent: the engine has none, or what it
    /// takes for equal does not depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// Who writes it.
    pub writable: Writable,
    /// Whether it decides in which partition a row lies.
    pub partitions: bool,
    /// The only texts that it takes; empty: others as well.
    pub labels: Vec<String>,
    /// Whether the engine writes the present moment into it in every update that does not write it itself.
    #[serde(skip_serializing_if = "is_false")]
    pub touched: bool,
}

/// Who writes a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Writable {
    /// Whoever updates the row.
    #[default]
    Free,
    /// The engine, from other columns.
    Generated,
    /// The engine, by counting.
    Identity,
}

/// Columns of a table that reference another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// The foreign key's name.
    pub name: String,
    /// The referencing columns.
    pub columns: Vec<String>,
    /// The table they point at.
    pub parent: TableRef,
}

/// What a column's type means to forgetd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A moment on the time line.
    Instant,
    /// A date and time without a zone.
    NaiveTime,
    /// A date.
    Date,
    /// An integer.
    Integer,
    /// A number with a fraction.
    Number,
    /// Text.
    Text,
    /// A truth value.
    Bool,
    /// JSON.
    Json,
    /// Whatever a document holds there: nothing is declared.
    Any,
    /// Anything else.
    Other,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its columns, leading one first.
    pub columns: Vec<String>,
    /// Whether it is unique.
    pub unique: bool,
}

/// A foreign key that points at a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The table that holds the referencing columns.
    pub child: TableRef,
    /// The referencing columns.
    pub child_columns: Vec<String>,
    /// The table it points at.
    pub parent: TableRef,
    /// The columns it points at, one for each of the referencing ones.
    pub parent_columns: Vec<String>,
    /// What happens to the child when the parent goes.
    pub on_delete: OnDelete,
    /// Whether the child's columns change with the parent's.
    pub follows: bool,
    /// Whether an index of the child leads with the referencing columns.
    pub indexed: bool,
    /// Columns that deleting a parent would set to NULL, and that cannot be NULL.
    #[serde(skip)]
    pub unsettable: Vec<String>,
}

/// Referential actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// The delete fails while a child exists.
    Refuse,
    /// The child goes too.
    Cascade,
    /// The child's columns are changed.
    Set,
}

// === impl Catalog ===

impl Catalog {
    /// The table the policy calls `name`; a name without a schema finds the one table of that name.
    pub fn table(&self, name: &TableRef) -> Option<&Table> {
        named(&self.tables, name)
    }

    /// SHA-256 over everything described, statistics left out: the same tables give the same digest.
    pub fn digest(&self) -> [u8; 32] {
        let json = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(json).into()
    }
}

/// The table called `name`: the one that was asked for by it, else one that it fits.
pub(crate) fn named<'a>(tables: &'a [Table], name: &TableRef) -> Option<&'a Table> {
    tables.iter().find(|table| table.asked == *name).or_else(|| tables.iter().find(|table| table.name.is(name)))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

// === impl Fit ===

impl Fit {
    /// Whether nothing limits what is written.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }
}

// === impl TableKind ===

impl TableKind {
    /// Whether rows can be worked on here, and not somewhere behind it.
    pub const fn holds_rows(self) -> bool {
        matches!(self, Self::Plain | Self::Collection)
    }
}

// === impl Table ===

impl Table {
    /// The column called `name`; of a collection any field that can be named, whether a document has it or not.
    pub fn field(&self, name: &str) -> Option<Cow<'_, Column>> {
        let undeclared = || Column {
            name: name.into(),
            type_name: "any type".into(),
            kind: ColumnKind::Any,
            nullable: true,
            fit: Fit::default(),
        };
        let declared = self.column(name).map(Cow::Borrowed);
        declared.or_else(|| (self.kind == TableKind::Collection).then(|| Cow::Owned(undeclared())))
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether an index leads with `column`.
    pub fn leads_index(&self, column: &str) -> bool {
        self.indexes.iter().any(|index| index.columns.first().is_some_and(|first| first == column))
    }

    /// Tables that lose rows when rows of this one are deleted: the cascade closure, without the table itself.
    pub fn cascades_to(&self) -> Vec<TableRef> {
        let mut tables: Vec<TableRef> = self
            .referenced_by
            .iter()
            .filter(|key| key.on_delete == OnDelete::Cascade)
            .map(|key| key.child.clone())
            .filter(|child| *child != self.name)
            .collect();
        tables.sort();
        tables.dedup();
        tables
    }
}
