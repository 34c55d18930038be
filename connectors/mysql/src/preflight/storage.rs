//! What holds the table's rows: its engine, its key, its indexes. Pure.

use forgetd_connector::{Cause, Fault, Finding, Notice, Put, Step, TableRef};
use mysql_async::Row;

use super::server::Settings;
use crate::answer::get;
use crate::query::table_name;

/// Engines without transactions whose rows can be named and deleted one by one.
const PLAIN: &[&str] = &["MYISAM", "ARIA", "MEMORY"];

/// What the server says of a table.
#[derive(Debug, Default)]
pub(super) struct Storage {
    table_type: String,
    engine: String,
    /// Whether an index names its rows one by one.
    keyed: bool,
    /// As the server estimates it.
    row_bytes: u64,
}

/// One part of an index.
#[derive(Debug)]
pub(super) struct Part {
    index: String,
    at: u32,
    column: Option<String>,
    unique: bool,
    kind: String,
    prefix: Option<u64>,
    hidden: bool,
    expression: Option<String>,
}

// === impl Storage ===

impl Storage {
    /// Reads what stands behind the table's number.
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        let engine: Option<String> = get(row, 2, place)?;
        let row_bytes: Option<u64> = get(row, 4, place)?;
        Ok(Self {
            table_type: get(row, 1, place)?,
            engine: engine.unwrap_or_default(),
            keyed: get(row, 3, place)?,
            row_bytes: row_bytes.unwrap_or(0),
        })
    }

    /// How many bytes a row takes, about.
    pub(super) fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    pub(super) fn findings(&self, table: &TableRef, settings: &Settings, place: &str) -> Vec<Finding> {
        [self.versioned(table, place), self.engine(table, settings, place)].into_iter().flatten().collect()
    }

    /// A table that loses rows with those of the step, or is opened with it: we need no key of it, but a cluster does.
    pub(super) fn unkeyed(&self, table: &TableRef, settings: &Settings, place: &str) -> Option<Finding> {
        if self.keyed || !settings.in_cluster() {
            return None;
        }
        let message = if settings.in_group() {
            format!("{table} has no primary key, and a replication group takes no change that opens such a table")
        } else {
            format!("{table} has no primary key, and a cluster copies no delete of such a table's rows")
        };
        let fix = format!("give {table} a primary key");
        Some(Finding::blocks(Cause::NoKey, place, message).with_fix(fix))
    }

    /// A delete there moves the row into the table's past, where it stays.
    fn versioned(&self, table: &TableRef, place: &str) -> Option<Finding> {
        if self.table_type != "SYSTEM VERSIONED" {
            return None;
        }
        let message = "the table is system-versioned: what is deleted or written over stays in its history";
        let fix = format!(
            "run `alter table {} drop system versioning`, if nobody needs the history; or take the table out of the policy",
            table_name(table)
        );
        Some(Finding::blocks(Cause::HistoryKept, place, message).with_fix(fix))
    }

    fn engine(&self, table: &TableRef, settings: &Settings, place: &str) -> Option<Finding> {
        let engine = &self.engine;
        if engine.eq_ignore_ascii_case("InnoDB") {
            return None;
        }
        let alter = format!("run `alter table {} engine = InnoDB`", table_name(table));
        if !PLAIN.contains(&engine.to_uppercase().as_str()) {
            let message = format!("the table is of the engine {engine}, which forgetd does not work with");
            return Some(Finding::blocks(Cause::Unsupported, place, message).with_fix(alter));
        }
        if settings.in_cluster() {
            let message =
                format!("the table is of the engine {engine}, whose rows no cluster copies to its other nodes");
            return Some(Finding::blocks(Cause::Unsupported, place, message).with_fix(alter));
        }
        let message = format!(
            "the table is of the engine {engine}, without transactions: receipts are sealed before rows go, and evidence says so"
        );
        let fix = format!("nothing to do; {alter} if a batch shall be one commit");
        Some(Finding::informs(Notice::NotTransactional, place, message, fix))
    }
}

/// The step's own table has no key, and its batches need one.
pub(super) fn unnamed(step: &Step, place: &str) -> Option<Finding> {
    if !step.table.key.is_empty() || !step.atomicity.is_atomic() {
        return None;
    }
    let message = format!(
        "{} has no primary key and no unique not-null key, and batches name the rows that they change by one",
        step.table.name
    );
    Some(Finding::blocks(Cause::NoKey, place, message))
}

