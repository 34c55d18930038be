//! The example `examples/mysql-forum`, as its README has it, on both products.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Database, Mysql, Policy, Program};

const README: &[&[&str]] = &[&["install", "--print"], &["install"], &["check", "--connect"], &["plan"], &["approve"]];

fn program(database: &Mysql) -> Program {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mysql-forum");
    let read = |name: &str| std::fs::read_to_string(example.join(name)).unwrap();
    database.exec(&read("forum.sql"));
    let program = Program::new(&Policy::new(&database.url()));
    program.write("forum-url", &database.url());
    program.write(
        "forgetd.yaml",
        &read("forgetd.yaml").replace("name: forgetd }", &format!("name: {} }}", database.control_name())),
    );
    std::fs::create_dir(program.path("remember")).unwrap();
    let key = program.path("people.key");
    program.call(&["keys", "new", "pseudonym", "--domain", "forum-people", "--out", key.to_str().unwrap()]).expect(0);
    program
}

#[test]
fn the_forum_forgets_on_both_products_alike() {
    let mut survivors = vec![];
    for database in Mysql::each() {
        let engine = database.engine();
        let program = program(&database);
        let touched = database.rows("select id, updated_at from member order by id");
        for args in README {
            program.call(args).expect(0);
        }
        let reports = program.call(&["run", "--json"]).expect(0).lines();
        assert_eq!(reports.len(), 6, "{engine}");
        for report in &reports {
            assert_eq!(report["verdict"], "clean", "{engine}: {report}");
            assert!(report["changed"].as_u64().unwrap() > 0, "{engine}: {report}");
        }
        assert_eq!(database.rows("select id, updated_at from member order by id"), touched, "{engine}");
        let forgotten = "select count(*) from member where email like 'fg1%@pseudonym.invalid' and nick is null";
        assert!((89..=91).contains(&database.count(forgotten)), "{engine}");
        let views: Vec<Value> = entries(&program, "page-views");
        assert!(!views.is_empty() && views.iter().all(|entry| entry["sealed"].is_object()), "{engine}: {views:?}");
        assert!(entries(&program, "sessions").iter().all(|entry| entry["sealed"].is_null()), "{engine}");

        for report in program.call(&["run", "--json"]).expect(0).lines() {
            assert_eq!((&report["verdict"], &report["changed"]), (&"clean".into(), &0.into()), "{engine}: {report}");
        }
        let ids = |table: &str| database.rows(&format!("select hex(id) from {table} order by id"));
        survivors.push(["draft", "thread", "post", "member"].map(ids));
    }
    assert!(survivors.iter().all(|other| *other == survivors[0]));
}

/// The batches of a rule.
fn entries(program: &Program, rule: &str) -> Vec<Value> {
    program.entries("batch").into_iter().filter(|entry| entry["rule"] == rule).collect()
}
