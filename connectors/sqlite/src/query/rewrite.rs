//! Statements of transforms: what is read of a due row, and how one row is written.
//!
//! A row is read, worked out and written in one transaction that holds the file's write lock: what was read is what is
//! overwritten. Rows are written one by one, which inside a process is as fast as one statement for all of them; so only
//! columns that change are named, and no trigger or index of another one is troubled.

use forgetd_connector::bulk::ROW_BYTES_MAX;
use forgetd_connector::{ColumnKind, Fault, Grain, Key, Place, Put, Rewrite, Step, Undone, Value, WhenNull, Writable};
use rusqlite::Row;

use super::composer::{Composer, Refused};
use super::text::integer;
use super::{Area, Query, Scope, Shape, quote};
use crate::codec;

/// A transform, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Rewriting {
    /// The columns that places lie in, each once, in their order.
    columns: Vec<Touched>,
    /// The quoted marker and what is written into it.
    marker: Option<(String, Value)>,
    /// The quoted columns of the row's own that its period counts from.
    since: Vec<String>,
    /// What is read of a row, with the values of the predicate and its own.
    reading: Query,
    /// Whether SQLite makes one of those from others.
    since_is_made: bool,
    /// Whether rows get another key.
    moves_rows: bool,
    /// Whether the table's own constraints say what a conflict does: then ours say it first.
    outranks: bool,
}

/// A column that is written.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    column: String,
    pub(crate) becomes: Becomes,
}

/// What a column becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Becomes {
    /// This.
    Constant(Value),
    /// What it is, coarser.
    Coarser(Grain),
    /// What is computed; of JSON, the whole document.
    Computed {
        /// Whether it holds JSON.
        json: bool,
    },
}

/// A due row as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The walk's own key.
    pub(crate) row: Key,
    /// The table's key.
    pub(crate) key: Key,
    /// What its period counts from.
    pub(crate) since: Key,
    /// Whether the marker says that it was done already.
    pub(crate) marked: bool,
    /// Whether a value is larger than what is read of one row; it is not here.
    pub(crate) too_large: bool,
    /// One for each column.
    pub(crate) cells: Vec<Cell>,
}

/// What was read of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// The value. Of a column that becomes a constant, whether it is to be written.
    pub(crate) value: Value,
    /// How a new value is kept.
    pub(crate) kept: Kept,
}

/// How SQLite keeps a value that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    /// As it is.
    Plain,
    /// Text as bytes.
    Bytes,
    /// JSON in SQLite's own form.
    Jsonb,
    /// Bytes as text, which is none by UTF-8.
    RawText,
}

// === impl Line ===

impl Line {
    /// How large its old values are.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |cell: &Cell| match &cell.value {
            Value::Text(text) | Value::Typed { text, .. } => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Real(_) => 0,
        };
        self.cells.iter().map(bytes).sum()
    }
}

// === impl Kept ===

impl Kept {
    /// A value as the column keeps it.
    fn as_kept(self, value: String) -> String {
        match self {
            Self::Plain => value,
            Self::Bytes => format!("cast({value} as blob)"),
            Self::Jsonb => format!("jsonb({value})"),
            Self::RawText => format!("cast({value} as text)"),
        }
    }
}

// === impl Rewriting ===

