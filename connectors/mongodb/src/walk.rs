//! Walks a collection in the order of its `_id`, whatever types there are: the server orders them, and a comparison stays
//! inside one.

use forgetd_connector::{Cursor, Key, Value};
use mongodb::bson::{Bson, Document, doc};

use crate::codec;

/// The types that an `_id` can be of, in their order; those that compare with each other stand together.
const TYPES: &[&[&str]] = &[
    &["minKey"],
    &["null"],
    &["int", "long", "double", "decimal"],
    &["string", "symbol"],
    &["object"],
    &["binData"],
    &["objectId"],
    &["bool"],
    &["date"],
    &["timestamp"],
    &["dbPointer"],
    &["javascript"],
    &["javascriptWithScope"],
    &["maxKey"],
];

/// Where a page of keys begins: at or behind a key that compares with every other of its types, in the order of all keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Start {
    At(Bson),
    Behind(Bson),
}

// === impl Start ===

impl Start {
    pub(crate) fn at(id: &Bson) -> Option<Self> {
        has_neighbours(id).then(|| Self::At(id.clone()))
    }

    pub(crate) fn behind(id: &Bson) -> Option<Self> {
        has_neighbours(id).then(|| Self::Behind(id.clone()))
    }

    pub(crate) const fn key(&self) -> &Bson {
        match self {
            Self::At(id) | Self::Behind(id) => id,
        }
    }

    /// The documents from here on whose keys compare with this one, up to one of them.
    pub(crate) fn range(&self, end: Option<&Bson>) -> Document {
        let mut range = match self {
            Self::At(id) => doc! { "$gte": id },
            Self::Behind(id) => doc! { "$gt": id },
        };
        if let Some(end) = end {
            range.insert("$lte", end);
        }
        doc! { "_id": range }
    }
}

/// Whether a comparison with this key reaches all others of its types, and finds them in the order that the server sorts by.
/// Numbers that are none do not compare; what is rare as a key is left to a cursor that sorts.
fn has_neighbours(id: &Bson) -> bool {
    match id {
        Bson::Double(number) => number.is_finite(),
        Bson::Int32(_) | Bson::Int64(_) | Bson::String(_) | Bson::ObjectId(_) | Bson::DateTime(_) | Bson::Binary(_) => {
            true
        }
        _ => false,
    }
}

/// Whether two keys are of types that compare with each other.
pub(crate) fn comparable(one: &Bson, other: &Bson) -> bool {
    place(one) == place(other)
}

fn place(id: &Bson) -> Option<usize> {
    TYPES.iter().position(|types| types.contains(&codec::type_name(id)))
}

/// The documents whose `_id` is of a type behind this one's.
pub(crate) fn of_later_types(id: &Bson) -> Document {
    let later: Vec<&str> =
        TYPES.iter().skip(place(id).map_or(0, |at| at + 1)).flat_map(|types| types.iter().copied()).collect();
    // A list of no types is none to a server.
    if later.is_empty() {
        doc! { "_id": { "$in": [] } }
    } else {
        doc! { "_id": { "$type": later } }
    }
}

/// The documents whose `_id` lies behind this one.
pub(crate) fn behind(id: &Bson) -> Document {
    let later = of_later_types(id);
    match id {
        Bson::MinKey | Bson::Null | Bson::MaxKey => later,
        // What is no number comes before all that are, and compares with none.
        id if is_no_number(id) => {
            doc! { "$or": [{ "_id": { "$gte": Bson::Double(f64::NEG_INFINITY) } }, later] }
        }
        id => doc! { "$or": [{ "_id": { "$gt": id.clone() } }, later] },
    }
}

fn is_no_number(id: &Bson) -> bool {
    match id {
        Bson::Double(number) => number.is_nan(),
        Bson::Decimal128(number) => number.to_string().to_ascii_lowercase().ends_with("nan"),
        _ => false,
    }
}

