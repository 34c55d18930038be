//! Receipts and cursors going in, inside whichever transaction they belong to.

use forgetd_connector::{Cursor, CursorMove, Fault, FaultClass, Receipt, ReceiptKey};
use rusqlite::Connection;

use super::KEY;
use crate::control::leases::NOW_MS;
use crate::control::{Tables, Values, execute, signed};
use crate::error;
use crate::session::Refusal;

// === impl Tables ===

impl Tables {
    /// Inserts a receipt that is done. A taken sequence is another holder's.
    pub(crate) fn insert_receipt(
        &self,
        connection: &Connection,
        place: &str,
        receipt: &Receipt,
    ) -> Result<(), Refusal> {
        self.insert(connection, place, receipt, None)
    }

    /// The same, sealed where there is a key list.
    pub(super) fn insert(
        &self,
        connection: &Connection,
        place: &str,
        receipt: &Receipt,
        sealed_keys: Option<&str>,
    ) -> Result<(), Refusal> {
        const OPERATION: &str = "insert receipt";
        let sql = format!(
            "insert into {} (instance, {KEY}, run, term, state, body, mac, commitments, sealed_keys, sealed_cursor,
               written_at_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, {NOW_MS})",
            self.receipt
        );
        let sealed_cursor = receipt.cursor.position().filter(|_| sealed_keys.is_some()).map(Cursor::as_text);
        let state = if sealed_keys.is_some() { "sealed" } else { "done" };
        let values: Values<'_> = &[
            &self.instance,
            &receipt.key.generation.0,
            &receipt.key.rule,
            &receipt.key.lane,
            &signed(receipt.key.sequence),
            &receipt.run,
            &signed(receipt.term),
            &state,
            &receipt.body,
            &receipt.mac.as_slice(),
            &receipt.rows,
            &sealed_keys,
            &sealed_cursor,
        ];
        match connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(values)) {
            Ok(1) => Ok(()),
            Ok(_) => Err(Fault::new(FaultClass::Internal, OPERATION, place).with_detail("no row was inserted").into()),
            Err(failure) if error::is_unique(&failure) => Err(Refusal::Fenced),
            Err(failure) => Err(error::control_fault(OPERATION, place, &failure).into()),
        }
    }

    /// Moves the lane's cursor as the receipt says.
    pub(crate) fn move_cursor(&self, connection: &Connection, place: &str, receipt: &Receipt) -> Result<(), Refusal> {
        const OPERATION: &str = "move cursor";
        if receipt.cursor == CursorMove::Keep {
            return Ok(());
        }
        let sql = format!("delete from {} where instance = ?1 and rule = ?2 and lane = ?3", self.cursor);
        let lane: Values<'_> = &[&self.instance, &receipt.key.rule, &receipt.key.lane];
        execute(connection, place, OPERATION, &sql, lane)?;
        let Some(cursor) = receipt.cursor.position() else { return Ok(()) };
        let sql = format!(
            "insert into {} (instance, rule, lane, generation, sequence, position) values (?1, ?2, ?3, ?4, ?5, ?6)",
            self.cursor
        );
        let values: Values<'_> = &[
            &self.instance,
            &receipt.key.rule,
            &receipt.key.lane,
            &receipt.key.generation.0,
            &signed(receipt.key.sequence),
            &cursor.as_text(),
        ];
        execute(connection, place, OPERATION, &sql, values)?;
        Ok(())
    }

    /// Whether a receipt is there.
    pub(super) fn has(&self, connection: &Connection, key: &ReceiptKey) -> rusqlite::Result<bool> {
        let sql = format!(
            "select exists (select 1 from {} where instance = ?1 and generation = ?2 and rule = ?3 and lane = ?4
             and sequence = ?5)",
            self.receipt
        );
        let values = (&self.instance, &key.generation.0, &key.rule, &key.lane, signed(key.sequence));
        connection.query_row(&sql, values, |row| row.get(0))
    }
}
