//! Documents that stay and are written, by forgetd and by an application: each must be what the application made of it, or
//! what one transform makes of that.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::{Value, json};

use super::counts::Found;
use super::deed::Outcome;
use super::deleted::{date, fresh};
use super::people::{self, FIRST, PEOPLE, PLACES, People, SHOWING, at_place};
use crate::dice::Dice;
use crate::harness::{Mongo, Rule};

/// The field that says when a document was done.
pub(super) const MARKER: &str = "forgotten_at";

/// What an application did in a round.
pub(super) struct Used {
    people: Arc<People>,
    /// The documents that it touched, as each was after its last operation; none: it deleted it.
    known: BTreeMap<i64, Option<Value>>,
    /// How often a document was found transformed.
    transformed: u64,
    /// How often one that was transformed was made due again.
    again: u64,
    found: Found,
    pub(super) operations: u64,
    pub(super) deleted: u64,
}

/// A transform with a place of every kind: with a shape and without, on the top, in a field and in elements.
pub(super) fn rule(name: &str) -> Rule {
    let token = |kind: &str| format!("{{ pseudonymize: {kind}, domain: people }}");
    let columns = format!(
        "email: {email}, profile.name: {text}, profile.born: {{ generalize: year }}, 'profile.items[].email': {email}, \
         note: {{ redact: gone }}, card: {{ pseudonymize: digits, domain: people, check_digit: luhn }}, number: {integer}",
        email = token("email"),
        text = token("text"),
        integer = token("integer"),
    );
    Rule::transform(name, "item", "at", &format!("{{ marker: {MARKER}, columns: {{ {columns} }} }}"))
}

/// Within the two days before the last cutoff, where every run looks: twelve to one moment.
pub(super) fn old(n: i64) -> Value {
    date(over() + n % 600 / 12 * 1_000)
}

/// The same moment until the end, so that documents can be made again to be compared.
fn over() -> i64 {
    static BEGUN: OnceLock<i64> = OnceLock::new();
    BEGUN.get_or_init(fresh) - (30 * 86_400 + 7_200) * 1_000
}

/// Every document of a round.
pub(super) fn all(documents: &Mongo, seeded: &Range<i64>) -> Vec<Value> {
    documents.find("item", doc! { "_id": { "$gte": seeded.start, "$lt": seeded.end } })
}

/// A document in extended JSON as one that was read is told.
pub(super) fn read_back(document: Value) -> Value {
    let document: Document = serde_json::from_value(document).expect("extended JSON");
    serde_json::to_value(document).expect("JSON")
}

/// What a document looks like that was looked at.
enum Seen {
    /// As it was known.
    Same,
    /// Transformed, once.
    Transformed,
    Half,
    Twice,
}

// === impl Used ===

impl Used {
    pub(super) fn new(people: Arc<People>) -> Self {
        let (known, found) = (BTreeMap::new(), Found::default());
        Self { people, known, transformed: 0, again: 0, found, operations: 0, deleted: 0 }
    }

    /// One operation: the server says what the document was right before it, so every write of forgetd's is seen.
    pub(super) fn once(&mut self, documents: &Mongo, id: i64, dice: &mut Dice) {
        let at = |millis: i64| Bson::DateTime(DateTime::from_millis(millis));
        let set = |fields: Document| doc! { "update": { "$set": fields } };
        let person = FIRST + dice.below(PEOPLE - FIRST);
        let change = match dice.below(10) {
            0..3 => set(doc! { "at": at(fresh()) }),
            3..5 => {
                let mut other = people::document(person, id);
                other["at"] = date(fresh());
                doc! { "update": serde_json::from_value::<Document>(other).expect("extended JSON") }
            }
            5 => set(doc! { "state": "held" }),
            6..8 => set(doc! { "at": at(over()), "state": "idle" }),
            8 => set(doc! { "email": format!("person{person}@example.com") }),
            _ => doc! { "remove": true },
        };
        let mut command = doc! { "findAndModify": "item", "query": { "_id": id } };
        command.extend(change.clone());
        let reply = documents.command(documents.name(), command);
        let Ok(before) = reply.get_document("value") else { return };
        let before = serde_json::to_value(before).expect("JSON");
        self.operations += 1;
        let transformed = self.transformed;
        self.look(id, &before);
        let was_done = self.transformed > transformed;
        let after = match change.get_document("update") {
            Err(_) => {
                self.deleted += 1;
                None
            }
            Ok(update) => Some(match update.get_document("$set") {
                Ok(fields) => with(before, fields),
                Err(_) => serde_json::to_value(update).expect("JSON"),
            }),
        };
        let due_again =
            after.as_ref().is_some_and(|after| is_due(after) && self.done(after) != comparable(after.clone()));
        self.again += u64::from(was_done && due_again);
        self.known.insert(id, after);
    }

