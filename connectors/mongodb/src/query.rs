//! Every filter that looks at or changes a user's documents. Built from names and values, never from text, but for
//! `where_native`.
//!
//! One filter says which documents are due, and the same one stands in every statement. Where a period counts from another
//! collection, documents are looked up before it; a delete or an update cannot do that, so there the keys are judged right
//! before, and the filter of the change says what the document alone can tell.

mod account;
mod coarse;
mod field;
mod form;
mod native;
mod predicate;
mod selection;
mod since;
mod undone;

use forgetd_connector::{Cause, Fault, FaultClass, Selection, Statements, Step, TableKind};
use mongodb::bson::{Bson, Document, doc};

pub(crate) use account::{Asked, Reason, Why, by_type, missing};
pub(crate) use field::{Field, all};
pub(crate) use form::Form;
pub(crate) use native::check as check_native;
pub(crate) use since::{Look, Written, looks, unreachable, written};
pub(crate) use undone::shaped;

/// Why a step cannot be said as a filter. Holds no literal.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) cause: Cause,
    pub(crate) what: String,
}

/// How far a filter looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Into every collection that decides.
    All,
    /// Into the document alone: it may hold for more of them.
    Own,
}

/// Whether literals stand in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literals {
    Written,
    /// A placeholder for each.
    Counted,
}

/// Makes one filter, and the stages that must come before it.
pub(crate) struct Composer {
    reach: Reach,
    literals: Literals,
    /// Whether a `$lookup` takes fields and a pipeline both.
    joins_by_field: bool,
    placeholders: u32,
    lookups: Vec<Document>,
}

/// Which documents are due, and how that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Looks into other collections, for `filter`.
    pub(crate) lookups: Vec<Document>,
    /// Holds for the documents that are due.
    pub(crate) filter: Document,
    /// What of it the document alone tells.
    pub(crate) own: Document,
    /// Whether the collection compares texts in a way of its own: then every statement says that it does not.
    pub(crate) collated: bool,
}

// === impl Refused ===

impl Refused {
    pub(crate) fn column_type(what: &str) -> Self {
        Self { cause: Cause::ColumnType, what: what.into() }
    }

    pub(crate) fn into_fault(self, place: &str) -> Fault {
        Fault::new(FaultClass::Blocked(self.cause), "build statements", place).with_detail(self.what)
    }
}

// === impl Composer ===

impl Composer {
    fn new(reach: Reach, literals: Literals, joins_by_field: bool) -> Self {
        Self { reach, literals, joins_by_field, placeholders: 0, lookups: vec![] }
    }

    /// A literal as it is shown.
    fn shown(&mut self, literal: impl Into<Bson>) -> Bson {
        match self.literals {
            Literals::Written => literal.into(),
            Literals::Counted => {
                self.placeholders += 1;
                Bson::String(format!("?{}", self.placeholders))
            }
        }
    }
}

// === impl Scope ===

impl Scope {
    /// Resolves a step. Fails with a blocking fault where it asks what no filter can say.
    pub(crate) fn new(step: &Step, joins_by_field: bool, place: &str) -> Result<Self, Fault> {
        if step.table.kind != TableKind::Collection {
            let fault = Fault::new(FaultClass::Blocked(Cause::TableKind), "build statements", place);
            return Err(fault.with_detail("no collection"));
        }
        if let Some(look) = unreachable(step) {
            return Err(look.refused().into_fault(place));
        }
        let made = || -> Result<Self, Refused> {
            let mut all = Composer::new(Reach::All, Literals::Written, joins_by_field);
            let filter = all.selection(&step.selection)?;
            let own = Composer::new(Reach::Own, Literals::Written, joins_by_field).selection(&step.selection)?;
            Ok(Self { lookups: all.lookups, filter, own, collated: false })
        };
        made().map_err(|refused| refused.into_fault(place))
    }

