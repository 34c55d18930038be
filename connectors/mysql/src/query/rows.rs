//! Rows on their way back: an array in a variable of the session, sent once however many statements read it.

use forgetd_connector::{Fault, Key};

use super::{Param, Query, Sql};

/// The variable.
const ROWS: &str = "@forgetd_rows";

/// What stands beside the keys and the new values of rows that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// What the period counted from: for whoever looks at what was written.
    pub(crate) since: bool,
    /// What the new values were computed from: to be compared where no lock keeps it.
    pub(crate) old: bool,
}

/// Rows and the texts that their computed columns shall hold. They are kept in the form in which they are sent: every other
/// one would stand beside it.
pub(crate) struct RowsToWrite {
    beside: Beside,
    /// An array of arrays, without its end: of each row its key, what stands beside it, and the new texts.
    array: String,
    rows: u64,
}

/// The elements of a row's array, as far as they are known.
#[derive(Default)]
pub(crate) struct Elements(String);

// === impl Elements ===

impl Elements {
    /// Adds a text, or none.
    pub(crate) fn push(&mut self, text: Option<&str>) {
        match text.map(serde_json::to_string) {
            Some(Ok(text)) => self.push_written(&text),
            Some(Err(_)) | None => self.push_written("null"),
        }
    }

    fn push_written(&mut self, element: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(element);
    }
}

// === impl RowsToWrite ===

impl RowsToWrite {
    pub(crate) fn new(beside: Beside) -> Self {
        Self { beside, array: String::new(), rows: 0 }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, elements: &Elements) {
        self.array.push_str(if self.rows == 0 { "[[" } else { ",[" });
        self.array.push_str(&elements.0);
        self.array.push(']');
        self.rows += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn beside(&self) -> Beside {
        self.beside
    }

    /// Puts them where the statements behind it find them.
    pub(crate) fn carry(mut self) -> Sql {
        self.array.push(']');
        self.array.shrink_to_fit();
        let mut sql = Sql::default();
        let array = sql.bind(Param::Text(Some(self.array)));
        sql.say(format!("set {ROWS} = {array}"))
    }
}

impl Query {
    /// What the array of a row with this key begins with.
    pub(crate) fn key_elements(&self, key: &Key) -> Result<Elements, Fault> {
        let mut elements = Elements::default();
        for element in self.key_written(key)? {
            elements.push_written(&element);
        }
        Ok(elements)
    }

    /// The rows as a table, joined to the table itself, with what stands beside them: `forgetd_s0` and on, `forgetd_o0` and on,
    /// and `forgetd_c0` and on for the new texts. What is not `wanted` is left where it is.
    pub(super) fn rows_to_write(&self, beside: Beside, wanted: Beside) -> String {
        let mut columns = self.key_declared(false);
        let mut at = self.key().len();
        let width = |there: bool, width: usize| if there { width } else { 0 };
        for (name, width, wanted) in [
            ("s", width(beside.since, self.since_width()), wanted.since),
            ("o", width(beside.old, self.computed().len()), wanted.old),
            ("c", self.computed().len(), true),
        ] {
            for n in 0..width {
                if wanted {
                    columns.push_str(&format!(
                        ", forgetd_{name}{n} longtext character set utf8mb4 collate utf8mb4_bin path '$[{at}]' error on error"
                    ));
                }
                at += 1;
            }
        }
        self.rows_beside(&format!("json_table({ROWS}, '$[*]' columns ({columns}))"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Beside, Elements, RowsToWrite};

    #[test]
    fn rows_are_kept_as_they_are_sent() {
        let mut rows = RowsToWrite::new(Beside::default());
        assert!(rows.is_empty());
        for texts in [[Some("a\"\n"), None], [Some(""), Some("\u{1F600}")]] {
            let mut elements = Elements::default();
            texts.into_iter().for_each(|text| elements.push(text));
            rows.push(&elements);
        }
        assert!(!rows.is_empty());
        let mut sent = String::new();
        let sql = rows.carry();
        assert_eq!(sql.text(), "set @forgetd_rows = ?1");
        assert!(sql.render(&mut sent));
        let literal = sent.trim_start_matches("set @forgetd_rows = _utf8mb4 x'").trim_end_matches('\'');
        let array = String::from_utf8(hex::decode(literal).unwrap()).unwrap();
        assert_eq!(array, "[[\"a\\\"\\n\",null],[\"\",\"\u{1F600}\"]]");
    }
}
