//! Collections that are more than documents beside each other: views, those that validate, those in shards. What FerretDB has
//! no command for is made by functions of the PostgreSQL below it; capped collections and time series it does not have at all.

use mongodb::bson::doc;
use serde_json::{Value, json};

use super::silent_zero::{DUE, fill, rule};
use crate::harness::{Again, Ferret, Mongo, Policy, Process, Program, Rule, Servers};

#[test]
fn nothing_is_deleted_through_a_view() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    fill(&documents);
    ferret.create(documents.name(), &json!({ "create": "visits", "viewOn": "visit", "pipeline": [] }));
    let rule = Rule::delete("visits", "visits", "at").with("when_null: keep");
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule));
    program.call(&["check", "--connect"]).expect(4);
    let report = program.run(4);
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("blocked"), &json!("table_kind")), "{report}");
    assert_eq!(documents.count("visit", doc! {}), DUE + 1);
}

#[test]
fn documents_that_a_validator_or_a_unique_index_refuses_are_counted_and_the_others_written() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    // A text of another person's may not be null, and no two persons may have one contact.
    let validator = json!({ "$or": [{ "kind": { "$ne": "strict" } }, { "mail": { "$type": "string" } }] });
    ferret
        .create(documents.name(), &json!({ "create": "person", "validator": validator, "validationAction": "error" }));
    let person = |n: u32| {
        let kind = if n.is_multiple_of(3) { "strict" } else { "lax" };
        json!({ "_id": n, "at": { "$date": "2020-01-01T00:00:00Z" }, "kind": kind, "mail": format!("m{n}@example.com") })
    };
    documents.insert("person", (0..9).map(person));
    documents.insert("person", [json!({ "_id": "fresh", "at": { "$date": "2090-01-01T00:00:00Z" }, "mail": "fresh" })]);
    let rule =
        Rule::transform("people", "person", "at", "{ columns: { mail: { redact: null } } }").with("when_null: keep");
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule));
    let check = program.call(&["check", "--connect"]).expect(0);
    assert!(check.stdout.contains("validator_judges"), "{}", check.stdout);
    let report = program.run(3);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("partial"), &json!(6)), "{report}");
    assert_eq!(report["skipped"], json!([{ "cause": "check", "n": 3 }]), "{report}");
    assert_eq!(
        (
            documents.count("person", doc! { "mail": null }),
            documents.count("person", doc! { "kind": "strict", "mail": { "$type": "string" } })
        ),
        (6, 3)
    );
    // A token that somebody has already: the index judges what no plan could know.
    let index = doc! { "key": { "code": 1 }, "name": "code_1", "unique": true };
    documents.insert(
        "card",
        (0..4).map(|n| json!({ "_id": n, "at": { "$date": "2020-01-01T00:00:00Z" }, "code": format!("{n}{n}-abc") })),
    );
    documents.insert("card", [json!({ "_id": "taken", "at": { "$date": "2090-01-01T00:00:00Z" }, "code": "11" })]);
    documents.command(documents.name(), doc! { "createIndexes": "card", "indexes": [index] });
    let rule = Rule::transform("cards", "card", "at", "{ columns: { code: { generalize: { prefix: 2 } } } }")
        .with("when_null: keep");
    program.policy(&Policy::new(&documents.url()).rule(&rule));
    let report = program.run(3);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("partial"), &json!(3)), "{report}");
    assert_eq!(report["skipped"], json!([{ "cause": "unique", "n": 1 }]), "{report}");
}

/// Keys are unique in a shard alone, and a document may lack what decides about its shard.
#[test]
fn documents_in_shards_go_and_change_where_they_lie() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    let day = |due: bool| json!({ "$date": if due { "2020-01-01T00:00:00Z" } else { "2090-01-01T00:00:00Z" } });
    for collection in ["gone", "kept"] {
        ferret.shard(documents.name(), collection, r#"{"region": "hashed", "p.user": "hashed"}"#);
        let lead = |n: u32| {
            let region = ["eu", "us", "as"][n as usize % 3];
            json!({ "_id": n, "region": region, "p": { "user": n }, "at": day(n < 30), "mail": format!("m{n}") })
        };
        documents.insert(collection, (0..40).map(lead));
        documents.insert(
            collection,
            [
                json!({ "_id": 7, "region": "af", "at": day(false), "mail": "twin" }),
                json!({ "_id": "bare", "at": day(true), "mail": "bare" }),
            ],
        );
    }
    let gone = Rule::delete("gone", "gone", "at").with("when_null: keep");
    let kept = Rule::transform("kept", "kept", "at", "{ columns: { mail: { redact: gone } } }").with("when_null: keep");
    let policy = Policy::new(&documents.url()).with("throttle: { batch_rows_max: 7 }");
    let program = Program::installed(&policy.clone().rule(&gone).rule(&kept));
    program.call(&["check", "--connect"]).expect(0);
    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!(
            (&report["verdict"], &report["changed"], &report["left"]),
            (&json!("clean"), &json!(31), &json!(0)),
            "{report}"
        );
    }
    assert_eq!((documents.count("gone", doc! {}), documents.count("gone", doc! { "_id": 7, "region": "af" })), (11, 1));
    assert_eq!(
        (documents.count("kept", doc! { "mail": "gone" }), documents.count("kept", doc! { "mail": "twin" })),
        (31, 1)
    );
    // What decides about a document's shard stays.
    let moved = Rule::transform("moved", "kept", "at", "{ columns: { p: { redact: null } } }").with("when_null: keep");
    program.policy(&policy.rule(&moved));
    let report = program.run(4);
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("blocked"), &json!("transform_unfit")), "{report}");
}

#[test]
fn a_server_that_comes_back_in_mid_run_is_asked_again() {
    if Ferret::there().is_none() {
        return;
    }
    let Some(servers) = Servers::start("ferretdb") else { return };
    let documents = Mongo::at(servers.first());
    fill(&documents);
    let policy = Policy::new(&documents.url()).with("throttle: { batch_rows_max: 100 }").rule(&rule());
    let program = Program::installed(&policy);
    let mut command = program.command(&["run", "--json"]);
    let holder = Process::spawn(command.env("FORGETD_FAULT", "finish.before=stop@3"));
    crate::shop::until_frozen(&holder);
    let port = url::Url::parse(servers.first()).unwrap().port().unwrap();
    let _again = Again::start(servers.pid(0), port, || servers.kill(0));
    holder.signal("CONT");
    let output = holder.wait();
    // A lost connection is no answer; whatever the run makes of it, the next one finds nothing left, and nothing is counted twice.
    assert!([0, 1, 3, 69].contains(&output.code), "{}\n{}\n{}", output.code, output.stdout, output.stderr);
    let first: Vec<Value> = output.lines();
    assert!(output.code == 0 || !output.stdout.contains("\"clean\""), "{}", output.stdout);
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["left"]), (&json!("clean"), &json!(0)), "{first:?} {report}");
    assert_eq!(documents.count("visit", doc! {}), 1);
    assert_eq!(program.rows_in_evidence(), DUE, "{first:?} {report}");
}
