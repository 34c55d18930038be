//! Two processes with one configuration: one acts, the other waits, and a stale one cannot act any more.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::harness::{Database, Mysql, Output, Postgres, Product, Program, Sqlite, every_engine};
use super::shop::{self, start_with_fault, until_frozen};

const DUE: u64 = 1_000;
const FRESH: u64 = 50;

/// The lease where a holder is frozen, and three times as long.
const LEASE: &str = "3s";
const THREE_LEASES: Duration = Duration::from_secs(9);

#[test]
fn the_second_exits_75_at_once_or_waits_and_finds_nothing_left() {
    every_engine(|database| {
        shop::create(database, DUE, FRESH);
        let program = Program::installed(&shop::policy(database, "60s"));
        let holder = start_with_fault(&program, &["run", "--json"], "run.open.after=stop");
        until_frozen(&holder);

        let asked = Instant::now();
        let refused = program.call(&["run", "--json"]).expect(75);
        assert!(asked.elapsed() < Duration::from_secs(10), "75 took {:?}", asked.elapsed());
        assert_eq!(refused.stdout, "", "nothing ran");
        let mut waiting = program.start(&["run", "--json", "--wait", "120s"]);
        sleep(Duration::from_secs(1));
        assert!(waiting.runs(), "--wait waits");
        assert_eq!(shop::rows(database), DUE + FRESH, "nobody acts beside the holder");

        holder.signal("CONT");
        let first = holder.wait().expect(0);
        assert_eq!(first.lines()[0]["changed"], DUE);
        let second = waiting.wait().expect(0);
        assert_eq!((&second.lines()[0]["changed"], &second.lines()[0]["left"]), (&0.into(), &0.into()));
        assert_eq!((shop::rows(database), program.rows_in_evidence()), (FRESH, DUE), "{}", database.engine());
    });
}

#[test]
fn a_holder_frozen_inside_its_transaction_is_passed_and_ends_fenced() {
    for fault in ["change.after=stop@4", "receipt.before=stop@3"] {
        passed_inside_its_transaction(&Postgres::database(), fault);
        for product in Product::there() {
            passed_inside_its_transaction(&Mysql::on(product), fault);
        }
    }
}

fn passed_inside_its_transaction(database: &dyn Database, fault: &str) {
    shop::create(database, DUE, FRESH);
    let program = Program::installed(&shop::policy(database, LEASE));
    let stale = start_with_fault(&program, &["run", "--json"], fault);
    until_frozen(&stale);
    let (changed, inside) = match database.engine() {
        "postgres" => (
            "(convert_from(body, 'utf8')::json ->> 'changed')::int",
            "select count(*) from pg_stat_activity \
             where datname = current_database() and state = 'idle in transaction'",
        ),
        // Whoever is inside one holds its rows.
        _ => (
            "json_value(convert(body using utf8mb4), '$.changed')",
            "select (select count(*) from web_session) \
             > (select count(*) from (select id from web_session for update skip locked) as free)",
        ),
    };
    let receipts =
        format!("select coalesce(sum({changed}), 0) from {} where lane = '0'", database.control_table("receipt"));
    assert_eq!(DUE + FRESH - shop::rows(database), database.count(&receipts), "nothing of it is committed");
    assert_eq!(database.count(inside), 1, "{}: it froze inside a transaction", database.engine());

    let successor = program.start(&["run", "--json", "--wait", "60s"]);
    sleep(THREE_LEASES);
    let done = successor.wait().expect(0);
    assert_eq!(done.lines()[0]["changed"], DUE, "the run goes on under the successor");
    assert_eq!(shop::rows(database), FRESH);

    stale.signal("CONT");
    ended_fenced(&stale.wait());
    no_row_lost_or_doubled(database, &program);
}