/// A position as the control collections keep it.
pub(crate) fn cursor(id: &Bson) -> Cursor {
    Cursor::from_text(codec::canonical(id))
}

/// Reads [`cursor`]; absent: it is none of ours.
pub(crate) fn position(cursor: &Cursor) -> Option<Bson> {
    codec::from_canonical(cursor.as_text())
}

/// The `_id` that a key names; absent: it is none of ours.
pub(crate) fn id(key: &Key) -> Option<Bson> {
    match key.0.as_slice() {
        [value] => codec::bson(value),
        _ => None,
    }
}

/// Every `_id` that a person can mean by a line of text.
pub(crate) fn meant(key: &Key) -> Vec<Bson> {
    let [value] = key.0.as_slice() else { return vec![] };
    let text = match value {
        Value::Text(text) => text,
        Value::Typed { kind, text } if kind != codec::KIND => text,
        value => return codec::bson(value).into_iter().collect(),
    };
    let mut meant = vec![Bson::String(text.clone())];
    let line = text.trim();
    meant.extend(line.parse().ok().map(Bson::ObjectId));
    meant.extend(line.parse().ok().map(Bson::Int64));
    if line.starts_with('{') {
        meant.extend(codec::from_canonical(line));
    }
    meant
}

#[cfg(test)]
mod tests {
    use mongodb::bson::oid::ObjectId;
    use mongodb::bson::{Bson, doc};

    use super::{Start, behind, comparable, cursor, position};

    #[test]
    fn behind_a_value_is_its_type_and_all_later_ones() {
        let text = behind(&Bson::String("a".into())).to_string();
        assert!(
            text.contains("$gt")
                && text.contains("object")
                && !text.contains("\"string\"")
                && !text.contains("\"int\"")
        );
        for no_number in [Bson::Double(f64::NAN), Bson::Decimal128("NaN".parse().unwrap())] {
            assert!(behind(&no_number).to_string().contains("$gte"), "{no_number}");
        }
        assert!(!behind(&Bson::Null).to_string().contains("$or"));
        assert_eq!(behind(&Bson::MaxKey), doc! { "_id": { "$in": [] } });
    }

    #[test]
    fn a_page_begins_where_its_keys_compare() {
        for id in [Bson::Int32(1), Bson::Double(0.5), Bson::String("a".into()), Bson::ObjectId(ObjectId::new())] {
            assert_eq!(Start::at(&id).unwrap().range(None), doc! { "_id": { "$gte": &id } });
            assert_eq!(Start::behind(&id).unwrap().range(Some(&id)), doc! { "_id": { "$gt": &id, "$lte": &id } });
        }
        for id in [Bson::Null, Bson::Double(f64::NAN), Bson::MaxKey, Bson::Boolean(true), Bson::Document(doc! {})] {
            assert_eq!((Start::at(&id), Start::behind(&id)), (None, None), "{id}");
        }
        assert!(comparable(&Bson::Int32(1), &Bson::Double(f64::INFINITY)));
        assert!(!comparable(&Bson::Int32(1), &Bson::String("1".into())));
    }

    #[test]
    fn positions_come_back_exactly() {
        for id in [
            Bson::Int32(7),
            Bson::Int64(i64::MAX),
            Bson::Double(2.5),
            Bson::Double(f64::NAN),
            Bson::String("a\"b".into()),
            Bson::ObjectId(ObjectId::new()),
            Bson::Document(doc! { "b": 1, "a": "x" }),
            Bson::Null,
            Bson::MaxKey,
            Bson::Boolean(true),
            Bson::DateTime(mongodb::bson::DateTime::from_millis(-1)),
            Bson::Decimal128("1.50".parse().unwrap()),
        ] {
            let back = position(&cursor(&id)).unwrap();
            // A number that is none equals nothing.
            assert_eq!(format!("{back:?}"), format!("{id:?}"));
        }
    }
}
