//! Fields of documents, as filters and expressions name them, and what is asked of the values there.
//!
//! A filter looks into arrays on its own: a condition on `a.b` holds where it holds for one element on the way. Nothing here
//! means that, so every condition says what arrays are to it.

use forgetd_connector::{Cause, Path, PathStep};
use mongodb::bson::{Bson, Document, doc};

use super::Refused;

/// A field by the names on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field(Vec<String>);

/// Whether a condition on a value is asked of arrays too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrays {
    /// An array is no value that it can hold for.
    Never,
    /// It says itself what it is to an array.
    Asked,
}

// === impl Field ===

impl Field {
    /// Reads a path as a policy writes it. `[]` adds nothing: a period looks into arrays in any case.
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let refused =
            || Refused { cause: Cause::ColumnMissing, what: "a field is no path that a filter can name".into() };
        let path = Path::parse(text).map_err(|_| refused())?;
        if !path.names_fields() {
            return Err(refused());
        }
        let steps = path.steps.into_iter().filter_map(|step| match step {
            PathStep::Field(name) => Some(name),
            PathStep::Each => None,
        });
        Ok(Self(std::iter::once(path.column).chain(steps).collect()))
    }

    /// The field that a server names so.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self(names.map(ToOwned::to_owned).collect())
    }

    /// The names on the way.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// As filters name it.
    pub(crate) fn dotted(&self) -> String {
        self.0.join(".")
    }

    /// As expressions name its value.
    pub(crate) fn value(&self) -> String {
        format!("${}", self.dotted())
    }

    /// Its value as an expression's list of one.
    pub(super) fn alone(&self) -> Bson {
        Bson::Array(vec![self.value().into()])
    }

    /// Every value there, as an expression's list: those that arrays on the way or there hold, one by one.
    pub(super) fn values(&self) -> Bson {
        let listed = |value: Bson| {
            let is_list = doc! { "$isArray": [value.clone()] };
            Bson::from(doc! { "$cond": [is_list, value.clone(), [value]] })
        };
        let mut values = listed(self.value().into());
        // Each array on the way is a list in the list.
        for _ in 1..self.0.len() {
            let one = listed("$$this".into());
            let with = doc! { "$concatArrays": ["$$value", one] };
            values = doc! { "$reduce": { "input": values, "initialValue": [], "in": with } }.into();
        }
        values
    }

    /// The fields that it lies in, outer ones first.
    fn above(&self) -> impl Iterator<Item = (String, Self)> {
        (1..self.0.len()).map(|at| (self.0[..at].join("."), Self(self.0[at..].to_vec())))
    }

    /// Whether there is no value: missing or null, with no array on the way.
    pub(crate) fn is_missing(&self) -> Document {
        let mut parts = self.outside_arrays();
        parts.push(doc! { self.dotted(): { "$eq": Bson::Null, "$not": { "$type": "array" } } });
        all(parts)
    }

    /// A condition on its value, with no array on the way or there.
    pub(crate) fn single(&self, operators: Document) -> Document {
        let mut parts = vec![doc! { self.dotted(): operators }];
        parts.extend(self.outside_arrays());
        parts.push(no_array(&self.dotted()));
        all(parts)
    }

    /// That no field on the way is an array.
    pub(crate) fn outside_arrays(&self) -> Vec<Document> {
        self.above().map(|(name, _)| no_array(&name)).collect()
    }

    /// A condition on every value there: on the one that there is, or on all that arrays on the way or there hold, which are
    /// not empty then. An element that is of another type, or has no such field, breaks it. `operators` must not hold `$not`.
    pub(crate) fn every(&self, operators: &Document) -> Document {
        let dotted = self.dotted();
        let mut broken = vec![doc! { &dotted: { "$elemMatch": { "$not": operators.clone() } } }];
        for (name, rest) in self.above() {
            broken.push(doc! { &name: { "$elemMatch": { "$not": { "$type": "object" } } } });
            broken.push(doc! { &name: { "$elemMatch": none(vec![rest.every(operators)]) } });
        }
        // The first part alone serves an index.
        all(vec![doc! { dotted: operators.clone() }, none(broken)])
    }
}

fn no_array(name: &str) -> Document {
    doc! { name: { "$not": { "$type": "array" } } }
}

/// Whether there is a value at a path that is not null.
pub(super) fn present(path: &Path) -> Document {
    let array = some(path, &doc! { "$type": "array" }, Arrays::Asked);
    any(vec![array, some(path, &doc! { "$ne": Bson::Null }, Arrays::Never)])
}

/// Whether a filter can name the path.
pub(super) fn nameable(path: &Path) -> Result<(), Refused> {
    if path.names_fields() {
        return Ok(());
    }
    Err(Refused {
        cause: Cause::ColumnMissing,
        what: "a name has a dot or begins with `$`, so no filter can name it".into(),
    })
}

