//! A rule that names the number by which the application counts the versions of a document.

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::harness::{Mongo, Policy, Program, Rule};

fn person(id: u32, version: Option<Value>) -> Value {
    let mut person = json!({
        "_id": id, "seen": { "$date": "2020-01-01T00:00:00Z" }, "meta": {}, "contacts": [{ "email": format!("p{id}@example.com") }],
    });
    if let Some(version) = version {
        person["meta"]["v"] = version;
    }
    person
}

fn rule(version: &str) -> Rule {
    let columns = "{ 'contacts[].email': { pseudonymize: email, domain: people } }";
    Rule::transform("people", "person", "seen", &format!("{{ version: {version}, columns: {columns} }}"))
        .with("when_null: keep")
}

#[test]
fn a_version_is_counted_up_and_documents_without_one_are_passed_over() {
    let Some(documents) = Mongo::database() else { return };
    let long = |number: &str| json!({ "$numberLong": number });
    documents.insert(
        "person",
        [
            person(1, Some(json!(0))),
            person(2, Some(long("9007199254740993"))),
            person(3, Some(json!({ "$numberDouble": "4" }))),
            person(4, None),
            person(5, Some(json!("6"))),
            json!({ "_id": 6, "seen": { "$date": "2090-01-01T00:00:00Z" }, "meta": { "v": 1 } }),
        ],
    );
    let program = Program::installed(&Policy::new(&documents.url()).pseudonyms().rule(&rule("meta.v"))).pseudonym_key();
    let check = program.call(&["check", "--connect", "--json"]).expect(0).stdout;
    assert!(check.contains("of 6 documents looked at, 1 missing, 1 string hold no number at meta.v"), "{check}");
    assert!(!check.contains("filters_are_logged"), "no value stands in a filter: {check}");
    let plan = program.call(&["plan", "--json"]).expect(0).lines().remove(0);
    let change = plan["statements"]["change"].as_str().unwrap();
    assert!(change.contains(r#""meta.v":"?version""#) && change.contains(r#""$inc":{"meta.v":1}"#), "{change}");
    let report = program.run(3);
    assert_eq!(
        (&report["verdict"], &report["changed"], &report["left"]),
        (&json!("partial"), &json!(3), &json!(2)),
        "{report}"
    );
    assert_eq!(report["skipped"], json!([{ "cause": "version_unfit", "n": 2 }]), "{report}");
    let left = documents.find("person", doc! {});
    let versions: Vec<String> = left.iter().map(|person| person["meta"].to_string()).collect();
    assert_eq!(
        versions,
        [r#"{"v":1}"#, r#"{"v":9007199254740994}"#, r#"{"v":5.0}"#, "{}", r#"{"v":"6"}"#, r#"{"v":1}"#]
    );
    for (n, person) in left.iter().take(5).enumerate() {
        let email = person["contacts"][0]["email"].as_str().unwrap();
        assert_eq!(email.starts_with("fg1"), n < 3, "{person}");
    }
}

/// A rule that names a number which no document has.
pub(crate) fn unversioned(documents: &Mongo) -> Rule {
    documents.insert("person", [person(1, Some(json!(0)))]);
    rule("meta.w")
}

#[test]
fn a_field_that_no_document_has_blocks_its_rule() {
    let Some(documents) = Mongo::database() else { return };
    let rule_of_none = unversioned(&documents);
    let program = Program::installed(&Policy::new(&documents.url()).pseudonyms().rule(&rule_of_none)).pseudonym_key();
    let report = program.run(4);
    assert_eq!((&report["verdict"], &report["cause"]), (&json!("blocked"), &json!("version_unfit")), "{report}");
    program.policy(&Policy::new(&documents.url()).pseudonyms().rule(&rule("seen")));
    assert_eq!(program.run(4)["cause"], json!("transform_unfit"));
}
