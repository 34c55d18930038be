//! Signs of life for replicas.

use async_trait::async_trait;
use forgetd_connector::{Beat, Beaten, Fault, Generation, Heartbeats};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PgControl;
use crate::query::Sql;
use crate::survey::{get, odd};

#[async_trait]
impl Heartbeats for PgControl {
    fn server(&self) -> &str {
        &self.shared.server
    }

    async fn beat(&self) -> Result<Beat, Fault> {
        let text = format!(
            "with beat as (insert into {} as h (instance, beaten_at) values ($1, clock_timestamp()) \
             on conflict (instance) do update set beaten_at = greatest(excluded.beaten_at, h.beaten_at + interval '1 microsecond') returning h.beaten_at) \
             select c.generation, (extract(epoch from beat.beaten_at) * 1000000)::int8 from beat, {} c",
            self.table("heartbeat"),
            self.table("control")
        );
        let answers = self.write("beat", &[&Sql::new(text, vec![self.instance().into()])]).await.answers()?;
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place()))?;
        let Beaten { generation, at } = read(row, &self.place())?;
        Ok(Beat { generation, at: at.ok_or_else(|| odd(&self.place()))? })
    }

    async fn beaten(&self) -> Result<Beaten, Fault> {
        let text = format!(
            "select c.generation, (extract(epoch from h.beaten_at) * 1000000)::int8 from {} c left join {} h \
             on h.instance = $1",
            self.table("control"),
            self.table("heartbeat")
        );
        let rows = self.read("look for a beat", &Sql::new(text, vec![self.instance().into()])).await?;
        read(rows.first().ok_or_else(|| odd(&self.place()))?, &self.place())
    }
}

fn read(row: &Row, place: &str) -> Result<Beaten, Fault> {
    let at = get::<Option<i64>>(row, 1, place)?;
    let at = at.map(|at| Timestamp::from_microsecond(at).map_err(|_| odd(place))).transpose()?;
    Ok(Beaten { generation: Generation(get(row, 0, place)?), at })
}
