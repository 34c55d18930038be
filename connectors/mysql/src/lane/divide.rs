//! Where a table is divided between two lanes: at a value of `since`, behind which the second one begins. Rows that share
//! the value are the second lane's.

use forgetd_connector::walk::{Peek, Position};
use forgetd_connector::{Cursor, Fault, FaultClass, FenceKind, SECOND_LANE, Step, Value};

use crate::answer::get;
use crate::codec;
use crate::connector::Shared;
use crate::survey::walk_by_description;
use crate::walk::{Walk, whole};

/// Connections of a run with two lanes: theirs, and the control tables'.
const CONNECTIONS: u32 = 3;

/// The position `rows` rows of the table behind `from`.
pub(crate) async fn divide(
    shared: &Shared,
    step: &Step,
    from: Option<&Cursor>,
    rows: u64,
) -> Result<Option<Cursor>, Fault> {
    if !divides(shared, step) {
        return Ok(None);
    }
    let position = Position::from_cursor(from);
    let (before, peek) = match position {
        Position::Inside { since, .. } => (None, Peek::Since { from: Some(since), inclusive: false }),
        position => match position.peek() {
            Some(peek @ Peek::Since { .. }) => (Some(position), peek),
            _ => return Ok(None),
        },
    };
    let (query, place) = (shared.query(step)?, step.place(shared.database()));
    let (Some(sql), Some(lead)) = (query.peek_since(&peek, rows), query.lead()) else { return Ok(None) };
    // The second lane's session, which ends with that lane.
    let mut held = shared.slot(SECOND_LANE).take().await?;
    let answers = held.read("divide", &place, &[&sql]).await.map_err(whole)?;
    held.give_back();
    let Some(row) = answers.first().and_then(|answer| answer.rows.first()) else { return Ok(None) };
    let Some(text) = get::<Option<String>>(row, 0, &place)? else { return Ok(None) };
    let at = Position::From(codec::value(lead, text));
    // All that far share one value.
    Ok(if before.as_ref() == Some(&at) { None } else { Some(at.to_cursor()) })
}

/// Whether two lanes can work on the step here: neither can come upon a row of the other's, by foreign keys or by the order
/// that they walk in; each can be fenced by a lock of its own; and there is a session for each.
fn divides(shared: &Shared, step: &Step) -> bool {
    shared.link.context.connections_max >= CONNECTIONS
        && shared.looked.fence() == FenceKind::Lock
        && shared.looked.facts.pooler.is_none()
        && step.divides()
        && walk_by_description(step) == Walk::Since
}

/// The value that a lane ends at.
pub(super) fn end(until: Option<&Cursor>, place: &str) -> Result<Option<Value>, Fault> {
    let Some(until) = until else { return Ok(None) };
    match Position::from_cursor(Some(until)) {
        Position::From(value) => Ok(Some(value)),
        _ => {
            let fault = Fault::new(FaultClass::Internal, "open lane", place);
            Err(fault.with_detail("the lane's end is none of ours"))
        }
    }
}
