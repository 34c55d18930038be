//! What rows are looked for behind the connector's back, and how a row is written as a document.

use serde_json::{Map, Value as Json, json};

use crate::{Cell, Kind, Row, TableSpec};

/// What a column of the wanted rows holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted<'a> {
    /// This value; [`Cell::Null`] is looked for as NULL, which nothing at all is too.
    Is(Cell),
    /// One of these texts.
    OneOf(&'a [&'a str]),
    /// A text that begins like this, without a character that means something in a pattern.
    Begins(&'a str),
    /// JSON in whose text this stands, spaces between its tokens apart.
    Holds(&'a str),
}

// === impl Wanted ===

impl Wanted<'_> {
    /// The condition on `column` in SQL.
    pub fn sql(&self, column: &str) -> String {
        match self {
            Self::Is(Cell::Null | Cell::Missing) => format!("{column} is null"),
            Self::Is(cell) => format!("{column} = {}", plain(cell)),
            Self::OneOf(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| plain(&Cell::Text((*text).into()))).collect();
                format!("{column} in ({})", texts.join(", "))
            }
            Self::Begins(text) => format!("{column} like '{text}%'"),
            Self::Holds(text) => format!("concat({column}, '') like '%{text}%'"),
        }
    }

    /// Whether a member of a document, in relaxed extended JSON, is wanted; absent: the document has no such member.
    pub fn meets(&self, member: Option<&Json>) -> bool {
        let member = member.unwrap_or(&Json::Null);
        match self {
            Self::Is(Cell::Null | Cell::Missing) => member.is_null(),
            Self::Is(Cell::Int(value)) => member.as_f64() == Some(*value as f64),
            Self::Is(Cell::Real(value)) => member.as_f64() == Some(*value),
            Self::Is(Cell::Bool(value)) => member.as_bool() == Some(*value),
            Self::Is(Cell::Text(text)) => member.as_str() == Some(text),
            Self::Is(cell) => panic!("{cell:?} is not looked for"),
            Self::OneOf(texts) => member.as_str().is_some_and(|member| texts.contains(&member)),
            Self::Begins(text) => member.as_str().is_some_and(|member| member.starts_with(text)),
            Self::Holds(text) => member.to_string().contains(text),
        }
    }
}

/// A cell of a kind that is written alike in every column that takes it.
pub(crate) fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null | Cell::Missing => "null".into(),
        Cell::Int(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
        Cell::Real(value) => value.to_string(),
        Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
        cell => panic!("{cell:?} is written by the kind of its column"),
    }
}

// === impl TableSpec ===

impl TableSpec {
    /// The row as a document in canonical extended JSON: `_id`, then a member for each cell that is there at all.
    pub fn document(&self, row: &Row) -> Map<String, Json> {
        assert_eq!(row.1.len(), self.columns.len(), "one cell per column of {}", self.name);
        let mut document = Map::new();
        document.insert("_id".into(), long(row.0));
        for (column, cell) in self.columns.iter().zip(&row.1) {
            if *cell != Cell::Missing {
                document.insert(column.name.into(), member(column.kind, cell));
            }
        }
        document
    }
}

/// A cell of a column of this kind as a member of a document, in canonical extended JSON.
pub fn member(kind: Kind, cell: &Cell) -> Json {
    match (kind, cell) {
        (_, Cell::Null) => Json::Null,
        (_, Cell::Int(value)) => long(*value),
        (_, Cell::Real(value)) => json!({ "$numberDouble": double(*value) }),
        (_, Cell::Bool(value)) => json!(value),
        (_, Cell::Text(text)) => json!(text),
        (_, Cell::Json(value)) => value.clone(),
        (Kind::Instant, Cell::Instant(instant)) => json!({ "$date": long(instant.as_millisecond()) }),
        (Kind::Iso8601, Cell::Instant(instant)) => json!(instant.to_string()),
        // Documents have no types for these: texts, as a rule that names their form reads them.
        (Kind::Naive | Kind::NaiveText, Cell::Naive(local)) => json!(format!("{} {}", local.date(), local.time())),
        (Kind::Date | Kind::DateText, Cell::Date(date)) => json!(date.to_string()),
        (Kind::UnixS, Cell::Instant(instant)) => long(instant.as_second()),
        (Kind::UnixMs, Cell::Instant(instant)) => long(instant.as_millisecond()),
        (kind, cell) => panic!("{cell:?} of kind {kind:?} cannot stand in a document"),
    }
}

fn long(value: i64) -> Json {
    json!({ "$numberLong": value.to_string() })
}

fn double(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_document_with_what_is_there() {
        let at = Cell::Instant("2024-03-10T12:30:45.123Z".parse().unwrap());
        let row = vec![at, Cell::Missing, Cell::Null, Cell::Real(-0.0), Cell::Json(json!({ "a": [1] }))];
        let table = TableSpec::new("item")
            .column("at", Kind::Instant)
            .nullable("gone", Kind::Text)
            .nullable("nothing", Kind::Text)
            .column("r", Kind::Real)
            .column("doc", Kind::Json)
            .rows([row]);
        let expected = json!({
            "_id": { "$numberLong": "1" },
            "at": { "$date": { "$numberLong": "1710073845123" } },
            "nothing": null,
            "r": { "$numberDouble": "-0.0" },
            "doc": { "a": [1] },
        });
        assert_eq!(Json::Object(table.document(&table.rows[0])), expected);
        assert_eq!(table.cell(&table.rows[0], "gone"), Cell::Null, "to the oracle");
    }

    #[test]
    fn what_is_wanted_is_said_in_sql_and_asked_of_members() {
        let text = |text: &str| Wanted::Is(Cell::Text(text.into()));
        for (wanted, sql, member, meets) in [
            (Wanted::Is(Cell::Null), "c is null", None, true),
            (Wanted::Is(Cell::Null), "c is null", Some(json!("null")), false),
            (text("it's"), "c = 'it''s'", Some(json!("it's")), true),
            (Wanted::Is(Cell::Int(5)), "c = 5", Some(json!(5.0)), true),
            (Wanted::Is(Cell::Int(5)), "c = 5", Some(json!("5")), false),
            (Wanted::Is(Cell::Bool(false)), "c = false", None, false),
            (Wanted::OneOf(&["a", "b"]), "c in ('a', 'b')", Some(json!("b")), true),
            (Wanted::Begins("p1."), "c like 'p1.%'", Some(json!("p1.a")), true),
            (Wanted::Begins("p1."), "c like 'p1.%'", Some(json!(["p1.a"])), false),
            (Wanted::Holds("\"a\""), "concat(c, '') like '%\"a\"%'", Some(json!({ "b": "a" })), true),
        ] {
            assert_eq!((wanted.sql("c").as_str(), wanted.meets(member.as_ref())), (sql, meets), "{member:?}");
        }
    }
}
