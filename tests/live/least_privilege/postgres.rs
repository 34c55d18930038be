//! On PostgreSQL: each grant is needed and missed by name, too.

use std::collections::BTreeSet;

use serde_json::json;
use tokio_postgres::error::SqlState;

use super::{Privilege, privileges, red, single, went_on, whole_way};
use crate::harness::{Database, Granted, Postgres, Roles as _, Rule, Session, granted};

/// A table with a child that keeps some rows and a child that goes along, in a schema of its own.
fn fill(database: &Postgres) {
    database.exec(
        "create schema app;
         create table app.visit (id bigint primary key, since timestamptz, seen timestamptz not null, state text);
         create table app.hit (id bigint primary key, visit bigint references app.visit (id) on delete cascade,
                               seen timestamptz not null);
         create table app.note (id bigint primary key, visit bigint references app.visit (id));
         insert into app.visit select n, case when n % 3 > 0 then timestamptz '2020-01-01' end,
                               timestamptz '2020-02-02', case when n % 2 = 0 then 'closed' else 'open' end
                               from generate_series(1, 3000) n;
         insert into app.hit select n, n, case when n <= 1000 then timestamptz '2019-01-01' else now() end
                               from generate_series(1, 3000) n;
         insert into app.note values (1, 100)",
    );
}

fn rules() -> [Rule; 2] {
    [
        Rule::delete("visits", "app.visit", "since").with("when_null: { use: seen }").with("where: { state: closed }"),
        Rule::delete("hits", "app.hit", "seen"),
    ]
}

#[test]
fn the_main_job_works_under_exactly_the_printed_grants() {
    let database = Postgres::database();
    fill(&database);
    let Granted { program, .. } = granted(&database, &rules());
    assert_eq!(red(&program), BTreeSet::new());

    let reports = program.call(&["run", "--json"]).expect(3).lines();

    // Children act before their parents, whatever their names are.
    assert_eq!((&reports[0]["rule"], &reports[0]["verdict"]), (&json!("hits"), &json!("clean")), "{}", reports[0]);
    assert_eq!(reports[0]["changed"], json!(1_000), "{}", reports[0]);
    assert_eq!((&reports[1]["rule"], &reports[1]["verdict"]), (&json!("visits"), &json!("partial")), "{}", reports[1]);
    assert_eq!(reports[1]["skipped"], json!([{ "cause": "foreign_key", "n": 1 }]));
    assert_eq!((&reports[1]["changed"], &reports[1]["left"]), (&json!(499), &json!(1)), "{}", reports[1]);
    assert_eq!(database.count("select count(*) from app.visit"), 2_501);
    assert_eq!(database.count("select count(*) from app.hit where id <= 1000"), 0);
    assert_eq!(database.count("select count(*) from app.hit"), 2_000, "hits that are kept hold their visits");
    assert_eq!(program.rows_in_evidence(), 1_499);
}

#[test]
fn revoking_any_single_grant_turns_exactly_one_check_red() {
    let database = Postgres::database();
    fill(&database);
    // Nothing is that old: each run only finds out whether it could.
    let Granted { program, role, grants } = granted(&database, &rules().map(|rule| rule.with("keep_for: 900y")));
    let grants = single(&grants);
    assert!(grants.len() >= 10, "{grants:?}");
    let mut wrong = vec![];
    for (privilege, object) in &grants {
        database.exec(&format!("revoke {privilege} on {object} from {role}"));
        let seen = red(&program);
        if seen.len() != 1 {
            wrong.push(format!("without {privilege} on {object}: {seen:?}"));
        }
        let ended = program.call(&["run", "--json"]);
        if ![4, 5].contains(&ended.code) {
            wrong.push(format!("without {privilege} on {object} a run ends {}: {}", ended.code, ended.stdout));
        }
        database.exec(&format!("grant {privilege} on {object} to {role}"));
        let seen = red(&program);
        if !seen.is_empty() {
            wrong.push(format!("with {privilege} on {object} again: {seen:?}"));
        }
    }
    println!("note: {} single grants, each missed by name", grants.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the server says that a role was granted, on schemas, tables and columns.
fn held(database: &Postgres, role: &str) -> BTreeSet<Privilege> {
    let rows = database.rows(&format!(
        "with relation as (select c.oid, c.relacl, n.nspname || '.' || c.relname as name
                             from pg_class c join pg_namespace n on n.oid = c.relnamespace)
         select lower(x.privilege_type), x.object, x.attribute
           from (select (aclexplode(nspacl)).*, 'schema ' || nspname as object, '' as attribute from pg_namespace
                 union all select (aclexplode(relacl)).*, name, '' from relation
                 union all select (aclexplode(attacl)).*, name, attname
                             from pg_attribute join relation on oid = attrelid) x
          where x.grantee = '{role}'::regrole"
    ));
    let text = |cell: &Option<String>| cell.clone().expect("no null");
    rows.iter().map(|row| (text(&row[0]), text(&row[1]), text(&row[2]))).collect()
}

#[test]
fn the_role_goes_the_whole_way_and_can_do_nothing_else() {
    let database = Postgres::database();
    fill(&database);
    // Rows that others hold on to would make its run partial, which is another test.
    database.exec("truncate app.note; delete from app.hit where id > 1001; create table app.payment (id int)");
    let Granted { program, role, grants } = granted(&database, &rules());
    assert_eq!(held(&database, &role), privileges(&grants), "what was printed, and nothing else, was granted");

    assert_eq!(whole_way(&program), [("hits".to_owned(), 1_000), ("visits".to_owned(), 1_500)]);

    let may = "rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication";
    let role_is = database.rows(&format!("select {may} from pg_roles where rolname = '{role}'"));
    assert_eq!(role_is, [vec![Some("f".to_owned()); 5]], "{may}");
    assert_eq!(database.count(&format!("select count(*) from pg_auth_members where member = '{role}'::regrole")), 0);
    let owned = "select count(*) from pg_shdepend where deptype = 'o' and refobjid";
    assert_eq!(database.count(&format!("{owned} = '{role}'::regrole")), 0, "it owns nothing");
    let session = Session::open(&database.url_as(&role));
    for beyond in [
        "select * from app.payment",
        "update app.visit set state = 'open'",
        "insert into app.visit (id, seen) values (0, now())",
        "truncate app.visit",
        "alter table app.visit add column mine int",
        "create index on app.visit (seen)",
        "create table app.mine (id int)",
        "create table forgetd.mine (id int)",
        "truncate forgetd.receipt",
        "drop table forgetd.log_leaf",
        "delete from forgetd.log_leaf",
        "create schema mine",
        "create role mine",
        "set role postgres",
    ] {
        let code = session.attempt(beyond).expect_err(beyond).code().cloned();
        assert_eq!(code, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{beyond}");
    }
    went_on("postgres");
}
