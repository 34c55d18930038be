//! Foreign keys that are none, or not quite. Pure but for the statements.

use forgetd_connector::{Fault, Finding, Notice, TableRef};
use tokio_postgres::Row;

use super::advice::About;
use crate::codec;
use crate::query::table_name;
use crate::survey::get;

/// Foreign keys that point at the table and that older rows were not checked against, or that are switched off: name,
/// child's schema and name, columns, whether it is off, whether it is enforced at all (before PostgreSQL 18 every one is). `$1` the table's oid.
pub(super) const NOT_WHOLE: &str = "\
select k.conname::text, n.nspname::text, c.relname::text, \
  array(select a.attname::text from unnest(k.conkey) with ordinality p(attnum, n) \
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.attnum order by p.n), o.off, \
  coalesce((to_jsonb(k) ->> 'conenforced')::bool, true) \
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
cross join lateral (select exists (select from pg_trigger g where g.tgconstraint = k.oid and g.tgrelid = k.confrelid \
  and g.tgenabled not in ('O', 'A')) as off) o \
where k.contype = 'f' and k.confrelid = $1::int8::oid and (o.off or not k.convalidated) \
and not exists (select from pg_constraint p where p.oid = k.conparentid and p.confrelid = k.confrelid) order by 2, 3, 1";

/// Columns elsewhere that are called like references to the table: schema, table, column. `$1` the table's oid, `$2` the
/// names, `$3` its key column, `$4` the schema of the control tables.
pub(super) const LOOK_ALIKES: &str = "\
select n.nspname::text, c.relname::text, a.attname::text \
from pg_attribute k join pg_type kt on kt.oid = k.atttypid \
join pg_attribute a on a.attname = any ($2::text[]::name[]) join pg_type t on t.oid = a.atttypid \
join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace \
where k.attrelid = $1::int8::oid and k.attname = $3 and a.attnum > 0 and not a.attisdropped \
and (a.atttypid = k.atttypid or t.typcategory = kt.typcategory and t.typcategory in ('N', 'S')) \
and c.relkind in ('r', 'p') and not c.relispartition and c.oid <> k.attrelid \
and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', $4) \
and not exists (select from pg_constraint f where f.contype = 'f' and f.conrelid = c.oid and a.attnum = any (f.conkey)) \
order by 1, 2, 3 limit 10";

/// A column that looks like a reference and is none.
pub(super) fn look_alike(row: &Row, about: &About<'_>, place: &str) -> Result<Finding, Fault> {
    let child = TableRef { schema: Some(get(row, 0, place)?), name: get(row, 1, place)? };
    let column: String = get(row, 2, place)?;
    let table = &about.step.table;
    let message = format!(
        "{child}.{column} looks like a reference to {} and is no foreign key: such rows stay when what they reference goes",
        table.name
    );
    let key = table.key.iter().map(|column| codec::quote(column)).collect::<Vec<_>>().join(", ");
    let fix = format!(
        "see that a rule deletes from {child}; or run `alter table {} add foreign key ({}) references {} ({key}) not valid`",
        table_name(&child),
        codec::quote(&column),
        table_name(&table.name)
    );
    Ok(Finding::informs(Notice::ReferenceWithoutKey, format!("{}.{child}.{column}", about.database), message, fix))
}

/// A foreign key that is not looked after, or from some time on only.
pub(super) fn not_whole(row: &Row, about: &About<'_>, place: &str) -> Result<Finding, Fault> {
    let name: String = get(row, 0, place)?;
    let child = TableRef { schema: Some(get(row, 1, place)?), name: get(row, 2, place)? };
    let columns: Vec<String> = get(row, 3, place)?;
    let place = match columns.as_slice() {
        [column] => format!("{}.{child}.{column}", about.database),
        columns => format!("{}.{child}.({})", about.database, columns.join(", ")),
    };
    let table = &about.step.table.name;
    let (off, enforced): (bool, bool) = (get(row, 4, &place)?, get(row, 5, &place)?);
    if off || !enforced {
        let message = format!(
            "the foreign key {name} is switched off on {table}: deleting a row looks for none of {child} that references it"
        );
        let statement = if enforced {
            format!("alter table {} enable trigger all", table_name(table))
        } else {
            format!("alter table {} alter constraint {} enforced", table_name(&child), codec::quote(&name))
        };
        let fix = format!("run `{statement}`, once every row references something");
        return Ok(Finding::warns(Notice::ForeignKeyOff, place, message, fix));
    }
    let message = format!("the foreign key {name} is NOT VALID: older rows of {child} may reference nothing");
    let fix = format!("run `alter table {} validate constraint {}`", table_name(&child), codec::quote(&name));
    Ok(Finding::informs(Notice::ForeignKeyNotValid, place, message, fix))
}
