//! Runs: begun and ended together with their receipts.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, Receipt, RunRow, Runs};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{SqliteControl, Tables, Values, execute};
use crate::session::Refusal;

const COLUMNS: &str = "run, rule, cutoff, rule_digest, catalog_digest, started_at, result";

#[async_trait]
impl Runs for SqliteControl {
    async fn open(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        let (row, receipt) = (row.clone(), receipt.clone());
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, receipt.term, Some(&receipt.key.generation))?;
            // A resumed run keeps the row it began with.
            store(connection, tables, place, &row, "do nothing")?;
            tables.insert_receipt(connection, place, &receipt)
        };
        self.write_at_point("run.open", "open run", work).await.into_commit()
    }

    async fn close(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        let (row, receipt) = (row.clone(), receipt.clone());
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, receipt.term, Some(&receipt.key.generation))?;
            store(connection, tables, place, &row, "do update set result = excluded.result")?;
            let sql = format!("delete from {} where instance = ?1 and rule = ?2", tables.cursor);
            execute(connection, place, "close run", &sql, &[&tables.instance, &row.rule])?;
            tables.insert_receipt(connection, place, &receipt)
        };
        self.write_at_point("run.close", "close run", work).await.into_commit()
    }

    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        self.read("read unfinished runs", |connection, tables| {
            let sql = format!(
                "select {COLUMNS} from {} where instance = ?1 and result is null order by started_at, run",
                tables.run
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([&tables.instance], read)?.collect()
        })
        .await
    }

    async fn last(&self, rule: &str) -> Result<Option<RunRow>, Fault> {
        let rule = rule.to_owned();
        self.read("read last run", move |connection, tables| {
            let sql = format!(
                "select {COLUMNS} from {} where instance = ?1 and rule = ?2 and result is not null
                 order by started_at desc, run desc limit 1",
                tables.run
            );
            connection.prepare_cached(&sql)?.query_row((&tables.instance, &rule), read).optional()
        })
        .await
    }

    async fn batches(&self, run: &str) -> Result<Vec<Vec<u8>>, Fault> {
        let run = run.to_owned();
        self.read("read batches", move |connection, tables| {
            let sql = format!(
                "select body from {} where instance = ?1 and run = ?2 and lane <> '-' and state = 'done'
                 order by generation, rule, lane, sequence",
                tables.receipt
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map((&tables.instance, &run), |row| row.get(0))?.collect()
        })
        .await
    }
}

fn store(
    connection: &Connection,
    tables: &Tables,
    place: &str,
    row: &RunRow,
    on_conflict: &str,
) -> Result<(), Refusal> {
    let sql = format!(
        "insert into {} (instance, {COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         on conflict (instance, run) {on_conflict}",
        tables.run
    );
    let values: Values<'_> = &[
        &tables.instance,
        &row.run,
        &row.rule,
        &moment(row.cutoff),
        &row.rule_digest,
        &row.catalog_digest,
        &moment(row.started_at),
        &row.result,
    ];
    execute(connection, place, "store run", &sql, values)?;
    Ok(())
}

/// Always nine digits behind the point, so that the order of texts is the order of moments.
pub(super) fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.9}")
}

/// The moment in one column, as [`moment`] wrote it.
pub(super) fn moment_at(row: &Row<'_>, at: usize) -> rusqlite::Result<jiff::Timestamp> {
    let text: String = row.get(at)?;
    text.parse()
        .map_err(|error: jiff::Error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let moment = |at| moment_at(row, at);
    Ok(RunRow {
        run: row.get(0)?,
        rule: row.get(1)?,
        cutoff: moment(2)?,
        rule_digest: row.get(3)?,
        catalog_digest: row.get(4)?,
        started_at: moment(5)?,
        result: row.get(6)?,
    })
}