    /// What the document alone tells, without the signs that it is not done.
    pub(crate) fn own_without_signs(step: &Step, joins_by_field: bool, place: &str) -> Result<Document, Fault> {
        let selection = Selection { undone: vec![], ..step.selection.clone() };
        let own = Composer::new(Reach::Own, Literals::Written, joins_by_field).selection(&selection);
        own.map_err(|refused| refused.into_fault(place))
    }

    /// The scope of another filter on the same collection.
    pub(crate) fn with(&self, filter: Document, lookups: Vec<Document>) -> Self {
        Self { lookups, own: Document::new(), filter, collated: self.collated }
    }

    /// Finds the documents of a range of keys that are due; further stages follow.
    pub(crate) fn stages(&self, keys: Option<Document>) -> Vec<Document> {
        if self.lookups.is_empty() {
            return vec![doc! { "$match": field::all(keys.into_iter().chain([self.filter.clone()]).collect()) }];
        }
        let first = field::all(keys.into_iter().chain([self.own.clone()]).collect());
        let mut stages = vec![doc! { "$match": first }];
        stages.extend(self.lookups.iter().cloned());
        stages.push(doc! { "$match": self.filter.clone() });
        stages
    }
}

/// What is shown to people.
pub(crate) fn statements(step: &Step, joins_by_field: bool, place: &str) -> Result<Statements, Fault> {
    if let Some(look) = unreachable(step) {
        return Err(look.refused().into_fault(place));
    }
    let made = || -> Result<Statements, Refused> {
        let mut all = Composer::new(Reach::All, Literals::Counted, joins_by_field);
        let filter = all.selection(&step.selection)?;
        let own = Composer::new(Reach::Own, Literals::Counted, joins_by_field).selection(&step.selection)?;
        let scope = Scope { lookups: all.lookups, filter, own, collated: false };
        let name = &step.table.name.name;
        let mut peek = scope.stages(None);
        peek.extend([doc! { "$sort": { "_id": 1 } }, doc! { "$project": { "_id": 1 } }]);
        let mut count = scope.stages(None);
        count.push(doc! { "$count": "n" });
        let keyed = guarded(doc! { "_id": { "$in": "?keys" } }, &scope.own);
        let change = match step.rewrite() {
            None => doc! { "delete": name, "deletes": [{ "q": keyed, "limit": 0, "hint": by_key() }] },
            Some(rewrite) => {
                let mut sets = Document::new();
                for column in rewrite
                    .places
                    .iter()
                    .map(|place| place.path.to_string())
                    .chain(rewrite.marker.iter().map(|marker| marker.column.clone()))
                {
                    sets.insert(column, "?new");
                }
                let (holds, update) = match rewrite.version.as_deref().map(Field::parse).transpose()? {
                    Some(version) => {
                        let counted = doc! { version.dotted(): 1 };
                        (doc! { version.dotted(): "?version" }, doc! { "$set": sets, "$inc": counted })
                    }
                    None => (doc! { "?path": "?old" }, doc! { "$set": sets }),
                };
                let mut one = doc! { "_id": "?key" };
                one.extend(holds);
                let one = guarded(one, &scope.own);
                doc! { "update": name, "updates": [{ "q": one, "u": update }], "ordered": false }
            }
        };
        Ok(Statements {
            predicate: text(&scope.filter),
            walk: "key".into(),
            peek: text(&doc! { "aggregate": name, "pipeline": peek }),
            change: text(&change),
            count: text(&doc! { "aggregate": name, "pipeline": count }),
        })
    };
    made().map_err(|refused| refused.into_fault(place))
}

/// The index of keys as statements name it: where a collection is clustered, its name is whatever somebody gave it.
pub(crate) fn by_key() -> Document {
    doc! { "_id": 1 }
}

/// What is due among some documents, for a change.
pub(crate) fn guarded(among: Document, own: &Document) -> Document {
    if own.is_empty() {
        among
    } else {
        doc! { "$and": [among, own.clone()] }
    }
}

/// As the server's shell takes it.
pub(crate) fn text(document: &Document) -> String {
    serde_json::to_string(document).unwrap_or_default()
}
