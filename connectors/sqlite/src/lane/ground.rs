//! What a lane knows about its table, and how a change of it is watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use forgetd_connector::{Cause, Fault, FaultClass, Step, Transform};
use rusqlite::Connection;

use crate::catalog;
use crate::effect::{Allowed, Along, Announced, Happened, Recorder, Terrain};
use crate::error::{self, Misfit};
use crate::query::{Query, Scope, quote};
use crate::session::Session;
use crate::worker::Worker;

/// A step, resolved.
pub(crate) struct Ground {
    /// `database.table`.
    pub(crate) place: String,
    /// The statements.
    pub(crate) scope: Scope,
    /// The table's name.
    pub(super) table: String,
    /// Computes what rows become.
    pub(crate) transform: Arc<dyn Transform>,
    may: May,
    /// Whether VACUUM keeps the row ids.
    stable: bool,
    /// What the schema said when it was last asked.
    terrain: Mutex<Option<Terrain>>,
}

/// What a batch may do to tables.
enum May {
    /// Take rows from these.
    Delete(Announced),
    /// Change rows of these.
    Rewrite(Allowed),
}

/// What a watched change did; nothing else happened.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    /// Rows of the table itself.
    pub(crate) changed: u64,
    /// Rows that were changed along.
    pub(crate) along: Along,
    /// Whether triggers can fire on it.
    pub(crate) triggers: bool,
    /// What else it returned.
    pub(crate) returned: T,
}

/// What stops a batch.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The engine refused.
    Sqlite(rusqlite::Error),
    /// We did.
    Fault(Fault),
}

// === impl Ground ===

impl Ground {
    /// Resolves a step against the file as it is now.
    pub(crate) async fn survey(worker: &Worker, step: &Step, transform: Arc<dyn Transform>) -> Result<Self, Fault> {
        let table = step.table.name.name.clone();
        let job = move |session: &mut Session| {
            let shape = catalog::shape(session.connection("open lane")?, &table);
            shape.map_err(|error| session.failed("open lane", &error))
        };
        let shape = worker.call("open lane", job).await?;
        let place = step.place(worker.place());
        Ok(Self {
            scope: Scope::new(step, &shape, &place)?,
            may: match step.rewrite() {
                Some(rewrite) => May::Rewrite(Allowed::new(&step.table, rewrite)),
                None => May::Delete(Announced::new(&step.table)),
            },
            table: step.table.name.name.clone(),
            transform,
            stable: shape.stable,
            terrain: Mutex::new(None),
            place,
        })
    }

    /// What row positions are valid for. VACUUM numbers rows anew unless a column names them, and moves the schema's
    /// version when it does.
    pub(crate) fn storage(&self, connection: &Connection) -> rusqlite::Result<String> {
        if self.stable {
            return Ok(String::new());
        }
        schema_version(connection).map(|version| version.to_string())
    }

    /// Runs a change inside the open transaction and compares what happened with what is announced.
    pub(crate) fn watch<T>(
        &self,
        connection: &Connection,
        recorder: &Recorder,
        change: impl FnOnce(&Terrain) -> Result<(u64, T), Problem>,
    ) -> Result<Watched<T>, Problem> {
        let terrain = self.terrain(connection, recorder)?;
        let uncounted = self.may.uncounted(&terrain);
        let mut counted = rows_of(connection, &uncounted)?;
        let linked = self.may.unlinked(&terrain);
        let mut unlinked = references_of(connection, &linked)?;
        let total = connection.total_changes();
        recorder.restart(self.may.close(&self.table));
        let (changed, returned) = change(&terrain)?;
        let total = connection.total_changes() - total;
        let tally = recorder.tally();
        less(&mut counted, rows_of(connection, &uncounted)?);
        less(&mut unlinked, references_of(connection, &linked)?);
        let happened = Happened { changed, total, tally, counted, unlinked };
        match self.may.compare(&happened, &terrain) {
            Ok(along) => Ok(Watched { changed, along, triggers: !terrain.reach.triggers.is_empty(), returned }),
            Err(table) => {
                let fault = Fault::new(FaultClass::Blocked(Cause::EffectDiffers), "change", &self.place);
                Err(Problem::Fault(fault.with_detail(table)))
            }
        }
    }

