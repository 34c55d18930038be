//! Three processes, and one of them goes away again and again: killed, frozen for three leases, told to end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{DUE, FRESH, SELDOM, open_shop, serve};
use crate::harness::{Database, Mysql, Postgres, Process, Product, Program, full, until};
use crate::shop;

const PROCESSES: usize = 3;
const ADDED: u64 = 500;
const SEED: u64 = 20_261_126;

/// A small generator: the same disturbances each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Which of the processes holds the lease.
fn holder(program: &Program, processes: &[Process]) -> Option<usize> {
    let status = program.call(&["status"]).stdout;
    let line = status.lines().next().filter(|line| line.contains(" acts"))?;
    processes.iter().position(|process| line.contains(&format!("/{}/", process.pid())))
}

/// How it goes away, and how long it took until another one held the lease.
fn disturb(program: &Program, processes: &mut [Process], random: &mut Random) -> Duration {
    let mut held = None;
    until("somebody holds the lease", 60, || {
        held = holder(program, processes);
        held.is_some()
    });
    let number = held.unwrap();
    let asked = Instant::now();
    let kind = random.below(3);
    processes[number].signal(["KILL", "STOP", "TERM"][usize::try_from(kind).unwrap()]);
    let mut next = None;
    until("another one holds it", 60, || {
        next = holder(program, processes).filter(|next| *next != number);
        next.is_some()
    });
    let took = asked.elapsed();
    if kind == 1 {
        processes[number].signal("CONT");
    } else {
        processes[number] = serve(program);
    }
    took
}

fn survives(database: &dyn Database, rounds: u64) {
    let program = open_shop(database, SELDOM);
    let mut processes: Vec<Process> = (0..PROCESSES).map(|_| serve(&program)).collect();
    let mut random = Random(SEED);
    let (mut due, mut took) = (DUE, vec![]);
    for round in 0..rounds {
        let asked = program.start(&["run", "--json"]);
        took.push(disturb(&program, &mut processes, &mut random));
        // Whether it was answered by the old holder, by the next one, or not at all.
        drop(asked.wait());
        shop::add(database, DUE + FRESH + 1 + round * ADDED, ADDED, 40);
        due += ADDED;
    }
    until("what is due is gone", 120, || {
        drop(program.call(&["run"]));
        shop::rows(database) == FRESH
    });
    for process in processes {
        process.signal("TERM");
        process.wait().expect(0);
    }
    assert_eq!(program.rows_in_evidence(), due, "{}: rows gone are rows in evidence", database.engine());
    // A lane's batches are of terms that never go back: no older holder wrote behind a newer one.
    let mut lanes: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for entry in program.entries("batch") {
        let number = |key: &str| entry[key].as_u64().unwrap();
        lanes.entry(entry["rule"].to_string()).or_default().push((number("sequence"), number("term")));
    }
    for batches in lanes.values_mut() {
        batches.sort_unstable();
        assert!(batches.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{batches:?}");
    }
    took.sort_unstable();
    println!(
        "note: {}: rounds={rounds} gone={due} takeover_median_ms={} takeover_max_ms={}",
        database.engine(),
        took[took.len() / 2].as_millis(),
        took[took.len() - 1].as_millis()
    );
}

#[test]
fn whoever_goes_away_rows_gone_are_rows_in_evidence() {
    let rounds = if full() { 60 } else { 4 };
    survives(&Postgres::database(), rounds);
    for product in Product::there() {
        survives(&Mysql::on(product), rounds);
    }
}
