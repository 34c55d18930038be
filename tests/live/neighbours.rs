//! An application works on rows that lie between those that go: it never waits for the purge, and never is the victim of a
//! deadlock with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::{Database, Mysql, MysqlSession, Policy, Product, Program, Rule, Servers, full};

/// Threads of the application.
const THREADS: u64 = 3;

/// Rows of one purge; every eighth one stays: few enough that the others are still neighbours by their keys.
const ROWS: u64 = 24_000;

/// What one thread of the application met.
#[derive(Debug, Default)]
struct Met {
    transactions: u64,
    /// Lock waits that ended in an error, and deadlocks in which it was the victim.
    errors: u64,
}

fn create(database: &Mysql) {
    database.exec(
        "create table event (id bigint primary key, at datetime(6) not null, account int not null, note varchar(40) not null,
             n int not null default 0, key event_at (at), key event_account (account))",
    );
}

/// Rows of which every eighth is young: it lies among those that go by its key.
fn seed(database: &Mysql) {
    seed_where(database, "true");
}

/// The same again for those that went. A row that stayed would be locked by being met.
fn seed_again(database: &Mysql) {
    seed_where(database, "n % 8 <> 0");
}

fn seed_where(database: &Mysql, condition: &str) {
    database.exec(&format!(
        "insert ignore into event (id, at, account, note) with recursive n (n) as (select 1 union all select n + 1 from n where n < {ROWS})
             select n, now(6) - interval if(n % 8 = 0, 20, 40) day + interval n second, n % 500, repeat('x', 40) from n where {condition}"
    ));
}

/// Works on rows that stay until it is told to stop: two updates in one transaction, in no order of ours, and a new row, whose moment
/// lies among those that go.
fn application(session: MysqlSession, number: u64, stop: Arc<AtomicBool>) -> JoinHandle<Met> {
    std::thread::spawn(move || {
        let mut met = Met::default();
        let mut dice = 88_172_645_463_325_252_u64 ^ (number << 32);
        let mut next = || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice
        };
        while !stop.load(Ordering::Relaxed) {
            let (one, other) = (next() % (ROWS / 8) * 8, next() % (ROWS / 8) * 8);
            let fresh = 1_000_000 + number * 10_000_000 + met.transactions;
            let statements = [
                "begin".to_owned(),
                format!("update event set n = n + 1 where id = {one}"),
                format!("update event set n = n + 1, account = {} where id = {other}", next() % 500),
                format!(
                    "insert into event (id, at, account, note) values ({fresh}, \
                     now(6) - interval 40 day + interval {} microsecond, {}, 'new')",
                    next() % (ROWS * 1_000_000),
                    next() % 500
                ),
                "commit".to_owned(),
            ];
            if statements.iter().any(|statement| session.attempt(statement).is_err()) {
                met.errors += 1;
                session.exec("rollback");
            }
            met.transactions += 1;
        }
        met
    })
}

/// Purges as fast as it can, again and again, beside the application; returns what the application met, and the longest time that anybody
/// waited for a row lock by the server's own count, in milliseconds.
fn beside(database: &Mysql, environment: &[(&str, &str)]) -> (Met, u64) {
    create(database);
    seed(database);
    let rule = Rule::delete("events", "event", "{ column: at, zone: UTC }");
    let policy = Policy::new(&database.url()).with("throttle: { batch_rows_max: 10000 }").rule(&rule);
    let program = Program::installed(&policy);
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> =
        (0..THREADS).map(|number| application(database.session(), number, Arc::clone(&stop))).collect();
    let until = Instant::now() + Duration::from_secs(if full() { 300 } else { 0 });
    let mut purged = 0;
    loop {
        let mut command = program.command(&["run", "--json"]);
        let output = crate::harness::Process::spawn(command.envs(environment.iter().copied())).wait();
        let lines = output.lines();
        let said = lines.first().unwrap_or_else(|| panic!("{}", output.stderr));
        assert_ne!(said["verdict"], "failed", "{said}");
        purged += said["changed"].as_u64().unwrap_or_default();
        if Instant::now() >= until {
            break;
        }
        seed_again(database);
    }
    stop.store(true, Ordering::Relaxed);
    let met = threads.into_iter().map(|thread| thread.join().unwrap()).fold(Met::default(), |sum, met| Met {
        transactions: sum.transactions + met.transactions,
        errors: sum.errors + met.errors,
    });
    assert!(purged >= ROWS / 4, "{purged} rows were purged");
    let longest = database.rows("show global status like 'Innodb_row_lock_time_max'");
    (met, longest[0][1].as_deref().and_then(|text| text.parse().ok()).unwrap())
}

#[test]
fn an_application_never_waits_for_a_purge() {
    for product in Product::there() {
        // Servers of its own: their counters tell of nobody else.
        let name = if product == Product::MariaDb { "mariadb" } else { "mysql" };
        let Some(servers) = Servers::start(name) else { continue };
        let database = servers.database_of(product);
        let (met, longest) = beside(&database, &[]);
        println!(
            "{}: transactions={} errors={} longest_lock_wait_ms={longest}",
            database.engine(),
            met.transactions,
            met.errors
        );
        assert!(met.transactions > 100, "{met:?}");
        assert_eq!(met.errors, 0, "{}: {met:?}", database.engine());
        assert!(longest <= 200, "{}: somebody waited {longest} ms for a row", database.engine());
    }
}