impl Rewriting {
    /// Resolves what a step writes. `composer` wrote the predicate, and its values come first.
    pub(super) fn new(
        step: &Step,
        rewrite: &Rewrite,
        shape: &Shape,
        mut composer: Composer<'_>,
    ) -> Result<Self, Refused> {
        let terms = &step.selection.terms;
        let mut since: Vec<&str> = terms.since.columns().into_iter().map(|column| column.column.as_str()).collect();
        if let WhenNull::Use(other) = &terms.when_null {
            since.push(other);
        }
        let made =
            |name: &&str| step.table.column(name).is_some_and(|column| column.fit.writable == Writable::Generated);
        let row_key = |name: &&str| shape.primary_key.iter().chain(&step.table.key).any(|key| key == *name);
        let mut columns: Vec<Touched> = vec![];
        let mut select = vec![marked(step, rewrite, &composer)?];
        for place in &rewrite.places {
            let column = quote(&place.path.column);
            if columns.last().is_none_or(|last| last.column != column) {
                let becomes = becomes(step, place)?;
                select.extend(read(step, place, &becomes, &mut composer)?);
                columns.push(Touched { column, becomes });
            }
        }
        Ok(Self {
            since_is_made: since.iter().any(made),
            moves_rows: rewrite.columns().iter().any(row_key),
            since: since.into_iter().map(quote).collect(),
            marker: rewrite.marker.as_ref().map(|marker| (quote(&marker.column), marker.value.clone())),
            reading: Query { sql: select.join(", "), values: composer.query.values },
            outranks: shape.resolves_conflicts,
            columns,
        })
    }

    /// The columns that places lie in.
    pub(crate) fn columns(&self) -> &[Touched] {
        &self.columns
    }

    /// The old values that others are computed from, in the order of their columns.
    pub(crate) fn old_values(&self, line: &Line) -> Vec<Value> {
        let computed = |touched: &Touched| matches!(touched.becomes, Becomes::Computed { .. });
        let columns = self.columns.iter().zip(&line.cells);
        columns.filter(|(touched, _)| computed(touched)).map(|(_, cell)| cell.value.clone()).collect()
    }

    /// The marker's new value.
    pub(crate) fn marker(&self) -> Option<&Value> {
        self.marker.as_ref().map(|(_, value)| value)
    }

    /// How many values a statement has that writes every column.
    pub(super) const fn places(&self) -> usize {
        self.columns.len() + self.marker.is_some() as usize
    }

    /// Whether a row's moment can change with the row, even where no trigger is.
    pub(crate) const fn since_is_made(&self) -> bool {
        self.since_is_made
    }

    /// Whether rows get another key, which the statement then returns.
    pub(crate) const fn moves_rows(&self) -> bool {
        self.moves_rows
    }
}

/// What stands for how a value is kept that is too large to be read.
const TOO_LARGE: i64 = 3;

fn becomes(step: &Step, place: &Place) -> Result<Becomes, Refused> {
    let name = &place.path.column;
    let missing = || Refused::new(forgetd_connector::Cause::ColumnMissing, name);
    let kind = step.table.column(name).ok_or_else(missing)?.kind;
    Ok(match &place.put {
        Put::Constant(value) => Becomes::Constant(value.clone()),
        Put::Coarser(grain) => Becomes::Coarser(grain.clone()),
        Put::Computed => Becomes::Computed { json: !place.is_column() || kind == ColumnKind::Json },
    })
}

/// Whether a row was done already.
fn marked(step: &Step, rewrite: &Rewrite, composer: &Composer<'_>) -> Result<String, Refused> {
    let Some(marker) = &rewrite.marker else { return Ok("0".into()) };
    let mut marked = format!("{} is not null", quote(&marker.column));
    for sign in &step.selection.undone {
        if let Undone::MarkedBefore { marker, since } = sign {
            let before = composer.marked_before(marker, since, &step.selection.terms)?;
            marked += &format!(" and not {before}");
        }
    }
    Ok(marked)
}