// === impl Part ===

impl Part {
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        let hidden: Option<bool> = get(row, 6, place)?;
        Ok(Self {
            index: get(row, 0, place)?,
            at: get(row, 1, place)?,
            column: get(row, 2, place)?,
            unique: get(row, 3, place)?,
            kind: get(row, 4, place)?,
            prefix: get(row, 5, place)?,
            hidden: hidden == Some(true),
            expression: get(row, 7, place)?,
        })
    }

    /// An index that begins with a column of `since` and that no batch can walk along.
    fn unusable(&self, step: &Step, place: &str) -> Option<Finding> {
        let column = self.column.as_deref()?;
        let since = step.selection.terms.since.columns();
        if self.at != 1 || step.table.leads_index(column) || !since.iter().any(|since| since.column == column) {
            return None;
        }
        let index = &self.index;
        let why = match (self.hidden, self.prefix) {
            (true, _) => "is hidden from the server's planner".to_owned(),
            (false, Some(_)) => "holds beginnings of its values alone".to_owned(),
            (false, None) => format!("is of the kind {}", self.kind),
        };
        let message = format!("the index {index} begins with {column} and {why}, so no batch can walk along it");
        let fix = "make one of whole values, see since_not_indexed";
        Some(Finding::informs(Notice::IndexUnusable, format!("{place}.{column}"), message, fix))
    }

    /// A part of a unique index that a transform writes, and that the plan knows nothing of: it is no column's whole value.
    fn coincides(&self, step: &Step, place: &str) -> Option<Finding> {
        if !self.unique {
            return None;
        }
        let within = |column: &str| match (&self.column, &self.expression) {
            (Some(own), _) => own == column && self.prefix.is_some(),
            (None, Some(expression)) => expression.contains(&format!("`{column}`")),
            (None, None) => false,
        };
        let takes_away = |put: &Put| *put == Put::Constant(forgetd_connector::Value::Null);
        let mut places = step.rewrite()?.places.iter().filter(|place| place.is_column() && !takes_away(&place.put));
        let column = &places.find(|place| within(&place.path.column))?.path.column;
        let message = match self.prefix {
            Some(length) => format!(
                "{column} is unique by its first {length} characters ({}), and what would be written may begin alike",
                self.index
            ),
            None => format!(
                "{column} is unique by what an expression makes of it ({}), which may be the same twice",
                self.index
            ),
        };
        Some(Finding::blocks(Cause::NotUnique, format!("{place}.{column}"), message))
    }
}

/// What the table's indexes say.
pub(super) fn of_indexes(parts: &[Part], step: &Step, place: &str) -> Vec<Finding> {
    parts.iter().flat_map(|part| [part.unusable(step, place), part.coincides(step, place)]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::server::Settings;
    use super::super::testing::step;
    use super::{Part, Storage, of_indexes};

    #[test]
    fn engines_are_taken_sealed_or_refused() {
        for (table_type, engine, expected) in [
            ("BASE TABLE", "InnoDB", None),
            ("BASE TABLE", "MyISAM", Some("not_transactional")),
            ("BASE TABLE", "ARCHIVE", Some("unsupported")),
            ("BASE TABLE", "ROCKSDB", Some("unsupported")),
            ("SYSTEM VERSIONED", "InnoDB", Some("history_kept")),
        ] {
            let storage = Storage { table_type: table_type.into(), engine: engine.into(), keyed: true, row_bytes: 0 };
            let found = storage.findings(&step("d.lead").table.name, &Settings::default(), "crm.d.lead");
            let found: Vec<&str> = found.iter().map(|finding| finding.id.as_str()).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{engine}");
        }
    }

    #[test]
    fn an_index_of_since_that_serves_nobody_is_named() {
        let part = |column: &str, at, prefix, hidden| Part {
            index: "i".into(),
            at,
            column: Some(column.into()),
            unique: false,
            kind: "BTREE".into(),
            prefix,
            hidden,
            expression: None,
        };
        for (part, named) in [
            (part("closed_at", 1, Some(10), false), true),
            (part("closed_at", 1, None, true), true),
            (part("closed_at", 2, Some(10), false), false),
            (part("other", 1, Some(10), false), false),
        ] {
            assert_eq!(of_indexes(&[part], &step("d.lead"), "crm.d.lead").len(), usize::from(named));
        }
    }
}
