//! Two lanes of one run: they share its rows, its receipts and its end, and the first goes on where the second cannot.

use serde_json::{Value, json};

use crate::harness::{Database, Policy, Postgres, Program, Rule, every_engine};

const ROWS: u64 = 4_000;

/// The rows that are due and left.
const LEFT: &str = "select id from item where since < 2000000000";

/// 4,000 rows that are due, with an index in the order of their moments, and one that is not.
fn items(database: &dyn Database) {
    let kind = if database.is_mysql() { "engine = InnoDB" } else { "" };
    database.exec(&format!("create table item (id integer primary key, since bigint not null, note text) {kind}"));
    database.exec("create index item_since on item (since)");
    database.exec(&match database.engine() {
        "postgres" => {
            format!("insert into item select n, 1000000000 + n / 3, 'note' from generate_series(1, {ROWS}) n")
        }
        "mysql" | "mariadb" => {
            "insert into item with recursive a(n) as (select 0 union all select n + 1 from a where n < 99), \
             b(n) as (select 0 union all select n + 1 from b where n < 39) \
             select a.n * 40 + b.n + 1, 1000000000 + (a.n * 40 + b.n + 1) div 3, 'note' from a, b"
                .into()
        }
        _ => format!(
            "insert into item with recursive n(n) as (select 1 union all select n + 1 from n where n < {ROWS}) \
             select n, 1000000000 + n / 3, 'note' from n"
        ),
    });
    database.exec("insert into item values (999999, 9000000000, 'fresh')");
}

fn program(database: &dyn Database, setting: &str) -> Program {
    let rule = Rule::delete("items", "item", "since").with("since: { column: since, as: unix_s }");
    let policy = Policy::new(&database.url()).with("throttle: { batch_rows_max: 50 }").rule(&rule);
    Program::installed(&if setting.is_empty() { policy } else { policy.with(setting) })
}

/// Runs it with two lanes, from 100 rows on and whoever else is at work on the server.
fn run(program: &Program, code: i32) -> Value {
    let mut command = program.command(&["run", "--json"]);
    let output = crate::harness::Process::spawn(command.env("FORGETD_SECOND_LANE", "100")).wait().expect(code);
    output.lines().remove(0)
}

/// How many batches each lane has in the evidence, which must verify.
fn by_lane(program: &Program) -> (u64, u64) {
    let of = |lane: &str| program.entries("batch").iter().filter(|entry| entry["lane"] == lane).count() as u64;
    (of("0"), of("1"))
}

#[test]
fn two_lanes_purge_one_table_and_tell_it_as_one_run() {
    every_engine(|database| {
        let engine = database.engine();
        items(database);
        let program = program(database, "");
        let report = run(&program, 0);
        assert_eq!(report["verdict"], "clean", "{engine}: {report}");
        assert_eq!((&report["changed"], &report["left"]), (&json!(ROWS), &json!(0)), "{engine}: {report}");
        assert_eq!((database.rows(LEFT).len(), database.count("select count(*) from item")), (0, 1), "{engine}");
        let (first, second) = by_lane(&program);
        assert_eq!(program.rows_in_evidence(), ROWS, "{engine}");
        assert_eq!(report["batches"], first + second, "{engine}: {report}");
        assert_eq!(second > 5, engine != "sqlite", "{engine}: {first} and {second} batches");
        assert_eq!(report["lanes"], if second > 0 { 2 } else { 1 }, "{engine}: {report}");
        let finished = program.entries("run.finished");
        assert_eq!((finished.len(), &finished[0]["changed"]), (1, &json!(ROWS)), "{engine}");
        // The lanes are closed: the next run finds nothing, and no cursor is left of this one.
        assert_eq!(run(&program, 0)["changed"], 0, "{engine}");
        let cursors = format!("select count(*) from {}", database.control_table("cursor"));
        assert_eq!(database.count(&cursors), 0, "{engine}");
    });
}

#[test]
fn without_a_third_connection_there_is_one_lane() {
    every_engine(|database| {
        items(database);
        let program = program(database, "max_connections: 2");
        assert_eq!(run(&program, 0)["changed"], ROWS);
        assert_eq!(by_lane(&program).1, 0, "{}", database.engine());
    });
}

/// The row lies among the second lane's, which leaves the rest to the first.
#[test]
fn a_row_that_refuses_ends_the_second_lane_and_not_the_run() {
    every_engine(|database| {
        let engine = database.engine();
        items(database);
        match engine {
            "postgres" => database.exec(
                "create function refuse() returns trigger language plpgsql as $$ begin \
                 if old.id = 3500 then raise exception 'no'; end if; return old; end $$; \
                 create trigger refuse before delete on item for each row execute function refuse()",
            ),
            "mysql" | "mariadb" => database.exec(
                "create trigger refuse before delete on item for each row \
                 begin if old.id = 3500 then signal sqlstate '45000'; end if; end",
            ),
            _ => return,
        }
        let program = program(database, "");
        let report = run(&program, 3);
        let case = format!("{engine}: {report}");
        assert_eq!((&report["verdict"], &report["cause"]), (&json!("partial"), &json!("row_refused")), "{case}");
        assert_eq!((&report["changed"], &report["left"]), (&json!(ROWS - 1), &json!(1)), "{case}");
        assert_eq!(report["skipped"], json!([{ "cause": "row_refused", "n": 1 }]), "{case}");
        assert_eq!(database.value(LEFT), "3500", "{case}");
        assert!(by_lane(&program).1 > 0, "{case}");
    });
}

#[test]
fn rows_that_others_hold_end_the_second_lane_and_not_the_run() {
    let database = Postgres::database();
    items(&database);
    let program = program(&database, "");
    let other = database.session();
    other.exec("begin; select from item where id in (3000, 3900) for update");
    let report = run(&program, 3);
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("partial"), &json!("locked")), "{report}");
    assert_eq!((&report["changed"], &report["left"]), (&json!(ROWS - 2), &json!(2)), "{report}");
    other.exec("rollback");
    assert_eq!(run(&program, 0)["changed"], 2);
    assert_eq!(program.rows_in_evidence(), ROWS);
}

/// What a cap allows is counted in one place.
#[test]
fn a_cap_is_one_lanes() {
    every_engine(|database| {
        items(database);
        let rule = Rule::delete("items", "item", "since").with("since: { column: since, as: unix_s }");
        let rule = rule.with("cap: { rows_per_run: 1234 }");
        let throttle = "throttle: { batch_rows_max: 50 }";
        let program = Program::installed(&Policy::new(&database.url()).with(throttle).rule(&rule));
        let report = run(&program, 3);
        assert_eq!((&report["changed"], &report["cause"]), (&json!(1234), &json!("cap")), "{report}");
        assert_eq!(by_lane(&program).1, 0, "{}", database.engine());
    });
}
