//! Transforms due documents: reads what they hold, works out what it becomes, and writes the single values that differ.
//!
//! Each document is one statement, whose filter holds the old values, or the number that the application counts its versions
//! by: what the application wrote meanwhile is judged again in the next run. A value keeps its type, and nothing is made
//! where nothing is. All statements of a batch go in one command, and the server says which of them it refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forgetd_connector::{
    Cause, Fault, FaultClass, Grain, Marker, NewRow, OldRow, Place, Put, Rewrite, Transform, Undone, Value,
};
use mongodb::bson::{Bson, DateTime, Document, RawArrayBuf, RawDocument, cstr, doc, rawdoc};

use crate::coarse;
use crate::codec;
use crate::error::{self, Failure};
use crate::pins::{Pins, holds};
use crate::query::Field;
use crate::sealed::{Ground, among};
use crate::shard::ShardKey;
use crate::values::{self, Change};

/// A command ends where its statements make this many bytes.
pub(crate) const COMMAND_BYTES_MAX: usize = 1_000_000;

/// The most statements of one command.
pub(crate) const STATEMENTS_MAX: usize = 1_000;

/// Documents of so many bytes are read, worked out and written before the next ones are read.
const SLICE_BYTES_MAX: usize = 500_000;

/// Documents of one answer: each can be as large as the server takes.
const READ_AT_ONCE: u32 = 200;

/// What is written, resolved to names of fields.
pub(crate) struct Rewriting {
    /// The fields whose values are computed, in the order that the transform knows.
    computed: Vec<Computed>,
    constants: Vec<(Field, Bson)>,
    coarser: Vec<(Field, Grain)>,
    marker: Option<(Field, Bson)>,
    /// Stands in the filter instead of old values, and is counted up.
    version: Option<Field>,
    /// A marker from before the moment here says nothing.
    since: Option<Field>,
    pins: Pins,
    transform: Arc<dyn Transform>,
}

/// One field of the document.
struct Computed {
    name: String,
    /// Whether the transform is given the whole value, and not places inside it.
    whole: bool,
}

/// What became of documents.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    pub(crate) changed: u64,
    /// Those that cannot be transformed, by cause.
    pub(crate) unfit: BTreeMap<Cause, u64>,
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
        let version = rewrite.version.as_deref().map(field).transpose()?;
        let since = signs.iter().find_map(|sign| match sign {
            Undone::MarkedBefore { since, .. } => Some(field(since)),
            _ => None,
        });
        let pins = Pins::new(signs).map_err(|refused| refused.into_fault(place))?;
        Ok(Self { computed, constants, coarser, marker, version, since: since.transpose()?, pins, transform })
    }

    /// What of a document has to be read. What lies inside of something that is read comes with it, and a server refuses
    /// to be told so.
    pub(crate) fn projection(&self) -> Document {
        self.projection_beside(std::iter::empty())
    }

    /// The same with other fields.
    fn projection_beside<'a>(&'a self, more: impl Iterator<Item = &'a Field>) -> Document {
        let others = self.constants.iter().chain(&self.marker);
        let coarser = self.coarser.iter().map(|(field, _)| field);
        let others = others
            .map(|(field, _)| field)
            .chain(coarser)
            .chain(&self.since)
            .chain(&self.version)
            .chain(more)
            .map(Field::dotted);
        let read: BTreeSet<String> =
            self.computed.iter().map(|computed| computed.name.clone()).chain(others).chain(["_id".into()]).collect();
        let inside = |path: &str| path.match_indices('.').any(|(at, _)| read.contains(&path[..at]));
        read.iter().filter(|path| !inside(path)).map(|path| (path.clone(), Bson::Int32(1))).collect()
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
        if let Some(version) = &self.version
            && !values::at(document, version.names()).is_some_and(values::counts)
        {
            return Some(Fate::Unfit(Cause::VersionUnfit));
        }
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

