//! Between program and server: a pooler in transaction mode, and a network that makes turns dear.

use std::sync::mpsc::channel;

use forgetd_testkit::proxy::Proxy;
use serde_json::{Value, json};

use crate::harness::{Database, Policy, Postgres, Program, Rule, Session, through_pgbouncer};

fn fill(database: &Postgres, due: u64) {
    database.exec("create table visit (id bigint primary key, since timestamptz not null)");
    database.exec("create table page (id bigint primary key, visit bigint references visit (id))");
    database.exec(&format!(
        "insert into visit select (n * 7919) % {due}, timestamptz '2020-01-01' + n * interval '1 minute' \
         from generate_series(1, {due}) n"
    ));
    database.exec("insert into visit select -1 - id, now() from visit where id < 50");
    database.exec("create index on visit (since)");
    database.exec("create index on page (visit)");
}

fn policy(url: &str, batch_rows_max: u64) -> Policy {
    // Batches are counted: none may be smaller because the machine is busy.
    let limit = format!("throttle: {{ batch_rows_max: {batch_rows_max}, batch_ms_target: 10000 }}");
    Policy::new(url).with(&limit).rule(&Rule::delete("visits", "visit", "since"))
}

/// A report without what differs between two runs that did the same.
fn result(report: &Value) -> Value {
    let names = ["rule", "verdict", "cause", "due", "changed", "left", "skipped", "batches", "batch_rows_max"];
    names.iter().map(|name| ((*name).to_owned(), report[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Everything a server's session can keep, of every server connection the pooler has: as many sessions as its pool
/// is large, each inside a transaction, so that no two share one.
fn settings(url: &str) -> Vec<Vec<Vec<Option<String>>>> {
    let sessions: Vec<Session> = (0..5).map(|_| Session::open(url)).collect();
    let look = |session: &Session| {
        session.exec("begin");
        let mut rows = session.rows("select name, setting from pg_settings where not pending_restart order by name");
        rows.extend(session.rows("select 'prepared', count(*) from pg_prepared_statements"));
        rows.extend(session.rows("select 'cursors', count(*) from pg_cursors where name <> ''"));
        rows.extend(session.rows("select 'listens', count(*) from pg_listening_channels()"));
        rows.extend(
            session
                .rows("select 'locks', count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"),
        );
        rows.extend(session.rows("select 'temporary', count(*) from pg_class where relpersistence = 't'"));
        rows
    };
    let seen = sessions.iter().map(look).collect();
    sessions.iter().for_each(|session| session.exec("rollback"));
    seen
}

#[test]
fn the_main_job_is_the_same_through_a_pooler_and_leaves_nothing_in_its_sessions() {
    let direct = Postgres::database();
    let pooled = Postgres::database();
    let mut results = vec![];
    for (database, url) in [(&direct, direct.url()), (&pooled, through_pgbouncer(&pooled))] {
        fill(database, 5_000);
        database.exec("insert into page values (1, 17)");
        let before = settings(&url);
        let program = Program::installed(&policy(&url, 400));
        program.call(&["check", "--connect"]).expect(0);
        program.call(&["plan", "--json"]).expect(0);
        let report = program.run(3);
        assert_eq!(program.rows_in_evidence(), 4_999);
        assert_eq!(database.count("select count(*) from visit where since < now() - interval '30 days'"), 1);
        assert_eq!(settings(&url), before, "settings through {url}");
        results.push(result(&report));
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0]["skipped"], json!([{ "cause": "foreign_key", "n": 1 }]));
}

/// Runs `work` with the address of a proxy in front of the server, and returns the turns of the busiest connection.
fn turns(work: impl FnOnce(u16)) -> u64 {
    let (ready, port) = channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let proxy = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let proxy = Proxy::start(Postgres::address()).await.unwrap();
            ready.send(proxy.address().port()).unwrap();
            ended.await.unwrap();
            proxy.busiest()
        })
    });
    work(port.recv().unwrap());
    end.send(()).unwrap();
    proxy.join().unwrap()
}

/// Turns for each batch more, between a run with few batches and one with many.
fn turns_a_batch(batch_rows_max: u64) -> f64 {
    let mut measured = vec![];
    for batches in [40, 240] {
        let database = Postgres::database();
        fill(&database, batches * batch_rows_max);
        let program = Program::installed(&policy(&database.url(), batch_rows_max));
        let turns = turns(|port| {
            program.policy(&policy(&database.url_at(port), batch_rows_max));
            let report = program.run(0);
            assert_eq!(report["batches"], json!(batches), "{report}");
        });
        measured.push((batches, turns));
    }
    let [(few, turns_of_few), (many, turns_of_many)] = measured[..] else { unreachable!("two runs") };
    let more = f64::from(u32::try_from(turns_of_many - turns_of_few).unwrap());
    let each = more / f64::from(u32::try_from(many - few).unwrap());
    println!(
        "note: {each:.3} turns a batch of {batch_rows_max} ({turns_of_few} for {few}, {turns_of_many} for {many})"
    );
    each
}

#[test]
fn a_delete_batch_costs_at_most_two_turns() {
    for batch_rows_max in [20, 200] {
        let each = turns_a_batch(batch_rows_max);
        assert!(each <= 2.1, "{each} turns a batch of {batch_rows_max}");
    }
}
