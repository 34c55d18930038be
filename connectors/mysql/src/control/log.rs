//! The evidence log inside the database. One step is one transaction: all of it or nothing.

use async_trait::async_trait;
use forgetd_connector::{Append, Fault, Head, HeadPlace, HeadState, LeafKey, LeafRow, LogStore, Published};
use mysql_async::Row;

use super::MyControl;
use super::receipts::{key_table, read_key, read_mac};
use crate::answer::{Answer, get, odd};
use crate::connect::{Ask, Held};
use crate::query::Sql;

#[async_trait]
impl LogStore for MyControl {
    async fn head(&self, origin: &str) -> Result<Option<HeadState>, Fault> {
        let mut held = self.shared.desk.take().await?;
        let mut sql = Sql::default();
        let (bound, here) = (sql.bind(origin), self.here(&held, &mut sql));
        let text =
            format!("select size, root, place <=> {here} from {} where origin = {bound}", self.table("log_head"));
        let answers = held.turn("read head", &[Ask::Query(&sql.say(text))]).await?;
        held.give_back();
        let place = self.place();
        let answer = answers.into_iter().next().ok_or_else(|| odd(&place))?;
        let answer = answer.map_err(|error| self.shared.control_fault(&error, "read head"))?;
        let Some(row) = answer.rows.first() else { return Ok(None) };
        let here = if get(row, 2, &place)? { HeadPlace::Same } else { HeadPlace::Other };
        Ok(Some(HeadState { head: read_head(row, origin, &place)?, place: here }))
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        let mut held = match self.shared.desk.take().await {
            Ok(held) => held,
            Err(fault) => return Published::Failed(fault),
        };
        // It holds the fence from one turn to the next.
        if let Err(fault) = self.shared.announce(&mut held).await {
            return Published::Failed(fault);
        }
        let published = match self.publish_in(&mut held, append, term).await {
            Ok(Published::Done) => self.finish(&mut held).await,
            Ok(other) => {
                held.rollback().await;
                other
            }
            // No COMMIT was sent, so nothing of it stays.
            Err(fault) => Published::Failed(fault),
        };
        held.give_back();
        published
    }

    async fn object(&self, origin: &str, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        let mut sql = Sql::default();
        let (origin, path) = (sql.bind(origin), sql.bind(path));
        let text = format!("select bytes from {} where origin = {origin} and path = {path}", self.table("log_object"));
        let rows = self.read("read log object", &sql.say(text)).await?;
        rows.first().map(|row| get(row, 0, &self.place())).transpose()
    }

    async fn put_object(&self, origin: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let mut sql = Sql::default();
        let (origin, path, bytes) = (sql.bind(origin), sql.bind(path), sql.bind(bytes));
        let text = format!(
            "insert into {} (origin, path, bytes) values ({origin}, {path}, {bytes}) \
             on duplicate key update bytes = {bytes}",
            self.table("log_object")
        );
        self.write("put log object", &[&sql.say(text)]).await.answers()?;
        Ok(())
    }

    async fn paths(&self, origin: &str) -> Result<Vec<String>, Fault> {
        let mut sql = Sql::default();
        let origin = sql.bind(origin);
        let text = format!("select path from {} where origin = {origin} order by path", self.table("log_object"));
        let rows = self.read("read log paths", &sql.say(text)).await?;
        rows.iter().map(|row| get(row, 0, &self.place())).collect()
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let wanted = key_table(keys.iter().map(|key| (key, 0, None)), &mut sql);
        let text = format!(
            "select l.generation, l.rule, l.lane, l.sequence, l.`index`, l.hash from {wanted} straight_join {} as l \
             on l.instance = {instance} and l.generation = w.generation and l.rule = w.rule and l.lane = w.lane \
             and l.sequence = w.sequence order by l.`index`",
            self.table("log_leaf")
        );
        let place = self.place();
        let rows = self.read("read leaves", &sql.say(text)).await?;
        let read = |row| {
            Ok(LeafRow { key: read_key(row, 0, &place)?, index: get(row, 4, &place)?, hash: read_mac(row, 5, &place)? })
        };
        rows.iter().map(read).collect()
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!(
            "select generation, rule, lane, max(sequence) from {} where instance = {instance} \
             group by generation, rule, lane order by generation, rule, lane",
            self.table("log_leaf")
        );
        let rows = self.read("read newest leaves", &sql.say(text)).await?;
        rows.iter().map(|row| read_key(row, 0, &self.place())).collect()
    }

