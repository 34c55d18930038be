//! What the account lacks, asked by statements that mean no row: the server alone knows what roles, patterns and revokes add
//! up to.

use forgetd_connector::{Cause, Fault, Finding, Step, Table, TableRef};

use super::looked::{Allowed, allowed};
use super::statements::{changed_with, deleted_with, listed, written};
use crate::codec;
use crate::connect::Session;
use crate::query::{Sql, table_name};

/// Everything that is lacking.
pub(super) async fn look(
    session: &mut Session,
    step: &Step,
    role: &str,
    database: &str,
) -> Result<Vec<Finding>, Fault> {
    let table = &step.table.name;
    let own = columns(&step.table);
    let mut findings = vec![];
    if step.rewrite().is_some() {
        let lacks = lacking(session, table, &["select"], &own, database).await?;
        findings.extend(lacks.finding(table, role, database));
        findings.extend(unwritable(session, step, role, database).await?);
    } else {
        let lacks = lacking(session, table, &["select", "delete"], &own, database).await?;
        findings.extend(lacks.finding(table, role, database));
    }
    for child in deleted_with(step) {
        let lacks = lacking(session, &child, &["select", "delete"], &referring(step, &child), database).await?;
        findings.extend(lacks.finding(&child, role, database));
    }
    for child in changed_with(step) {
        let lacks = lacking(session, &child, &["select", "update"], &referring(step, &child), database).await?;
        findings.extend(lacks.finding(&child, role, database));
    }
    for other in step.others.iter().filter(|other| other.name != *table) {
        let lacks = lacking(session, &other.name, &["select"], &columns(other), database).await?;
        findings.extend(lacks.finding(&other.name, role, database));
    }
    Ok(findings)
}

/// The columns of a table that reference something.
fn referring(step: &Step, child: &TableRef) -> Vec<String> {
    let keys = step.table.referenced_by.iter().filter(|key| key.child == *child);
    keys.flat_map(|key| key.child_columns.clone()).collect()
}

/// The columns of a table as it was described: those that the account may see something of.
fn columns(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

/// Verbs that are not allowed on a table.
struct Lacking(Vec<&'static str>);

// === impl Lacking ===

impl Lacking {
    fn finding(&self, table: &TableRef, role: &str, database: &str) -> Option<Finding> {
        if self.0.is_empty() {
            return None;
        }
        let verbs: Vec<String> = self.0.iter().map(|verb| verb.to_uppercase()).collect();
        let message = format!("the account {role} lacks {} on {table}", verbs.join(" and "));
        let fix = format!("run `grant {} on {} to {role}`", self.0.join(", "), table_name(table));
        Some(Finding::blocks(Cause::Privilege, format!("{database}.{table}"), message).with_fix(fix))
    }
}

async fn lacking(
    session: &mut Session,
    table: &TableRef,
    verbs: &[&'static str],
    columns: &[String],
    place: &str,
) -> Result<Lacking, Fault> {
    let name = table_name(table);
    let mut lacking = vec![];
    for verb in verbs {
        let sql = match *verb {
            "select" => {
                let columns: Vec<String> = columns.iter().map(|column| codec::quote(column)).collect();
                format!("select {} from {name} where false", columns.join(", "))
            }
            // To lock rows takes it on one of the products.
            "update" => format!("explain select 1 from {name} where false for update"),
            verb => format!("explain {verb} from {name} where false"),
        };
        if let Allowed::No = allowed(session, &Sql::plain(sql), place).await? {
            lacking.push(*verb);
        }
    }
    Ok(Lacking(lacking))
}

/// Columns that an update of the step writes and may not.
async fn unwritable(session: &mut Session, step: &Step, role: &str, database: &str) -> Result<Option<Finding>, Fault> {
    let table = &step.table.name;
    let (name, place) = (table_name(table), step.place(database));
    let mut unwritable = vec![];
    for column in written(step) {
        let quoted = codec::quote(column);
        let sql = format!("explain update {name} set {quoted} = null where false");
        if let Allowed::No = allowed(session, &Sql::plain(sql), &place).await? {
            unwritable.push(column.to_owned());
        }
    }
    if unwritable.is_empty() {
        return Ok(None);
    }
    let message = format!("the account {role} lacks UPDATE on {}", listed(&unwritable));
    let columns: Vec<String> = unwritable.iter().map(|column| codec::quote(column)).collect();
    let fix = format!("run `grant update ({}) on {name} to {role}`", columns.join(", "));
    Ok(Some(Finding::blocks(Cause::Privilege, place, message).with_fix(fix)))
}
