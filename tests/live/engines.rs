//! Products that no test can have a server of: refused by name, or worked with where the operator accepts that. PostgreSQL
//! plays Aurora once it has Aurora's function, and Neon once a setting of Neon's is there.

use super::harness::{Database as _, Postgres, Program};
use super::shop;

const DUE: u64 = 200;
const FRESH: u64 = 50;

fn aurora() -> Postgres {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    database.exec("create function pg_catalog.aurora_version() returns text language sql as $$ select '16.4'::text $$");
    database
}

#[test]
fn an_untested_product_is_refused_by_its_name_before_anything_is_done() {
    let database = aurora();
    let program = Program::new(&shop::uncoordinated(&database));
    for call in [&["check", "--connect"][..], &["install"], &["run"], &["plan"]] {
        let output = program.call(call).expect(4);
        let said = format!("{}{}", output.stdout, output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["Aurora PostgreSQL was never tested", "`unsupported_engine: accept` under `databases.main`"] {
            assert!(said.contains(part), "{call:?}: {said}");
        }
    }
    assert_eq!(database.count("select count(*) from pg_namespace where nspname = 'forgetd'"), 0);
    assert_eq!(shop::rows(&database), DUE + FRESH);
}

#[test]
fn an_accepted_product_is_worked_with_and_stays_to_be_seen() {
    let database = aurora();
    let program = Program::installed(&shop::uncoordinated(&database).with("unsupported_engine: accept"));
    for call in [&["check", "--connect"][..], &["plan"]] {
        let output = program.call(call).expect(0);
        assert!(output.stdout.contains("engine_untested"), "{call:?}: {}", output.stdout);
    }
    let output = program.call(&["run", "--json"]).expect(0);
    assert_eq!(output.lines()[0]["changed"], DUE);
    assert!(output.stderr.contains("engine_untested"), "the run's log: {}", output.stderr);
    let status = program.call(&["status"]).expect(0).stdout;
    assert!(status.contains("Aurora PostgreSQL was never tested"), "{status}");
    let started = program.entries("run.started");
    let server = started[0]["server"].as_str().unwrap();
    assert!(server.starts_with("Aurora PostgreSQL ") && server.ends_with("(never tested, accepted)"), "{server}");
    assert_eq!(shop::rows(&database), FRESH);
}

/// A tested product says nothing of all that.
#[test]
fn a_setting_of_a_product_tells_it_too_and_a_tested_one_says_nothing() {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let accepting = shop::uncoordinated(&database).with("unsupported_engine: accept");
    let program = Program::installed(&accepting);
    let check = program.call(&["check", "--connect"]).expect(0).stdout;
    assert!(!check.contains("engine_untested") && check.contains("PostgreSQL"), "{check}");
    database
        .exec(&format!("alter database {} set neon.timeline_id = 'de200bd42b49cc1814412c7e592dd6e9'", database.name()));
    let check = program.call(&["check", "--connect"]).expect(0).stdout;
    assert!(check.contains("engine_untested") && check.contains("Neon was never tested"), "{check}");
}
