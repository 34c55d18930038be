//! Documents as applications keep them: nested arrays, maps whose keys are generated, dates of several types, and missing
//! members. What has no date that can be read lives on, and is counted.

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::harness::{Mongo, Policy, Program, Rule};

/// A customer of a bank, with this as the moment of the last visit; nothing: the member is missing.
fn customer(id: Value, email: &str, seen: Option<Value>) -> Value {
    let mut customer = json!({
        "_id": id,
        "name": "Elizabeth Ray",
        "email": email,
        "birthdate": { "$date": { "$numberLong": "226117231000" } },
        "active": true,
        "accounts": [{ "$numberInt": "371138" }, { "$numberLong": "324287" }],
        "tier_and_details": {
            "0df078f33aa74a2e9696e0520c1a828a": { "tier": "Bronze", "active": true, "benefits": ["sports tickets"] },
            "699456451cc24f028d2aa99d7534c219": { "tier": "Gold", "active": false, "benefits": [] },
        },
        "contacts": [{ "kind": "home", "email": email }, { "kind": "work" }, { "kind": "old", "email": null }, "none"],
    });
    if let Some(seen) = seen {
        customer["seen"] = seen;
    }
    customer
}

fn date(year: u32) -> Value {
    json!({ "$date": format!("{year}-03-10T12:00:00Z") })
}

/// One document for each type of `_id` and of the moment; those with an odd number are due.
fn customers() -> Vec<Value> {
    let oid = |n: u32| json!({ "$oid": format!("5ca4bbcea2dd94ee58162a{n:02}") });
    vec![
        customer(json!(1), "due1@example.com", Some(date(2020))),
        customer(json!("2"), "kept2@example.com", Some(date(2090))),
        customer(oid(3), "due3@example.com", Some(date(2021))),
        customer(oid(4), "kept4@example.com", None),
        customer(json!({ "a": 5 }), "due5@example.com", Some(date(1999))),
        customer(json!(6), "kept6@example.com", Some(Value::Null)),
        customer(json!({ "$numberDouble": "7.5" }), "due7@example.com", Some(date(2022))),
        customer(json!(8), "kept8@example.com", Some(json!("2020-03-10T12:00:00Z"))),
        customer(json!({ "$date": "2001-01-01T00:00:00Z" }), "due9@example.com", Some(date(2023))),
        customer(json!(10), "kept10@example.com", Some(json!(1_577_836_800))),
        customer(json!({ "$numberLong": "9007199254740993" }), "due11@example.com", Some(date(2023))),
        customer(json!(12), "kept12@example.com", Some(json!([date(2020), date(2090)]))),
        customer(json!({ "$binary": { "base64": "AAEC", "subType": "00" } }), "due13@example.com", Some(date(2019))),
    ]
}

fn emails(documents: &Mongo) -> Vec<String> {
    let email = |customer: &Value| customer["email"].as_str().unwrap().to_owned();
    documents.find("customer", doc! {}).iter().map(email).collect()
}

#[test]
fn every_type_of_key_is_walked_and_no_date_that_cannot_be_read_is_due() {
    let Some(documents) = Mongo::database() else { return };
    documents.insert("customer", customers());
    let rule = Rule::delete("customers", "customer", "seen").with("when_null: keep");
    let policy = Policy::new(&documents.url()).with("throttle: { batch_rows_max: 2 }").rule(&rule);
    let program = Program::installed(&policy);
    let plan = program.call(&["plan", "--json"]).expect(0).lines().remove(0);
    assert_eq!(plan["due"], 7, "{plan}");
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(7)), "{report}");
    let left = emails(&documents);
    assert_eq!(left.len(), 6);
    assert!(left.iter().all(|email| email.starts_with("kept")), "{left:?}");
    let said = program.call(&["plan"]).expect(0).stdout;
    for kind in ["1 int", "1 string"] {
        assert!(said.contains(kind), "moments of {kind} live for ever, which nobody says:\n{said}");
    }
    let held: Vec<Value> = documents.find_control("receipt", doc! { "keys": { "$exists": true } });
    assert!(held.is_empty(), "a receipt still holds keys");
}

/// Texts of a filter may hold what would end a condition of SQL.
#[test]
fn a_filter_of_the_servers_own_holds_any_text() {
    let Some(documents) = Mongo::database() else { return };
    let note = |id: u32, note: &str| json!({ "_id": id, "seen": date(2020), "note": note });
    let odd = r#"she said "no"; -- it's [$1] ) /* here"#;
    documents.insert("note", [note(1, odd), note(2, "another"), note(3, "")]);
    let filter = json!({ "note": { "$in": [odd, ""] } }).to_string().replace('\'', "''");
    let rule = Rule::delete("notes", "note", "seen").with("when_null: keep").with(&format!("where_native: '{filter}'"));
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule));
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(2)), "{report}");
    assert_eq!(documents.count("note", doc! { "note": "another" }), 1);
}

#[test]
fn places_inside_documents_are_written_and_what_lies_beside_them_stays() {
    let Some(documents) = Mongo::database() else { return };
    documents.insert("customer", customers());
    let columns = "{ email: { pseudonymize: email, domain: people }, \
                   'contacts[].email': { pseudonymize: email, domain: people }, birthdate: { redact: null } }";
    let rule =
        Rule::transform("customers", "customer", "seen", &format!("{{ columns: {columns} }}")).with("when_null: keep");
    let program = Program::installed(&Policy::new(&documents.url()).pseudonyms().rule(&rule)).pseudonym_key();
    let before = documents.find("customer", doc! {});
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(7)), "{report}");
    for (before, after) in before.iter().zip(documents.find("customer", doc! {})) {
        if before["email"].as_str().unwrap().starts_with("kept") {
            assert_eq!(*before, after);
            continue;
        }
        let token = after["email"].as_str().unwrap();
        assert!(token.starts_with("fg1") && token.ends_with("@pseudonym.invalid"), "{after}");
        let mut expected = before.clone();
        expected["email"] = json!(token);
        expected["contacts"][0]["email"] = json!(token);
        expected["birthdate"] = Value::Null;
        assert_eq!(after, expected, "nothing else is written, and nothing is created");
    }
    assert_eq!(program.run(0)["changed"], 0, "a second run finds nothing to do");
}
