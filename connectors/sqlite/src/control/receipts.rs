//! Receipts: written once, acknowledged once, and never chosen by a mark.

mod seals;
mod write;

use async_trait::async_trait;
use forgetd_connector::{
    Commit, Cursor, Deadline, Fault, FaultClass, Key, OpenSeal, Pending, Receipt, ReceiptKey, Receipts, SealEnd,
    Settled, Stamp,
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

    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault> {
        let key = key.clone();
        self.read("read receipt", move |connection, tables| {
            let sql =
                format!("select term, mac from {} where instance = ?1 and ({KEY}) = (?2, ?3, ?4, ?5)", tables.receipt);
            let values = (&tables.instance, &key.generation.0, &key.rule, &key.lane, signed(key.sequence));
            let stamp =
                |row: &Row<'_>| Ok(Stamp { term: unsigned(row.get(0)?), mac: bytes32(&row.get::<_, Vec<u8>>(1)?) });
            connection.query_row(&sql, values, stamp).optional()
        })
        .await
    }

    async fn seal(&self, receipt: &Receipt, keys: &[Key], _deadline: &dyn Deadline) -> Commit {
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
            match tables.fence_row(connection, place)? {
                Some((Some(standing), _)) if standing > term => Err(Refusal::Fenced),
                _ => seals::adopt(connection, tables, place, term),
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
