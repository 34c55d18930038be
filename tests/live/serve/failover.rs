//! A standby takes the place of its primary under a running process, which knows whether anything is missing there.

use forgetd_testkit::proxy::Link;

use super::{DUE, FRESH, LEASE, SELDOM, Watched, status, until_held};
use crate::harness::{Policy, Process, Program, Server, Session, Wire, free_port, until};
use crate::shop;

/// Shown by a process that would act and finds a standby.
const READ_ONLY: &str = "forgetd_paused{database=\"main\",reason=\"read_only\"}";

fn policy(url: &str) -> Policy {
    shop::ruled_at(url, LEASE, &shop::rule().with(SELDOM))
}

/// A primary with sessions, a standby that follows it, and a name that leads to the primary.
struct Pair {
    primary: Server,
    standby: Server,
    wire: Wire,
    /// Whoever is told where the database is.
    person: Program,
    /// Whoever goes by the name.
    pod: Program,
    /// A session on the primary.
    session: Session,
}

// === impl Pair ===

impl Pair {
    fn start() -> Self {
        let primary = Server::with("wal_level = replica\nmax_wal_senders = 4");
        primary.start();
        let session = shop::create_on(&primary, DUE, FRESH);
        let wire = Wire::to(primary.address());
        let wired = primary.url().replace(&primary.address().to_string(), &format!("127.0.0.1:{}", wire.port()));
        let person = Program::installed(&policy(&primary.url()));
        let pod = person.another(&policy(&wired));
        let standby = primary.standby();
        standby.start();
        Self { primary, standby, wire, person, pod, session }
    }

    /// What a failover may lose is the operator's setting; here it is nothing.
    fn lose_nothing(&self) {
        self.session.exec("alter system set synchronous_standby_names = '*'");
        self.session.exec("select pg_reload_conf()");
        self.until_followed("1");
    }

    /// What is committed from now on does not come to the standby.
    fn stop_following(&self) {
        self.until_followed("0");
        let standby = Session::open(&self.standby.url());
        standby.exec("alter system set primary_conninfo = ''");
        standby.exec("select pg_reload_conf()");
        let followers = || self.session.rows("select count(*) from pg_stat_replication");
        until("nobody follows", 60, || followers()[0][0].as_deref() == Some("0"));
    }

    /// Until the standby has everything, and this many are waited for by commits.
    fn until_followed(&self, sync: &str) {
        let follows = "select count(*) filter (where sync_state = 'sync') from pg_stat_replication \
                       where state = 'streaming' and replay_lsn = pg_current_wal_lsn() having count(*) = 1";
        until("the standby follows", 60, || {
            self.session.rows(follows).first().is_some_and(|row| row[0].as_deref() == Some(sync))
        });
    }

    /// The primary is gone, and its name leads to the standby, which takes no writes yet.
    fn switch(&self) {
        self.wire.set(Link::Refused);
        self.wire.lead_to(self.standby.address());
        self.primary.stop();
        self.wire.set(Link::Up);
        self.person.policy(&policy(&self.standby.url()));
    }

    /// The daemon, with a fault armed or none.
    fn serve(&self, fault: Option<&str>) -> Watched {
        let port = free_port();
        let mut command = self.pod.command(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.envs(fault.map(|fault| ("FORGETD_FAULT", fault)));
        let watched = Watched { process: Process::spawn(&mut command), port };
        until_held(&self.person);
        watched
    }
}

/// In the middle of a run the name of the primary leads to its standby.
#[test]
fn a_run_goes_on_when_the_standby_that_it_was_led_to_is_promoted() {
    let pair = Pair::start();
    pair.lose_nothing();
    let mut watched = pair.serve(Some("change.after=stop@5"));
    let asked = pair.person.start(&["run", "--json"]);
    shop::until_frozen(&watched.process);
    pair.switch();
    watched.process.signal("CONT");
    drop(asked.wait());
    // A person finds the standby, too.
    let before = Session::open(&pair.standby.url());
    until("the standby shows what was committed", 30, || (FRESH + 1..DUE + FRESH).contains(&shop::rows_on(&before)));
    let refused = pair.person.call(&["run", "--json"]);
    assert!([4, 69, 75].contains(&refused.code), "{}\n{}", refused.stdout, refused.stderr);
    assert!(watched.process.runs());
    pair.standby.promote();
    until_held(&pair.person);
    pair.person.call(&["run"]).expect(0);
    assert_eq!(shop::rows_on(&before), FRESH);
    let log = watched.end();
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(pair.person.rows_in_evidence(), DUE);
}

/// However long the standby is held back: whoever acts on it then takes the lease anew, and looks at the whole log anew.
/// It goes on without a person, and whoever comes after it has nothing to ask.
#[test]
fn a_promoted_standby_that_misses_nothing_is_no_restore() {
    // Between runs, and in the middle of the second.
    for fault in [None, Some("change.after=stop@16")] {
        let pair = Pair::start();
        pair.lose_nothing();
        let watched = pair.serve(fault);
        pair.person.call(&["run"]).expect(0);
        shop::add_on(&pair.session, 2_000, DUE, 40);
        let asked = fault.map(|_| {
            let asked = pair.person.start(&["run", "--json"]);
            shop::until_frozen(&watched.process);
            asked
        });
        pair.switch();
        watched.process.signal("CONT");
        until("it finds a standby", 60, || watched.metric(READ_ONLY) == Some(1.0));
        drop(asked.map(Process::wait));
        pair.standby.promote();
        until_held(&pair.person);
        let report = pair.person.call(&["run", "--json"]).expect(0).lines().remove(0);
        assert_eq!((&report["verdict"], &report["left"]), (&"clean".into(), &0.into()), "{fault:?} {report}");
        let rows = Session::open(&pair.standby.url());
        assert_eq!(shop::rows_on(&rows), FRESH, "{fault:?}");
        let log = watched.end();
        assert!(log.contains("a standby was promoted") && !log.contains("panicked"), "{log}");
        shop::add_on(&rows, 4_000, 10, 40);
        pair.person.call(&["run"]).expect(0);
        assert_eq!(pair.person.rows_in_evidence(), 2 * DUE + 10, "{fault:?}");
        pair.person.call(&["evidence", "verify"]).expect(0);
    }
}

/// A standby that did not get everything is an earlier state of the database.
#[test]
fn a_promoted_standby_that_misses_entries_is_a_restore() {
    let pair = Pair::start();
    let watched = pair.serve(None);
    pair.person.call(&["run"]).expect(0);
    pair.stop_following();
    shop::add_on(&pair.session, 2_000, 10, 40);
    pair.person.call(&["run"]).expect(0);
    pair.switch();
    until("it finds a standby", 60, || watched.metric(READ_ONLY) == Some(1.0));
    let rows = Session::open(&pair.standby.url());
    assert_eq!(shop::rows_on(&rows), FRESH, "it never heard of those that came later");
    pair.standby.promote();
    shop::add_on(&rows, 4_000, 10, 40);
    until_held(&pair.person);
    for _ in 0..2 {
        let report = pair.person.call(&["run", "--json"]).expect(4).lines().remove(0);
        assert_eq!((&report["cause"], &report["changed"]), (&"restored".into(), &0.into()), "{report}");
    }
    assert_eq!(status(&pair.person)["cause"], "restored");
    assert_eq!(shop::rows_on(&rows), FRESH + 10);
    watched.end();
}
