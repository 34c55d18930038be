//! Transforms due documents: reads what they hold, works out what it becomes, and writes the single values that differ.
//!
//! Each document is one statement, whose filter holds the old values: what the application wrote meanwhile is judged again
//! in the next run. A value keeps its type, and nothing is made where nothing is. All statements of a batch go in one
//! command, and the server says which of them it refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{
    Cause, Fault, FaultClass, Grain, Marker, NewRow, OldRow, Place, Put, Rewrite, Transform, Undone, Value,
};
use mongodb::bson::{Bson, DateTime, Document, doc};

use crate::coarse;
use crate::codec;
use crate::error::{self, Failure};
use crate::query::Field;
use crate::sealed::{Ground, among};
use crate::values::{self, Change};

/// A command ends where its statements make this many bytes: what a server takes is three times as much.
const COMMAND_BYTES_MAX: usize = 5_000_000;

/// The most statements of one command.
const STATEMENTS_MAX: usize = 1_000;

/// What is written, resolved to names of fields.
pub(crate) struct Rewriting {
    /// The fields whose values are computed, in the order that the transform knows.
    computed: Vec<Computed>,
    constants: Vec<(Field, Bson)>,
    coarser: Vec<(Field, Grain)>,
    marker: Option<(Field, Bson)>,
    /// A marker from before the moment here says nothing.
    since: Option<Field>,
    transform: Arc<dyn Transform>,
}

/// One field of the document.
struct Computed {
    name: String,
    /// Whether the transform is given the whole value, and not places inside it.
    whole: bool,
}

/// What becomes of one document.
enum Fate {
    Write(Vec<Change>),
    Unfit(Cause),
}

// === impl Rewriting ===

impl Rewriting {
    pub(crate) fn new(
        rewrite: &Rewrite,
        signs: &[Undone],
        transform: Arc<dyn Transform>,
        place: &str,
    ) -> Result<Self, Fault> {
        let refuse = |what: &str| {
            let fault = Fault::new(FaultClass::Blocked(Cause::TransformUnfit), "build statements", place);
            fault.with_detail(what)
        };
        let field = |name: &str| Field::parse(name).map_err(|refused| refused.into_fault(place));
        let (mut constants, mut coarser) = (vec![], vec![]);
        for Place { path, put, .. } in &rewrite.places {
            match put {
                Put::Computed => {}
                Put::Constant(value) => {
                    let value =
                        codec::bson(value).ok_or_else(|| refuse("a constant is of a type that no field has"))?;
                    constants.push((field(&path.to_string())?, value));
                }
                Put::Coarser(_) if path.is_many() => return Err(refuse("nothing inside an array is made coarser")),
                Put::Coarser(grain) => coarser.push((field(&path.to_string())?, grain.clone())),
            }
        }
        let whole = |name: &str| {
            let mut places = rewrite.places.iter().filter(|place| place.path.column == name);
            places.any(Place::is_column)
        };
        let computed = rewrite.computed().into_iter();
        let computed = computed.map(|name| Computed { name: name.to_owned(), whole: whole(name) }).collect();
        let marker = match &rewrite.marker {
            Some(Marker { column, value }) => Some((field(column)?, written(value))),
            None => None,
        };
        let since = signs.iter().find_map(|sign| match sign {
            Undone::MarkedBefore { since, .. } => Some(field(since)),
            _ => None,
        });
        Ok(Self { computed, constants, coarser, marker, since: since.transpose()?, transform })
    }

    /// What of a document has to be read.
    pub(crate) fn projection(&self) -> Document {
        let mut projection = doc! { "_id": 1 };
        projection.extend(self.computed.iter().map(|computed| (computed.name.clone(), Bson::Int32(1))));
        let others = self.constants.iter().chain(&self.marker);
        let coarser = self.coarser.iter().map(|(field, _)| field);
        let others = others.map(|(field, _)| field).chain(coarser).chain(&self.since);
        projection.extend(others.map(|field| (field.dotted(), Bson::Int32(1))));
        projection
    }

    /// What the transform is shown of a document.
    pub(crate) fn old(&self, document: &Document) -> OldRow {
        let value = |computed: &Computed| match document.get(&computed.name) {
            None | Some(Bson::Null) => Value::Null,
            Some(value) if computed.whole => values::scalar(value),
            Some(value) => Value::Text(values::json(value)),
        };
        OldRow { values: self.computed.iter().map(value).collect(), marked: self.is_marked(document) }
    }

    fn is_marked(&self, document: &Document) -> bool {
        let there = |field: &Field| values::at(document, field.names());
        let Some(marker) = self.marker.as_ref().and_then(|(field, _)| there(field)) else { return false };
        match (marker, self.since.as_ref().and_then(there)) {
            (Bson::DateTime(marker), Some(Bson::DateTime(since))) => marker >= since,
            _ => true,
        }
    }

