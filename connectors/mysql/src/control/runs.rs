//! Rows that say which runs are under way.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, Receipt, RunRow, Runs, fault_point};
use jiff::Timestamp;
use mysql_async::Row;

use super::MyControl;
use super::fence::only_under;
use super::receipts::INSERTED_AT;
use crate::answer::{get, odd};
use crate::query::{Param, Sql};

#[async_trait]
impl Runs for MyControl {
    async fn open(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        let [fence, insert] = self.insert_fenced(receipt, None);
        let opened = self.put_run(row, receipt.term);
        self.write_run("run.open", "open run", &[&fence, &insert, &opened]).await
    }

    async fn close(&self, row: &RunRow, receipt: &Receipt) -> Commit {
        let [fence, insert] = self.insert_fenced(receipt, None);
        let closed = self.put_run(row, receipt.term);
        let mut sql = Sql::default();
        let (instance, rule) = (sql.bind(self.instance()), sql.bind(row.rule.as_str()));
        let only = only_under(&self.shared, receipt.term, &mut sql);
        let gone = sql.say(format!(
            "delete from {} where instance = {instance} and rule = {rule} and exists (select 1 {only})",
            self.table("cursor")
        ));
        self.write_run("run.close", "close run", &[&fence, &insert, &closed, &gone]).await
    }

    async fn unfinished(&self) -> Result<Vec<RunRow>, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!(
            "select {} from {} where instance = {instance} and result is null order by started_at, run",
            columns(),
            self.table("run")
        );
        let rows = self.read("read unfinished runs", &sql.say(text)).await?;
        rows.iter().map(|row| read_run(row, &self.place())).collect()
    }

    async fn last(&self, rule: &str) -> Result<Option<RunRow>, Fault> {
        let mut sql = Sql::default();
        let (instance, rule) = (sql.bind(self.instance()), sql.bind(rule));
        let text = format!(
            "select {} from {} where instance = {instance} and rule = {rule} and result is not null \
             order by run desc limit 1",
            columns(),
            self.table("run")
        );
        let rows = self.read("read last run", &sql.say(text)).await?;
        rows.first().map(|row| read_run(row, &self.place())).transpose()
    }

    async fn batches(&self, run: &str) -> Result<Vec<Vec<u8>>, Fault> {
        let mut sql = Sql::default();
        let (instance, run) = (sql.bind(self.instance()), sql.bind(run));
        let text = format!(
            "select body from {} where instance = {instance} and run = {run} and lane <> '-' and state = 'done' \
             order by generation, rule, lane, sequence",
            self.table("receipt")
        );
        let rows = self.read("read batches", &sql.say(text)).await?;
        rows.iter().map(|row| get(row, 0, &self.place())).collect()
    }
}

impl MyControl {
    /// The statement that inserts the run's row or stores its result.
    fn put_run(&self, row: &RunRow, term: u64) -> Sql {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let result = sql.bind(Param::Text(row.result.clone()));
        let values = [
            sql.bind(row.run.as_str()),
            sql.bind(row.rule.as_str()),
            moment(&mut sql, row.cutoff),
            sql.bind(row.rule_digest.as_str()),
            sql.bind(row.catalog_digest.as_str()),
            moment(&mut sql, row.started_at),
        ];
        let only = only_under(&self.shared, term, &mut sql);
        let text = format!(
            "insert into {} (instance, result, run, rule, cutoff, rule_digest, catalog_digest, started_at) \
             select {instance}, {result}, {} {only} on duplicate key update result = {result}",
            self.table("run"),
            values.join(", ")
        );
        sql.say(text)
    }

    async fn write_run(&self, point: &'static str, operation: &'static str, statements: &[&Sql]) -> Commit {
        if let Err(fault) = fault_point::before(point) {
            return Commit::Unknown(fault);
        }
        let written = self.write(operation, statements).await;
        match fault_point::after(point) {
            Ok(()) => written.commit(INSERTED_AT, &self.place()),
            Err(fault) => Commit::Unknown(fault),
        }
    }
}

fn columns() -> String {
    let (cutoff, started) = (micros("cutoff"), micros("started_at"));
    format!("run, rule, {cutoff}, rule_digest, catalog_digest, {started}, result")
}

/// A moment, exact to the engine's microsecond.
pub(super) fn moment(sql: &mut Sql, at: Timestamp) -> String {
    let micros = sql.bind(at.as_microsecond());
    format!("(timestamp'1970-01-01 00:00:00' + interval {micros} microsecond)")
}

/// The column of a moment in microseconds since the epoch.
pub(super) fn micros(column: &str) -> String {
    format!("timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', {column})")
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
