//! What the same rows cost without forgetd: one DELETE, and the same batch statements without fence, counters,
//! receipt and recount.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::Scene;
use crate::data::Layout;
use crate::network::Network;
use crate::server::{Server, Session, connect};

/// The largest batch by default settings.
const DEFAULT_BATCH: u32 = 10_000;

#[derive(Default)]
pub(crate) struct Naked {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
}

/// A moment in the server's text form, bound as the time it is: the way forgetd binds it.
#[derive(Clone, Debug)]
struct Moment(String);

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// One DELETE of everything that is due.
pub(crate) async fn single(server: &Server, database: &str, network: Option<Duration>) -> f64 {
    let (session, _network) = open(server, database, network).await;
    let started = Instant::now();
    session.client.batch_execute("delete from events where created_at < now() - interval '30 days'").await.unwrap();
    started.elapsed().as_secs_f64()
}

/// Batches as forgetd's lane has them on this layout, two turns each: begin, delete, look ahead; commit. Beside default settings,
/// which begin with fewer rows and may have two lanes, they are as large as those may become.
pub(crate) async fn batches(server: &Server, database: &str, scene: &Scene) -> Naked {
    let (session, _network) = open(server, database, scene.network).await;
    let cutoff =
        session.client.query_one("select ((now() - interval '30 days') at time zone 'UTC')::text", &[]).await.unwrap();
    let cutoff = Moment(cutoff.get(0));
    let started = Instant::now();
    let batch = scene.batch.unwrap_or(DEFAULT_BATCH);
    let mut naked = match scene.layout {
        Layout::Clustered => ranges(&session, &cutoff, batch).await,
        Layout::Scattered | Layout::Rare => physical(&session, &cutoff, batch).await,
    };
    naked.seconds = started.elapsed().as_secs_f64();
    naked
}

async fn open(server: &Server, database: &str, network: Option<Duration>) -> (Session, Option<Network>) {
    match network {
        None => (server.connect(database).await, None),
        Some(delay) => {
            let network = Network::start(server.address(), delay);
            (connect(&server.url_at(network.address(), database)).await, Some(network))
        }
    }
}

async fn ranges(session: &Session, cutoff: &Moment, batch: u32) -> Naked {
    let client = &session.client;
    // The very forms forgetd sends: a cast that the planner can fold decides the plan.
    let peek = "select to_json(t.created_at at time zone 'UTC') #>> '{}' from (select t.created_at from only events as t \
                where t.created_at >= ($1::timestamp at time zone 'UTC') \
                and t.created_at < ($2::timestamp at time zone 'UTC') order by t.created_at offset $3 limit 1) as t";
    let delete = "delete from only events as t where t.created_at >= ($1::timestamp at time zone 'UTC') \
                  and t.created_at < ($2::timestamp at time zone 'UTC') \
                  and t.created_at < ($3::timestamp at time zone 'UTC')";
    let offset = i64::from(batch);
    let look = async |from: &Moment| {
        let rows = client
            .query_typed(peek, &[(from, Type::TIMESTAMP), (cutoff, Type::TIMESTAMP), (&offset, Type::INT8)])
            .await
            .unwrap();
        rows.first().map(|row| Moment(row.get(0)))
    };
    let mut naked = Naked::default();
    let mut from = Moment("-infinity".into());
    let mut to = look(&from).await;
    loop {
        let end = to.clone().unwrap_or_else(|| cutoff.clone());
        let started = Instant::now();
        let change = async {
            let moments: [(&(dyn ToSql + Sync), Type); 3] =
                [(&from, Type::TIMESTAMP), (&end, Type::TIMESTAMP), (cutoff, Type::TIMESTAMP)];
            client.query_typed(delete, &moments).await.unwrap()
        };
        let (begun, _, next) = tokio::join!(client.batch_execute("begin"), change, look(&end));
        begun.unwrap();
        client.batch_execute("commit").await.unwrap();
        naked.longest_ms = naked.longest_ms.max(started.elapsed().as_secs_f64() * 1000.0);
        if to.is_none() {
            return naked;
        }
        from = end;
        to = next;
    }
}

async fn physical(session: &Session, cutoff: &Moment, batch: u32) -> Naked {
    let client = &session.client;
    let row = client
        .query_one("select relpages::int8, reltuples::float8 from pg_class where oid = 'events'::regclass", &[])
        .await
        .unwrap();
    let (pages, tuples): (i64, f64) = (row.get(0), row.get(1));
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a block count")]
    let blocks = (f64::from(batch) / (tuples / pages as f64 / 2.0) * 0.95).max(1.0) as i64;
    let delete = "delete from events where ctid >= $1::text::tid and ctid < $2::text::tid \
                  and created_at < ($3::timestamp at time zone 'UTC')";
    let mut naked = Naked::default();
    let mut block = 0;
    while block < pages {
        let (from, to) = (format!("({block},0)"), format!("({},0)", block + blocks));
        let started = Instant::now();
        let change = async {
            client
                .query_typed(delete, &[(&from, Type::TEXT), (&to, Type::TEXT), (cutoff, Type::TIMESTAMP)])
                .await
                .unwrap()
        };
        let (begun, _) = tokio::join!(client.batch_execute("begin"), change);
        begun.unwrap();
        client.batch_execute("commit").await.unwrap();
        naked.longest_ms = naked.longest_ms.max(started.elapsed().as_secs_f64() * 1000.0);
        block += blocks;
    }
    naked
}
