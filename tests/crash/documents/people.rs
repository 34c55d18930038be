//! People in documents, and what one transform makes of each value: told by another installation with the same key, which
//! nobody kills.

use std::collections::BTreeMap;

use mongodb::bson::doc;
use serde_json::{Value, json};

use super::transformed::{MARKER, rule};
use super::{deleted, transformed};
use crate::harness::{Mongo, Policy, Program};

/// People to whom documents belong at first, and those whom the application writes over them.
pub(super) const FIRST: u64 = 600;
pub(super) const PEOPLE: u64 = FIRST + 60;

/// Every person, and every value with what becomes of it.
pub(super) struct People {
    reference: Program,
    /// By place and value.
    made: BTreeMap<(usize, String), Value>,
}

/// Where values lie that are transformed. The last two show nothing: a marked document keeps them.
pub(super) const PLACES: [&[&str]; 8] = [
    &["email"],
    &["profile", "name"],
    &["profile", "born"],
    &["profile", "items", "0", "email"],
    &["profile", "items", "2", "email"],
    &["note"],
    &["card"],
    &["number"],
];

/// How many places show that they are done.
pub(super) const SHOWING: usize = 6;

/// What lies at a place.
pub(super) fn at_place<'a>(document: &'a mut Value, place: &[&str]) -> Option<&'a mut Value> {
    document.pointer_mut(&format!("/{}", place.join("/")))
}

// === impl People ===

impl People {
    /// Has everybody transformed once.
    pub(super) fn new() -> Option<Self> {
        let documents = Mongo::database()?;
        let number = |person: u64| i64::try_from(person).expect("small");
        documents.insert("item", (0..PEOPLE).map(|person| document(person, number(person))));
        // Some stay, so that not everything is due.
        documents.insert("item", (1..=500).map(|n| json!({ "_id": -n, "at": deleted::date(deleted::fresh()) })));
        let policy = Policy::new(&documents.url()).pseudonyms().rule(&rule("reference").with("when_null: keep"));
        let reference = Program::installed(&policy).pseudonym_key();
        let report = reference.run(0);
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(PEOPLE)), "the reference");
        let mut made = BTreeMap::new();
        for (mut done, person) in documents.find("item", doc! { "_id": { "$gte": 0 } }).into_iter().zip(0..) {
            assert!(!done[MARKER].is_null(), "the reference");
            let mut clear = transformed::read_back(document(person, number(person)));
            for (n, place) in PLACES.iter().enumerate() {
                let (clear, done) = (at_place(&mut clear, place), at_place(&mut done, place));
                let (clear, done) = (clear.expect("a value").clone(), done.expect("a value").clone());
                // What the kills are compared with must itself be done.
                assert_ne!(clear, done, "the reference");
                made.insert((n, clear.to_string()), done);
            }
        }
        Some(Self { reference, made })
    }

    /// Gives a program the same key.
    pub(super) fn equip(&self, program: &Program) {
        std::fs::copy(self.reference.path("people.key"), program.path("people.key")).expect("a key");
    }

    /// A document that is due, by its number.
    pub(super) fn document(&self, n: i64) -> Value {
        document(n.unsigned_abs() % FIRST, n)
    }

    /// What becomes of a value; none: it is done, or nothing that anybody wrote.
    pub(super) fn made(&self, place: usize, value: &Value) -> Option<&Value> {
        self.made.get(&(place, value.to_string()))
    }
}

/// A document of somebody's, as extended JSON.
pub(super) fn document(person: u64, n: i64) -> Value {
    // In the second half of a year, so that no year begins with it.
    let born = -600_000_000_000 + i64::try_from(person % 300).expect("small") * 86_400_000;
    let mail = |name: &str| format!("{name}{person}@example.com");
    json!({
        "_id": n,
        "at": transformed::old(n),
        "state": "idle",
        "email": mail("person"),
        "profile": {
            "name": format!("Person {person}"),
            "born": deleted::date(born),
            "items": [{ "email": mail("a"), "n": 1 }, { "email": null }, { "email": mail("b") }, { "n": 2 }],
        },
        "card": format!("4111-{}-{}", 1_000 + person, 100_000 + person),
        "number": 1_000_000 + person,
        "note": format!("note {person}"),
    })
}
