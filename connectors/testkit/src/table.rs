//! Tables and rows in a form that every engine can be given and the oracle can judge.

use forgetd_connector::{Predicate, Selection, Since, SinceColumn, TableRef, Terms, WhenNull};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::{Fixture, Keeps};

/// A value as the suite means it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL NULL; null in a document.
    Null,
    /// Nothing at all: a document has no such member. Elsewhere the same as NULL.
    Missing,
    /// An integer.
    Int(i64),
    /// An integer that no signed number of 64 bits holds.
    Unsigned(u64),
    /// A truth value.
    Bool(bool),
    /// A number with a fraction; or, in a column of Julian days, a moment.
    Real(f64),
    /// Text; in a column that keeps time as text, whatever stands there, time or not.
    Text(String),
    /// JSON.
    Json(Json),
    /// A moment; written in the form of its column.
    Instant(Timestamp),
    /// A date and time without a zone.
    Naive(DateTime),
    /// A date.
    Date(Date),
    /// A date with a zero for its day, its month or its year, `YYYY-MM-DD`: no moment, and not NULL either.
    Zero(String),
}

/// A row: its `id`, then one cell per column.
pub type Row = (i64, Vec<Cell>);

/// Kinds of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// An integer from 0 to 2^64 - 1.
    Unsigned,
    /// A string of bits, in a type that is no number; its cells are texts of decimal digits.
    Bits,
    /// A truth value.
    Bool,
    /// A binary number with a fraction.
    Real,
    /// A decimal number.
    Numeric,
    /// Text.
    Text,
    /// Text of any length, which may serve in no index.
    LongText,
    /// Text whose collation takes some different texts for the same.
    LaxText,
    /// Text in a character set that has only western letters, of a collation like [`Kind::LaxText`]'s.
    Latin,
    /// Text in a character set that has no characters of four bytes, of a collation like [`Kind::LaxText`]'s.
    Narrow,
    /// One of [`LABELS`].
    Label,
    /// Some of [`MARKS`], with commas between them.
    Marks,
    /// JSON, in the engine's own type or as text.
    Json,
    /// A UUID, in the engine's own type or as text.
    Uuid,
    /// A network address, in the engine's own type or as text.
    Address,
    /// A moment, in the engine's best type for it.
    Instant,
    /// A date and time without a zone.
    Naive,
    /// A moment, to so many digits of a second, and no later than the end of the last one.
    InstantOf(u8),
    /// A date and time without a zone, in the same way.
    NaiveOf(u8),
    /// A date.
    Date,
    /// A moment as seconds since the epoch in an integer column.
    UnixS,
    /// A moment as milliseconds since the epoch in an integer column.
    UnixMs,
    /// A moment as ISO 8601 text with an offset.
    Iso8601,
    /// A date and time without a zone as text, where the engine has a type for it too.
    NaiveText,
    /// A date as text, where the engine has a type for it too.
    DateText,
    /// A moment as a Julian day number.
    Julian,
}

/// The labels of [`Kind::Label`]: not in the order of their texts, some alike but for case or accents. None has a character
/// of four bytes: there are engines whose own lists of labels show a question mark for it.
pub const LABELS: &[&str] =
    &["open", "closed", "Closed", "it's", "two words", "caf\u{e9}", "cafe", "\u{3a9}", "100%", "a"];

/// What [`Kind::Marks`] consist of, in the order in which they stand.
pub const MARKS: &[&str] = &["seen", "paid", "Paid", "x y"];

/// What tells the rows of a table apart, to the engine. `id` is there in any case and tells them apart for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// `id` is the primary key.
    Id,
    /// These columns are; `id` can be among them.
    Columns(Vec<&'static str>),
    /// Nothing does.
    None,
}

/// A column that names a row of another table by its `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The column.
    pub column: &'static str,
    /// The other table; `id` is its primary key.
    pub parent: &'static str,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Whether it can hold NULL.
    pub nullable: bool,
}

/// A table with its rows. The first column is the integer `id`, by default the primary key.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// Its name.
    pub name: &'static str,
    /// Its columns behind `id`.
    pub columns: Vec<ColumnSpec>,
    /// Its key.
    pub key: KeySpec,
    /// Its further indexes, each with its columns.
    pub indexes: Vec<Vec<&'static str>>,
    /// The foreign key that cascades into it.
    pub below: Option<Reference>,
    /// The foreign key whose column is set to NULL.
    pub beside: Option<Reference>,
    /// More clauses of CREATE TABLE.
    pub constraints: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Row>,
}

// === impl Kind ===

impl Kind {
    /// How many digits of a second it keeps, where it keeps fewer than any moment has.
    pub const fn second_digits(self) -> Option<u8> {
        match self {
            Self::InstantOf(digits) | Self::NaiveOf(digits) => Some(digits),
            _ => None,
        }
    }
}

