//! What may go with a batch, against what went.

use std::collections::{BTreeMap, BTreeSet};

use forgetd_connector::{OnDelete, Table, TableRef};

use super::{Reach, Tally};

/// What the schema says about a statement, and the version of the schema that says it.
#[derive(Clone, Debug)]
pub(crate) struct Terrain {
    pub(crate) version: i64,
    pub(crate) reach: Reach,
    pub(crate) without_row_ids: BTreeSet<String>,
    /// Tables in which virtual tables that the statement writes to keep what they know: an index for searching forgets
    /// what a trigger tells it to forget.
    pub(crate) shadows: BTreeSet<String>,
}

/// The tables that a step may take rows from.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    /// The rule's own table.
    own: String,
    /// Its cascade closure, by name.
    children: BTreeMap<String, TableRef>,
    /// Whether a foreign key of the table on itself changes rows that stay.
    sets_own: bool,
}

/// What one delete did, as SQLite counted it.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// Rows that the statement itself says it deleted.
    pub(crate) changed: u64,
    /// Rows of all kinds, by SQLite's total.
    pub(crate) total: u64,
    /// Rows by table, as far as the hook saw them.
    pub(crate) tally: Tally,
    /// Rows that went from announced tables without row ids, counted before and after; empty where one count tells.
    pub(crate) counted: BTreeMap<String, u64>,
}

// === impl Announced ===

impl Announced {
    pub(crate) fn new(table: &Table) -> Self {
        let own = table.name.name.clone();
        let sets_own = table
            .referenced_by
            .iter()
            .any(|key| key.child.name == own && key.parent.name == own && key.on_delete == OnDelete::Set);
        let children = table.cascades_to().into_iter().map(|child| (child.name.clone(), child)).collect();
        Self { own, children, sets_own }
    }

    /// Announced tables whose loss the total alone cannot tell apart: they must be counted before and after. Indexes
    /// for searching keep tables without row ids too.
    pub(crate) fn uncounted(&self, terrain: &Terrain) -> Vec<&str> {
        let hidden: Vec<&str> =
            self.children.keys().filter(|child| terrain.without_row_ids.contains(*child)).map(String::as_str).collect();
        if hidden.len() > 1 || !terrain.shadows.is_empty() { hidden } else { vec![] }
    }

    /// Rows that went from other announced tables; or the table where something else happened.
    pub(crate) fn compare(&self, happened: &Happened, terrain: &Terrain) -> Result<BTreeMap<TableRef, u64>, String> {
        let Happened { changed, total, tally, counted } = happened;
        let Terrain { reach, without_row_ids, shadows, .. } = terrain;
        let of = |rows: &BTreeMap<String, u64>| rows.get(&self.own).copied().unwrap_or_default();
        let own_is_hidden = without_row_ids.contains(&self.own);
        let own_agrees = own_is_hidden || of(&tally.deleted) == *changed;
        if !own_agrees || of(&tally.inserted) > 0 || (of(&tally.updated) > 0 && !self.sets_own) {
            return Err(self.own.clone());
        }
        let mut cascaded = BTreeMap::new();
        for (table, rows) in tally.deleted.iter().filter(|(table, _)| **table != self.own && !shadows.contains(*table))
        {
            let announced = self.children.get(table).ok_or_else(|| table.clone())?;
            cascaded.insert(announced.clone(), *rows);
        }
        let seen = tally.changes() + if own_is_hidden { *changed } else { 0 };
        let hidden = total.saturating_sub(seen);
        if hidden > 0 {
            self.hidden(hidden, counted, reach, without_row_ids, &mut cascaded)?;
        }
        Ok(cascaded)
    }

    /// Rows that the hook did not see changed in tables without row ids.
    fn hidden(
        &self,
        rows: u64,
        counted: &BTreeMap<String, u64>,
        reach: &Reach,
        without_row_ids: &BTreeSet<String>,
        cascaded: &mut BTreeMap<TableRef, u64>,
    ) -> Result<(), String> {
        let own_is_written = without_row_ids.contains(&self.own) && reach.writes.contains(&self.own) && !self.sets_own;
        if own_is_written {
            return Err(self.own.clone());
        }
        let lost = |table: &&String| without_row_ids.contains(*table) && **table != self.own;
        if let Some(stranger) = reach.deletes.iter().filter(lost).find(|table| !self.children.contains_key(*table)) {
            // Whether it lost rows or another one cannot be told: what cannot be told apart does not pass.
            return Err(stranger.clone());
        }
        let children: Vec<(&String, &TableRef)> =
            self.children.iter().filter(|(child, _)| without_row_ids.contains(*child)).collect();
        match children.as_slice() {
            [(name, child)]
                if counted.is_empty() && !reach.writes.iter().any(|table| without_row_ids.contains(table)) =>
            {
                debug_assert!(!cascaded.contains_key(*child), "the hook is silent about {name}");
                cascaded.insert((*child).clone(), rows);
            }
            children => {
                for (name, child) in children {
                    match counted.get(*name) {
                        Some(0) => {}
                        Some(rows) => drop(cascaded.insert((*child).clone(), *rows)),
                        None => return Err((*name).clone()),
                    }
                }
            }
        }
        Ok(())
    }
}
