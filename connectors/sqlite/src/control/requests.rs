//! What people ask of the holder.

use async_trait::async_trait;
use forgetd_connector::{Cause, Commit, Fault, FaultClass, REQUESTS_MAX, RequestRow, RequestState, Requests};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::leases::NOW_MS;
use super::{SqliteControl, Tables, Values, execute, signed};
use crate::error;
use crate::session::Refusal;

const COLUMNS: &str = "id, body, state, answer";

#[async_trait]
impl Requests for SqliteControl {
    async fn post(&self, id: &str, body: &str) -> Result<(), Fault> {
        let (id, body) = (id.to_owned(), body.to_owned());
        let work =
            move |connection: &Connection, tables: &Tables, place: &str| post(connection, tables, place, &id, &body);
        self.rewrite("post request", work).await
    }

    async fn requests(&self) -> Result<Vec<RequestRow>, Fault> {
        self.read("read requests", |connection, tables| {
            let sql = format!(
                "select {COLUMNS} from {} where instance = ?1 and state <> 'done'
                 order by posted_at_ms, id limit {REQUESTS_MAX}",
                tables.request
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([&tables.instance], read)?.collect()
        })
        .await
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRow>, Fault> {
        let id = id.to_owned();
        self.read("read request", move |connection, tables| {
            let sql = format!("select {COLUMNS} from {} where instance = ?1 and id = ?2", tables.request);
            connection.prepare_cached(&sql)?.query_row((&tables.instance, &id), read).optional()
        })
        .await
    }

    async fn answer(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Commit {
        let (id, answer) = (id.to_owned(), answer.to_owned());
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, term, None)?;
            let sql = format!(
                "update {} set state = ?3, answer = ?4 where instance = ?1 and id = ?2 and state <> 'done'",
                tables.request
            );
            let values: Values<'_> = &[&tables.instance, &id, &state.id(), &answer];
            execute(connection, place, "answer request", &sql, values)
        };
        self.write_at_point("request.answer", "answer request", work).await.into_commit()
    }

    async fn forget_requests(&self, older_than_secs: u64) -> Result<u64, Fault> {
        let age_ms = signed(older_than_secs.saturating_mul(1_000));
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            let sql = format!(
                "delete from {} where instance = ?1 and state <> 'taken' and posted_at_ms + ?2 <= {NOW_MS}",
                tables.request
            );
            execute(connection, place, "forget requests", &sql, &[&tables.instance, &age_ms])
        };
        self.rewrite("forget requests", work).await.map(|rows| rows as u64)
    }
}

fn post(connection: &Connection, tables: &Tables, place: &str, id: &str, body: &str) -> Result<(), Refusal> {
    const OPERATION: &str = "post request";
    let look = format!(
        "select (select count(*) from {0} where instance = ?1 and state <> 'done'),
           exists (select 1 from {0} where instance = ?1 and id = ?2)",
        tables.request
    );
    let (waiting, known): (u32, bool) = connection
        .prepare_cached(&look)
        .and_then(|mut statement| statement.query_row((&tables.instance, id), |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(|failure| error::control_fault(OPERATION, place, &failure))?;
    if known {
        return Ok(());
    }
    if waiting >= REQUESTS_MAX {
        let fault = Fault::new(FaultClass::Blocked(Cause::Requests), OPERATION, place);
        return Err(fault.with_detail(format!("{REQUESTS_MAX} requests wait")).into());
    }
    let sql = format!(
        "insert into {} (instance, {COLUMNS}, posted_at_ms) values (?1, ?2, ?3, 'open', '', {NOW_MS})",
        tables.request
    );
    execute(connection, place, OPERATION, &sql, &[&tables.instance, &id, &body])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    let state: String = row.get(2)?;
    let unknown = || rusqlite::Error::FromSqlConversionFailure(2, Type::Text, "no state of a request".into());
    Ok(RequestRow {
        id: row.get(0)?,
        body: row.get(1)?,
        state: RequestState::from_id(&state).ok_or_else(unknown)?,
        answer: row.get(3)?,
    })
}
