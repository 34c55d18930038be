//! What a cluster does to a database: away, half open, read-only, full. Nothing of it ends the process, none of it makes
//! it ask without a pause, and what it needs comes back without a restart.

use std::process::Command;
use std::time::Duration;

use forgetd_testkit::proxy::Link;

use super::{DUE, EVERY_MINUTE, FRESH, LEASE, SELDOM, Watched, open_shop, status, until_held};
use crate::harness::{Database, Policy, Postgres, Process, Program, Server, Session, Wire, free_port, is_root, until};
use crate::shop;

const UP: &str = "forgetd_database_up{database=\"main\"}";

/// Longer than four leases.
const OUTAGE: Duration = Duration::from_secs(13);

/// The pause between tries doubles from a second on; a try may make two connections, and a look of HTTP one more.
const TRIES: usize = 12;

/// The database's own policy, and the same over a wire.
fn policy(url: &str) -> Policy {
    shop::ruled_at(url, LEASE, &shop::rule().with(SELDOM))
}

fn until_up(watched: &Watched, up: f64) {
    until(&format!("{UP} {up}"), 90, || watched.metric(UP) == Some(up));
}

/// Seconds of processor time that the process used.
fn busy(process: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

#[test]
fn a_database_that_is_away_longer_than_a_lease_is_asked_with_pauses_and_found_again() {
    for link in [Link::Refused, Link::Swallowed, Link::Held] {
        let database = Postgres::database();
        shop::create(&database, DUE, FRESH);
        let wire = Wire::to(Postgres::address());
        let person = Program::installed(&policy(&database.url()));
        let pod = person.another(&policy(&database.url_at(wire.port())));
        let mut watched = Watched::start(&pod);
        until_held(&person);
        until_up(&watched, 1.0);
        wire.set(link);
        until_up(&watched, 0.0);
        let (tries, used) = (wire.connections(), busy(&watched.process));
        // What is measured is a time in which nothing is to happen.
        std::thread::sleep(OUTAGE);
        assert!(watched.process.runs());
        assert_eq!(watched.get("/livez", "*/*").0, 200, "{link:?}");
        let (tries, used) = (wire.connections() - tries, busy(&watched.process) - used);
        println!("{link:?}: {tries} connections and {used} s of processor time in {OUTAGE:?}");
        assert!(tries <= TRIES && used < 3.0, "{link:?}: {tries} connections, {used} s of processor time");
        wire.set(Link::Up);
        until_up(&watched, 1.0);
        until_held(&person);
        person.call(&["run"]).expect(0);
        assert_eq!(shop::rows(&database), FRESH, "{link:?}");
        watched.end();
        assert_eq!(person.rows_in_evidence(), DUE, "{link:?}");
    }
}

/// What an application takes that opens connections until it is refused one.
fn all_that_are_left(server: &Server) -> Vec<Session> {
    std::iter::from_fn(|| Session::try_open(&server.url_as("app"))).collect()
}

/// The application took every connection: a wave finds none, says so, and is tried again.
#[test]
fn a_server_without_a_free_connection_is_tried_again() {
    let server = Server::with("max_connections = 12\nsuperuser_reserved_connections = 3");
    server.start();
    let session = shop::create_on(&server, DUE, FRESH);
    session.exec("create role keeper superuser login; create role app login");
    let person = Program::installed(&policy(&server.url()));
    session.exec(
        "alter role keeper nosuperuser; grant all on web_session to keeper; grant all on schema forgetd to keeper",
    );
    session.exec("grant all on all tables in schema forgetd to keeper");
    let pod = person.another(&policy(&server.url_as("keeper")));
    let pool = all_that_are_left(&server);
    let mut watched = Watched::start(&pod);
    until_up(&watched, 0.0);
    let used = busy(&watched.process);
    std::thread::sleep(OUTAGE);
    let used = busy(&watched.process) - used;
    assert!(watched.process.runs() && used < 3.0, "{used} s of processor time");
    drop(pool);
    until_up(&watched, 1.0);
    until_held(&person);
    // While it holds, too: its own connection stays, and a wave gets none more.
    let pool = all_that_are_left(&server);
    let refused = person.call(&["run", "--json"]);
    assert_eq!((refused.code, shop::rows_on(&session)), (1, DUE + FRESH), "{}\n{}", refused.stdout, refused.stderr);
    assert_eq!(status(&person)["cause"], "unreachable");
    drop(pool);
    until("what is due is gone", 60, || {
        drop(person.call(&["run"]));
        shop::rows_on(&session) == FRESH
    });
    watched.end();
    assert_eq!(person.rows_in_evidence(), DUE);
}

/// A daemon whose folder for evidence is a file system of a megabyte, full after a first run. It is its own: nobody else
/// sees it, except through the process. Nothing where the machine lets nobody mount one.
fn on_a_full_disk(program: &Program, port: u16) -> Option<Process> {
    const SCRIPT: &str = "mount -t tmpfs -o size=1m tmpfs evidence && \"$1\" run --config forgetd.yaml \
        && ! dd if=/dev/zero of=evidence/balloon bs=4k 2>&1 && exec \"$@\"";
    let unshare: &[&str] = if is_root() { &["--mount"] } else { &["--map-root-user", "--mount"] };
    let mut command = Command::new("unshare");
    let may = command.args(unshare).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("SKIP no file system can be mounted here");
        return None;
    }
    let serve = program.command(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", SCRIPT, "sh"]).arg(serve.get_program()).args(serve.get_args());
    Some(Process::spawn(command.current_dir(program.folder())))
}

/// The disk for evidence is full: no more rows go than receipts may wait, and when there is room again everything does.
/// A log in a folder has one process, which nobody may take the lease from: its rule fires by itself.
#[test]
fn a_full_disk_for_evidence_stops_rules_and_they_go_on_when_there_is_room() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let told = |dir: &str| {
        let policy = Policy::new(&database.url()).with("throttle: { batch_rows_max: 100 }").top("coordination: none");
        let policy = policy.rule(&shop::rule().with(EVERY_MINUTE)).evidence(&format!("store: {{ dir: {dir} }}"));
        policy.evidence("receipts_pending_max: 30")
    };
    let program = Program::installed(&told("evidence"));
    std::fs::create_dir(program.path("evidence")).unwrap();
    let port = free_port();
    let Some(process) = on_a_full_disk(&program, port) else { return };
    let mut watched = Watched { process, port };
    until("the first run is over", 60, || watched.metrics().is_some());
    assert_eq!(shop::rows(&database), FRESH);
    let added = 50 * shop::BATCH_ROWS;
    shop::add(&database, DUE + FRESH + 1, added, 40);
    until("the rule stops", 120, || status(&program)["cause"] == "evidence_backlog");
    let left = shop::rows(&database) - FRESH;
    assert!(left > 0 && left < added && watched.process.runs(), "{left} left");
    assert_eq!(watched.get("/livez", "*/*").0, 200);
    // What a rule came to is written down before the wave it ran in is over and shown.
    for metric in ["forgetd_evidence_pending_receipts", "forgetd_evidence_append_failures_total"] {
        until("the metrics say so", 30, || watched.metric(metric) > Some(0.0));
    }
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("evidence_no_space") && page.contains("free space in the file system"), "{page}");
    // The same folder, as others find it.
    let inside = format!("/proc/{}/root{}", watched.process.pid(), program.path("evidence").display());
    std::fs::remove_file(format!("{inside}/balloon")).unwrap();
    until("what is due is gone", 150, || shop::rows(&database) == FRESH);
    until("the run is written down", 30, || status(&program)["verdict"] == "clean");
    program.policy(&told(&inside));
    assert_eq!(program.rows_in_evidence(), DUE + added);
    program.policy(&told("evidence"));
    let log = watched.end();
    assert!(log.contains("evidence_no_space") && log.contains("free space in the file system"), "{log}");
}

