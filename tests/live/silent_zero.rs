//! Whatever keeps rows from going is named, with an exit code that is not 0, and nothing says `clean`.

use serde_json::json;

use crate::harness::{
    Database, Granted, Mysql, Policy, Postgres, Product, Program, Roles, Rule, Servers, Sqlite, granted,
};

/// Rows that are due, and rows that are not.
const DUE: u64 = 1_000;
const KEPT: u64 = 100;

/// One way to keep rows from going.
struct Case {
    /// What it is.
    name: &'static str,
    /// How it is brought about, as the superuser; `{role}` is the program's role, `{database}` the database.
    sabotage: &'static str,
    /// How the run must end.
    code: i32,
    verdict: &'static str,
    cause: &'static str,
}

const fn case(
    name: &'static str,
    sabotage: &'static str,
    (code, verdict, cause): (i32, &'static str, &'static str),
) -> Case {
    Case { name, sabotage, code, verdict, cause }
}

const fn blocked(cause: &'static str) -> (i32, &'static str, &'static str) {
    (4, "blocked", cause)
}

const fn blind(cause: &'static str) -> (i32, &'static str, &'static str) {
    (5, "blind", cause)
}

const SIGHT: &[Case] = &[
    case(
        "row security hides rows from the role",
        "alter table account enable row level security;
         create policy half on account using (id % 2 = 0)",
        blind("row_security"),
    ),
    case(
        "row security is forced on the table's owner",
        "alter table account owner to {role};
         alter table account enable row level security;
         alter table account force row level security;
         create policy half on account using (id % 2 = 0)",
        blind("row_security"),
    ),
    case("row security hides every row", "alter table account enable row level security", blind("row_security")),
    case("DELETE is not granted", "revoke delete on account from {role}", blocked("privilege")),
    case("SELECT is not granted", "revoke select on account from {role}", blocked("privilege")),
    case(
        "the table is gone",
        "drop table account cascade; create table account_2 (id bigint)",
        blocked("table_missing"),
    ),
    case("the column is gone", "alter table account rename since to since_2", blocked("column_missing")),
];

const UNDONE: &[Case] = &[
    case(
        "a trigger cancels every delete without an error",
        "create function cancel() returns trigger language plpgsql as $$ begin return null; end $$;
         create trigger cancel before delete on account for each row execute function cancel()",
        blocked("trigger_cancels"),
    ),
    case(
        "a rewrite rule drops deletes",
        "create rule nothing as on delete to account do instead nothing",
        blocked("delete_rule"),
    ),
    case(
        "a rewrite rule turns deletes into updates",
        "create rule soft as on delete to account do instead update account set note = 'gone' where id = old.id",
        blocked("delete_rule"),
    ),
    case(
        "a trigger deletes in a table that nobody declared",
        "create function more() returns trigger language plpgsql security definer as
           $$ begin delete from audit where id = old.id; return null; end $$;
         create trigger more after delete on account for each row execute function more()",
        blocked("effect_differs"),
    ),
    case(
        "a trigger deletes other rows of the same table",
        "create function more() returns trigger language plpgsql as
           $$ begin delete from account where id = old.id + 1000000; return null; end $$;
         create trigger more after delete on account for each row execute function more()",
        blocked("effect_differs"),
    ),
    case(
        "a cascade would remove rows of a table without a rule",
        "create table child (id int primary key, account bigint references account (id) on delete cascade);
         insert into child values (1, 1)",
        blocked("cascade"),
    ),
];

const SETTINGS: &[Case] = &[
    case(
        "the role's statement_timeout ends every batch",
        "alter role {role} set statement_timeout = '300ms';
         create function slow() returns trigger language plpgsql as
           $$ begin perform pg_sleep(0.4); return old; end $$;
         create trigger slow before delete on account for each row execute function slow()",
        blocked("statement_timeout"),
    ),
    case(
        "the table is published and has no replica identity",
        "alter table account drop constraint account_pkey; create publication live for table account",
        blocked("replica_identity"),
    ),
    case(
        "the table is published and its replica identity is nothing",
        "alter table account replica identity nothing; create publication live for table account",
        blocked("replica_identity"),
    ),
    case("the role only reads", "alter role {role} set default_transaction_read_only = on", blocked("read_only")),
    case("the server does not count", "alter database {database} set track_counts = off", blocked("track_counts")),
];

