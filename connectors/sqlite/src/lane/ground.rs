//! What a lane knows about its table, and how a delete on it is watched.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use forgetd_connector::{Cause, Fault, FaultClass, Step, TableRef};
use rusqlite::Connection;

use crate::catalog;
use crate::effect::{Announced, Happened, Recorder, Terrain};
use crate::query::{Area, Query, Scope, quote};
use crate::session::Session;
use crate::worker::Worker;

/// A step, resolved.
#[derive(Debug)]
pub(crate) struct Ground {
    /// `database.table`.
    pub(crate) place: String,
    /// The statements.
    pub(crate) scope: Scope,
    announced: Announced,
    /// Whether VACUUM keeps the row ids.
    stable: bool,
    /// What the schema said when it was last asked.
    terrain: Mutex<Option<Terrain>>,
}

/// What a watched delete did; nothing else happened.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    /// Rows of the table itself.
    pub(crate) changed: u64,
    /// Rows of other announced tables.
    pub(crate) cascaded: BTreeMap<TableRef, u64>,
    /// Whether triggers can fire on the delete.
    pub(crate) triggers: bool,
    /// What else the delete returned.
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
    pub(crate) async fn survey(worker: &Worker, step: &Step) -> Result<Self, Fault> {
        let table = step.table.name.name.clone();
        let job = move |session: &mut Session| {
            let shape = catalog::shape(session.connection("open lane")?, &table);
            shape.map_err(|error| session.failed("open lane", &error))
        };
        let shape = worker.call("open lane", job).await?;
        let place = step.place(worker.place());
        Ok(Self {
            scope: Scope::new(step, &shape, &place)?,
            announced: Announced::new(&step.table),
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

    /// Runs a delete inside the open transaction and compares what happened with what is announced.
    pub(crate) fn watch<T>(
        &self,
        connection: &Connection,
        recorder: &Recorder,
        delete: impl FnOnce() -> rusqlite::Result<(u64, T)>,
    ) -> Result<Watched<T>, Problem> {
        let terrain = self.terrain(connection, recorder)?;
        let uncounted = self.announced.uncounted(&terrain);
        let mut counted = rows_of(connection, &uncounted)?;
        let total = connection.total_changes();
        recorder.restart();
        let (changed, returned) = delete()?;
        let total = connection.total_changes() - total;
        let tally = recorder.tally();
        for (table, rows) in rows_of(connection, &uncounted)? {
            if let Some(before) = counted.get_mut(&table) {
                *before = before.saturating_sub(rows);
            }
        }
        let happened = Happened { changed, total, tally, counted };
        match self.announced.compare(&happened, &terrain) {
            Ok(cascaded) => Ok(Watched { changed, cascaded, triggers: !terrain.reach.triggers.is_empty(), returned }),
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
        let every_row = Area::Rows { after: None, to: None };
        let reach = recorder.reach(connection, &self.scope.delete(&every_row, false).sql)?;
        let without_row_ids = catalog::without_row_ids(connection)?.into_iter().collect();
        let shadows = catalog::shadows(connection, reach.deletes.union(&reach.writes))?;
        Ok(known.insert(Terrain { version, reach, without_row_ids, shadows }).clone())
    }

    /// The same fault with the table as its place.
    pub(crate) fn at_table(&self, mut fault: Fault) -> Fault {
        fault.place.clone_from(&self.place);
        self.scope.blamed(fault)
    }

    /// The fault of a problem.
    pub(crate) fn fault(&self, session: &mut Session, operation: &'static str, problem: Problem) -> Fault {
        match problem {
            Problem::Sqlite(error) => self.at_table(session.failed(operation, &error)),
            Problem::Fault(fault) => fault,
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
