//! What a look asks the server. The table's schema, or NULL for the role's search path, is `$1`, its name `$2`.
//! Of the table's own: `$6` are the columns that are written, `$7` whether rows are updated and not deleted.

/// The table, the role, and the settings that concern both: one row where the table exists.
pub(super) const TABLE: &str = "\
select row_security_active(c.oid), c.relforcerowsecurity and pg_has_role(c.relowner, 'USAGE'), \
  has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'), \
  has_table_privilege(c.oid, 'DELETE'), has_any_column_privilege(c.oid, 'UPDATE'), \
  array(select r.rulename::text from pg_rewrite r \
    where r.ev_class = c.oid and r.ev_type::text = case when $7 then '2' else '4' end and r.ev_enabled in ('O', 'A') order by 1), \
  current_setting('track_counts') = 'on', pg_is_in_recovery(), \
  current_setting('default_transaction_read_only') = 'on', \
  u.schemas, u.names, \
  c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', $3), \
  current_user::text, current_setting('session_replication_role') = 'replica', c.oid::int8, \
  array(select kn.nspname || '.' || k.relname from pg_inherits i join pg_class k on k.oid = i.inhrelid \
    join pg_namespace kn on kn.oid = k.relnamespace where i.inhparent = c.oid and c.relkind = 'r' order by 1), \
  c.relkind = 'r' and pg_relation_size(c.oid) = 0 and exists (select from pg_inherits i \
    where i.inhparent = c.oid and pg_relation_size(i.inhrelid) > 0), \
  j.schemas, j.names, \
  array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
    and a.attname = any ($6::text[]) and not has_column_privilege(c.oid, a.attnum, 'UPDATE') order by 1) \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
cross join (select coalesce(array_agg(x.nspname), '{}') as schemas, coalesce(array_agg(x.relname), '{}') as names \
  from (select w.s as nspname, w.t as relname, k.oid, k.relreplident from unnest($4::text[], $5::text[]) as w(s, t) \
    join pg_namespace kn on kn.nspname = w.s join pg_class k on k.relnamespace = kn.oid and k.relname = w.t) x \
  where exists (select from pg_publication_tables pt join pg_publication p on p.pubname = pt.pubname \
    where case when $7 then p.pubupdate else p.pubdelete end and pt.schemaname = x.nspname and pt.tablename = x.relname) \
  and (x.relreplident = 'n' or (x.relreplident = 'd' \
    and not exists (select from pg_index i where i.indrelid = x.oid and i.indisprimary)))) u \
cross join (select coalesce(array_agg(kn.nspname::text), '{}') as schemas, \
    coalesce(array_agg(k.relname::text), '{}') as names \
  from pg_class k join pg_namespace kn on kn.oid = k.relnamespace \
  where k.relkind in ('r', 'p') and (k.relname = 'part_config' and 2 = (select count(*) from pg_attribute a \
      where a.attrelid = k.oid and a.attname in ('parent_table', 'retention')) \
    or (kn.nspname, k.relname) in (('cron', 'job'), ('_timescaledb_catalog', 'hypertable'), \
      ('_timescaledb_config', 'bgw_job'), ('_timescaledb_catalog', 'bgw_job'))) \
  and has_schema_privilege(kn.oid, 'USAGE') and has_table_privilege(k.oid, 'SELECT') \
  and not row_security_active(k.oid)) j \
where c.relname = $2 and (n.nspname = $1 or ($1 is null and n.nspname = any (current_schemas(false))))";

/// Triggers that a change fires, its bit of `tgtype` in `$3`, the columns that an update writes in `$4`: name, function, language, when they fire (the bits of `tgtype`), what they call the
/// old rows of a statement, the function's text, and the tables whose names are words of it.
pub(super) const TRIGGERS: &str = "\
select g.tgname::text, pn.nspname || '.' || p.proname, l.lanname::text, g.tgtype::int8, g.tgoldtable::text, p.prosrc, \
  array(select distinct tn.nspname || '.' || t.relname \
    from regexp_split_to_table(lower(p.prosrc), '[^[:alnum:]_$]+') w \
    join pg_class t on lower(t.relname) = w.w join pg_namespace tn on tn.oid = t.relnamespace \
    where t.relkind in ('r', 'p', 'f') and tn.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1 limit 10) \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
join pg_trigger g on g.tgrelid = c.oid join pg_proc p on p.oid = g.tgfoid \
join pg_namespace pn on pn.oid = p.pronamespace join pg_language l on l.oid = p.prolang \
where c.relname = $2 and (n.nspname = $1 or ($1 is null and n.nspname = any (current_schemas(false)))) \
and not g.tgisinternal and g.tgenabled in ('O', 'A') and g.tgtype & $3 = $3 \
and (cardinality($4::text[]) = 0 or cardinality(g.tgattr::int2[]) = 0 or exists (select from pg_attribute a \
  where a.attrelid = c.oid and a.attnum = any (g.tgattr::int2[]) and a.attname = any ($4::text[]))) \
order by 1";
