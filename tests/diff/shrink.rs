//! Cutting a case down to what makes it go wrong.

use std::path::PathBuf;

use forgetd_connector::Predicate;
use forgetd_testkit::generator::{Case, RuleSpec, TransformSpec};
use forgetd_testkit::{Cell, KeySpec, Row};

use crate::rounds::{Engine, Mismatch, on_engines};

/// Attempts at making one case smaller.
const ATTEMPTS_MAX: usize = 200;

/// Says what went wrong, with the smallest case that still does, which is also written where cases are replayed from.
pub(crate) fn report(seed: u64, mismatch: &Mismatch, is_shrunk: bool) -> String {
    let Mismatch { engine, number, case, why } = mismatch;
    let (mut small, mut why) = (case.clone(), why.clone());
    if !is_shrunk {
        return format!("mismatch on {engine}, seed {seed}, case {number}: {why}");
    }
    on_engines(&[(*engine).to_owned()], |on| (small, why) = shrink(on, small.clone(), why.clone()));
    let file = folder().join(format!("found_{seed}_{number}_{engine}.json"));
    let text = serde_json::to_string_pretty(&small.to_json()).unwrap();
    let written = match std::fs::write(&file, format!("{text}\n")) {
        Ok(()) => format!("written to {}", file.display()),
        Err(error) => format!("could not be written to {}: {error}", file.display()),
    };
    format!("mismatch on {engine}, seed {seed}, case {number}: {why}\n{}\n{written}", small.to_json())
}

/// Where cases are replayed from.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/diff")
}

/// The smallest case that was found to go wrong, and how.
fn shrink(engine: &mut Engine<'_>, mut case: Case, mut why: String) -> (Case, String) {
    let mut attempts = 0;
    loop {
        let smaller = smaller(&case).into_iter().find_map(|candidate| {
            attempts += 1;
            if attempts > ATTEMPTS_MAX {
                return None;
            }
            // Another way to go wrong would be another case.
            let said = engine.run(&candidate).err()?;
            (kind(&said) == kind(&why)).then_some((candidate, said))
        });
        match smaller {
            Some(found) => (case, why) = found,
            None => return (case, why),
        }
    }
}

/// What a complaint is about: its words without numbers and lists.
fn kind(why: &str) -> String {
    why.chars().filter(|letter| letter.is_alphabetic() || *letter == ' ').take(40).collect()
}

/// Cases that are a little smaller, those that lose most first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut smaller = vec![];
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut candidate = case.clone();
        change(&mut candidate);
        if candidate != *case {
            smaller.push(candidate);
        }
    };
    with(&|case| case.counted.clear());
    for change in transforms(case) {
        with(&|case| case.transform = Some(change.clone()));
    }
    with(&|case| {
        case.below = None;
        case.tables.retain(|table| table.below.is_none());
    });
    with(&without_beside);
    with(&|case| case.keepers.clear());
    for n in 0..case.keepers.len() {
        with(&|case| drop(case.keepers.remove(n)));
    }
    for (n, table) in case.tables.iter().enumerate() {
        let mut size = table.rows.len().div_ceil(2);
        while size > 0 {
            for from in (0..table.rows.len()).step_by(size) {
                with(&|case| {
                    drop(case.tables[n].rows.drain(from..(from + size).min(table.rows.len())));
                    without_orphans(case);
                });
            }
            size /= 2;
        }
        with(&|case| case.tables[n].indexes.clear());
        if table.key != KeySpec::Id {
            with(&|case| case.tables[n].key = KeySpec::Id);
        }
    }
    with(&|case| case.sealed = false);
    with(&|case| case.rows_max = 1_000);
    with(&|case| case.rule.native = None);
    for predicate in simpler(&case.rule.predicate) {
        with(&|case| case.rule.predicate = predicate.clone());
    }
    for n in 0..case.keepers.len() {
        with(&|case| case.keepers[n].native = None);
        for predicate in simpler(&case.keepers[n].predicate) {
            with(&|case| case.keepers[n].predicate = predicate.clone());
        }
    }
    for (n, column) in case.table().columns.iter().enumerate() {
        let rules: Vec<&RuleSpec> = case.rules().collect();
        let in_key = matches!(&case.table().key, KeySpec::Columns(key) if key.contains(&column.name));
        let written = case.transform.as_ref().is_some_and(|spec| writes(spec, column.name));
        if in_key || written || rules.iter().any(|rule| reads(rule, column.name)) {
            continue;
        }
        with(&|case| {
            let table = &mut case.tables[0];
            table.columns.remove(n);
            table.rows.iter_mut().for_each(|(_, cells)| drop(cells.remove(n)));
            table.indexes.retain(|index| !index.contains(&column.name));
            if let Some(spec) = &mut case.transform {
                spec.inserts.iter_mut().for_each(|(_, cells)| drop(cells.remove(n)));
                spec.edits.retain(|edit| edit.column != column.name);
            }
        });
    }
    smaller
}

