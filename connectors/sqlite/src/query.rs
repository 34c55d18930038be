//! Every statement that looks at or changes a user's rows. Built from quoted names and bound values alone.
//!
//! A statement is a *span* (which rows a batch looks at, by bounds that an index serves) and the *predicate* (which of
//! them are due, exactly). The predicate is the same text in every statement, and no index can serve any part of it:
//! so SQLite has one lower and one upper bound to choose from, the carried ones, and never walks from the head again.

mod literal;
mod since;
mod span;

use forgetd_connector::{Cause, Cutoff, Fault, FaultClass, Statements, Step, TableKind, Value, WhenNull};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

pub(crate) use since::{Form, Reading};
pub(crate) use span::{Area, Walk};

use crate::codec;

/// Among how many rows the oldest is looked for.
const OLDEST_ROWS: u64 = 1_000;

/// A statement with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    /// The text.
    pub(crate) sql: String,
    /// One value for each `?N`.
    pub(crate) values: Vec<Sql>,
}

/// A step, resolved to names and expressions of this engine.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The quoted table.
    table: String,
    /// The quoted `since`.
    since: String,
    form: Form,
    when_null: WhenNull,
    /// How lanes walk.
    walk: Walk,
    /// The quoted columns of the walk's own key: the row id, or the primary key of a table without row ids.
    row: Vec<String>,
    /// The quoted columns of the table's key.
    key: Vec<String>,
    /// ` indexed by ..`, where the walk relies on an index.
    hint: String,
    cutoff: Cutoff,
    /// The predicate and its values; they come first in every statement, so its text is always the same.
    predicate: Query,
}

/// What the described table does not say and a scope needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How the row id is written in a statement; absent in a table without row ids, or where columns took all names.
    pub(crate) row_id: Option<String>,
    /// The columns of the primary key of a table without row ids.
    pub(crate) primary_key: Vec<String>,
    /// Whether VACUUM keeps them: only row ids that a column names stay.
    pub(crate) stable: bool,
}

impl Default for Shape {
    /// What nearly every table has.
    fn default() -> Self {
        Self { row_id: Some("rowid".into()), primary_key: vec![], stable: true }
    }
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

// === impl Scope ===

impl Scope {
    /// Resolves a step. Fails with a blocking fault where the step asks what this engine cannot say.
    pub(crate) fn new(step: &Step, shape: &Shape, place: &str) -> Result<Self, Fault> {
        let blocked = |cause, detail: &str| {
            Err(Fault::new(FaultClass::Blocked(cause), "build statements", place).with_detail(detail))
        };
        if step.table.kind != TableKind::Plain {
            return blocked(Cause::TableKind, "no plain table");
        }
        let column = &step.selection.since.column;
        let Some(described) = step.table.column(column) else { return blocked(Cause::ColumnMissing, column) };
        let form = Form::new(described.kind, &step.selection.since)
            .map_err(|cause| Fault::new(FaultClass::Blocked(cause), "build statements", format!("{place}.{column}")))?;
        let row: Vec<String> = match &shape.row_id {
            Some(row_id) => vec![row_id.clone()],
            None => shape.primary_key.iter().map(|name| quote(name)).collect(),
        };
        if row.is_empty() {
            return blocked(Cause::NoKey, "columns named rowid, _rowid_ and oid hide the row id");
        }
        let index = span::index_for(&step.table, column);
        let mut scope = Self {
            table: format!("main.{}", quote(&step.table.name.name)),
            since: quote(column),
            form,
            when_null: step.selection.when_null.clone(),
            walk: if index.is_some() { Walk::Since } else { Walk::Rows },
            row,
            key: step.table.key.iter().map(|name| quote(name)).collect(),
            hint: index.map(|name| format!(" indexed by {}", quote(name))).unwrap_or_default(),
            cutoff: step.selection.cutoff,
            predicate: Query::default(),
        };
        scope.predicate = scope.due(step).map_err(|column| {
            Fault::new(FaultClass::Blocked(Cause::ColumnType), "build statements", format!("{place}.{column}"))
        })?;
        Ok(scope)
    }

    /// Which rows are due: exact by type and code point, true or false or unknown, and due only where true.
    fn due(&self, step: &Step) -> Result<Query, String> {
        let mut query = Query::default();
        let cutoff = self.cutoff;
        let mut due = self.form.due(&self.since, cutoff, &mut query);
        match &self.when_null {
            WhenNull::Keep => {}
            WhenNull::Delete => due = format!("({due}\n  or {} is null)", self.since),
            WhenNull::Use(other) => {
                let used = self.form.due(&quote(other), cutoff, &mut query);
                due = format!("({due}\n  or ({} is null and {used}))", self.since);
            }
        }
        query.push(&due);
        literal::push(&step.selection.predicate, &step.table, &mut query)?;
        Ok(query)
    }

    /// How lanes walk the table.
    pub(crate) const fn walk(&self) -> Walk {
        self.walk
    }

    /// Whether rows with NULL in `since` can be due.
    pub(crate) fn nulls_can_be_due(&self) -> bool {
        self.when_null != WhenNull::Keep
    }

    /// Whether another column counts where `since` is NULL.
    pub(crate) const fn reads_another(&self) -> bool {
        matches!(self.when_null, WhenNull::Use(_))
    }

    /// How `since` writes time.
    pub(crate) const fn form(&self) -> &Form {
        &self.form
    }

    /// How many columns the table's key has.
    pub(crate) const fn key_width(&self) -> usize {
        self.key.len()
    }

    /// The predicate's values with an empty text: where every statement begins.
    fn begin(&self) -> Query {
        Query { sql: String::new(), values: self.predicate.values.clone() }
    }

