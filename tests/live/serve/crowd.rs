//! Thirty processes on a server with forty connections, most of which the application has already.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::{DUE, EVERY_MINUTE, FRESH, Watched};
use crate::harness::{Policy, Program, Server, Session, full, until};
use crate::shop;

const PROCESSES: usize = 30;

/// What the server allows, three for superusers among them.
const SETTINGS: &str = "max_connections = 40\nsuperuser_reserved_connections = 3";

/// Connections that the application keeps; it asks for one more again and again.
const POOL: usize = 8;

/// How often the server is asked who is connected.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Connections of all processes together, 99 of 100 times in five minutes; what may be above, when all of them look at
/// once, may be so in the short form.
const CONNECTIONS: u64 = 4;
const ABOVE: usize = 30;

/// An application with a pool that opens a connection more, again and again, and writes a row through it.
struct Application {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
    works: std::thread::JoinHandle<()>,
}

// === impl Application ===

impl Application {
    fn start(url: &str) -> Self {
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (told, counted, url) = (Arc::clone(&stop), Arc::clone(&opened), url.to_owned());
        let works = std::thread::spawn(move || {
            let pool: Vec<Session> = (0..POOL).map(|_| Session::open(&url)).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            let mut id = 1_000_000;
            while !told.load(Ordering::Relaxed) {
                runtime.block_on(async {
                    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection more");
                    let driver = tokio::spawn(connection);
                    let row =
                        format!("insert into web_session values ({id}, timezone('utc', now()) - interval '40 days')");
                    client.batch_execute(&row).await.expect("a row more");
                    drop(client);
                    drop(driver.await);
                });
                id += 1;
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(pool);
        });
        Self { stop, opened, works }
    }

    /// How many connections it opened; it was refused none.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.works.join().expect("the application got every connection");
        self.opened.load(Ordering::Relaxed)
    }
}

/// Connections of the daemons' role, once every look, for so long.
fn watched(admin: &Session, long: Duration) -> Vec<u64> {
    let began = Instant::now();
    let mut seen = vec![];
    while began.elapsed() < long {
        let rows = admin.rows("select count(*) from pg_stat_activity where usename = 'keeper'");
        seen.push(rows[0][0].as_ref().expect("a count").parse().expect("a number"));
        std::thread::sleep(LOOK_EVERY);
    }
    seen.sort_unstable();
    seen
}

/// A process that knows who acts.
fn ready(program: &Program) -> Watched {
    let watched = Watched::start(program);
    until("it is ready", 60, || watched.get("/readyz", "*/*").0 == 200);
    watched
}

/// The holder is asked to work; in the long form it goes away then, and all others see that nobody holds the lease.
fn disturb(person: &Program, processes: &[Watched], long: Duration) {
    drop(person.call(&["run"]));
    if full() {
        std::thread::sleep(long / 2);
        let status = person.call(&["status"]).stdout;
        let holder = processes.iter().find(|watched| status.contains(&format!("/{}/", watched.process.pid())));
        holder.expect("a holder").process.signal("KILL");
        drop(person.call(&["run"]));
    }
}

#[test]
fn an_application_gets_every_connection_beside_thirty_processes() {
    let server = Server::with(SETTINGS);
    server.start();
    let admin = shop::create_on(&server, DUE, FRESH);
    admin.exec("create role keeper login; create role app login; grant create on database postgres to keeper");
    admin.exec("alter table web_session owner to keeper");
    admin.exec("grant select, insert on web_session to app");
    let policy =
        |role: &str| -> Policy { shop::ruled_at(&server.url_as(role), "15s", &shop::rule().with(EVERY_MINUTE)) };
    let program = Program::installed(&policy("keeper"));
    // Whoever asks is none of them, and does not count.
    let person = program.another(&policy("postgres"));

    let application = Application::start(&server.url_as("app"));
    let seconds = if full() { 300 } else { 15 };
    let long = Duration::from_secs(seconds);
    let (seen, processes) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watched(&admin, long));
        // One after another, as a rollout does: the next one when this one is ready.
        let processes: Vec<Watched> = (0..PROCESSES).map(|_| ready(&program)).collect();
        disturb(&person, &processes, long);
        (watching.join().expect("the server answers"), processes)
    });
    let opened = application.end();
    let at = |share: f64| seen[((seen.len() - 1) as f64 * share).round() as usize];
    let (half, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!(
        "note: {PROCESSES} processes on 40 connections, {seconds} s, {} looks: theirs p50={half} p99={p99} max={max}; \
         the application opened {opened} more beside its {POOL} and was refused none",
        seen.len()
    );
    assert!(seen.iter().filter(|seen| **seen > CONNECTIONS).count() <= ABOVE, "{seen:?}");
    until("what became due is gone", 120, || {
        drop(person.call(&["run"]));
        shop::rows_on(&admin) == FRESH
    });
    let mut ended = 0;
    for watched in processes {
        watched.process.signal("TERM");
        ended += usize::from(watched.process.wait().code == 0);
    }
    assert_eq!(ended, PROCESSES - usize::from(full()));
    assert_eq!(person.rows_in_evidence(), DUE + opened);
}
