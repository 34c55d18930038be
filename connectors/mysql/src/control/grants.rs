//! What the daemon's role needs on the control tables, and not more.

use forgetd_connector::Fault;

use super::MyControl;
use crate::codec;
use crate::connect::Ask;
use crate::connector::Names;

/// Table, privilege, columns (empty: the whole table). An insert that may update a duplicate takes, on one of the products,
/// the privilege to update every column that it names.
const NEEDED: &[(&str, &str, &[&str])] = &[
    ("control", "select", &[]),
    ("control", "update", &["generation"]),
    ("lease", "select", &[]),
    ("lease", "insert", &[]),
    ("lease", "update", &[]),
    ("fence", "select", &[]),
    ("fence", "insert", &[]),
    ("fence", "update", &[]),
    ("heartbeat", "select", &[]),
    ("heartbeat", "insert", &[]),
    ("heartbeat", "update", &[]),
    ("session", "select", &[]),
    ("session", "insert", &[]),
    ("session", "update", &[]),
    ("session", "delete", &[]),
    ("receipt", "select", &[]),
    ("receipt", "insert", &[]),
    ("receipt", "update", &["state", "term", "run", "body", "mac", "rows", "keys", "acked_at", "leaf_index"]),
    ("receipt", "delete", &[]),
    ("cursor", "select", &[]),
    ("cursor", "insert", &[]),
    ("cursor", "update", &[]),
    ("cursor", "delete", &[]),
    ("run", "select", &[]),
    ("run", "insert", &[]),
    ("run", "update", &[]),
    ("rulebook", "select", &[]),
    ("rulebook", "insert", &[]),
    ("rulebook", "update", &[]),
    ("standing", "select", &[]),
    ("standing", "insert", &[]),
    ("standing", "update", &[]),
    ("standing", "delete", &[]),
    ("request", "select", &[]),
    ("request", "insert", &[]),
    ("request", "update", &["state", "answer"]),
    ("request", "delete", &[]),
    ("log_head", "select", &[]),
    ("log_head", "insert", &[]),
    // To lock the row takes the privilege to change all of it.
    ("log_head", "update", &["size", "root", "place", "changed_at"]),
    ("log_object", "select", &[]),
    ("log_object", "insert", &[]),
    ("log_object", "update", &[]),
    ("log_object", "delete", &[]),
    ("log_leaf", "select", &[]),
    ("log_leaf", "insert", &[]),
    ("log_leaf", "update", &[]),
    ("head_copy", "select", &[]),
    ("head_copy", "insert", &[]),
    ("head_copy", "update", &[]),
];

/// The server's numbers for a privilege that lacks.
const LACKS: [u16; 4] = [1044, 1142, 1143, 1227];

/// The statements that grant it, one privilege each.
pub(super) fn text(names: &Names, role: &str) -> String {
    let role = codec::account(role);
    let mut text = String::new();
    for (table, privilege, columns) in NEEDED {
        let columns: Vec<String> = columns.iter().map(|column| codec::quote(column)).collect();
        let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        text += &format!("grant {privilege}{columns} on {} to {role};\n", names.table(table));
    }
    text
}

/// A statement that takes this privilege to be explained, and is not run.
fn probe(names: &Names, table: &str, privilege: &str, columns: &[&str]) -> String {
    // Nobody grants the update of a key's column but with all others.
    let key = if matches!(table, "log_object" | "head_copy") { "origin" } else { "instance" };
    let table = names.table(table);
    match privilege {
        "select" => format!("explain select * from {table} where false"),
        "insert" => format!("explain insert into {table} () values ()"),
        "delete" => format!("explain delete from {table} where false"),
        _ => {
            let columns = if columns.is_empty() { &[key][..] } else { columns };
            let set: Vec<String> = columns.iter().map(|column| format!("{} = null", codec::quote(column))).collect();
            format!("explain update {table} set {} where false", set.join(", "))
        }
    }
}

/// What of it the role lacks, as `table: privilege`.
///
/// Privileges come from accounts, roles and patterns of names; the server alone adds them up, when it is asked to explain
/// a statement that needs one.
pub(super) async fn denied(control: &MyControl) -> Result<Vec<String>, Fault> {
    let names = &control.shared.names;
    let mut held = control.shared.desk.take().await?;
    let mut denied = vec![];
    let mut rest: &[_] = NEEDED;
    // Each turn ends at the first that lacks.
    for _ in 0..=NEEDED.len() {
        let probes: Vec<String> =
            rest.iter().map(|(table, privilege, columns)| probe(names, table, privilege, columns)).collect();
        let asks: Vec<Ask<'_>> = probes.iter().map(|text| Ask::Say(text)).collect();
        if asks.is_empty() {
            break;
        }
        let answers = held.turn("inspect", &asks).await?;
        let passed = answers.iter().take_while(|answer| answer.is_ok()).count();
        match answers.into_iter().nth(passed) {
            Some(Err(error)) if LACKS.contains(&error.code()) => {
                denied.extend(rest.get(passed).map(|(table, privilege, _)| format!("{table}: {privilege}")));
            }
            // The server refuses all writes, which is somebody else's finding.
            Some(Err(error)) if matches!(error.code(), 1290 | 1836) => {}
            Some(Err(error)) => {
                held.give_back();
                return Err(control.shared.control_fault(&error, "inspect"));
            }
            Some(Ok(_)) | None => {}
        }
        rest = rest.get(passed + 1..).unwrap_or_default();
    }
    held.give_back();
    Ok(denied)
}

/// Whether tables that the role cannot see may be there all the same: the server denies what it would say about them.
pub(super) async fn hidden(control: &MyControl, tables: &[String]) -> Result<bool, Fault> {
    let Some(table) = tables.first() else { return Ok(false) };
    let probe = probe(&control.shared.names, table, "select", &[]);
    let mut held = control.shared.desk.take().await?;
    let answers = held.turn("inspect", &[Ask::Say(&probe)]).await?;
    held.give_back();
    Ok(answers.iter().any(|answer| answer.as_ref().is_err_and(|error| LACKS.contains(&error.code()))))
}
