//! Cases that transform: a run, the same run again, then the application goes on and a later run; after each one every column
//! of every row is what the oracle says.

mod coarse;
mod contents;
mod oracle;
mod place;
mod rule;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd::plan;
use forgetd::transform::KeyedTransform;
use forgetd_connector::{Count, RowCap, Step, Undone};
use forgetd_testkit::generator::{Case, EditSpec, TransformSpec};
use forgetd_testkit::{Cell, Row, TableSpec, literal};
use jiff::Timestamp;

use crate::engine::Site;
use crate::lanes::{self, Drained};
use crate::trial::{Seen, Trial, lost};
use contents::{contents, same_in};
use oracle::{Fates, Oracle, put};
use place::Became;
use tokens::keys;

pub(crate) use oracle::places;
pub(crate) use rule::transform;

/// What a case that transforms met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met {
    /// Rows that stayed because another one took what they would have held; of all runs together.
    pub(crate) rivals: u64,
    /// Rows with a value that cannot be read; of all runs together.
    pub(crate) unfit: u64,
    /// Rows that were transformed once more after the application had used them.
    pub(crate) reactivated: u64,
    /// Rows that were over and done before the first run.
    pub(crate) already: u64,
    /// What a text became where, in which row: the same on every engine.
    pub(crate) tokens: Tokens,
}

/// By row and column.
type Tokens = BTreeMap<(i64, String), String>;

/// Whether there is anything that the engine can transform.
pub(crate) fn fits(trial: &Trial<'_>, spec: &TransformSpec) -> bool {
    !oracle::places(trial.case, spec, trial.site).is_empty()
}

/// Whether two engines made something else of the same value.
pub(crate) fn differ(one: &Tokens, other: &Tokens) -> Option<String> {
    let wrong = one.iter().find(|(at, text)| other.get(*at).is_some_and(|other| other != *text));
    wrong.map(|((id, column), text)| format!("{column} of row {id} became {text} on another engine"))
}

/// The tokens of the first run in rows that hold on an engine of documents what they hold on others. Members inside documents
/// have other names there.
pub(crate) fn of_unaltered(tokens: &Tokens, plain: &Case, case: &Case) -> Tokens {
    let row = |case: &Case, id: i64| case.table().rows.iter().find(|row| row.0 == id).cloned();
    let same = |id: i64| row(plain, id).is_some() && row(plain, id) == row(case, id);
    let first = tokens.iter().filter(|((id, place), _)| place.ends_with(" after run 1") && same(*id));
    let plain = first.filter(|(_, text)| text.starts_with("Text(") || text.starts_with("Int("));
    plain.map(|(at, text)| (at.clone(), text.clone())).collect()
}

/// Runs a case on one engine.
pub(crate) async fn run(trial: &Trial<'_>, spec: &TransformSpec) -> Result<Seen, String> {
    let mut tables = trial.case.tables.clone();
    hand_out(&mut tables[0], spec);
    for table in &tables {
        trial.site.make(table).await;
    }
    if let Some(unique) = spec.unique {
        make_unique(trial.site, &tables[0], unique).await;
    }
    let mut met = Met::default();
    let first = Round { trial, spec, number: 1, is_again: false, now: trial.case.now };
    let due = first.run(&mut tables, &mut met).await?;
    Round { number: 2, is_again: true, ..first }.run(&mut tables, &mut met).await?;
    let used = use_again(trial, spec, &mut tables[0]).await;
    let written: Vec<i64> = met.tokens.keys().map(|(id, _)| *id).collect();
    let later = Round { number: 3, now: spec.later, ..first };
    let before = tables[0].clone();
    later.run(&mut tables, &mut met).await?;
    let changed = |id: &&i64| {
        let row = |table: &TableSpec| table.rows.iter().find(|row| row.0 == **id).map(|row| row.1.clone());
        written.contains(id) && row(&before) != row(&tables[0])
    };
    met.reactivated = used.iter().filter(changed).count() as u64;
    Round { number: 4, is_again: true, ..later }.run(&mut tables, &mut met).await?;
    Ok(Seen { rows: trial.case.table().rows.len() as u64, due, met: Some(met) })
}

async fn make_unique(site: &dyn Site, table: &TableSpec, column: &str) {
    if let Some(documents) = site.documents() {
        return documents.make_unique(table, column).await;
    }
    let index = site.quote(&format!("{}_unique", table.name));
    let (name, column) = (site.quote(table.name), site.quote(column));
    site.sql(&format!("create unique index {index} on {name} ({column})")).await;
}

