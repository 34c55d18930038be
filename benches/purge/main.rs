//! How fast forgetd purges PostgreSQL, beside one single DELETE and the same statements naked, interleaved in rounds.
//!
//! `cargo bench --bench purge -- [--rows N] [--rounds N] [--only SCENE] [--steady N] [--memory N,N,..]`. Every measurement
//! starts from a fresh copy of the same database; ratios are taken inside a round and their medians printed, with the
//! spread. Half of the rows are due: in order of the primary key (`clustered`) or at random against it (`scattered`).
//! `--only` takes the scenes whose name holds a text; `--steady` is how large a table is of which few rows are due, as on
//! each day of a rule that has caught up; `--memory` is how large the tables are for which memory is measured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to its user and stops at the first error"
)]

mod data;
mod forgetd;
mod naked;
mod network;
mod process;
mod report;
mod server;
mod spread;
mod steady;

use std::time::Duration;

use clap::Parser as _;

use data::Layout;
use report::{Cell, Report};
use server::Server;

/// How fast forgetd purges PostgreSQL.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The scenes whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Rows of the table of which three in a thousand are due; 0: none.
    #[arg(long, default_value_t = 0)]
    steady: u64,
    /// Rows of the tables for which memory is measured.
    #[arg(long, value_delimiter = ',', default_value = "1000000,5000000,20000000")]
    memory: Vec<u64>,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

/// One line of the table that is printed.
#[derive(Clone, Copy, PartialEq)]
struct Scene {
    layout: Layout,
    /// Absent: default settings.
    batch: Option<u32>,
    /// Whether there is no connection for a second lane.
    one_lane: bool,
    old_snapshot: bool,
    network: Option<Duration>,
    evidence: RowEvidence,
}

/// What receipts say about single rows.
#[derive(Clone, Copy, PartialEq)]
enum RowEvidence {
    Counts,
    Commitments,
}

// === impl Scene ===

impl Scene {
    const fn new(layout: Layout, batch: u32) -> Self {
        Self { batch: Some(batch), ..Self::by_default(layout) }
    }

    const fn by_default(layout: Layout) -> Self {
        Self { layout, batch: None, one_lane: false, old_snapshot: false, network: None, evidence: RowEvidence::Counts }
    }

    fn name(&self) -> String {
        let batch = self.batch.map_or_else(|| "default settings".into(), |batch| format!("{batch} rows a batch"));
        let mut name = format!("{}, {batch}", self.layout.name());
        if self.one_lane {
            name.push_str(", one lane");
        }
        if self.old_snapshot {
            name.push_str(", old snapshot");
        }
        if let Some(delay) = self.network {
            name.push_str(&format!(", {} ms", delay.as_millis()));
        }
        if self.evidence == RowEvidence::Commitments {
            name.push_str(", commitments");
        }
        name
    }
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(bench(&options));
}

async fn bench(options: &Options) {
    let server = Server::start();
    let (clustered, scattered) = (Layout::Clustered, Layout::Scattered);
    let network = Some(Duration::from_millis(1));
    let mut scenes = vec![
        Scene::new(clustered, 1_000),
        Scene::new(clustered, 10_000),
        Scene::new(scattered, 1_000),
        Scene::new(scattered, 10_000),
        Scene::by_default(clustered),
        Scene::by_default(scattered),
        Scene { one_lane: true, ..Scene::by_default(clustered) },
        Scene { one_lane: true, ..Scene::by_default(scattered) },
        Scene { old_snapshot: true, ..Scene::new(clustered, 1_000) },
        Scene { network, ..Scene::new(clustered, 1_000) },
        Scene { network, ..Scene::new(clustered, 10_000) },
        Scene { network, ..Scene::by_default(clustered) },
        Scene { network, ..Scene::by_default(scattered) },
        Scene { evidence: RowEvidence::Commitments, ..Scene::new(clustered, 10_000) },
        Scene { evidence: RowEvidence::Commitments, ..Scene::new(scattered, 10_000) },
    ];
    scenes.retain(|scene| scene.name().contains(&options.only));
    for layout in [clustered, scattered] {
        if options.rounds > 0 && scenes.iter().any(|scene| scene.layout == layout) {
            data::build(&server, layout, options.rows).await;
        }
    }
    let mut report = Report::new(options.rows);
    for round in 1..=options.rounds {
        for scene in &scenes {
            let cell = measure(&server, scene).await;
            report.add(scene, round, cell);
        }
    }
    report.print();
    if options.steady > 0 {
        steady::measure(&server, options.steady, options.rounds).await;
    }
    for rows in &options.memory {
        data::build(&server, Layout::Clustered, *rows).await;
        let database = data::copy(&server, Layout::Clustered).await;
        let run = forgetd::run(&server.url(&database), &Scene::new(Layout::Clustered, 1_000)).await;
        println!("memory: {rows} rows, peak resident {:.1} MiB, {:.1} s", run.peak_mib, run.seconds);
        data::drop(&server, &database).await;
    }
    server.stop();
}

/// One round of one scene: the single DELETE, the naked loop and forgetd, each on a copy of its own.
async fn measure(server: &Server, scene: &Scene) -> Cell {
    let mut cell = Cell::default();

    let database = data::copy(server, scene.layout).await;
    let wal = server.wal().await;
    cell.single = naked::single(server, &database, scene.network).await;
    cell.single_wal = server.wal().await - wal;
    data::drop(server, &database).await;

    let database = data::copy(server, scene.layout).await;
    let snapshot = hold(server, &database, scene).await;
    let naked = naked::batches(server, &database, scene).await;
    (cell.naked, cell.naked_longest_ms) = (naked.seconds, naked.longest_ms);
    drop(snapshot);
    data::drop(server, &database).await;

    let database = data::copy(server, scene.layout).await;
    let snapshot = hold(server, &database, scene).await;
    let wal = server.wal().await;
    let run = match scene.network {
        None => forgetd::run(&server.url(&database), scene).await,
        Some(delay) => {
            let network = network::Network::start(server.address(), delay);
            forgetd::run(&server.url_at(network.address(), &database), scene).await
        }
    };
    cell.wal = server.wal().await - wal;
    cell.forgetd = run.seconds;
    cell.longest_ms = run.longest_ms;
    cell.peak_mib = run.peak_mib;
    let pace = data::pace(server, &database).await;
    // Of batches that grow, or that two lanes have, the first lane's times tell neither.
    (cell.batches, cell.growth) =
        if scene.batch.is_some() { (pace.batches, pace.growth) } else { (f64::NAN, f64::NAN) };
    (cell.rows, cell.lanes) = (run.changed, run.lanes);
    drop(snapshot);
    data::drop(server, &database).await;
    cell
}

/// A session with a snapshot older than the purge, if the scene has one.
async fn hold(server: &Server, database: &str, scene: &Scene) -> Option<server::Session> {
    if !scene.old_snapshot {
        return None;
    }
    let session = server.connect(database).await;
    session.client.batch_execute("begin isolation level repeatable read; select count(*) from pg_class").await.unwrap();
    Some(session)
}