#[test]
fn nobody_commits_while_the_holder_of_a_file_is_frozen_inside_its_transaction() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::policy(&database, LEASE));
    let stale = start_with_fault(&program, &["run", "--json"], "change.after=stop@3");
    until_frozen(&stale);
    let asked = Instant::now();
    program.call(&["run", "--json"]).expect(75);
    assert!(asked.elapsed() < Duration::from_secs(2), "a living lease is read past the lock: {:?}", asked.elapsed());
    let committed = || {
        let receipts = database.count("select count(*) from forgetd_receipt");
        (shop::rows(&database), receipts)
    };
    let before = committed();
    assert_eq!(before.0, DUE + FRESH - 2 * shop::BATCH_ROWS, "two batches are committed");

    let mut successor = program.start(&["run", "--json", "--wait", "120s"]);
    sleep(THREE_LEASES);
    assert!(successor.runs(), "the successor waits for the file");
    assert_eq!(committed(), before, "nobody committed");

    stale.signal("CONT");
    let stale = stale.wait();
    let successor = successor.wait().expect(0);
    assert!([0, 75].contains(&stale.code), "{}: {}", stale.code, stale.stderr);
    assert_eq!(successor.lines()[0]["left"], 0);
    no_row_lost_or_doubled(&database, &program);
}

#[test]
fn a_frozen_holder_that_wakes_between_batches_starts_no_further_one() {
    every_engine(|database| {
        shop::create(database, DUE, FRESH);
        let program = Program::installed(&shop::policy(database, LEASE));
        let stale = start_with_fault(&program, &["run", "--json"], "commit.after=stop@3");
        until_frozen(&stale);
        sleep(THREE_LEASES);
        let successor = start_with_fault(&program, &["run", "--json", "--wait", "60s"], "commit.after=stop@2");
        until_frozen(&successor);
        let before = shop::rows(database);
        stale.signal("CONT");
        ended_fenced(&stale.wait());
        assert_eq!(shop::rows(database), before, "the stale holder changed nothing");
        successor.signal("CONT");
        let successor = successor.wait();
        if successor.code == 75 {
            // It may have slept past its own lease.
            program.call(&["run", "--json", "--wait", "60s"]).expect(0);
        } else {
            successor.expect(0);
        }
        no_row_lost_or_doubled(database, &program);
    });
}

#[test]
fn without_coordination_the_newer_process_takes_over_at_once() {
    for fault in ["change.after=stop@3", "commit.after=stop@3"] {
        for store in ["store: { database: main }", "store: { dir: evidence }"] {
            let database = Postgres::database();
            shop::create(&database, DUE, FRESH);
            let program = Program::installed(&shop::uncoordinated(&database).evidence(store));
            let stale = start_with_fault(&program, &["run", "--json"], fault);
            until_frozen(&stale);
            // The log's folder is written by one process alone, however that one is doing.
            let newer = program.call(&["run", "--json"]);
            if store.contains("database") {
                assert_eq!(newer.expect(0).lines()[0]["changed"], DUE, "{fault}");
            }
            stale.signal("CONT");
            ended_fenced(&stale.wait());
            program.call(&["run", "--json"]).expect(0);
            no_row_lost_or_doubled(&database, &program);
        }
    }
}

#[track_caller]
pub(crate) fn ended_fenced(stale: &Output) {
    assert_eq!(stale.code, 75, "stdout: {}\nstderr: {}", stale.stdout, stale.stderr);
    assert_eq!(stale.lines()[0]["cause"], "fenced", "{}", stale.stdout);
}

/// Rows gone are rows in evidence, and every receipt is one entry.
#[track_caller]
fn no_row_lost_or_doubled(database: &dyn Database, program: &Program) {
    // Whatever receipts still wait become entries.
    program.call(&["run", "--json", "--wait", "60s"]).expect(0);
    assert_eq!(shop::rows(database), FRESH, "all that is due is gone, and no more");
    let batches = program.entries("batch");
    let numbers: Vec<u64> = batches.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "one entry a batch, without a gap");
    assert_eq!(program.rows_in_evidence(), DUE, "rows gone are rows in evidence");
}
