//! Tables and rows in a form that every engine can be given and the oracle can judge.

use forgetd_connector::{Predicate, Selection, Since, SinceColumn, TableRef, Terms, WhenNull};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::Fixture;

/// A value as the suite means it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// Text.
    Text(String),
    /// A moment; written in the form of its column.
    Instant(Timestamp),
    /// A date and time without a zone.
    Naive(DateTime),
    /// A date.
    Date(Date),
}

/// Kinds of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// A truth value.
    Bool,
    /// Text.
    Text,
    /// A moment, in the engine's best type for it.
    Instant,
    /// A date and time without a zone.
    Naive,
    /// A date.
    Date,
    /// A moment as seconds since the epoch in an integer column.
    UnixS,
    /// A moment as milliseconds since the epoch in an integer column.
    UnixMs,
    /// A moment as ISO 8601 text with an offset.
    Iso8601,
}

/// One column.
#[derive(Clone, Debug)]
pub struct ColumnSpec {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Whether it can hold NULL.
    pub nullable: bool,
}

/// A table with its rows. The first column is the integer primary key `id`.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its name.
    pub name: &'static str,
    /// Its columns behind `id`.
    pub columns: Vec<ColumnSpec>,
    /// More clauses of CREATE TABLE.
    pub constraints: Vec<&'static str>,
    /// Its rows: `id`, then one cell per column.
    pub rows: Vec<(i64, Vec<Cell>)>,
}

// === impl TableSpec ===

impl TableSpec {
    /// A table without columns behind `id`.
    pub fn new(name: &'static str) -> Self {
        Self { name, columns: vec![], constraints: vec![], rows: vec![] }
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

    /// The cell of `column` in a row.
    pub fn cell<'a>(&self, row: &'a (i64, Vec<Cell>), column: &str) -> &'a Cell {
        let at = self.columns.iter().position(|spec| spec.name == column).expect("a column of the table");
        &row.1[at]
    }

    /// The rows of this table that are due: everything before `cutoff` in `since`, NULL kept, no further condition.
    pub fn selection(&self, fixture: &dyn Fixture, since: &str, cutoff: Timestamp) -> Selection {
        let kind = self.columns.iter().find(|spec| spec.name == since).expect("a column of the table").kind;
        let zoned = matches!(kind, Kind::Naive | Kind::Date);
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

    /// Whether the engine has every kind of column that the table uses.
    pub fn fits(&self, fixture: &dyn Fixture) -> bool {
        self.columns.iter().all(|column| fixture.column(column.kind).is_some())
    }

    /// CREATE TABLE, and INSERTs of at most 500 rows each.
    pub fn statements(&self, fixture: &dyn Fixture) -> Vec<String> {
        let key = fixture.column(Kind::Int).expect("every engine has integers").type_name;
        let mut clauses = vec![format!("id {key} primary key not null")];
        for column in &self.columns {
            let type_name = fixture.column(column.kind).expect("checked with fits()").type_name;
            let null = if column.nullable { "" } else { " not null" };
            clauses.push(format!("{} {type_name}{null}", column.name));
        }
        clauses.extend(self.constraints.iter().map(ToString::to_string));
        let mut statements = vec![format!("create table {} ({})", self.name, clauses.join(", "))];
        for rows in self.rows.chunks(500) {
            let tuples: Vec<String> = rows.iter().map(|row| self.tuple(row)).collect();
            statements.push(format!("insert into {} values {}", self.name, tuples.join(", ")));
        }
        statements
    }

    fn tuple(&self, (id, cells): &(i64, Vec<Cell>)) -> String {
        assert_eq!(cells.len(), self.columns.len(), "one cell per column of {}", self.name);
        let mut values = vec![id.to_string()];
        values.extend(self.columns.iter().zip(cells).map(|(column, cell)| literal(column.kind, cell)));
        format!("({})", values.join(", "))
    }
}

/// Reads the times of a selection that counts from one column in this zone.
pub fn in_zone(selection: &mut Selection, zone: &str) {
    let Since::Column(since) = &mut selection.terms.since else { panic!("counts from one column") };
    since.zone = Some(TimeZone::get(zone).expect("a zone"));
}

fn literal(kind: Kind, cell: &Cell) -> String {
    match (kind, cell) {
        (_, Cell::Null) => "null".into(),
        (Kind::Int, Cell::Int(value)) => value.to_string(),
        (Kind::Bool, Cell::Bool(value)) => value.to_string(),
        (Kind::Text, Cell::Text(text)) => format!("'{}'", text.replace('\'', "''")),
        (Kind::Instant | Kind::Iso8601, Cell::Instant(instant)) => format!("'{instant}'"),
        (Kind::UnixS, Cell::Instant(instant)) => instant.as_second().to_string(),
        (Kind::UnixMs, Cell::Instant(instant)) => instant.as_millisecond().to_string(),
        (Kind::Naive, Cell::Naive(local)) => format!("'{} {}'", local.date(), local.time()),
        (Kind::Date, Cell::Date(date)) => format!("'{date}'"),
        (kind, cell) => panic!("{cell:?} cannot stand in a column of kind {kind:?}"),
    }
}
