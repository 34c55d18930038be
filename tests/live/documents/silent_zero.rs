//! Whatever keeps documents from going is named, with an exit code that is not 0, and nothing says `clean`.

use mongodb::bson::doc;
use serde_json::json;

use crate::harness::{Mongo, Policy, Program, Rule, Servers};

/// So many documents that are due.
pub(super) const DUE: u64 = 600;

pub(super) fn fill(documents: &Mongo) {
    let visit = |n: u64| json!({ "_id": n, "note": format!("note {n}"), "at": { "$date": { "$numberLong": (1_577_836_800_000 + n).to_string() } } });
    documents.insert("visit", (0..DUE).map(visit));
    documents.insert("visit", [json!({ "_id": "fresh", "at": { "$date": "2090-01-01T00:00:00Z" } })]);
}

pub(super) fn rule() -> Rule {
    Rule::delete("visits", "visit", "at").with("when_null: keep")
}

#[test]
fn a_collection_that_is_not_there_blocks_its_rule() {
    let Some(documents) = Mongo::database() else { return };
    fill(&documents);
    let rule = Rule::delete("visits", "visits", "at").with("when_null: keep");
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule));
    let report = program.run(4);
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("blocked"), &json!("table_missing")), "{report}");
    assert_eq!(documents.count("visit", doc! {}), DUE + 1);
}

#[test]
fn a_constant_in_a_unique_index_is_refused_before_anything_is_written() {
    let Some(documents) = Mongo::database() else { return };
    fill(&documents);
    let index = doc! { "key": { "note": 1 }, "name": "note_1", "unique": true };
    documents.command(documents.name(), doc! { "createIndexes": "visit", "indexes": [index] });
    let rule =
        Rule::transform("visits", "visit", "at", "{ columns: { note: { redact: gone } } }").with("when_null: keep");
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule));
    let check = program.call(&["check", "--connect", "--json"]).expect(4).object();
    let ids: Vec<&str> = check["findings"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
    let report = program.run(4);
    assert_eq!(report["verdict"], "blocked", "{report} {ids:?}");
    assert_eq!(documents.count("visit", doc! { "note": { "$ne": "gone" } }), DUE + 1);
}

#[test]
fn no_server_is_no_clean_run() {
    let Some(documents) = Mongo::database() else { return };
    fill(&documents);
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule()));
    let away = documents.url_at("mongodb://127.0.0.1:9/?directConnection=true&serverSelectionTimeoutMS=500");
    program.policy(&Policy::new(&away).rule(&rule()));
    let output = program.call(&["run", "--json"]);
    assert_eq!(output.code, 69, "{}\n{}", output.stdout, output.stderr);
    assert!(!output.stdout.contains("\"clean\""), "{}", output.stdout);
}

#[test]
fn a_server_that_dies_in_mid_batch_is_no_clean_run() {
    if Mongo::database().is_none() || std::env::var_os("FORGETD_TEST_MONGODB_URL").is_some() {
        return;
    }
    let Some(server) = Servers::start("ferretdb") else { return };
    let documents = Mongo::at(server.first());
    fill(&documents);
    let url = format!("{}&serverSelectionTimeoutMS=500", documents.url());
    let policy = Policy::new(&url).with("throttle: { batch_rows_max: 100 }").rule(&rule());
    let program = Program::installed(&policy);
    let mut command = program.command(&["run", "--json"]);
    let holder = crate::harness::Process::spawn(command.env("FORGETD_FAULT", "finish.before=stop@3"));
    crate::shop::until_frozen(&holder);
    server.kill(0);
    holder.signal("CONT");
    let output = holder.wait();
    assert!([1, 69].contains(&output.code), "{}\n{}\n{}", output.code, output.stdout, output.stderr);
    assert!(!output.stdout.contains("\"clean\""), "{}", output.stdout);
}
