//! The statements of a step as people see them, and how the server would run them by its own account. Runs none
//! that changes anything.

use forgetd_connector::walk::{Peek, Span};
use forgetd_connector::{Cause, Explained, Fault, FaultClass, Key, Statements, Step, Value};
use mysql_async::Row;

use crate::answer::get;
use crate::connect::Session;
use crate::connector::Shared;
use crate::flavour::AT_ONCE;
use crate::query::{Query, Sql, shown};

/// The rows of a batch that is explained.
const ROWS: u32 = 1_000;

/// Statements that the server has a plan for.
const PLANNED: &[&str] = &["select ", "with ", "delete ", "update ", "insert "];

/// The statements of a step, without their values.
pub(crate) fn statements(shared: &Shared, step: &Step) -> Result<Statements, Fault> {
    let query = shared.query(step)?;
    let (span, peek, walk) = match query.lead().filter(|lead| walks_by_since(step, &lead.name)) {
        Some(lead) => {
            let value = || Value::Typed { kind: lead.type_name.clone(), text: String::new() };
            let peek = query.peek_since(&Peek::Since { from: Some(value()), inclusive: true }, 1);
            (Span::Range { from: Some(value()), inclusive: true, to: Some(value()) }, peek, "since")
        }
        None => {
            let key = || Key(query.key().iter().map(|_| Value::Null).collect());
            let peek = query.peek_keys(&Peek::Keys { after: Some(key()) }, 1, 1);
            (Span::Keys { after: Some(key()), to: Some(key()) }, peek, "key")
        }
    };
    let change: Vec<String> = changes(&query, &span).iter().map(Sql::text).collect();
    Ok(Statements {
        predicate: shown(query.predicate()),
        walk: walk.into(),
        peek: peek.map(|sql| sql.text()).unwrap_or_default(),
        change: change.join(";\n"),
        count: query.count(None).text(),
    })
}

/// Explains the lookup, the change and the count, with the values they would be sent with.
pub(crate) async fn explain(shared: &Shared, step: &Step) -> Result<Vec<Explained>, Fault> {
    let place = step.place(shared.database());
    let query = shared.query(step)?;
    let mut held = shared.lanes.take().await?;
    let explained = explained(step, &query, &mut held, &place).await;
    held.give_back();
    explained
}

async fn explained(step: &Step, query: &Query, held: &mut Session, place: &str) -> Result<Vec<Explained>, Fault> {
    let (span, peek) = match query.lead().filter(|lead| walks_by_since(step, &lead.name)) {
        Some(_) => {
            let peek = query.peek_since(&Peek::Since { from: None, inclusive: true }, u64::from(ROWS));
            (Span::Range { from: None, inclusive: true, to: None }, peek)
        }
        None => {
            let peek = query.peek_keys(&Peek::Keys { after: None }, u64::from(ROWS), 1);
            (Span::Keys { after: None, to: None }, peek)
        }
    };
    // Where a range ends is known to the session only; without ends it has no rows, and no plan worth showing.
    if query.has_neighbours() {
        held.read("explain", place, &[&Query::any_reach(ROWS)]).await?;
    }
    let mut explained = vec![];
    let statements =
        [("peek", peek.into_iter().collect()), ("change", changes(query, &span)), ("count", vec![query.count(None)])];
    for (statement, parts) in statements {
        let mut texts = vec![];
        for sql in parts {
            texts.push(account(held, &sql, place).await?);
        }
        explained.push(Explained { statement: statement.into(), text: texts.join("\n\n") });
    }
    Ok(explained)
}

/// The statements of a batch: as one range of keys where its rows can be neighbours, and by key.
fn changes(query: &Query, span: &Span) -> Vec<Sql> {
    let mut change = query.change_reach(span, ROWS);
    change.extend(query.change(span, ROWS));
    change
}

/// Whether a lane goes through the table in the order of `since`.
fn walks_by_since(step: &Step, lead: &str) -> bool {
    step.table.leads_index(lead) && !step.table.key.is_empty()
}

/// One statement's plan. A role that may not change rows cannot have the plan of a change; it is told so.
async fn account(session: &mut Session, sql: &Sql, place: &str) -> Result<String, Fault> {
    let text = sql.text();
    let planned = text.strip_prefix(AT_ONCE).unwrap_or(&text).trim_start();
    if !PLANNED.iter().any(|word| planned.starts_with(word)) {
        return Ok(text);
    }
    match session.read("explain", place, &[&sql.explained()]).await {
        Ok(answers) => {
            let rows = answers.first().map(|answer| answer.rows.as_slice()).unwrap_or_default();
            let lines: Vec<String> = rows.iter().map(|row| line(row, place)).collect::<Result<_, _>>()?;
            Ok(lines.join("\n"))
        }
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Privilege) => {
            Ok("the role lacks the privilege to run it, so the server does not explain it".into())
        }
        Err(fault) => Err(fault),
    }
}

/// What stands in one row of an account: a text of its own, or columns with their names.
fn line(row: &Row, place: &str) -> Result<String, Fault> {
    let columns = row.columns_ref();
    if columns.len() == 1 {
        return Ok(get::<Option<String>>(row, 0, place)?.unwrap_or_default());
    }
    let mut said = vec![];
    for (n, column) in columns.iter().enumerate() {
        if let Some(value) = get::<Option<String>>(row, n, place)? {
            said.push(format!("{}: {value}", column.name_str()));
        }
    }
    Ok(said.join(", "))
}
