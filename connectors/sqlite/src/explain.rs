//! How SQLite would run a step's statements, by its own account.

use std::collections::BTreeMap;

use forgetd_connector::{Explained, Fault};
use rusqlite::{Connection, params_from_iter};

use crate::query::{Query, Scope};
use crate::session::Session;

/// The plan of each statement. Runs none of them.
pub(crate) fn explain(session: &mut Session, scope: &Scope) -> Result<Vec<Explained>, Fault> {
    session.snapshot("explain", |connection| {
        let statements = scope.explainable();
        statements
            .into_iter()
            .map(|(name, query)| Ok(Explained { statement: name.into(), text: plan(connection, &query)? }))
            .collect()
    })
}

/// The plan's lines, each indented below the one it belongs to.
fn plan(connection: &Connection, query: &Query) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("explain query plan {}", query.sql))?;
    let mut rows = statement.query(params_from_iter(&query.values))?;
    let mut depths: BTreeMap<i64, usize> = BTreeMap::new();
    let mut lines = vec![];
    while let Some(row) = rows.next()? {
        let (id, parent, detail): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let depth = depths.get(&parent).map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
        lines.push(format!("{}{detail}", "  ".repeat(depth)));
    }
    Ok(lines.join("\n"))
}
