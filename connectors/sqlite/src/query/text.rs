//! The text of a statement, with its values apart.

use forgetd_connector::Value;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use crate::codec;

/// A statement with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    /// The text.
    pub(crate) sql: String,
    /// One value for each `?N`.
    pub(crate) values: Vec<Sql>,
}

// === impl Query ===

impl Query {
    /// Appends a value and returns what stands for it.
    pub(crate) fn bind(&mut self, value: Sql) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// The same for a value of the seam; NULL where it is of another engine, which matches nothing.
    pub(crate) fn bind_value(&mut self, value: &Value) -> String {
        match codec::bind(value) {
            Some(bound) => {
                let place = self.bind(bound.value);
                if bound.as_text { format!("cast({place} as text)") } else { place }
            }
            None => "null".into(),
        }
    }

    /// Appends text.
    pub(crate) fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Runs it and reads the one number it counts.
    pub(crate) fn number(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let number: i64 = statement.query_row(params_from_iter(&self.values), |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }
}

/// A name as it stands in a statement. Never in double quotes: SQLite takes a double-quoted name that it does not know
/// for a text, and a dropped column would become a literal in a predicate.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A number as it is bound.
pub(super) fn integer(value: u64) -> Sql {
    Sql::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}
