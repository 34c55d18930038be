//! Where copies of deleted rows stay, or go. Pure but for the statements.

use forgetd_connector::{Fault, Finding, Notice, TableRef};
use tokio_postgres::Row;

use super::advice::About;
use super::statements::listed;
use crate::query::table_name;
use crate::survey::get;

/// `$1` the table's oid. Materialized views that read it, directly or through views (schemas, names); whether its whole
/// old rows are logged; whether anybody can decode them; publications that send its deletes, and others that send its
/// inserts without them; subscriptions that its rows come from.
pub(super) const COPIES: &str = "\
with recursive reader(oid) as ( \
  select $1::int8::oid \
  union \
  select r.ev_class from reader join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = reader.oid \
    and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid), \
view(schema, name) as ( \
  select n.nspname::text, c.relname::text from reader join pg_class c on c.oid = reader.oid \
    join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm' and c.relispopulated limit 10) \
select (select coalesce(array_agg(schema order by schema, name), '{}') from view), \
  (select coalesce(array_agg(name order by schema, name), '{}') from view), \
  c.relreplident = 'f', current_setting('wal_level') = 'logical', \
  p.publications, p.keepers, \
  array(select s.subname::text from pg_subscription_rel r join pg_subscription s on s.oid = r.srsubid \
    where r.srrelid = c.oid order by 1) \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
cross join lateral ( \
  select coalesce(array_agg(p.pubname::text order by p.pubname) filter (where p.pubdelete), '{}') as publications, \
    coalesce(array_agg(p.pubname::text order by p.pubname) filter (where p.pubinsert and not p.pubdelete), '{}') as keepers \
  from pg_publication p join pg_publication_tables t on t.pubname = p.pubname \
  where t.schemaname = n.nspname and t.tablename = c.relname) p \
where c.oid = $1::int8::oid";

/// Logical replication slots of the database: name, whether somebody reads it, bytes of log that it has still to read.
pub(super) const SLOTS: &str = "\
select slot_name::text, active, coalesce(pg_wal_lsn_diff( \
  case when pg_is_in_recovery() then null else pg_current_wal_lsn() end, confirmed_flush_lsn), 0)::int8 \
from pg_replication_slots where slot_type = 'logical' and database = current_database() order by 1 limit 10";

/// A reader this far behind is not just slow.
const LAG_BYTES_MAX: i64 = 1_073_741_824;

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Copies {
    views: Vec<TableRef>,
    logs_old_rows: bool,
    decodable: bool,
    /// Publications that send the table's deletes.
    publications: Vec<String>,
    /// Publications that send its inserts and not its deletes.
    keepers: Vec<String>,
    /// Subscriptions that the table's rows come from.
    sources: Vec<String>,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    active: bool,
    behind: i64,
}

// === impl Copies ===

impl Copies {
    pub(super) fn read(row: &Row, slots: &[Row], place: &str) -> Result<Self, Fault> {
        let (schemas, names): (Vec<String>, Vec<String>) = (get(row, 0, place)?, get(row, 1, place)?);
        let view = |(schema, name)| TableRef { schema: Some(schema), name };
        let slot = |row: &Row| {
            Ok(Slot { name: get(row, 0, place)?, active: get(row, 1, place)?, behind: get(row, 2, place)? })
        };
        Ok(Self {
            views: schemas.into_iter().zip(names).map(view).collect(),
            logs_old_rows: get(row, 2, place)?,
            decodable: get(row, 3, place)?,
            publications: get(row, 4, place)?,
            keepers: get(row, 5, place)?,
            sources: get(row, 6, place)?,
            slots: slots.iter().map(slot).collect::<Result<_, Fault>>()?,
        })
    }

    pub(super) fn findings(&self, about: &About<'_>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.views.iter().map(|view| materialized(view, about)).collect();
        findings.extend(self.published(about));
        findings.extend(self.slots.iter().filter_map(|slot| slot.finding(about.database)));
        findings
    }

    fn published(&self, about: &About<'_>) -> Vec<Finding> {
        let table = &about.step.table.name;
        let place = about.step.place(about.database);
        let mut findings = vec![];
        for publication in &self.keepers {
            let message = format!(
                "the publication {publication} sends inserts of {table} and no deletes: its subscribers keep every row"
            );
            let fix = format!(
                "run `alter publication {} set (publish = 'insert, update, delete, truncate')`, or forget at the subscribers",
                crate::codec::quote(publication)
            );
            findings.push(Finding::warns(Notice::DeletesNotPublished, &place, message, fix));
        }
        if !self.sources.is_empty() {
            let sources = listed(&self.sources);
            let message = format!(
                "rows of {table} come from the subscription {sources}: what is deleted here stays where it comes from, \
                 and a copy made anew brings it back"
            );
            findings.push(Finding::warns(
                Notice::RowsSubscribed,
                &place,
                message,
                "let forgetd delete at the publisher",
            ));
        }
        let publications = listed(&self.publications);
        let identity = format!("run `alter table {} replica identity default`", table_name(table));
        match (self.logs_old_rows && self.decodable, self.publications.is_empty()) {
            (true, false) => {
                let message = format!(
                    "the replica identity is FULL: {publications} sends every value of a deleted row to its subscribers"
                );
                findings.push(Finding::warns(
                    Notice::ReplicaIdentityFull,
                    &place,
                    message,
                    format!("{identity}, if the table has a primary key"),
                ));
            }
            (true, true) => {
                let message =
                    "the replica identity is FULL: every value of a deleted row is written to the log once more";
                let fix = format!("{identity}, if nobody reads it");
                findings.push(Finding::informs(Notice::ReplicaIdentityFull, &place, message, fix));
            }
            (false, false) => {
                let message = format!("the publication {publications} tells its subscribers which rows are deleted");
                let fix = "see that subscribers delete too, and keep no history that nobody forgets";
                findings.push(Finding::informs(Notice::DeletesPublished, &place, message, fix));
            }
            (false, true) => {}
        }
        findings
    }
}

fn materialized(view: &TableRef, about: &About<'_>) -> Finding {
    let message = format!(
        "the materialized view reads {} and keeps copies of deleted rows until it is refreshed",
        about.step.table.name
    );
    let fix = format!("run `refresh materialized view {}` after each run", table_name(view));
    Finding::warns(Notice::MatviewKeepsCopies, format!("{}.{view}", about.database), message, fix)
}

// === impl Slot ===

impl Slot {
    fn finding(&self, database: &str) -> Option<Finding> {
        let Self { name, active, behind } = self;
        let message = match (active, *behind > LAG_BYTES_MAX) {
            (false, _) => {
                format!("nobody reads the logical replication slot {name}: the log of deletes piles up for it")
            }
            (true, true) => format!("the reader of the logical replication slot {name} is more than 1 GiB behind"),
            (true, false) => return None,
        };
        let literal = crate::codec::literal(name);
        let fix = format!("if nobody comes back for it, run `select pg_drop_replication_slot({literal})`");
        Some(Finding::informs(Notice::SlotBehind, database, message, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn a_slot_is_named_when_nobody_reads_it_or_when_its_reader_is_far_behind() {
        for (active, behind, named) in
            [(false, 0, true), (true, 0, false), (true, 1 << 30, false), (true, (1 << 30) + 1, true)]
        {
            let slot = Slot { name: "s".into(), active, behind };
            assert_eq!(slot.finding("crm").is_some(), named, "{active} {behind}");
        }
    }
}