const CONTROL: &[Case] = &[
    case("the schema of the control tables is gone", "drop schema forgetd cascade", blocked("control_tables")),
    case("the table of receipts is gone", "drop table forgetd.receipt cascade", blocked("control_tables")),
    case("the table of cursors is gone", "drop table forgetd.cursor cascade", blocked("control_tables")),
    case("the table of runs is gone", "drop table forgetd.run cascade", blocked("control_tables")),
    case("the control row is gone", "delete from forgetd.control", blocked("control_tables")),
    case(
        "the control tables are of a later version",
        "update forgetd.control set version = version + 1000",
        blocked("control_tables"),
    ),
];

fn fill(database: &dyn Database) {
    let numbers = match database.engine() {
        "postgres" => format!("select n from generate_series(1, {}) n", DUE + KEPT),
        _ => format!(
            "with recursive t(n) as (select 1 union all select n + 1 from t where n < {}) select n from t",
            DUE + KEPT
        ),
    };
    database.exec("create table account (id bigint primary key, since bigint not null, note text)");
    database.exec("create table audit (id bigint primary key)");
    database.exec(&format!("insert into audit select n from ({numbers}) t"));
    database.exec(&format!(
        "insert into account select n, case when n <= {DUE} then 1000000000 else 9000000000 end, 'note' \
         from ({numbers}) t"
    ));
    // Rows that only another row's trigger would take.
    database.exec("insert into account select id + 1000000, 9000000000, 'note' from audit");
}

fn rule() -> Rule {
    Rule::delete("accounts", "account", "since").with("since: { column: since, as: unix_s }")
}

/// Runs one case and returns what is wrong with it.
fn complaints(database: &dyn Database, program: &Program, case: &Case) -> Vec<String> {
    let output = program.call(&["run", "--json"]);
    let mut wrong = vec![];
    let mut check = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!(
                "{}: {}: {what}\n  {}\n  {}",
                database.engine(),
                case.name,
                output.stdout,
                output.stderr
            ));
        }
    };
    check(output.code == case.code, format!("exit code {} instead of {}", output.code, case.code));
    let report = output.stdout.lines().next().and_then(|line| serde_json::from_str(line).ok());
    let report: serde_json::Value = report.unwrap_or_default();
    let ended = (report["verdict"].as_str(), report["cause"].as_str());
    check(
        ended == (Some(case.verdict), Some(case.cause)),
        format!("ended {ended:?}, not {} {}", case.verdict, case.cause),
    );
    check(report["changed"] == json!(0), format!("changed {}", report["changed"]));
    if case.cause != "table_missing" {
        let rows = database.count("select count(*) from account where note = 'note'");
        check(rows == DUE + KEPT + DUE + KEPT, format!("{rows} rows are left"));
    }
    check(database.count("select count(*) from audit") == DUE + KEPT, "rows of audit are gone".into());
    let shown = program.call(&["evidence", "show", "--json"]);
    check(shown.code == 0 || case.cause == "control_tables", format!("evidence show: {}", shown.stderr));
    for entry in if shown.code == 0 { shown.lines() } else { vec![] } {
        let says_success = entry["type"] == "heartbeat" || entry["type"] == "batch" || entry["verdict"] == "clean";
        check(!says_success, format!("evidence says {entry}"));
    }
    wrong
}

