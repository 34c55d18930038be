//! The evidence log inside the file: one step is one transaction that swaps the head.
//!
//! A file says nothing about itself that a copy of it would not say too, so a head read here is always in place; that it
//! was put back from a copy is noticed by heads remembered elsewhere, or not at all.

use async_trait::async_trait;
use forgetd_connector::{Append, Fault, FaultClass, Head, HeadPlace, HeadState, LeafKey, LeafRow, LogStore, Published};
use rusqlite::{Connection, OptionalExtension as _};

use super::{SqliteControl, Tables, Values, bytes32, execute, receipts, signed, unsigned};
use crate::error;
use crate::session::{Refusal, Transacted};

/// What a step met; anything but `Done` rolls it back.
enum Step {
    Done,
    Moved(Option<Head>),
    Conflict,
}

#[async_trait]
impl LogStore for SqliteControl {
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault> {
        let origin = origin.to_owned();
        self.read("read log head", move |connection, tables| {
            let head = head(connection, &tables.log_head, &origin)?;
            Ok(head.map(|head| HeadState { head, place: HeadPlace::Same }))
        })
        .await
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        let append = append.clone();
        let (met, meeting) = tokio::sync::oneshot::channel();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, term, None)?;
            match publish(connection, tables, place, &append)? {
                Step::Done => Ok(()),
                other => {
                    // The transaction has to fail, and the reason has to get out.
                    drop(met.send(other));
                    Err(Fault::new(FaultClass::Internal, "publish", place).into())
                }
            }
        };
        match self.write("publish", work).await {
            Transacted::Done(()) => Published::Done,
            Transacted::Unknown(fault) => Published::Unknown(fault),
            Transacted::Refused(Refusal::Fenced) => Published::Fenced,
            Transacted::Refused(Refusal::Fault(fault)) => match meeting.await {
                Ok(Step::Moved(head)) => Published::Moved(head),
                Ok(Step::Conflict) => Published::Conflict,
                Ok(Step::Done) | Err(_) => Published::Failed(fault),
            },
        }
    }

    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        let (origin, path) = (origin.to_owned(), path.to_owned());
        self.read("read log object", move |connection, tables| object(connection, tables, &origin, &path)).await
    }

    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let (origin, path, bytes) = (origin.to_owned(), path.to_owned(), bytes.to_vec());
        self.rewrite("store log object", move |connection, tables, place| {
            let sql = format!(
                "insert into {} (origin, path, bytes) values (?1, ?2, ?3)
                 on conflict (origin, path) do update set bytes = excluded.bytes",
                tables.log_object
            );
            execute(connection, place, "store log object", &sql, &[&origin, &path, &bytes])?;
            Ok(())
        })
        .await
    }

    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault> {
        let origin = origin.to_owned();
        self.read("list log objects", move |connection, tables| {
            let sql = format!("select path from {} where origin = ?1 order by path", tables.log_object);
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([&origin], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        let keys = keys.to_vec();
        self.read("look leaves up", move |connection, tables| {
            let found = keys.iter().map(|key| leaf(connection, tables, key));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        self.read("read newest leaves", |connection, tables| {
            receipts::newest(connection, &tables.log_leaf, &tables.instance)
        })
        .await
    }

    async fn remember(&self, head: &Head) -> Result<(), Fault> {
        let head = head.clone();
        self.rewrite("remember head", move |connection, tables, place| {
            let sql = format!(
                "insert into {} (origin, size, root) values (?1, ?2, ?3)
                 on conflict (origin) do update set size = excluded.size, root = excluded.root
                 where size < excluded.size",
                tables.head_copy
            );
            let values: Values<'_> = &[&head.origin, &signed(head.size), &head.root.as_slice()];
            execute(connection, place, "remember head", &sql, values)?;
            Ok(())
        })
        .await
    }

    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault> {
        let origin = origin.to_owned();
        self.read("read remembered head", move |connection, tables| head(connection, &tables.head_copy, &origin)).await
    }
}

fn head(connection: &Connection, table: &str, origin: &str) -> rusqlite::Result<Option<Head>> {
    let sql = format!("select size, root from {table} where origin = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let head = statement.query_row([origin], |row| {
        let root: Vec<u8> = row.get(1)?;
        Ok(Head { origin: origin.into(), size: unsigned(row.get(0)?), root: bytes32(&root) })
    });
    head.optional()
}

fn object(connection: &Connection, tables: &Tables, origin: &str, path: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = format!("select bytes from {} where origin = ?1 and path = ?2", tables.log_object);
    connection.prepare_cached(&sql)?.query_row((origin, path), |row| row.get(0)).optional()
}

fn leaf(connection: &Connection, tables: &Tables, key: &LeafKey) -> rusqlite::Result<Option<LeafRow>> {
    let sql = format!(
        "select leaf_index, hash from {} where instance = ?1 and generation = ?2 and rule = ?3 and lane = ?4
         and sequence = ?5",
        tables.log_leaf
    );
    let values = (&tables.instance, &key.generation.0, &key.rule, &key.lane, signed(key.sequence));
    let mut statement = connection.prepare_cached(&sql)?;
    let leaf = statement.query_row(values, |row| {
        let hash: Vec<u8> = row.get(1)?;
        Ok(LeafRow { key: key.clone(), index: unsigned(row.get(0)?), hash: bytes32(&hash) })
    });
    leaf.optional()
}

fn publish(connection: &Connection, tables: &Tables, place: &str, append: &Append) -> Result<Step, Refusal> {
    let failed = |failure: rusqlite::Error| error::control_fault("publish", place, &failure);
    let origin = append.next.origin.as_str();
    let standing = head(connection, &tables.log_head, origin).map_err(failed)?;
    if standing != append.expected {
        return Ok(Step::Moved(standing));
    }
    for (path, bytes) in &append.objects {
        let sql = format!(
            "insert into {} (origin, path, bytes) values (?1, ?2, ?3) on conflict do nothing",
            tables.log_object
        );
        let created = execute(connection, place, "publish", &sql, &[&origin, path, bytes])? == 1;
        if !created && object(connection, tables, origin, path).map_err(failed)?.as_ref() != Some(bytes) {
            return Ok(Step::Conflict);
        }
    }
    for row in &append.leaves {
        let sql = format!(
            "insert into {} (instance, generation, rule, lane, sequence, leaf_index, hash)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do nothing",
            tables.log_leaf
        );
        let LeafKey { generation, rule, lane, sequence } = &row.key;
        let (sequence, index, hash) = (signed(*sequence), signed(row.index), row.hash.as_slice());
        let values: Values<'_> = &[&tables.instance, &generation.0, rule, lane, &sequence, &index, &hash];
        if execute(connection, place, "publish", &sql, values)? != 1 {
            return Ok(Step::Conflict);
        }
    }
    for path in &append.superseded {
        let sql = format!("delete from {} where origin = ?1 and path = ?2", tables.log_object);
        execute(connection, place, "publish", &sql, &[&origin, path])?;
    }
    let sql = format!(
        "insert into {} (origin, size, root) values (?1, ?2, ?3)
         on conflict (origin) do update set size = excluded.size, root = excluded.root",
        tables.log_head
    );
    execute(connection, place, "publish", &sql, &[&origin, &signed(append.next.size), &append.next.root.as_slice()])?;
    Ok(Step::Done)
}
