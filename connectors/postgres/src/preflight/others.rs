//! The other tables that deciding about a row looks into: what the role needs there, and whether activity that comes at
//! the very moment of a batch is met.

use forgetd_connector::{Cause, Except, Fault, Finding, Joined, Latest, Notice, Since, Step, TableRef, Terms};
use tokio_postgres::Row;

use crate::codec;
use crate::query::{Param, Sql, table_name};
use crate::survey::{get, odd};

/// Other tables: number, usage of the schema, whether what is read may be read, row security, the role, and whether
/// something lives in inheritance children; then the foreign keys between them and the step's own table, as pairs of lists
/// of columns. A key whose triggers are off holds nobody up; those of partitions are their own. What a row references is
/// there already, and alone.
const OTHERS: &str = "\
select w.n, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT') \
    or coalesce((select bool_and(has_column_privilege(c.oid, r.name, 'SELECT')) \
      from unnest($5::int8[], $6::text[]) as r(n, name) where r.n = w.n), false), \
  row_security_active(c.oid), current_user::text, \
  c.relkind <> 'p' and exists (select from pg_inherits i where i.inhparent = c.oid), \
  (select coalesce(json_agg(json_build_array(k.theirs, k.ours)), '[]')::text \
   from (select \
      (select array_agg(a.attname order by p.n) from unnest(k.conkey) with ordinality as p(attnum, n) \
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.attnum) as theirs, \
      (select array_agg(a.attname order by p.n) from unnest(k.confkey) with ordinality as p(attnum, n) \
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = p.attnum) as ours \
    from pg_constraint k join pg_class own on own.oid = k.confrelid join pg_namespace ns on ns.oid = own.relnamespace \
    where k.contype = 'f' and k.conrelid = c.oid and own.relname = $4 and ns.nspname = $3 \
      and (c.relkind = 'p' or 'O' = all (array(select case when g.tgenabled in ('O', 'A') then 'O' else 'D' end \
        from pg_trigger g where g.tgconstraint = k.oid and g.tgrelid = k.conrelid)) \
        and exists (select from pg_trigger g where g.tgconstraint = k.oid and g.tgrelid = k.conrelid)) \
    union all select \
      (select array_agg(a.attname order by p.n) from unnest(k.confkey) with ordinality as p(attnum, n) \
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = p.attnum), \
      (select array_agg(a.attname order by p.n) from unnest(k.conkey) with ordinality as p(attnum, n) \
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.attnum) \
    from pg_constraint k join pg_class own on own.oid = k.conrelid join pg_namespace ns on ns.oid = own.relnamespace \
    where k.contype = 'f' and k.confrelid = c.oid and own.relname = $4 and ns.nspname = $3) k) \
from unnest($1::text[], $2::text[]) with ordinality as w(s, t, n) \
join pg_namespace n on n.nspname = w.s join pg_class c on c.relnamespace = n.oid and c.relname = w.t \
order by w.n";

/// A table that is looked into.
struct Looked<'a> {
    table: &'a TableRef,
    /// What is read of it; absent: all.
    columns: Option<Vec<&'a str>>,
    /// The activity that is looked for there.
    latest: Option<&'a Latest>,
}

/// Every other table, those with activity once for each activity.
fn looked(step: &Step) -> Vec<Looked<'_>> {
    let named = |name| step.other(name).map_or(name, |table| &table.name);
    let kept = step.selection.except.iter().filter_map(|except| match except {
        Except::Kept { terms, .. } => Some(terms),
        Except::Due(_) | Except::Child(_) => None,
    });
    let activities = std::iter::once(&step.selection.terms).chain(kept).filter_map(activity);
    let mut looked: Vec<Looked<'_>> = activities
        .map(|latest| {
            let columns = latest.on.iter().map(|joined| joined.other.as_str()).chain([latest.at.column.as_str()]);
            Looked { table: named(&latest.table), columns: Some(columns.collect()), latest: Some(latest) }
        })
        .collect();
    for table in step.selection.other_tables().into_iter().map(named) {
        if looked.iter().all(|known| known.table != table) {
            looked.push(Looked { table, columns: None, latest: None });
        }
    }
    looked
}

fn activity(terms: &Terms) -> Option<&Latest> {
    match &terms.since {
        Since::Latest(latest) => Some(latest.as_ref()),
        Since::Column(_) | Since::Greatest(_) => None,
    }
}

