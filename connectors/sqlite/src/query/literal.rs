//! `where`: equality by type and code points, whatever collation and affinity the column has.
//!
//! A literal means what the column would have stored for it. SQLite keeps `5` in a REAL column as 5.0, so numbers match
//! by value there; but a number never matches text and text never a number.

use forgetd_connector::{Check, Comparison, Predicate, Table, Value};

use super::{Query, quote};

/// What a column does to numbers that are stored in it, by the rules of its declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    /// Numbers become text.
    Text,
    /// Numbers keep their value, in whichever form is shorter.
    Numeric,
    /// Numbers get a fraction.
    Real,
    /// Nothing.
    Blob,
}

/// Appends ` and ..` for every part of the predicate. Fails with a column's name where its literal is of another
/// engine.
pub(super) fn push(predicate: &Predicate, table: &Table, query: &mut Query) -> Result<(), String> {
    let (column, values) = match predicate {
        Predicate::All(parts) => return parts.iter().try_for_each(|part| push(part, table, query)),
        Predicate::Test(test) => match &test.check {
            Check::Compare(Comparison::Equal, value) => (&test.path.column, std::slice::from_ref(value)),
            Check::In(values) => (&test.path.column, values.as_slice()),
            _ => return Err(test.path.column.clone()),
        },
        _ => return Err(String::new()),
    };
    let declared = table.column(column).map_or("", |column| column.type_name.as_str());
    let test = one_of(&quote(column), affinity(declared), values, query).ok_or_else(|| column.clone())?;
    query.push("\n  and ");
    query.push(&test);
    Ok(())
}

/// Values of one kind share one test of the storage class.
fn one_of(column: &str, affinity: Affinity, values: &[Value], query: &mut Query) -> Option<String> {
    let mut tests = vec![];
    for kind in [Kind::Integer, Kind::Real, Kind::Text, Kind::Bytes] {
        let mut places = vec![];
        for value in values {
            if Kind::of(value)? == kind {
                places.push(query.bind_value(value));
            }
        }
        if places.is_empty() {
            continue;
        }
        // `+` keeps an index out, COLLATE BINARY the column's own idea of equality.
        let equal = match places.as_slice() {
            [one] => format!("+{column} = {one} collate binary"),
            many => format!("+{column} collate binary in ({})", many.join(", ")),
        };
        tests.push(format!("(typeof({column}) {} and {equal})", kind.storage(affinity)));
    }
    Some(match tests.as_slice() {
        // Nothing equals nothing.
        [] => "0".into(),
        [one] => one.clone(),
        many => format!("({})", many.join(" or ")),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Real,
    Text,
    Bytes,
}

impl Kind {
    const fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(_) | Value::Int(_) => Some(Self::Integer),
            Value::Real(_) => Some(Self::Real),
            Value::Text(_) => Some(Self::Text),
            Value::Bytes(_) => Some(Self::Bytes),
            Value::Null | Value::Typed { .. } => None,
        }
    }

    /// The storage classes in which the column keeps such a value.
    const fn storage(self, affinity: Affinity) -> &'static str {
        match (self, affinity) {
            (Self::Text, _) => "= 'text'",
            (Self::Bytes, _) => "= 'blob'",
            (Self::Integer | Self::Real, Affinity::Numeric) => "in ('integer', 'real')",
            (Self::Integer, Affinity::Real) | (Self::Real, _) => "= 'real'",
            (Self::Integer, Affinity::Text | Affinity::Blob) => "= 'integer'",
        }
    }
}

/// SQLite's own rules, in their order.
fn affinity(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let has = |part: &str| declared.contains(part);
    if has("INT") {
        Affinity::Numeric
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || declared.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
