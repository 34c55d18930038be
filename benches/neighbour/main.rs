//! What an application feels while forgetd purges the very table that it works on: its latencies during the purge beside
//! those just before, on the same server, at a fixed rate of transactions, and what each policy reaches in rows a second.
//!
//! `cargo bench --bench neighbour -- [--engine postgres|mariadb] [--rows N] [--rounds N] [--only POLICY] [--svg FILE]`. The
//! application is pgbench or sysbench, two indexed reads, an UPDATE and an INSERT in a transaction on live rows; a latency
//! counts from the moment at which the transaction was to begin. Every measurement starts from a fresh copy of the same data.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to its user and stops at the first error"
)]

#[path = "../purge/data.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod data;
mod engine;
mod latency;
mod machine;
#[path = "../mysql/server.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod mysql;
#[path = "../mysql/data.rs"]
mod mysql_data;
mod pgbench;
mod policy;
#[path = "../purge/process.rs"]
mod process;
#[path = "../mysql/pt_archiver.rs"]
mod pt_archiver;
mod report;
#[path = "../purge/server.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod server;
#[path = "../purge/spread.rs"]
mod spread;
mod sysbench;

use std::path::PathBuf;

use engine::Engine;
use policy::POLICIES;
use report::Report;

struct Options {
    engines: Vec<String>,
    rows: u64,
    rounds: usize,
    only: String,
    svg: Option<PathBuf>,
}

fn main() {
    let options = options();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{}", machine::description());
    for name in &options.engines {
        runtime.block_on(bench(&options, name));
    }
}

fn options() -> Options {
    let engines = vec!["postgres".to_owned(), "mariadb".to_owned()];
    let mut options = Options { engines, rows: 5_000_000, rounds: 5, only: String::new(), svg: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--engine" => options.engines = vec![value()],
            "--rows" => options.rows = value().parse().unwrap(),
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--only" => options.only = value(),
            "--svg" => options.svg = Some(value().into()),
            // cargo bench passes this itself.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    options
}

async fn bench(options: &Options, name: &str) {
    let engine = Engine::build(name, options.rows).await;
    let mut report = Report::new(name, options.rows, options.rounds);
    for round in 1..=options.rounds {
        for policy in POLICIES.iter().filter(|policy| policy.name().contains(&options.only)) {
            if let Some(cell) = engine.measure(*policy).await {
                report.add(*policy, round, cell);
            }
        }
    }
    report.print();
    if let Some(folder) = &options.svg {
        report.draw(&folder.join(format!("neighbour-{name}.svg")));
    }
    engine.stop();
}
