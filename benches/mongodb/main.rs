//! How fast forgetd purges and pseudonymizes FerretDB, a server of MongoDB's protocol, beside one command and beside the same
//! sealed steps without forgetd, interleaved in rounds.
//!
//! `cargo bench --bench mongodb -- [--rows N] [--transform-rows N] [--rounds N] [--only TEXT] [--beside PROGRAM]`. Every measurement
//! starts a server on a fresh copy of the same data; ratios are taken inside a round and their medians printed, with the spread.
//! Half of the documents are due, in order of `_id` (`clustered`) or at random against it (`scattered`). `--only` takes the
//! scenes whose name holds a text; `--rounds 0` counts turns alone; `--beside`
//! measures another build in the same rounds.

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
mod server;
#[path = "../purge/spread.rs"]
mod spread;
mod turns;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use data::Layout;
use forgetd::{Deed, Run};
use server::{Base, Server};
use spread::spread;

/// Documents of one batch.
const BATCHES: [u32; 2] = [1_000, 5_000];

/// How fast forgetd purges and pseudonymizes FerretDB.
#[derive(clap::Parser)]
struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 200_000)]
    transform_rows: u64,
    /// None counts turns alone.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The scenes whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Another build, measured in the same rounds.
    #[arg(long)]
    beside: Option<PathBuf>,
    #[arg(long, hide = true, help = "cargo bench passes this itself")]
    bench: bool,
}

/// One table of results.
#[derive(Clone, Copy)]
struct Scene {
    deed: Deed,
    layout: Layout,
    rows: u64,
    /// The part of the documents that is due.
    due: f64,
}

/// What each method took, by its name, round by round.
#[derive(Default)]
struct Times {
    seconds: BTreeMap<String, Vec<f64>>,
    runs: BTreeMap<String, Vec<Run>>,
    turns: BTreeMap<String, String>,
}

fn main() {
    let options = Options::parse();
    let scene = |deed, layout, rows, due| Scene { deed, layout, rows, due };
    let scenes = [
        scene(Deed::Delete, Layout::Clustered, options.rows, 0.5),
        scene(Deed::Delete, Layout::Scattered, options.rows, 0.5),
        scene(Deed::Transform, Layout::Clustered, options.transform_rows, 0.99),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for scene in scenes.into_iter().filter(|scene| scene.name().contains(&options.only) && scene.rows > 0) {
            measure(&options, scene).await;
        }
    });
}

async fn measure(options: &Options, scene: Scene) {
    let base = Base::build(&scene).await;
    let mut times = Times::default();
    for round in 1..=options.rounds {
        let server = base.start().await;
        times.note(scene.deed.one(), methods::one(&server, scene.deed).await, round);
        drop(server);
        for batch in BATCHES {
            let server = base.start().await;
            times.note(&naked(batch), methods::sealed(&server, scene.deed, batch).await, round);
            drop(server);
            let server = base.start().await;
            times.forgetd(None, &server, scene.deed, Some(batch), round).await;
            drop(server);
            if options.beside.is_some() {
                let server = base.start().await;
                times.forgetd(options.beside.as_deref(), &server, scene.deed, Some(batch), round).await;
            }
        }
        let server = base.start().await;
        times.forgetd(None, &server, scene.deed, None, round).await;
    }
    for batch in BATCHES.map(Some).into_iter().chain([None]) {
        let server = base.start().await;
        let counter = turns::Counter::start(server.address());
        let run = forgetd::run(None, &server.url_at(counter.address()), scene.deed, batch).await;
        times.turns.insert(whole(None, batch), counter.told(run.batches));
    }
    println!("{}, {:.0}% due, medians [min-max] of {} rounds", scene.name(), scene.due * 100.0, options.rounds);
    times.print(scene.deed.one());
}

fn naked(batch: u32) -> String {
    format!("sealed steps naked, {batch} a batch")
}

fn whole(program: Option<&Path>, batch: Option<u32>) -> String {
    let size = batch.map_or("default settings".into(), |batch| format!("{batch} a batch"));
    format!("{}, {size}", program.map_or("forgetd", |_| "the build beside it"))
}

// === impl Scene ===

impl Scene {
    fn name(&self) -> String {
        let deed = match self.deed {
            Deed::Delete => "purge",
            Deed::Transform => "transform of three fields",
        };
        format!("{deed}, {} documents, {}", self.rows, self.layout.name())
    }
}

// === impl Times ===

impl Times {
    fn note(&mut self, method: &str, seconds: f64, round: usize) {
        eprintln!("round {round}, {method}: {seconds:.2} s");
        self.seconds.entry(method.to_owned()).or_default().push(seconds);
    }

    async fn forgetd(&mut self, program: Option<&Path>, server: &Server, deed: Deed, batch: Option<u32>, round: usize) {
        let run = forgetd::run(program, &server.url(), deed, batch).await;
        let method = whole(program, batch);
        self.note(&method, run.seconds, round);
        self.runs.entry(method).or_default().push(run);
    }

    /// Each method's seconds, and how many times as fast as one command, and as the same steps naked, of the same round it was.
    fn print(&self, one: &str) {
        for (method, seconds) in &self.seconds {
            let mut line = format!("  {method}: {} s", spread(seconds.clone()));
            // Default settings stand beside the largest batches.
            let naked = method.strip_prefix("forgetd").map(|size| match size {
                ", default settings" => naked(BATCHES[1]),
                size => format!("sealed steps naked{size}"),
            });
            let beside = [Some(one.to_owned()), naked];
            for other in beside.into_iter().flatten().filter(|other| other != method) {
                let ratios = self.seconds[&other].iter().zip(seconds).map(|(theirs, ours)| theirs / ours).collect();
                line.push_str(&format!(", {} x {}", spread(ratios), other.split(',').next().unwrap_or_default()));
            }
            println!("{line}");
            if let Some(runs) = self.runs.get(method) {
                let of = |told: &dyn Fn(&Run) -> f64| spread(runs.iter().map(told).collect());
                println!(
                    "    {} documents/s, longest batch {} ms, peak {} MiB",
                    of(&Run::speed),
                    of(&|run| run.longest_ms),
                    of(&|run| run.peak_mib),
                );
            }
        }
        for (method, turns) in &self.turns {
            println!("  {method}: {turns}");
        }
    }
}
