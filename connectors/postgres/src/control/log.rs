//! The evidence log inside the database. One step is one transaction: all of it or nothing.

use async_trait::async_trait;
use forgetd_connector::{Append, Fault, Head, HeadPlace, HeadState, LeafKey, LeafRow, LogStore, Published};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::PgControl;
use super::receipts::{key_arrays, read_key, read_mac};
use crate::connect::{Answer, Ask, Held};
use crate::error;
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

/// Where the head's table really is: oid, system identifier, timeline. A restored copy has others. A promoted standby has
/// another timeline, and one that was not promoted yet writes none.
const HERE: &str = "(select c.oid::int8 from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                     where n.nspname = $1 and c.relname = 'log_head') as here_oid, \
                    (select system_identifier::text from pg_control_system()) as here_system, \
                    case when not pg_is_in_recovery() \
                      then substring(pg_walfile_name(pg_current_wal_lsn()) from 1 for 8) end as here_timeline";

#[async_trait]
impl LogStore for PgControl {
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault> {
        let sql = Sql::new(
            format!(
                "select size, root, table_oid is not distinct from here_oid and system_identifier = here_system, \
                 timeline, here_timeline from {}, (select {HERE}) here where origin = $2",
                self.table("log_head")
            ),
            vec![self.shared.names.plain().into(), origin.into()],
        );
        let rows = self.read("read head", &sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let place = self.place();
        let here = head_place(get(row, 2, &place)?, get(row, 3, &place)?, get(row, 4, &place)?);
        Ok(Some(HeadState { head: read_head(row, origin, &place)?, place: here }))
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        let held = match self.shared.desk.take().await {
            Ok(held) => held,
            Err(fault) => return Published::Failed(fault),
        };
        match self.publish_in(&held, append, term).await {
            Err(fault) => Published::Unknown(fault),
            Ok(Published::Done) => {
                let published = self.finish(&held, "commit").await;
                if !matches!(published, Published::Unknown(_)) {
                    held.give_back();
                }
                published
            }
            Ok(other) => {
                // What failed is told apart from whether it was cleaned up: the session is dropped if it was not.
                if matches!(self.finish(&held, "rollback").await, Published::Done) {
                    held.give_back();
                }
                other
            }
        }
    }

    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        let sql = Sql::new(
            format!("select bytes from {} where origin = $1 and path = $2", self.table("log_object")),
            vec![origin.into(), path.into()],
        );
        let rows = self.read("read log object", &sql).await?;
        rows.first().map(|row| get(row, 0, &self.place())).transpose()
    }

    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let sql = Sql::new(
            format!(
                "insert into {} (origin, path, bytes) values ($1, $2, $3) \
                 on conflict (origin, path) do update set bytes = excluded.bytes",
                self.table("log_object")
            ),
            vec![origin.into(), path.into(), Param::Bytes(Some(bytes.to_vec()))],
        );
        self.write("put log object", &[&sql]).await.answers()?;
        Ok(())
    }

    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault> {
        let sql = Sql::new(
            format!("select path from {} where origin = $1 order by path", self.table("log_object")),
            vec![origin.into()],
        );
        let rows = self.read("read log paths", &sql).await?;
        rows.iter().map(|row| get(row, 0, &self.place())).collect()
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        let [generations, rules, lanes, sequences] = key_arrays(keys.iter());
        let sql = Sql::new(
            format!(
                "select l.generation, l.rule, l.lane, l.sequence, l.index, l.hash from {} l \
                 join unnest($2::text[], $3::text[], $4::text[], $5::int8[]) as w(generation, rule, lane, sequence) \
                 on l.generation = w.generation and l.rule = w.rule and l.lane = w.lane and l.sequence = w.sequence \
                 where l.instance = $1 order by l.index",
                self.table("log_leaf")
            ),
            vec![self.instance().into(), generations, rules, lanes, sequences],
        );
        let place = self.place();
        let rows = self.read("read leaves", &sql).await?;
        let read = |row| {
            Ok(LeafRow {
                key: read_key(row, 0, &place)?,
                index: get::<i64>(row, 4, &place)?.unsigned_abs(),
                hash: read_mac(row, 5, &place)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        let sql = Sql::new(
            format!(
                "select generation, rule, lane, max(sequence) from {} where instance = $1 \
                 group by generation, rule, lane order by generation, rule, lane",
                self.table("log_leaf")
            ),
            vec![self.instance().into()],
        );
        let rows = self.read("read newest leaves", &sql).await?;
        rows.iter().map(|row| read_key(row, 0, &self.place())).collect()
    }

    async fn remember(&self, head: &Head) -> Result<(), Fault> {
        let sql = Sql::new(
            format!(
                "insert into {} as h (origin, size, root) values ($1, $2, $3) on conflict (origin) do update \
                 set size = excluded.size, root = excluded.root, changed_at = clock_timestamp() \
                 where h.size < excluded.size",
                self.table("head_copy")
            ),
            vec![head.origin.as_str().into(), head.size.into(), Param::Bytes(Some(head.root.to_vec()))],
        );
        self.write("remember head", &[&sql]).await.answers()?;
        Ok(())
    }

    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault> {
        let sql = Sql::new(
            format!("select size, root from {} where origin = $1", self.table("head_copy")),
            vec![origin.into()],
        );
        let rows = self.read("read remembered head", &sql).await?;
        rows.first().map(|row| read_head(row, origin, &self.place())).transpose()
    }
}

impl PgControl {
    /// Everything up to the commit, in one turn; [`Published::Done`] means that it agrees and may be committed.
    async fn publish_in(&self, held: &Held, append: &Append, term: u64) -> Result<Published, Fault> {
        let begin = self.begin();
        let statements = [
            self.fence_row(term),
            self.lock_head(append),
            self.put_objects(append),
            self.same_objects(append),
            self.put_leaves(append),
            self.same_leaves(append),
            self.drop_superseded(append),
            self.move_head(append),
        ];
        let mut asks = vec![Ask::Batch(&begin)];
        asks.extend(statements.iter().map(Ask::Query));
        let mut answers: Vec<Answer> = vec![];
        for answer in held.turn("publish", &asks).await? {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    let fault = self.shared.control_fault(&error, "publish");
                    if !error::answered(&error) {
                        // No COMMIT was sent, so nothing of it stays.
                        return Ok(Published::Failed(fault));
                    }
                    // An index of the log that another entry has.
                    let conflict = error::is(&error, &SqlState::UNIQUE_VIOLATION);
                    return Ok(if conflict { Published::Conflict } else { Published::Failed(fault) });
                }
            }
        }
        let place = self.place();
        let rows = |n: usize| answers.get(n).map(|answer| answer.rows.as_slice()).unwrap_or_default();
        if rows(1).is_empty() {
            return Ok(Published::Fenced);
        }
        let found = rows(2).first().map(|row| read_head(row, &append.next.origin, &place)).transpose()?;
        if found != append.expected {
            return Ok(Published::Moved(found));
        }
        let count = |n: usize| match rows(n).first() {
            Some(row) => get::<i64>(row, 0, &place),
            None => Err(odd(&place)),
        };
        if count(4)?.unsigned_abs() != append.objects.len() as u64
            || count(6)?.unsigned_abs() != append.leaves.len() as u64
        {
            return Ok(Published::Conflict);
        }
        match answers.get(8).map(|answer| answer.affected) {
            Some(1) => Ok(Published::Done),
            _ => Ok(Published::Moved(found)),
        }
    }

    async fn finish(&self, held: &Held, word: &str) -> Published {
        match held.turn("publish", &[Ask::Batch(word)]).await {
            Err(fault) => Published::Unknown(fault),
            Ok(answers) => match answers.into_iter().next() {
                Some(Ok(_)) => Published::Done,
                Some(Err(error)) if error::answered(&error) => {
                    Published::Failed(self.shared.control_fault(&error, "publish"))
                }
                Some(Err(error)) => Published::Unknown(self.shared.control_fault(&error, "publish")),
                None => Published::Unknown(odd(&self.place())),
            },
        }
    }

    fn fence_row(&self, term: u64) -> Sql {
        Sql::new(
            format!("select 1 from {} where instance = $1 and term = $2 for share", self.table("fence")),
            vec![self.instance().into(), term.into()],
        )
    }

    fn lock_head(&self, append: &Append) -> Sql {
        Sql::new(
            format!("select size, root from {} where origin = $1 for update", self.table("log_head")),
            vec![append.next.origin.as_str().into()],
        )
    }

    /// `$1`: the origin; `$2` and `$3`: paths and bytes.
    fn objects(append: &Append) -> Vec<Param> {
        vec![
            append.next.origin.as_str().into(),
            Param::Texts(append.objects.iter().map(|(path, _)| Some(path.clone())).collect()),
            Param::Blobs(append.objects.iter().map(|(_, bytes)| bytes.clone()).collect()),
        ]
    }

    fn put_objects(&self, append: &Append) -> Sql {
        Sql::new(
            format!(
                "insert into {} (origin, path, bytes) select $1, w.path, w.bytes \
                 from unnest($2::text[], $3::bytea[]) as w(path, bytes) on conflict (origin, path) do nothing",
                self.table("log_object")
            ),
            Self::objects(append),
        )
    }

    fn same_objects(&self, append: &Append) -> Sql {
        Sql::new(
            format!(
                "select count(*) from {} o join unnest($2::text[], $3::bytea[]) as w(path, bytes) \
                 on o.path = w.path and o.bytes = w.bytes where o.origin = $1",
                self.table("log_object")
            ),
            Self::objects(append),
        )
    }

    /// `$1`: the instance; `$2` to `$5`: keys; `$6`: the origin; `$7` and `$8`: indexes and hashes.
    fn leaf_rows(&self, append: &Append) -> Vec<Param> {
        let [generations, rules, lanes, sequences] = key_arrays(append.leaves.iter().map(|leaf| &leaf.key));
        vec![
            self.instance().into(),
            generations,
            rules,
            lanes,
            sequences,
            append.next.origin.as_str().into(),
            Param::Ints(append.leaves.iter().map(|leaf| i64::try_from(leaf.index).unwrap_or(i64::MAX)).collect()),
            Param::Blobs(append.leaves.iter().map(|leaf| leaf.hash.to_vec()).collect()),
        ]
    }

    fn put_leaves(&self, append: &Append) -> Sql {
        Sql::new(
            format!(
                "insert into {} (instance, generation, rule, lane, sequence, origin, index, hash) \
                 select $1, w.generation, w.rule, w.lane, w.sequence, $6, w.index, w.hash \
                 from unnest($2::text[], $3::text[], $4::text[], $5::int8[], $7::int8[], $8::bytea[]) \
                   as w(generation, rule, lane, sequence, index, hash) \
                 on conflict (instance, generation, rule, lane, sequence) do nothing",
                self.table("log_leaf")
            ),
            self.leaf_rows(append),
        )
    }

    fn same_leaves(&self, append: &Append) -> Sql {
        Sql::new(
            format!(
                "select count(*) from {} l \
                 join unnest($2::text[], $3::text[], $4::text[], $5::int8[], $7::int8[], $8::bytea[]) \
                   as w(generation, rule, lane, sequence, index, hash) \
                 on l.generation = w.generation and l.rule = w.rule and l.lane = w.lane \
                 and l.sequence = w.sequence and l.index = w.index and l.hash = w.hash \
                 where l.instance = $1 and l.origin = $6",
                self.table("log_leaf")
            ),
            self.leaf_rows(append),
        )
    }

    fn drop_superseded(&self, append: &Append) -> Sql {
        Sql::new(
            format!("delete from {} where origin = $1 and path = any ($2::text[])", self.table("log_object")),
            vec![
                append.next.origin.as_str().into(),
                Param::Texts(append.superseded.iter().map(|path| Some(path.clone())).collect()),
            ],
        )
    }

    /// Compare-and-swap: `$1` names the schema for the place that the row remembers.
    fn move_head(&self, append: &Append) -> Sql {
        let next = &append.next;
        let mut sql = Sql::new(
            "",
            vec![
                self.shared.names.plain().into(),
                next.origin.as_str().into(),
                next.size.into(),
                Param::Bytes(Some(next.root.to_vec())),
            ],
        );
        let table = self.table("log_head");
        let text = match &append.expected {
            None => format!(
                "insert into {table} (origin, size, root, table_oid, system_identifier, timeline) \
                 select $2, $3, $4, {HERE} on conflict do nothing"
            ),
            Some(expected) => {
                let size = sql.bind(expected.size.into());
                let root = sql.bind(Param::Bytes(Some(expected.root.to_vec())));
                format!(
                    "update {table} set size = $3, root = $4, table_oid = here_oid, system_identifier = here_system, \
                     timeline = here_timeline, changed_at = clock_timestamp() from (select {HERE}) here \
                     where origin = $2 and size = {size} and root = {root}"
                )
            }
        };
        sql.say(text)
    }
}

/// What follows from whether the table and the server are the same, and from the timelines of then and now: numbers in hex,
/// of one length.
fn head_place(same_data: bool, written: &str, here: Option<&str>) -> HeadPlace {
    match here {
        _ if !same_data => HeadPlace::Other,
        None => HeadPlace::Standby,
        Some(here) if here == written => HeadPlace::Same,
        Some(here) if here > written => HeadPlace::LaterTimeline,
        Some(_) => HeadPlace::Other,
    }
}

fn read_head(row: &Row, origin: &str, place: &str) -> Result<Head, Fault> {
    Ok(Head { origin: origin.into(), size: get::<i64>(row, 0, place)?.unsigned_abs(), root: read_mac(row, 1, place)? })
}
