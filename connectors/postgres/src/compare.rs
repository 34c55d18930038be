//! Whether what happened is what was announced: the engine's own counters, before and after, inside one transaction.
//!
//! RETURNING and the command's tag lie: rules, triggers, row security and cascades change what they do not say.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Compare, Fault, FaultClass, TableRef};
use tokio_postgres::Row;

use crate::query::{Param, Sql};
use crate::survey::{Announced, get, odd};

/// Rows that a transaction took from a table or changed in it, by the table's oid.
pub(crate) type Counters = BTreeMap<i64, Counter>;

/// The counters of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    name: Option<TableRef>,
    deleted: i64,
    updated: i64,
}

/// Which tables' counters are read, as columns of a statement that is sent anyway: each statement more costs the server
/// a parse, a plan and a send, and joins cost more than columns do.
pub(crate) struct Counting {
    /// The tables by oid, two columns each; absent: all of them, in one column.
    tables: Option<Vec<i64>>,
    columns: String,
}

// === impl Counting ===

impl Counting {
    /// Binds what it needs in `sql`.
    pub(crate) fn new(compare: Compare, own: i64, announced: &Announced, control_name: &str, sql: &mut Sql) -> Self {
        match compare {
            Compare::Announced => {
                let mut tables = vec![own];
                tables.extend(announced.lose.keys().chain(announced.update.keys()).filter(|oid| **oid != own));
                let one = |oid: &i64| {
                    let oid = sql.bind(Param::Int(*oid));
                    format!(
                        "pg_stat_get_xact_tuples_deleted({oid}::int8::oid), \
                         pg_stat_get_xact_tuples_updated({oid}::int8::oid)"
                    )
                };
                let columns: Vec<String> = tables.iter().map(one).collect();
                Self { columns: columns.join(", "), tables: Some(tables) }
            }
            // Own tables are left out, and so are the server's and temporary ones: the application's data is not there.
            Compare::All => {
                let (control, own) = (sql.bind(control_name.into()), sql.bind(Param::Int(own)));
                let columns = format!(
                    "(select coalesce(json_agg(json_build_array(relid::int8, schemaname, relname, n_tup_del, n_tup_upd)), \
                     '[]')::text from pg_stat_xact_all_tables \
                     where (n_tup_del > 0 or n_tup_upd > 0 or relid = {own}::int8::oid) \
                     and schemaname <> {control} and schemaname <> 'information_schema' and schemaname !~ '^pg_')"
                );
                Self { columns, tables: None }
            }
        }
    }

    /// The columns, with commas between them.
    pub(crate) fn columns(&self) -> &str {
        &self.columns
    }

    /// How many there are.
    pub(crate) fn width(&self) -> usize {
        self.tables.as_ref().map_or(1, |tables| tables.len() * 2)
    }

    /// Reads them from column `at` on.
    pub(crate) fn read(&self, row: &Row, at: usize, place: &str) -> Result<Counters, Fault> {
        let Some(tables) = &self.tables else {
            let rows: Vec<(i64, String, String, i64, i64)> =
                serde_json::from_str(get(row, at, place)?).map_err(|_| odd(place))?;
            let counter = |(oid, schema, name, deleted, updated)| {
                (oid, Counter { name: Some(TableRef { schema: Some(schema), name }), deleted, updated })
            };
            return Ok(rows.into_iter().map(counter).collect());
        };
        let counter = |(n, oid): (usize, &i64)| {
            let (deleted, updated) = (get(row, at + 2 * n, place)?, get(row, at + 2 * n + 1, place)?);
            Ok((*oid, Counter { name: None, deleted, updated }))
        };
        tables.iter().enumerate().map(counter).collect()
    }
}

/// What the command said about its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    /// So many rows went.
    Deleted(u64),
    /// So many rows were written.
    Updated(u64),
}