/// The question about all of them; absent where there are none.
pub(super) fn question(step: &Step) -> Option<Sql> {
    let looked = looked(step);
    if looked.is_empty() {
        return None;
    }
    let (mut numbers, mut columns) = (vec![], vec![]);
    for (n, looked) in (1..).zip(&looked) {
        for column in looked.columns.iter().flatten() {
            numbers.push(n);
            columns.push(Some((*column).to_owned()));
        }
    }
    let own = &step.table.name;
    Some(Sql::new(
        OTHERS,
        vec![
            Param::Texts(looked.iter().map(|looked| looked.table.schema.clone()).collect()),
            Param::Texts(looked.iter().map(|looked| Some(looked.table.name.clone())).collect()),
            Param::Text(own.schema.clone()),
            own.name.as_str().into(),
            Param::Ints(numbers),
            Param::Texts(columns),
        ],
    ))
}

/// What the answers say.
pub(super) fn findings(step: &Step, database: &str, rows: &[Row]) -> Result<Vec<Finding>, Fault> {
    let looked = looked(step);
    let place = step.place(database);
    let mut findings = vec![];
    for row in rows {
        let n = usize::try_from(get::<i64>(row, 0, &place)?).map_err(|_| odd(&place))?;
        let Looked { table, latest, .. } = looked.get(n.wrapping_sub(1)).ok_or_else(|| odd(&place))?;
        let role: String = get(row, 4, &place)?;
        findings.extend(privileges(table, database, &role, get(row, 1, &place)?, get(row, 2, &place)?));
        if get(row, 3, &place)? {
            let message = format!(
                "row security applies to the role {role} there: rows that decide about others could be hidden from it"
            );
            let fix = format!("run `alter role {} bypassrls`", codec::quote(&role));
            findings.push(Finding::blocks(Cause::RowSecurity, format!("{database}.{table}"), message).with_fix(fix));
        }
        let keys: Vec<(Vec<String>, Vec<String>)> =
            serde_json::from_str(get(row, 6, &place)?).map_err(|_| odd(&place))?;
        if let Some(latest) = latest
            && (get(row, 5, &place)? || !keys.iter().any(|key| guards(key, &latest.on)))
        {
            findings.push(unguarded(step, latest, table, database));
        }
    }
    Ok(findings)
}

fn privileges(table: &TableRef, database: &str, role: &str, usage: bool, select: bool) -> Option<Finding> {
    let quoted = codec::quote(role);
    match (usage, select, &table.schema) {
        (false, _, Some(schema)) => {
            let message = format!("the role {role} lacks USAGE on the schema {schema}, where rows are looked at");
            let fix = format!("run `grant usage on schema {} to {quoted}`", codec::quote(schema));
            Some(Finding::blocks(Cause::Privilege, format!("{database}.{schema}"), message).with_fix(fix))
        }
        (_, false, _) => {
            let message = format!("the role {role} lacks SELECT on the table, where rows are looked at");
            let fix = format!("run `grant select on table {} to {quoted}`", table_name(table));
            Some(Finding::blocks(Cause::Privilege, format!("{database}.{table}"), message).with_fix(fix))
        }
        _ => None,
    }
}

/// Whether a row that joins also references: then inserting it takes a lock on the row that is judged, or it is the row
/// that the judged one references.
fn guards((theirs, ours): &(Vec<String>, Vec<String>), on: &[Joined]) -> bool {
    theirs.iter().zip(ours).all(|(theirs, ours)| on.iter().any(|joined| joined.other == *theirs && joined.own == *ours))
}

fn unguarded(step: &Step, latest: &Latest, other: &TableRef, database: &str) -> Finding {
    let list = |name: fn(&Joined) -> &String| latest.on.iter().map(name).cloned().collect::<Vec<_>>().join(", ");
    let (theirs, ours) = (list(|joined| &joined.other), list(|joined| &joined.own));
    let own = &step.table.name;
    let message = format!(
        "no foreign key of {other} references {own} by {theirs}: a row that is inserted there at the very moment a batch \
         judges is not met, and the row it belongs to can go"
    );
    let fix = format!(
        "add a foreign key from {theirs} to {ours}, or let the application lock the row of {own} (`select .. for key \
         share`) before it inserts"
    );
    Finding::warns(Notice::LatestUnguarded, format!("{database}.{other}"), message, fix)
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Joined;

    use super::guards;

    #[test]
    fn a_key_guards_whatever_joins_by_all_of_it() {
        let on = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(other, own)| Joined { other: (*other).into(), own: (*own).into() }).collect::<Vec<_>>()
        };
        let key = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).unzip();
        for (joined, foreign, expected) in [
            (&[("item", "id")][..], &[("item", "id")][..], true),
            (&[("item", "id"), ("tenant", "tenant")], &[("item", "id")], true),
            (&[("item", "id")], &[("item", "id"), ("tenant", "tenant")], false),
            (&[("item", "id")], &[("item", "number")], false),
            (&[("item", "id")], &[("other", "id")], false),
        ] {
            assert_eq!(guards(&key(foreign), &on(joined)), expected, "{joined:?} {foreign:?}");
        }
    }
}
