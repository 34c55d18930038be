//! Signs of life for replicas.

use async_trait::async_trait;
use forgetd_connector::{Beat, Beaten, Fault, Generation, Heartbeats};
use jiff::Timestamp;
use mysql_async::Row;

use super::MyControl;
use crate::answer::{get, odd};
use crate::query::Sql;

#[async_trait]
impl Heartbeats for MyControl {
    fn server(&self) -> &str {
        &self.shared.looked.server
    }

    async fn beat(&self) -> Result<Beat, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!(
            "insert into {} (instance, beaten_at) values ({instance}, utc_timestamp(6)) \
             on duplicate key update beaten_at = greatest(utc_timestamp(6), beaten_at + interval 1 microsecond)",
            self.table("heartbeat")
        );
        let answers = self.write("beat", &[&sql.say(text), &self.look_for_beat()]).await.answers()?;
        let row = answers.get(1).and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place()))?;
        let Beaten { generation, at } = read(row, &self.place())?;
        Ok(Beat { generation, at: at.ok_or_else(|| odd(&self.place()))? })
    }

    async fn beaten(&self) -> Result<Beaten, Fault> {
        let rows = self.read("look for a beat", &self.look_for_beat()).await?;
        read(rows.first().ok_or_else(|| odd(&self.place()))?, &self.place())
    }
}

// === impl MyControl ===

impl MyControl {
    fn look_for_beat(&self) -> Sql {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!(
            "select c.generation, timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', h.beaten_at) \
             from {} as c left join {} as h on h.instance = {instance}",
            self.table("control"),
            self.table("heartbeat")
        );
        sql.say(text)
    }
}

fn read(row: &Row, place: &str) -> Result<Beaten, Fault> {
    let at = get::<Option<i64>>(row, 1, place)?;
    let at = at.map(|at| Timestamp::from_microsecond(at).map_err(|_| odd(place))).transpose()?;
    Ok(Beaten { generation: Generation(get(row, 0, place)?), at })
}