/// What is read of a column, and how its new value is kept.
fn read(step: &Step, place: &Place, becomes: &Becomes, composer: &mut Composer<'_>) -> Result<[String; 2], Refused> {
    let column = quote(&place.path.column);
    let plain = "0".to_owned();
    let large = format!("coalesce(octet_length({column}), 0) > {ROW_BYTES_MAX}");
    let unless_large = |value: &str, kept: &str| {
        [
            format!("case when {large} then null else {value} end"),
            format!("case when {large} then {TOO_LARGE} else {kept} end"),
        ]
    };
    Ok(match becomes {
        Becomes::Constant(Value::Null) => [format!("{column} is not null"), plain],
        Becomes::Constant(value) => {
            let described = step.table.column(&place.path.column);
            let missing = || Refused::new(forgetd_connector::Cause::ColumnMissing, &place.path.column);
            let stored = composer.is_stored(described.ok_or_else(missing)?, value)?;
            [format!("{column} is not null and not {stored}"), plain]
        }
        Becomes::Coarser(_) | Becomes::Computed { json: false } => unless_large(&column, &plain),
        Becomes::Computed { json: true } => {
            let text = format!("cast({column} as text)");
            let kept = format!(
                "case when typeof({column}) <> 'blob' then 0 when json_valid({column}, 8) then 2 \
                 when json_valid({text}) and instr({text}, char(0)) = 0 then 1 else 0 end"
            );
            let plain = format!("case when typeof({column}) in ('integer', 'real') then {text} else {column} end");
            unless_large(&format!("case {kept} when 2 then json({column}) when 1 then {text} else {plain} end"), &kept)
        }
    })
}

// === impl Scope ===

impl Scope {
    /// What the step writes, if it is a transform.
    pub(crate) const fn rewriting(&self) -> Option<&Rewriting> {
        self.rewriting.as_ref()
    }

    /// Reads what is due in a span.
    pub(crate) fn read_in(&self, rewriting: &Rewriting, area: &Area) -> Query {
        let mut query = Query { sql: String::new(), values: rewriting.reading.values.clone() };
        let within = self.within(area, &mut query);
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = self.read(rewriting, hint, &within);
        query
    }

    /// [`Self::read_in`] in the order of the rows.
    pub(crate) fn read_in_order(&self, rewriting: &Rewriting, area: &Area) -> Query {
        let mut query = self.read_in(rewriting, area);
        query.push(&format!("\norder by {}", self.row.join(", ")));
        query
    }

    /// Reads those of `keys` that are due. `keys` is never empty.
    pub(crate) fn read_keys(&self, rewriting: &Rewriting, keys: &[Key]) -> Query {
        let mut query = Query { sql: String::new(), values: rewriting.reading.values.clone() };
        let list = self.key_list(keys, &mut query);
        query.sql = self.read(rewriting, "", &list);
        query
    }

    fn read(&self, rewriting: &Rewriting, hint: &str, within: &str) -> String {
        let select: Vec<&str> = self.row.iter().chain(&self.key).chain(&rewriting.since).map(String::as_str).collect();
        format!(
            "select {}, {}\nfrom {}{hint}\nwhere {within}\n  and {}",
            select.join(", "),
            rewriting.reading.sql,
            self.table,
            self.predicate.sql
        )
    }

    /// Takes a row of [`Self::read_in`] or [`Self::read_keys`].
    pub(crate) fn line(&self, rewriting: &Rewriting, row: &Row<'_>) -> rusqlite::Result<Line> {
        let mut at = 0;
        let mut key = |width: usize| {
            let read = (at..at + width).map(|at| row.get_ref(at).map(codec::read)).collect::<Result<_, _>>().map(Key);
            at += width;
            read
        };
        let [row_key, table_key, since] = [key(self.row.len())?, key(self.key.len())?, key(rewriting.since.len())?];
        let marked = row.get(at)?;
        let (mut cells, mut too_large) = (vec![], false);
        for n in 0..rewriting.columns.len() {
            let kept = row.get(at + 2 + 2 * n)?;
            too_large |= kept == TOO_LARGE;
            let kept = match kept {
                2 => Kept::Jsonb,
                1 => Kept::Bytes,
                _ => Kept::Plain,
            };
            cells.push(Cell { value: codec::read(row.get_ref(at + 1 + 2 * n)?), kept });
        }
        Ok(Line { row: row_key, key: table_key, since, marked, too_large, cells })
    }

