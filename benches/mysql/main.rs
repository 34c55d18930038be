//! How fast forgetd purges and pseudonymizes MariaDB and MySQL, beside one statement, a `DELETE .. LIMIT` loop and pt-archiver,
//! interleaved in rounds.
//!
//! `cargo bench --bench mysql -- [--rows N] [--transform-rows N] [--rounds N] [--only mariadb|mysql] [--mysql FOLDER]`. FOLDER is
//! where MySQL's packages were unpacked (./test keeps it in its cache). Every measurement starts a server on a fresh copy of the same data; ratios are taken inside a
//! round and their medians printed, with the spread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to its user and stops at the first error"
)]

mod forgetd;
mod methods;
#[path = "../purge/process.rs"]
mod process;
mod server;
#[path = "../purge/spread.rs"]
mod spread;

use std::collections::BTreeMap;
use std::path::PathBuf;

use forgetd::{Batch, Deed};
use server::{Base, Product, Server};
use spread::spread;

const BATCHES: [Batch; 3] = [Batch::Default, Batch::Rows(1_000), Batch::Rows(10_000)];

struct Options {
    rows: u64,
    transform_rows: u64,
    rounds: usize,
    only: String,
    mysql: Option<PathBuf>,
}

/// What each method took, by its name, round by round.
#[derive(Default)]
struct Times {
    seconds: BTreeMap<String, Vec<f64>>,
    told: BTreeMap<String, Vec<String>>,
}

fn main() {
    let options = options();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut products = vec![Product::MariaDb];
    products.extend(options.mysql.clone().map(Product::MySql));
    runtime.block_on(async {
        for product in products.into_iter().filter(|product| product.name().contains(&options.only)) {
            purge(&options, product.clone()).await;
            transform(&options, product).await;
        }
    });
}

fn options() -> Options {
    let mut options =
        Options { rows: 5_000_000, transform_rows: 1_000_000, rounds: 3, only: String::new(), mysql: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--rows" => options.rows = value().parse().unwrap(),
            "--transform-rows" => options.transform_rows = value().parse().unwrap(),
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--only" => options.only = value(),
            "--mysql" => options.mysql = Some(value().into()),
            // cargo bench passes this itself.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    options
}

/// A table of 180 bytes a row and three more indexes; of `rows` rows this share is due, in order of the primary key.
fn fill(table: &str, rows: u64, due: f64) -> Vec<String> {
    let days = 30.0 / (1.0 - due);
    // The numbers below a million, joined with themselves as often as it takes.
    let digits = "(select 0 d union all select 1 union all select 2 union all select 3 union all select 4 union all \
                  select 5 union all select 6 union all select 7 union all select 8 union all select 9)";
    let numbers: Vec<String> = (0..8).map(|n| format!("{digits} d{n}")).collect();
    let sum: Vec<String> = (0..8).map(|n| format!("d{n}.d * {}", 10_u64.pow(n))).collect();
    vec![
        format!(
            "create table {table} (id bigint not null primary key, at datetime(6) not null, account_id int not null, \
             email varchar(120) not null, name varchar(80) not null, phone varchar(64) not null, payload varchar(200) not null)"
        ),
        format!(
            "insert into {table} select n, now(6) - interval {days} day + interval (n / {rows} * {days} * 86400) second, \
             crc32(n) & 65535, concat(substr(sha2(n, 256), 1, 12), n, '@example.com'), concat('Name ', substr(sha2(n + 7, 256), 1, 10)), \
             concat('+1555', lpad(n % 10000000, 7, '0')), sha2(n * 3, 256) \
             from (select 1 + {} as n from {}) as numbers where n <= {rows} order by n",
            sum.join(" + "),
            numbers.join(", "),
        ),
        format!(
            "alter table {table} add unique index {table}_email (email), add index {table}_at (at), \
             add index {table}_account (account_id)"
        ),
        format!("analyze table {table}"),
    ]
}

async fn purge(options: &Options, product: Product) {
    let name = product.name();
    let base = Base::build(product, &fill("event", options.rows, 0.5)).await;
    let mut times = Times::default();
    for round in 1..=options.rounds {
        let server = base.start("event").await;
        times.note("one DELETE", methods::single_delete(&server).await, round);
        drop(server);
        let server = base.start("event").await;
        times.note("DELETE .. LIMIT 1000", methods::limit_loop(&server, 1_000).await, round);
        drop(server);
        let server = base.start("event").await;
        times.note("pt-archiver --bulk-delete --limit 1000", methods::pt_archiver(&server, 1_000), round);
        drop(server);
        for batch in BATCHES {
            let server = base.start("event").await;
            times.forgetd(&server, Deed::Delete, batch, round).await;
            drop(server);
        }
    }
    println!("{name}: purge of half of {} rows, medians [min-max] of {} rounds", options.rows, options.rounds);
    times.print(&["one DELETE", "pt-archiver --bulk-delete --limit 1000"]);
}

async fn transform(options: &Options, product: Product) {
    let name = product.name();
    let base = Base::build(product, &fill("person", options.transform_rows, 0.99)).await;
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