/// Whether a condition on a value holds at a path: for at least one element behind `[]`. Elsewhere an array has no fields.
pub(crate) fn some(path: &Path, operators: &Document, arrays: Arrays) -> Document {
    some_in(&path.column, &path.steps, operators, arrays)
}

fn some_in(name: &str, steps: &[PathStep], operators: &Document, arrays: Arrays) -> Document {
    let (dotted, guards, rest) = walk(name, steps);
    let mut parts = vec![];
    match rest.split_first() {
        None => {
            parts.push(doc! { &dotted: operators.clone() });
            if arrays == Arrays::Never {
                parts.push(no_array(&dotted));
            }
        }
        Some((_, rest)) => parts.push(doc! { &dotted: { "$elemMatch": some_of(rest, operators, arrays) } }),
    }
    parts.extend(guards);
    all(parts)
}

/// The same of an element.
fn some_of(steps: &[PathStep], operators: &Document, arrays: Arrays) -> Document {
    match steps.split_first() {
        None => operators.clone(),
        Some((PathStep::Each, rest)) => doc! { "$elemMatch": some_of(rest, operators, arrays) },
        Some((PathStep::Field(name), rest)) => some_in(name, rest, operators, arrays),
    }
}

/// Whether a condition on a value holds at a path: for every element behind `[]`, of which there is one.
pub(crate) fn each(path: &Path, operators: &Document) -> Document {
    each_in(&path.column, &path.steps, operators)
}

fn each_in(name: &str, steps: &[PathStep], operators: &Document) -> Document {
    let (dotted, guards, rest) = walk(name, steps);
    let mut parts = match rest.split_first() {
        None => vec![doc! { &dotted: operators.clone() }, no_array(&dotted)],
        Some((_, rest)) => {
            let broken = breaks(rest, operators).into_iter().map(|element| doc! { &dotted: { "$elemMatch": element } });
            vec![doc! { &dotted: { "$type": "array", "$ne": [] } }, none(broken.collect())]
        }
    };
    parts.extend(guards);
    all(parts)
}

/// What an element is that breaks it: one of these. Each stands in an `$elemMatch`, as operators or as a filter of its
/// fields, which `$not` does not take.
fn breaks(steps: &[PathStep], operators: &Document) -> Vec<Document> {
    match steps.split_first() {
        None => vec![doc! { "$not": operators.clone() }],
        Some((PathStep::Field(name), rest)) => {
            vec![doc! { "$not": { "$type": "object" } }, none(vec![each_in(name, rest, operators)])]
        }
        Some((PathStep::Each, rest)) => {
            let mut broken = vec![doc! { "$not": { "$type": "array", "$ne": [] } }];
            broken.extend(breaks(rest, operators).into_iter().map(|element| doc! { "$elemMatch": element }));
            broken
        }
    }
}

/// The names up to the first `[]`, that none of those above the last is an array, and the steps from there.
fn walk<'a>(name: &str, steps: &'a [PathStep]) -> (String, Vec<Document>, &'a [PathStep]) {
    let mut dotted = name.to_owned();
    let mut guards = vec![];
    for (at, step) in steps.iter().enumerate() {
        match step {
            PathStep::Field(name) => {
                guards.push(no_array(&dotted));
                dotted = format!("{dotted}.{name}");
            }
            PathStep::Each => return (dotted, guards, &steps[at..]),
        }
    }
    (dotted, guards, &[])
}

/// Every part holds. None: always.
pub(crate) fn all(parts: Vec<Document>) -> Document {
    joined("$and", parts)
}

/// One of the parts holds. None: never.
pub(crate) fn any(parts: Vec<Document>) -> Document {
    if parts.is_empty() { never() } else { joined("$or", parts) }
}

/// None of the parts holds.
pub(crate) fn none(parts: Vec<Document>) -> Document {
    if parts.is_empty() {
        Document::new()
    } else {
        doc! { "$nor": parts }
    }
}

/// What holds for no document.
pub(crate) fn never() -> Document {
    doc! { "$nor": [{}] }
}

fn joined(operator: &str, parts: Vec<Document>) -> Document {
    let mut flat = vec![];
    for part in parts {
        match part.get_array(operator) {
            Ok(inner) if part.len() == 1 => flat.extend(inner.iter().cloned()),
            _ if part.is_empty() && operator == "$and" => {}
            _ => flat.push(Bson::Document(part)),
        }
    }
    match flat.as_slice() {
        [] => Document::new(),
        [Bson::Document(part)] => part.clone(),
        _ => doc! { operator: flat },
    }
}
