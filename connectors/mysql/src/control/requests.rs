//! What people ask of the holder.

use async_trait::async_trait;
use forgetd_connector::{
    Cause, Commit, Fault, FaultClass, REQUESTS_MAX, RequestRow, RequestState, Requests, fault_point,
};
use mysql_async::Row;

use super::fence::only_under;
use super::{MyControl, Written};
use crate::answer::{get, odd};
use crate::query::Sql;

const COLUMNS: &str = "id, body, state, answer";

/// What is not done, as an index finds it.
const NOT_DONE: &str = "state in ('open', 'taken')";

#[async_trait]
impl Requests for MyControl {
    async fn post(&self, id: &str, body: &str) -> Result<(), Fault> {
        const OPERATION: &str = "post request";
        let requests = self.table("request");
        let mut sql = Sql::default();
        let (instance, bound) = (sql.bind(self.instance()), sql.bind(id));
        // Apart from the insert, which would lock what it counts.
        let look = format!(
            "select (select count(*) from {requests} where instance = {instance} and {NOT_DONE}), \
             exists (select 1 from {requests} where instance = {instance} and id = {bound})"
        );
        let rows = self.read(OPERATION, &sql.clone().say(look)).await?;
        let row = rows.first().ok_or_else(|| odd(&self.place()))?;
        if get(row, 1, &self.place())? {
            return Ok(());
        }
        if get::<u64>(row, 0, &self.place())? >= u64::from(REQUESTS_MAX) {
            let fault = Fault::new(FaultClass::Blocked(Cause::Requests), OPERATION, self.place());
            return Err(fault.with_detail(format!("{REQUESTS_MAX} requests wait")));
        }
        let body = sql.bind(body);
        let insert = format!(
            "insert into {requests} (instance, {COLUMNS}, posted_at) \
             values ({instance}, {bound}, {body}, 'open', '', utc_timestamp(6))"
        );
        match self.write(OPERATION, &[&sql.say(insert)]).await {
            // Somebody posted it in between.
            Written::Refused { duplicate: true, .. } => Ok(()),
            written => written.answers().map(|_| ()),
        }
    }

    async fn requests(&self) -> Result<Vec<RequestRow>, Fault> {
        let mut sql = Sql::default();
        let (instance, most) = (sql.bind(self.instance()), sql.bind(u64::from(REQUESTS_MAX)));
        let text = format!(
            "select {COLUMNS} from {} where instance = {instance} and {NOT_DONE} order by posted_at, id limit {most}",
            self.table("request")
        );
        let rows = self.read("read requests", &sql.say(text)).await?;
        rows.iter().map(|row| read_request(row, &self.place())).collect()
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRow>, Fault> {
        let mut sql = Sql::default();
        let (instance, id) = (sql.bind(self.instance()), sql.bind(id));
        let text = format!("select {COLUMNS} from {} where instance = {instance} and id = {id}", self.table("request"));
        let rows = self.read("read request", &sql.say(text)).await?;
        rows.first().map(|row| read_request(row, &self.place())).transpose()
    }

    async fn answer(&self, id: &str, state: RequestState, answer: &str, term: u64) -> Commit {
        let mut sql = Sql::default();
        let (instance, id) = (sql.bind(self.instance()), sql.bind(id));
        let (state, answer) = (sql.bind(state.id()), sql.bind(answer));
        let only = only_under(&self.shared, term, &mut sql);
        let text = format!(
            "update {} set state = {state}, answer = {answer} where instance = {instance} and id = {id} \
             and {NOT_DONE} and exists (select 1 {only})",
            self.table("request")
        );
        if let Err(fault) = fault_point::before("request.answer") {
            return Commit::Unknown(fault);
        }
        let written = self.write("answer request", &[&self.shared.fence(term), &sql.say(text)]).await;
        match fault_point::after("request.answer") {
            Ok(()) => self.as_the_fence_says(written),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn forget_requests(&self, older_than_secs: u64) -> Result<u64, Fault> {
        let mut sql = Sql::default();
        let (instance, age) = (sql.bind(self.instance()), sql.bind(older_than_secs));
        let text = format!(
            "delete from {} where instance = {instance} and state in ('open', 'done') \
             and posted_at <= utc_timestamp(6) - interval {age} second",
            self.table("request")
        );
        let answers = self.write("forget requests", &[&sql.say(text)]).await.answers()?;
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