/// Nobody can act where the home database only reads, and no rule stands anywhere then: each process says so, and what to
/// do about it, and acts when that was done.
#[test]
fn a_home_database_that_only_reads_is_said_by_whoever_cannot_act() {
    let database = Postgres::database();
    let program = open_shop(&database, SELDOM);
    // Its own sessions are as they were when they began.
    let admin = database.session();
    let setting = |change: &str| admin.exec(&format!("alter database {} {change}", database.name()));
    setting("set default_transaction_read_only = on");
    let watched = Watched::start(&program);
    let paused = "forgetd_paused{database=\"main\",reason=\"read_only\"}";
    until("it says so", 30, || watched.metric(paused) == Some(1.0));
    assert_eq!((watched.metric(UP), watched.metric("forgetd_holder")), (Some(1.0), Some(0.0)));
    assert_eq!(watched.board()["role"]["nobody"]["cause"], "read_only");
    assert_eq!(watched.get("/readyz", "*/*").0, 200, "it is known who acts, and the application goes on");
    let page = watched.get("/status", "text/html").1;
    assert!(page.contains("Nobody acts") && page.contains("connect to the primary"), "{page}");
    let said = program.call(&["status"]).expect(0).stdout;
    assert!(said.starts_with("nobody acts: the home database takes no writes"), "{said}");
    setting("reset default_transaction_read_only");
    until_held(&program);
    until("it works again", 30, || watched.metric(paused) == Some(0.0));
    program.call(&["run"]).expect(0);
    assert_eq!(shop::rows(&database), FRESH);
    let log = watched.end();
    assert!(log.contains("reason=\"read_only\"") && log.contains("connect to the primary"), "{log}");
}

/// A look meets a database that goes away while something else is asked of the holder: that is a failure, and no
/// interruption, whatever was asked.
#[test]
fn a_look_that_fails_is_no_interruption_because_something_was_asked() {
    let (home, crm) = (Postgres::database(), Postgres::database());
    shop::create(&crm, DUE, FRESH);
    let wire = Wire::to(Postgres::address());
    let policy = |url: &str| {
        let rule = shop::rule().with("database: crm").with(SELDOM);
        Policy::new(&home.url()).another("crm", url).top(&format!("coordination: {{ lease: {LEASE} }}")).rule(&rule)
    };
    let person = Program::installed(&policy(&crm.url()));
    let pod = person.another(&policy(&crm.url_at(wire.port())));
    let mut command = pod.command(&["serve", "--listen", "127.0.0.1:0"]);
    let process = Process::spawn(command.env("FORGETD_FAULT", "run.recheck.before=stop@1"));
    until_held(&person);
    let asked = person.start(&["run", "--json"]);
    shop::until_frozen(&process);
    wire.set(Link::Held);
    let other = person.start(&["resume"]);
    let open = || home.count(&format!("select count(*) from {} where state = 'open'", home.control_table("request")));
    until("something else is asked", 30, || open() == 1);
    process.signal("CONT");
    until("it is heard, and the run is to end", 30, || open() == 0);
    wire.set(Link::Refused);
    let report = asked.wait().expect(1).lines().remove(0);
    assert_eq!((&report["verdict"], &report["cause"]), (&"failed".into(), &"unreachable".into()), "{report}");
    other.wait().expect(0);
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(!ended.stderr.contains("interrupted"), "{}", ended.stderr);
    assert_eq!(shop::rows(&crm), DUE + FRESH);
}
