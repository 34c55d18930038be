//! One database, as the rest of forgetd sees it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::catalog::named;
use crate::{
    Atomicity, Capabilities, Catalog, Connections, Control, Count, Cursor, DoneRows, Except, Explained, Facts, Fault,
    Finding, Heartbeats, Judged, Key, Lane, LaneClaim, Measure, Path, Profile, Rewrite, RowCap, Selection, Shape,
    Since, SinceColumn, Statements, Strain, StrainAsked, Table, TableRef, Transform, UnsupportedEngine, WhenNull,
};

/// What every connector is told when it connects, beside its own configuration.
#[derive(Clone, Debug)]
pub struct ConnectContext {
    /// The name of the entry in `databases:`; faults and findings begin with it.
    pub database: String,
    /// The instance whose rows of the control tables are meant.
    pub instance: String,
    /// The name (schema, database or prefix) of the control tables.
    pub control_name: String,
    /// How long a row lock is waited for.
    pub lock_wait_ms: u64,
    /// How long any single call may take before it is given up as lost.
    pub call_timeout_ms: u64,
    /// The most rows that a batch may change, as the policy says.
    pub batch_rows_max: u32,
    /// The most connections to the server. Two are needed; a third one lets a second lane work.
    pub connections_max: u32,
    /// Shown to the server as the application's name.
    pub application: String,
    /// Counts every connection that is made, while it is open.
    pub connections: Connections,
    /// What to do with a server of a kind that was never tested.
    pub unsupported_engine: UnsupportedEngine,
}

/// One ordered table action of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The rule it comes from.
    pub rule: String,
    /// The rows.
    pub selection: Selection,
    /// The described table.
    pub table: Table,
    /// The other tables that deciding about a row looks into, described.
    pub others: Vec<Table>,
    /// What happens to the rows.
    pub action: Action,
    /// How effect and receipt belong together here.
    pub atomicity: Atomicity,
    /// Other tables that may lose rows with this one, because rules of their own allow it.
    pub may_cascade: Vec<TableRef>,
}

/// What a rule does with its rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The rows go.
    Delete,
    /// The rows stay, and what they say about somebody goes.
    Transform(Rewrite),
}

/// One database. Object-safe; every method may be called again after an error, and connects anew where it must.
///
/// Every call has a client timeout. No method but `control().install()` runs DDL, and none but the lanes and the
/// control tables' own methods writes.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The engine in one word, in metrics: `postgresql`, `mysql`, `mongodb`, `sqlite`. Never the product itself.
    fn engine(&self) -> &'static str;

    /// What the server is.
    fn facts(&self) -> &Facts;

    /// What follows from it.
    fn capabilities(&self) -> &Capabilities;

    /// The database's clock.
    async fn now(&self) -> Result<Timestamp, Fault>;

    /// The tables that the role can see, in order of their names; neither the server's nor forgetd's own.
    async fn tables(&self) -> Result<Vec<TableRef>, Fault>;

    /// Describes the tables that exist among these.
    async fn describe(&self, tables: &[TableRef]) -> Result<Catalog, Fault>;

    /// Looks for what would keep the step from doing what it says. Reads only.
    async fn preflight(&self, step: &Step) -> Result<Vec<Finding>, Fault>;

    /// Counts what is due, with the very predicate the lanes use.
    async fn measure(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault>;

    /// The same for guards, which ask for numbers alone: where the oldest is found only by reading all that is due, it is
    /// not looked for.
    async fn count_due(&self, step: &Step, cap: RowCap) -> Result<Measure, Fault> {
        self.measure(step, cap).await
    }

    /// Counts what is still due once lanes have worked: `Exact` or `Blind`. Not through an index that is full of scattered
    /// dead entries then; nothing is looked for beside the number.
    async fn survivors(&self, step: &Step) -> Result<Count, Fault>;

    /// How rows are spread and which are kept, for a plan; at most `cap` due rows are looked at. Reads only.
    async fn profile(&self, step: &Step, cap: RowCap) -> Result<Profile, Fault>;

    /// Why the row with this key goes or stays; absent: there is no such row. Reads only, and returns no value of the row
    /// but the moments that were compared.
    async fn judge(&self, step: &Step, key: &Key) -> Result<Option<Judged>, Fault>;

    /// How the engine would run the step's statements, by its own account. Runs none of them.
    async fn explain(&self, step: &Step) -> Result<Vec<Explained>, Fault>;

    /// The statements of a step; the lanes send the same.
    fn statements(&self, step: &Step) -> Result<Statements, Fault>;

    /// The statements that grant `role` exactly what the step needs on the user's tables; empty where the engine has
    /// no roles.
    fn step_grants(&self, step: &Step, role: &str) -> String;

    /// The statement with which an operator makes an index that leads with `columns`, while the application works on.
    fn index_statement(&self, table: &TableRef, columns: &[String]) -> String;

    /// The control tables that live in this database.
    fn control(&self) -> &dyn Control;

    /// Opens a lane. Which kind follows from `step.atomicity`. `transform` computes what the step's places become; one
    /// that has none to compute never asks it.
    async fn lane(&self, step: &Step, claim: &LaneClaim, transform: Arc<dyn Transform>) -> Result<Lane, Fault>;

    /// The position that lies `rows` rows of the table behind `from`, where a second lane can begin while the first one ends
    /// there ([`LaneClaim::until`]); the two then never meet in a row. Absent: there are no so many rows, or this step is
    /// one lane's. It may read as many entries of an index. Reads only.
    async fn divide(&self, _step: &Step, _from: Option<&Cursor>, _rows: u64) -> Result<Option<Cursor>, Fault> {
        Ok(None)
    }

    /// Counts the rows of a table that look like this at a place: how many carry which token. Reads only.
    async fn count_shaped(&self, table: &Table, path: &Path, shape: &Shape) -> Result<u64, Fault>;

    /// The next rows behind a position that the step's terms mean and that have no sign that they are not done, whatever
    /// its floor. Looks at `rows_max` rows of the table at most, fewer where their values are large. Reads only, and takes
    /// no lock.
    async fn done_rows(&self, step: &Step, after: Option<&Key>, rows_max: u32) -> Result<DoneRows, Fault>;

    /// Asks the server to stop the change or the read that a lane's session is at; it ends with an error then. A COMMIT and
    /// statements on control tables are left alone, but for a COMMIT that shares its packet with the next change, as on MySQL. Bounded, and never sure: an engine without such a thing does nothing.
    async fn cancel(&self) {}

    /// How hard the server is at work. Reads only, on the session of the control tables, so that a lane goes on meanwhile. By
    /// default an engine tells nothing of it.
    async fn strain(&self, _asked: &StrainAsked) -> Result<Strain, Fault> {
        Ok(Strain::default())
    }

    /// Signs of life for replicas; nothing where the engine has none that can be asked.
    fn heartbeats(&self) -> Option<&dyn Heartbeats> {
        None
    }

    /// Closes every connection.
    async fn close(&self);
}