fn on_postgres(cases: &[Case]) {
    let mut wrong = vec![];
    for case in cases {
        let database = Postgres::database();
        wrong.extend(complaints(&database, &sabotaged_postgres(&database, case), case));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn sabotaged_postgres(database: &Postgres, case: &Case) -> Program {
    fill(database);
    let Granted { program, role, .. } = granted(database, &[rule()]);
    database.exec(&case.sabotage.replace("{role}", &role).replace("{database}", database.name()));
    program
}

/// What is wrong with one case on MariaDB or MySQL.
fn on_mysql(database: &Mysql, case: &Case) -> Vec<String> {
    complaints(database, &sabotaged_mysql(database, case), case)
}

fn sabotaged_mysql(database: &Mysql, case: &Case) -> Program {
    fill(database);
    let Granted { program, role, .. } = granted(database, &[rule()]);
    let control = database.control_name();
    let sabotage = case.sabotage.replace("{role}", &role).replace("{database}", database.name());
    database.exec(&sabotage.replace("{control}", &control));
    program
}

/// Shows each case of PostgreSQL, and MariaDB's own, with its cause and the program that meets it.
pub(crate) fn sabotaged(mut show: impl FnMut(&str, &str, &Program)) {
    for case in [SIGHT, UNDONE, SETTINGS, CONTROL].into_iter().flatten() {
        let database = Postgres::database();
        show(case.name, case.cause, &sabotaged_postgres(&database, case));
    }
    for case in MARIADB {
        let database = Mysql::on(Product::MariaDb);
        show(case.name, case.cause, &sabotaged_mysql(&database, case));
    }
}

#[test]
fn rows_that_the_role_cannot_see_or_delete() {
    on_postgres(SIGHT);
}

#[test]
fn deletes_that_are_undone_or_do_more_than_said() {
    on_postgres(UNDONE);
}

#[test]
fn settings_of_server_role_and_table() {
    on_postgres(SETTINGS);
}

#[test]
fn control_tables_that_are_missing_emptied_or_of_another_version() {
    on_postgres(CONTROL);
}

#[test]
fn without_sabotage_the_same_run_is_clean() {
    let database = Postgres::database();
    fill(&database);
    let Granted { program, .. } = granted(&database, &[rule()]);
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"], &report["left"]), (&json!("clean"), &json!(DUE), &json!(0)));
    assert_eq!(database.count("select count(*) from account"), KEPT + DUE + KEPT);
    assert_eq!(program.rows_in_evidence(), DUE);
}

const SQLITE: &[Case] = &[
    case(
        "a trigger cancels every delete without an error",
        "create trigger cancel before delete on account begin select raise(ignore); end",
        blocked("trigger_cancels"),
    ),
    case(
        "a trigger deletes in a table that nobody declared",
        "create trigger more after delete on account begin delete from audit where id = old.id; end",
        blocked("effect_differs"),
    ),
    case(
        "a trigger deletes other rows of the same table",
        "create trigger more after delete on account begin delete from account where id = old.id + 1000000; end",
        blocked("effect_differs"),
    ),
    case(
        "a cascade would remove rows of a table without a rule",
        "create table child (id integer primary key, account integer references account (id) on delete cascade);
         insert into child values (1, 1)",
        blocked("cascade"),
    ),
    case("the table is gone", "drop table account", blocked("table_missing")),
    case("the column is gone", "alter table account rename column since to since_2", blocked("column_missing")),
    case("the table of receipts is gone", "drop table forgetd_receipt", blocked("control_tables")),
    case("the control row is gone", "delete from forgetd_control", blocked("control_tables")),
    case(
        "the control tables are of a later version",
        "update forgetd_control set version = version + 1000",
        blocked("control_tables"),
    ),
];

#[test]
fn the_same_on_sqlite() {
    let mut wrong = vec![];
    for case in SQLITE {
        let database = Sqlite::database();
        fill(&database);
        let program = Program::installed(&Policy::new(&database.url()).rule(&rule()));
        database.exec(case.sabotage);
        wrong.extend(complaints(&database, &program, case));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// `{control}` is the control tables' database.
const MYSQL: &[Case] = &[
    case("DELETE is not granted", "revoke delete on {database}.account from {role}", blocked("privilege")),
    case("SELECT is not granted", "revoke select on {database}.account from {role}", blocked("privilege")),
    case("the table is gone", "drop table account", blocked("table_missing")),
    case("the column is gone", "alter table account rename column since to since_2", blocked("column_missing")),
    case(
        "a trigger deletes in a table that nobody declared",
        "create trigger more after delete on account for each row delete from audit where id = old.id",
        blocked("effect_differs"),
    ),
    case(
        "a cascade would remove rows of a table without a rule",
        "create table child (id int primary key, account bigint, \
           foreign key (account) references account (id) on delete cascade);
         insert into child values (1, 1)",
        blocked("cascade"),
    ),
    case(
        "a trigger refuses every delete",
        "create trigger refuse before delete on account for each row signal sqlstate '45000'",
        (3, "partial", "row_refused"),
    ),
    case("the control tables are gone", "drop database {control}", blocked("control_tables")),
    case("the table of receipts is gone", "drop table {control}.receipt", blocked("control_tables")),
    case("the control row is gone", "delete from {control}.control", blocked("control_tables")),
    case(
        "the control tables are of a later version",
        "update {control}.control set version = version + 1000",
        blocked("control_tables"),
    ),
];

const MARIADB: &[Case] = &[
    case("the table keeps what was deleted", "alter table account add system versioning", blocked("history_kept")),
    case(
        "the account's statements end before one row is gone",
        "create trigger slow before delete on account for each row do sleep(0.3);
         alter user {role} with max_statement_time 0.2",
        blocked("statement_timeout"),
    ),
];

#[test]
fn the_same_on_mariadb_and_mysql() {
    let mut wrong = vec![];
    for product in Product::there() {
        let own = if product == Product::MariaDb { MARIADB } else { &[] };
        for case in MYSQL.iter().chain(own) {
            wrong.extend(on_mysql(&Mysql::on(product), case));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_server_that_became_read_only_is_named() {
    let server = Servers::start("mariadb").unwrap();
    let sabotage = "set global read_only = on";
    let wrong = on_mysql(&server.database(), &case("the server only reads", sabotage, blocked("read_only")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A server may be set to check no constraint; the program's sessions do all the same.
#[test]
fn constraints_hold_where_the_server_checks_none() {
    let server = Servers::start("mariadb").unwrap();
    let database = server.database();
    database.exec(
        "create table account (id bigint primary key, since bigint not null, note varchar(9), \
           constraint short check (id <> 7 or length(note) < 3));
         insert into account with recursive t(n) as (select 1 union all select n + 1 from t where n < 9) \
           select n, 1000000000, 'ab' from t;
         insert into account values (100, 9000000000, 'ab');
         set global check_constraint_checks = 0",
    );
    let rule = Rule::transform("accounts", "account", "since", "{ columns: { note: { redact: gone } } }")
        .with("since: { column: since, as: unix_s }");
    let program = Program::installed(&Policy::new(&database.url()).rule(&rule));

    let report = &program.call(&["run", "--json"]).expect(3).lines()[0];

    assert_eq!((&report["verdict"], &report["changed"]), (&json!("partial"), &json!(8)), "{report}");
    assert_eq!(report["skipped"][0], json!({ "cause": "check", "n": 1 }), "{report}");
    assert_eq!(database.value("select note from account where id = 7"), "ab");
}

/// Who may log in and do nothing else lacks a grant; who may not log in cannot reach the database.
#[test]
fn an_account_without_any_right_is_no_server_that_is_away() {
    let mut wrong = vec![];
    let mut ended = |database: &dyn Roles, sabotage: &str, code: i32| {
        fill(database);
        let Granted { program, role, .. } = granted(database, &[rule()]);
        database.exec(&sabotage.replace("{role}", &role).replace("{database}", database.schema().unwrap_or_default()));
        for verb in [&["run", "--json"][..], &["plan"], &["check", "--connect"]] {
            let output = program.call(verb);
            let cause = if code == 4 { "privilege" } else { "unreachable" };
            let said = format!("{}{}", output.stdout, output.stderr);
            if output.code != code || !said.contains(cause) {
                wrong.push(format!("{}: {verb:?}: exit {}\n  {said}", database.engine(), output.code));
            }
        }
    };
    let postgres = Postgres::database();
    let revoke = format!("revoke connect on database {} from public, {{role}}", postgres.name());
    ended(&postgres, &revoke, 4);
    let postgres = Postgres::database();
    ended(&postgres, "alter role {role} nologin", 69);
    for product in Product::there() {
        let database = Mysql::on(product);
        ended(&database, "revoke all privileges, grant option from {role}", 4);
        let database = Mysql::on(product);
        ended(&database, "alter user {role} identified by 'other'", 69);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Values that are no time in the rule's form are never due; a run that finds nothing else is not silent about them.
#[test]
fn values_that_are_no_time_are_said_by_the_run_itself() {
    let database = Sqlite::database();
    database.exec("create table account (id integer primary key, since text)");
    database.exec("insert into account (since) values ('2020-01-01 12:00:00')");
    let rule = Rule::delete("accounts", "account", "since")
        .with("since: { column: since, as: iso8601 }")
        .with("when_null: keep");
    let program = Program::installed(&Policy::new(&database.url()).rule(&rule));

    let output = program.call(&["run", "--json"]).expect(0);

    assert!(output.stderr.contains("since_unreadable"), "{}", output.stderr);
    assert_eq!(database.count("select count(*) from account"), 1);
}
