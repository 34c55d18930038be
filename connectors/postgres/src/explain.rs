//! How the server would run a step's statements, by its own account. Runs none of them.

use forgetd_connector::walk::{Peek, Span};
use forgetd_connector::{Cause, Explained, Fault, FaultClass, Step};

use crate::connect::{Held, Session};
use crate::connector::Shared;
use crate::query::{LINE_BITS, Query, Sql};
use crate::survey::{Survey, get};
use crate::walk::Walk;

/// The rows of a batch that is explained.
const ROWS: u32 = 1_000;

/// Explains the lookup, the change and the count, with the parameters they would be sent with.
pub(crate) async fn explain(shared: &Shared, step: &Step) -> Result<Vec<Explained>, Fault> {
    let place = step.place(shared.database());
    let query = shared.query(step)?;
    let held = shared.lanes.take().await?;
    let explained = explained(shared, step, &query, &held, &place).await;
    if !matches!(&explained, Err(fault) if fault.class == FaultClass::Disconnected) {
        held.give_back();
    }
    explained
}

async fn explained(
    shared: &Shared,
    step: &Step,
    query: &Query,
    held: &Held,
    place: &str,
) -> Result<Vec<Explained>, Fault> {
    let (survey, walk) = shared.survey(held, step, query).await?;
    let mut explained = vec![];
    for (statement, parts) in statements(query, &survey, walk) {
        let mut texts = vec![];
        for sql in parts {
            texts.push(account(held, query, &sql, place).await?);
        }
        explained.push(Explained { statement: statement.into(), text: texts.join("\n\n") });
    }
    Ok(explained)
}

/// The statements as the first batch sends them; those of one name belong together.
fn statements(query: &Query, survey: &Survey, walk: Walk) -> Vec<(&'static str, Vec<Sql>)> {
    let (span, peek) = match walk {
        Walk::Since => {
            let peek = query.peek_since(&Peek::Since { from: None, inclusive: true }, u64::from(ROWS));
            (Span::Range { from: None, inclusive: true, to: None }, peek)
        }
        Walk::Keys => {
            let peek = query.peek_keys(&Peek::Keys { after: None }, u64::from(ROWS), 1);
            (Span::Keys { after: None, to: None }, peek)
        }
        Walk::Physical => {
            let to = survey.blocks.max(1) << LINE_BITS;
            (Span::Physical { from: 0, to }, Some(query.peek_physical(0, to, ROWS)))
        }
    };
    let change = query.change(&span, ROWS);
    vec![("peek", peek.into_iter().collect()), ("change", change), ("count", vec![query.count(None)])]
}

/// One statement's plan. A role that may not change rows cannot have the plan of a change; it is told so.
async fn account(session: &Session, query: &Query, sql: &Sql, place: &str) -> Result<String, Fault> {
    let explain = sql.clone().say(format!("explain {}", sql.text()));
    match session.read("explain", place, query.pins(), &[&explain]).await {
        Ok(answers) => {
            let rows = answers.first().map(|answer| answer.rows.as_slice()).unwrap_or_default();
            let lines: Vec<&str> = rows.iter().map(|row| get(row, 0, place)).collect::<Result<_, _>>()?;
            Ok(lines.join("\n"))
        }
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Privilege) => {
            Ok("the role lacks the privilege to run it, so the server does not explain it".into())
        }
        Err(fault) => Err(fault),
    }
}
