//! The throttle: batches wait while the server or its replicas suffer, with the reason where people look, and go on by
//! themselves.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{DUE, FRESH, LEASE, SELDOM, Watched, status, until_held};
use crate::harness::{Database, Mysql, Policy, Postgres, Program, Server, Servers, Session, Sqlite, free_port, until};
use crate::shop;

/// Small batches, and so slowly that a run lasts for many seconds: something is to happen in its middle.
const PACE: &str = "batch_rows_max: 25, rows_per_second_max: 100";

/// As many rows as last for twenty seconds where a thousand go in each.
const MANY: u64 = 20_000;

/// A policy whose only rule is asked to run, with these settings of the database.
fn policy(url: &str, throttle: &str, replicas: &[String]) -> Policy {
    let mut policy = Policy::new(url)
        .with(&format!("throttle: {{ {PACE}, {throttle} }}"))
        .top(&format!("coordination: {{ lease: {LEASE} }}"));
    if !replicas.is_empty() {
        policy = policy.with(&format!("replicas: [{}]", replicas.join(", ")));
    }
    policy.rule(&shop::rule().with(SELDOM))
}

/// Whether batches wait for this reason, as Prometheus sees it.
fn waits_for(watched: &Watched, reason: &str) -> bool {
    watched.metric(&format!("forgetd_paused{{database=\"main\",reason=\"{reason}\"}}")) == Some(1.0)
}

fn goes(watched: &Watched) -> bool {
    let text = watched.metrics().unwrap_or_default();
    !text.lines().any(|line| line.starts_with("forgetd_paused{") && line.ends_with(" 1"))
}

fn number(session: &Session, query: &str) -> f64 {
    session.rows(query)[0][0].as_deref().map_or(0.0, |text| text.parse().unwrap())
}

/// Batches leave room while somebody else is at work, and none where nobody is. What goes on is watched from outside only:
/// who looks at the database is somebody.
#[test]
fn batches_leave_room_where_somebody_else_is_at_work() {
    let server = Server::new();
    server.start();
    let session = shop::create_on(&server, MANY, FRESH);
    // A batch that takes a millisecond rests for a hundred, where it rests; otherwise the next one comes after 25.
    let throttle = "throttle: { batch_rows_max: 25, rows_per_second_max: 1000, share_beside_others: 0.01 }";
    let lease = format!("coordination: {{ lease: {LEASE} }}");
    let rule = shop::rule().with(SELDOM);
    let program = Program::installed(&Policy::new(&server.url()).with(throttle).top(&lease).rule(&rule));
    let watched = Watched::start(&program);
    until_held(&program);
    let committed = "forgetd_batches_total{database=\"main\",result=\"committed\"}";
    let committed = || watched.metric(committed).unwrap();
    let rested = || watched.metric("forgetd_rest_seconds_total{database=\"main\"}").unwrap();
    let asked = program.start(&["run", "--json"]);
    until("batches go on without a rest", 60, || {
        let before = (committed(), rested());
        until("some batches are committed", 60, || committed() >= before.0 + 10.0);
        rested() == before.1
    });
    let before = rested();
    let at_work = "select count(*) from pg_stat_activity";
    until("batches leave room", 30, || number(&session, at_work) > 0.0 && rested() > before);
    let ended = asked.wait().expect(0);
    assert_eq!(ended.lines()[0]["changed"], MANY, "{}", ended.stdout);
}

/// Nobody told the program of the standby: the server knows it.
#[test]
fn a_standby_that_falls_behind_is_waited_for() {
    let primary = Server::with("wal_level = replica\nmax_wal_senders = 4");
    primary.start();
    let session = shop::create_on(&primary, DUE, FRESH);
    let program = Program::installed(&policy(&primary.url(), "replica_lag_secs_max: 1", &[]));
    let standby = primary.standby();
    standby.start();
    let there = "select count(*) from pg_stat_replication where state = 'streaming'";
    until("the standby follows", 60, || number(&session, there) == 1.0);
    let watched = Watched::start(&program);
    until_held(&program);
    let behind = Session::open(&standby.url());
    let asked = program.start(&["run", "--json"]);
    until("the run is under way", 30, || shop::rows_on(&session) < DUE + FRESH);
    behind.exec("select pg_wal_replay_pause()");
    // By the server's own account it is over the limit now: at most the batch under way comes behind that.
    let lag = "select extract(epoch from max(replay_lag)) from pg_stat_replication";
    until("the standby is behind", 30, || number(&session, lag) > 1.0);
    let reached = shop::rows_on(&session);
    until("batches wait", 30, || waits_for(&watched, "replica_lag"));
    let left = shop::rows_on(&session);
    assert!(reached - left <= 25, "{} rows behind the limit", reached - left);
    assert!(left > FRESH, "it was in the middle");
    assert!(watched.metric("forgetd_replica_lag_seconds{database=\"main\"}").unwrap() >= 0.75);
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("batches wait (replica_lag)"), "{page}");
    // A look at the load is a transaction of its own, and over at once.
    let open = "select count(*) from pg_stat_activity where application_name like 'forgetd%' \
                and xact_start < clock_timestamp() - interval '500 ms'";
    let waited = Instant::now();
    while waited.elapsed().as_secs() < 3 {
        assert_eq!((shop::rows_on(&session), number(&session, open)), (left, 0.0), "nothing goes, and nothing is open");
    }
    behind.exec("select pg_wal_replay_resume()");
    let ended = asked.wait().expect(0);
    assert_eq!(ended.lines()[0]["changed"], DUE, "{}", ended.stdout);
    assert_eq!(shop::rows_on(&session), FRESH);
    until("nothing waits any more", 10, || goes(&watched));
    let log = watched.end();
    assert!(log.contains("batches wait: the slowest replica may be") && log.contains("batches go on"), "{log}");
    assert_eq!(program.rows_in_evidence(), DUE);
}

