//! What the daemon costs: how long it takes to start, to be ready and to stop; processor time and memory while it has
//! nothing to do, as the holder and as a follower; memory while it purges; and both over minutes of constant inserts.
//!
//! `cargo bench --bench daemon -- [--rows N] [--minutes N] [--idle SECONDS]`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark speaks to its user and stops at the first error"
)]
#![allow(clippy::cast_precision_loss, reason = "rows, kibibytes and ticks")]

mod daemon;
#[path = "../purge/process.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod process;
#[path = "../purge/server.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod server;
mod soak;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser as _;

use daemon::Daemon;
use server::Server;

/// How often it is started and stopped.
const STARTS: usize = 11;

/// What the daemon costs.
#[derive(clap::Parser)]
struct Options {
    /// Of the table that is purged.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// Of constant inserts.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Seconds that it is watched with nothing to do.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start();
        let folder = tempfile::tempdir().unwrap();
        let session = server.connect("postgres").await;
        session
            .client
            .batch_execute(
                "create table events (id bigint not null, created_at timestamptz not null, payload text not null);
                 insert into events select n, now(), repeat('x', 100) from generate_series(1, 1000) n;
                 alter table events add primary key (id);
                 create index on events (created_at)",
            )
            .await
            .unwrap();
        let config = install(&server, folder.path());
        starts(&config);
        idle(&config, Duration::from_secs(options.idle));
        soak::purge(&server, &config, options.rows).await;
        soak::soak(&server, &config, Duration::from_secs(60 * options.minutes)).await;
        drop(session);
        server.stop();
    });
}

/// A policy whose only rule fires every minute, with everything in place for it.
fn install(server: &Server, folder: &Path) -> std::path::PathBuf {
    let config = folder.join("forgetd.yaml");
    let url = server.url("postgres");
    std::fs::write(
        &config,
        format!(
            "version: 1\ninstance: bench\ndefaults: {{ guard: {{ cool_off: none }} }}\ndatabases:\n  db:\n    url: {url}\n\
             evidence:\n  origin: example.com/forgetd/bench\n  signing_key: {{ file: key }}\n\
             rules:\n  - name: events\n    table: public.events\n    keep_for: 30d\n    since: created_at\n    \
             action: delete\n    mode: enforce\n    schedule: \"* * * * *\"\n"
        ),
    )
    .unwrap();
    process::finish(process::command(&config).args(["keys", "new", "evidence", "--out"]).arg(folder.join("key")));
    process::finish(process::command(&config).arg("install"));
    config
}

/// Start, ready, acting, stopped: medians.
fn starts(config: &Path) {
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..STARTS {
        let began = Instant::now();
        let daemon = Daemon::start(config);
        daemon.until("/livez");
        times[0].push(millis(began));
        daemon.until("/readyz");
        times[1].push(millis(began));
        daemon.until_holds();
        times[2].push(millis(began));
        let began = Instant::now();
        daemon.stop();
        times[3].push(millis(began));
    }
    let [listens, ready, acts, stops] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        format!("{:.0} ms (at most {:.0})", times[times.len() / 2], times[times.len() - 1])
    });
    println!(
        "start, {STARTS} times: listens {listens}, ready {ready}, acts {acts}; told to end, it is gone after {stops}"
    );
}

/// A holder and a follower with nothing due.
fn idle(config: &Path, long: Duration) {
    let holder = Daemon::start(config);
    holder.until_holds();
    let follower = Daemon::start(config);
    follower.until("/readyz");
    let before = [holder.cpu(), follower.cpu()];
    std::thread::sleep(long);
    for (name, daemon, before) in [("holder", &holder, before[0]), ("follower", &follower, before[1])] {
        let share = (daemon.cpu() - before) / long.as_secs_f64() * 100.0;
        println!("idle {name}, {} s: {share:.2}% of a core, {:.1} MiB", long.as_secs(), daemon.rss());
    }
    follower.stop();
    holder.stop();
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
