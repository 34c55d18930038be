//! A rollout: pods of the old policy and of the new one side by side.

use super::{FRESH, SELDOM, Watched, serve, until_held};
use crate::harness::{Clock, Database, Mysql, Postgres, Process, Product, Program, free_port, tell, until};
use crate::shop;

/// Rows that only the new, shorter period means.
const NEWLY_DUE: u64 = 300;
/// Rows that both mean.
const LONG_DUE: u64 = 200;

const SPLIT: &str = "forgetd_policy_split ";

fn policy(database: &dyn Database, keep_for: &str) -> crate::harness::Policy {
    let rule = shop::rule().with(SELDOM).with(&format!("keep_for: {keep_for}")).with("guard: { cool_off: 24h }");
    shop::ruled_by(database, super::LEASE, &rule)
}

fn until_holds(program: &Program, process: &Process) {
    let pid = format!("/{}/", process.pid());
    until("it holds the lease", 30, || {
        program
            .call(&["status"])
            .stdout
            .lines()
            .next()
            .is_some_and(|line| line.contains(&pid) && line.contains(" acts"))
    });
}

fn cause(program: &Program, code: i32) -> serde_json::Value {
    program.call(&["run", "--json"]).expect(code).lines().remove(0)["cause"].take()
}

/// Whoever holds the lease, no row goes that the approved policy keeps, until somebody approves the new one.
#[test]
fn nothing_younger_than_the_approved_period_goes_before_the_new_one_is_approved() {
    let databases: Vec<Box<dyn Database>> = std::iter::once(Box::new(Postgres::database()) as Box<dyn Database>)
        .chain(Product::there().map(|product| Box::new(Mysql::on(product)) as Box<dyn Database>))
        .collect();
    for database in databases {
        let database = database.as_ref();
        shop::create(database, NEWLY_DUE, FRESH);
        shop::add(database, NEWLY_DUE + FRESH + 1, LONG_DUE, 400);
        let old = Program::installed(&policy(database, "365d"));
        old.approve("web-sessions");
        let new = old.another(&policy(database, "36d"));

        let old_pod = serve(&old);
        until_held(&old);
        let new_pod = serve(&new);
        old_pod.signal("TERM");
        old_pod.wait().expect(0);
        until_holds(&new, &new_pod);
        assert_eq!(cause(&new, 4), "cool_off", "{}", database.engine());
        assert_eq!(shop::rows(database), NEWLY_DUE + LONG_DUE + FRESH);

        let old_pod = serve(&old);
        new_pod.signal("KILL");
        drop(new_pod.wait());
        until_holds(&old, &old_pod);
        assert!(cause(&old, 0).is_null());
        assert_eq!(shop::rows(database), NEWLY_DUE + FRESH, "{}: what both mean", database.engine());

        let new_pod = serve(&new);
        old_pod.signal("TERM");
        old_pod.wait().expect(0);
        until_holds(&new, &new_pod);
        assert_eq!(cause(&new, 4), "cool_off");
        new.approve("web-sessions");
        assert!(cause(&new, 0).is_null());
        assert_eq!(shop::rows(database), FRESH, "{}: approved", database.engine());
        new_pod.signal("TERM");
        new_pod.wait().expect(0);
    }
}

/// Installations of the approved policy and of one that waits, on one database.
fn rolled_out(database: &Postgres) -> (Program, Program) {
    shop::create(database, NEWLY_DUE, FRESH);
    let old = Program::installed(&policy(database, "365d"));
    old.approve("web-sessions");
    let new = old.another(&policy(database, "36d"));
    (old, new)
}

/// Who waits for an approval gives way, however the others come and go.
#[test]
fn the_approved_policy_acts_while_any_process_has_it() {
    let database = Postgres::database();
    let (old, new) = rolled_out(&database);
    let waiting = serve(&new);
    until_holds(&new, &waiting);
    // It gives the lease up for one that need not wait.
    let mut approved = serve(&old);
    until_holds(&old, &approved);
    for _ in 0..3 {
        let next = serve(&old);
        approved.signal("KILL");
        drop(approved.wait());
        until_holds(&old, &next);
        approved = next;
    }
    approved.signal("TERM");
    approved.wait().expect(0);
    until_holds(&new, &waiting);
    waiting.signal("TERM");
    let told = waiting.wait().expect(0).stderr;
    assert!(told.contains("the lease is left to a process whose policy is approved as a whole"), "{told}");
    assert_eq!(told.matches("lease taken").count(), 2, "{told}");
}

/// A rollout that stands still for longer than fifteen minutes: what its holder and a follower show then is looked at.
/// They listen at these ports.
pub(crate) fn stands_still(ports: [u16; 2], look: impl FnOnce(&Watched, &Watched)) {
    let database = Postgres::database();
    let (old, new) = rolled_out(&database);
    let time = old.path("time");
    let clock = Clock::told_by(time.clone());
    let holder = Watched::start_on(ports[0], &old, &clock);
    until_held(&old);
    let follower = Watched::start_on(ports[1], &new, &clock);
    let heard = || {
        let policies = holder.board()["policies"].clone();
        policies.as_object().and_then(|all| all.values().next()?["heard"].as_str().map(str::to_owned))
    };
    until("the holder hears of the other policy", 30, || heard().is_some());
    for minutes in [8, 16] {
        assert_eq!(holder.metric(SPLIT), Some(0.0), "before {minutes} minutes");
        let before = heard();
        tell(&time, &format!("+{minutes}m"));
        until("it hears of it again", 30, || heard() != before);
    }
    until("it is told", 30, || holder.metric(SPLIT) == Some(1.0));
    look(&holder, &follower);
    let log = holder.end();
    assert!(log.contains("policy_split") && log.contains("let the rollout come to its end"), "{log}");
    until_holds(&new, &follower.process);
    assert_eq!(follower.metric(SPLIT), Some(0.0), "nobody has the other one");
    follower.end();
}

#[test]
fn policies_that_stay_different_are_told() {
    stands_still([free_port(), free_port()], |holder, follower| {
        let page = holder.get("/status", "text/html").1;
        assert!(page.contains("policy_split") && page.contains("<code>forgetd approve web-sessions</code>"), "{page}");
        assert_eq!(follower.metric(SPLIT), Some(0.0), "the holder tells");
    });
}
