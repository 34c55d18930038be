//! What a transform may change, against what changed.

use std::collections::BTreeMap;

use forgetd_connector::{Rewrite, Table, TableRef};

use super::{Along, Happened, Terrain};

/// The tables that a transform may change.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    /// The rule's own table.
    own: String,
    /// Tables whose references follow, by name.
    follows: BTreeMap<String, TableRef>,
}

// === impl Allowed ===

impl Allowed {
    pub(crate) fn new(table: &Table, rewrite: &Rewrite) -> Self {
        let follows = rewrite.follows.iter().map(|table| (table.name.clone(), table.clone())).collect();
        Self { own: table.name.name.clone(), follows }
    }

    /// Rows of other tables that followed; or the table where something else happened.
    ///
    /// A trigger may write to the rows that we wrote, as those do that say when a row was changed, and add rows
    /// elsewhere; it may neither write to nor take any other row.
    pub(crate) fn compare(&self, happened: &Happened, terrain: &Terrain) -> Result<Along, String> {
        let Happened { changed, total, tally, .. } = happened;
        let Terrain { without_row_ids, shadows, .. } = terrain;
        let is_hidden = without_row_ids.contains(&self.own);
        let mut cascaded = BTreeMap::new();
        let others = || tally.rows.len() as u64;
        if !is_hidden && others() != *changed {
            let followed = others().checked_sub(*changed).filter(|_| self.follows.contains_key(&self.own));
            let (Some(followed), Some(own)) = (followed, self.follows.get(&self.own)) else {
                return Err(self.own.clone());
            };
            cascaded.insert(own.clone(), followed);
        }
        if let Some((table, _)) = tally.deleted.iter().find(|(table, _)| !shadows.contains(*table)) {
            return Err(table.clone());
        }
        if tally.inserted.contains_key(&self.own) {
            return Err(self.own.clone());
        }
        for (table, rows) in tally.updated.iter().filter(|(table, _)| **table != self.own && !shadows.contains(*table))
        {
            let follows = self.follows.get(table).ok_or_else(|| table.clone())?;
            cascaded.insert(follows.clone(), *rows);
        }
        let seen = tally.changes() + if is_hidden { *changed } else { 0 };
        self.hidden(total.saturating_sub(seen), terrain, &mut cascaded)?;
        Ok(Along { cascaded, ..Along::default() })
    }

    /// Rows that the hook did not see written, in tables without row ids: all of one table that follows, or of indexes
    /// for searching. What cannot be told apart does not pass.
    fn hidden(&self, rows: u64, terrain: &Terrain, cascaded: &mut BTreeMap<TableRef, u64>) -> Result<(), String> {
        let Terrain { reach, without_row_ids, shadows, .. } = terrain;
        if rows == 0 {
            return Ok(());
        }
        let own_again = reach.triggers.values().any(|written| written.writes.contains(&self.own));
        let mut suspects: Vec<&String> = reach.writes.union(&reach.deletes).collect();
        suspects.retain(|table| without_row_ids.contains(*table) && !shadows.contains(*table));
        suspects.retain(|table| **table != self.own || own_again || self.follows.contains_key(*table));
        match (suspects.as_slice(), shadows.is_empty()) {
            ([], false) => Ok(()),
            ([only], true) => match self.follows.get(*only).filter(|_| !reach.deletes.contains(*only)) {
                Some(table) => {
                    cascaded.insert(table.clone(), rows);
                    Ok(())
                }
                None => Err((*only).clone()),
            },
            ([first, ..], _) => Err((*first).clone()),
            ([], true) => Err(self.own.clone()),
        }
    }
}
