//! How fast forgetd purges a file of SQLite, and how long another writer of the same file has to wait for it: beside one DELETE,
//! and beside a loop of the same ranges without any protocol, interleaved in rounds.
//!
//! `cargo bench --bench sqlite -- [--rows N] [--rounds N] [--only METHOD]`. The other writer inserts a row every five
//! milliseconds. Every measurement starts from a fresh copy of the same file; ratios are taken inside a round and their medians
//! printed, with the spread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to its user and stops at the first error"
)]

mod data;
mod methods;
#[path = "../neighbour/policy.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod policy;
#[path = "../purge/process.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod process;
#[path = "../purge/spread.rs"]
mod spread;
mod writer;

use clap::Parser as _;

use data::Layout;
use methods::{METHODS, Method};
use spread::spread;
use writer::{Waits, Writer};

/// How fast forgetd purges a file, and how long another writer waits.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The methods whose name holds this; one DELETE is always there.
    #[arg(long, default_value = "")]
    only: String,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

/// One method in one round.
struct Cell {
    seconds: f64,
    waits: Waits,
    peak_mib: f64,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for layout in [Layout::Clustered, Layout::Scattered] {
        runtime.block_on(bench(&options, layout));
    }
}

async fn bench(options: &Options, layout: Layout) {
    let folder = tempfile::tempdir().unwrap();
    let (base, copy) = (folder.path().join("base.db"), folder.path().join("copy.db"));
    data::build(&base, options.rows, layout);
    let wanted = |method: &&Method| **method == Method::OneDelete || method.name().contains(&options.only);
    let mut lines: Vec<(Method, Vec<Cell>)> = METHODS.iter().filter(wanted).map(|method| (*method, vec![])).collect();
    for round in 1..=options.rounds {
        for (method, cells) in &mut lines {
            data::copy(&base, &copy);
            let prepared = method.prepared(&copy);
            let writer = Writer::start(&copy);
            let (seconds, peak_mib) = method.purge(&copy, prepared.as_ref()).await;
            let waits = writer.stop();
            let (longest, at) = (waits.longest(), waits.longest_at());
            eprintln!(
                "round {round}, {}: {seconds:.2} s, longest wait {longest:.1} ms, from {at:.2} s on",
                method.name()
            );
            cells.push(Cell { seconds, waits, peak_mib });
        }
    }
    println!(
        "sqlite, {}: purge of half of {} rows beside a writer, medians [min-max] of {} rounds",
        layout.name(),
        options.rows,
        options.rounds
    );
    let single = lines.iter().position(|(method, _)| *method == Method::OneDelete).unwrap();
    for (method, cells) in &lines {
        let beside = |f: &dyn Fn(&Cell, &Cell) -> f64| {
            spread(lines[single].1.iter().zip(cells).map(|(single, cell)| f(single, cell)).collect())
        };
        println!(
            "  {}: {} s, {} x one DELETE; the writer waits {} ms (p50), {} (p99), {} at most: 1/{} of one DELETE's; peak {} MiB",
            method.name(),
            spread(cells.iter().map(|cell| cell.seconds).collect()),
            beside(&|single, cell| single.seconds / cell.seconds),
            spread(cells.iter().map(|cell| cell.waits.quantile(0.5)).collect()),
            spread(cells.iter().map(|cell| cell.waits.quantile(0.99)).collect()),
            spread(cells.iter().map(|cell| cell.waits.longest()).collect()),
            beside(&|single, cell| single.waits.longest() / cell.waits.longest()),
            spread(cells.iter().map(|cell| cell.peak_mib).collect()),
        );
    }
}
