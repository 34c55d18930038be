//! What changes while it serves: the configuration, and the database under it.

use super::{DUE, FRESH, LEASE, SELDOM, open_shop, serve, status, until_held};
use crate::harness::{Database, Postgres, Process, Program, Sqlite, until};
use crate::shop;

fn rewritten(program: &Program, database: &dyn Database, keep_for: &str) {
    let rule = shop::rule().with(SELDOM).with(&format!("keep_for: {keep_for}"));
    program.policy(&shop::ruled_by(database, LEASE, &rule));
}

#[test]
fn a_changed_file_is_in_force_and_a_broken_one_is_not() {
    let database = Sqlite::database();
    let program = open_shop(&database, SELDOM);
    let process = serve(&program);
    until_held(&program);
    // Rows of 20 days are not due under the old rule, and are under the new one.
    rewritten(&program, &database, "10d");
    process.signal("HUP");
    until("the new rule is in force", 30, || {
        // The whole table is due under it: that needs somebody's word.
        program.call(&["run", "--json"]).lines().first().is_some_and(|report| report["cause"] == "whole_table_due")
    });
    program.write("forgetd.yaml", "version: 1\nrules: [");
    process.signal("HUP");
    // The one before stays in force: the holder still answers, and what it is asked is refused for the same reason.
    rewritten(&program, &database, "30d");
    until("the old rule is back", 30, || {
        program.call(&["run", "--json"]).lines().first().is_some_and(|report| report["changed"] == DUE)
    });
    assert_eq!(shop::rows(&database), FRESH);
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(ended.stderr.contains("rule changed"), "{}", ended.stderr);
}

/// A sidecar stays whatever is wrong, and works when it was mended; by itself it ends with 78.
#[test]
fn a_broken_configuration_ends_it_only_where_nobody_else_depends_on_it() {
    let database = Sqlite::database();
    let program = open_shop(&database, SELDOM);
    let good = std::fs::read_to_string(program.path("forgetd.yaml")).unwrap();
    program.write("forgetd.yaml", "version: 1\nrules: [");
    let alone = program.call(&["serve", "--listen", "127.0.0.1:0"]).expect(78);
    assert!(alone.stderr.contains("forgetd.yaml:2"), "{}", alone.stderr);
    let mut sidecar = program.start(&["serve", "--mode", "sidecar", "--listen", "127.0.0.1:0"]);
    assert!(sidecar.runs());
    program.write("forgetd.yaml", &good);
    until_held(&program);
    assert!(sidecar.runs());
    sidecar.signal("TERM");
    sidecar.wait().expect(0);
}

/// The password changes, and every session of the old one is ended: the file is read again.
#[test]
fn a_rotated_password_is_read_from_its_file() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let rule = shop::rule().with(SELDOM);
    let text = shop::ruled_by(&database, LEASE, &rule).yaml();
    let url = database.url();
    let program = Program::installed(&shop::ruled_by(&database, LEASE, &rule));
    // The same address, from a file.
    program.write("url", &url);
    program.write("forgetd.yaml", &text.replace(&format!("url: {url}"), "url: { file: url }"));
    let process = serve(&program);
    until_held(&program);
    program.write("url", "postgres://nobody@127.0.0.1:1/none");
    // Every connection of the daemon goes; the next one is made from the file.
    database.exec(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = current_database() and pid <> pg_backend_pid()",
    );
    let mut alive: Process = process;
    assert!(alive.runs());
    program.write("url", &url);
    until_held(&program);
    program.call(&["run"]).expect(0);
    assert_eq!(shop::rows(&database), FRESH);
    assert_eq!(status(&program)["verdict"], "clean");
    alive.signal("TERM");
    alive.wait().expect(0);
}
