//! Rows that say which runs are under way.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, Receipt, RunRow, Runs, fault_point};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PgControl;
use super::receipts::bind;
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

const COLUMNS: &str = "run, rule, (extract(epoch from cutoff) * 1000000)::int8, rule_digest, catalog_digest, \
                       (extract(epoch from started_at) * 1000000)::int8, result";

#[async_trait]
impl Runs for PgControl {
    async fn open(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        let mut sql = bind(self.instance(), receipt);
        let opened = self.put_run(row, &mut sql);
        let sql = self.insert_fenced(receipt, sql, &[opened]);
        self.write_run("run.open", "open run", &sql).await
    }

    async fn close(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        let mut sql = bind(self.instance(), receipt);
        let closed = self.put_run(row, &mut sql);
        let rule = sql.bind(row.rule.as_str().into());
        let gone =
            format!("gone as (delete from {} using fence where instance = $1 and rule = {rule})", self.table("cursor"));
        let sql = self.insert_fenced(receipt, sql, &[closed, gone]);
        self.write_run("run.close", "close run", &sql).await
    }

    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        let sql = Sql::new(
            format!(
                "select {COLUMNS} from {} where instance = $1 and result is null order by started_at, run",
                self.table("run")
            ),
            vec![self.instance().into()],
        );
        let rows = self.read("read unfinished runs", &sql).await?;
        rows.iter().map(|row| read_run(row, &self.place())).collect()
    }

    async fn last(&self, rule: &str) -> Result<Option<RunRow>, Fault> {
        let sql = Sql::new(
            format!(
                "select {COLUMNS} from {} where instance = $1 and rule = $2 and result is not null \
                 order by run desc limit 1",
                self.table("run")
            ),
            vec![self.instance().into(), rule.into()],
        );
        let rows = self.read("read last run", &sql).await?;
        rows.first().map(|row| read_run(row, &self.place())).transpose()
    }

    async fn batches(&self, run: &str) -> Result<Vec<Vec<u8>>, Fault> {
        let sql = Sql::new(
            format!(
                "select body from {} where instance = $1 and run = $2 and lane <> '-' and state = 'done' \
                 order by generation, rule, lane, sequence",
                self.table("receipt")
            ),
            vec![self.instance().into(), run.into()],
        );
        let rows = self.read("read batches", &sql).await?;
        rows.iter().map(|row| get(row, 0, &self.place())).collect()
    }
}

impl PgControl {
    /// The part that inserts the run's row or stores its result.
    fn put_run(&self, row: &RunRow, sql: &mut Sql) -> String {
        let values = [
            sql.bind(row.run.as_str().into()),
            sql.bind(row.rule.as_str().into()),
            moment(sql, row.cutoff),
            sql.bind(row.rule_digest.as_str().into()),
            sql.bind(row.catalog_digest.as_str().into()),
            moment(sql, row.started_at),
            sql.bind(Param::Text(row.result.clone())),
        ];
        format!(
            "kept as (insert into {} (instance, run, rule, cutoff, rule_digest, catalog_digest, started_at, result) \
             select $1, {} from fence on conflict (instance, run) do update set result = excluded.result)",
            self.table("run"),
            values.join(", ")
        )
    }

    async fn write_run(&self, point: &'static str, operation: &'static str, sql: &Sql) -> Commit {
        if let Err(fault) = fault_point::before(point) {
            return Commit::Unknown(fault);
        }
        let written = self.write(operation, &[sql]).await;
        match fault_point::after(point) {
            Ok(()) => written.commit(&self.place()),
            Err(fault) => Commit::Unknown(fault),
        }
    }
}

/// A moment, exact to the engine's microsecond.
pub(super) fn moment(sql: &mut Sql, at: Timestamp) -> String {
    let micros = sql.bind(Param::Int(at.as_microsecond()));
    format!("timestamptz 'epoch' + {micros} * interval '1 microsecond'")
}

fn read_run(row: &Row, place: &str) -> Result<RunRow, Fault> {
    let moment = |n| Timestamp::from_microsecond(get(row, n, place)?).map_err(|_| odd(place));
    Ok(RunRow {
        run: get(row, 0, place)?,
        rule: get(row, 1, place)?,
        cutoff: moment(2)?,
        rule_digest: get(row, 3, place)?,
        catalog_digest: get(row, 4, place)?,
        started_at: moment(5)?,
        result: get(row, 6, place)?,
    })
}