// === impl TableSpec ===

impl TableSpec {
    /// A table without columns behind `id`.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            columns: vec![],
            key: KeySpec::Id,
            indexes: vec![],
            below: None,
            beside: None,
            constraints: vec![],
            rows: vec![],
        }
    }

    /// With one more column that cannot be NULL.
    #[must_use]
    pub fn column(mut self, name: &'static str, kind: Kind) -> Self {
        self.columns.push(ColumnSpec { name, kind, nullable: false });
        self
    }

    /// With one more column that can be NULL.
    #[must_use]
    pub fn nullable(mut self, name: &'static str, kind: Kind) -> Self {
        self.columns.push(ColumnSpec { name, kind, nullable: true });
        self
    }

    /// With this key.
    #[must_use]
    pub fn key(mut self, key: KeySpec) -> Self {
        self.key = key;
        self
    }

    /// With one more index.
    #[must_use]
    pub fn index(mut self, columns: &[&'static str]) -> Self {
        self.indexes.push(columns.to_vec());
        self
    }

    /// With one more clause of CREATE TABLE.
    #[must_use]
    pub fn constraint(mut self, clause: &'static str) -> Self {
        self.constraints.push(clause);
        self
    }

    /// With these rows, numbered from 1.
    #[must_use]
    pub fn rows(mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        self.rows = (1..).zip(rows).collect();
        self
    }

    /// The kind of a column.
    pub fn kind(&self, column: &str) -> Kind {
        if is_id(column) {
            return Kind::Int;
        }
        self.columns.iter().find(|spec| spec.name == column).expect("a column of the table").kind
    }

    /// The cell of `column` in a row.
    pub fn cell(&self, row: &Row, column: &str) -> Cell {
        if is_id(column) {
            return Cell::Int(row.0);
        }
        let at = self.columns.iter().position(|spec| spec.name == column).expect("a column of the table");
        match &row.1[at] {
            Cell::Missing => Cell::Null,
            cell => cell.clone(),
        }
    }

    /// The rows of this table that are due: everything before `cutoff` in `since`, NULL kept, no further condition.
    pub fn selection(&self, fixture: &dyn Fixture, since: &str, cutoff: Timestamp) -> Selection {
        let kind = self.kind(since);
        let zoned = matches!(kind, Kind::Naive | Kind::NaiveOf(_) | Kind::Date);
        let terms = Terms {
            since: Since::Column(SinceColumn {
                column: since.into(),
                zone: zoned.then_some(TimeZone::UTC),
                form: fixture.column(kind).and_then(|column| column.form),
            }),
            cutoff: forgetd_connector::Cutoff(cutoff),
            when_null: WhenNull::Keep,
            predicate: Predicate::always(),
            native: None,
        };
        Selection::new(TableRef::parse(self.name), terms)
    }

    /// Whether the engine has every kind of column that the table uses, and can hold its rows.
    pub fn fits(&self, fixture: &dyn Fixture) -> bool {
        self.columns.iter().all(|column| fixture.column(column.kind).is_some())
            && self.rows.iter().all(|row| self.holds(fixture, row))
    }

    /// Whether the engine can hold this row: declared columns hold what they are declared for.
    pub fn holds(&self, fixture: &dyn Fixture, row: &Row) -> bool {
        let stands = |(column, cell): (&ColumnSpec, &Cell)| match cell {
            Cell::Zero(_) => fixture.has_zero_dates(),
            cell => fixture.keeps() == Keeps::Documents || written(fixture, column.kind, cell).is_some(),
        };
        self.columns.iter().zip(&row.1).all(stands)
    }

    /// CREATE TABLE and its indexes, and INSERTs of at most 500 rows each.
    pub fn statements(&self, fixture: &dyn Fixture) -> Vec<String> {
        let name = fixture.quote(self.name);
        let list = |columns: &[&str]| columns.iter().map(|column| fixture.quote(column)).collect::<Vec<_>>().join(", ");
        let integer = fixture.column(Kind::Int).expect("every engine has integers").type_name;
        let key = if self.key == KeySpec::Id { " primary key" } else { "" };
        let mut clauses = vec![format!("{} {integer}{key} not null", fixture.quote("id"))];
        for column in &self.columns {
            let type_name = fixture.column(column.kind).expect("checked with fits()").type_name;
            let null = if column.nullable { "" } else { " not null" };
            clauses.push(format!("{} {type_name}{null}", fixture.quote(column.name)));
        }
        if let KeySpec::Columns(columns) = &self.key {
            clauses.push(format!("primary key ({})", list(columns)));
        }
        let key = |(Reference { column, parent }, action): (&Reference, &str)| {
            let (column, parent, id) = (fixture.quote(column), fixture.quote(parent), fixture.quote("id"));
            format!("foreign key ({column}) references {parent} ({id}) on delete {action}")
        };
        let below = self.below.iter().map(|reference| (reference, "cascade"));
        clauses.extend(below.chain(self.beside.iter().map(|reference| (reference, "set null"))).map(key));
        clauses.extend(self.constraints.iter().map(ToString::to_string));
        let mut statements = vec![format!("create table {name} ({})", clauses.join(", "))];
        for (n, columns) in self.indexes.iter().enumerate() {
            let index = fixture.quote(&format!("{}_{n}", self.name));
            statements.push(format!("create index {index} on {name} ({})", list(columns)));
        }
        statements.extend(self.inserts(fixture, &self.rows));
        statements
    }

    /// INSERTs of at most 500 of these rows each.
    pub fn inserts(&self, fixture: &dyn Fixture, rows: &[Row]) -> Vec<String> {
        let name = fixture.quote(self.name);
        let insert = |rows: &[Row]| {
            let tuples: Vec<String> = rows.iter().map(|row| self.tuple(fixture, row)).collect();
            format!("insert into {name} values {}", tuples.join(", "))
        };
        rows.chunks(500).map(insert).collect()
    }

    fn tuple(&self, fixture: &dyn Fixture, (id, cells): &Row) -> String {
        assert_eq!(cells.len(), self.columns.len(), "one cell per column of {}", self.name);
        let mut values = vec![id.to_string()];
        values.extend(self.columns.iter().zip(cells).map(|(column, cell)| literal(fixture, column.kind, cell)));
        format!("({})", values.join(", "))
    }
}

