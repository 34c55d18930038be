//! What goes out behind a COMMIT: the next batch, which is not taken back.

use crate::harness::{Database as _, Policy, Postgres, Program, Rule, until};

const ROWS: u64 = 40_000;

/// Batches grow from 1,000 rows on, or shrink where the machine is slow.
#[test]
fn no_batch_is_taken_back_because_the_next_has_another_size() {
    let database = Postgres::database();
    database.exec("create table item (id integer primary key, since bigint not null)");
    database.exec("create index on item (since)");
    database.exec(&format!("insert into item select n, 1000000000 + n from generate_series(1, {ROWS}) n"));
    database.exec("insert into item values (999999, 9000000000)");
    let rule = Rule::delete("items", "item", "since").with("since: { column: since, as: unix_s }");
    let program = Program::installed(&Policy::new(&database.url()).rule(&rule));
    let rolled_back = || {
        // A session counts what it did when it ends.
        let others = "select count(*) from pg_stat_activity where datname = current_database() \
                      and pid <> pg_backend_pid()";
        until("forgetd's sessions end", 30, || database.count(others) == 0);
        database.count("select xact_rollback from pg_stat_database where datname = current_database()")
    };
    let before = rolled_back();
    let report = program.run(0);
    assert_eq!(report["changed"], ROWS, "{report}");
    let sizes: Vec<_> = program.entries("batch").iter().map(|entry| entry["changed"].as_u64()).collect();
    let full = &sizes[..sizes.len() - 1];
    assert!(full.windows(2).any(|pair| pair[0] != pair[1]), "{sizes:?}");
    assert_eq!(rolled_back() - before, 0, "{sizes:?}");
}
