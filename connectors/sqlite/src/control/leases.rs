//! Lease and fence, on the clock that SQLite reads.

use async_trait::async_trait;
use forgetd_connector::{Acquired, Fault, FaultClass, FenceRaise, Lease, LeaseClaim, Leases};
use rusqlite::{Connection, OptionalExtension as _};

use super::{SqliteControl, Tables, execute, signed, unsigned};
use crate::error;
use crate::session::Refusal;

/// Milliseconds since the epoch.
pub(super) const NOW_MS: &str = "cast(unixepoch('now', 'subsec') * 1000 as integer)";

#[async_trait]
impl Leases for SqliteControl {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        self.read("read lease", read).await
    }

    async fn acquire(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
        let claim = claim.clone();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            acquire(connection, tables, place, &claim, force)
        };
        self.write_at_point("lease.acquire", "acquire lease", work).await.into_result("acquire lease", self.place())
    }

    async fn renew(&self, claim: &LeaseClaim, term: u64) -> Result<bool, Fault> {
        let claim = claim.clone();
        self.rewrite("renew lease", move |connection, tables, place| {
            let sql = format!(
                "update {} set expires_at_ms = {NOW_MS} + ?1 where instance = ?2 and holder = ?3 and term = ?4",
                tables.lease
            );
            let values: super::Values<'_> =
                &[&signed(claim.duration_ms), &tables.instance, &claim.holder, &signed(term)];
            Ok(execute(connection, place, "renew lease", &sql, values)? == 1)
        })
        .await
    }

    async fn release(&self, holder: &str, term: u64) -> Result<(), Fault> {
        let holder = holder.to_owned();
        self.rewrite("release lease", move |connection, tables, place| {
            // The row stays: its term never falls.
            let sql = format!(
                "update {} set expires_at_ms = 0 where instance = ?1 and holder = ?2 and term = ?3",
                tables.lease
            );
            execute(connection, place, "release lease", &sql, &[&tables.instance, &holder, &signed(term)])?;
            Ok(())
        })
        .await
    }

    async fn raise_fence(&self, term: u64) -> Result<FenceRaise, Fault> {
        let work = move |connection: &Connection, tables: &Tables, place: &str| raise(connection, tables, place, term);
        self.write_at_point("fence.raise", "raise fence", work).await.into_result("raise fence", self.place())
    }
}

fn read(connection: &Connection, tables: &Tables) -> rusqlite::Result<Option<Lease>> {
    let sql = format!("select holder, term, expires_at_ms - {NOW_MS} from {} where instance = ?1", tables.lease);
    let mut statement = connection.prepare_cached(&sql)?;
    let lease = statement.query_row([&tables.instance], |row| {
        let left: i64 = row.get(2)?;
        Ok(Lease { holder: row.get(0)?, term: unsigned(row.get(1)?), alive: left > 0, left_ms: unsigned(left) })
    });
    lease.optional()
}

fn acquire(
    connection: &Connection,
    tables: &Tables,
    place: &str,
    claim: &LeaseClaim,
    force: bool,
) -> Result<Acquired, Refusal> {
    const OPERATION: &str = "acquire lease";
    let standing = read(connection, tables).map_err(|failure| error::control_fault(OPERATION, place, &failure))?;
    let term = match standing {
        None => 1,
        // Our own, from a call whose answer was lost: once more under a new term.
        Some(lease) if force || !lease.alive || lease.holder == claim.holder => lease.term + 1,
        Some(lease) => return Ok(Acquired::Taken(lease)),
    };
    let sql = format!(
        "insert into {} (instance, holder, term, expires_at_ms) values (?1, ?2, ?3, {NOW_MS} + ?4)
         on conflict (instance) do update
         set holder = excluded.holder, term = excluded.term, expires_at_ms = excluded.expires_at_ms",
        tables.lease
    );
    let values: super::Values<'_> = &[&tables.instance, &claim.holder, &signed(term), &signed(claim.duration_ms)];
    execute(connection, place, OPERATION, &sql, values)?;
    Ok(Acquired::Held { term })
}

fn raise(connection: &Connection, tables: &Tables, place: &str, term: u64) -> Result<FenceRaise, Refusal> {
    const OPERATION: &str = "raise fence";
    let sql = format!(
        "insert into {} (instance, term) values (?1, ?2)
         on conflict (instance) do update set term = excluded.term where term < excluded.term
         returning term",
        tables.fence
    );
    let raised: Option<i64> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row((&tables.instance, signed(term)), |row| row.get(0)).optional())
        .map_err(|failure| error::control_fault(OPERATION, place, &failure))?;
    if raised.is_some() {
        return Ok(FenceRaise::Raised);
    }
    let sql = format!("select term from {} where instance = ?1", tables.fence);
    let standing: i64 = connection
        .query_row(&sql, [&tables.instance], |row| row.get(0))
        .map_err(|failure| error::control_fault(OPERATION, place, &failure))?;
    match unsigned(standing) {
        standing if standing == term => Ok(FenceRaise::Raised),
        standing if standing > term => Ok(FenceRaise::Later(standing)),
        _ => Err(Fault::new(FaultClass::Internal, OPERATION, place).into()),
    }
}
