//! The same table in a file. One UPDATE that writes texts of the same length stands beside it: SQLite has no HMAC, so it is a floor
//! of what writing alone costs.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use crate::forgetd::{self, Run};
use crate::spread::spread;
use crate::{BATCHES, size};

/// One round: one UPDATE's time over ours, and ours.
type Cell = (f64, Run);

pub(crate) async fn bench(rows: u64, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.db");
    build(&base, rows);
    let mut lines: Vec<(Option<u32>, Vec<Cell>)> = BATCHES.iter().map(|batch| (*batch, vec![])).collect();
    for round in 1..=rounds {
        let copy = folder.path().join("copy.db");
        std::fs::copy(&base, &copy).unwrap();
        let single = single(&copy);
        for (batch, cells) in &mut lines {
            std::fs::copy(&base, &copy).unwrap();
            let url = format!("sqlite:{}", copy.display());
            let run = forgetd::run(&url, "person", "{ column: seen_at, zone: UTC }", *batch).await;
            assert_eq!(run.changed, rows);
            eprintln!("round {round}, {}: single {single:.2} s, forgetd {:.2} s", size(*batch), run.seconds);
            cells.push((single / run.seconds, run));
        }
    }
    for (batch, cells) in &lines {
        let column = |f: &dyn Fn(&(f64, Run)) -> f64| spread(cells.iter().map(f).collect());
        println!(
            "sqlite, {}: {} x one UPDATE of made up texts, {} rows/s, longest transaction {} ms, peak {} MiB",
            size(*batch),
            column(&|cell| cell.0),
            column(&|cell| cell.1.speed()),
            column(&|cell| cell.1.longest_ms),
            column(&|cell| cell.1.peak_mib),
        );
    }
}

fn build(path: &Path, rows: u64) {
    let connection = Connection::open(path).unwrap();
    let fill = format!(
        "pragma journal_mode = wal; pragma synchronous = off; begin;
         create table person (id integer primary key, seen_at timestamp not null, account_id integer not null,
             email text not null, name text not null, phone text not null, payload text not null);
         insert into person with recursive n (n) as (select 1 union all select n + 1 from n where n < {rows})
             select n, datetime('now', '-60 days', '+' || (n * 1728000 / {rows}) || ' seconds'), n % 10000,
             'user' || n || '@example.com', 'Name ' || n, printf('%012d', n), printf('%060d', 0) from n;
         insert into person values (0, datetime('now'), 1, 'now@example.com', 'Now', '1', 'x');
         create index person_seen_at on person (seen_at);
         create index person_account_id on person (account_id);
         create unique index person_email on person (email);
         commit; analyze; pragma wal_checkpoint(truncate);"
    );
    connection.execute_batch(&fill).unwrap();
}

fn single(path: &Path) -> f64 {
    let connection = Connection::open(path).unwrap();
    let token = "'fg1' || printf('%023d', (id * 2654435761) % 4294967296)";
    let update = format!(
        "pragma synchronous = full; update person set email = {token} || '@pseudonym.invalid', name = {token}, phone = {token} \
         where seen_at < datetime('now', '-30 days')"
    );
    let started = Instant::now();
    connection.execute_batch(&update).unwrap();
    started.elapsed().as_secs_f64()
}
