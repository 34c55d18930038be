//! Statements on the system catalogs.

/// Tables that are there, and that the role can see into: schema, name. Partitions are tables like their parents.
pub(super) const TABLES: &str = "\
select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
where c.relkind in ('r', 'p') and c.relpersistence <> 't' \
  and n.nspname not in ('pg_catalog', 'information_schema', $1) and n.nspname !~ '^pg_' \
  and has_schema_privilege(n.oid, 'USAGE') and has_any_column_privilege(c.oid, 'SELECT') \
order by n.nspname collate \"C\", c.relname collate \"C\"";

/// Tables by name: oid, schema, name, kind, rows; where rows really are, as schemas and names: the leaves of a parent of
/// partitions, what a view reads. In the order asked for.
pub(super) const RESOLVE: &str = "\
select c.oid::int8, c.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8, r.schemas, r.names, w.n \
from unnest($1::text[], $2::text[]) with ordinality as w(schema, name, n) \
cross join lateral ( \
  select c.oid, ns.nspname, c.relname, c.relkind, c.reltuples \
  from pg_class c join pg_namespace ns on ns.oid = c.relnamespace \
  where c.relname = w.name and c.relkind in ('r', 'p', 'v', 'm', 'f') \
    and (ns.nspname = w.schema or (w.schema is null and ns.nspname = any (current_schemas(false)))) \
  order by array_position(current_schemas(false), ns.nspname) limit 1) c \
cross join lateral ( \
  select coalesce(array_agg(ns.nspname::text order by ns.nspname, k.relname), '{}') as schemas, \
    coalesce(array_agg(k.relname::text order by ns.nspname, k.relname), '{}') as names \
  from pg_class k join pg_namespace ns on ns.oid = k.relnamespace \
  where c.relkind = 'p' and k.oid in (select p.relid from pg_partition_tree(c.oid::regclass) p where p.isleaf) \
    or c.relkind in ('v', 'm') and k.relkind in ('r', 'p', 'f') and k.oid in ( \
      select d.refobjid from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid \
      where w.ev_class = c.oid and d.refclassid = 'pg_class'::regclass)) r \
order by w.n";

/// Columns: table, name, type to cast to, type, category, nullable; the length that the type sets, whether the engine
/// makes the value, whether it counts it, whether it decides about partitions, the labels of an enum, the decimals that a
/// number keeps. A domain counts as
/// the type under it; of a length that domains set over each other only the outermost is asked.
pub(super) const COLUMNS: &str = "\
select a.attrelid::int8, a.attname::text, format_type(b.oid, -1), b.nspname || '.' || b.typname, \
  b.typcategory::text, not a.attnotnull, \
  case when b.oid in ('bpchar'::regtype, 'varchar'::regtype) and b.typmod > 4 then b.typmod - 4 end::int8, \
  a.attgenerated <> '', a.attidentity <> '', \
  a.attname in (select p.attname from pg_partition_ancestors(a.attrelid) r join pg_depend d \
    on d.classid = 'pg_class'::regclass and d.objid = r.relid and d.refclassid = 'pg_class'::regclass \
      and d.refobjid = r.relid and d.refobjsubid = 0 and d.objsubid > 0 and d.deptype = 'i' \
    join pg_attribute p on p.attrelid = r.relid and p.attnum = d.objsubid \
    where exists (select from pg_partitioned_table t where t.partrelid = r.relid)), \
  array(select e.enumlabel::text from pg_enum e where e.enumtypid = b.oid order by e.enumsortorder), \
  case when b.oid = 'numeric'::regtype and b.typmod >= 4 \
    then greatest((((b.typmod - 4) & 2047) # 1024) - 1024, 0) end::int8 \
from pg_attribute a cross join lateral ( \
  with recursive under as ( \
    select t.oid, t.typname, t.typtype, t.typbasetype, t.typcategory, t.typnamespace, t.typtypmod, \
      a.atttypmod as typmod \
    from pg_type t where t.oid = a.atttypid \
    union all \
    select t.oid, t.typname, t.typtype, t.typbasetype, t.typcategory, t.typnamespace, t.typtypmod, \
      case when under.typmod < 0 then under.typtypmod else under.typmod end \
    from under join pg_type t on t.oid = under.typbasetype where under.typtype = 'd') \
  select under.*, n.nspname from under join pg_namespace n on n.oid = under.typnamespace \
  where under.typtype <> 'd') b \
where a.attrelid = any ($1::int8[]::oid[]) and a.attnum > 0 and not a.attisdropped \
order by a.attrelid, a.attnum";

/// Foreign keys of the tables themselves: table, name, columns, schema and name of the table they point at. Where that
/// one has partitions, each of them has a key of its own, which is left out.
pub(super) const REFERENCES: &str = "\
select k.conrelid::int8, k.conname::text, \
  (select array_agg(a.attname::text order by p.n) from unnest(k.conkey) with ordinality as p(attnum, n) \
   join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.attnum), \
  n.nspname::text, c.relname::text \
from pg_constraint k join pg_class c on c.oid = k.confrelid join pg_namespace n on n.oid = c.relnamespace \
where k.contype = 'f' and k.conrelid = any ($1::int8[]::oid[]) \
  and not exists (select from pg_constraint p where p.oid = k.conparentid and p.conrelid = k.conrelid) \
order by 1, 2";

