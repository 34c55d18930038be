//! After a clean run only rows that became due since are looked at, until the next sweep.

use serde_json::json;

use crate::harness::{Database, Policy, Postgres, Program, Rule, until};

/// Blocks of the table and its indexes that were touched since the database began. A session of a program that ended may
/// still be about to add what it touched: it does so before it leaves the list of sessions. Ours is told to add its own.
fn touched(database: &Postgres) -> u64 {
    let others = "select count(*) from pg_stat_activity where datname = current_database() \
                  and backend_type = 'client backend' and pid <> pg_backend_pid()";
    until("the program's sessions are gone", 60, || database.value(others) == "0");
    database.exec("select pg_stat_force_next_flush()");
    let count = "select heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit \
                 from pg_statio_user_tables where relname = 'lead'";
    database.value(count).parse().unwrap()
}

#[test]
fn clean_stays_clean_without_a_look_at_the_whole_table() {
    let database = Postgres::database();
    database.exec(
        "create table lead (id bigint primary key, email text, note text, closed_at timestamptz not null);\n\
         insert into lead select n, 'person' || n || '@example.com', repeat('x', 200), \
             now() - interval '400 days' + n * interval '20 minutes' from generate_series(1, 30000) n;\n\
         create index on lead (closed_at)",
    );
    database.exec("vacuum analyze lead");
    let transform = "{ columns: { email: { pseudonymize: email, domain: people } } }";
    let policy =
        Policy::new(&database.url()).pseudonyms().rule(&Rule::transform("leads", "lead", "closed_at", transform));
    let program = Program::installed(&policy).pseudonym_key();
    let first = program.run(0);
    assert_eq!(first["verdict"], "clean", "{first}");
    let changed = first["changed"].as_u64().unwrap();
    assert!(changed > 20_000, "{first}");
    database.exec("vacuum analyze lead");
    let pages: u64 = database.value("select pg_relation_size('lead') / 8192").parse().unwrap();

    let before = touched(&database);
    let second = program.run(0);
    assert_eq!((&second["verdict"], &second["changed"]), (&json!("clean"), &json!(0)), "{second}");
    let looked = touched(&database) - before;
    assert!(looked * 4 < pages, "{looked} blocks were touched of a table of {pages}");

    // Written behind our back, with a moment long ago: the sweep finds it, the nightly run does not look there.
    database.exec("insert into lead values (0, 'late@example.com', 'x', now() - interval '300 days')");
    let third = program.run(0);
    assert_eq!((&third["verdict"], &third["changed"]), (&json!("clean"), &json!(0)), "{third}");
    let row = |id: u64| database.value(&format!("select email from lead where id = {id}"));
    assert_eq!(row(0), "late@example.com");
    let long_ago = "update forgetd.rulebook set recent = \
                    regexp_replace(recent, '\"swept\":\"[^\"]*\"', '\"swept\":\"2020-01-01T00:00:00Z\"')";
    database.exec(long_ago);
    let swept = program.run(0);
    assert_eq!((&swept["verdict"], &swept["changed"]), (&json!("clean"), &json!(1)), "{swept}");
    assert!(row(0).starts_with("fg1"));
}