/// Transforms that do a little less, or whose application does.
fn transforms(case: &Case) -> Vec<TransformSpec> {
    let Some(spec) = &case.transform else { return vec![] };
    let mut smaller = vec![];
    let mut with = |change: &dyn Fn(&mut TransformSpec)| {
        let mut candidate = spec.clone();
        change(&mut candidate);
        if candidate != *spec {
            smaller.push(candidate);
        }
    };
    with(&|spec| {
        spec.edits.clear();
        spec.inserts.clear();
    });
    with(&|spec| spec.edits.clear());
    with(&|spec| spec.inserts.clear());
    with(&|spec| spec.tokens.clear());
    with(&|spec| spec.unique = None);
    with(&|spec| spec.marker = None);
    for n in 0..spec.places.len() {
        if spec.places.len() > 1 {
            with(&|spec| drop(spec.places.remove(n)));
        }
    }
    let halves = |len: usize| {
        let sizes = std::iter::successors(Some(len.div_ceil(2)), |size| (*size > 1).then(|| size.div_ceil(2)));
        sizes.flat_map(move |size| (0..len).step_by(size.max(1)).map(move |from| from..(from + size).min(len)))
    };
    for range in halves(spec.edits.len()) {
        with(&|spec| drop(spec.edits.drain(range.clone())));
    }
    for range in halves(spec.tokens.len()) {
        with(&|spec| drop(spec.tokens.drain(range.clone())));
    }
    for range in halves(spec.inserts.len()) {
        with(&|spec| drop(spec.inserts.drain(range.clone())));
    }
    smaller
}

fn writes(spec: &TransformSpec, column: &str) -> bool {
    spec.places.iter().any(|place| place.path.column == column)
        || spec.marker == Some(column)
        || spec.unique == Some(column)
}

/// Without the table whose references are set.
fn without_beside(case: &mut Case) {
    case.beside = None;
    case.tables.retain(|table| table.beside.is_none());
}

/// Without rows below or beside that point at none.
fn without_orphans(case: &mut Case) {
    let ids: Vec<Cell> = case.table().rows.iter().map(|row| Cell::Int(row.0)).collect();
    for table in &mut case.tables {
        let Some(column) = table.below.as_ref().or(table.beside.as_ref()).map(|reference| reference.column) else {
            continue;
        };
        let points = |row: &&Row| table.cell(row, column) == Cell::Null || ids.contains(&table.cell(row, column));
        table.rows = table.rows.iter().filter(points).cloned().collect();
    }
}

fn reads(rule: &RuleSpec, column: &str) -> bool {
    let mentioned = format!("{:?}", (&rule.since, &rule.when_null));
    mentioned.contains(&format!("{column:?}")) || rule.predicate.tests().iter().any(|test| test.path.column == column)
}

/// Conditions that say a little less.
fn simpler(predicate: &Predicate) -> Vec<Predicate> {
    match predicate {
        Predicate::All(parts) | Predicate::Any(parts) => {
            let again = |parts: Vec<Predicate>| match predicate {
                Predicate::All(_) => Predicate::All(parts),
                _ => Predicate::Any(parts),
            };
            let mut simpler = parts.clone();
            for (n, part) in parts.iter().enumerate() {
                if parts.len() > 1 {
                    let mut fewer = parts.clone();
                    fewer.remove(n);
                    simpler.push(again(fewer));
                }
                for less in self::simpler(part) {
                    let mut changed = parts.clone();
                    changed[n] = less;
                    simpler.push(again(changed));
                }
            }
            if parts.is_empty() { vec![] } else { simpler.into_iter().chain([Predicate::always()]).collect() }
        }
        Predicate::Not { part, or_null } => {
            let again = |part: Predicate| Predicate::Not { part: Box::new(part), or_null: *or_null };
            std::iter::once((**part).clone()).chain(self::simpler(part).into_iter().map(again)).collect()
        }
        Predicate::Test(_) => vec![Predicate::always()],
    }
}
