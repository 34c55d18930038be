//! Other things that delete from the same table by their own clock: pg_cron, pg_partman, TimescaleDB. Looked at only where their
//! tables are there and can be read.

use forgetd_connector::{Fault, Finding, Notice};
use tokio_postgres::Row;

use crate::codec;
use crate::query::{Param, Sql};
use crate::survey::get;

/// The tables of job schedulers that are there and can be read: schema, name.
#[derive(Debug, Default)]
pub(super) struct JobTables(pub(super) Vec<(String, String)>);

/// What every statement returns: place and words for a finding, and the statement that ends the job.
const CRON: &str = "\
select n.nspname || '.' || c.relname, \
  'the pg_cron job ' || j.jobid || coalesce(' (' || (to_jsonb(j) ->> 'jobname') || ')', '') || ' deletes from it too', \
  'select cron.unschedule(' || j.jobid || ')' \
from pg_class c join pg_namespace n on n.oid = c.relnamespace join cron.job j on j.database = current_database() \
cross join lateral regexp_split_to_array(lower(j.command), '[^[:alnum:]_$]+') w \
where c.oid = $1::int8::oid and j.active and lower(c.relname) = any (w) \
and w && array['delete', 'truncate', 'drop'] order by j.jobid limit 10";

fn partman(schema: &str) -> String {
    format!(
        "select p.parent_table, 'pg_partman removes partitions of ' || p.parent_table || ' after ' || p.retention, \
           'update {schema}.part_config set retention = null where parent_table = ' || quote_literal(p.parent_table) \
         from {schema}.part_config p where p.retention is not null and p.parent_table in ( \
           select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
           where c.oid = $1::int8::oid or c.oid in (select relid from pg_partition_ancestors($1::int8::oid::regclass)) \
             or c.oid in (select inhparent from pg_inherits where inhrelid = $1::int8::oid)) order by 1"
    )
}

fn timescale(schema: &str) -> String {
    format!(
        "select n.nspname || '.' || c.relname, 'the TimescaleDB job ' || j.id || ' drops its chunks', \
           'select remove_retention_policy(' || quote_literal(n.nspname || '.' || c.relname) || ')' \
         from {schema}.bgw_job j join _timescaledb_catalog.hypertable h on h.id = j.hypertable_id \
         join pg_namespace n on n.nspname = h.schema_name join pg_class c on c.relnamespace = n.oid and c.relname = h.table_name \
         where j.proc_name::text = 'policy_retention' and c.oid = $1::int8::oid order by j.id"
    )
}

/// A statement for every scheduler.
pub(super) fn statements(tables: &JobTables, table: i64) -> Vec<Sql> {
    let has = |schema: &str, name: &str| tables.0.iter().any(|(s, n)| s == schema && n == name);
    let mut texts = vec![];
    for (schema, name) in &tables.0 {
        match (schema.as_str(), name.as_str()) {
            ("cron", "job") => texts.push(CRON.to_owned()),
            (_, "part_config") => texts.push(partman(&codec::quote(schema))),
            (_, "bgw_job") if has("_timescaledb_catalog", "hypertable") => texts.push(timescale(&codec::quote(schema))),
            _ => {}
        }
    }
    texts.into_iter().map(|text| Sql::new(text, vec![Param::Int(table)])).collect()
}

/// One job that deletes too.
pub(super) fn finding(row: &Row, place: &str) -> Result<Finding, Fault> {
    let (message, statement): (String, String) = (get(row, 1, place)?, get(row, 2, place)?);
    let message = format!("{message}: rows go without a receipt, by another clock");
    let fix = format!("once this rule enforces, run `{statement}`");
    Ok(Finding::warns(Notice::OtherRetention, place, message, fix))
}