/// What one document must hold to be changed, beside its key, and how it is changed. Elements of arrays are named by their
/// numbers.
fn one(rewriting: &Rewriting, document: &Document, changes: &[Change]) -> (Vec<Document>, Document) {
    let version = rewriting.version.as_ref();
    let version = version.and_then(|field| Some((field.dotted(), values::at(document, field.names())?.clone())));
    let mut sets = Document::new();
    for Change { path, new, .. } in changes {
        sets.insert(path, new.clone());
    }
    if let Some((marker, value)) = &rewriting.marker {
        sets.insert(marker.dotted(), value.clone());
    }
    match version {
        Some((path, read)) => {
            let counted = doc! { &path: 1_i32 };
            (vec![holds(path, &read)], doc! { "$set": sets, "$inc": counted })
        }
        None => (changes.iter().map(|change| holds(change.path.clone(), &change.old)).collect(), doc! { "$set": sets }),
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
    /// Transforms those of the keys that are due; adds how many, and which cannot be, also where it comes no further. Of large
    /// documents few are held at once.
    pub(crate) async fn rewrite(
        &self,
        rewriting: &Rewriting,
        keys: &[Bson],
        done: &mut Rewritten,
    ) -> Result<(), Failure> {
        let mut stages = self.scope.stages(Some(among(keys)));
        let beside = self.shard.iter().flat_map(ShardKey::beside_id);
        stages.push(doc! { "$project": rewriting.projection_beside(beside) });
        let mut cursor = self.link().open("finish", &self.step.table.name, &self.scope, stages, READ_AT_ONCE).await?;
        loop {
            let (documents, more) = self.some(&mut cursor, &mut done.unfit).await?;
            self.rewrite_some(rewriting, documents, done).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// The next documents, and whether there may be more. Those that cannot be read are said.
    async fn some(
        &self,
        cursor: &mut mongodb::Cursor<Document>,
        unfit: &mut BTreeMap<Cause, u64>,
    ) -> Result<(Vec<Document>, bool), Failure> {
        let (mut documents, mut bytes) = (vec![], 0);
        while bytes < SLICE_BYTES_MAX {
            if !self.link().call("finish", &self.place, cursor.advance()).await? {
                return Ok((documents, false));
            }
            bytes += cursor.current().as_bytes().len();
            match readable(cursor.current()) {
                Some(document) => documents.push(document),
                None => *unfit.entry(Cause::ValueUnfit).or_default() += 1,
            }
        }
        Ok((documents, true))
    }

    async fn rewrite_some(
        &self,
        rewriting: &Rewriting,
        documents: Vec<Document>,
        done: &mut Rewritten,
    ) -> Result<(), Failure> {
        let old: Vec<OldRow> = documents.iter().map(|document| rewriting.old(document)).collect();
        let transform = Arc::clone(&rewriting.transform);
        let computed = tokio::task::spawn_blocking(move || (transform.compute(&old), old)).await;
        let odd = || Failure::odd("finish", &self.place);
        let (answers, old) = computed.map_err(|_| odd())?;
        if answers.len() != documents.len() {
            return Err(odd());
        }
        // As they are sent: a tree of names and values takes many times as much.
        let (mut statements, mut number) = (RawArrayBuf::new(), 0);
        for ((document, old), answer) in documents.iter().zip(&old).zip(answers) {
            match rewriting.fate(document, old, answer).ok_or_else(odd)? {
                Fate::Unfit(cause) => *done.unfit.entry(cause).or_default() += 1,
                Fate::Write(changes) => {
                    statements.push(&self.raw(&self.change(rewriting, document, &changes))?);
                    number += 1;
                }
            }
            if statements.as_bytes().len() >= COMMAND_BYTES_MAX || number >= STATEMENTS_MAX {
                self.send(std::mem::take(&mut statements), done).await?;
                number = 0;
            }
        }
        if number == 0 { Ok(()) } else { self.send(statements, done).await }
    }

    /// The statement that changes one document, if it is still as it was read.
    fn change(&self, rewriting: &Rewriting, document: &Document, changes: &[Change]) -> Document {
        let mut holds = match &self.shard {
            Some(shard) => vec![shard.holds(document)],
            None => vec![doc! { "_id": document.get("_id").cloned().unwrap_or(Bson::Null) }],
        };
        let (others, update) = one(rewriting, document, changes);
        holds.extend(others);
        // A version that stands still says that nothing was written, whatever the document holds.
        let pins = if rewriting.version.is_some() { Some(vec![]) } else { rewriting.pins.of(document, changes) };
        let signs_hold = pins.is_some();
        holds.extend(pins.into_iter().flatten());
        let own = if signs_hold { &self.own_without_signs } else { &self.scope.own };
        holds.extend((!own.is_empty()).then(|| own.clone()));
        self.filtered(doc! { "u": update, "multi": false }, doc! { "$and": holds })
    }

    /// Sends one command; adds how many documents it changed, and those that the server refused.
    async fn send(&self, statements: RawArrayBuf, done: &mut Rewritten) -> Result<(), Failure> {
        let mut command = rawdoc! { "update": self.step.table.name.name.as_str() };
        command.append(cstr!("updates"), &statements);
        command.append(cstr!("ordered"), false);
        let written = self.write(command).await?;
        for (_, code) in &written.errors {
            match error::refusal(*code) {
                Some(cause) => *done.unfit.entry(cause).or_default() += 1,
                None => return Err(Failure::of_code(*code, "finish", &self.place)),
            }
        }
        // What no majority has may be rolled back.
        if let Some(code) = written.unconfirmed {
            return Err(Failure::of_code(code, "finish", &self.place));
        }
        done.changed += written.modified;
        Ok(())
    }
}

/// A document as it was sent; absent: there are bytes in it that are no text.
fn readable(document: &RawDocument) -> Option<Document> {
    Document::try_from(document).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forgetd_connector::{Marker, Path, Place, Put, Rewrite, Undone, Untouched, Value};
    use mongodb::bson::{Bson, RawDocument, RawDocumentBuf, doc};

    use super::{Change, Rewriting, one, readable};

    fn place(path: &str, put: Put) -> Place {
        Place { path: Path::parse(path).unwrap(), put, samples: vec![] }
    }

    /// A server refuses a projection that names a field and what lies in it.
    #[test]
    fn nothing_is_asked_for_twice() {
        let gone = Put::Constant(Value::Text("gone".into()));
        let rewrite = Rewrite {
            marker: Some(Marker { column: "profile.done_at".into(), value: Value::Bool(true) }),
            version: Some("profile.v".into()),
            places: vec![
                place("profile.email", Put::Computed),
                place("profile.name", gone.clone()),
                place("profiles", gone),
            ],
            follows: vec![],
        };
        let before = Undone::MarkedBefore { marker: "profile.done_at".into(), since: "profile.seen_at".into() };
        let rewriting = Rewriting::new(&rewrite, &[before], Arc::new(Untouched), "crm.item").unwrap();
        assert_eq!(rewriting.projection(), doc! { "_id": 1, "profile": 1, "profiles": 1 });
    }

    /// An old value stands in no filter where a version does.
    #[test]
    fn a_version_stands_for_all_that_is_replaced() {
        let document = doc! { "_id": 1, "mail": "a@b", "list": [{ "n": 1 }], "v": 7_i64 };
        let change = |path: &str, old: Bson| Change { path: path.into(), old, new: Bson::String("x".into()) };
        let changes = [change("mail", "a@b".into()), change("list.0.n", 1.into())];
        let sets = doc! { "$set": { "mail": "x", "list.0.n": "x" } };
        let mut counted = sets.clone();
        counted.insert("$inc", doc! { "v": 1 });
        for (version, holds, update) in [
            (
                None,
                vec![
                    doc! { "mail": { "$eq": "a@b", "$not": { "$type": "array" } } },
                    doc! { "list.0.n": { "$eq": 1, "$not": { "$type": "array" } } },
                ],
                sets,
            ),
            (Some("v"), vec![doc! { "v": { "$eq": 7_i64, "$not": { "$type": "array" } } }], counted),
        ] {
            let version = version.map(ToOwned::to_owned);
            let rewrite =
                Rewrite { marker: None, version, places: vec![place("mail", Put::Computed)], follows: vec![] };
            let rewriting = Rewriting::new(&rewrite, &[], Arc::new(Untouched), "crm.item").unwrap();
            assert_eq!(one(&rewriting, &document, &changes), (holds, update));
        }
    }

    #[test]
    fn bytes_that_are_no_text_make_one_document_unreadable() {
        let whole = RawDocumentBuf::try_from(&doc! { "_id": 1, "mail": "a@b" }).unwrap();
        assert_eq!(readable(&whole), Some(doc! { "_id": 1, "mail": "a@b" }));
        let mut bytes = whole.into_bytes();
        let at = bytes.iter().position(|byte| *byte == b'@').unwrap();
        bytes[at] = 0xff;
        assert_eq!(readable(RawDocument::from_bytes(&bytes).unwrap()), None);
    }
}