    async fn remember(&self, head: &Head) -> Result<(), Fault> {
        let mut sql = Sql::default();
        let (origin, size) = (sql.bind(head.origin.as_str()), sql.bind(head.size));
        let root = sql.bind(head.root.as_slice());
        // Assignments see what those before them left: the size, on which the others depend, comes last.
        let text = format!(
            "insert into {} (origin, size, root, changed_at) values ({origin}, {size}, {root}, utc_timestamp(6)) \
             on duplicate key update root = if(size < {size}, {root}, root), \
             changed_at = if(size < {size}, utc_timestamp(6), changed_at), size = greatest(size, {size})",
            self.table("head_copy")
        );
        self.write("remember head", &[&sql.say(text)]).await.answers()?;
        Ok(())
    }

    async fn remembered(&self, origin: &str) -> Result<Option<Head>, Fault> {
        let mut sql = Sql::default();
        let bound = sql.bind(origin);
        let text = format!("select size, root from {} where origin = {bound}", self.table("head_copy"));
        let rows = self.read("read remembered head", &sql.say(text)).await?;
        rows.first().map(|row| read_head(row, origin, &self.place())).transpose()
    }
}

/// Where the answers stand to what [`MyControl::publish_in`] asks.
mod at {
    pub(super) const FENCE: usize = 1;
    pub(super) const HEAD: usize = 2;
    pub(super) const SAME_OBJECTS: usize = 4;
    pub(super) const SAME_LEAVES: usize = 6;
    pub(super) const MOVED: usize = 8;
}

/// Stands where there is nothing to write, so that answers stay in their places.
const NOTHING: &str = "do 0";