/// Makes tokens of the values that the case says are some from the beginning.
fn hand_out(table: &mut TableSpec, spec: &TransformSpec) {
    let manner = coarse::Manner { integers_by_value: false, typed_address: false };
    for (id, path) in &spec.tokens {
        let Some(spec) = spec.places.iter().find(|place| place.path == *path) else { continue };
        let Some(at) = table.rows.iter().position(|row| row.0 == *id) else { continue };
        let mut row = table.rows[at].clone();
        if let Became::New(cell) = (place::Place { spec, manner }).becomes(&table.cell(&row, &path.column)) {
            put(table, &mut row, &path.column, cell);
            table.rows[at] = row;
        }
    }
}

/// What the application does between the runs; the rows that it used.
async fn use_again(trial: &Trial<'_>, spec: &TransformSpec, table: &mut TableSpec) -> Vec<i64> {
    let mut used = vec![];
    for edit in &spec.edits {
        let Some(at) = table.rows.iter().position(|row| row.0 == edit.id) else { continue };
        write(trial.site, table, edit).await;
        let mut row = table.rows[at].clone();
        put(table, &mut row, edit.column, edit.cell.clone());
        table.rows[at] = row;
        used.push(edit.id);
    }
    match trial.site.documents() {
        Some(documents) => documents.insert(table, &spec.inserts).await,
        None => {
            for statement in table.inserts(trial.site, &spec.inserts) {
                trial.site.sql(&statement).await;
            }
        }
    }
    table.rows.extend(spec.inserts.iter().cloned());
    used.dedup();
    used
}

/// One value of one row.
async fn write(site: &dyn Site, table: &TableSpec, edit: &EditSpec) {
    if let Some(documents) = site.documents() {
        return documents.edit(table, edit).await;
    }
    let value = literal(site, table.kind(edit.column), &edit.cell);
    let (name, column) = (site.quote(table.name), site.quote(edit.column));
    site.sql(&format!("update {name} set {column} = {value} where id = {}", edit.id)).await;
}

/// One run.
#[derive(Clone, Copy)]
struct Round<'a> {
    trial: &'a Trial<'a>,
    spec: &'a TransformSpec,
    number: u64,
    /// Whether the one before it left nothing to do.
    is_again: bool,
    now: Timestamp,
}

// === impl Round ===

