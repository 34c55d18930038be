//! Where a table is divided between two lanes: at a value of `since`, behind which the second one begins, or behind a key. Rows
//! that share the value are the second lane's.

use forgetd_connector::walk::{Peek, Position};
use forgetd_connector::{Cursor, Fault, FaultClass, FenceKind, Key, SECOND_LANE, Step};

use crate::answer::{get, odd};
use crate::codec;
use crate::connect::Session;
use crate::connector::Shared;
use crate::query::Query;
use crate::survey::walk_by_description;
use crate::walk::layout::{Ends, ends, number};
use crate::walk::{Walk, whole};

/// Connections of a run with two lanes: theirs, and the control tables'.
const CONNECTIONS: u32 = 3;

/// The position `rows` rows of the table behind `from`; of a walk by key the middle of what is left.
pub(crate) async fn divide(
    shared: &Shared,
    step: &Step,
    from: Option<&Cursor>,
    rows: u64,
) -> Result<Option<Cursor>, Fault> {
    if !divides(shared, step) {
        return Ok(None);
    }
    let (query, from, place) = (shared.query(step)?, Position::from_cursor(from), step.place(shared.database()));
    // The second lane's session, which ends with that lane.
    let mut held = shared.slot(SECOND_LANE).take().await?;
    // A lane that is under way goes on as it went.
    let at = match (&from, walk_by_description(step)) {
        (Position::Keys { .. }, _) | (_, Walk::Keys) => by_key(&mut held, &query, &from, &place).await?,
        (_, Walk::Since) => by_since(&mut held, &query, &from, rows, &place).await?,
    };
    held.give_back();
    Ok(at.map(|at| at.to_cursor()))
}

/// Whether two lanes can work on the step here: neither can come upon a row of the other's, by foreign keys or by the order
/// that they walk in; each can be fenced by a lock of its own; and there is a session for each.
fn divides(shared: &Shared, step: &Step) -> bool {
    shared.link.context.connections_max >= CONNECTIONS
        && shared.looked.fence() == FenceKind::Lock
        && shared.looked.facts.pooler.is_none()
        && step.divides()
}

async fn by_since(
    session: &mut Session,
    query: &Query,
    from: &Position,
    rows: u64,
    place: &str,
) -> Result<Option<Position>, Fault> {
    let peek = match from {
        Position::Inside { since, .. } => Peek::Since { from: Some(since.clone()), inclusive: false },
        from => match from.peek() {
            Some(peek @ Peek::Since { .. }) => peek,
            _ => return Ok(None),
        },
    };
    let (Some(sql), Some(lead)) = (query.peek_since(&peek, rows), query.lead()) else { return Ok(None) };
    let answers = session.read("divide", place, &[&sql]).await.map_err(whole)?;
    let Some(row) = answers.first().and_then(|answer| answer.rows.first()) else { return Ok(None) };
    let Some(text) = get::<Option<String>>(row, 0, place)? else { return Ok(None) };
    let at = Position::From(codec::value(lead, text));
    // All that far share one value.
    Ok((at != *from).then_some(at))
}

/// Where keys are whole numbers: their middle can be told without a look at what lies before it.
async fn by_key(session: &mut Session, query: &Query, from: &Position, place: &str) -> Result<Option<Position>, Fault> {
    if !query.has_neighbours() {
        return Ok(None);
    }
    let Some(Ends { first, last }) = ends(session, query, place).await.map_err(whole)? else { return Ok(None) };
    let begins = match from {
        Position::Keys { after: Some(Key(values)) } => match values.as_slice() {
            [value] => number(codec::text(value).ok_or_else(|| odd(place))?, place)?,
            _ => return Ok(None),
        },
        _ => first,
    };
    let left = Ends { first: begins, last };
    let at = left.at(query, 1, 2);
    Ok((last - begins > 1).then_some(Position::Keys { after: Some(at) }))
}

/// Where a lane ends that is given an end.
pub(super) fn end(until: Option<&Cursor>, place: &str) -> Result<Option<Position>, Fault> {
    let Some(until) = until else { return Ok(None) };
    match Position::from_cursor(Some(until)) {
        until @ (Position::From(_) | Position::Keys { after: Some(_) }) => Ok(Some(until)),
        _ => {
            let fault = Fault::new(FaultClass::Internal, "open lane", place);
            Err(fault.with_detail("the lane's end is none of ours"))
        }
    }
}
