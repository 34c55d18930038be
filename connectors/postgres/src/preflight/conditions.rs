//! What the server, or this connector, cannot read in the conditions of a step.

use forgetd_connector::{Cause, Fault, Finding, Step};

/// The finding that a refusal is.
pub(super) fn refused(step: &Step, database: &str, fault: &Fault) -> Finding {
    let place = step.place(database);
    let detail = fault.detail.as_deref().unwrap_or_default();
    match (fault.cause(), step.table.column(detail)) {
        (Cause::Native, _) => Finding::blocks(Cause::Native, place, format!("PostgreSQL does not take {detail}")),
        (Cause::ColumnType, Some(column)) => {
            let message =
                format!("where compares {detail} ({}) with what cannot be compared with it", column.type_name);
            let fix = "write the literal in the column's type, or use where_native";
            Finding::blocks(Cause::ColumnType, format!("{place}.{detail}"), message).with_fix(fix)
        }
        (cause, _) => Finding::blocks(cause, place, fault.to_string()),
    }
}