impl Round<'_> {
    /// Runs on `tables`, which hold afterwards what the engine's do; the number of due rows.
    async fn run(&self, tables: &mut [TableSpec], met: &mut Met) -> Result<u64, String> {
        let case = Case { now: self.now, tables: tables.to_vec(), ..self.trial.case.clone() };
        let trial = Trial { case: &case, ..self.trial.again() };
        let said = |why: String| format!("run {}: {why}", self.number);
        let (step, over) = trial.planned().await.map_err(said)?;
        let oracle = Oracle::new(&case, self.spec, trial.site);
        let fates = oracle.fates(case.table(), &over);
        if self.number == 1 {
            trial.findings(&step).await?;
            met.already = (over.len() - fates.due.len()) as u64;
        }
        trial.measured(&step, &fates.due, "the rule").await.map_err(said)?;
        if !self.is_again {
            trial.explained(&step, &fates.due).await.map_err(said)?;
        }
        let drained = self.drain(&trial, &step).await;
        let lost: usize = fates.rivals.iter().map(|(ids, places)| ids.len() - places).sum();
        let expected =
            Drained { changed: (fates.new.len() - lost) as u64, unfit: fates.unfit.len() as u64, refused: lost as u64 };
        tables[0].rows = self.compared(&trial, &fates).await.map_err(said)?;
        if drained != expected {
            return Err(said(format!("{drained:?}, not {expected:?}")));
        }
        if self.is_again && drained.changed > 0 {
            return Err(said(format!("{} rows are transformed again", drained.changed)));
        }
        let left = expected.unfit + expected.refused;
        for (what, count) in [
            ("measured", trial.arena.connector.measure(&step, RowCap(None)).await.unwrap().due),
            ("counted as survivors", trial.arena.connector.survivors(&step).await.unwrap()),
        ] {
            if count != Count::Exact(left) {
                return Err(said(format!("{count:?} {what} afterwards, {left} stay due")));
            }
        }
        if !self.is_again {
            self.counted(&trial, &step, &oracle, &tables[0]).await.map_err(said)?;
        }
        met.rivals += expected.refused;
        met.unfit += expected.unfit;
        self.remember(&oracle, &fates, &tables[0], met);
        Ok(fates.due.len() as u64)
    }

    /// Whether the engine counts as many rows that look done at each place.
    async fn counted(
        &self,
        trial: &Trial<'_>,
        step: &Step,
        oracle: &Oracle<'_>,
        table: &TableSpec,
    ) -> Result<(), String> {
        for undone in &step.selection.undone {
            let Undone::Other { path, shape } = undone else { continue };
            let place = oracle
                .places
                .iter()
                .find(|place| rule::said(trial.site, &place.spec.path) == *path)
                .ok_or("a place of no rule")?;
            let alike = table.rows.iter().filter(|row| place.is_alike(&table.cell(row, place.column()))).count() as u64;
            let counted = trial.arena.connector.count_shaped(&step.table, path, shape).await.unwrap();
            if counted != alike {
                return Err(format!("{counted} rows look done at {path}, not {alike}"));
            }
        }
        Ok(())
    }

    async fn drain(&self, trial: &Trial<'_>, step: &Step) -> Drained {
        let rule = trial.policy.rule(&trial.names.purge()).unwrap().transform().unwrap();
        let transform = KeyedTransform::new(plan::treated(rule, &step.table), keys());
        let step = Step { rule: format!("{}-{}", step.rule, self.number), ..step.clone() };
        lanes::drain(trial.arena, &step, trial.case.rows_max, Arc::new(transform)).await
    }

    /// The rows that are there now, if each is what it must be.
    async fn compared(&self, trial: &Trial<'_>, fates: &Fates) -> Result<Vec<Row>, String> {
        let table = trial.case.table();
        let found = contents(trial.site, table).await;
        let mut won: Vec<i64> = vec![];
        if found.len() != table.rows.len() {
            return Err(format!("{} rows, not {}", found.len(), table.rows.len()));
        }
        let mut rows = vec![];
        for before in &table.rows {
            let Some(now) = found.iter().find(|row| row.0 == before.0) else { return Err(lost(before.0)) };
            let is = |cells: &[Cell]| {
                let columns = table.columns.iter().zip(cells.iter().zip(&now.1));
                columns.clone().all(|(column, (cell, found))| same_in(column.kind, cell, found))
            };
            let new = fates.new.get(&before.0);
            let is_rival = fates.rivals.iter().any(|(ids, _)| ids.contains(&before.0));
            let cells = match new {
                Some(new) if is(new) => {
                    won.push(before.0);
                    new
                }
                Some(_) if is_rival && is(&before.1) => &before.1,
                Some(new) => return Err(self.told(table, before, new, now)),
                None if is(&before.1) => &before.1,
                None => return Err(self.told(table, before, &before.1, now)),
            };
            rows.push((before.0, cells.clone()));
        }
        for (ids, places) in &fates.rivals {
            let winners = ids.iter().filter(|id| won.contains(id)).count();
            if winners != *places {
                return Err(format!("{winners} of the rows {ids:?} took what only {places} can hold"));
            }
        }
        Ok(rows)
    }

    fn told(&self, table: &TableSpec, before: &Row, expected: &[Cell], found: &Row) -> String {
        let columns = table.columns.iter().zip(before.1.iter().zip(expected.iter().zip(&found.1)));
        let wrong = columns.filter(|(column, (_, (expected, found)))| !same_in(column.kind, expected, found));
        let told: Vec<String> = wrong
            .map(|(column, (old, (expected, found)))| {
                format!("{} of row {} was {old:?}, must be {expected:?} and is {found:?}", column.name, before.0)
            })
            .collect();
        told.join("; ")
    }

    /// The tokens of this run, to compare with those of another engine.
    fn remember(&self, oracle: &Oracle<'_>, fates: &Fates, table: &TableSpec, met: &mut Met) {
        // Where nothing but the marker tells what is done, engines that read more of it do more.
        let told = |place: &&place::Place<'_>| place.is_computed() && (place.shows() || !oracle.is_engines_own);
        // In a document one such place is enough.
        let all_told =
            |column: &&str| oracle.places.iter().filter(|place| place.column() == *column).all(|place| told(&place));
        let columns: Vec<&str> = oracle.places.iter().filter(told).map(place::Place::column).filter(all_told).collect();
        for row in table.rows.iter().filter(|row| fates.new.contains_key(&row.0)) {
            if fates.rivals.iter().any(|(ids, _)| ids.contains(&row.0)) {
                continue;
            }
            for column in &columns {
                let key = (row.0, format!("{column} after run {}", self.number));
                met.tokens.insert(key, format!("{:?}", table.cell(row, column)));
            }
        }
    }
}
