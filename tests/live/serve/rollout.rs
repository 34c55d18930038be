//! A rollout: pods of the old policy and of the new one side by side.

use super::{FRESH, SELDOM, serve, until_held};
use crate::harness::{Database, Mysql, Postgres, Process, Product, Program, until};
use crate::shop;

/// Rows that only the new, shorter period means.
const NEWLY_DUE: u64 = 300;
/// Rows that both mean.
const LONG_DUE: u64 = 200;

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
        let new = Program::new(&policy(database, "36d"));
        std::fs::copy(old.path("evidence.key"), new.path("evidence.key")).unwrap();

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