/// Indexes that ranges can use: table, name, columns, unique, fit to be the key. The primary key first.
pub(super) const INDEXES: &str = "\
select i.indrelid::int8, c.relname::text, k.names, i.indisunique, \
  i.indisunique and i.indimmediate and k.all_not_null \
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am am on am.oid = c.relam \
cross join lateral ( \
  select array_agg(a.attname::text order by p.n) as names, bool_and(a.attnotnull) as all_not_null \
  from unnest(i.indkey::int2[]) with ordinality as p(attnum, n) \
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.attnum \
  where p.n <= i.indnkeyatts) k \
where i.indrelid = any ($1::int8[]::oid[]) and am.amname = 'btree' and i.indisvalid and i.indpred is null \
  and 0 <> all (i.indkey::int2[]) \
order by i.indrelid, i.indisprimary desc, c.relname";

/// Foreign keys that a delete can reach: table, name, child schema, child, its columns, parent schema, parent, action,
/// indexed, the parent's columns, the columns that it would set to NULL and that cannot be NULL, whether it follows the
/// parent's columns, the schemas and names of the partitions that stand for the child. The parent of partitions
/// holds no rows, its partitions stand for it; where it alone points at a partition, they do for a key that sets, and for
/// others it is named itself, so that nobody takes its rows for declared. They are looked up in the list of results:
/// as a table to join they lead the planner to a plan that takes seconds. An index without the NULLs serves too: no NULL
/// references anything.
pub(super) const FOREIGN_KEYS: &str = "\
with recursive closure(root, con) as ( \
  select k.confrelid, k.oid from pg_constraint k \
  where k.contype = 'f' and k.confrelid = any ($1::int8[]::oid[]) \
  union \
  select closure.root, k.oid from closure \
  join pg_constraint p on p.oid = closure.con and p.confdeltype = 'c' \
  join pg_constraint k on k.contype = 'f' and k.confrelid = p.conrelid) \
select closure.root::int8, k.conname::text, cn.nspname::text, c.relname::text, \
  (select array_agg(a.attname::text order by p.n) from unnest(k.conkey) with ordinality as p(attnum, n) \
   join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.attnum), \
  pn.nspname::text, pc.relname::text, k.confdeltype::text, \
  exists (select from pg_index x where x.indrelid = k.conrelid and x.indisvalid \
    and (x.indpred is null or pg_get_expr(x.indpred, x.indrelid) in ( \
      select format('(%I IS NOT NULL)', a.attname) from pg_attribute a \
      where a.attrelid = k.conrelid and a.attnum = any (k.conkey))) \
    and (select array_agg(v order by v) from unnest((x.indkey::int2[])[0:cardinality(k.conkey) - 1]) v) \
      = (select array_agg(v order by v) from unnest(k.conkey) v)), \
  (select array_agg(a.attname::text order by p.n) from unnest(k.confkey) with ordinality as p(attnum, n) \
   join pg_attribute a on a.attrelid = k.confrelid and a.attnum = p.attnum), \
  array(select a.attname::text from pg_attribute a where a.attrelid = k.conrelid and a.attnotnull \
    and (k.confdeltype = 'n' or (k.confdeltype = 'd' and not a.atthasdef)) \
    and a.attnum = any (coalesce((select array_agg(v::int2) from jsonb_array_elements_text( \
      nullif(to_jsonb(k) -> 'confdelsetcols', 'null'::jsonb)) v), k.conkey)) order by a.attnum), \
  k.confupdtype = 'c', \
  case when c.relkind = 'p' and k.confdeltype in ('n', 'd') then array(select ns.nspname::text \
    from pg_partition_tree(c.oid::regclass) t join pg_class l on l.oid = t.relid \
    join pg_namespace ns on ns.oid = l.relnamespace where t.isleaf order by t.relid) else array[cn.nspname::text] end, \
  case when c.relkind = 'p' and k.confdeltype in ('n', 'd') then array(select l.relname::text \
    from pg_partition_tree(c.oid::regclass) t join pg_class l on l.oid = t.relid \
    where t.isleaf order by t.relid) else array[c.relname::text] end \
from closure join pg_constraint k on k.oid = closure.con \
join pg_class c on c.oid = k.conrelid \
  and (c.relkind <> 'p' or not exists ( \
    select from pg_constraint l where l.conparentid = k.oid and l.confrelid = k.confrelid)) join pg_namespace cn on cn.oid = c.relnamespace \
join pg_class pc on pc.oid = k.confrelid join pg_namespace pn on pn.oid = pc.relnamespace \
order by 1, 3, 4, 2";
