//! Foreign keys: all that can be seen, and which of them a delete can reach.

use std::collections::{BTreeMap, BTreeSet};

use forgetd_connector::{Fault, ForeignKey, OnDelete, Reference, TableRef};
use mysql_async::Row;

use crate::answer::get;

/// Every foreign key that the role can see.
#[derive(Default)]
pub(super) struct Keys(Vec<ForeignKey>);

// === impl Keys ===

impl Keys {
    /// Reads the columns of keys, in their order, and what the keys do.
    pub(super) fn read(columns: &[Row], rules: &[Row], place: &str) -> Result<Self, Fault> {
        let mut does: BTreeMap<(String, String, String), (String, String)> = BTreeMap::new();
        for row in rules {
            let key = (get(row, 0, place)?, get(row, 1, place)?, get(row, 2, place)?);
            does.insert(key, (get(row, 3, place)?, get(row, 4, place)?));
        }
        let mut keys: BTreeMap<(String, String, String), ForeignKey> = BTreeMap::new();
        for row in columns {
            let table = |schema, name| -> Result<TableRef, Fault> {
                Ok(TableRef { schema: Some(get(row, schema, place)?), name: get(row, name, place)? })
            };
            let child = table(2, 3)?;
            let id = (get(row, 0, place)?, get::<String>(row, 1, place)?, child.name.clone());
            let parent = table(5, 6)?;
            let (on_delete, on_update) = does.get(&id).map_or(("", ""), |(delete, update)| (delete, update));
            let key = ForeignKey {
                name: id.1.clone(),
                // The engine takes CASCADE for NO ACTION where it would come back to the table that is updated.
                follows: on_update == "CASCADE" && child != parent,
                child,
                child_columns: vec![],
                parent,
                parent_columns: vec![],
                on_delete: match on_delete {
                    "CASCADE" => OnDelete::Cascade,
                    "SET NULL" | "SET DEFAULT" => OnDelete::Set,
                    _ => OnDelete::Refuse,
                },
                // InnoDB has no foreign key without one.
                indexed: true,
                // Nor one that would set a column which cannot be NULL.
                unsettable: vec![],
            };
            let key = keys.entry(id).or_insert(key);
            key.child_columns.push(get(row, 4, place)?);
            key.parent_columns.push(get(row, 7, place)?);
        }
        Ok(Self(keys.into_values().collect()))
    }

    /// Those that point at `table`, and those that point at tables from which these take rows.
    pub(super) fn reached_from(&self, table: &TableRef) -> Vec<ForeignKey> {
        let mut seen = BTreeSet::from([table]);
        let mut parents = vec![table];
        let mut found = vec![];
        while let Some(parent) = parents.pop() {
            for key in self.0.iter().filter(|key| key.parent == *parent) {
                found.push(key.clone());
                if key.on_delete == OnDelete::Cascade && seen.insert(&key.child) {
                    parents.push(&key.child);
                }
            }
        }
        found.sort_by(|a, b| (&a.child, &a.name).cmp(&(&b.child, &b.name)));
        found
    }

    /// The table's own.
    pub(super) fn of(&self, table: &TableRef) -> Vec<Reference> {
        let own = self.0.iter().filter(|key| key.child == *table);
        own.map(|key| Reference {
            name: key.name.clone(),
            columns: key.child_columns.clone(),
            parent: key.parent.clone(),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{ForeignKey, OnDelete, TableRef};

    use super::Keys;

    fn key(name: &str, child: &str, parent: &str, on_delete: OnDelete) -> ForeignKey {
        ForeignKey {
            name: name.into(),
            child: TableRef::parse(child),
            child_columns: vec![],
            parent: TableRef::parse(parent),
            parent_columns: vec![],
            on_delete,
            follows: false,
            indexed: true,
            unsettable: vec![],
        }
    }

    #[test]
    fn only_what_cascades_is_followed_and_circles_end() {
        use OnDelete::{Cascade, Refuse, Set};
        let keys = Keys(vec![
            key("1", "d.b", "d.a", Cascade),
            key("2", "d.c", "d.b", Cascade),
            key("3", "d.a", "d.c", Cascade),
            key("4", "d.e", "d.a", Set),
            key("5", "d.f", "d.e", Cascade),
            key("6", "x.a", "d.c", Refuse),
            key("7", "d.g", "x.a", Cascade),
        ]);
        let names = |table: &str| -> Vec<String> {
            keys.reached_from(&TableRef::parse(table)).into_iter().map(|key| key.name).collect()
        };
        assert_eq!(names("d.a"), ["3", "1", "2", "4", "6"]);
        assert_eq!(names("d.e"), ["5"]);
        assert_eq!(names("d.f"), [""; 0]);
        assert_eq!(keys.of(&TableRef::parse("d.a")).len(), 1);
    }
}
