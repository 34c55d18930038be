//! What an application feels while forgetd purges the very table that it works on: its latencies during the purge beside
//! those just before, on the same server, at a fixed rate of transactions, and what each policy reaches in rows a second.
//!
//! `cargo bench --bench neighbour -- [--engine postgres|mariadb] [--rows N] [--rounds N] [--minutes N] [--only POLICY]
//! [--svg FILE]`. The application is pgbench or sysbench, two indexed reads, an UPDATE and an INSERT in a transaction on live rows; a latency
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
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod mysql_data;
mod pgbench;
#[allow(dead_code, reason = "another benchmark uses the rest")]
mod policy;
#[path = "../purge/process.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
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
use std::time::Duration;

use clap::Parser as _;

use engine::Engine;
use policy::{POLICIES, Policy};
use report::Report;

/// What an application feels while forgetd purges the table that it works on.
#[derive(clap::Parser)]
struct Options {
    /// One after another.
    #[arg(long = "engine", value_delimiter = ',', default_value = "postgres,mariadb")]
    engines: Vec<String>,
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A purge by forgetd that takes longer is stopped, and how much of it did not fit is said.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// The policies whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// forgetd with these settings as well, as they stand under `throttle`: "{ share_beside_others: 0.05 }".
    #[arg(long)]
    throttle: Option<String>,
    /// The folder that drawings go to.
    #[arg(long)]
    svg: Option<PathBuf>,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{}", machine::description());
    for name in &options.engines {
        runtime.block_on(bench(&options, name));
    }
}

async fn bench(options: &Options, name: &str) {
    let engine = Engine::build(name, options.rows).await;
    let mut report = Report::new(name, options.rows, options.rounds);
    let mut policies: Vec<Policy> =
        POLICIES.iter().copied().filter(|policy| policy.name().contains(&options.only)).collect();
    if let Some(throttle) = &options.throttle {
        let throttle: &str = throttle.clone().leak();
        policies.push(Policy::Forgetd(throttle, throttle));
    }
    for round in 1..=options.rounds {
        for policy in &policies {
            if let Some(cell) = engine.measure(*policy, Duration::from_secs(60 * options.minutes)).await {
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
