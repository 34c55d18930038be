//! An older state of the database put back under us: noticed wherever something outside remembers, and never acted on
//! before a person has looked.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::checkpoints::Checkpoints;
use super::harness::{Database, Policy, Postgres, Program, Sqlite, server_bin};
use super::shop;

const FRESH: u64 = 10;

/// Runs twice, with a backup between the runs, puts the backup back, and goes through everything that must follow.
fn scenario(database: &dyn Database, policy: &Policy, backup: impl FnOnce() -> Box<dyn FnOnce()>) {
    shop::create(database, 300, FRESH);
    let mut seen = Checkpoints::default();
    let program = Program::installed(policy);
    seen.printed(&program.call(&["run", "--json"]).expect(0));
    seen.exported(&program);
    let put_back = backup();
    shop::add(database, 1_000, 200, 40);
    seen.printed(&program.call(&["run", "--json"]).expect(0));
    seen.exported(&program);
    assert_eq!(shop::rows(database), FRESH);

    put_back();
    shop::add(database, 2_000, 50, 40);
    let before = shop::rows(database);
    for _ in 0..2 {
        let blocked = program.call(&["run", "--json"]).expect(4);
        seen.printed(&blocked);
        let report: &Value = &blocked.lines()[0];
        assert_eq!((&report["verdict"], &report["cause"]), (&"blocked".into(), &"restored".into()), "{report}");
        assert_eq!(report["changed"], 0);
        assert_eq!(shop::rows(database), before, "zero rows changed");
    }

    let approve = ["approve", "--restored", "--reason", "the nightly dump was put back"];
    seen.printed(&program.call(&approve).expect(0));
    assert_eq!(shop::rows(database), before, "approving deletes nothing");
    let report = program.call(&["run", "--json"]).expect(0);
    seen.printed(&report);
    assert_eq!((&report.lines()[0]["verdict"], shop::rows(database)), (&"clean".into(), FRESH));
    seen.exported(&program);
    seen.stored(program.folder());
    let recovery = program.entries("recovery");
    assert!(recovery.iter().any(|entry| entry["reason"] == "the nightly dump was put back"), "{recovery:?}");
    assert_eq!(program.run(0)["changed"], 0, "it goes on without anybody");
    seen.one_history();
}

/// Copies a SQLite file with its log, as a backup that was taken while nobody wrote.
pub(crate) fn file_backup(database: &Sqlite) -> Box<dyn FnOnce()> {
    database.rows("pragma wal_checkpoint(truncate)");
    let path = database.path();
    let copy = path.with_extension("backup");
    std::fs::copy(&path, &copy).unwrap();
    Box::new(move || {
        for ending in ["db", "db-wal", "db-shm"] {
            drop(std::fs::remove_file(path.with_extension(ending)));
        }
        std::fs::copy(&copy, &path).unwrap();
    })
}

/// The same where the backup is copied over the very file, beside which nothing of the old state is left.
pub(crate) fn copied_over(database: &Sqlite) -> Box<dyn FnOnce()> {
    database.rows("pragma wal_checkpoint(truncate)");
    let path = database.path();
    let copy = path.with_extension("backup");
    std::fs::copy(&path, &copy).unwrap();
    Box::new(move || {
        for ending in ["db-wal", "db-shm"] {
            drop(std::fs::remove_file(path.with_extension(ending)));
        }
        std::fs::copy(&copy, &path).unwrap();
    })
}

#[test]
fn a_second_database_remembers_a_file() {
    let (database, second) = (Sqlite::database(), Sqlite::database());
    let policy = with_second(&database, &second);
    scenario(&database, &policy, || file_backup(&database));
}

#[test]
fn a_second_database_remembers_a_server() {
    let (database, second) = (Postgres::database(), Postgres::database());
    let policy = with_second(&database, &second);
    scenario(&database, &policy, || dump(&database));
}

/// A second database that no rule works on: it keeps a copy of the head.
fn with_second(database: &dyn Database, second: &dyn Database) -> Policy {
    shop::ruled_by(database, "5s", &shop::rule().with("database: main"))
        .database(&format!("second:\n    url: {}", second.url()))
}

#[test]
fn a_folder_elsewhere_remembers_a_file() {
    let database = Sqlite::database();
    let elsewhere = tempfile::tempdir().unwrap();
    let remember = format!("remember: {{ dir: {} }}", elsewhere.path().display());
    let policy = shop::policy(&database, "5s").evidence(&remember);
    scenario(&database, &policy, || file_backup(&database));
}

