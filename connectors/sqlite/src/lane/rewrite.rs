//! Transforms due rows inside the open transaction: reads them, works out what they become, writes them.

use std::collections::BTreeMap;

use forgetd_connector::bulk::READ_BYTES_MAX;
use forgetd_connector::{Cause, Fault, FaultClass, Key, Value};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::fate::{Fate, Set, fates};
use super::ground::{Ground, Problem};
use crate::codec;
use crate::effect::Terrain;
use crate::query::{Kept, Line, Query, Rewriting};

/// What became of due rows.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    /// The keys of those that were written, as they were before.
    pub(crate) keys: Vec<Key>,
    /// Those that were passed over and stay due, by cause.
    pub(crate) unfit: BTreeMap<Cause, u64>,
    /// What the values that were read come to.
    pub(crate) bytes: u64,
    /// How many rows would have fitted, where more were met than are read at once; none was written.
    pub(crate) fits: Option<u64>,
}

/// What is done where more rows are met than are read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wide {
    /// Nothing: a batch of fewer rows is shorter.
    Refused,
    /// They are written some at a time: all of them were announced.
    InParts,
}

/// A row that was written.
struct Wrote {
    /// Its key of now.
    row: Key,
    /// What was read of it before.
    line: Line,
    /// What was written, without the marker.
    sets: Vec<Set>,
}

/// Transforms the rows that `read` finds; says how many were written.
pub(crate) fn rewrite(
    connection: &Connection,
    ground: &Ground,
    terrain: &Terrain,
    rewriting: &Rewriting,
    read: &Query,
    wide: Wide,
) -> Result<(u64, Rewritten), Problem> {
    // Only a trigger writes into the row beside us; and only that, or SQLite itself, moves what its period counts from.
    let triggers = !terrain.reach.triggers.is_empty();
    let (mut changed, mut done) = (0, Rewritten::default());
    let mut met = vec![];
    loop {
        let (lines, more) = lines(connection, ground, rewriting, read, &met)?;
        if more && wide == Wide::Refused {
            return Ok((0, Rewritten { fits: Some(lines.len() as u64), ..Rewritten::default() }));
        }
        done.bytes += lines.iter().map(|line| line.bytes() as u64).sum::<u64>();
        if more {
            met.extend(lines.iter().map(|line| line.row.clone()));
        }
        let written = rewrite_some(connection, ground, rewriting, lines, &mut done)?;
        if triggers || rewriting.since_is_made() {
            unmoved(connection, ground, rewriting, &written)?;
        }
        if triggers {
            unaltered(connection, ground, rewriting, &written)?;
        }
        changed += written.len() as u64;
        for Wrote { row, line, .. } in written {
            done.keys.push(line.key);
            if more && row != line.row {
                met.push(row);
            }
        }
        if !more {
            return Ok((changed, done));
        }
    }
}

/// Writes these rows; returns those that were written.
fn rewrite_some(
    connection: &Connection,
    ground: &Ground,
    rewriting: &Rewriting,
    lines: Vec<Line>,
    done: &mut Rewritten,
) -> Result<Vec<Wrote>, Problem> {
    let Some(fates) = fates(rewriting, &lines, &*ground.transform) else {
        let fault = Fault::new(FaultClass::Internal, "change", &ground.place);
        return Err(Problem::Fault(fault.with_detail("the transform answered for other rows than it was asked for")));
    };
    let mut written = vec![];
    for (line, fate) in lines.into_iter().zip(fates) {
        match fate {
            Fate::Write(sets) => {
                if let Some(row) = write(connection, ground, rewriting, &line, &sets)? {
                    written.push(Wrote { row, line, sets });
                }
            }
            Fate::Unfit(cause) => *done.unfit.entry(cause).or_default() += 1,
        }
    }
    Ok(written)
}

/// The next rows, without those that were met, and whether there are more of them: as many as are read at once.
fn lines(
    connection: &Connection,
    ground: &Ground,
    rewriting: &Rewriting,
    read: &Query,
    met: &[Key],
) -> rusqlite::Result<(Vec<Line>, bool)> {
    let mut statement = connection.prepare_cached(&read.sql)?;
    let mut rows = statement.query(params_from_iter(&read.values))?;
    let (mut lines, mut bytes) = (vec![], 0);
    while let Some(row) = rows.next()? {
        let line = ground.scope.line(rewriting, row)?;
        if met.contains(&line.row) {
            continue;
        }
        bytes += line.bytes() as u64;
        if bytes > READ_BYTES_MAX && !lines.is_empty() {
            return Ok((lines, true));
        }
        lines.push(line);
    }
    Ok((lines, false))
}

/// Writes one row and returns its key; absent where a trigger kept it as it is.
fn write(
    connection: &Connection,
    ground: &Ground,
    rewriting: &Rewriting,
    line: &Line,
    sets: &[Set],
) -> rusqlite::Result<Option<Key>> {
    let values = sets.iter().map(|set| &set.value).chain(rewriting.marker()).chain(&line.row.0);
    let values: Vec<Sql> = values.map(bound).collect();
    let mut statement = connection.prepare_cached(&ground.scope.write(rewriting, &ways(sets)))?;
    if rewriting.moves_rows() {
        let width = ground.scope.row_width();
        let moved = statement.query_map(params_from_iter(&values), |row| codec::key(row, width))?;
        return moved.collect::<rusqlite::Result<Vec<Key>>>().map(|mut rows| rows.pop());
    }
    Ok((statement.execute(params_from_iter(&values))? > 0).then(|| line.row.clone()))
}

/// What rows count from is what it was before they were written; else they would escape their rule.
fn unmoved(connection: &Connection, ground: &Ground, rewriting: &Rewriting, written: &[Wrote]) -> Result<(), Problem> {
    let width = written.first().map_or(0, |wrote| wrote.line.since.0.len());
    if width == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(&ground.scope.read_since(rewriting))?;
    for Wrote { row, line, .. } in written {
        let values = row.0.iter().map(bound);
        let since = statement.query_row(params_from_iter(values), |row| codec::key(row, width)).optional()?;
        // A row that is not there any more is another matter, which the counters tell.
        if since.is_some_and(|since| since != line.since) {
            return Err(Problem::Fault(Fault::new(FaultClass::Blocked(Cause::SinceMoved), "change", &ground.place)));
        }
    }
    Ok(())
}

/// Every column holds what was written into it: a trigger that puts the old value back makes the row look changed, and it
/// is not.
fn unaltered(
    connection: &Connection,
    ground: &Ground,
    rewriting: &Rewriting,
    written: &[Wrote],
) -> Result<(), Problem> {
    for Wrote { row, sets, .. } in written.iter().filter(|wrote| !wrote.sets.is_empty()) {
        let mut statement = connection.prepare_cached(&ground.scope.is_written(rewriting, &ways(sets)))?;
        let values = sets.iter().map(|set| &set.value).chain(&row.0).map(bound);
        let holds: Option<bool> = statement.query_row(params_from_iter(values), |row| row.get(0)).optional()?;
        if holds == Some(false) {
            let fault = Fault::new(FaultClass::Blocked(Cause::EffectDiffers), "change", &ground.place);
            return Err(Problem::Fault(fault.with_detail(ground.table.as_str())));
        }
    }
    Ok(())
}

fn ways(sets: &[Set]) -> Vec<(usize, Kept)> {
    sets.iter().map(|set| (set.column, set.kept)).collect()
}

/// Another engine's value, which no row here holds, is nothing.
fn bound(value: &Value) -> Sql {
    codec::bind(value).map_or(Sql::Null, |bound| bound.value)
}
