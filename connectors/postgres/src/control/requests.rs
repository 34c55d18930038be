//! What people ask of the holder.

use async_trait::async_trait;
use forgetd_connector::{
    Cause, Commit, Fault, FaultClass, REQUESTS_MAX, RequestRow, RequestState, Requests, fault_point,
};
use tokio_postgres::Row;

use super::{PgControl, fence};
use crate::query::Sql;
use crate::survey::{get, odd};

const COLUMNS: &str = "id, body, state, answer";

#[async_trait]
impl Requests for PgControl {
    async fn post(&self, id: &str, body: &str) -> Result<(), Fault> {
        const OPERATION: &str = "post request";
        let requests = self.table("request");
        let text = format!(
            "with there as materialized (select \
               (select count(*) from {requests} where instance = $1 and state <> 'done') < $4 as free, \
               exists (select from {requests} where instance = $1 and id = $2) as known), \
             posted as (insert into {requests} (instance, {COLUMNS}) select $1, $2, $3, 'open', '' from there \
               where free and not known on conflict (instance, id) do nothing) \
             select free or known from there"
        );
        let most = u64::from(REQUESTS_MAX).into();
        let sql = Sql::new(text, vec![self.instance().into(), id.into(), body.into(), most]);
        let answers = self.write(OPERATION, &[&sql]).await.answers()?;
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place()))?;
        if get(row, 0, &self.place())? {
            return Ok(());
        }
        let fault = Fault::new(FaultClass::Blocked(Cause::Requests), OPERATION, self.place());
        Err(fault.with_detail(format!("{REQUESTS_MAX} requests wait")))
    }

    async fn requests(&self) -> Result<Vec<RequestRow>, Fault> {
        let sql = Sql::new(
            format!(
                "select {COLUMNS} from {} where instance = $1 and state <> 'done' order by posted_at, id limit $2",
                self.table("request")
            ),
            vec![self.instance().into(), u64::from(REQUESTS_MAX).into()],
        );
        let rows = self.read("read requests", &sql).await?;
        rows.iter().map(|row| read_request(row, &self.place())).collect()
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRow>, Fault> {
        let sql = Sql::new(
            format!("select {COLUMNS} from {} where instance = $1 and id = $2", self.table("request")),
            vec![self.instance().into(), id.into()],
        );
        let rows = self.read("read request", &sql).await?;
        rows.first().map(|row| read_request(row, &self.place())).transpose()
    }

    async fn answer(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Commit {
        let text = format!(
            "with {}, told as (update {} set state = $4, answer = $5 from fence \
             where instance = $1 and id = $2 and state <> 'done') select count(*) from fence",
            fence(&self.table("fence"), "$1", "$3"),
            self.table("request")
        );
        let values = vec![self.instance().into(), id.into(), term.into(), state.id().into(), answer.into()];
        if let Err(fault) = fault_point::before("request.answer") {
            return Commit::Unknown(fault);
        }
        let written = self.write("answer request", &[&Sql::new(text, values)]).await;
        match fault_point::after("request.answer") {
            Ok(()) => written.commit(&self.place()),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn forget_requests(&self, older_than_secs: u64) -> Result<u64, Fault> {
        let sql = Sql::new(
            format!(
                "delete from {} where instance = $1 and state <> 'taken' \
                 and posted_at <= clock_timestamp() - $2 * interval '1 second'",
                self.table("request")
            ),
            vec![self.instance().into(), older_than_secs.into()],
        );
        let answers = self.write("forget requests", &[&sql]).await.answers()?;
        Ok(answers.first().map_or(0, |answer| answer.affected))
    }
}

fn read_request(row: &Row, place: &str) -> Result<RequestRow, Fault> {
    let state: String = get(row, 2, place)?;
    Ok(RequestRow {
        id: get(row, 0, place)?,
        body: get(row, 1, place)?,
        state: RequestState::from_id(&state).ok_or_else(|| odd(place))?,
        answer: get(row, 3, place)?,
    })
}