/// Rows that were changed along with those of the table itself, by table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Along {
    /// Those that went from announced tables, or followed in them.
    pub(crate) cascaded: BTreeMap<TableRef, u64>,
    /// Those that stay and whose reference was set.
    pub(crate) references_set: BTreeMap<TableRef, u64>,
}

/// Compares, and returns what was changed along.
pub(crate) fn agree(
    before: &Counters,
    after: &Counters,
    own: i64,
    reported: Reported,
    announced: &Announced,
    place: &str,
) -> Result<Along, Fault> {
    let differs = |table: String| {
        Err(Fault::new(FaultClass::Blocked(Cause::EffectDiffers), "compare effect", place).with_detail(table))
    };
    let mut along = Along::default();
    let (mut own_deleted, mut own_updated) = (0, 0);
    for (oid, counter) in after {
        let earlier = before.get(oid).cloned().unwrap_or_default();
        let deleted = counter.deleted - earlier.deleted;
        let updated = counter.updated - earlier.updated;
        let named = || counter.name.as_ref().map_or_else(|| format!("table {oid}"), ToString::to_string);
        let followed = announced.update.get(oid);
        if *oid == own {
            (own_deleted, own_updated) = (deleted, updated);
            continue;
        }
        if updated != 0 && followed.is_none() {
            return differs(named());
        }
        if let (Reported::Deleted(_), Some(table), 1..) = (reported, followed, updated) {
            along.references_set.insert(table.clone(), updated.unsigned_abs());
        }
        let rows = match reported {
            Reported::Deleted(_) if deleted != 0 => announced.lose.get(oid).map(|table| (table, deleted)),
            Reported::Updated(_) if deleted != 0 => None,
            Reported::Updated(_) if updated != 0 => followed.map(|table| (table, updated)),
            _ => continue,
        };
        match rows {
            Some((table, rows)) => drop(along.cascaded.insert(table.clone(), rows.unsigned_abs())),
            None => return differs(named()),
        }
    }
    let follows = announced.update.get(&own);
    let is = |counted: i64, reported: u64| u64::try_from(counted).ok() == Some(reported);
    let agrees = match reported {
        Reported::Deleted(rows) => is(own_deleted, rows) && (own_updated == 0 || follows.is_some()),
        Reported::Updated(rows) => own_deleted == 0 && (is(own_updated, rows) || follows.is_some()),
    };
    let more = match reported {
        Reported::Deleted(_) => own_updated,
        // Rows that reference others of their own table.
        Reported::Updated(rows) => own_updated - i64::try_from(rows).unwrap_or(i64::MAX),
    };
    if !agrees || more < 0 {
        return differs(place.to_owned());
    }
    let along_of_own = match reported {
        Reported::Deleted(_) => &mut along.references_set,
        Reported::Updated(_) => &mut along.cascaded,
    };
    along_of_own.extend(follows.filter(|_| more > 0).map(|table| (table.clone(), more.unsigned_abs())));
    Ok(along)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use forgetd_connector::{Cause, FaultClass, TableRef};

    use super::{Counter, Counters, Reported, agree};
    use crate::survey::Announced;

    fn counters(rows: &[(i64, i64, i64)]) -> Counters {
        rows.iter()
            .map(|(oid, deleted, updated)| {
                let name = Some(TableRef::parse(&format!("public.t{oid}")));
                (*oid, Counter { name, deleted: *deleted, updated: *updated })
            })
            .collect()
    }

    #[test]
    fn only_what_was_announced_agrees() {
        let announced = Announced {
            lose: BTreeMap::from([(2, TableRef::parse("public.t2"))]),
            update: BTreeMap::from([(3, TableRef::parse("public.t3"))]),
        };
        // Counters still hold what the transaction before this one did.
        let before = counters(&[(1, 10, 1), (2, 7, 0)]);
        for (after, reported, differing) in [
            (&[(1, 15, 1), (2, 10, 0), (3, 0, 9)][..], 5, None),
            (&[(1, 15, 1), (2, 7, 0)], 4, Some("crm.public.t1")),
            (&[(1, 15, 2), (2, 7, 0)], 5, Some("crm.public.t1")),
            (&[(1, 15, 1), (4, 1, 0)], 5, Some("public.t4")),
            (&[(1, 15, 1), (4, 0, 1)], 5, Some("public.t4")),
            (&[(1, 15, 1), (2, 7, 1)], 5, Some("public.t2")),
            (&[(1, 15, 1), (3, 1, 0)], 5, Some("public.t3")),
        ] {
            match (
                agree(&before, &counters(after), 1, Reported::Deleted(reported), &announced, "crm.public.t1"),
                differing,
            ) {
                (Ok(_), None) => {}
                (Err(fault), Some(table)) => {
                    assert_eq!(fault.class, FaultClass::Blocked(Cause::EffectDiffers));
                    assert_eq!(fault.detail.as_deref(), Some(table));
                }
                (other, expected) => panic!("{after:?}: {other:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn cascades_are_counted_by_table() {
        let announced =
            Announced { lose: BTreeMap::from([(2, TableRef::parse("public.t2"))]), update: BTreeMap::new() };
        let along = agree(&counters(&[]), &counters(&[(1, 1, 0), (2, 3, 0)]), 1, Reported::Deleted(1), &announced, "p")
            .unwrap();
        assert_eq!(along.cascaded, BTreeMap::from([(TableRef::parse("public.t2"), 3)]));
    }

    #[test]
    fn references_that_were_set_are_counted_by_table() {
        let table = |n: i64| TableRef::parse(&format!("public.t{n}"));
        let announced = Announced {
            lose: BTreeMap::from([(2, table(2))]),
            update: BTreeMap::from([(1, table(1)), (2, table(2)), (3, table(3))]),
        };
        let before = counters(&[(1, 4, 1), (3, 0, 2)]);
        let after = counters(&[(1, 5, 3), (2, 3, 1), (3, 0, 6)]);
        let along = agree(&before, &after, 1, Reported::Deleted(1), &announced, "p").unwrap();
        assert_eq!(along.cascaded, BTreeMap::from([(table(2), 3)]));
        assert_eq!(along.references_set, BTreeMap::from([(table(1), 2), (table(2), 1), (table(3), 4)]));
    }

    #[test]
    fn rows_that_stay_are_updated_and_nothing_goes() {
        let table = |n: i64| (n, TableRef::parse(&format!("public.t{n}")));
        let announced = Announced { lose: BTreeMap::new(), update: BTreeMap::from([table(2)]) };
        let before = counters(&[(1, 7, 10), (2, 0, 5)]);
        for (after, reported, followed) in [
            (&[(1, 7, 13), (2, 0, 5)][..], 3, Some(0)),
            (&[(1, 7, 13), (2, 0, 9), (3, 0, 0)], 3, Some(4)),
            (&[(1, 7, 13)], 2, None),
            (&[(1, 7, 13)], 4, None),
            (&[(1, 8, 13)], 3, None),
            (&[(1, 7, 13), (2, 1, 5)], 3, None),
            (&[(1, 7, 13), (3, 0, 1)], 3, None),
            (&[(1, 7, 13), (3, 1, 0)], 3, None),
        ] {
            let along = agree(&before, &counters(after), 1, Reported::Updated(reported), &announced, "p");
            assert_eq!(along.ok().map(|along| along.cascaded.values().sum::<u64>()), followed, "{after:?}");
        }
        let itself = Announced { lose: BTreeMap::new(), update: BTreeMap::from([table(1)]) };
        for (updated, followed) in [(12, None), (13, Some(0)), (15, Some(2))] {
            let along = agree(&before, &counters(&[(1, 7, updated)]), 1, Reported::Updated(3), &itself, "p");
            assert_eq!(along.ok().map(|along| along.cascaded.values().sum::<u64>()), followed, "{updated}");
        }
    }
}