/// A server of MariaDB does not know how far its replicas are: a sign of life that is written here is looked for there.
#[test]
fn a_replica_whose_applier_stands_still_is_waited_for() {
    let servers = Servers::start("replica").unwrap();
    let database = servers.database();
    shop::create(&database, DUE, FRESH);
    let replica = servers.url(1, &database.url());
    let program = Program::installed(&policy(&database.url(), "replica_lag_secs_max: 1", &[replica]));
    let there = servers.session(1, &database);
    let table = database.control_table("heartbeat");
    let shown = |table: &str| {
        format!(
            "select count(*) from information_schema.tables where concat(table_schema, '.', table_name) = '{table}'"
        )
    };
    until("the control tables are there", 60, || there.rows(&shown(&table))[0][0].as_deref() == Some("1"));
    let watched = Watched::start(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("the run is under way", 30, || shop::rows(&database) < DUE + FRESH);
    there.exec("stop slave sql_thread");
    until("batches wait", 30, || waits_for(&watched, "replica_lag"));
    let left = shop::rows(&database);
    assert!(left > FRESH, "it was in the middle");
    let waited = Instant::now();
    while waited.elapsed().as_secs() < 3 {
        assert_eq!(shop::rows(&database), left, "nothing goes");
    }
    there.exec("start slave sql_thread");
    let ended = asked.wait().expect(0);
    assert_eq!(ended.lines()[0]["changed"], DUE, "{}", ended.stdout);
    assert_eq!(shop::rows(&database), FRESH);
    watched.end();
    assert_eq!(program.rows_in_evidence(), DUE);
}

/// Whatever cannot be asked says no, and what it is stands where people look; put right, the very run goes on.
#[test]
fn a_server_that_is_no_replica_and_one_that_is_not_there_hold_everything() {
    let databases: [Box<dyn Database>; 2] =
        [Box::new(Postgres::database()), Box::new(Mysql::on(crate::harness::Product::MariaDb))];
    for database in databases {
        shop::create(database.as_ref(), DUE, FRESH);
        let url = database.url();
        let away = {
            let mut away = url::Url::parse(&url).unwrap();
            away.set_port(Some(free_port())).unwrap();
            away.to_string()
        };
        let program = Program::installed(&policy(&url, "replica_lag_secs_max: 60", &[]));
        let watched = Watched::start(&program);
        until_held(&program);
        let mut asked = None;
        // The server itself replicates nothing from itself.
        for (replica, reason) in [(&url, "not_my_replica"), (&away, "replica_unreachable")] {
            program.policy(&policy(&url, "replica_lag_secs_max: 60", std::slice::from_ref(replica)));
            watched.process.signal("HUP");
            asked.get_or_insert_with(|| program.start(&["run", "--json"]));
            until(reason, 60, || waits_for(&watched, reason));
            assert_eq!(shop::rows(database.as_ref()), DUE + FRESH, "nothing goes: {reason}");
            let checked = program.call(&["check", "--connect", "--json"]).expect(4).object();
            let findings = checked["findings"].as_array().unwrap();
            assert!(findings.iter().any(|finding| finding["id"] == reason), "{checked}");
        }
        let board = watched.board();
        assert!(board["databases"]["main"]["throttled"].to_string().contains("replica 1"), "{board}");
        program.policy(&policy(&url, "replica_lag_secs_max: 60", &[]));
        watched.process.signal("HUP");
        until("the run goes on", 60, || shop::rows(database.as_ref()) == FRESH);
        drop(asked);
        until("it is written down", 30, || status(&program)["verdict"] == "clean");
        watched.end();
        assert_eq!(program.rows_in_evidence(), DUE, "{}", database.engine());
    }
}

/// A page that answers with what it is told.
struct Signal {
    port: u16,
    up: Arc<AtomicBool>,
}

impl Signal {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let up = Arc::new(AtomicBool::new(true));
        let says = Arc::clone(&up);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                drop(stream.read(&mut [0; 4096]));
                let status = if says.load(Ordering::Relaxed) { "200 OK" } else { "503 Service Unavailable" };
                drop(write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
            }
        });
        Self { port, up }
    }
}