    /// Writes one row: a value for each of these columns, then the marker's, then the row's key.
    pub(crate) fn write(&self, rewriting: &Rewriting, sets: &[(usize, Kept)]) -> String {
        let mut place = 0;
        let mut next = || {
            place += 1;
            format!("?{place}")
        };
        let mut assigned = vec![];
        for (n, kept) in sets {
            let Some(touched) = rewriting.columns.get(*n) else { continue };
            assigned.push(format!("{} = {}", touched.column, kept.as_kept(next())));
        }
        assigned.extend(rewriting.marker.iter().map(|(column, _)| format!("{column} = {}", next())));
        let row: Vec<String> = self.row.iter().map(|column| format!("{column} = {}", next())).collect();
        let or = if rewriting.outranks { " or abort" } else { "" };
        let returning =
            if rewriting.moves_rows { format!("\nreturning {}", self.row.join(", ")) } else { String::new() };
        format!("update{or} {}\nset {}\nwhere {}{returning}", self.table, assigned.join(", "), row.join(" and "))
    }

    /// Whether one row holds what was written into it: a value for each of these columns, then the row's key.
    pub(crate) fn is_written(&self, rewriting: &Rewriting, sets: &[(usize, Kept)]) -> String {
        let mut holds = vec![];
        for (place, (n, kept)) in sets.iter().enumerate() {
            let Some(touched) = rewriting.columns.get(*n) else { continue };
            // The column's affinity makes of the value what it made of it when it was written.
            let value = kept.as_kept(format!("?{}", place + 1));
            holds.push(format!("{} is {value} collate binary", touched.column));
        }
        let row = self.row.iter().enumerate().map(|(n, column)| format!("{column} = ?{}", sets.len() + n + 1));
        let row: Vec<String> = row.collect();
        format!("select {} from {} where {}", holds.join(" and "), self.table, row.join(" and "))
    }

    /// Every column of a transform written, for showing and for asking SQLite what it would do.
    pub(crate) fn write_all(&self, rewriting: &Rewriting) -> String {
        let sets: Vec<(usize, Kept)> = (0..rewriting.columns.len()).map(|n| (n, Kept::Plain)).collect();
        self.write(rewriting, &sets)
    }

    /// Reads what one row's period counts from, by the row's key.
    pub(crate) fn read_since(&self, rewriting: &Rewriting) -> String {
        let row: Vec<String> =
            self.row.iter().enumerate().map(|(n, column)| format!("{column} = ?{}", n + 1)).collect();
        format!("select {} from {} where {}", rewriting.since.join(", "), self.table, row.join(" and "))
    }

    /// Reads some rows whole, up to `rows`: such as are due, or any.
    pub(crate) fn some_rows(&self, columns: &[&str], rows: u64, due: bool) -> Query {
        let mut query = if due { self.begin() } else { Query::default() };
        let condition = if due {
            let reach = self.reach(&mut query);
            format!("\nwhere {reach}\n  and {}", self.predicate.sql)
        } else {
            String::new()
        };
        let columns: Vec<String> = columns.iter().map(|name| quote(name)).collect();
        let limit = query.bind(integer(rows));
        query.sql = format!("select {}\nfrom {}{condition}\nlimit {limit}", columns.join(", "), self.table);
        query
    }

    /// The statement that changes rows, as it is prepared for every row of the table.
    pub(crate) fn change_any(&self) -> String {
        match &self.rewriting {
            Some(rewriting) => self.write_all(rewriting),
            None => self.delete(&Area::Rows { after: None, to: None }, false).sql,
        }
    }

    /// Resolves what is written, for a transform.
    pub(super) fn rewritten(
        step: &Step,
        shape: &Shape,
        composer: Composer<'_>,
        place: &str,
    ) -> Result<Option<Rewriting>, Fault> {
        let rewriting = step.rewrite().map(|rewrite| Rewriting::new(step, rewrite, shape, composer));
        rewriting.transpose().map_err(|refused| refused.into_fault(place))
    }
}
