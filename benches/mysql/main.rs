//! How fast forgetd purges and pseudonymizes MariaDB and MySQL, beside one statement, a `DELETE .. LIMIT` loop and pt-archiver,
//! interleaved in rounds.
//!
//! `cargo bench --bench mysql -- [--rows N] [--transform-rows N] [--rounds N] [--scattered-rounds N] [--steady N]
//! [--only mariadb|mysql] [--mysql FOLDER]`. FOLDER is where MySQL's packages were unpacked (./test keeps it in its cache). Every
//! measurement starts a server on a fresh copy of the same data; ratios are taken inside a round and their medians printed, with
//! the spread.

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
mod naked;
#[path = "../purge/network.rs"]
mod network;
#[path = "../purge/process.rs"]
mod process;
mod pt_archiver;
mod server;
#[path = "../purge/spread.rs"]
mod spread;
mod steady;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;

use data::{Layout, fill};
use forgetd::{Batch, Deed, Prepared};
use network::Network;
use pt_archiver::pt_archiver;
use server::{Base, Product, Server, url_at};
use spread::spread;

const ONE_DELETE: &str = "one DELETE";
const ONE_UPDATE: &str = "one UPDATE";
const PT_ARCHIVER: &str = "pt-archiver --bulk-delete --limit 1000";
const NAKED: &str = "the statements alone";
const FORGETD: &str = "forgetd";

/// How late everything is, each way.
const DELAY: Duration = Duration::from_millis(1);
const DELAYED: &str = ", 1 ms of network";

/// How a server is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Here,
    Network,
}

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
    /// Rows of the table of which three in a thousand are due; 0: none.
    #[arg(long, default_value_t = 0)]
    steady: u64,
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
            if options.steady > 0 {
                steady::measure(product.clone(), options.steady, options.rounds).await;
            }
            if options.transform_rows > 0 {
                transform(&options, product).await;
            }
        }
    });
}

async fn purge(options: &Options, product: Product, layout: Layout) {
    let name = product.name();
    let base = Base::build(product, &fill("event", options.rows, 0.5, layout)).await;
    let mut times = Times::default();
    for round in 1..=options.rounds {
        let server = base.start("event").await;
        times.note("DELETE .. LIMIT 1000", methods::limit_loop(&server, 1_000).await, round);
        drop(server);
        let server = base.start("event").await;
        times.note(PT_ARCHIVER, pt_archiver(server.port(), 1_000), round);
        drop(server);
        for way in [Way::Here, Way::Network] {
            compare(&base, layout, way, &mut times, round).await;
        }
    }
    println!(
        "{name}, {layout:?}: purge of half of {} rows, medians [min-max] of {} rounds",
        options.rows, options.rounds
    );
    times.print();
}

/// One DELETE, forgetd's statements without its protocol where there is no network between, and forgetd, each on a server of its
/// own.
async fn compare(base: &Base, layout: Layout, way: Way, times: &mut Times, round: usize) {
    let server = base.start("event").await;
    let single = methods::single_delete(&server, way.to(&server)).await;
    times.note(&way.name(ONE_DELETE), single, round);
    drop(server);
    for batch in way.batches() {
        if let (Way::Here, Batch::Rows(rows)) = (way, *batch) {
            let server = base.start("event").await;
            let naked = naked::batches(&server, base.product(), layout, rows).await;
            times.note(&format!("{NAKED}, {}", batch.name()), naked, round);
        }
        let server = base.start("event").await;
        times.forgetd(&server, way, Deed::Delete, *batch, round).await;
    }
}

async fn transform(options: &Options, product: Product) {
    let name = product.name();
    let base = Base::build(product, &fill("person", options.transform_rows, 0.99, Layout::Clustered)).await;
    let mut times = Times::default();
    for round in 1..=options.rounds {
        let server = base.start("person").await;
        times.note(ONE_UPDATE, methods::single_update(&server).await, round);
        drop(server);
        for batch in BATCHES {
            let server = base.start("person").await;
            times.forgetd(&server, Way::Here, Deed::Transform, batch, round).await;
            drop(server);
        }
    }
    println!("{name}: three columns, unique e-mail, 99% of {} rows, {} rounds", options.transform_rows, options.rounds);
    times.print();
}

// === impl Times ===

impl Times {
    fn note(&mut self, method: &str, seconds: f64, round: usize) {
        eprintln!("round {round}, {method}: {seconds:.2} s");
        self.seconds.entry(method.to_owned()).or_default().push(seconds);
    }

    async fn forgetd(&mut self, server: &Server, way: Way, deed: Deed, batch: Batch, round: usize) {
        let prepared = Prepared::new(&url_at(way.to(server)), deed, batch);
        let before = server.redo().await;
        let run = prepared.run().await;
        #[allow(clippy::cast_precision_loss, reason = "rows")]
        let rows = run.changed as f64;
        let redo = (server.redo().await - before) / rows;
        let method = way.name(&format!("{FORGETD}, {}", batch.name()));
        let told = format!(
            "{:.0} rows/s, {} rows in the largest batch, {} lanes, longest transaction {:.0} ms, peak {:.1} MiB, redo {redo:.0} bytes a row",
            rows / run.seconds,
            run.largest,
            run.lanes,
            run.longest_ms,
            run.peak_mib
        );
        self.told.entry(method.clone()).or_default().push(told);
        self.note(&method, run.seconds, round);
    }

    /// Each method's seconds, and how many times as fast as others in the same round it was.
    fn print(&self) {
        for (method, seconds) in &self.seconds {
            let mut line = format!("  {method}: {} s", spread(seconds.clone()));
            for other in beside(method) {
                let Some(theirs) = self.seconds.get(&other) else { continue };
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

/// What a method is compared with: what went over the same network, and its own statements alone.
fn beside(method: &str) -> Vec<String> {
    let way = if method.ends_with(DELAYED) { Way::Network } else { Way::Here };
    let mut others = vec![way.name(ONE_DELETE), ONE_UPDATE.to_owned()];
    if way == Way::Here {
        others.push(PT_ARCHIVER.to_owned());
        others.extend(method.strip_prefix(FORGETD).map(|batch| format!("{NAKED}{batch}")));
    }
    others.retain(|other| other != method);
    others
}

// === impl Way ===

impl Way {
    /// An address that leads to the server.
    fn to(self, server: &Server) -> SocketAddr {
        match self {
            Self::Here => server.address(),
            Self::Network => Network::start(server.address(), DELAY).address(),
        }
    }

    fn batches(self) -> &'static [Batch] {
        match self {
            Self::Here => &BATCHES,
            Self::Network => &[Batch::Default, Batch::Rows(10_000)],
        }
    }

    fn name(self, method: &str) -> String {
        match self {
            Self::Here => method.to_owned(),
            Self::Network => format!("{method}{DELAYED}"),
        }
    }
}
