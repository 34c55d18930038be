//! Many rows with one `since`: a position by time alone would never pass them.

use crate::harness::{Database, Policy, Program, Rule, every_engine, full};

/// Below the size of every tie, and no divisor of it.
const BATCH_ROWS_MAX: u64 = 700;

/// Rows that are due; a prime with no factor in common scatters their keys.
fn rows() -> u64 {
    if full() { 1_000_000 } else { 50_000 }
}

fn rows_a_day() -> u64 {
    rows() / if full() { 20 } else { 10 }
}

#[test]
fn one_timestamp_shared_by_all_rows_ends_clean() {
    for indexed in [true, false] {
        every_engine(|database| {
            let (kind, since) = match database.engine() {
                "postgres" => ("timestamptz", "since: since"),
                "mysql" | "mariadb" => ("timestamp", "since: since"),
                _ => ("integer", "since: { column: since, as: unix_s }"),
            };
            let (old, now) = (moment(database, Some("2020-02-29 12:00:00")), moment(database, None));
            purge(database, &Ties { kind, old, now, indexed, since });
        });
    }
}

#[test]
fn a_date_shared_by_thousands_of_rows_ends_clean() {
    for indexed in [true, false] {
        every_engine(|database| {
            let (kind, since) = match database.engine() {
                "postgres" | "mysql" | "mariadb" => ("date", "since: { column: since, zone: Europe/Stockholm }"),
                _ => ("text", "since: { column: since, zone: Europe/Stockholm, as: date }"),
            };
            let old = match database.engine() {
                "postgres" => format!("date '2021-03-01' + (n / {})::int", rows_a_day()),
                "mysql" | "mariadb" => format!("date '2021-03-01' + interval (n div {}) day", rows_a_day()),
                _ => format!("date('2021-03-01', (n / {}) || ' days')", rows_a_day()),
            };
            purge(database, &Ties { kind, old, now: "current_date".into(), indexed, since });
        });
    }
}

/// A column `since` and what stands in it.
struct Ties {
    /// Its type.
    kind: &'static str,
    /// What the n-th row holds that is due.
    old: String,
    /// What a row holds that is kept.
    now: String,
    /// Whether an index serves it.
    indexed: bool,
    /// How the rule names it.
    since: &'static str,
}

/// Fills a table, purges it, and checks that exactly what was due went, in batches within the limit.
fn purge(database: &dyn Database, ties: &Ties) {
    let Ties { kind, old, now, indexed, since } = ties;
    let rows = rows();
    database.exec(&format!("create table event (id bigint primary key, since {kind} not null, note text)"));
    // Neighbours in the key are far apart in `since` and in the file.
    let numbers = numbers(database, rows);
    database.exec(&format!("insert into event {numbers} select (n * 7919) % {rows}, {old}, 'due' from numbers"));
    database.exec(&format!("insert into event select -1 - id, {now}, 'kept' from event where id < 100"));
    if *indexed {
        database.exec("create index event_since on event (since)");
    }
    let rule = Rule::delete("ties", "event", "since").with(since);
    let limit = format!("throttle: {{ batch_rows_max: {BATCH_ROWS_MAX} }}");
    let program = Program::installed(&Policy::new(&database.url()).with(&limit).rule(&rule));

    let report = program.run(0);

    let case = format!("{} {kind}, index {indexed}", database.engine());
    assert_eq!(report["verdict"], "clean", "{case}: {report}");
    assert_eq!((report["left"].as_u64(), report["changed"].as_u64()), (Some(0), Some(rows)), "{case}: {report}");
    assert!(report["batch_rows_max"].as_u64().unwrap() <= BATCH_ROWS_MAX, "{case}: {report}");
    assert_eq!(database.count("select count(*) from event"), 100, "{case}");
    assert_eq!(database.count("select count(*) from event where note = 'kept'"), 100, "{case}");
    assert_eq!(program.rows_in_evidence(), rows, "{case}");
}

/// The numbers from 0, as a common table expression that goes before `select`.
fn numbers(database: &dyn Database, rows: u64) -> String {
    match database.engine() {
        "postgres" => format!("with numbers as (select n from generate_series(0::bigint, {}) n)", rows - 1),
        _ => format!(
            "with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < {})",
            rows - 1
        ),
    }
}

/// A moment in the column's form; without a text it is now.
fn moment(database: &dyn Database, text: Option<&str>) -> String {
    match (database.engine(), text) {
        ("postgres" | "mysql" | "mariadb", None) => "now()".into(),
        ("postgres", Some(text)) => format!("timestamptz '{text}'"),
        ("mysql" | "mariadb", Some(text)) => format!("timestamp '{text}'"),
        (_, text) => format!("cast(strftime('%s', '{}') as integer)", text.unwrap_or("now")),
    }
}