/// Signals of the operator's own, and of how busy the server is.
#[test]
fn signals_of_the_operators_make_batches_wait() {
    let signal = Signal::start();
    for database in
        [Box::new(Postgres::database()) as Box<dyn Database>, Box::new(Mysql::on(crate::harness::Product::MariaDb))]
    {
        shop::create(database.as_ref(), DUE, FRESH);
        database.exec("create table stop_now (why varchar(20) not null)");
        let count = "veto: { sql: \"select count(*) from stop_now\" }";
        let address = format!("veto: {{ http: \"http://127.0.0.1:{}/ok\" }}", signal.port);
        let program = Program::installed(&policy(&database.url(), count, &[]));
        let watched = Watched::start(&program);
        until_held(&program);
        let asked = program.start(&["run", "--json"]);
        until("the run is under way", 30, || shop::rows(database.as_ref()) < DUE + FRESH);
        database.exec("insert into stop_now values ('because')");
        until("the statement says no", 30, || waits_for(&watched, "veto"));
        let left = shop::rows(database.as_ref());
        assert!(left > FRESH, "it was in the middle");
        // What cannot be read says no as well.
        database.exec("drop table stop_now");
        until("the statement cannot be run", 30, || waits_for(&watched, "signal_unread"));
        signal.up.store(false, Ordering::Relaxed);
        program.policy(&policy(&database.url(), &address, &[]));
        watched.process.signal("HUP");
        until("the address says no", 60, || waits_for(&watched, "veto"));
        assert_eq!(shop::rows(database.as_ref()), left);
        signal.up.store(true, Ordering::Relaxed);
        until("the run goes on", 60, || shop::rows(database.as_ref()) == FRESH);
        drop(asked);
        let log = watched.end();
        assert!(!log.contains("because"), "nothing of a table is said");
        assert_eq!(program.rows_in_evidence(), DUE, "{}", database.engine());
    }
}

/// A run that waits for too long stands back for others, open, and goes on when it may; nothing says then that it waits.
#[test]
fn a_run_that_waits_for_long_stands_back_and_goes_on() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    database.exec("create table stop_now (why text)");
    let throttle = "pause_secs_max: 1, veto: { sql: \"select count(*) from stop_now\" }";
    let program = Program::installed(&policy(&database.url(), throttle, &[]));
    let watched = Watched::start(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("the run is under way", 30, || shop::rows(&database) < DUE + FRESH);
    database.exec("insert into stop_now values ('because')");
    let stopped = asked.wait().expect(3).lines().remove(0);
    assert_eq!((&stopped["verdict"], &stopped["cause"]), (&"partial".into(), &"veto".into()), "{stopped}");
    assert!(waits_for(&watched, "veto"), "it still waits");
    let left = shop::rows(&database);
    assert!(left > FRESH && left < DUE + FRESH, "it was in the middle");
    database.exec("delete from stop_now");
    let ended = program.call(&["run", "--json"]).expect(0).lines().remove(0);
    assert_eq!(ended["run_id"], stopped["run_id"], "the very run went on: {ended}");
    assert_eq!((&ended["changed"], shop::rows(&database)), (&DUE.into(), FRESH));
    until("nothing waits any more", 10, || goes(&watched));
    watched.end();
    assert_eq!(program.rows_in_evidence(), DUE);
    assert_eq!(program.entries("run.started").len(), 2, "begun, and gone on");
}

/// An engine that cannot be asked says no as well, and a check says it before any run.
#[test]
fn a_signal_that_an_engine_does_not_have_is_none_that_says_yes() {
    for throttle in ["veto: { sql: \"select 0\" }", "active_sessions_max: 10"] {
        let database = Sqlite::database();
        shop::create(&database, DUE, FRESH);
        let program = Program::installed(&policy(&database.url(), &format!("pause_secs_max: 1, {throttle}"), &[]));
        let report = program.run(3);
        assert_eq!((&report["cause"], &report["changed"]), (&"signal_unread".into(), &0.into()), "{report}");
        let checked = program.call(&["check", "--connect", "--json"]).expect(4).object();
        let findings = checked["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["id"] == "signal_unread"), "{checked}");
        assert_eq!(shop::rows(&database), DUE + FRESH);
    }
}

/// No faster than it was told, whatever the batches.
#[test]
fn rows_a_second_are_kept() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let settings = "throttle: { batch_rows_max: 50, rows_per_second_max: 500 }";
    let program = Program::installed(&Policy::new(&database.url()).with(settings).rule(&shop::rule()));
    let began = Instant::now();
    let report = program.run(0);
    // A thousand rows, five hundred a second, and the last batch is not waited for.
    assert!(began.elapsed().as_millis() >= 1_850, "{:?}", began.elapsed());
    assert_eq!((&report["changed"], &report["left"]), (&DUE.into(), &0.into()));
}
