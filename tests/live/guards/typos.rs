//! A slip of the pen in a policy that was right deletes nothing, and is named.

use super::said_stopped;
use crate::harness::{Database, Policy, Program, Rule, every_engine};

/// Accounts: all made long ago, ten of them not seen for 500 days, the others yesterday.
fn create(database: &dyn Database) {
    let (stamp, ago) = match database.engine() {
        "postgres" => ("timestamp", "timezone('utc', now()) - {} * interval '1 day'"),
        "sqlite" => ("datetime", "datetime('now', '-' || {} || ' days')"),
        _ => ("datetime", "utc_timestamp() - interval {} day"),
    };
    let days = |days: &str| ago.replace("{}", days);
    let (made, seen) = (days("700"), days("(case when n <= 10 then 500 else 1 end)"));
    database.exec(&format!(
        "create table account (id integer primary key, made_at {stamp} not null, seen_at {stamp} not null, \
         score integer not null, visits integer not null);
         insert into account with recursive n (n) as (select 1 union all select n + 1 from n where n < 100) \
         select n, {made}, {seen}, 5, 500 from n"
    ));
}

/// The rule as it is meant.
fn rule() -> Rule {
    Rule::delete("accounts", "account", "{ column: seen_at, zone: UTC }")
        .with("keep_for: 365d")
        .with("where: { score: { lt: 10 } }")
        .with("guard: { cool_off: 24h }")
}

fn rows(database: &dyn Database) -> u64 {
    database.count("select count(*) from account")
}

#[test]
fn a_slip_of_the_pen_changes_no_row_and_is_named() {
    let naive = "since: made_at";
    let slips = [
        ("keep_for: 36d", "cool_off", "keep_for: 365d -> 36d"),
        ("since: { column: made_at, zone: UTC }", "cool_off", "column seen_at"),
        ("where: { visits: { gt: 10 } }", "cool_off", "where changed"),
        ("where: { score: { ge: 5 } }", "cool_off", "where changed"),
        ("when_null: delete", "cool_off", "when_null"),
        (naive, "zone_missing", "without a zone"),
        ("since: seen", "column_missing", "has no column seen"),
        ("where: { score: \"10\" }", "column_type", "with text"),
        ("table: accounts", "table_missing", "does not exist"),
    ];
    every_engine(|database| {
        let engine = database.engine();
        create(database);
        let policy = |rule: &Rule| Policy::new(&database.url()).rule(rule);
        let program = Program::installed(&policy(&rule()));
        program.approve("accounts");
        assert_eq!((program.run(0)["changed"].as_u64(), rows(database)), (Some(10), 90), "{engine}");
        for (slip, cause, said) in slips {
            program.policy(&policy(&rule().with(slip)));
            let report = program.run(4);
            said_stopped(&report, cause);
            let detail = report["detail"].as_str().unwrap();
            assert!(detail.contains(said), "{engine}: {slip}: {said} in {detail}");
            assert_eq!(rows(database), 90, "{engine}: {slip}");
        }
        // The right policy goes on as if nothing had been.
        program.policy(&policy(&rule()));
        assert_eq!(program.run(0)["verdict"], "clean", "{engine}");
    });
}
