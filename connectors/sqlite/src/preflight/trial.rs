//! Constraints, tried on what would be written: on the table's own definition, in memory, with a few rows of the file.
//!
//! Nothing is written to the file, and nothing is kept. A definition that needs what only the application's connection
//! has, a function or a collation, is not tried.

use std::collections::BTreeSet;

use forgetd_connector::{Cause, Finding, Place, Put, Rewrite, Severity, Step, Value, Writable};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use crate::codec;
use crate::error::{self, Misfit};
use crate::query::{Scope, coarser, quote};

/// How many rows are tried.
const ROWS: u64 = 10;

/// A table like the user's, with one row at a time.
struct Trial<'a> {
    memory: Connection,
    /// Quoted.
    table: String,
    /// The columns that a row is made of.
    columns: Vec<&'a str>,
}

/// A column and what would be written into it.
type Set<'a> = (&'a str, Value);

/// One finding for each column and constraint that do not go together.
pub(super) fn check(
    connection: &Connection,
    step: &Step,
    scope: &Scope,
    place: &str,
) -> rusqlite::Result<Vec<Finding>> {
    let Some(rewrite) = step.rewrite() else { return Ok(vec![]) };
    let Some(trial) = Trial::new(connection, step)? else { return Ok(vec![]) };
    // With the number of the sample that showed it; and samples that a row was written with.
    let mut found: Vec<(usize, Finding)> = vec![];
    let mut fine: BTreeSet<usize> = BTreeSet::new();
    for row in rows(connection, scope, &trial.columns)? {
        if !trial.takes(&row) {
            // It would not be taken as it is.
            continue;
        }
        for (n, mut sets) in writes(rewrite, &trial.columns, &row).into_iter().enumerate() {
            let changes = sets.iter().any(|(name, _)| rewrite.places.iter().any(|place| place.path.column == *name));
            if changes && trial.misfit(&sets).is_none() {
                fine.insert(n);
            }
            // Without the column that is to blame, the next one shows.
            while let Some((column, misfit)) = trial.misfit(&sets) {
                found.push((n, finding(&format!("{place}.{column}"), column, &misfit)));
                sets.retain(|(name, _)| *name != column);
            }
        }
    }
    let mut findings: Vec<Finding> = vec![];
    for (n, finding) in found {
        let finding = if fine.contains(&n) { spared(finding) } else { finding };
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// What a constraint says of some rows stops no others: those are passed over, one by one.
fn spared(finding: Finding) -> Finding {
    if !finding.message.starts_with("the constraint ") {
        return finding;
    }
    Finding {
        severity: Severity::Warning,
        message: format!("{} of some rows", finding.message),
        fix: "nothing to do if they may stay: such rows are passed over and counted".into(),
        ..finding
    }
}

fn finding(place: &str, column: &str, misfit: &Misfit) -> Finding {
    let message = match misfit {
        Misfit::Check(name) => {
            format!("the constraint {} does not take what would be written into {column}", called(name))
        }
        Misfit::Null => format!("{column} cannot be NULL, and NULL would be written"),
        Misfit::Type => format!("{column} takes values of its own type only, and another would be written"),
    };
    Finding::blocks(Cause::TransformUnfit, place, message)
}

/// The name of a constraint. SQLite gives the condition of one that has none, which may hold anything.
fn called(name: &str) -> &str {
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { name } else { "without a name" }
}

/// A few rows: such as are due, if there are any.
fn rows(connection: &Connection, scope: &Scope, columns: &[&str]) -> rusqlite::Result<Vec<Vec<Sql>>> {
    for due in [true, false] {
        let query = scope.some_rows(columns, ROWS, due);
        let mut statement = connection.prepare(&query.sql)?;
        let mut found = vec![];
        let mut rows = statement.query(params_from_iter(&query.values))?;
        while let Some(row) = rows.next()? {
            let row: rusqlite::Result<Vec<Sql>> = (0..columns.len()).map(|at| row.get(at)).collect();
            // One with a text that is none by UTF-8 tells no more than others do.
            found.extend(row.ok());
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![])
}

/// What may be written into a row: as many times as the column with the most samples has of them.
fn writes<'a>(rewrite: &'a Rewrite, columns: &[&str], row: &[Sql]) -> Vec<Vec<Set<'a>>> {
    let old = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        row.get(at).filter(|value| **value != Sql::Null)
    };
    let mut choices: Vec<(&str, Vec<Value>)> = vec![];
    for place in rewrite.places.iter().filter(|place| place.is_column()) {
        let name = place.path.column.as_str();
        if let Some(old) = old(name) {
            choices.push((name, values(place, old)));
        }
    }
    choices.retain(|(_, values)| !values.is_empty());
    let times = choices.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
    let marker = rewrite.marker.iter().map(|marker| (marker.column.as_str(), marker.value.clone()));
    let sets = |n: usize| {
        let chosen = choices.iter().map(|(name, values)| (*name, values[n % values.len()].clone()));
        chosen.chain(marker.clone()).collect()
    };
    (0..times.max(usize::from(rewrite.marker.is_some()))).map(sets).collect()
}

