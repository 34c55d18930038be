//! Receipts: written once, acknowledged once, and never chosen by a mark.

use async_trait::async_trait;
use forgetd_connector::{
    Cause, Commit, Cursor, Fault, FaultClass, Key, OpenSeal, Pending, Receipt, ReceiptKey, Receipts, SealEnd, Settled,
};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::leases::NOW_MS;
use super::{SqliteControl, Tables, Values, bytes32, execute, signed, unsigned};
use crate::session::{Refusal, Session, Transacted};
use crate::{codec, error};

/// Receipts removed in one transaction: others wait for the lock meanwhile.
const PRUNED_AT_ONCE: i64 = 500;

/// Transactions of one call: what is left goes with the next one.
const PRUNES_MAX: usize = 100;

/// Which columns make a [`ReceiptKey`].
const KEY: &str = "generation, rule, lane, sequence";

#[async_trait]
impl Receipts for SqliteControl {
    async fn append(&self, receipt: &Receipt) -> Commit {
        let receipt = receipt.clone();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, receipt.term, Some(&receipt.key.generation))?;
            tables.insert_receipt(connection, place, &receipt)
        };
        self.write("append receipt", work).await.into_commit()
    }

    async fn append_late(&self, receipt: &Receipt) -> Commit {
        let receipt = receipt.clone();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.insert_receipt(connection, place, &receipt)
        };
        self.write("append late receipt", work).await.into_commit()
    }

    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault> {
        let (rule, lane) = (rule.to_owned(), lane.to_owned());
        self.read("next sequence", move |connection, tables| {
            let sql = format!(
                "select coalesce(max(sequence), 0) + 1 from {} where instance = ?1 and rule = ?2 and lane = ?3
                 and generation = (select generation from {} where id = 1)",
                tables.receipt, tables.control
            );
            let values = (&tables.instance, &rule, &lane);
            connection.prepare_cached(&sql)?.query_row(values, |row| row.get(0)).map(unsigned)
        })
        .await
    }

    async fn cursor(&self, rule: &str, lane: &str) -> Result<Option<Cursor>, Fault> {
        let (rule, lane) = (rule.to_owned(), lane.to_owned());
        self.read("read cursor", move |connection, tables| {
            let sql = format!(
                "select position from {} where instance = ?1 and rule = ?2 and lane = ?3
                 and generation = (select generation from {} where id = 1) order by sequence desc limit 1",
                tables.cursor, tables.control
            );
            let values = (&tables.instance, &rule, &lane);
            let position = connection.prepare_cached(&sql)?.query_row(values, |row| row.get::<_, String>(0));
            Ok(position.optional()?.map(Cursor::from_text))
        })
        .await
    }

    async fn settle(&self, key: &ReceiptKey) -> Settled {
        // Our own lane's transaction is the only one that can still hold this receipt; another process's died with it,
        // or keeps the lock, and then nothing is settled.
        let ended = self.lanes.call("settle", |session: &mut Session| {
            session.close();
            Ok(())
        });
        drop(ended.await);
        let tables = std::sync::Arc::clone(&self.tables);
        let key = key.clone();
        let job = move |session: &mut Session| {
            // Opened anew: what an I/O error left in memory is not the file.
            session.close();
            let place = session.place().to_owned();
            Ok(session.transact("settle", |connection| {
                let present = tables.has(connection, &key);
                present.map_err(|failure| error::control_fault("settle", &place, &failure).into())
            }))
        };
        match self.worker.call("settle", job).await {
            Ok(Transacted::Done(true)) => Settled::Present,
            Ok(Transacted::Done(false)) => Settled::Absent,
            Ok(Transacted::Refused(_) | Transacted::Unknown(_)) | Err(_) => Settled::Unsettled,
        }
    }

    async fn seal(&self, receipt: &Receipt, keys: &[Key]) -> Commit {
        let (receipt, keys) = (receipt.clone(), codec::keys_to_json(keys));
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            let internal = || Refusal::Fault(Fault::new(FaultClass::Internal, "seal", place));
            tables.fence(connection, place, receipt.term, Some(&receipt.key.generation))?;
            tables.insert(connection, place, &receipt, Some(&keys.ok_or_else(internal)?))
        };
        self.write_at_point("seal", "seal", work).await.into_commit()
    }

    async fn unseal(&self, receipt: &Receipt) -> SealEnd {
        let receipt = receipt.clone();
        let work =
            move |connection: &Connection, tables: &Tables, place: &str| tables.unseal(connection, place, &receipt);
        match self.write_at_point("unseal", "unseal", work).await {
            Transacted::Done(end) => end,
            Transacted::Refused(refusal) => SealEnd::Failed(refusal.into_fault("unseal", self.place())),
            Transacted::Unknown(fault) => SealEnd::Failed(fault),
        }
    }

    async fn adopt(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        self.rewrite("adopt seals", move |connection, tables, place| {
            // Whoever adopts may not have raised the fence here yet; only a later holder is in the way.
            match tables.standing(connection, place)? {
                Some((Some(standing), _)) if standing > term => Err(Refusal::Fenced),
                _ => adopt(connection, tables, place, term),
            }
        })
        .await
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, Fault> {
        self.read("read pending receipts", move |connection, tables| {
            let sql = format!(
                "select {KEY}, body, mac from {} where instance = ?1 and leaf_index is null and state = 'done'
                 order by {KEY} limit ?2",
                tables.receipt
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map((&tables.instance, limit), pending)?.collect()
        })
        .await
    }

    async fn pending_count(&self) -> Result<u64, Fault> {
        self.read("count pending receipts", |connection, tables| {
            let sql = format!(
                "select count(*) from {} where instance = ?1 and leaf_index is null and state = 'done'",
                tables.receipt
            );
            connection.prepare_cached(&sql)?.query_row([&tables.instance], |row| row.get(0)).map(unsigned)
        })
        .await
    }

    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        let acks = acks.to_vec();
        self.rewrite("acknowledge receipts", move |connection, tables, place| {
            let sql = format!(
                "update {} set leaf_index = ?1, acked_at_ms = {NOW_MS} where instance = ?2 and generation = ?3
                 and rule = ?4 and lane = ?5 and sequence = ?6 and leaf_index is null",
                tables.receipt
            );
            for (key, index) in &acks {
                let values: Values<'_> = &[
                    &signed(*index),
                    &tables.instance,
                    &key.generation.0,
                    &key.rule,
                    &key.lane,
                    &signed(key.sequence),
                ];
                execute(connection, place, "acknowledge receipts", &sql, values)?;
            }
            Ok(())
        })
        .await
    }

    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        self.read("read newest receipts", |connection, tables| newest(connection, &tables.receipt, &tables.instance))
            .await
    }

    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault> {
        let after = after.cloned();
        self.read("read receipts", move |connection, tables| {
            let sql = format!(
                "select {KEY}, body, mac from {} where instance = ?1 and state = 'done'
                 and ({KEY}) > (?2, ?3, ?4, ?5) order by {KEY} limit ?6",
                tables.receipt
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let (generation, rule, lane, sequence) = match &after {
                Some(key) => (key.generation.0.as_str(), key.rule.as_str(), key.lane.as_str(), signed(key.sequence)),
                None => ("", "", "", -1),
            };
            let values = (&tables.instance, generation, rule, lane, sequence, limit);
            statement.query_map(values, pending)?.collect()
        })
        .await
    }

    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        let key = key.clone();
        self.read("read row commitments", move |connection, tables| {
            let sql = format!(
                "select commitments from {} where instance = ?1 and ({KEY}) = (?2, ?3, ?4, ?5)",
                tables.receipt
            );
            let values = (&tables.instance, &key.generation.0, &key.rule, &key.lane, signed(key.sequence));
            let found: Option<Option<Vec<u8>>> = connection.query_row(&sql, values, |row| row.get(0)).optional()?;
            Ok(found.flatten())
        })
        .await
    }

    async fn prune(&self, covered: u64, keep_secs: u64) -> Result<u64, Fault> {
        let keep_ms = signed(keep_secs.saturating_mul(1_000));
        let mut gone = 0;
        for _ in 0..PRUNES_MAX {
            let work = move |connection: &Connection, tables: &Tables, place: &str| {
                prune(connection, tables, place, covered, keep_ms)
            };
            let pruned = self.rewrite("prune receipts", work).await?;
            gone += pruned;
            if pruned < unsigned(PRUNED_AT_ONCE) {
                break;
            }
        }
        Ok(gone)
    }
}

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

    fn insert(
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
        let sealed_cursor = receipt.cursor.as_ref().filter(|_| sealed_keys.is_some()).map(Cursor::as_text);
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

    /// Puts the receipt's cursor in the place of the lane's last one; without one, only removes that.
    pub(crate) fn move_cursor(&self, connection: &Connection, place: &str, receipt: &Receipt) -> Result<(), Refusal> {
        const OPERATION: &str = "move cursor";
        let sql = format!("delete from {} where instance = ?1 and rule = ?2 and lane = ?3", self.cursor);
        let lane: Values<'_> = &[&self.instance, &receipt.key.rule, &receipt.key.lane];
        execute(connection, place, OPERATION, &sql, lane)?;
        let Some(cursor) = &receipt.cursor else { return Ok(()) };
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

    fn has(&self, connection: &Connection, key: &ReceiptKey) -> rusqlite::Result<bool> {
        let sql = format!(
            "select exists (select 1 from {} where instance = ?1 and generation = ?2 and rule = ?3 and lane = ?4
             and sequence = ?5)",
            self.receipt
        );
        let values = (&self.instance, &key.generation.0, &key.rule, &key.lane, signed(key.sequence));
        connection.query_row(&sql, values, |row| row.get(0))
    }

    fn unseal(&self, connection: &Connection, place: &str, receipt: &Receipt) -> Result<SealEnd, Refusal> {
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

fn adopt(connection: &Connection, tables: &Tables, place: &str, term: u64) -> Result<Vec<OpenSeal>, Refusal> {
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
        cursor: row.get::<_, Option<String>>(8)?.map(Cursor::from_text),
    };
    Ok((receipt, row.get(9)?))
}

fn prune(connection: &Connection, tables: &Tables, place: &str, covered: u64, keep_ms: i64) -> Result<u64, Refusal> {
    // Row ids, because a delete of few receipts among many must not visit them twice.
    let sql = format!(
        "delete from {0} where rowid in (
           select r.rowid from {0} as r
           where r.instance = ?1 and r.leaf_index < ?2 and r.acked_at_ms + ?3 <= {NOW_MS}
             and exists (select 1 from {0} as n where n.instance = r.instance and n.generation = r.generation
                         and n.rule = r.rule and n.lane = r.lane and n.sequence > r.sequence)
           limit ?4)",
        tables.receipt
    );
    let values: Values<'_> = &[&tables.instance, &signed(covered), &keep_ms, &PRUNED_AT_ONCE];
    execute(connection, place, "prune receipts", &sql, values).map(|rows| rows as u64)
}

/// The highest sequence of every lane in a table with receipt keys.
pub(super) fn newest(connection: &Connection, table: &str, instance: &str) -> rusqlite::Result<Vec<ReceiptKey>> {
    let sql = format!(
        "select generation, rule, lane, max(sequence) from {table} where instance = ?1
         group by generation, rule, lane order by generation, rule, lane"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map([instance], key)?.collect()
}

/// The first four columns as a key.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<ReceiptKey> {
    Ok(ReceiptKey {
        generation: forgetd_connector::Generation(row.get(0)?),
        rule: row.get(1)?,
        lane: row.get(2)?,
        sequence: unsigned(row.get(3)?),
    })
}

fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending { key: key(row)?, body: row.get(4)?, mac: bytes32(&row.get::<_, Vec<u8>>(5)?) })
}
