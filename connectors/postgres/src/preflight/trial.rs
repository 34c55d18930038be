//! Constraints, tried on what would be written: those of the table on a few of its rows, and each column's own type.

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Put, Rewrite, Severity, Step, Value};

use crate::codec;
use crate::connect::Session;
use crate::query::{Param, Query, SAMPLES_MAX, Sql};
use crate::survey::get;

/// `$1` the table's oid, `$2` columns. Constraints that ask one of them: name, condition, the first of them.
const CONSTRAINTS: &str = "\
select k.conname::text, pg_get_expr(k.conbin, k.conrelid), min(a.attname)::text \
from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey) \
where k.conrelid = $1::int8::oid and k.contype = 'c' and a.attname = any ($2::text[]) \
group by k.oid, k.conname, k.conbin, k.conrelid order by k.conname limit 100";

/// The declared types of columns, without a length: a cast to it would cut.
const TYPES: &str = "\
select a.attname::text, format_type(a.atttypid, -1) from pg_attribute a join pg_type t on t.oid = a.atttypid \
where a.attrelid = $1::int8::oid and a.attname = any ($2::text[]) and not a.attisdropped \
  and (t.typtype = 'd' or t.typcategory <> 'S')";

/// Looks for what would not go in. What cannot be tried says nothing.
pub(super) async fn look(
    session: &Session,
    step: &Step,
    oid: i64,
    query: &Query,
    place: &str,
) -> Result<Vec<Finding>, Fault> {
    let Some(rewrite) = step.rewrite() else { return Ok(vec![]) };
    let columns: Vec<Option<String>> = rewrite.columns().iter().map(|name| Some((*name).to_owned())).collect();
    let of = |text: &str| Sql::new(text, vec![Param::Int(oid), Param::Texts(columns.clone())]);
    let (constraints, types) = (of(CONSTRAINTS), of(TYPES));
    let answers = session.read("try constraints", place, "", &[&constraints, &types]).await?;
    let [constraints, types] = answers.as_slice() else { return Ok(vec![]) };
    let mut findings = nulls(step, rewrite, place);
    for row in &types.rows {
        let (name, type_name): (String, String) = (get(row, 0, place)?, get(row, 1, place)?);
        findings.extend(of_type(session, rewrite, &name, &type_name, place).await?);
    }
    for row in &constraints.rows {
        let (name, condition, column): (String, String, String) =
            (get(row, 0, place)?, get(row, 1, place)?, get(row, 2, place)?);
        let trial = query.trial(rewrite, &condition)?;
        match session.read("try constraints", place, query.pins(), &[&trial]).await {
            Ok(answers) => {
                let Some(row) = answers.first().and_then(|answer| answer.rows.first()) else { continue };
                let (broken, hopeless): (i64, i64) = (get(row, 0, place)?, get(row, 1, place)?);
                let found = finding(place, &column, &format!("the constraint {name}"));
                match (broken, hopeless) {
                    (0, _) => {}
                    (_, 0) => findings.push(spared(found)),
                    _ => findings.push(found),
                }
            }
            Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
            // A condition that this role may not ask, or a type that has been said above.
            Err(_) => {}
        }
    }
    Ok(findings)
}

fn finding(place: &str, column: &str, what: &str) -> Finding {
    let message = format!("{what} does not take what would be written into {column}");
    Finding::blocks(Cause::TransformUnfit, format!("{place}.{column}"), message)
}

/// What a constraint says of some rows stops no others: those are passed over, one by one.
fn spared(found: Finding) -> Finding {
    Finding {
        severity: Severity::Warning,
        message: format!("{} of some rows", found.message),
        fix: "nothing to do if they may stay: such rows are passed over and counted".into(),
        ..found
    }
}

fn nulls(step: &Step, rewrite: &Rewrite, place: &str) -> Vec<Finding> {
    let taken_away = rewrite.places.iter().filter(|place| place.put == Put::Constant(Value::Null));
    let columns = taken_away.filter_map(|place| step.table.column(&place.path.column));
    let columns = columns.filter(|column| !column.nullable);
    columns
        .map(|column| {
            let message = format!("{} cannot be NULL, and NULL would be written", column.name);
            Finding::blocks(Cause::TransformUnfit, format!("{place}.{}", column.name), message)
        })
        .collect()
}

/// Whether a column's type, a domain's constraints among it, takes what would be written.
async fn of_type(
    session: &Session,
    rewrite: &Rewrite,
    column: &str,
    type_name: &str,
    place: &str,
) -> Result<Option<Finding>, Fault> {
    let constants = rewrite.places.iter().filter(|place| place.is_column() && place.path.column == column);
    let values = constants.flat_map(|place| match &place.put {
        Put::Constant(value) => vec![value.clone()],
        Put::Computed => place.samples.iter().take(SAMPLES_MAX).cloned().collect(),
        Put::Coarser(_) => vec![],
    });
    for value in values {
        let sql = Sql::new(format!("select $1::text::{type_name} is null"), vec![Param::Text(codec::text(&value))]);
        let Err(fault) = session.read("try constraints", place, codec::PINS, &[&sql]).await else { continue };
        let what = match (fault.class, fault.detail.as_deref(), fault.code.as_deref()) {
            (FaultClass::Disconnected, ..) => return Err(fault),
            (FaultClass::Row(Cause::Check), Some(name), _) => format!("the constraint {name}"),
            (_, _, Some(code)) if code.starts_with("22") || code.starts_with("23") => format!("the type {type_name}"),
            _ => continue,
        };
        return Ok(Some(finding(place, column, &what)));
    }
    Ok(None)
}
