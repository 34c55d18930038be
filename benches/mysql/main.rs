//! How fast forgetd purges and pseudonymizes MariaDB and MySQL, beside one statement, a `DELETE .. LIMIT` loop and pt-archiver,
//! interleaved in rounds.
//!
//! `cargo bench --bench mysql -- [--rows N] [--transform-rows N] [--rounds N] [--scattered-rounds N] [--only mariadb|mysql] [--mysql FOLDER]`. FOLDER is
//! where MySQL's packages were unpacked (./test keeps it in its cache). Every measurement starts a server on a fresh copy of the same data; ratios are taken inside a
//! round and their medians printed, with the spread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to its user and stops at the first error"
)]

mod data;
mod forgetd;
mod methods;
#[path = "../purge/process.rs"]
mod process;
mod pt_archiver;
mod server;
#[path = "../purge/spread.rs"]
mod spread;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser as _;

use data::{Layout, fill};
use forgetd::{Batch, Deed};
use pt_archiver::pt_archiver;
use server::{Base, Product, Server};
use spread::spread;

const BATCHES: [Batch; 3] = [Batch::Default, Batch::Rows(1_000), Batch::Rows(10_000)];

/// How fast forgetd purges and pseudonymizes MariaDB and MySQL.
#[derive(Clone, clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 1_000_000)]
    transform_rows: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The same with rows that are due all over the table.
    #[arg(long, default_value_t = 0)]
    scattered_rounds: usize,
    /// The products whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Where MySQL's packages were unpacked; without it MariaDB alone is measured.
    #[arg(long)]
    mysql: Option<PathBuf>,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

/// What each method took, by its name, round by round.
#[derive(Default)]
struct Times {
    seconds: BTreeMap<String, Vec<f64>>,
    told: BTreeMap<String, Vec<String>>,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut products = vec![Product::MariaDb];
    products.extend(options.mysql.clone().map(Product::MySql));
    runtime.block_on(async {
        for product in products.into_iter().filter(|product| product.name().contains(&options.only)) {
            purge(&options, product.clone(), Layout::Clustered).await;
            if options.scattered_rounds > 0 {
                let options = Options { rounds: options.scattered_rounds, ..options.clone() };
                purge(&options, product.clone(), Layout::Scattered).await;
            }
            transform(&options, product).await;
        }
    });
}

async fn purge(options: &Options, product: Product, layout: Layout) {
    let name = product.name();
    let base = Base::build(product, &fill("event", options.rows, 0.5, layout)).await;
    let mut times = Times::default();
    for round in 1..=options.rounds {
        let server = base.start("event").await;
        times.note("one DELETE", methods::single_delete(&server).await, round);
        drop(server);
        let server = base.start("event").await;
        times.note("DELETE .. LIMIT 1000", methods::limit_loop(&server, 1_000).await, round);
        drop(server);
        let server = base.start("event").await;
        times.note("pt-archiver --bulk-delete --limit 1000", pt_archiver(server.port(), 1_000), round);
        drop(server);
        for batch in BATCHES {
            let server = base.start("event").await;
            times.forgetd(&server, Deed::Delete, batch, round).await;
            drop(server);
        }
    }
    println!(
        "{name}, {layout:?}: purge of half of {} rows, medians [min-max] of {} rounds",
        options.rows, options.rounds
    );
    times.print(&["one DELETE", "pt-archiver --bulk-delete --limit 1000"]);
}

async fn transform(options: &Options, product: Product) {
    let name = product.name();
    let base = Base::build(product, &fill("person", options.transform_rows, 0.99, Layout::Clustered)).await;
    let mut times = Times::default();
    for round in 1..=options.rounds {
        let server = base.start("person").await;
        times.note("one UPDATE", methods::single_update(&server).await, round);
        drop(server);
        for batch in BATCHES {
            let server = base.start("person").await;
            times.forgetd(&server, Deed::Transform, batch, round).await;
            drop(server);
        }
    }
    println!("{name}: three columns, unique e-mail, 99% of {} rows, {} rounds", options.transform_rows, options.rounds);
    times.print(&["one UPDATE"]);
}

// === impl Times ===

impl Times {
    fn note(&mut self, method: &str, seconds: f64, round: usize) {
        eprintln!("round {round}, {method}: {seconds:.2} s");
        self.seconds.entry(method.to_owned()).or_default().push(seconds);
    }

    async fn forgetd(&mut self, server: &Server, deed: Deed, batch: Batch, round: usize) {
        let before = server.redo().await;
        let run = forgetd::run(&server.url(), deed, batch).await;
        #[allow(clippy::cast_precision_loss, reason = "rows")]
        let rows = run.changed as f64;
        let redo = (server.redo().await - before) / rows;
        let method = format!("forgetd, {}", batch.name());
        let told = format!(
            "{:.0} rows/s, {} rows in the largest batch, longest transaction {:.0} ms, peak {:.1} MiB, redo {redo:.0} bytes a row",
            rows / run.seconds,
            run.largest,
            run.longest_ms,
            run.peak_mib
        );
        self.told.entry(method.clone()).or_default().push(told);
        self.note(&method, run.seconds, round);
    }

    /// Each method's seconds, and how many times as fast as those of `beside` in the same round it was.
    fn print(&self, beside: &[&str]) {
        for (method, seconds) in &self.seconds {
            let mut line = format!("  {method}: {} s", spread(seconds.clone()));
            for other in beside.iter().filter(|other| **other != method) {
                let Some(theirs) = self.seconds.get(*other) else { continue };
                let ratios = theirs.iter().zip(seconds).map(|(theirs, ours)| theirs / ours).collect();
                line.push_str(&format!(", {} x {other}", spread(ratios)));
            }
            if let Some(told) = self.told.get(method).and_then(|told| told.last()) {
                line.push_str(&format!("; {told}"));
            }
            println!("{line}");
        }
    }
}
