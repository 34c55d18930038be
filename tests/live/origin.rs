//! One origin has one history: a log that was lost, emptied or put back never begins anew under its name.

use std::path::Path;

use serde_json::Value;

use super::checkpoints::Checkpoints;
use super::harness::{Database, Output, Policy, Postgres, Program, Sqlite, every_engine};
use super::shop;

/// A log in a folder, with a process that promises to be alone.
fn in_folder(database: &dyn Database) -> Policy {
    shop::uncoordinated(database).evidence("store: { dir: evidence }")
}

fn run(program: &Program, seen: &mut Checkpoints) -> Output {
    let output = program.call(&["run", "--json"]);
    seen.printed(&output);
    seen.stored(program.folder());
    output
}

/// Nothing ran, with exit code 4 and one of the two causes that say why.
#[track_caller]
fn refused(output: &Output) {
    assert_eq!(output.code, 4, "stdout: {}\nstderr: {}", output.stdout, output.stderr);
    let report: &Value = &output.lines()[0];
    assert_eq!((&report["verdict"], &report["changed"]), (&"blocked".into(), &0.into()), "{report}");
    assert!(["restored", "evidence"].contains(&report["cause"].as_str().unwrap()), "{report}");
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_lost_folder_is_no_new_beginning_and_is_rebuilt_from_receipts() {
    every_engine(|database| {
        shop::create(database, 300, 10);
        let mut seen = Checkpoints::default();
        let program = Program::installed(&in_folder(database));
        let folder = program.path("evidence");
        run(&program, &mut seen).expect(0);
        shop::add(database, 1_000, 200, 40);
        run(&program, &mut seen).expect(0);
        let checkpoint = std::fs::read(folder.join("checkpoint")).unwrap();

        std::fs::remove_dir_all(&folder).unwrap();
        shop::add(database, 2_000, 50, 40);
        refused(&run(&program, &mut seen));
        assert!(!folder.join("checkpoint").exists(), "no log begins where one was lost");
        assert_eq!(shop::rows(database), 60, "zero rows changed");

        let recovered = program.call(&["evidence", "recover"]).expect(0);
        seen.printed(&recovered);
        assert_eq!(std::fs::read(folder.join("checkpoint")).unwrap(), checkpoint, "the identical root, signed alike");
        program.call(&["evidence", "verify", folder.to_str().unwrap()]).expect(0);
        let report = run(&program, &mut seen).expect(0);
        assert_eq!(report.lines()[0]["changed"], 50);
        assert_eq!(program.rows_in_evidence(), 550);
        seen.one_history();
    });
}

#[test]
fn an_older_copy_of_the_folder_is_noticed_and_rebuilt() {
    every_engine(|database| {
        shop::create(database, 300, 10);
        let mut seen = Checkpoints::default();
        let program = Program::installed(&in_folder(database));
        let (folder, older) = (program.path("evidence"), program.path("older"));
        run(&program, &mut seen).expect(0);
        copy(&folder, &older);
        shop::add(database, 1_000, 200, 40);
        run(&program, &mut seen).expect(0);
        let checkpoint = std::fs::read(folder.join("checkpoint")).unwrap();

        std::fs::remove_dir_all(&folder).unwrap();
        copy(&older, &folder);
        shop::add(database, 2_000, 50, 40);
        refused(&run(&program, &mut seen));
        assert_eq!(shop::rows(database), 60, "zero rows changed");

        seen.printed(&program.call(&["evidence", "recover"]).expect(0));
        assert_eq!(std::fs::read(folder.join("checkpoint")).unwrap(), checkpoint);
        run(&program, &mut seen).expect(0);
        assert_eq!(program.rows_in_evidence(), 550);
        seen.one_history();
    });
}

#[test]
fn an_emptied_log_in_a_database_is_no_new_beginning() {
    every_engine(|database| {
        shop::create(database, 300, 10);
        let mut seen = Checkpoints::default();
        let program = Program::installed(&shop::policy(database, "5s"));
        run(&program, &mut seen).expect(0);
        seen.exported(&program);
        for table in ["log_leaf", "log_object", "log_head"] {
            database.exec(&format!("delete from {}", database.control_table(table)));
        }
        shop::add(database, 2_000, 50, 40);
        refused(&run(&program, &mut seen));
        refused(&run(&program, &mut seen));
        seen.exported(&program);
        assert_eq!(shop::rows(database), 60, "zero rows changed");
        // A person decides: the log goes on under a new origin that names the old one's end.
        let approved = program.call(&["approve", "--restored", "--reason", "the log tables were emptied"]).expect(0);
        seen.printed(&approved);
        run(&program, &mut seen).expect(0);
        seen.exported(&program);
        assert_eq!(shop::rows(database), 10);
        let recovery = program.entries("recovery");
        assert!(!recovery.is_empty());
        seen.one_history();
    });
}

#[test]
fn a_log_put_back_row_by_row_is_noticed_by_its_receipts() {
    // A database whose log tables alone were put back: its own receipts remember more.
    let database = Sqlite::database();
    shop::create(&database, 300, 10);
    let mut seen = Checkpoints::default();
    let program = Program::installed(&shop::policy(&database, "5s"));
    run(&program, &mut seen).expect(0);
    seen.exported(&program);
    for table in ["log_leaf", "log_object", "log_head"] {
        database.exec(&format!("create table old_{table} as select * from forgetd_{table}"));
    }
    shop::add(&database, 1_000, 200, 40);
    run(&program, &mut seen).expect(0);
    seen.exported(&program);
    for table in ["log_leaf", "log_object", "log_head"] {
        database.exec(&format!("delete from forgetd_{table}; insert into forgetd_{table} select * from old_{table}"));
    }
    shop::add(&database, 2_000, 50, 40);
    refused(&run(&program, &mut seen));
    seen.exported(&program);
    assert_eq!(shop::rows(&database), 60, "zero rows changed");
    seen.one_history();
}

#[test]
fn a_kill_anywhere_in_the_relay_leaves_one_history() {
    for store in ["database", "folder"] {
        for fault in [
            "relay.publish.before",
            "relay.publish.after",
            "relay.checkpoint.before",
            "relay.checkpoint.after",
            "relay.ack.before",
            "relay.ack.after",
        ] {
            let database = Postgres::database();
            shop::create(&database, 300, 10);
            let mut seen = Checkpoints::default();
            let policy = if store == "folder" { in_folder(&database) } else { shop::policy(&database, "2s") };
            let program = Program::installed(&policy);
            run(&program, &mut seen);
            shop::add(&database, 1_000, 200, 40);
            let killed = shop::start_with_fault(&program, &["run", "--json"], &format!("{fault}=kill")).wait();
            assert_eq!(killed.code, -1, "{store} {fault}: {}", killed.stderr);
            seen.printed(&killed);
            seen.stored(program.folder());
            let resumed = program.call(&["run", "--json", "--wait", "60s"]).expect(0);
            seen.printed(&resumed);
            seen.stored(program.folder());
            seen.exported(&program);
            assert_eq!((shop::rows(&database), program.rows_in_evidence()), (10, 500), "{store} {fault}");
            seen.one_history();
        }
    }
}

#[test]
fn another_key_or_origin_never_begins_a_second_log() {
    every_engine(|database| {
        for what in ["key", "origin"] {
            shop::create(database, 300, 10);
            let mut seen = Checkpoints::default();
            let policy = shop::policy(database, "5s");
            let program = Program::installed(&policy);
            run(&program, &mut seen).expect(0);
            seen.exported(&program);
            let key = std::fs::read(program.path("evidence.key")).unwrap();
            shop::add(database, 2_000, 50, 40);
            match what {
                "key" => {
                    std::fs::remove_file(program.path("evidence.key")).unwrap();
                    let path = program.path("evidence.key");
                    program.call(&["keys", "new", "evidence", "--out", path.to_str().unwrap()]).expect(0);
                }
                _ => exchange(&program, "example.com/forgetd/live", "example.com/forgetd/other"),
            }
            let output = run(&program, &mut seen);
            assert_ne!(output.code, 0, "{} {what}: {}", database.engine(), output.stdout);
            assert_eq!(shop::rows(database), 60, "{what}: zero rows changed\n{}", output.stderr);
            // Put right, it goes on as if nothing had been.
            std::fs::write(program.path("evidence.key"), key).unwrap();
            program.policy(&policy);
            run(&program, &mut seen).expect(0);
            seen.exported(&program);
            assert_eq!((shop::rows(database), program.rows_in_evidence()), (10, 350), "{what}");
            seen.one_history();
            shop::drop_everything(database);
        }
    });
}

#[test]
fn another_instance_with_the_same_origin_goes_on_with_the_one_log() {
    every_engine(|database| {
        shop::create(database, 300, 10);
        let mut seen = Checkpoints::default();
        let program = Program::installed(&shop::policy(database, "5s"));
        run(&program, &mut seen).expect(0);
        for (n, (old, new)) in [("live", "other"), ("other", "live")].into_iter().enumerate() {
            exchange(&program, &format!("instance: {old}"), &format!("instance: {new}"));
            shop::add(database, 2_000 + n as u64 * 100, 50, 40);
            run(&program, &mut seen).expect(0);
            seen.exported(&program);
        }
        assert_eq!((shop::rows(database), program.rows_in_evidence()), (10, 400));
        seen.one_history();
    });
}

fn exchange(program: &Program, old: &str, new: &str) {
    let path = program.path("forgetd.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(old));
    std::fs::write(path, text.replace(old, new)).unwrap();
}
