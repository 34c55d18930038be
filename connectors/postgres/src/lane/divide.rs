//! Where a table is divided between two lanes: at a value of `since`, behind which the second one begins, or at a block. Rows
//! that share the value are the second lane's.

use forgetd_connector::walk::{Peek, Position};
use forgetd_connector::{Cursor, Fault, SECOND_LANE, Step};

use crate::codec;
use crate::connect::Session;
use crate::connector::Shared;
use crate::query::{LINE_BITS, Query};
use crate::survey::{Survey, get, walk_by_description};
use crate::walk::Walk;

/// Connections of a run with two lanes: theirs, and the control tables'.
const CONNECTIONS: u32 = 3;

/// The position `rows` rows of the table behind `from`; of a walk by physical row id the middle of what is left.
pub(crate) async fn divide(
    shared: &Shared,
    step: &Step,
    from: Option<&Cursor>,
    rows: u64,
) -> Result<Option<Cursor>, Fault> {
    if !divides(shared, step) {
        return Ok(None);
    }
    let (query, from) = (shared.query(step)?, Position::from_cursor(from));
    // The second lane's session, which ends with that lane.
    let held = shared.slot(SECOND_LANE).take().await?;
    // A lane that is under way goes on as it went.
    let walk = match &from {
        Position::Start => shared.walk(step),
        Position::Physical { .. } => Walk::Physical,
        Position::Keys { .. } => Walk::Keys,
        _ => walk_by_description(step),
    };
    let at = match walk {
        Walk::Since => by_since(shared, &held, step, &query, from, rows).await?,
        Walk::Physical => by_block(shared, &held, step, &query, from).await?,
        Walk::Keys => None,
    };
    held.give_back();
    Ok(at.map(|at| at.to_cursor()))
}

/// Whether two lanes can work on the step here: neither can come upon a row of the other's, and there is a session for each,
/// as there is not behind a pooler for long.
fn divides(shared: &Shared, step: &Step) -> bool {
    shared.link.context.connections_max >= CONNECTIONS && !shared.pooled && step.divides()
}

async fn by_since(
    shared: &Shared,
    session: &Session,
    step: &Step,
    query: &Query,
    from: Position,
    rows: u64,
) -> Result<Option<Position>, Fault> {
    let peek = match &from {
        Position::Inside { since, .. } => Peek::Since { from: Some(since.clone()), inclusive: false },
        from => match from.peek() {
            Some(peek @ Peek::Since { .. }) => peek,
            _ => return Ok(None),
        },
    };
    let (Some(sql), Some(lead)) = (query.peek_since(&peek, rows), query.lead()) else { return Ok(None) };
    let place = step.place(shared.database());
    let answers = session.read("divide", &place, query.pins(), &[&sql]).await?;
    let Some(row) = answers.first().and_then(|answer| answer.rows.first()) else { return Ok(None) };
    let Some(text) = get::<Option<String>>(row, 0, &place)? else { return Ok(None) };
    let at = Position::From(codec::value(lead, text));
    // All that far share one value.
    Ok((at != from).then_some(at))
}

async fn by_block(
    shared: &Shared,
    session: &Session,
    step: &Step,
    query: &Query,
    from: Position,
) -> Result<Option<Position>, Fault> {
    let place = step.place(shared.database());
    let survey = Survey::take(session, step, query, &place).await?;
    let first = match from {
        Position::Physical { storage, from } if storage == survey.storage => from >> LINE_BITS,
        _ => 0,
    };
    let middle = first + survey.blocks.saturating_sub(first) / 2;
    let at = Position::Physical { storage: survey.storage, from: middle << LINE_BITS };
    Ok((middle > first).then_some(at))
}
