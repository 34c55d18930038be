//! What keeps a document as it was read, so that nothing about it has to be asked again: a change's filter then names the
//! values that told it was not done, where it would else ask the signs. FerretDB plans each document's filter by itself, and
//! an expression in it takes longer than the write.

use forgetd_connector::{Shape, Undone};
use mongodb::bson::{Bson, Document, doc};

use crate::query::{Field, Refused};
use crate::values::Change;

/// Which values of a document tell that it is not done.
pub(crate) struct Pins {
    /// The field without which it is not.
    marker: Option<Field>,
    /// Every other one that a sign asks for; absent where a sign asks for more than values.
    told_by: Option<Vec<Field>>,
}

/// What lies in a field where every field on the way is a document.
enum Lies<'a> {
    Value(&'a Bson),
    Nothing,
    /// An array, a document, or no document on the way.
    Odd,
}

// === impl Pins ===

impl Pins {
    pub(crate) fn new(signs: &[Undone]) -> Result<Self, Refused> {
        let (mut marker, mut told_by) = (None, Some(vec![]));
        for sign in signs {
            match sign {
                Undone::Unmarked(field) => marker = Some(Field::parse(field)?),
                Undone::Other { path, shape } if !path.is_many() && !matches!(shape, Shape::Coarse(_)) => {
                    let field = Field::parse(&path.to_string())?;
                    told_by.iter_mut().for_each(|fields| fields.push(field.clone()));
                }
                Undone::Is { path, .. } if !path.is_many() => {
                    let field = Field::parse(&path.to_string())?;
                    told_by.iter_mut().for_each(|fields| fields.push(field.clone()));
                }
                Undone::Other { .. } | Undone::Is { .. } | Undone::MarkedBefore { .. } => told_by = None,
            }
        }
        Ok(Self { marker, told_by })
    }

    /// The conditions, beside those on the values that are replaced, under which a document that was not done when it was
    /// read is not done now. Absent: only the signs tell.
    pub(crate) fn of(&self, document: &Document, changes: &[Change]) -> Option<Vec<Document>> {
        match self.marker.as_ref().map(|marker| (marker, lies(document, marker))) {
            // One sign is enough.
            Some((marker, Lies::Nothing)) => return Some(vec![nothing(marker)]),
            Some((_, Lies::Odd)) => return None,
            // It has the mark, so it was another sign.
            Some((_, Lies::Value(_))) | None => {}
        }
        let mut pins: Vec<Document> = vec![];
        for field in self.told_by.as_ref()? {
            let path = field.dotted();
            let value = match lies(document, field) {
                Lies::Value(_) if changes.iter().any(|change| change.path == path) => None,
                Lies::Value(value) => Some(holds(path, value)),
                Lies::Nothing => Some(nothing(field)),
                Lies::Odd => return None,
            };
            for pin in field.outside_arrays().into_iter().chain(value) {
                if !pins.contains(&pin) {
                    pins.push(pin);
                }
            }
        }
        Some(pins)
    }
}

/// Whether a value is there, and no list of such.
pub(crate) fn holds(path: String, value: &Bson) -> Document {
    let mut same = doc! { "$eq": value.clone() };
    if !matches!(value, Bson::Array(_)) {
        same.insert("$not", doc! { "$type": "array" });
    }
    doc! { path: same }
}

fn nothing(field: &Field) -> Document {
    holds(field.dotted(), &Bson::Null)
}

fn lies<'a>(document: &'a Document, field: &Field) -> Lies<'a> {
    let Some((last, above)) = field.names().split_last() else { return Lies::Odd };
    let mut inner = document;
    for name in above {
        match inner.get(name) {
            None => return Lies::Nothing,
            Some(Bson::Document(document)) => inner = document,
            Some(_) => return Lies::Odd,
        }
    }
    match inner.get(last) {
        None | Some(Bson::Null) => Lies::Nothing,
        Some(Bson::Array(_) | Bson::Document(_)) => Lies::Odd,
        // What is no number equals nothing.
        Some(Bson::Double(number)) if number.is_nan() => Lies::Odd,
        Some(Bson::Decimal128(_)) => Lies::Odd,
        Some(value) => Lies::Value(value),
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Grain, Path, Shape, Undone};
    use mongodb::bson::{Bson, Document, doc};

    use super::Pins;
    use crate::values::Change;

    fn other(path: &str, shape: Shape) -> Undone {
        Undone::Other { path: Path::parse(path).unwrap(), shape }
    }

    fn text(path: &str) -> Undone {
        other(path, Shape::Like(vec!["p1.%".into()]))
    }

    fn pinned(signs: &[Undone], document: &Document, changed: &[&str]) -> Option<Vec<Document>> {
        let change = |path: &&str| Change { path: (*path).into(), old: Bson::Null, new: Bson::Null };
        let changes: Vec<Change> = changed.iter().map(change).collect();
        Pins::new(signs).unwrap().of(document, &changes)
    }

    fn is(path: &str, value: impl Into<Bson>) -> Document {
        doc! { path: { "$eq": value.into(), "$not": { "$type": "array" } } }
    }

    #[test]
    fn what_is_not_replaced_stays_as_it_was_or_the_signs_are_asked() {
        let (mail, name) = (|| text("p.mail"), || text("p.name"));
        let no_list = doc! { "p": { "$not": { "$type": "array" } } };
        let before = Undone::MarkedBefore { marker: "done".into(), since: "at".into() };
        let unmarked = || Undone::Unmarked("done".into());
        for (signs, document, changed, pins) in [
            (vec![mail()], doc! { "p": { "mail": "a" } }, vec!["p.mail"], Some(vec![no_list.clone()])),
            (
                vec![mail(), name()],
                doc! { "p": { "mail": "a", "name": "p1.b" } },
                vec!["p.mail"],
                Some(vec![no_list.clone(), is("p.name", "p1.b")]),
            ),
            (
                vec![mail(), name()],
                doc! { "p": { "mail": "a" } },
                vec!["p.mail"],
                Some(vec![no_list, is("p.name", Bson::Null)]),
            ),
            (vec![mail()], doc! { "p": [{ "mail": "a" }] }, vec![], None),
            (vec![mail()], doc! { "p": { "mail": ["a"] } }, vec![], None),
            (vec![mail()], doc! { "p": { "mail": f64::NAN } }, vec!["p.mail"], None),
            (vec![text("p.list[].mail")], doc! { "p": { "list": [{ "mail": "a" }] } }, vec!["p.list.0.mail"], None),
            (vec![mail(), other("age", Shape::Coarse(Grain::Prefix(2)))], doc! { "age": "1" }, vec!["p.mail"], None),
            (vec![unmarked(), before.clone(), mail()], doc! {}, vec![], Some(vec![is("done", Bson::Null)])),
            (vec![unmarked(), before], doc! { "done": 1 }, vec![], None),
            (vec![unmarked(), text("mail")], doc! { "done": 1, "mail": "a" }, vec!["mail"], Some(vec![])),
            (vec![unmarked(), text("mail")], doc! { "done": [], "mail": "a" }, vec!["mail"], None),
        ] {
            assert_eq!(pinned(&signs, &document, &changed), pins, "{document}");
        }
    }
}
