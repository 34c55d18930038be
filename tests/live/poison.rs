//! Rows that cannot go: they are named, and everything else goes.

use serde_json::json;

use crate::harness::{Database, Policy, Postgres, Program, Rule, every_engine};

const PARENTS: u64 = 5_000;

/// The rows of `parent` that are due and left.
const LEFT: &str = "select id from parent where since < 2000000000";

/// 5,000 rows of `parent` that are due and one that is not, as integers since 1970 on both engines.
fn parents(database: &dyn Database) {
    database.exec("create table parent (id integer primary key, since bigint not null, note text)");
    let insert = match database.engine() {
        "postgres" => {
            format!("insert into parent select n, 1000000000 + n % 7, 'note' from generate_series(1, {PARENTS}) n")
        }
        _ => format!(
            "insert into parent with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {PARENTS}) \
             select n, 1000000000 + n % 7, 'note' from numbers"
        ),
    };
    database.exec(&insert);
    database.exec("insert into parent values (999999, 9000000000, 'fresh')");
}

fn policy(database: &dyn Database) -> Policy {
    let rule = Rule::delete("parents", "parent", "since").with("since: { column: since, as: unix_s }");
    Policy::new(&database.url()).rule(&rule)
}

/// Runs the rule over parents of which number 2,500 cannot go for `cause`.
fn all_but_one(database: &dyn Database, cause: &str) {
    let program = Program::installed(&policy(database));

    let report = program.run(3);

    let case = format!("{} {cause}: {report}", database.engine());
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("partial"), &json!(cause)), "{case}");
    assert_eq!((&report["changed"], &report["left"]), (&json!(PARENTS - 1), &json!(1)), "{case}");
    assert_eq!(report["skipped"], json!([{ "cause": cause, "n": 1 }]), "{case}");
    assert_eq!(database.value(LEFT), "2500", "{case}");
    assert_eq!(program.rows_in_evidence(), PARENTS - 1, "{case}");
    let finished = program.entries("run.finished");
    assert_eq!(finished.len(), 1, "{case}");
    assert_eq!(finished[0]["verdict"], "partial", "{case}");
    assert_eq!(finished[0]["skipped"], json!({ cause: 1 }), "{case}");

    // Nothing of it is forgotten by the next run, and nothing more goes.
    let report = program.run(3);
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("partial"), &json!(cause)), "{case}");
    assert_eq!((&report["changed"], &report["left"]), (&json!(0), &json!(1)), "{case}");
}

#[test]
fn a_parent_with_a_child_stays_and_all_others_go() {
    every_engine(|database| {
        parents(database);
        database.exec("create table child (id integer primary key, parent integer references parent (id))");
        database.exec("insert into child values (1, 2500)");
        all_but_one(database, "foreign_key");
        assert_eq!(database.count("select count(*) from child"), 1);
    });
}

#[test]
fn a_deferred_reference_is_asked_before_the_receipt_is_written() {
    every_engine(|database| {
        if database.is_mysql() {
            return; // It has none.
        }
        parents(database);
        database.exec(
            "create table child (id integer primary key, \
             parent integer references parent (id) deferrable initially deferred)",
        );
        database.exec("insert into child values (1, 2500)");
        all_but_one(database, "foreign_key");
        assert_eq!(database.count("select count(*) from child"), 1);
    });
}

#[test]
fn a_row_that_a_trigger_refuses_stays_and_all_others_go() {
    every_engine(|database| {
        parents(database);
        match database.engine() {
            "postgres" => database.exec(
                "create function refuse() returns trigger language plpgsql as $$ begin \
                 if old.id = 2500 then raise exception 'no'; end if; return old; end $$; \
                 create trigger refuse before delete on parent for each row execute function refuse()",
            ),
            "mysql" | "mariadb" => database.exec(
                "create trigger refuse before delete on parent for each row \
                 begin if old.id = 2500 then signal sqlstate '45000'; end if; end",
            ),
            _ => database.exec(
                "create trigger refuse before delete on parent when old.id = 2500 \
                 begin select raise(abort, 'no'); end",
            ),
        }
        all_but_one(database, "row_refused");
    });
}

#[test]
fn rows_locked_by_another_session_are_named_and_go_next_time() {
    let database = Postgres::database();
    parents(&database);
    let program = Program::installed(&policy(&database));
    let other = database.session();
    other.exec("begin; select from parent where id % 250 = 0 for update");

    let report = program.run(3);

    assert_eq!((&report["verdict"], &report["cause"]), (&json!("partial"), &json!("locked")), "{report}");
    assert_eq!(report["skipped"], json!([{ "cause": "locked", "n": 20 }]), "{report}");
    assert_eq!((&report["changed"], &report["left"]), (&json!(PARENTS - 20), &json!(20)), "{report}");
    assert_eq!(database.count("select count(*) from parent where id % 250 = 0"), 20);

    other.exec("rollback");
    let report = program.run(0);

    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(20)), "{report}");
    assert_eq!(database.rows(LEFT).len(), 0);
    assert_eq!(program.rows_in_evidence(), PARENTS);
}

#[test]
fn a_row_with_a_lock_that_only_forbids_its_key_to_go_counts_as_locked() {
    let database = Postgres::database();
    parents(&database);
    database.exec("create table child (id integer primary key, parent integer references parent (id))");
    let program = Program::installed(&policy(&database));
    // A child that is being inserted holds its parent's key; whether it stays is not known yet.
    let other = database.session();
    other.exec("begin; insert into child values (1, 77)");

    let report = program.run(3);
    assert_eq!(report["skipped"], json!([{ "cause": "locked", "n": 1 }]), "{report}");
    assert_eq!(database.value(LEFT), "77");

    other.exec("commit");
    let report = program.run(3);
    assert_eq!(report["skipped"], json!([{ "cause": "foreign_key", "n": 1 }]), "{report}");
    assert_eq!(database.value(LEFT), "77");
}

#[test]
fn a_table_that_a_session_locks_whole_is_no_row_to_blame() {
    let database = Postgres::database();
    parents(&database);
    let program = Program::installed(&policy(&database));
    let other = database.session();
    // The first stops only writers, as building an index does; the second readers too, as a migration does.
    for mode in ["share", "access exclusive"] {
        other.exec(&format!("begin; lock table parent in {mode} mode"));

        let report = program.run(3);

        assert_eq!((&report["verdict"], &report["cause"]), (&json!("partial"), &json!("locked")), "{mode}: {report}");
        assert_eq!((&report["changed"], &report["skipped"]), (&json!(0), &json!([])), "{mode}: {report}");
        other.exec("rollback");
    }
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(PARENTS)), "{report}");
}
