//! The tables themselves: their definition, and what is there of them.

use forgetd_connector::{Cause, ControlState, Fault, FaultClass, Generation, Installed};
use rusqlite::{Connection, OptionalExtension as _};

use super::{Tables, execute};
use crate::error;
use crate::session::Refusal;

/// The version of the tables that this binary makes and works with.
const VERSION: u32 = 1;

/// Their names behind the prefix.
const NAMES: &[&str] = &[
    "control",
    "lease",
    "fence",
    "receipt",
    "cursor",
    "run",
    "rulebook",
    "standing",
    "request",
    "log_head",
    "log_object",
    "log_leaf",
    "head_copy",
];

/// Those that came later than the others, and by which no receipt is known: where these alone are missing, nothing was lost.
const LATER: &[&str] = &["standing", "request"];

/// The statements that create the tables; running them again changes nothing.
///
/// `install` leaves the journal mode alone: a write-ahead log is a property of the file that the application, its
/// backups and its file system have to agree with. Where it is missing, a finding says what that costs.
pub(super) fn text(tables: &Tables) -> String {
    include_str!("tables.sql").replace("{prefix}", &tables.prefix.replace('`', "``"))
}

/// What is there.
pub(super) fn inspect(connection: &Connection, tables: &Tables) -> rusqlite::Result<ControlState> {
    let mut there =
        connection.prepare_cached("select exists (select 1 from sqlite_schema where type = 'table' and name = ?1)")?;
    let mut missing = vec![];
    for name in NAMES {
        let name = format!("{}_{name}", tables.prefix);
        if !there.query_row([&name], |row| row.get::<_, bool>(0))? {
            missing.push(name);
        }
    }
    let control = format!("{}_control", tables.prefix);
    if missing.contains(&control) {
        return Ok(ControlState::Missing(missing));
    }
    let sql = format!("select version, generation from {} where id = 1", tables.control);
    let found: Option<(u32, String)> =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        // Another version may have other tables; its number says more than a list of names.
        Some((version, _)) if version != VERSION => ControlState::OtherVersion(version),
        Some((_, generation)) if missing.is_empty() => ControlState::Ready(Generation(generation)),
        Some(_) => ControlState::Missing(missing),
        None => {
            missing.push(control);
            ControlState::Missing(missing)
        }
    })
}

/// Creates what is missing. Where anything of what receipts rest on was, some may have been lost with it: the generation is a
/// new one.
pub(super) fn install(connection: &Connection, tables: &Tables, place: &str) -> Result<Installed, Refusal> {
    let failed = |failure: rusqlite::Error| error::control_fault("install", place, &failure);
    match inspect(connection, tables).map_err(failed)? {
        ControlState::Ready(generation) => return Ok(Installed::Unchanged(generation)),
        ControlState::OtherVersion(version) => {
            let fault = Fault::new(FaultClass::Blocked(Cause::ControlTables), "install", place);
            let detail = format!("the tables have version {version}, this forgetd knows {VERSION}");
            return Err(fault.with_detail(detail).into());
        }
        ControlState::Missing(missing) => {
            connection.execute_batch(&text(tables)).map_err(failed)?;
            let is_later = |name: &String| LATER.iter().any(|later| *name == format!("{}_{later}", tables.prefix));
            if missing.iter().all(is_later) {
                let sql = format!("select generation from {} where id = 1", tables.control);
                let generation = connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
                return Ok(Installed::Created(Generation(generation)));
            }
        }
        ControlState::Denied(_) => connection.execute_batch(&text(tables)).map_err(failed)?,
    }
    let generation = random_generation(connection).map_err(failed)?;
    let sql = format!(
        "insert into {} (id, version, generation) values (1, ?1, ?2)
         on conflict (id) do update set generation = excluded.generation",
        tables.control
    );
    execute(connection, place, "install", &sql, &[&VERSION, &generation.0])?;
    Ok(Installed::Created(generation))
}

/// Replaces the generation.
pub(super) fn new_generation(connection: &Connection, tables: &Tables, place: &str) -> Result<Generation, Refusal> {
    const OPERATION: &str = "new generation";
    let generation =
        random_generation(connection).map_err(|failure| error::control_fault(OPERATION, place, &failure))?;
    let sql = format!("update {} set generation = ?1 where id = 1", tables.control);
    if execute(connection, place, OPERATION, &sql, &[&generation.0])? != 1 {
        return Err(Fault::new(FaultClass::Blocked(Cause::ControlTables), OPERATION, place).into());
    }
    Ok(generation)
}

fn random_generation(connection: &Connection) -> rusqlite::Result<Generation> {
    connection.query_row("select lower(hex(randomblob(16)))", [], |row| row.get(0)).map(Generation)
}
