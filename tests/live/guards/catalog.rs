//! Tables that change under a plan or an approval.

use super::stopped;
use crate::harness::{Database, Policy, Program, every_engine};
use crate::shop::{self, start_with_fault, until_frozen};

fn policy(database: &dyn Database) -> Policy {
    let rule = shop::rule().with("guard: { cool_off: 24h }").with("when_null: keep");
    shop::ruled_by(database, "30s", &rule)
}

/// Makes `last_seen_at` nullable.
fn loosen(database: &dyn Database) {
    database.exec(match database.engine() {
        "postgres" => "alter table web_session alter last_seen_at drop not null",
        "mysql" | "mariadb" => "alter table web_session modify last_seen_at datetime null",
        _ => {
            "create table wider (id integer primary key, last_seen_at datetime, note text); \
             insert into wider select * from web_session; drop table web_session; \
             alter table wider rename to web_session; \
             create index web_session_last_seen_at on web_session (last_seen_at)"
        }
    });
}

#[test]
fn a_changed_table_needs_the_approval_again_if_the_rule_depends_on_the_change() {
    every_engine(|database| {
        shop::create(database, 100, 50);
        let program = Program::installed(&policy(database));
        program.approve("web-sessions");
        database.exec("alter table web_session add column note text");
        assert_eq!(program.run(0)["changed"], 100, "a column that nothing reads");
        database.exec(if database.is_mysql() {
            "drop index web_session_last_seen_at on web_session"
        } else {
            "drop index web_session_last_seen_at"
        });
        database.exec("create index web_session_last_seen_at on web_session (last_seen_at)");
        program.run(0);

        loosen(database);
        shop_add(database, 10_000, 80);
        let detail = stopped(database, &program, "catalog_drift");
        assert!(detail.contains("when it was approved at"), "{detail}");
        program.approve("web-sessions");
        assert_eq!(program.run(0)["changed"], 80);
        program.run(0);
        let causes: Vec<_> = program.entries("approval").iter().map(|entry| entry["causes"].to_string()).collect();
        assert_eq!(causes, [r#"["cool_off"]"#, r#"["catalog_drift"]"#]);
    });
}

/// The table has a column more by now.
fn shop_add(database: &dyn Database, first: u64, count: u64) {
    let seen = match database.engine() {
        "postgres" => "timezone('utc', now()) - interval '40 days'",
        "sqlite" => "datetime('now', '-40 days')",
        _ => "utc_timestamp() - interval 40 day",
    };
    for id in first..first + count {
        database.exec(&format!("insert into web_session (id, last_seen_at) values ({id}, {seen})"));
    }
}

#[test]
fn a_table_that_changes_while_a_run_looks_at_it_is_not_touched_by_that_run() {
    every_engine(|database| {
        shop::create(database, 100, 50);
        let program = Program::installed(&policy(database));
        program.approve("web-sessions");
        let looking = start_with_fault(&program, &["run", "--json"], "run.recheck.before=stop@1");
        until_frozen(&looking);
        database.exec("alter table web_session add column note text");
        looking.signal("CONT");
        let report = looking.wait().expect(4).lines().remove(0);
        super::said_stopped(&report, "catalog_drift");
        assert_eq!(shop::rows(database), 150);
        assert_eq!(program.run(0)["changed"], 100, "the next one knows the table as it is");
    });
}
