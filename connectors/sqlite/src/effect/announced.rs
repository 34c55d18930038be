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
    own: TableRef,
    /// Its cascade closure, by name.
    children: BTreeMap<String, TableRef>,
    /// Whether a foreign key of the table on itself changes rows that stay.
    sets_own: bool,
    /// Other tables whose references are set when what they point at goes, by name, with the columns of each such key.
    sets: BTreeMap<String, (TableRef, Vec<Vec<String>>)>,
}

/// Rows that were changed along with those of the table itself, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Along {
    /// Those that went from announced tables, or followed in them.
    pub(crate) cascaded: BTreeMap<TableRef, u64>,
    /// Those that stay and whose reference was set.
    pub(crate) references_set: BTreeMap<TableRef, u64>,
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
    /// References that went from tables without row ids, counted before and after, where [`Announced::unlinked`] asks for it.
    pub(crate) unlinked: BTreeMap<String, u64>,
}

// === impl Announced ===

impl Announced {
    pub(crate) fn new(table: &Table) -> Self {
        let own = table.name.clone();
        let set = || table.referenced_by.iter().filter(|key| key.on_delete == OnDelete::Set);
        let sets_own = set().any(|key| key.child == own && key.parent == own);
        let mut sets: BTreeMap<String, (TableRef, Vec<Vec<String>>)> = BTreeMap::new();
        for key in set().filter(|key| key.child != own) {
            let (_, keys) = sets.entry(key.child.name.clone()).or_insert_with(|| (key.child.clone(), vec![]));
            keys.push(key.child_columns.clone());
        }
        let children = table.cascades_to().into_iter().map(|child| (child.name.clone(), child)).collect();
        Self { own, children, sets_own, sets }
    }

    /// The table whose rows that stay are told one by one from those that were changed on their way out.
    pub(crate) fn close(&self) -> Option<&str> {
        self.sets_own.then_some(self.own.name.as_str())
    }

    /// Tables whose references must be counted before and after, with the columns of each foreign key: of what the hook does
    /// not see, the total alone cannot tell one table from another.
    pub(crate) fn unlinked(&self, terrain: &Terrain) -> Vec<(&str, &[Vec<String>])> {
        let silent = self.silent(terrain);
        let must = !Self::total_tells(&silent, terrain);
        let sets = self.sets.iter().filter(|(name, _)| must && silent.contains(&name.as_str()));
        sets.map(|(name, (_, keys))| (name.as_str(), keys.as_slice())).collect()
    }

    /// Whether all that the hook did not see can be of one table only. Indexes for searching keep tables without row ids too.
    fn total_tells(silent: &[&str], terrain: &Terrain) -> bool {
        silent.len() == 1 && terrain.shadows.is_empty()
    }

    /// Tables that the statement can write to, and of which the hook sees nothing; without the own one and indexes for
    /// searching.
    fn silent<'a>(&self, terrain: &'a Terrain) -> Vec<&'a str> {
        let Terrain { reach, without_row_ids, shadows, .. } = terrain;
        let written = reach.writes.union(&reach.deletes).filter(|table| without_row_ids.contains(*table));
        written.filter(|table| **table != self.own.name && !shadows.contains(*table)).map(String::as_str).collect()
    }

    /// Announced tables whose loss the total alone cannot tell apart: they must be counted before and after. Indexes
    /// for searching keep tables without row ids too.
    pub(crate) fn uncounted(&self, terrain: &Terrain) -> Vec<&str> {
        let hidden: Vec<&str> =
            self.children.keys().filter(|child| terrain.without_row_ids.contains(*child)).map(String::as_str).collect();
        if hidden.len() > 1 || !terrain.shadows.is_empty() { hidden } else { vec![] }
    }

    /// What was changed along; or the table where something else happened.
    pub(crate) fn compare(&self, happened: &Happened, terrain: &Terrain) -> Result<Along, String> {
        let Happened { changed, total, tally, counted, .. } = happened;
        let Terrain { reach, without_row_ids, shadows, .. } = terrain;
        let of = |rows: &BTreeMap<String, u64>| rows.get(&self.own.name).copied().unwrap_or_default();
        let own_is_hidden = without_row_ids.contains(&self.own.name);
        let own_agrees = own_is_hidden || of(&tally.deleted) == *changed;
        if !own_agrees || of(&tally.inserted) > 0 || (of(&tally.updated) > 0 && !self.sets_own) {
            return Err(self.own.name.clone());
        }
        let Along { mut cascaded, mut references_set } = self.set(tally);
        for (table, rows) in
            tally.deleted.iter().filter(|(table, _)| **table != self.own.name && !shadows.contains(*table))
        {
            let announced = self.children.get(table).ok_or_else(|| table.clone())?;
            cascaded.insert(announced.clone(), *rows);
        }
        let seen = tally.changes() + if own_is_hidden { *changed } else { 0 };
        let hidden = total.saturating_sub(seen);
        if hidden > 0 {
            self.hidden(hidden, counted, reach, without_row_ids, &mut cascaded)?;
            self.set_unseen(hidden, happened, terrain, &mut references_set)?;
        }
        Ok(Along { cascaded, references_set })
    }

    /// References that were set, as far as the hook saw them.
    fn set(&self, tally: &Tally) -> Along {
        let seen = |(name, (table, _)): (&String, &(TableRef, _))| Some((table.clone(), *tally.updated.get(name)?));
        let mut along = Along { references_set: self.sets.iter().filter_map(seen).collect(), ..Along::default() };
        let own: u64 = tally.rows.values().sum();
        if self.sets_own && own > 0 {
            along.references_set.insert(self.own.clone(), own);
        }
        along
    }

    /// The others: all that was hidden where only one table can be meant, else as they were counted. Of a table that loses
    /// rows as well it is the least that it can be: each of those may have taken a reference by every key.
    fn set_unseen(
        &self,
        rows: u64,
        happened: &Happened,
        terrain: &Terrain,
        references_set: &mut BTreeMap<TableRef, u64>,
    ) -> Result<(), String> {
        // Which of them went afterwards nobody says.
        if self.sets_own && terrain.without_row_ids.contains(&self.own.name) {
            return Err(self.own.name.clone());
        }
        let silent = self.silent(terrain);
        let counted = |of: &BTreeMap<String, u64>, name: &str| of.get(name).copied().unwrap_or_default();
        for (name, (table, keys)) in self.sets.iter().filter(|(name, _)| silent.contains(&name.as_str())) {
            let gone = counted(&happened.counted, name).saturating_mul(keys.len() as u64);
            let unlinked = || counted(&happened.unlinked, name).saturating_sub(gone);
            let rows = if Self::total_tells(&silent, terrain) { rows } else { unlinked() };
            if rows > 0 {
                references_set.insert(table.clone(), rows);
            }
        }
        Ok(())
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
        let own = &self.own.name;
        let own_is_written = without_row_ids.contains(own) && reach.writes.contains(own) && !self.sets_own;
        if own_is_written {
            return Err(own.clone());
        }
        let lost = |table: &&String| without_row_ids.contains(*table) && *table != own;
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
