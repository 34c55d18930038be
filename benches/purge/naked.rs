//! What the same rows cost without forgetd: one DELETE, and the same batch statements without fence, counters,
//! receipt and recount.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use crate::Scene;
use crate::data::Layout;
use crate::network::Network;
use crate::server::{Server, Session, connect};

#[derive(Default)]
pub(crate) struct Naked {
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
}

/// One DELETE of everything that is due.
pub(crate) async fn single(server: &Server, database: &str, network: Option<Duration>) -> f64 {
    let (session, _network) = open(server, database, network).await;
    let started = Instant::now();
    session.client.batch_execute("delete from events where created_at < now() - interval '30 days'").await.unwrap();
    started.elapsed().as_secs_f64()
}

/// The same batches as forgetd's lane on this layout, two turns each: begin, delete, look ahead; commit.
pub(crate) async fn batches(server: &Server, database: &str, scene: &Scene) -> Naked {
    let (session, _network) = open(server, database, scene.network).await;
    let cutoff: String = session
        .client
        .query_one("select ((now() - interval '30 days') at time zone 'UTC')::text", &[])
        .await
        .unwrap()
        .get(0);
    let started = Instant::now();
    let mut naked = match scene.layout {
        Layout::Clustered => ranges(&session, &cutoff, scene.batch).await,
        Layout::Scattered => physical(&session, &cutoff, scene.batch).await,
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

async fn ranges(session: &Session, cutoff: &str, batch: u32) -> Naked {
    let client = &session.client;
    // The very forms forgetd sends: a cast that the planner can fold decides the plan.
    let peek = "select to_json(created_at at time zone 'UTC') #>> '{}' from only events as t \
                where t.created_at >= ($1::text::timestamp at time zone 'UTC') \
                and t.created_at < ($2::text::timestamp at time zone 'UTC') order by t.created_at offset $3 limit 1";
    let delete = "delete from only events as t where t.created_at >= ($1::text::timestamp at time zone 'UTC') \
                  and t.created_at < ($2::text::timestamp at time zone 'UTC') \
                  and t.created_at < ($3::text::timestamp at time zone 'UTC')";
    let offset = i64::from(batch);
    let texts = [Type::TEXT, Type::TEXT, Type::INT8];
    let look = async |from: &str| {
        let rows = client
            .query_typed(peek, &[(&from, texts[0].clone()), (&cutoff, texts[1].clone()), (&offset, texts[2].clone())])
            .await
            .unwrap();
        rows.first().map(|row| row.get::<_, String>(0))
    };
    let mut naked = Naked::default();
    let mut from = String::from("-infinity");
    let mut to = look(&from).await;
    loop {
        let end = to.clone().unwrap_or_else(|| cutoff.to_owned());
        let started = Instant::now();
        let change = async {
            client.query_typed(delete, &[(&from, Type::TEXT), (&end, Type::TEXT), (&cutoff, Type::TEXT)]).await.unwrap()
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

async fn physical(session: &Session, cutoff: &str, batch: u32) -> Naked {
    let client = &session.client;
    let row = client
        .query_one("select relpages::int8, reltuples::float8 from pg_class where oid = 'events'::regclass", &[])
        .await
        .unwrap();
    let (pages, tuples): (i64, f64) = (row.get(0), row.get(1));
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a block count")]
    let blocks = (f64::from(batch) / (tuples / pages as f64 / 2.0) * 0.95).max(1.0) as i64;
    let delete = "delete from events where ctid >= $1::text::tid and ctid < $2::text::tid \
                  and created_at < ($3::text::timestamp at time zone 'UTC')";
    let mut naked = Naked::default();
    let mut block = 0;
    while block < pages {
        let (from, to) = (format!("({block},0)"), format!("({},0)", block + blocks));
        let started = Instant::now();
        let change = async {
            client.query_typed(delete, &[(&from, Type::TEXT), (&to, Type::TEXT), (&cutoff, Type::TEXT)]).await.unwrap()
        };
        let (begun, _) = tokio::join!(client.batch_execute("begin"), change);
        begun.unwrap();
        client.batch_execute("commit").await.unwrap();
        naked.longest_ms = naked.longest_ms.max(started.elapsed().as_secs_f64() * 1000.0);
        block += blocks;
    }
    naked
}
