//! The role that `install --print` describes: enough, and each of its grants is needed and missed by name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Database, Granted, Postgres, Program, Rule, granted};

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

/// Single privileges of a list of GRANT statements, each as (privilege, object).
fn single(grants: &[String]) -> Vec<(String, String)> {
    let mut all = vec![];
    for grant in grants {
        let text = grant.split_whitespace().collect::<Vec<_>>().join(" ");
        let lower = text.to_lowercase();
        let on = lower.find(" on ").expect("a grant names its object");
        let to = lower.rfind(" to ").expect("a grant names its role");
        let object = &text[on + 4..to];
        for privilege in split_outside_parentheses(&text["grant ".len()..on]) {
            all.push((privilege, object.to_owned()));
        }
    }
    all
}

fn split_outside_parentheses(list: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in list.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// What `check --connect` has against going on, as (id, place).
fn red(program: &Program) -> BTreeSet<(String, String)> {
    let checked = program.call(&["check", "--connect", "--json"]);
    let object = checked.object();
    let errors = object["findings"].as_array().expect("findings").iter().filter(|f| f["severity"] == "error");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let red: BTreeSet<_> = errors.map(|finding| (text(&finding["id"]), text(&finding["place"]))).collect();
    assert_eq!(checked.code, if red.is_empty() { 0 } else { 4 }, "{}", checked.stdout);
    red
}

#[test]
fn the_main_job_works_under_exactly_the_printed_grants() {
    let database = Postgres::database();
    fill(&database);
    let Granted { program, role, .. } = granted(&database, &rules());
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
    assert_eq!(
        database.rows(&format!("select rolsuper, rolbypassrls, rolcreatedb from pg_roles where rolname = '{role}'")),
        [vec![Some("f".to_owned()); 3]]
    );
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