/// Whether a column is the one that every table has; documents call it `_id`.
fn is_id(column: &str) -> bool {
    ["id", "_id"].contains(&column)
}

/// Reads the times of a selection that counts from one column in this zone.
pub fn in_zone(selection: &mut Selection, zone: &str) {
    let Since::Column(since) = &mut selection.terms.since else { panic!("counts from one column") };
    since.zone = Some(TimeZone::get(zone).expect("a zone"));
}

/// A cell of a column of this kind, as statements write it.
pub fn literal(fixture: &dyn Fixture, kind: Kind, cell: &Cell) -> String {
    written(fixture, kind, cell).unwrap_or_else(|| panic!("{cell:?} cannot stand in a column of kind {kind:?}"))
}

/// The same; absent: it cannot stand there.
fn written(fixture: &dyn Fixture, kind: Kind, cell: &Cell) -> Option<String> {
    Some(match (kind, cell) {
        (_, Cell::Null | Cell::Missing) => "null".into(),
        (Kind::Int | Kind::Real | Kind::Numeric | Kind::UnixS | Kind::UnixMs | Kind::Julian, Cell::Int(value)) => {
            value.to_string()
        }
        (Kind::Unsigned, Cell::Int(value)) => value.to_string(),
        (Kind::Unsigned, Cell::Unsigned(value)) => value.to_string(),
        (Kind::Bits, Cell::Text(digits)) => digits.clone(),
        // Quoted: a bare number with a fraction is a decimal to some engines, and loses the sign of zero.
        (Kind::Real | Kind::Numeric | Kind::Julian, Cell::Real(value)) => format!("'{value:?}'"),
        (Kind::Bool, Cell::Bool(value)) => value.to_string(),
        (
            Kind::Text
            | Kind::LongText
            | Kind::LaxText
            | Kind::Latin
            | Kind::Narrow
            | Kind::Label
            | Kind::Marks
            | Kind::Uuid
            | Kind::Address
            | Kind::Iso8601
            | Kind::NaiveText
            | Kind::DateText,
            Cell::Text(text),
        ) => text_literal(text),
        (Kind::Json, Cell::Json(json)) => text_literal(&json.to_string()),
        (Kind::Instant | Kind::InstantOf(_), Cell::Instant(instant)) => fixture.instant(*instant),
        (Kind::Iso8601, Cell::Instant(instant)) => format!("'{instant}'"),
        (Kind::UnixS, Cell::Instant(instant)) => instant.as_second().to_string(),
        (Kind::UnixMs, Cell::Instant(instant)) => instant.as_millisecond().to_string(),
        (Kind::Naive | Kind::NaiveOf(_) | Kind::NaiveText, Cell::Naive(local)) => {
            format!("'{} {}'", local.date(), local.time())
        }
        (Kind::Date | Kind::DateText, Cell::Date(date)) => format!("'{date}'"),
        (Kind::Date, Cell::Zero(date)) => format!("'{date}'"),
        (Kind::Naive | Kind::NaiveOf(_) | Kind::Instant | Kind::InstantOf(_), Cell::Zero(date)) => {
            format!("'{date} 00:00:00'")
        }
        _ => return None,
    })
}

fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
