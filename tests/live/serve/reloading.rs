//! A configuration that changes under a run, as Kubernetes changes it: another folder behind the same link.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::{DUE, FRESH, LEASE, SELDOM, serve, shops, status, until_held};
use crate::harness::{Database, Policy, Postgres, Program, until};
use crate::shop;

/// Makes the folder's configuration a volume of a ConfigMap: the file is a link through `..data`.
fn mount(program: &Program) {
    let text = std::fs::read_to_string(program.path("forgetd.yaml")).unwrap();
    std::fs::remove_file(program.path("forgetd.yaml")).unwrap();
    publish(program.folder(), "..first", &text);
    symlink("..data/forgetd.yaml", program.path("forgetd.yaml")).unwrap();
}

/// Puts another version in its place, in one step, as the kubelet does.
fn publish(folder: &Path, version: &str, text: &str) {
    std::fs::create_dir(folder.join(version)).unwrap();
    std::fs::write(folder.join(version).join("forgetd.yaml"), text).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

fn policy(database: &dyn Database, keep_for: &str) -> Policy {
    let rule = shop::rule().with(SELDOM).with(&format!("keep_for: {keep_for}")).with("where: { id: { gt: 0 } }");
    shop::ruled_by(database, LEASE, &rule)
}

/// Sessions of which each batch takes a while to delete, and a program that serves them from a mounted volume.
fn slow_shop() -> (Postgres, Program) {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    shops::slow(&database, 0.8);
    let program = Program::installed(&policy(&database, "30d"));
    mount(&program);
    (database, program)
}

/// The run of the old rule ends at its batch, and one of the new rule goes on; evidence and log say what changed, and
/// nothing of what the rule compares with.
#[test]
fn a_rule_that_changes_under_its_run_is_gone_on_with_as_it_is_now() {
    let (database, program) = slow_shop();
    let process = serve(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("the run is under way", 60, || shops::under_way(&database));
    publish(program.folder(), "..second", &policy(&database, "35d").yaml());
    let report = asked.wait().expect(0).lines().remove(0);
    assert_eq!(shop::rows(&database), FRESH);
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(ended.stderr.contains("keep_for: 30d -> 35d"), "{}", ended.stderr);
    let finished = program.entries("run.finished");
    assert_eq!(finished.len(), 2, "{finished:?}");
    assert_eq!(finished[0]["cause"], "superseded", "{finished:?}");
    let before = finished[0]["changed"].as_u64().unwrap();
    assert!(before > 0 && before < DUE && before.is_multiple_of(shop::BATCH_ROWS), "whole batches: {before}");
    assert_eq!((&finished[1]["run"], &finished[1]["changed"]), (&report["run_id"], &(DUE - before).into()));
    assert_eq!(program.rows_in_evidence(), DUE);
    let loaded = program.entries("policy.loaded");
    assert_eq!(loaded.last().unwrap()["changes"]["changed"]["web-sessions"], serde_json::json!(["keep_for"]));
}

/// Other settings change, and what the rule does does not: the same run goes on. When it fires is in no digest, and in evidence
/// all the same.
#[test]
fn a_run_whose_rule_did_not_change_goes_on() {
    let (database, program) = slow_shop();
    let process = serve(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("the run is under way", 60, || shops::under_way(&database));
    let other = policy(&database, "30d").with("region: eu-north-1").yaml();
    assert!(other.contains(SELDOM));
    publish(program.folder(), "..second", &other.replace(SELDOM, "schedule: \"0 0 28 2 *\""));
    let report = asked.wait().expect(0).lines().remove(0);
    assert_eq!(report["changed"], DUE, "{report}");
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(ended.stderr.contains("databases.main"), "{}", ended.stderr);
    assert_eq!(program.entries("run.finished").len(), 1);
    let loaded = program.entries("policy.loaded");
    assert_eq!(loaded.last().unwrap()["changes"]["changed"]["web-sessions"], serde_json::json!(["schedule"]));
    assert!(program.entries("run.started").iter().any(|entry| entry["resumed"] == true), "it was interrupted");
    assert_eq!((shop::rows(&database), program.rows_in_evidence()), (FRESH, DUE));
}

/// What comes with an error is not used, whole as it is, and what is in force goes on.
#[test]
fn a_broken_version_is_said_and_the_one_before_goes_on() {
    let (database, program) = slow_shop();
    let process = serve(&program);
    until_held(&program);
    let asked = program.start(&["run", "--json"]);
    until("the run is under way", 60, || shops::under_way(&database));
    let broken = policy(&database, "10d").yaml().replace("since:", "sinse:");
    publish(program.folder(), "..second", &broken);
    let report = asked.wait().expect(0).lines().remove(0);
    assert_eq!(report["changed"], DUE, "{report}");
    assert_eq!(shop::rows(&database), FRESH, "rows of 20 days are kept");
    publish(program.folder(), "..third", &policy(&database, "30d").yaml());
    program.call(&["run"]).expect(0);
    assert_eq!(status(&program)["verdict"], "clean");
    process.signal("TERM");
    let ended = process.wait().expect(0);
    assert!(ended.stderr.contains("the one before stays in force"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `since`?"), "{}", ended.stderr);
    assert_eq!(program.entries("policy.loaded").len(), 1);
}