#[test]
fn a_folder_elsewhere_remembers_a_server() {
    let database = Postgres::database();
    let elsewhere = tempfile::tempdir().unwrap();
    let remember = format!("remember: {{ dir: {} }}", elsewhere.path().display());
    let policy = shop::policy(&database, "5s").evidence(&remember);
    scenario(&database, &policy, || dump(&database));
}

#[test]
fn postgres_alone_notices_that_its_tables_were_made_anew() {
    let database = Postgres::database();
    let policy = shop::policy(&database, "5s");
    scenario(&database, &policy, || dump(&database));
}

#[test]
fn a_restore_before_the_first_change_of_the_second_run_is_noticed_too() {
    // The same number of entries as in the dump: only the place of the head row tells.
    let database = Postgres::database();
    shop::create(&database, 300, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s"));
    program.run(0);
    dump(&database)();
    shop::add(&database, 2_000, 50, 40);
    assert_eq!(program.run(4)["cause"], "restored");
    assert_eq!(shop::rows(&database), 50 + FRESH);
}

#[test]
fn a_file_alone_cannot_know_and_says_so() {
    let database = Sqlite::database();
    shop::create(&database, 300, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s"));
    program.run(0);
    let found = |program: &Program| {
        let check = program.call(&["check", "--connect", "--json"]).object();
        let findings = check["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["id"] == "evidence_unanchored")
    };
    let finding = found(&program).expect("the finding is shown");
    assert!(!finding["fix"].as_str().unwrap().is_empty(), "{finding}");
    // The copy that a finding asks for takes it away.
    let elsewhere = tempfile::tempdir().unwrap();
    let remember = format!("remember: {{ dir: {} }}", elsewhere.path().display());
    program.policy(&shop::policy(&database, "5s").evidence(&remember));
    program.run(0);
    assert_eq!(found(&program), None);
}

#[test]
fn what_was_kept_elsewhere_proves_a_rollback_of_a_file() {
    let database = Sqlite::database();
    shop::create(&database, 300, FRESH);
    let program = Program::installed(&shop::policy(&database, "5s"));
    program.run(0);
    let put_back = file_backup(&database);
    shop::add(&database, 1_000, 200, 40);
    program.run(0);
    let kept = program.path("kept");
    program.call(&["evidence", "export", kept.to_str().unwrap()]).expect(0);
    put_back();
    let since = kept.join("checkpoint");
    let verified = program.call(&["evidence", "verify", "--json", "--since", since.to_str().unwrap()]).expect(11);
    assert_eq!(verified.object()["verdict"], "rolled_back");
}

#[test]
fn a_database_put_back_beside_an_intact_log_is_named_and_goes_on_after_approval() {
    let (home, crm) = (Sqlite::database(), Sqlite::database());
    shop::create(&crm, 300, FRESH);
    let mut seen = Checkpoints::default();
    let policy = Policy::new(&home.url())
        .database(&format!("crm:\n    url: {}", crm.url()))
        .rule(&shop::rule().with("database: crm"));
    let program = Program::installed(&policy);
    seen.printed(&program.call(&["run", "--json"]).expect(0));
    let put_back = file_backup(&crm);
    shop::add(&crm, 1_000, 200, 40);
    seen.printed(&program.call(&["run", "--json"]).expect(0));
    put_back();
    shop::add(&crm, 2_000, 50, 40);
    let blocked = program.call(&["run", "--json"]).expect(4);
    assert_eq!(blocked.lines()[0]["cause"], "restored");
    assert!(blocked.lines()[0]["detail"].as_str().unwrap().starts_with("crm"), "{}", blocked.stdout);
    assert_eq!(shop::rows(&crm), 50 + FRESH, "zero rows changed");

    let approve = ["approve", "--restored", "--reason", "crm was put back"];
    seen.printed(&program.call(&approve).expect(0));
    seen.printed(&program.call(&["run", "--json"]).expect(0));
    assert_eq!((shop::rows(&crm), program.rows_in_evidence()), (FRESH, 550), "one log holds all of it");
    assert_eq!(program.entries("recovery").len(), 2, "one for the log, one for the database");
    seen.exported(&program);
    seen.one_history();
}

/// `pg_dump` now, `pg_restore --clean` later.
pub(crate) fn dump(database: &Postgres) -> Box<dyn FnOnce()> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump");
    let url = database.url();
    tool("pg_dump", &["--format=custom", "--file"], &file, &url);
    Box::new(move || {
        tool(
            "pg_restore",
            &["--clean", "--if-exists", "--exit-on-error", "--dbname"],
            Path::new(&url),
            file.to_str().unwrap(),
        );
        drop(folder);
    })
}

fn tool(name: &str, args: &[&str], first: &Path, second: &str) {
    let output = Command::new(server_bin().join(name)).args(args).arg(first).arg(second).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}
