//! The first command of the README: in an empty folder, without a database server, a key or a network.

use std::path::Path;
use std::process::Command;

use super::harness::{Output, Process};

fn forgetd(folder: &Path, args: &[&str]) -> Output {
    Process::spawn(Command::new(env!("CARGO_BIN_EXE_forgetd")).args(args).current_dir(folder)).wait()
}

/// Rows that the evidence in a folder says were changed.
fn changed_in(folder: &Path) -> u64 {
    let shown = forgetd(folder, &["--config", "forgetd-demo/forgetd.yaml", "evidence", "show", "--json"]).expect(0);
    let changed = |entry: &serde_json::Value| entry["changed"].as_u64().unwrap();
    shown.lines().iter().filter(|entry| entry["type"] == "batch").map(changed).sum()
}

#[test]
fn it_shows_the_whole_way_and_changes_nothing_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = forgetd(folder, &["demo"]).expect(0);
    for name in [
        "evidence/checkpoint",
        "evidence/log.vkey",
        "tampered/checkpoint",
        "forgetd.yaml",
        "crm.db",
        "newsletter.db",
        "people.key",
    ] {
        assert!(folder.join("forgetd-demo").join(name).exists(), "{name}\n{}", first.stdout);
    }
    forgetd(folder, &["evidence", "verify", "forgetd-demo/evidence"]).expect(0);
    forgetd(folder, &["evidence", "verify", "forgetd-demo/tampered"]).expect(10);
    let rows = changed_in(folder);
    assert!(rows > 10_000, "{rows} rows changed");
    let said = |what: &str| first.stdout.lines().any(|line| line.contains(what));
    assert!(said("each the same as before") && said("People who are both: 383, by the same token"), "{}", first.stdout);

    let second = forgetd(folder, &["demo"]).expect(0);
    assert_eq!(changed_in(folder), rows, "the second run changes nothing\n{}", second.stdout);
    forgetd(folder, &["evidence", "verify", "forgetd-demo/evidence"]).expect(0);
    forgetd(folder, &["evidence", "verify", "forgetd-demo/tampered"]).expect(10);
}

#[test]
fn what_it_tells_the_reader_to_try_works() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = forgetd(folder, &["demo"]).expect(0).stdout;
    let commands: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.starts_with("Try next"))
        .filter_map(|line| line.trim().strip_prefix("forgetd "))
        .map(|line| line.split('#').next().unwrap().trim())
        .collect();
    assert!(commands.len() >= 3, "{said}");
    for command in commands {
        let args: Vec<&str> = command.split_whitespace().collect();
        let output = forgetd(folder, &args);
        assert_eq!(output.code, 0, "forgetd {command}\n{}\n{}", output.stdout, output.stderr);
    }
}

#[test]
fn another_folder_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    forgetd(folder, &["demo", "--dir", "elsewhere"]).expect(0);
    assert!(folder.join("elsewhere/evidence/checkpoint").exists());
    assert!(!folder.join("forgetd-demo").exists());
}
