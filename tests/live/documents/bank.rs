//! The example `examples/mongodb-bank`, as its README has it.

use std::path::Path;

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::harness::{Mongo, Policy, Program};

const README: &[&[&str]] = &[&["install", "--print"], &["install"], &["check", "--connect"], &["plan"], &["approve"]];

fn program(documents: &Mongo) -> Program {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mongodb-bank");
    let read = |name: &str| std::fs::read_to_string(example.join(name)).unwrap();
    for collection in ["customer", "application", "session"] {
        let text = read(&format!("{collection}.json"));
        documents.insert(collection, text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let program = Program::new(&Policy::new(&documents.url()));
    program.write("bank-url", &documents.url());
    let control = format!("name: {} }}", documents.control_name());
    program.write("forgetd.yaml", &read("forgetd.yaml").replace("name: forgetd }", &control));
    std::fs::create_dir(program.path("remember")).unwrap();
    let key = program.path("people.key");
    program.call(&["keys", "new", "pseudonym", "--domain", "bank-people", "--out", key.to_str().unwrap()]).expect(0);
    program
}

#[test]
fn the_bank_forgets() {
    let Some(documents) = Mongo::database() else { return };
    let program = program(&documents);
    let before = documents.find("customer", doc! {});
    for args in README {
        program.call(args).expect(0);
    }
    let reports = program.call(&["run", "--json"]).expect(0).lines();
    let ran: Vec<_> = reports
        .iter()
        .map(|report| (report["rule"].as_str().unwrap(), &report["verdict"], &report["changed"]))
        .collect();
    let clean = json!("clean");
    let (four, two) = (json!(4), json!(2));
    for rule in
        [("guest-sessions", &clean, &four), ("rejected-applications", &clean, &two), ("former-customers", &clean, &two)]
    {
        assert!(ran.contains(&rule), "{rule:?} is not among {ran:?}");
    }
    let keys = |collection: &str| -> Vec<Value> {
        documents.find(collection, doc! {}).into_iter().map(|document| document["_id"].clone()).collect()
    };
    assert_eq!(
        (keys("session").len(), keys("application")),
        (2, ["a-2", "a-3", "a-4", "a-6"].map(Value::from).to_vec())
    );
    for (before, after) in before.iter().zip(documents.find("customer", doc! {})) {
        if before["contract"]["ended_at"].is_null() {
            assert_eq!(*before, after, "a customer is touched");
            continue;
        }
        let token = after["email"].as_str().unwrap();
        assert!(token.starts_with("fg1") && token.ends_with("@pseudonym.invalid"), "{after}");
        let mut expected = before.clone();
        (expected["email"], expected["contacts"][0]["email"]) = (json!(token), json!(token));
        expected["name"] = json!("gone");
        if expected["address"].get("street").is_some() {
            expected["address"]["street"] = Value::Null;
        }
        assert_eq!(after, expected);
    }
    program.call(&["evidence", "verify"]).expect(0);
    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(0)), "{report}");
    }
}