    /// Asks the schema again if it changed since.
    fn terrain(&self, connection: &Connection, recorder: &Recorder) -> rusqlite::Result<Terrain> {
        let version = schema_version(connection)?;
        let mut known = self.terrain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.version == version
        {
            return Ok(known.clone());
        }
        let reach = recorder.reach(connection, &self.scope.change_any())?;
        let without_row_ids = catalog::without_row_ids(connection)?.into_iter().collect();
        let shadows = catalog::shadows(connection, reach.deletes.union(&reach.writes))?;
        Ok(known.insert(Terrain { version, reach, without_row_ids, shadows }).clone())
    }

    /// The same fault with the table as its place.
    pub(crate) fn at_table(&self, mut fault: Fault) -> Fault {
        fault.place.clone_from(&self.place);
        self.scope.blamed(fault)
    }

    /// What a transform wrote does not fit its column.
    pub(crate) fn misfit(&self, fault: Fault, error: &rusqlite::Error) -> Fault {
        if matches!((&self.may, error::misfit(error)), (May::Rewrite(_), Some(Misfit::Null | Misfit::Type))) {
            return Fault { class: FaultClass::Row(Cause::TransformUnfit), ..fault };
        }
        fault
    }

    /// The fault of a problem.
    pub(crate) fn fault(&self, session: &mut Session, operation: &'static str, problem: Problem) -> Fault {
        match problem {
            Problem::Sqlite(error) => self.misfit(self.at_table(session.failed(operation, &error)), &error),
            Problem::Fault(fault) => fault,
        }
    }
}

// === impl May ===

impl May {
    /// Tables whose rows must be counted before and after.
    fn uncounted(&self, terrain: &Terrain) -> Vec<&str> {
        match self {
            Self::Delete(announced) => announced.uncounted(terrain),
            Self::Rewrite(_) => vec![],
        }
    }

    /// Tables whose references must be counted before and after.
    fn unlinked(&self, terrain: &Terrain) -> Vec<(&str, &[Vec<String>])> {
        match self {
            Self::Delete(announced) => announced.unlinked(terrain),
            Self::Rewrite(_) => vec![],
        }
    }

    /// The table whose rows are followed one by one.
    fn close<'a>(&'a self, own: &'a str) -> Option<&'a str> {
        match self {
            Self::Delete(announced) => announced.close(),
            Self::Rewrite(_) => Some(own),
        }
    }

    fn compare(&self, happened: &Happened, terrain: &Terrain) -> Result<Along, String> {
        match self {
            Self::Delete(announced) => announced.compare(happened, terrain),
            Self::Rewrite(allowed) => allowed.compare(happened, terrain),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("pragma schema_version")?.query_row([], |row| row.get(0))
}

fn rows_of(connection: &Connection, tables: &[&str]) -> rusqlite::Result<BTreeMap<String, u64>> {
    let count = |table: &&str| {
        let sql = format!("select count(*) from main.{}", quote(table));
        Ok(((*table).to_owned(), Query { sql, values: vec![] }.number(connection)?))
    };
    tables.iter().map(count).collect()
}

/// The references in each of these tables: one for each row and foreign key.
fn references_of(
    connection: &Connection,
    tables: &[(&str, &[Vec<String>])],
) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for (table, keys) in tables {
        let linked = keys.iter().map(|columns| {
            let linked: Vec<String> = columns.iter().map(|column| format!("{} is not null", quote(column))).collect();
            format!("count(*) filter (where {})", linked.join(" and "))
        });
        let sql = format!("select {} from main.{}", linked.collect::<Vec<_>>().join(" + "), quote(table));
        found.insert((*table).to_owned(), Query { sql, values: vec![] }.number(connection)?);
    }
    Ok(found)
}

/// What is less by now.
fn less(before: &mut BTreeMap<String, u64>, after: BTreeMap<String, u64>) {
    for (table, rows) in after {
        if let Some(before) = before.get_mut(&table) {
            *before = before.saturating_sub(rows);
        }
    }
}
