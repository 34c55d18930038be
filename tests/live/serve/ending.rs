//! It ends within seconds, whatever a database is at, and leaves nothing of its own behind there.

use std::time::{Duration, Instant};

use super::{DUE, FRESH, SELDOM, open_shop, serve, shops, status, until_held};
use crate::harness::{Database, Mysql, Postgres, Process, Product, Program, Server, until};
use crate::shop;

/// Deleting one row takes so long that a batch does not end in time.
fn slow(database: &dyn Database) {
    if database.engine() == "postgres" {
        shops::slow(database, 60.0);
    } else {
        database.exec("create trigger slow before delete on web_session for each row do sleep(1)");
    }
}

/// Statements of others that are under way in the database, or wait.
fn under_way(database: &dyn Database) -> u64 {
    database.count(match database.engine() {
        "postgres" => {
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
             and backend_type = 'client backend' and state <> 'idle' and xact_start is not null"
        }
        _ => {
            "select count(*) from information_schema.processlist where db = database() and id <> connection_id() \
             and command <> 'Sleep'"
        }
    })
}

/// Told to end, it is gone in time; the lease is given up and the log is whole.
fn ends(program: &Program, process: Process, database: &dyn Database) {
    let asked = Instant::now();
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}\n{}", asked.elapsed(), ended.stderr);
    assert!(!ended.stderr.contains("without waiting any longer"), "{}", ended.stderr);
    let status = program.call(&["status"]).expect(0);
    assert!(status.stdout.starts_with("nobody acts"), "{}", status.stdout);
    assert_eq!(shop::rows(database), DUE + FRESH, "{}: nothing was committed", database.engine());
    assert_eq!(program.rows_in_evidence(), 0);
}

fn each(test: impl Fn(&dyn Database)) {
    test(&Postgres::database());
    for product in Product::there() {
        test(&Mysql::on(product));
    }
}

#[test]
fn a_batch_that_does_not_end_in_time_is_stopped_on_the_server() {
    each(|database| {
        let program = open_shop(database, SELDOM);
        slow(database);
        let process = serve(&program);
        until_held(&program);
        let asked = program.start(&["run", "--json"]);
        // The process keeps a session that is idle; what is under way for longer than a moment is the batch.
        let mut seen = 0;
        until("the batch is under way", 60, || {
            seen = if under_way(database) > 0 { seen + 1 } else { 0 };
            seen > 20
        });
        ends(&program, process, database);
        assert_eq!(under_way(database), 0, "{}: nothing of it is left", database.engine());
        drop(asked);
        // The next process goes on with the run.
        database.exec(match database.engine() {
            "postgres" => "drop trigger slow on web_session",
            _ => "drop trigger slow",
        });
        let process = serve(&program);
        until_held(&program);
        until("what was asked for is done", 60, || shop::rows(database) == FRESH);
        process.signal("TERM");
        process.wait().expect(0);
        assert_eq!(program.rows_in_evidence(), DUE, "{}", database.engine());
    });
}

/// Somebody locks the whole table before the first batch: every try ends soon, and who waits for the next one wakes.
#[test]
fn a_batch_that_waits_for_a_lock_holds_nobody_up() {
    let database = Postgres::database();
    let program = open_shop(&database, SELDOM);
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let process = Process::spawn(command.env("FORGETD_FAULT", "change.before=stop@1"));
    until_held(&program);
    let _asked = program.start(&["run", "--json"]);
    shop::until_frozen(&process);
    let locker = database.session();
    locker.exec("begin; lock table web_session in access exclusive mode");
    process.signal("CONT");
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    until("a batch waits", 30, || database.count(waits) > 0);
    let asked = Instant::now();
    process.signal("TERM");
    process.wait().expect(0);
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    assert_eq!(under_way(&database) - 1, 0, "the locker's transaction alone");
    locker.exec("rollback");
    assert_eq!(shop::rows(&database), DUE + FRESH);
    assert!(program.call(&["status"]).expect(0).stdout.starts_with("nobody acts"));
}

/// TERM comes while a COMMIT waits for its standby: nobody stops that, and what it comes to is told.
#[test]
fn a_commit_under_way_is_waited_for_and_told() {
    let server = Server::with("max_wal_senders = 4");
    server.start();
    let session = shop::create_on(&server, DUE, FRESH);
    let program = Program::installed(&shop::ruled_at(&server.url(), "60s", &shop::rule().with(SELDOM)));
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let process = Process::spawn(command.env("FORGETD_FAULT", "receipt.before=stop@4"));
    until_held(&program);
    let _asked = program.start(&["run", "--json"]);
    shop::until_frozen(&process);
    let standbys = |change: &str| {
        session.exec(&format!("alter system {change}"));
        session.exec("select pg_reload_conf()");
    };
    standbys("set synchronous_standby_names = '*'");
    process.signal("CONT");
    // Whose rows they are: others wait for the standby, too.
    let waits = || {
        let rows = session.rows(
            "select count(*) from pg_stat_activity a join pg_locks l on l.pid = a.pid \
             where a.wait_event = 'SyncRep' and l.relation = 'web_session'::regclass",
        );
        rows[0][0].as_deref() != Some("0")
    };
    until("a commit waits", 30, waits);
    let asked = Instant::now();
    process.signal("TERM");
    // From two seconds on what may be stopped is; nothing is to happen to this.
    std::thread::sleep(Duration::from_millis(2_800));
    assert!(waits(), "it was stopped");
    standbys("reset synchronous_standby_names");
    let ended = process.wait().expect(0);
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}\n{}", asked.elapsed(), ended.stderr);
    assert!(!ended.stderr.contains("without waiting any longer"), "{}", ended.stderr);
    let gone = DUE + FRESH - shop::rows_on(&session);
    let batches = 3 * shop::BATCH_ROWS..DUE;
    assert!(batches.contains(&gone) && gone.is_multiple_of(shop::BATCH_ROWS), "{gone} rows are gone");
    let stands = status(&program);
    assert_eq!((&stands["cause"], &stands["changed"]), (&"interrupted".into(), &gone.into()), "{stands}");
    assert_eq!(program.run(0)["changed"], DUE, "the same run goes on");
    assert_eq!((shop::rows_on(&session), program.rows_in_evidence()), (FRESH, DUE));
}
