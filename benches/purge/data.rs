//! The table: 180 bytes of row and four indexes, half of it due, or little.

use crate::server::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Due rows lie together.
    Clustered,
    /// Due rows lie between live ones everywhere.
    Scattered,
    /// Few rows are due, and lie between live ones everywhere.
    Rare,
}

/// The share of few.
const RARE: f64 = 0.003;

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clustered => "clustered",
            Self::Scattered => "scattered",
            Self::Rare => "rare",
        }
    }

    /// The place of row `n` in time, from 0 to 1.
    fn place(self, rows: u64) -> String {
        match self {
            Self::Clustered => format!("n::float8 / {rows}"),
            // A large odd multiplier visits every residue once, in no visible order.
            Self::Scattered | Self::Rare => format!("((n * 2654435761) % {rows})::float8 / {rows}"),
        }
    }

    /// The moment of row `n`.
    fn moment(self, rows: u64) -> String {
        let place = self.place(rows);
        match self {
            Self::Clustered | Self::Scattered => format!("now() - interval '60 days' * (1 - {place})"),
            // None lies within a day of the cutoff, so that none becomes due while others are measured.
            Self::Rare => format!(
                "case when {place} < {RARE} then now() - interval '31 days' - interval '9 days' * {place} / {RARE} \
                 else now() - interval '29 days' * (1 - {place}) end"
            ),
        }
    }
}

/// Builds the database that copies are made of.
pub(crate) async fn build(server: &Server, layout: Layout, rows: u64) {
    let name = layout.name();
    {
        let admin = server.connect("postgres").await;
        admin.client.batch_execute(&format!("drop database if exists {name}")).await.unwrap();
        admin.client.batch_execute(&format!("create database {name}")).await.unwrap();
    }
    let session = server.connect(name).await;
    let moment = layout.moment(rows);
    session
        .client
        .batch_execute(&format!(
            "create table events (
                 id bigint not null, created_at timestamptz not null, account_id int not null,
                 email text not null, name text not null, phone text not null, payload text not null);
             insert into events
             select n, {moment}, n % 10000,
                    'user' || n || '@example.com', 'Name ' || n, lpad(n::text, 12, '0'), repeat('x', 60)
             from generate_series(1, {rows}) as n;
             alter table events add primary key (id);
             create index on events (created_at);
             create index on events (account_id);
             create unique index on events (email);"
        ))
        .await
        .unwrap();
    session.client.batch_execute("vacuum (analyze, freeze) events").await.unwrap();
    session.client.batch_execute("checkpoint").await.unwrap();
}

/// A fresh copy; returns its name.
pub(crate) async fn copy(server: &Server, layout: Layout) -> String {
    let name = format!("{}_copy", layout.name());
    let admin = server.connect("postgres").await;
    let template = layout.name();
    let create = format!("create database {name} template {template} strategy file_copy");
    admin.client.batch_execute(&create).await.unwrap();
    admin.client.batch_execute("checkpoint").await.unwrap();
    // Every method finds the table in memory.
    let session = server.connect(&name).await;
    session.client.batch_execute("select count(*), sum(length(payload)) from events").await.unwrap();
    name
}

pub(crate) async fn drop(server: &Server, database: &str) {
    let admin = server.connect("postgres").await;
    admin.client.batch_execute(&format!("drop database {database} with (force)")).await.unwrap();
}

/// What the receipts' own times say about a run.
pub(crate) struct Pace {
    /// Seconds from the run's start to its last batch: without the program's start, the look and the recount.
    pub(crate) batches: f64,
    /// Milliseconds a row in the last tenth of the batches over the first tenth.
    pub(crate) growth: f64,
}

pub(crate) async fn pace(server: &Server, database: &str) -> Pace {
    let session = server.connect(database).await;
    let rows = session
        .client
        .query(
            "select extract(epoch from (body ->> 'at')::timestamptz)::float8
             from (select convert_from(body, 'utf8')::json as body, lane, sequence from forgetd.receipt) as receipt
             where lane = '0' or body ->> 'type' = 'run.started' order by lane, sequence",
            &[],
        )
        .await
        .unwrap();
    let (started, times) = rows.split_first().unwrap();
    let times: Vec<f64> = times.iter().map(|row| row.get(0)).collect();
    let batches = times[times.len() - 1] - started.get::<_, f64>(0);
    let tenth = times.len() / 10;
    if tenth < 2 {
        return Pace { batches, growth: f64::NAN };
    }
    let first = times[tenth] - times[0];
    let last = times[times.len() - 1] - times[times.len() - 1 - tenth];
    Pace { batches, growth: last / first }
}