    /// What the document was when nobody but forgetd had written it since.
    fn known(&self, id: i64) -> Option<Value> {
        match self.known.get(&id) {
            Some(known) => known.clone(),
            None => Some(read_back(self.people.document(id))),
        }
    }

    /// Compares a document with what it was known to be.
    fn look(&mut self, id: i64, now: &Value) {
        let Some(known) = self.known(id) else {
            // Nobody but the application makes documents.
            self.found.twice += 1;
            return;
        };
        match self.seen(&known, now) {
            Seen::Same => {}
            _ if !is_due(&known) => self.found.lost += 1,
            Seen::Transformed => self.transformed += 1,
            Seen::Half => self.found.half += 1,
            Seen::Twice => self.found.twice += 1,
        }
    }

    fn seen(&self, known: &Value, now: &Value) -> Seen {
        let done = self.done(known);
        let (known, now) = (comparable(known.clone()), comparable(now.clone()));
        if now == known {
            return Seen::Same;
        }
        if now == done {
            return Seen::Transformed;
        }
        // Each value is one of the two: then they are mixed.
        let (mut known, mut now, mut done) = (known, now, done);
        let mixed = PLACES.iter().all(|place| {
            let now = at_place(&mut now, place).cloned();
            now == at_place(&mut known, place).cloned() || now == at_place(&mut done, place).cloned()
        });
        if mixed { Seen::Half } else { Seen::Twice }
    }

    /// What one transform makes of a document.
    fn done(&self, known: &Value) -> Value {
        let mut done = known.clone();
        // The values that show nothing are done where the document is marked.
        let places = if known[MARKER].is_null() { PLACES.len() } else { SHOWING };
        for (n, place) in PLACES.iter().enumerate().take(places) {
            let Some(value) = at_place(&mut done, place) else { continue };
            if let Some(made) = self.people.made(n, value) {
                *value = made.clone();
            }
        }
        done[MARKER] = json!("marked");
        comparable(done)
    }

    /// The last run was clean: every document is what it must be.
    pub(super) fn outcome(
        mut self,
        documents: &Mongo,
        seeded: &Range<i64>,
        at_death: &[Value],
    ) -> Result<Outcome, String> {
        for document in at_death {
            let id = document["_id"].as_i64().expect("a number");
            if self.known.contains_key(&id) {
                continue;
            }
            match self.seen(&read_back(self.people.document(id)), document) {
                Seen::Same | Seen::Transformed => {}
                Seen::Half => self.found.half += 1,
                Seen::Twice => self.found.twice += 1,
            }
        }
        let (mut there, mut left) = (BTreeMap::new(), 0);
        for document in all(documents, seeded) {
            there.insert(document["_id"].as_i64().expect("a number"), document);
        }
        for id in seeded.clone() {
            match (there.get(&id), self.known(id)) {
                (Some(now), known) => {
                    self.look(id, now);
                    left += u64::from(known.is_some() && is_due(now) && self.done(now) != comparable(now.clone()));
                }
                (None, Some(_)) => self.found.lost += 1,
                (None, None) => {}
            }
        }
        documents.remove("item", doc! { "_id": { "$gte": 0 } });
        if left > 0 {
            return Err(format!("{left} due documents are not done after a clean run"));
        }
        Ok(Outcome { truth: self.transformed, again: self.again, found: self.found })
    }
}

/// Whether a document's period is over and nobody holds it.
fn is_due(document: &Value) -> bool {
    let at: Bson = serde_json::from_value(document["at"].clone()).expect("extended JSON");
    let at = at.as_datetime().expect("a moment").timestamp_millis();
    document["state"] == "idle" && at < fresh() - 30 * 86_400_000
}

/// The moment of a marker is the run's, which nobody knows here.
fn comparable(mut document: Value) -> Value {
    let marker = &mut document[MARKER];
    *marker = if marker.is_null() { Value::Null } else { json!("marked") };
    document
}

/// The same document with some fields set.
fn with(mut document: Value, fields: &Document) -> Value {
    for (name, value) in fields {
        document[name] = serde_json::to_value(value).expect("JSON");
    }
    document
}