    fn fate(&self, document: &Document, old: &OldRow, answer: NewRow) -> Option<Fate> {
        let new = match answer {
            NewRow::Unfit(cause) => return Some(Fate::Unfit(cause)),
            NewRow::Same => old.values.clone(),
            NewRow::Values(values) if values.len() == self.computed.len() => values,
            NewRow::Values(_) => return None,
        };
        let mut changes = vec![];
        for ((computed, old), new) in self.computed.iter().zip(&old.values).zip(new) {
            let Some(value) = document.get(&computed.name).filter(|_| *old != new) else { continue };
            let found = if computed.whole {
                values::replaced(&computed.name, value, &new).map(|change| vec![change])
            } else {
                values::differences(&computed.name, value, &new)
            };
            match found {
                Some(found) => changes.extend(found),
                None => return Some(Fate::Unfit(Cause::TransformUnfit)),
            }
        }
        for (field, constant) in &self.constants {
            if let Some(value) = values::at(document, field.names()).filter(|value| !values::same(value, constant)) {
                changes.push(Change { path: field.dotted(), old: value.clone(), new: constant.clone() });
            }
        }
        for (field, grain) in &self.coarser {
            let Some(value) = values::at(document, field.names()) else { continue };
            match coarse::coarser(value, grain) {
                Some(new) if values::same(&new, value) => {}
                Some(new) => changes.push(Change { path: field.dotted(), old: value.clone(), new }),
                None => return Some(Fate::Unfit(Cause::ValueUnfit)),
            }
        }
        let finished = self.marker.is_none() || old.marked;
        // Nothing would be written, and the document is due: what is in it is no such thing as the rule says.
        Some(if changes.is_empty() && finished { Fate::Unfit(Cause::ValueUnfit) } else { Fate::Write(changes) })
    }
}

/// A marker of a moment is a date; every other is what it is.
fn written(value: &Value) -> Bson {
    match value {
        Value::Text(text) => match text.replacen(' ', "T", 1).parse::<jiff::Timestamp>() {
            Ok(at) => Bson::DateTime(DateTime::from_millis(at.as_millisecond())),
            Err(_) => Bson::String(text.clone()),
        },
        value => codec::bson(value).unwrap_or(Bson::Boolean(true)),
    }
}

// === impl Ground ===

impl Ground {
    /// Transforms those of the keys that are due; says how many, and which cannot be.
    pub(crate) async fn rewrite(
        &self,
        rewriting: &Rewriting,
        keys: &[Bson],
    ) -> Result<(u64, BTreeMap<Cause, u64>), Failure> {
        let (mut changed, mut unfit) = (0, BTreeMap::new());
        let mut stages = self.scope.stages(Some(among(keys)));
        stages.push(doc! { "$project": rewriting.projection() });
        let documents = self.link().read("finish", &self.step.table.name, &self.scope, stages).await?;
        let old: Vec<OldRow> = documents.iter().map(|document| rewriting.old(document)).collect();
        let transform = Arc::clone(&rewriting.transform);
        let computed = tokio::task::spawn_blocking(move || (transform.compute(&old), old)).await;
        let odd = || Failure::odd("finish", &self.place);
        let (answers, old) = computed.map_err(|_| odd())?;
        if answers.len() != documents.len() {
            return Err(odd());
        }
        let mut statements = vec![];
        let mut bytes = 0;
        for ((document, old), answer) in documents.iter().zip(&old).zip(answers) {
            match rewriting.fate(document, old, answer).ok_or_else(odd)? {
                Fate::Unfit(cause) => *unfit.entry(cause).or_default() += 1,
                Fate::Write(changes) => {
                    let statement = self.change(rewriting, document, &changes);
                    bytes += statement.to_vec().map_or(0, |bytes| bytes.len());
                    statements.push(statement);
                }
            }
            if bytes >= COMMAND_BYTES_MAX || statements.len() >= STATEMENTS_MAX {
                changed += self.send(std::mem::take(&mut statements), &mut unfit).await?;
                bytes = 0;
            }
        }
        if !statements.is_empty() {
            changed += self.send(statements, &mut unfit).await?;
        }
        Ok((changed, unfit))
    }

    /// The statement that changes one document, if it still holds what was read.
    fn change(&self, rewriting: &Rewriting, document: &Document, changes: &[Change]) -> Document {
        let mut holds = vec![doc! { "_id": document.get("_id").cloned().unwrap_or(Bson::Null) }];
        let mut sets = Document::new();
        for Change { path, old, new } in changes {
            let mut same = doc! { "$eq": old.clone() };
            if !matches!(old, Bson::Array(_)) {
                same.insert("$not", doc! { "$type": "array" });
            }
            holds.push(doc! { path: same });
            sets.insert(path, new.clone());
        }
        if let Some((marker, value)) = &rewriting.marker {
            sets.insert(marker.dotted(), value.clone());
        }
        let statement = doc! { "u": { "$set": sets }, "multi": false };
        self.statement(statement, doc! { "$and": holds })
    }

    /// Sends one command; says how many documents it changed, and adds those that the server refused.
    async fn send(&self, statements: Vec<Document>, unfit: &mut BTreeMap<Cause, u64>) -> Result<u64, Failure> {
        let command = doc! { "update": &self.step.table.name.name, "updates": statements, "ordered": false };
        let written = self.write(command).await?;
        for (_, code) in &written.errors {
            match error::class(*code) {
                FaultClass::Row(cause) => *unfit.entry(cause).or_default() += 1,
                _ => return Err(Failure::of_code(*code, "finish", &self.place)),
            }
        }
        match written.unconfirmed {
            Some(code) => Err(Failure::of_code(code, "finish", &self.place)),
            None => Ok(written.modified),
        }
    }
}
