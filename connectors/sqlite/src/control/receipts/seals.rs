//! Sealed receipts: how they end, and who ends them.

use forgetd_connector::{Cause, Cursor, Fault, FaultClass, OpenSeal, Pending, Receipt, SealEnd};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{KEY, pending};
use crate::control::leases::NOW_MS;
use crate::control::{Tables, Values, execute, signed, unsigned};
use crate::session::Refusal;
use crate::{codec, error};

// === impl Tables ===

impl Tables {
    /// Ends a seal of ours. What somebody else took over is theirs, done or not.
    pub(super) fn unseal(&self, connection: &Connection, place: &str, receipt: &Receipt) -> Result<SealEnd, Refusal> {
        const OPERATION: &str = "unseal";
        let key = &receipt.key;
        let sql = format!(
            "select state, term, body from {} where instance = ?1 and generation = ?2 and rule = ?3 and lane = ?4
             and sequence = ?5",
            self.receipt
        );
        let at = (&self.instance, &key.generation.0, &key.rule, &key.lane, signed(key.sequence));
        let found: Option<(String, i64, Vec<u8>)> = connection
            .query_row(&sql, at, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()
            .map_err(|failure| error::control_fault(OPERATION, place, &failure))?;
        match found {
            Some((_, term, _)) if unsigned(term) != receipt.term => return Ok(SealEnd::Adopted),
            Some((state, _, _)) if state == "sealed" => {}
            // The answer to the first time was lost.
            Some((_, _, body)) if body == receipt.body => return Ok(SealEnd::Done),
            Some(_) => return Ok(SealEnd::Adopted),
            None => {
                let fault = Fault::new(FaultClass::Blocked(Cause::Restored), OPERATION, place);
                return Err(fault.with_detail("the sealed receipt is gone").into());
            }
        }
        self.fence(connection, place, receipt.term, None)?;
        let sql = format!(
            "update {} set state = 'done', body = ?1, mac = ?2, commitments = ?3, sealed_keys = null,
               sealed_cursor = null, written_at_ms = {NOW_MS}
             where instance = ?4 and generation = ?5 and rule = ?6 and lane = ?7 and sequence = ?8",
            self.receipt
        );
        let values: Values<'_> = &[
            &receipt.body,
            &receipt.mac.as_slice(),
            &receipt.rows,
            &self.instance,
            &key.generation.0,
            &key.rule,
            &key.lane,
            &signed(key.sequence),
        ];
        execute(connection, place, OPERATION, &sql, values)?;
        self.move_cursor(connection, place, receipt)?;
        Ok(SealEnd::Done)
    }
}

/// Takes every open seal into `term`.
pub(super) fn adopt(
    connection: &Connection,
    tables: &Tables,
    place: &str,
    term: u64,
) -> Result<Vec<OpenSeal>, Refusal> {
    const OPERATION: &str = "adopt seals";
    let failed = |failure: rusqlite::Error| error::control_fault(OPERATION, place, &failure);
    let sql = format!("update {} set term = ?1 where instance = ?2 and state = 'sealed'", tables.receipt);
    execute(connection, place, OPERATION, &sql, &[&signed(term), &tables.instance])?;
    let sql = format!(
        "select {KEY}, body, mac, run, commitments, sealed_cursor, sealed_keys from {}
         where instance = ?1 and state = 'sealed' order by {KEY}",
        tables.receipt
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([&tables.instance]).map_err(failed)?;
    let mut seals = vec![];
    while let Some(row) = rows.next().map_err(failed)? {
        let (seal, keys) = open_seal(row, term).map_err(failed)?;
        let Some(keys) = codec::keys_from_json(&keys) else {
            let fault = Fault::new(FaultClass::Internal, OPERATION, place);
            return Err(fault.with_detail("a sealed key list cannot be read").into());
        };
        seals.push(OpenSeal { receipt: seal, keys });
    }
    Ok(seals)
}

fn open_seal(row: &Row<'_>, term: u64) -> rusqlite::Result<(Receipt, String)> {
    let Pending { key, body, mac } = pending(row)?;
    let receipt = Receipt {
        key,
        run: row.get(6)?,
        term,
        body,
        mac,
        rows: row.get(7)?,
        cursor: row.get::<_, Option<String>>(8)?.map(Cursor::from_text).into(),
    };
    Ok((receipt, row.get(9)?))
}
