//! Wide rows: what a transform holds in memory does not grow with them, and a row too large for it is said.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Database, Policy, Program, Rule, every_engine};

/// Wide rows, of a million characters each: together more than the program may take.
const ROWS: u64 = 100;

/// What the program may take, in MiB: it was built for tests, and one built for use takes less.
const PEAK_MIB_MAX: u64 = 96;

/// A text of so many characters.
fn long(database: &dyn Database, chars: u64) -> String {
    match database.engine() {
        "sqlite" => format!("replace(hex(zeroblob({})), '0', 'x')", chars / 2),
        _ => format!("repeat('x', {chars})"),
    }
}

/// Runs the one rule, which must leave something; its report, and the most memory that it took, in MiB.
fn run_watched(program: &Program) -> (Value, u64) {
    let mut command = program.command(&["run", "--json"]);
    let command = command.env("MYSQL_ASYNC_BUFFER_SIZE_CAP", "65536").stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
        peak = kib.unwrap_or(0).max(peak);
        sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    (serde_json::from_str(text.lines().next().unwrap_or_default()).expect("a report"), peak / 1024)
}

#[test]
fn wide_rows_are_transformed_in_little_memory() {
    every_engine(|database| {
        let engine = database.engine();
        // A statement of MySQL's is no longer than a packet, and SQLite reads a text whole where it looks at its beginning.
        let (kind, largest) = match engine {
            "postgres" => ("text", 200_000_000),
            "mysql" | "mariadb" => ("longtext", 9_000_000),
            _ => ("text", 9_000_000),
        };
        let naive = database.naive();
        database.exec(&format!("create table letter (id integer primary key, body {kind}, seen_at {naive} not null)"));
        for id in 1..=ROWS {
            let body = if id == 77 { long(database, largest) } else { long(database, 1_000_000) };
            database.exec(&format!("insert into letter values ({id}, {body}, '2020-01-01 00:00:00')"));
        }
        let transform = "{ columns: { body: { pseudonymize: text, domain: people } } }";
        let rule = Rule::transform("letters", "letter", "{ column: seen_at, zone: UTC }", transform);
        let program = Program::installed(&Policy::new(&database.url()).pseudonyms().rule(&rule)).pseudonym_key();
        program.approve("letters");
        let (report, peak) = run_watched(&program);
        assert_eq!(report["verdict"], "partial", "{engine}: {report}");
        assert_eq!(report["changed"], ROWS - 1, "{engine}: {report}");
        assert_eq!(report["skipped"], json!([{ "cause": "size", "n": 1 }]), "{engine}: {report}");
        assert_eq!(database.count("select count(*) from letter where length(body) > 1000"), 1, "{engine}");
        println!("{engine}: {ROWS} rows of 1 MB, one of {} MB: {peak} MiB at most", largest / 1_000_000);
        assert!((1..=PEAK_MIB_MAX).contains(&peak), "{engine}: {peak} MiB");
    });
}
