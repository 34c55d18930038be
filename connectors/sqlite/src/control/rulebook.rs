//! What is remembered about each rule.

use async_trait::async_trait;
use forgetd_connector::{ApprovedRow, Commit, Fault, LastRow, PendingRow, Rulebook, RulebookRow};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::runs::{moment, moment_at};
use super::{SqliteControl, Tables, Values, execute};
use crate::session::Refusal;

const COLUMNS: &str = "approved_digest, definition, catalog_digest, how, who, reason, approved_at, pending_digest, \
                       pending_since, once, last_cutoff, last_at, recent";

#[async_trait]
impl Rulebook for SqliteControl {
    async fn rule(&self, rule: &str) -> Result<Option<RulebookRow>, Fault> {
        let rule = rule.to_owned();
        self.read("read rulebook", move |connection, tables| {
            let sql = format!("select {COLUMNS} from {} where instance = ?1 and rule = ?2", tables.rulebook);
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_row((&tables.instance, &rule), |row| read(&rule, row)).optional()
        })
        .await
    }

    async fn keep_rule(&self, row: &RulebookRow, term: u64) -> Commit {
        let row = row.clone();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, term, None)?;
            keep(connection, tables, place, &row)
        };
        self.write_at_point("rulebook.keep", "keep rule", work).await.into_commit()
    }
}

fn keep(connection: &Connection, tables: &Tables, place: &str, row: &RulebookRow) -> Result<(), Refusal> {
    let (approved, pending) = (row.approved.as_ref(), row.pending.as_ref());
    let sql = format!(
        "insert or replace into {} (instance, rule, {COLUMNS})
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        tables.rulebook
    );
    let values: Values<'_> = &[
        &tables.instance,
        &row.rule,
        &approved.map(|approved| &approved.digest),
        &approved.map(|approved| &approved.definition),
        &approved.map(|approved| &approved.catalog_digest),
        &approved.map(|approved| &approved.how),
        &approved.map(|approved| &approved.who),
        &approved.map(|approved| &approved.reason),
        &approved.map(|approved| moment(approved.at)),
        &pending.map(|pending| &pending.digest),
        &pending.map(|pending| moment(pending.since)),
        &row.once,
        &row.last.map(|last| moment(last.cutoff)),
        &row.last.map(|last| moment(last.at)),
        &row.recent,
    ];
    execute(connection, place, "keep rule", &sql, values)?;
    Ok(())
}

fn read(rule: &str, row: &Row<'_>) -> rusqlite::Result<RulebookRow> {
    let text = |n: usize| row.get::<_, Option<String>>(n);
    let moment = |n: usize| -> rusqlite::Result<Option<Timestamp>> {
        if text(n)?.is_none() { Ok(None) } else { moment_at(row, n).map(Some) }
    };
    let approved = match (text(0)?, text(1)?, text(2)?, moment(6)?) {
        (Some(digest), Some(definition), Some(catalog_digest), Some(at)) => Some(ApprovedRow {
            digest,
            definition,
            catalog_digest,
            how: text(3)?.unwrap_or_default(),
            who: text(4)?.unwrap_or_default(),
            reason: text(5)?.unwrap_or_default(),
            at,
        }),
        _ => None,
    };
    let pending = match (text(7)?, moment(8)?) {
        (Some(digest), Some(since)) => Some(PendingRow { digest, since }),
        _ => None,
    };
    let last = match (moment(10)?, moment(11)?) {
        (Some(cutoff), Some(at)) => Some(LastRow { cutoff, at }),
        _ => None,
    };
    Ok(RulebookRow { rule: rule.into(), approved, pending, once: text(9)?, last, recent: row.get(12)? })
}
