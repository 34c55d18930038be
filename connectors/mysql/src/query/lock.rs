//! Lock, then judge: rows are locked by their key before they are changed, without waiting for anybody; and where their
//! fate hangs on other rows, the predicate is evaluated again in a later statement, which sees what came before the lock.
//!
//! Who never waits while holding a lock is part of no deadlock, so the application is never the victim of one with us. Where
//! that holds, the order of the locks does not matter.

use std::collections::BTreeMap;

use forgetd_connector::{ForeignKey, LockWait, OnDelete, Table, TableRef};

use super::along::Referring;
use super::carried::Carrier;
use super::change::ALL;
use super::{Query, Sql, table_name};
use crate::codec;

/// The rows of another table that go with the carried ones, by a chain of foreign keys.
pub(crate) struct Children {
    /// The table.
    pub(crate) table: TableRef,
    /// What is set when they go.
    pub(crate) sets: Vec<Referring>,
    /// Locks them, or fails at once.
    pub(crate) lock: Sql,
    /// Deletes them.
    pub(crate) delete: Sql,
}

/// The longest chain of cascades that is followed; plans refuse circles.
const CHAIN_MAX: usize = 16;

impl Query {
    /// The rows of a carrier that are due by what their own columns say, locked.
    pub(super) fn locking(&self, carrier: Carrier, locks: LockWait) -> String {
        format!(
            "select {} from {}{} {ALL} {}",
            self.key_named(),
            self.rows_of(carrier.keys()),
            self.still(),
            self.flavour().for_update("t", locks)
        )
    }

    /// Locks the due rows among those carried, and carries on which.
    pub(crate) fn lock(&self, locks: LockWait) -> Sql {
        let rows = self.locking(Carrier::Due, locks);
        self.carry(self.with_predicate(), Carrier::Held, &rows, None)
    }

    /// Carries those of the locked rows on that are due by what other rows say now.
    pub(crate) fn judge_held(&self) -> Sql {
        let rows = format!(
            "select {} from {} where {} {ALL}",
            self.key_named(),
            self.rows_of(Carrier::Held.keys()),
            self.predicate()
        );
        self.carry(self.with_predicate(), Carrier::Judged, &rows, None)
    }

    /// Whether the engine would delete or change other rows with these.
    pub(crate) fn takes_along(&self) -> bool {
        self.step().table.referenced_by.iter().any(|key| key.on_delete != OnDelete::Refuse)
    }

    /// Whether foreign keys change rows of other tables, or others of this one, which stay.
    pub(crate) fn reaches_others(&self) -> bool {
        let keys = &self.step().table.referenced_by;
        match self.step().rewrite() {
            None => keys.iter().any(|key| key.on_delete == OnDelete::Set),
            Some(rewrite) => keys.iter().any(|key| key.follows && rewrite.follows.contains(&key.child)),
        }
    }

    /// What goes along with the chosen rows, those that depend on others first. The engine would do it without a word: it
    /// says no number of what cascades take and fires no trigger for it. `indexes` says by which index a foreign key's rows are found.
    pub(crate) fn children(&self, indexes: &BTreeMap<String, String>) -> Vec<Children> {
        let mut chains: Vec<Vec<&ForeignKey>> = vec![];
        let mut ends: Vec<Vec<&ForeignKey>> = vec![vec![]];
        let table = &self.step().table;
        for _ in 0..CHAIN_MAX {
            let longer: Vec<Vec<&ForeignKey>> = ends.iter().flat_map(|chain| longer(table, chain)).collect();
            if longer.is_empty() {
                break;
            }
            chains.extend(longer.iter().cloned());
            ends = longer;
        }
        chains.iter().enumerate().rev().map(|(n, chain)| self.child(n + 1, chain, indexes)).collect()
    }

    fn child(&self, number: usize, chain: &[&ForeignKey], indexes: &BTreeMap<String, String>) -> Children {
        let (from, last) = self.along(self.rows_of(self.chosen().keys()), chain, indexes);
        let table = chain.last().map_or_else(|| self.step().table.name.clone(), |key| key.child.clone());
        let lock = self.hold(&from, &last);
        let delete = format!("{}delete {last} from {from}", self.flavour().at_once());
        let sets = self.set_along(number, chain, indexes);
        Children { table, sets, lock: Sql::plain(lock), delete: Sql::plain(delete) }
    }

    /// Locks the rows of an alias, or fails at once, and says how many there are.
    pub(super) fn hold(&self, from: &str, alias: &str) -> String {
        let locked = self.flavour().for_update(alias, LockWait::Wait);
        format!("select count(*) from (select 1 from {from} {ALL} {locked}) as forgetd_rows")
    }

    /// The rows at the end of a chain of foreign keys, which begins at `rows`; and their alias.
    pub(super) fn along(
        &self,
        rows: String,
        chain: &[&ForeignKey],
        indexes: &BTreeMap<String, String>,
    ) -> (String, String) {
        let mut from = rows;
        let mut parent = String::from("t");
        for (n, key) in chain.iter().enumerate() {
            let alias = format!("forgetd_child_{n}");
            let on = key
                .child_columns
                .iter()
                .zip(&key.parent_columns)
                .map(|(own, of)| format!("{alias}.{} = {parent}.{}", codec::quote(own), codec::quote(of)));
            let on = on.collect::<Vec<_>>().join(" and ");
            let index = indexes.get(&key.name).map(|index| format!(" force index ({})", codec::quote(index)));
            let index = index.unwrap_or_default();
            from = format!("{from} straight_join {} as {alias}{index} on {on}", table_name(&key.child));
            parent = alias;
        }
        (from, parent)
    }
}

/// The chain, longer by each cascade that begins where it ends.
fn longer<'a>(table: &'a Table, chain: &[&'a ForeignKey]) -> Vec<Vec<&'a ForeignKey>> {
    let end = chain.last().map_or(&table.name, |key| &key.child);
    let cascades = table.referenced_by.iter().filter(|key| key.on_delete == OnDelete::Cascade && key.parent == *end);
    cascades.map(|key| chain.iter().copied().chain([key]).collect()).collect()
}
