//! Many cases, on all cores.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use forgetd_testkit::Arena;
use forgetd_testkit::generator::{Case, Features};

use crate::coverage::Coverage;
use crate::engine::{PostgresSite, Site, SqliteSite};
use crate::harness::{Database as _, Mongo, Mysql, Postgres, Product};
use crate::mysql::MysqlSite;
use crate::{mongo, shrink, transforms, trial};

/// Cases that share a database.
const CHUNK: u64 = 50;

/// Cases after which no more are run, once so many went wrong.
const MISMATCHES_MAX: u64 = 10;

/// Mismatches that are made as small as can be.
const SHRUNK_MAX: usize = 3;

/// A case that did not end as the oracle says.
pub(crate) struct Mismatch {
    pub(crate) engine: &'static str,
    pub(crate) number: u64,
    pub(crate) case: Case,
    pub(crate) why: String,
}

/// What may occur in the cases.
const FEATURES: Features = Features::ALL;

/// Runs the cases on these engines, or on all; the closing line, which is an error where anything differed.
pub(crate) fn run(cases: u64, seed: u64, engines: &[String]) -> Result<String, String> {
    let coverage = Mutex::new(Coverage::default());
    let mismatches = Mutex::new(vec![]);
    let next = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from) + 1;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(CHUNK, Ordering::Relaxed);
                    if first >= cases || mismatches.lock().unwrap().len() as u64 >= MISMATCHES_MAX {
                        return;
                    }
                    chunk(seed, first..cases.min(first + CHUNK), engines, &coverage, &mismatches);
                }
            });
        }
    });
    let (coverage, mut mismatches) = (coverage.into_inner().unwrap(), mismatches.into_inner().unwrap());
    mismatches.sort_by_key(|mismatch| mismatch.number);
    for (n, mismatch) in mismatches.iter().enumerate() {
        // Making one smaller takes many runs.
        println!("{}", shrink::report(seed, mismatch, n < SHRUNK_MAX));
    }
    println!("{}", coverage.more());
    let line = format!("{} mismatches={}", coverage.line(), mismatches.len());
    if let Some(idle) = engines.iter().find(|engine| !coverage.ran_on(engine)) {
        return Err(format!("no case ran on {idle}\n{line}"));
    }
    match coverage.lacking() {
        _ if !mismatches.is_empty() => Err(line),
        Some(lacking) if engines.is_empty() => Err(format!("too few cases with {lacking}\n{line}")),
        _ => Ok(line),
    }
}

/// Cases that share a database of each engine.
fn chunk(
    seed: u64,
    numbers: std::ops::Range<u64>,
    engines: &[String],
    coverage: &Mutex<Coverage>,
    mismatches: &Mutex<Vec<Mismatch>>,
) {
    let mut elsewhere = BTreeMap::new();
    let mut first: BTreeMap<u64, Option<trial::Seen>> = BTreeMap::new();
    on_engines(engines, |engine| {
        for number in numbers.clone() {
            let plain = Case::draw(seed, number, FEATURES);
            let case = engine.site.drawn(&plain);
            let mut done = engine.run(&case);
            if let Some(met) = done.as_ref().ok().and_then(|seen| seen.met.as_ref()) {
                let is_altered = engine.site.documents().is_some();
                let tokens =
                    if is_altered { transforms::of_unaltered(&met.tokens, &plain, &case) } else { met.tokens.clone() };
                let other = elsewhere.entry(number).or_insert_with(|| tokens.clone());
                if let Some(why) = transforms::differ(other, &tokens) {
                    done = Err(why);
                }
            }
            if engine.takes(&case) {
                coverage.lock().unwrap().on(engine.name());
                if let Some(adapted) = engine.site.adapted(&case).filter(|_| engine.name() == "mongodb") {
                    coverage.lock().unwrap().of_documents(mongo::met(&adapted));
                }
                first.entry(number).or_insert_with(|| done.as_ref().ok().cloned());
            }
            if let Err(why) = done {
                mismatches.lock().unwrap().push(Mismatch { engine: engine.name(), number, case, why });
            }
        }
    });
    for number in numbers {
        let seen = first.remove(&number).flatten();
        coverage.lock().unwrap().count(&Case::draw(seed, number, FEATURES), seen.as_ref());
    }
}

/// One engine with a database that cases share until one of them goes wrong.
pub(crate) struct Engine<'a> {
    runtime: tokio::runtime::Runtime,
    open: &'a dyn Fn(&tokio::runtime::Runtime) -> Box<dyn Site>,
    site: Box<dyn Site>,
    arena: Arena,
    tables: u64,
}

// === impl Engine ===

impl<'a> Engine<'a> {
    fn new(open: &'a dyn Fn(&tokio::runtime::Runtime) -> Box<dyn Site>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let site = open(&runtime);
        let arena = runtime.block_on(Arena::new(&*site));
        Self { runtime, open, site, arena, tables: 0 }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.site.engine()
    }

    /// Whether it works on the case's tables at all; a case that it does not take is passed over.
    pub(crate) fn takes(&self, case: &Case) -> bool {
        self.site.adapted(case).is_some()
    }

    /// Runs a case; after one that broke off the next has a fresh database.
    pub(crate) fn run(&mut self, case: &Case) -> Result<trial::Seen, String> {
        self.tables += 1;
        let done = self.runtime.block_on(trial::run(&*self.site, &self.arena, case, self.tables));
        if done.as_ref().is_err_and(|wrong| wrong.is_broken) {
            *self = Self::new(self.open);
        }
        done.map_err(|wrong| wrong.why)
    }
}

/// Runs `work` on a fresh database of each of these engines, or of every one where none is named.
pub(crate) fn on_engines(engines: &[String], mut work: impl FnMut(&mut Engine<'_>)) {
    let meant = |name: &str| engines.is_empty() || engines.iter().any(|engine| engine == name);
    let (databases, servers) = (std::cell::RefCell::new(vec![]), std::cell::RefCell::new(vec![]));
    let documents = std::cell::RefCell::new(vec![]);
    if meant("postgres") {
        work(&mut Engine::new(&|runtime| {
            let database = Postgres::database();
            let site = runtime.block_on(PostgresSite::open(database.url()));
            databases.borrow_mut().push(database);
            Box::new(site)
        }));
    }
    if meant("sqlite") {
        work(&mut Engine::new(&|_| Box::new(SqliteSite::open())));
    }
    for product in Product::there().filter(|product| meant(product.engine())) {
        work(&mut Engine::new(&|runtime| {
            let database = Mysql::on(product);
            let name = database.name().to_owned();
            let site = runtime.block_on(MysqlSite::open(database.engine(), database.url(), name));
            servers.borrow_mut().push(database);
            Box::new(site)
        }));
    }
    if meant("mongodb") && Mongo::is_there() {
        work(&mut Engine::new(&|runtime| {
            let database = Mongo::database().expect("it is there");
            let site = runtime.block_on(mongo::MongoSite::open(database.url(), database.name().to_owned()));
            documents.borrow_mut().push(database);
            Box::new(site)
        }));
    }
}
