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

/// The documents whose `_id` lies behind this one.
pub(crate) fn behind(id: &Bson) -> Document {
    let at = TYPES.iter().position(|types| types.contains(&codec::type_name(id)));
    let later: Vec<&str> =
        TYPES.iter().skip(at.map_or(0, |at| at + 1)).flat_map(|types| types.iter().copied()).collect();
    if later.is_empty() {
        // A list of no types is none to a server.
        return doc! { "_id": { "$in": [] } };
    }
    let later = doc! { "_id": { "$type": later } };
    match id {
        Bson::MinKey | Bson::Null | Bson::MaxKey => later,
        // What is no number comes before all that are, and compares with none.
        Bson::Double(number) if number.is_nan() => {
            doc! { "$or": [{ "_id": { "$gte": Bson::Double(f64::NEG_INFINITY) } }, later] }
        }
        id => doc! { "$or": [{ "_id": { "$gt": id.clone() } }, later] },
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

    use super::{behind, cursor, position};

    #[test]
    fn behind_a_value_is_its_type_and_all_later_ones() {
        let text = behind(&Bson::String("a".into())).to_string();
        assert!(
            text.contains("$gt")
                && text.contains("object")
                && !text.contains("\"string\"")
                && !text.contains("\"int\"")
        );
        assert!(behind(&Bson::Double(f64::NAN)).to_string().contains("$gte"));
        assert!(!behind(&Bson::Null).to_string().contains("$or"));
        assert_eq!(behind(&Bson::MaxKey), doc! { "_id": { "$in": [] } });
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
