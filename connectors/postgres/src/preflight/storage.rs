//! How the table lies on disk, and what the planner knows of it. Pure but for the statements.

use forgetd_connector::{Fault, Finding, Notice, Severity};
use tokio_postgres::Row;

use super::advice::About;
use super::statements::listed;
use crate::codec;
use crate::query::table_name;
use crate::survey::get;

/// `$1` the table's oid, `$2` the columns that the period counts from.
pub(super) const STORAGE: &str = "\
select c.relpersistence = 'u', pg_relation_size(c.oid), c.reltuples < 0, \
  array(select w.s from unnest($2::text[]) w(s) where has_column_privilege(c.oid, w.s, 'SELECT') \
    and not exists (select from pg_stats p where p.schemaname = n.nspname and p.tablename = c.relname \
      and p.attname = w.s and not p.inherited)), \
  exists (select from pg_options_to_table(c.reloptions) o \
    where o.option_name = 'autovacuum_enabled' and not o.option_value::bool), \
  current_setting('autovacuum') = 'on', \
  (select pn.nspname || '.' || p.relname from pg_inherits i join pg_class p on p.oid = i.inhparent \
    join pg_namespace pn on pn.oid = p.relnamespace where i.inhrelid = c.oid and c.relispartition) \
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1::int8::oid";

/// Indexes that begin with one of the columns and that no lane can use: column, schema, name, valid, partial, method.
pub(super) const INDEXES: &str = "\
select a.attname::text, n.nspname::text, c.relname::text, i.indisvalid, i.indpred is not null, am.amname::text \
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace \
join pg_am am on am.oid = c.relam \
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = (i.indkey::int2[])[0] \
where i.indrelid = $1::int8::oid and a.attname = any ($2::text[]) \
and (not i.indisvalid or i.indpred is not null or am.amname <> 'btree') order by 2, 3 limit 10";

/// From this size on a plan made without statistics costs time that somebody notices.
const BYTES_MIN: i64 = 1_048_576;

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Storage {
    unlogged: bool,
    bytes: i64,
    /// Neither VACUUM nor ANALYZE has ever seen the table.
    unseen: bool,
    /// Columns without statistics.
    unknown: Vec<String>,
    vacuum_off: bool,
    server_vacuums: bool,
    /// The parent, where the table is a partition.
    parent: Option<String>,
    indexes: Vec<Unusable>,
}

/// An index that begins with a column and serves no lane.
#[derive(Debug)]
struct Unusable {
    column: String,
    /// Quoted.
    name: String,
    valid: bool,
    partial: bool,
    method: String,
}

// === impl Storage ===

impl Storage {
    pub(super) fn read(row: &Row, indexes: &[Row], place: &str) -> Result<Self, Fault> {
        Ok(Self {
            unlogged: get(row, 0, place)?,
            bytes: get(row, 1, place)?,
            unseen: get(row, 2, place)?,
            unknown: get(row, 3, place)?,
            vacuum_off: get(row, 4, place)?,
            server_vacuums: get(row, 5, place)?,
            parent: get(row, 6, place)?,
            indexes: indexes.iter().map(|row| Unusable::read(row, place)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn findings(&self, about: &About<'_>) -> Vec<Finding> {
        let name = table_name(&about.step.table.name);
        let place = about.step.place(about.database);
        let mut findings = vec![];
        if self.bytes >= BYTES_MIN && (self.unseen || !self.unknown.is_empty()) {
            let message = if self.unseen {
                "the table was never analyzed: how its rows lie is guessed, and the walk through it may be the slow one"
                    .into()
            } else {
                let columns = listed(&self.unknown);
                format!(
                    "there are no statistics of {columns}: how rows lie is guessed, and the walk may be the slow one"
                )
            };
            findings.push(Finding::warns(Notice::StatisticsMissing, &place, message, format!("run `analyze {name}`")));
        }
        if self.vacuum_off {
            let message = "autovacuum is off for the table: the space of deleted rows is never used again by itself";
            let fix = format!("run `alter table {name} reset (autovacuum_enabled)`, or vacuum it after each run");
            findings.push(Finding::warns(Notice::AutovacuumOff, &place, message, fix));
        }
        if !self.server_vacuums {
            let message = "autovacuum is off on the server: the space of deleted rows is never used again by itself";
            let fix = "run `alter system set autovacuum = on` and `select pg_reload_conf()`";
            findings.push(Finding::warns(Notice::AutovacuumOff, about.database, message, fix));
        }
        if self.unlogged {
            let message =
                "the table is unlogged: a crash of the server empties it, and what was deleted keeps its receipts";
            let fix = format!("nothing to do; `alter table {name} set logged` if its rows matter");
            findings.push(Finding::informs(Notice::TableUnlogged, &place, message, fix));
        }
        if let Some(parent) = &self.parent {
            let message = format!("the table is a partition of {parent}: rows of other partitions are not touched");
            let fix = "write a rule for each partition whose rows are to go";
            findings.push(Finding::informs(Notice::IsPartition, &place, message, fix));
        }
        let led = |index: &&Unusable| about.step.table.leads_index(&index.column);
        findings.extend(self.indexes.iter().filter(|index| !led(index)).map(|index| index.finding(&place)));
        findings
    }
}

// === impl Unusable ===

impl Unusable {
    fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        let (schema, name): (String, String) = (get(row, 1, place)?, get(row, 2, place)?);
        Ok(Self {
            column: get(row, 0, place)?,
            name: format!("{}.{}", codec::quote(&schema), codec::quote(&name)),
            valid: get(row, 3, place)?,
            partial: get(row, 4, place)?,
            method: get(row, 5, place)?,
        })
    }

    fn finding(&self, place: &str) -> Finding {
        let Self { column, name, method, .. } = self;
        let place = format!("{place}.{column}");
        if !self.valid {
            let message =
                format!("the index {name} begins with {column} and is not valid: building it failed or goes on");
            let fix = format!("when nobody builds it any more, run `reindex index concurrently {name}`");
            return Finding::warns(Notice::IndexUnusable, place, message, fix);
        }
        let why = if self.partial { "does not hold every row".into() } else { format!("is of the kind {method}") };
        let message = format!("the index {name} begins with {column} and {why}, so no batch can walk along it");
        let finding =
            Finding::warns(Notice::IndexUnusable, place, message, "make one of every row, see since_not_indexed");
        Finding { severity: Severity::Info, ..finding }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::about;
    use super::Storage;

    #[test]
    fn small_tables_need_no_statistics_and_a_server_without_autovacuum_is_named() {
        let ids = |storage: &Storage| -> Vec<String> {
            about(|about| storage.findings(about)).into_iter().map(|finding| finding.id).collect()
        };
        let seen = Storage { server_vacuums: true, ..Storage::default() };
        assert_eq!(ids(&seen), [""; 0]);
        assert_eq!(
            ids(&Storage { unseen: true, bytes: 1_000_000, server_vacuums: true, ..Storage::default() }),
            [""; 0]
        );
        let unseen = Storage { unseen: true, bytes: 2_000_000, server_vacuums: true, ..Storage::default() };
        assert_eq!(ids(&unseen), ["statistics_missing"]);
        let found = about(|about| Storage::default().findings(about));
        assert_eq!((found[0].id.as_str(), found[0].place.as_str()), ("autovacuum_off", "crm"));
    }
}
