//! What a connector's own tests provide so that the suite can run against its engine.

use async_trait::async_trait;
use forgetd_connector::{Connector, SinceForm};
use jiff::Timestamp;

use crate::Kind;

/// An engine, as the suite needs it.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Whether its server is there at all. Where one could not be downloaded, whoever tried has said so: nothing is tested.
    fn is_there(&self) -> bool {
        true
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

/// One fresh database.
#[async_trait]
pub trait TestDatabase: Send + Sync {
    /// Runs statements as the owner, outside the connector. Panics when one fails.
    async fn sql(&self, sql: &str);

    /// The number in the first column of the first row, read outside the connector.
    async fn number(&self, sql: &str) -> i64;

    /// Connects as `instance`. Every connector of one database sees the same rows.
    async fn connect(&self, instance: &str) -> Box<dyn Connector>;

    /// Opens a transaction in a session of its own, locks the rows of `table` that match `condition` and keeps it open.
    /// Engines that lock the whole database do that instead.
    async fn hold(&self, table: &str, condition: &str) -> Box<dyn Held>;
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
