//! Rows that stay and that foreign keys change: their references are set to NULL when what they point at goes, or follow what
//! is written there. The engine does it, without a word and without a trigger; here the rows are locked and counted before.

use std::collections::BTreeMap;

use forgetd_connector::{Column, ForeignKey, LockWait, OnDelete, TableRef};

use super::change::ALL;
use super::{Query, Sql};
use crate::codec;

/// By which index of its table the rows of a foreign key are found, by the key's name.
pub(crate) type Indexes = BTreeMap<String, String>;

/// Rows of one foreign key that stay and will be changed.
pub(crate) struct Referring {
    /// Their table.
    pub(crate) table: TableRef,
    /// Locks them, or fails at once, and says how many there are.
    pub(crate) count: Sql,
    /// Where they are rows of the step's own table, some of them can go as well: counts, once the chosen ones went, those
    /// that are still there.
    pub(crate) stayed: Option<Sql>,
}

impl Query {
    /// What is set when the chosen rows go.
    pub(crate) fn sets(&self, indexes: &Indexes) -> Vec<Referring> {
        self.set_along(0, &[], indexes)
    }

    /// What is set when the rows at the end of a chain go; `number` is no other chain's.
    pub(super) fn set_along(&self, number: usize, chain: &[&ForeignKey], indexes: &Indexes) -> Vec<Referring> {
        let table = &self.step().table;
        let end = chain.last().map_or(&table.name, |key| &key.child);
        let keys = table.referenced_by.iter().enumerate();
        let set = keys.filter(|(_, key)| key.on_delete == OnDelete::Set && key.parent == *end);
        set.map(|(n, key)| {
            let chain: Vec<&ForeignKey> = chain.iter().copied().chain([key]).collect();
            let (from, last) = self.along(self.rows_of(self.chosen().keys()), &chain, indexes);
            if key.child == table.name {
                return self.set_own(&format!("{number}_{n}"), &from, &last);
            }
            Referring { table: key.child.clone(), count: Sql::plain(self.hold(&from, &last)), stayed: None }
        })
        .collect()
    }

    /// Rows of the table itself are carried until the chosen ones went, under a name that no others have.
    fn set_own(&self, name: &str, from: &str, alias: &str) -> Referring {
        let (keys, count) = (format!("@forgetd_set_{name}"), format!("@forgetd_set_rows_{name}"));
        let named = |(n, column): (usize, &Column)| format!("{alias}.{} as forgetd_k{n}", codec::quote(&column.name));
        let named: Vec<String> = self.key().iter().enumerate().map(named).collect();
        let locked = self.flavour().for_update(alias, LockWait::Wait);
        let rows = format!("select {} from {from} {ALL} {locked}", named.join(", "));
        let stayed =
            format!("select (select count(*) from {}), {count}, coalesce(json_length({keys}), 0)", self.rows_of(&keys));
        Referring {
            table: self.step().table.name.clone(),
            count: self.carry_into(Sql::default(), (&keys, &count), &rows, None),
            stayed: Some(Sql::plain(stayed)),
        }
    }

    /// Foreign keys whose rows follow what the step writes.
    pub(super) fn following(&self) -> impl Iterator<Item = &ForeignKey> {
        let rewrite = self.step().rewrite();
        let table = &self.step().table;
        table.referenced_by.iter().filter(move |key| {
            key.parent == table.name
                && key.follows
                && rewrite.is_some_and(|rewrite| rewrite.follows.contains(&key.child))
        })
    }

    /// Counts the rows that follow through `key`, where `changed` says which of `rows` will get another value.
    pub(super) fn followed(
        &self,
        sql: Sql,
        key: &ForeignKey,
        rows: &str,
        changed: &str,
        indexes: &Indexes,
    ) -> Referring {
        let (from, last) = self.along(rows.to_owned(), &[key], indexes);
        let count = self.hold(&format!("{from} where {changed}"), &last);
        Referring { table: key.child.clone(), count: sql.say(count), stayed: None }
    }
}
