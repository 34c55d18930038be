//! Statements for the operator: nothing here is ever run by forgetd.

/// A name as an operator writes it. Ours are in backticks, which stand around the whole statement here.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An index on columns of a table.
pub(crate) fn index(table: &str, columns: &[String]) -> String {
    let name = quoted(&format!("{table}_{}", columns.join("_")));
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    format!("create index {name} on {} ({})", quoted(table), columns.join(", "))
}
