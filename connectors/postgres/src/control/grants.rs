//! What the daemon's role needs on the control tables, and not more.

use forgetd_connector::Fault;

use super::PgControl;
use crate::codec;
use crate::connector::Names;
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

/// Table, privilege, columns (empty: the whole table).
const NEEDED: &[(&str, &str, &[&str])] = &[
    ("control", "select", &[]),
    ("control", "update", &["generation"]),
    ("lease", "select", &[]),
    ("lease", "insert", &[]),
    ("lease", "update", &["holder", "term", "expires_at"]),
    ("fence", "select", &[]),
    ("fence", "insert", &[]),
    ("fence", "update", &["term"]),
    ("heartbeat", "select", &[]),
    ("heartbeat", "insert", &[]),
    ("heartbeat", "update", &["beaten_at"]),
    ("receipt", "select", &[]),
    ("receipt", "insert", &[]),
    ("receipt", "update", &["state", "term", "body", "mac", "rows", "keys", "acked_at", "leaf_index"]),
    ("receipt", "delete", &[]),
    ("cursor", "select", &[]),
    ("cursor", "insert", &[]),
    ("cursor", "update", &["position"]),
    ("cursor", "delete", &[]),
    ("run", "select", &[]),
    ("run", "insert", &[]),
    ("run", "update", &["result"]),
    ("rulebook", "select", &[]),
    ("rulebook", "insert", &[]),
    ("rulebook", "update", &super::rulebook::KEPT),
    ("standing", "select", &[]),
    ("standing", "insert", &[]),
    ("standing", "update", &["body"]),
    ("standing", "delete", &[]),
    ("request", "select", &[]),
    ("request", "insert", &[]),
    ("request", "update", &["state", "answer"]),
    ("request", "delete", &[]),
    ("log_head", "select", &[]),
    ("log_head", "insert", &[]),
    ("log_head", "update", &["size", "root", "table_oid", "system_identifier", "timeline", "changed_at"]),
    ("log_object", "select", &[]),
    ("log_object", "insert", &[]),
    ("log_object", "update", &["bytes"]),
    ("log_object", "delete", &[]),
    ("log_leaf", "select", &[]),
    ("log_leaf", "insert", &[]),
    ("head_copy", "select", &[]),
    ("head_copy", "insert", &[]),
    ("head_copy", "update", &["size", "root", "changed_at"]),
];

/// The statements that grant it, one privilege each.
pub(super) fn text(names: &Names, role: &str) -> String {
    let role = codec::quote(role);
    let mut text = format!("grant usage on schema {} to {role};\n", names.schema());
    for (table, privilege, columns) in NEEDED {
        let columns: Vec<String> = columns.iter().map(|column| codec::quote(column)).collect();
        let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        text += &format!("grant {privilege}{columns} on {} to {role};\n", names.table(table));
    }
    text
}

/// What of it the role lacks, as `table: privilege`.
pub(super) async fn denied(control: &PgControl) -> Result<Vec<String>, Fault> {
    let mut tables = vec![];
    let mut privileges = vec![];
    let mut columns = vec![];
    for (table, privilege, listed) in NEEDED {
        // A privilege on the whole table is asked for as one on no column.
        let listed = if listed.is_empty() { &[""][..] } else { listed };
        for column in listed {
            tables.push(Some((*table).to_owned()));
            privileges.push(Some((*privilege).to_owned()));
            columns.push(Some((*column).to_owned()));
        }
    }
    let sql = Sql::new(
        "select has_schema_privilege(n.oid, 'usage'), \
           array(select distinct w.t || ': ' || w.p from unnest($2::text[], $3::text[], $4::text[]) as w(t, p, c) \
             join pg_class c on c.relname = w.t and c.relnamespace = n.oid \
             where not case when w.c = '' then has_table_privilege(c.oid, w.p) \
               else has_column_privilege(c.oid, w.c, w.p) end order by 1) \
         from pg_namespace n where n.nspname = $1",
        vec![
            control.shared.names.plain().into(),
            Param::Texts(tables),
            Param::Texts(privileges),
            Param::Texts(columns),
        ],
    );
    let rows = control.read("inspect", &sql).await?;
    let row = rows.first().ok_or_else(|| odd(&control.place()))?;
    let mut denied: Vec<String> = get(row, 1, &control.place())?;
    if !get::<bool>(row, 0, &control.place())? {
        denied.insert(0, format!("{}: usage", control.shared.names.plain()));
    }
    Ok(denied)
}
