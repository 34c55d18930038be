//! The servers that are measured, each with its application.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use tokio::time::sleep;

use crate::data;
use crate::latency::Latencies;
use crate::machine::wait_quiet;
use crate::mysql::{Base, Product};
use crate::mysql_data::{self, fill};
use crate::pgbench::{Pgbench, long_lock_waits};
use crate::policy::{Policy, Prepared, Purged};
use crate::pt_archiver::pt_archiver;
use crate::server::Server;
use crate::sysbench::Sysbench;

/// Until the application's sessions are warm.
const WARM: Duration = Duration::from_secs(3);

/// How long it is watched before the purge, and without one.
const BEFORE: Duration = Duration::from_secs(12);

/// Transactions a second: some load, and far from all that two processors can do.
const RATE: u32 = 300;

/// How much longer than a purge the application works at most, with all that goes before and behind.
const BEYOND: Duration = Duration::from_secs(600);

/// One round of one policy.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) rows: f64,
    pub(crate) seconds: f64,
    pub(crate) longest_ms: f64,
    pub(crate) before: Latencies,
    pub(crate) during: Latencies,
    pub(crate) errors: usize,
    /// Waits for locks of more than 200 ms, or the longest wait in milliseconds: what the server's own records say.
    pub(crate) lock_waits: f64,
    /// What others had of the processors.
    pub(crate) foreign: f64,
}

pub(crate) enum Engine {
    Postgres { server: Server, rows: u64 },
    MariaDb { base: Box<Base>, rows: u64 },
}

// === impl Engine ===

impl Engine {
    pub(crate) async fn build(name: &str, rows: u64) -> Self {
        match name {
            "postgres" => {
                let server = Server::start();
                data::build(&server, data::Layout::Clustered, rows).await;
                Self::Postgres { server, rows }
            }
            "mariadb" => {
                let base =
                    Base::build(Product::MariaDb, &fill("event", rows, 0.5, mysql_data::Layout::Clustered)).await;
                Self::MariaDb { base: Box::new(base), rows }
            }
            other => panic!("no engine {other} here: postgres or mariadb"),
        }
    }

    pub(crate) fn stop(self) {
        if let Self::Postgres { server, .. } = self {
            server.stop();
        }
    }

    /// One round, in which forgetd is stopped behind `within`; nothing where the policy is none of this engine's.
    pub(crate) async fn measure(&self, policy: Policy, within: Duration) -> Option<Cell> {
        match self {
            Self::Postgres { .. } if policy == Policy::PtArchiver => None,
            Self::Postgres { server, rows } => Some(postgres(server, *rows, policy, within).await),
            Self::MariaDb { base, rows } => Some(mariadb(base, *rows, policy, within).await),
        }
    }
}

async fn postgres(server: &Server, rows: u64, policy: Policy, within: Duration) -> Cell {
    let database = data::copy(server, data::Layout::Clustered).await;
    let session = server.connect(&database).await;
    session.client.batch_execute(&format!("create sequence new start {}", rows + 1)).await.unwrap();
    let prepared = prepared(policy, &server.url(&database), "public.events", "created_at");
    let foreign = wait_quiet();
    let waits = long_lock_waits(&server.log());

    let application = Pgbench::start(server.address().port(), &database, rows, RATE, within + BEYOND);
    sleep(WARM).await;
    let began = wall();
    sleep(BEFORE).await;
    let from = wall();
    let purged = match &prepared {
        Some(prepared) => prepared.run(within).await,
        None if policy == Policy::Nobody => nothing().await,
        None => {
            let started = Instant::now();
            let delete = "delete from events where created_at < now() - interval '30 days'";
            let gone = session.client.execute(delete, &[]).await.unwrap();
            all_at_once(gone, started)
        }
    };
    let to = wall();
    sleep(WARM).await;
    let seen = application.stop();
    drop(session);
    data::drop(server, &database).await;
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let lock_waits = (long_lock_waits(&server.log()) - waits) as f64;
    let (before, during) = (seen.between(began, from), seen.between(from, to));
    cell(&purged, before, during, seen.errors, lock_waits, foreign)
}

async fn mariadb(base: &Base, rows: u64, policy: Policy, within: Duration) -> Cell {
    let server = base.start("event").await;
    let url = format!("{}?ssl-mode=disabled", server.url());
    let prepared = prepared(policy, &url, "event", "{ column: at, zone: UTC }");
    let foreign = wait_quiet();

    let application = Sysbench::start(server.port(), rows, RATE, within + BEYOND);
    sleep(WARM).await;
    let began = wall();
    sleep(BEFORE).await;
    let from = wall();
    let purged = match (&prepared, policy) {
        (Some(prepared), _) => prepared.run(within).await,
        (None, Policy::Nobody) => nothing().await,
        (None, Policy::PtArchiver) => {
            let port = server.port();
            let purge = tokio::task::spawn_blocking(move || pt_archiver(port, 1_000));
            let seconds = purge.await.unwrap();
            #[allow(clippy::cast_precision_loss, reason = "rows")]
            let half = rows as f64 / 2.0;
            Purged { rows: half, longest_ms: f64::NAN, seconds, peak_mib: f64::NAN }
        }
        (None, _) => {
            let mut conn = server.connect().await;
            let started = Instant::now();
            conn.query_drop("delete from event where at < now(6) - interval 30 day").await.unwrap();
            all_at_once(conn.affected_rows(), started)
        }
    };
    let to = wall();
    sleep(WARM).await;
    let seen = application.stop();
    let mut conn = server.connect().await;
    let longest: Option<(String, f64)> =
        conn.query_first("show global status like 'Innodb_row_lock_time_max'").await.unwrap();
    let (before, during) = (seen.between(began, from), seen.between(from, to));
    cell(&purged, before, during, seen.errors, longest.map_or(f64::NAN, |(_, ms)| ms), foreign)
}

fn prepared(policy: Policy, url: &str, table: &str, since: &str) -> Option<Prepared> {
    match policy {
        Policy::Forgetd(_, throttle) => Some(Prepared::new(url, table, since, throttle)),
        Policy::Nobody | Policy::OneDelete | Policy::PtArchiver => None,
    }
}

async fn nothing() -> Purged {
    sleep(BEFORE).await;
    Purged { rows: 0.0, longest_ms: 0.0, seconds: BEFORE.as_secs_f64(), peak_mib: f64::NAN }
}

#[allow(clippy::cast_precision_loss, reason = "rows")]
fn all_at_once(rows: u64, started: Instant) -> Purged {
    let seconds = started.elapsed().as_secs_f64();
    Purged { rows: rows as f64, longest_ms: seconds * 1_000.0, seconds, peak_mib: f64::NAN }
}

fn cell(purged: &Purged, before: Latencies, during: Latencies, errors: usize, lock_waits: f64, foreign: f64) -> Cell {
    let Purged { rows, seconds, longest_ms, .. } = *purged;
    Cell { rows, seconds, longest_ms, before, during, errors, lock_waits, foreign }
}

/// Seconds of the wall clock, which pgbench's log is written in.
fn wall() -> f64 {
    forgetd::clock::now().as_duration().as_secs_f64()
}
