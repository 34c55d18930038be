//! How fast forgetd pseudonymizes three columns, one of them under a unique index, beside one UPDATE that makes tokens on the server
//! with pgcrypto, interleaved in rounds; and on SQLite, where no server could make them.
//!
//! `cargo bench --bench transform -- [--rows N] [--rounds N] [--only postgres|sqlite]`. Every measurement starts from a fresh copy of
//! the same database. The whole program is timed, its start and its recount included.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to its user and stops at the first error"
)]

mod forgetd;
#[path = "../purge/process.rs"]
mod process;
#[path = "../purge/server.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod server;
#[path = "../purge/spread.rs"]
mod spread;
mod sqlite;

use std::time::Instant;

use clap::Parser as _;

use forgetd::Run;
use server::Server;
use spread::spread;

/// Rows of one batch; absent: default settings.
const BATCHES: [Option<u32>; 3] = [Some(1_000), Some(10_000), None];

/// Columns as the table defines them, 180 bytes a row. Its rows belong to accounts that lie scattered.
const TABLE: &str = "create table person (id bigint not null, seen_at timestamptz not null, account_id int not null, \
                     email text not null, name text not null, phone text not null, payload text not null)";

/// One round: one UPDATE's time over ours, our WAL over its, and ours.
type Cell = (f64, f64, Run);

/// How fast forgetd pseudonymizes PostgreSQL and SQLite.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The engines whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if "postgres".contains(&options.only) {
            postgres(&options).await;
        }
        if "sqlite".contains(&options.only) {
            sqlite::bench(options.rows, options.rounds).await;
        }
    });
}

async fn postgres(options: &Options) {
    let server = Server::start();
    build(&server, options.rows).await;
    let mut lines: Vec<(Option<u32>, Vec<Cell>)> = BATCHES.iter().map(|batch| (*batch, vec![])).collect();
    for round in 1..=options.rounds {
        let database = copy(&server).await;
        let wal = server.wal().await;
        let single = single(&server, &database).await;
        let single_wal = server.wal().await - wal;
        drop(&server, &database).await;
        for (batch, cells) in &mut lines {
            let database = copy(&server).await;
            let wal = server.wal().await;
            let run = forgetd::run(&server.url(&database), "public.person", "seen_at", *batch).await;
            let run_wal = server.wal().await - wal;
            drop(&server, &database).await;
            assert_eq!(run.changed, options.rows);
            eprintln!("round {round}, {}: single {single:.2} s, forgetd {:.2} s", size(*batch), run.seconds);
            cells.push((single / run.seconds, run_wal / single_wal, run));
        }
    }
    println!("{} rows, 3 columns, unique e-mail; medians [min-max] of {} rounds", options.rows, options.rounds);
    for (batch, cells) in &lines {
        let column = |f: &dyn Fn(&Cell) -> f64| spread(cells.iter().map(f).collect());
        println!(
            "postgres, {}: {} x one UPDATE, {} x its WAL, {} rows/s, longest transaction {} ms, peak {} MiB",
            size(*batch),
            column(&|cell| cell.0),
            column(&|cell| cell.1),
            column(&|cell| cell.2.speed()),
            column(&|cell| cell.2.longest_ms),
            column(&|cell| cell.2.peak_mib),
        );
    }
    server.stop();
}

fn size(batch: Option<u32>) -> String {
    batch.map_or_else(|| "default settings".into(), |batch| format!("{batch} rows a batch"))
}

async fn build(server: &Server, rows: u64) {
    let admin = server.connect("postgres").await;
    admin.client.batch_execute("create database people").await.unwrap();
    let session = server.connect("people").await;
    // One row is not due: a rule that means a whole table waits for somebody.
    let fill = format!(
        "create extension pgcrypto; {TABLE};
         insert into person select n, now() - interval '60 days' + interval '20 days' * (n::float8 / {rows}), hashint8(n) & 65535,
             substr(md5(n::text), 1, 12) || n || '@example.com', 'Name ' || substr(md5((n + 7)::text), 1, 10),
             '+1555' || lpad((n % 10000000)::text, 7, '0'), md5((n * 3)::text) || md5((n * 5)::text)
         from generate_series(1, {rows}) as n;
         insert into person values (0, now(), 1, 'now@example.com', 'Now', '1', 'x');
         alter table person add primary key (id);
         create index on person (seen_at);
         create index on person (account_id);
         create unique index on person (email);"
    );
    session.client.batch_execute(&fill).await.unwrap();
    session.client.batch_execute("vacuum (analyze, freeze) person").await.unwrap();
    session.client.batch_execute("checkpoint").await.unwrap();
}

async fn copy(server: &Server) -> String {
    let admin = server.connect("postgres").await;
    admin.client.batch_execute("create database people_copy template people strategy file_copy").await.unwrap();
    admin.client.batch_execute("checkpoint").await.unwrap();
    // Both find the table in memory.
    let session = server.connect("people_copy").await;
    session.client.batch_execute("select count(*), sum(length(payload)) from person").await.unwrap();
    "people_copy".into()
}

async fn drop(server: &Server, database: &str) {
    let admin = server.connect("postgres").await;
    admin.client.batch_execute(&format!("drop database {database} with (force)")).await.unwrap();
}

/// One UPDATE of everything that is due, the key in the statement.
async fn single(server: &Server, database: &str) -> f64 {
    let session = server.connect(database).await;
    let token = |column: &str| format!("substr(encode(hmac(lower({column}), 'a key', 'sha256'), 'hex'), 1, 26)");
    let (email, name, phone) = (token("email"), token("name"), token("phone"));
    let update = format!(
        "update person set email = {email} || '@pseudonym.invalid', name = {name}, phone = {phone} \
         where seen_at < now() - interval '30 days'"
    );
    let started = Instant::now();
    session.client.batch_execute(&update).await.unwrap();
    started.elapsed().as_secs_f64()
}
