//! What the server, or this connector, cannot read in the conditions of a step.

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Step};

use crate::connect::Session;
use crate::connector::Shared;
use crate::measure::unreadable;

/// Builds the step's conditions and has the server read those that the policy wrote in its language.
pub(super) async fn look(held: &mut Session, shared: &Shared, step: &Step) -> Result<Option<Finding>, Fault> {
    let database = shared.database();
    let place = step.place(database);
    let fault = match shared.query(step) {
        Ok(query) => match unreadable(held, &query, &place).await {
            Some(fault) => fault,
            None => return Ok(None),
        },
        Err(fault) => fault,
    };
    match fault.class {
        // Said by whoever looks at the role's rights.
        FaultClass::Blocked(Cause::Privilege) => Ok(None),
        FaultClass::Blocked(_) => Ok(Some(refused(step, database, shared.looked.facts.known.name, &fault))),
        _ => Err(fault),
    }
}

/// The finding that a refusal is.
fn refused(step: &Step, database: &str, product: &str, fault: &Fault) -> Finding {
    let place = step.place(database);
    let detail = fault.detail.as_deref().unwrap_or_default();
    match (fault.cause(), step.table.column(detail)) {
        (Cause::Native, _) => Finding::blocks(Cause::Native, place, format!("{product} does not take {detail}")),
        (Cause::ColumnType, Some(column)) => {
            let message =
                format!("where compares {detail} ({}) with what cannot be compared with it", column.type_name);
            let fix = "write the literal in the column's type, or use where_native";
            Finding::blocks(Cause::ColumnType, format!("{place}.{detail}"), message).with_fix(fix)
        }
        (cause, _) => Finding::blocks(cause, place, fault.to_string()),
    }
}