// === impl Action ===

impl Action {
    /// The word in evidence, metrics and policies.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Transform(_) => "transform",
        }
    }
}

// === impl Step ===

impl Step {
    /// The table's place for faults and findings inside `database`.
    pub fn place(&self, database: &str) -> String {
        let Selection { table, .. } = &self.selection;
        format!("{database}.{table}")
    }

    /// The described table that deciding about a row looks into.
    pub fn other(&self, name: &TableRef) -> Option<&Table> {
        named(&self.others, name)
    }

    /// The column in whose order a lane can walk: no row is due whose value there lies at or behind the cutoff. Of several,
    /// one that an index leads with, and of those one that cannot be NULL. Absent: the period counts from another table.
    pub fn lead(&self) -> Option<&SinceColumn> {
        let columns = match &self.selection.terms.since {
            Since::Latest(_) => return None,
            since => since.columns(),
        };
        let rank = |column: &&SinceColumn| {
            let nullable = self.table.column(&column.column).is_none_or(|column| column.nullable);
            (!self.table.leads_index(&column.column), nullable)
        };
        columns.into_iter().min_by_key(rank)
    }

    /// What is written, if the rows stay.
    pub const fn rewrite(&self) -> Option<&Rewrite> {
        match &self.action {
            Action::Transform(rewrite) => Some(rewrite),
            Action::Delete => None,
        }
    }

    /// The step that means the rows which this one is done with: its terms mean them, nothing keeps them, and no sign says
    /// that they are not done. Without a floor.
    pub fn done(&self) -> Self {
        let undone = Selection { floor: None, except: vec![], ..self.selection.clone() };
        let mut selection = Selection { undone: vec![], floor: None, ..self.selection.clone() };
        selection.except.push(Except::Due(Box::new(undone)));
        Self { selection, ..self.clone() }
    }

    /// Whether rows whose leading column is NULL can be due, so that they are walked behind the others.
    pub fn walks_nulls(&self) -> bool {
        let nullable = |column: &SinceColumn| self.table.column(&column.column).is_none_or(|column| column.nullable);
        match &self.selection.terms.since {
            Since::Greatest(_) => self.lead().is_some_and(nullable),
            _ => self.selection.terms.when_null != WhenNull::Keep,
        }
    }

    /// Whether two lanes can work on it at once, whatever the engine: neither comes upon a row of the other's, by foreign
    /// keys, by new values that collide, or behind the end of its own part, where rows without a leading value are walked;
    /// and what one did stands committed when it says so.
    pub fn divides(&self) -> bool {
        self.atomicity.is_atomic()
            && matches!(self.action, Action::Delete)
            && self.table.referenced_by.is_empty()
            && !self.walks_nulls()
    }
}