    /// Deletes what is due in a span; returns the keys of what went, if they are wanted.
    pub(crate) fn delete(&self, area: &Area, want_keys: bool) -> Query {
        let mut query = self.begin();
        let within = self.within(area, &mut query);
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = format!("delete from {}{hint}\nwhere {within}\n  and {}", self.table, self.predicate.sql);
        if want_keys && !self.key.is_empty() {
            query.push(&format!("\nreturning {}", self.key.join(", ")));
        }
        query
    }

    /// Counts what is due in a span, up to `limit`.
    pub(crate) fn count_in(&self, area: &Area, limit: u64) -> Query {
        let mut query = self.begin();
        let within = self.within(area, &mut query);
        let limit = query.bind(integer(limit));
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}{hint}\nwhere {within}\n  and {}\nlimit {limit})",
            self.table, self.predicate.sql
        );
        query
    }

    /// The keys of what is due in a span.
    pub(crate) fn keys_in(&self, area: &Area) -> Query {
        let mut query = self.begin();
        let within = self.within(area, &mut query);
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = format!(
            "select {}\nfrom {}{hint}\nwhere {within}\n  and {}",
            self.key.join(", "),
            self.table,
            self.predicate.sql
        );
        query
    }

    /// Counts all that is due, up to `cap`.
    pub(crate) fn count(&self, cap: Option<u64>) -> Query {
        let mut query = self.begin();
        let reach = self.reach(&mut query);
        let limit = match cap {
            Some(cap) => format!("\nlimit {}", query.bind(integer(cap.saturating_add(1)))),
            None => String::new(),
        };
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}\nwhere {reach}\n  and {}{limit})",
            self.table, self.predicate.sql
        );
        query
    }

    /// Counts the rows of the table, up to `cap`.
    pub(crate) fn total(&self, cap: Option<u64>) -> Query {
        let mut query = Query::default();
        query.sql = match cap {
            Some(cap) => {
                let limit = query.bind(integer(cap.saturating_add(1)));
                format!("select count(*)\nfrom (select 1 from {} limit {limit})", self.table)
            }
            None => format!("select count(*) from {}", self.table),
        };
        query
    }

    /// The earliest due moment in `since` (or, among its NULLs, in the column used instead), as [`Form::read`] reads
    /// it. Looked for among the first in the column's own order: exact where a column is written in one way, and less
    /// than two days off where it mixes separators or offsets.
    pub(crate) fn oldest(&self, reading: Reading) -> Query {
        let mut query = self.begin();
        let reach = self.reach(&mut query);
        let (column, null) = match (reading, &self.when_null) {
            (Reading::Since, _) => (self.since.clone(), "not null"),
            (Reading::Instead, WhenNull::Use(other)) => (quote(other), "null"),
            (Reading::Instead, _) => ("null".into(), "null"),
        };
        let limit = query.bind(integer(OLDEST_ROWS));
        query.sql = format!(
            "select min({})\nfrom (select {column} as moment from {}\nwhere {} is {null}\n  and {reach}\n  and {}\n\
             order by {column}\nlimit {limit})",
            self.form.moment("moment"),
            self.table,
            self.since,
            self.predicate.sql
        );
        query
    }

    /// Counts values of `since` that are neither NULL nor time: they are kept. Looks at `rows` rows from one end.
    pub(crate) fn unreadable(&self, rows: u64, last_first: bool) -> Query {
        let mut query = Query::default();
        let order = match (self.walk, last_first) {
            (Walk::Since, false) => format!(" order by {}", self.since),
            (Walk::Since, true) => format!(" order by {} desc", self.since),
            (Walk::Rows, _) => String::new(),
        };
        let limit = query.bind(integer(rows));
        query.sql = format!(
            "select count(*)\nfrom (select {0} from {1} where {0} is not null{order} limit {limit})\nwhere not {2}",
            self.since,
            self.table,
            self.form.readable(&self.since)
        );
        query
    }

    /// Deletes those of `keys` that are due. `keys` is never empty.
    pub(crate) fn delete_keys(&self, keys: &[forgetd_connector::Key]) -> Query {
        let mut query = self.begin();
        let list = self.key_list(keys, &mut query);
        query.sql = format!("delete from {}\nwhere {list}\n  and {}", self.table, self.predicate.sql);
        query
    }

    /// Counts those of `keys` that are due.
    pub(crate) fn count_keys(&self, keys: &[forgetd_connector::Key]) -> Query {
        let mut query = self.begin();
        let list = self.key_list(keys, &mut query);
        query.sql = format!("select count(*)\nfrom {}\nwhere {list}\n  and {}", self.table, self.predicate.sql);
        query
    }

    fn key_list(&self, keys: &[forgetd_connector::Key], query: &mut Query) -> String {
        let tuples: Vec<String> = keys
            .iter()
            .map(|key| {
                let values: Vec<String> = key.0.iter().map(|value| query.bind_value(value)).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        match self.key.as_slice() {
            [one] => format!("{one} in ({})", tuples.join(", ")),
            many => format!("({}) in (values {})", many.join(", "), tuples.join(", ")),
        }
    }

    /// What is shown to people: the texts that the lanes send.
    pub(crate) fn statements(&self) -> Statements {
        let area = self.example();
        Statements {
            predicate: self.predicate.sql.clone(),
            walk: match self.walk {
                Walk::Since => "since",
                Walk::Rows if self.row.len() == 1 && self.row != self.key => "physical",
                Walk::Rows => "key",
            }
            .into(),
            peek: self.peek_example().sql,
            change: self.delete(&area, false).sql,
            count: self.count(None).sql,
        }
    }
}

/// A name as it stands in a statement. Never in double quotes: SQLite takes a double-quoted name that it does not know
/// for a text, and a dropped column would become a literal in a predicate.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn integer(value: u64) -> Sql {
    Sql::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}
