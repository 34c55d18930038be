//! What a connector's own tests provide so that the suite can run against its engine.

use async_trait::async_trait;
use forgetd_connector::{Connector, SinceForm};
use jiff::Timestamp;

use crate::oracle::Native;
use crate::{Cell, Kind, TableSpec, Wanted};

/// An engine, as the suite needs it.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Whether its server is there at all. Where one could not be downloaded, whoever tried has said so: nothing is tested.
    fn is_there(&self) -> bool {
        true
    }

    /// What the engine keeps rows in. An engine of documents runs [`conformance_of_documents!`](crate::conformance_of_documents).
    fn keeps(&self) -> Keeps {
        Keeps::Tables
    }

    /// What the number is called by which every row of the suite is known.
    fn id(&self) -> &'static str {
        match self.keeps() {
            Keeps::Tables => "id",
            Keeps::Documents => "_id",
        }
    }

    /// A native condition as the engine's rules write it.
    fn native(&self, native: Native) -> &'static str {
        match self.keeps() {
            Keeps::Tables => native.text(),
            Keeps::Documents => native.filter(),
        }
    }

    /// Native conditions that no rule may have.
    fn broken_natives(&self) -> &'static [&'static str] {
        match self.keeps() {
            Keeps::Tables => &["id > 0) or (id > 0", "id > 0 or 'x", "id > 0; delete from item", "gone > 0"],
            Keeps::Documents => &["{\"_id\": 1", "[]", "{\"$or\": 5}", "{\"$nowhere\": 1}"],
        }
    }

    /// How the engine declares a column of this kind; absent where it has nothing of the kind.
    fn column(&self, kind: Kind) -> Option<ColumnSql>;

    /// A name as it stands in a statement.
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    /// A moment as statements write it for the engine's best type.
    fn instant(&self, instant: Timestamp) -> String {
        format!("'{instant}'")
    }

    /// Whether the engine has dates with zeros in them.
    fn has_zero_dates(&self) -> bool {
        false
    }

    /// Whether the engine works on no table whose rows nothing tells apart.
    fn needs_key(&self) -> bool {
        false
    }

    /// The statements that set a trap; absent where the engine cannot.
    fn snare(&self, snare: &Snare<'_>) -> Option<String>;

    /// A fresh database without tables. It goes when the value is dropped, at the latest with the server.
    async fn database(&self) -> Box<dyn TestDatabase>;
}

/// What an engine keeps rows in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Tables, behind SQL, with transactions over several of them.
    Tables,
    /// Collections of documents: a row is a document with the row's id for its `_id`.
    Documents,
}

/// One fresh database. An engine of tables answers [`TestDatabase::sql`], [`TestDatabase::number`] and
/// [`TestDatabase::hold`], and everything else is said through them; an engine of documents answers everything else.
#[async_trait]
pub trait TestDatabase: Send + Sync {
    /// Runs statements as the owner, outside the connector. Panics when one fails.
    async fn sql(&self, sql: &str) {
        panic!("no engine of SQL: {sql}");
    }

    /// The number in the first column of the first row, read outside the connector.
    async fn number(&self, sql: &str) -> i64 {
        panic!("no engine of SQL: {sql}");
    }

    /// Creates a table with its rows.
    async fn create(&self, fixture: &dyn Fixture, table: &TableSpec) {
        for statement in table.statements(fixture) {
            self.sql(&statement).await;
        }
    }

    /// How many rows of `table` hold what is wanted in each of these columns; `id` is the row's id, whatever the engine calls it.
    async fn count(&self, table: &str, wanted: &[(&str, Wanted<'_>)]) -> i64 {
        let conditions: Vec<String> = wanted.iter().map(|(column, wanted)| wanted.sql(column)).collect();
        let condition = if conditions.is_empty() { "1 = 1".into() } else { conditions.join(" and ") };
        self.number(&format!("select count(*) from {table} where {condition}")).await
    }

    /// Puts this cell into a column of the rows with these ids, as an application does: null, text, a number, a truth value.
    async fn change(&self, table: &str, ids: &[i64], column: &str, cell: Cell) {
        let value = crate::wanted::plain(&cell);
        self.sql(&format!("update {table} set {column} = {value} where {}", among(ids))).await;
    }

    /// Removes the rows with these ids, as an application does.
    async fn remove(&self, table: &str, ids: &[i64]) {
        self.sql(&format!("delete from {table} where {}", among(ids))).await;
    }

    /// Connects as `instance`. Every connector of one database sees the same rows.
    async fn connect(&self, instance: &str) -> Box<dyn Connector>;

    /// Opens a transaction in a session of its own, locks the rows of `table` that match `condition` and keeps it open.
    /// Engines that lock the whole database do that instead.
    async fn hold(&self, table: &str, condition: &str) -> Box<dyn Held> {
        panic!("no engine of SQL: {table} where {condition}");
    }
}

fn among(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("id in ({})", ids.join(", "))
}

/// A transaction that keeps its locks.
#[async_trait]
pub trait Held: Send {
    /// Rolls it back; its locks are gone when this returns.
    async fn release(self: Box<Self>);
}

/// How an engine declares a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSql {
    /// The type as it stands in CREATE TABLE.
    pub type_name: &'static str,
    /// What a rule's `since` has to say about it, where the type does not tell.
    pub form: Option<SinceForm>,
}

/// Ways in which a table can undo or widen a change behind our back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snare<'a> {
    /// Deleting a row of `table` also deletes every row of `other`, unannounced.
    AlsoDeletes {
        /// The table with the trigger.
        table: &'a str,
        /// The table that loses rows.
        other: &'a str,
    },
    /// Deletes of `table` are cancelled without an error.
    Cancels {
        /// The table with the trigger.
        table: &'a str,
    },
    /// Deleting the row of `table` whose `id` is this one raises an error.
    Refuses {
        /// The table with the trigger.
        table: &'a str,
        /// The row.
        id: i64,
    },
    /// Updating a row of `table` also moves its `column`, of the kind for instants, to another moment.
    UpdateMoves {
        /// The table with the trigger.
        table: &'a str,
        /// The column.
        column: &'a str,
    },
    /// Updating a row of `table` also adds one to `n` in every row of `other`, unannounced.
    UpdateReaches {
        /// The table with the trigger.
        table: &'a str,
        /// The table whose rows are changed.
        other: &'a str,
    },
    /// Updates of `table` are cancelled without an error.
    UpdateCancels {
        /// The table with the trigger.
        table: &'a str,
    },
    /// Updating the row of `table` whose `id` is this one raises an error.
    UpdateRefuses {
        /// The table with the trigger.
        table: &'a str,
        /// The row.
        id: i64,
    },
}