impl MyControl {
    /// Everything up to the commit, in one turn; [`Published::Done`] means that it agrees and may be committed.
    async fn publish_in(&self, held: &mut Held, append: &Append, term: u64) -> Result<Published, Fault> {
        let statements = [
            self.shared.fence(term),
            self.lock_head(append),
            self.put_objects(append),
            self.same_objects(append),
            self.put_leaves(append),
            self.same_leaves(append),
            self.drop_superseded(append),
            self.move_head(held, append),
        ];
        let mut asks = vec![Ask::BeginMarked];
        asks.extend(statements.iter().map(Ask::Query));
        let mut answers: Vec<Answer> = vec![];
        for answer in held.turn("publish", &asks).await? {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    let fault = self.shared.control_fault(&error, "publish");
                    // A head that another one wrote first.
                    return Ok(if error.is_duplicate() { Published::Conflict } else { Published::Failed(fault) });
                }
            }
        }
        self.agree(append, &answers)
    }

    fn agree(&self, append: &Append, answers: &[Answer]) -> Result<Published, Fault> {
        let place = self.place();
        if !answers.get(at::FENCE).is_some_and(|answer| self.shared.fence_holds(answer)) {
            return Ok(Published::Fenced);
        }
        let first = |n: usize| answers.get(n).and_then(|answer| answer.rows.first());
        let found = first(at::HEAD).map(|row| read_head(row, &append.next.origin, &place)).transpose()?;
        if found != append.expected {
            return Ok(Published::Moved(found));
        }
        let count = |n: usize| get::<u64>(first(n).ok_or_else(|| odd(&place))?, 0, &place);
        if count(at::SAME_OBJECTS)? != append.objects.len() as u64
            || count(at::SAME_LEAVES)? != append.leaves.len() as u64
        {
            return Ok(Published::Conflict);
        }
        match answers.get(at::MOVED).map(|answer| answer.affected) {
            Some(1) => Ok(Published::Done),
            _ => Ok(Published::Moved(found)),
        }
    }

    async fn finish(&self, held: &mut Held) -> Published {
        let answers = match held.turn("publish", &[Ask::Still, Ask::Say("commit")]).await {
            Ok(answers) => answers,
            Err(fault) => return Published::Unknown(fault),
        };
        let committing = answers.len() == 2;
        match answers.into_iter().next_back() {
            Some(Ok(_)) if committing => Published::Done,
            Some(Err(error)) => {
                let fault = self.shared.control_fault(&error, "publish");
                if committing && !error.is_rolled_back() { Published::Unknown(fault) } else { Published::Failed(fault) }
            }
            Some(Ok(_)) | None => Published::Unknown(odd(&self.place())),
        }
    }

    /// Where the head's table really is: whose data these are, and when the table was made. A restored copy was made later.
    fn here(&self, held: &Held, sql: &mut Sql) -> String {
        let (data, schema) = (sql.bind(held.variables().identity().as_str()), sql.bind(self.shared.names.plain()));
        format!(
            "concat({data}, '/', (select unix_timestamp(i.create_time) from information_schema.tables as i \
             where i.table_schema = {schema} and i.table_name = 'log_head'))"
        )
    }

    fn lock_head(&self, append: &Append) -> Sql {
        let mut sql = Sql::default();
        let origin = sql.bind(append.next.origin.as_str());
        let text = format!("select size, root from {} where origin = {origin} for update", self.table("log_head"));
        sql.say(text)
    }

    fn put_objects(&self, append: &Append) -> Sql {
        if append.objects.is_empty() {
            return Sql::plain(NOTHING);
        }
        let mut sql = Sql::default();
        let origin = sql.bind(append.next.origin.as_str());
        let rows: Vec<String> = append
            .objects
            .iter()
            .map(|(path, bytes)| format!("({origin}, {}, {})", sql.bind(path.as_str()), sql.bind(bytes.as_slice())))
            .collect();
        let text = format!(
            "insert into {} (origin, path, bytes) values {} on duplicate key update origin = {origin}",
            self.table("log_object"),
            rows.join(", ")
        );
        sql.say(text)
    }

    fn same_objects(&self, append: &Append) -> Sql {
        let mut sql = Sql::default();
        let origin = sql.bind(append.next.origin.as_str());
        let mut same: Vec<String> = append
            .objects
            .iter()
            .map(|(path, bytes)| {
                format!("path = {} and bytes = {}", sql.bind(path.as_str()), sql.bind(bytes.as_slice()))
            })
            .collect();
        same.push("false".into());
        let text = format!(
            "select count(*) from {} where origin = {origin} and ({})",
            self.table("log_object"),
            same.join(" or ")
        );
        sql.say(text)
    }

    fn put_leaves(&self, append: &Append) -> Sql {
        let mut sql = Sql::default();
        let (instance, origin) = (sql.bind(self.instance()), sql.bind(append.next.origin.as_str()));
        let leaves = leaf_table(append, &mut sql);
        let text = format!(
            "insert into {} (instance, generation, rule, lane, sequence, origin, `index`, hash) \
             select {instance}, w.generation, w.rule, w.lane, w.sequence, {origin}, w.number, unhex(w.hash) \
             from {leaves} on duplicate key update instance = {instance}",
            self.table("log_leaf")
        );
        sql.say(text)
    }

    fn same_leaves(&self, append: &Append) -> Sql {
        let mut sql = Sql::default();
        let (instance, origin) = (sql.bind(self.instance()), sql.bind(append.next.origin.as_str()));
        let leaves = leaf_table(append, &mut sql);
        let text = format!(
            "select count(*) from {leaves} straight_join {} as l on l.instance = {instance} \
             and l.generation = w.generation and l.rule = w.rule and l.lane = w.lane and l.sequence = w.sequence \
             and l.`index` = w.number and l.hash = unhex(w.hash) and l.origin = {origin}",
            self.table("log_leaf")
        );
        sql.say(text)
    }

    fn drop_superseded(&self, append: &Append) -> Sql {
        if append.superseded.is_empty() {
            return Sql::plain(NOTHING);
        }
        let mut sql = Sql::default();
        let origin = sql.bind(append.next.origin.as_str());
        let paths: Vec<String> = append.superseded.iter().map(|path| sql.bind(path.as_str())).collect();
        let text = format!(
            "delete from {} where origin = {origin} and path in ({})",
            self.table("log_object"),
            paths.join(", ")
        );
        sql.say(text)
    }

    /// Compare-and-swap.
    fn move_head(&self, held: &Held, append: &Append) -> Sql {
        let next = &append.next;
        let mut sql = Sql::default();
        let (origin, size) = (sql.bind(next.origin.as_str()), sql.bind(next.size));
        let (root, here) = (sql.bind(next.root.as_slice()), self.here(held, &mut sql));
        let table = self.table("log_head");
        let text = match &append.expected {
            None => format!(
                "insert into {table} (origin, size, root, place, changed_at) \
                 select {origin}, {size}, {root}, {here}, utc_timestamp(6) from (select 1) as one \
                 where not exists (select 1 from {table} as h where h.origin = {origin})"
            ),
            Some(expected) => {
                let (size_before, root_before) = (sql.bind(expected.size), sql.bind(expected.root.as_slice()));
                format!(
                    "update {table} set size = {size}, root = {root}, place = {here}, changed_at = utc_timestamp(6) \
                     where origin = {origin} and size = {size_before} and root = {root_before}"
                )
            }
        };
        sql.say(text)
    }
}

/// The new leaves as a table `w` of the columns of a key, `number` and `hash`.
fn leaf_table(append: &Append, sql: &mut Sql) -> String {
    let leaves = append.leaves.iter().map(|leaf| (&leaf.key, leaf.index, Some(hex::encode(leaf.hash))));
    key_table(leaves, sql)
}

fn read_head(row: &Row, origin: &str, place: &str) -> Result<Head, Fault> {
    Ok(Head { origin: origin.into(), size: get(row, 0, place)?, root: read_mac(row, 1, place)? })
}