fn values(place: &Place, old: &Sql) -> Vec<Value> {
    match &place.put {
        Put::Constant(value) => vec![value.clone()],
        Put::Coarser(grain) => coarser(&codec::read(old.into()), grain).into_iter().collect(),
        Put::Computed => place.samples.clone(),
    }
}

// === impl Trial ===

impl<'a> Trial<'a> {
    fn new(connection: &Connection, step: &'a Step) -> rusqlite::Result<Option<Self>> {
        let name = &step.table.name.name;
        let sql: Option<String> = connection
            .query_row("select sql from sqlite_schema where type = 'table' and name = ?1", [name], |row| row.get(0))
            .optional()?;
        let memory = Connection::open_in_memory()?;
        memory.execute_batch("pragma foreign_keys = off")?;
        if memory.execute_batch(&sql.unwrap_or_default()).is_err() {
            return Ok(None);
        }
        let written = step.table.columns.iter().filter(|column| column.fit.writable != Writable::Generated);
        let columns = written.map(|column| column.name.as_str()).collect();
        Ok(Some(Self { memory, table: quote(name), columns }))
    }

    /// Puts this row in the place of the last one.
    fn takes(&self, row: &[Sql]) -> bool {
        let columns: Vec<String> = self.columns.iter().map(|name| quote(name)).collect();
        let places: Vec<String> = (1..=row.len()).map(|n| format!("?{n}")).collect();
        let (table, columns, places) = (&self.table, columns.join(", "), places.join(", "));
        self.memory.execute(&format!("delete from {table}"), []).is_ok()
            && self
                .memory
                .execute(&format!("insert into {table} ({columns}) values ({places})"), params_from_iter(row))
                .is_ok()
    }

    /// The constraint that does not take all of this at once, and the column to blame.
    fn misfit<'s>(&self, sets: &[Set<'s>]) -> Option<(&'s str, Misfit)> {
        if sets.is_empty() {
            return None;
        }
        let misfit = self.written(sets)?;
        let alone = sets.iter().find(|set| self.written(std::slice::from_ref(set)).as_ref() == Some(&misfit));
        alone.or(sets.first()).map(|(column, _)| (*column, misfit))
    }

    /// Writes, and takes it back.
    fn written(&self, sets: &[Set<'_>]) -> Option<Misfit> {
        let values: Vec<Sql> =
            sets.iter().filter_map(|(_, value)| codec::bind(value)).map(|bound| bound.value).collect();
        let assigned: Vec<String> =
            sets.iter().enumerate().map(|(n, (column, _))| format!("{} = ?{}", quote(column), n + 1)).collect();
        let update = format!("update {} set {}", self.table, assigned.join(", "));
        let begun = self.memory.execute_batch("begin").is_ok();
        let written = self.memory.execute(&update, params_from_iter(&values));
        if begun && !self.memory.is_autocommit() && self.memory.execute_batch("rollback").is_err() {
            return None;
        }
        written.err().and_then(|error| error::misfit(&error))
    }
}
