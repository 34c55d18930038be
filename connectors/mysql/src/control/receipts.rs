//! Receipts and cursors.

use async_trait::async_trait;
use forgetd_connector::{
    Commit, Cursor, CursorMove, Deadline, Fault, Generation, Key, OpenSeal, Pending, Receipt, ReceiptKey, Receipts,
    SealEnd, Settled, Stamp,
};
use mysql_async::Row;
use serde_json::json;

use super::MyControl;
use super::fence::only_under;
use crate::answer::{get, odd};
use crate::connector::{Names, Shared};
use crate::query::{Param, Sql};

/// The most receipts one call prunes.
const PRUNE_MAX: u64 = 10_000;

/// The columns of a receipt's key.
pub(super) const KEY: &str = "generation, rule, lane, sequence";

/// What [`receipt_values`] binds, in its order.
const COLUMNS: &str = "instance, generation, rule, lane, sequence, term, run, body, mac, `rows`";

/// A receipt's key, bound.
pub(super) struct BoundKey {
    pub(super) instance: String,
    parts: [String; 4],
}

// === impl BoundKey ===

impl BoundKey {
    pub(super) fn new(instance: &str, key: &ReceiptKey, sql: &mut Sql) -> Self {
        Self {
            instance: sql.bind(instance),
            parts: [
                sql.bind(key.generation.0.as_str()),
                sql.bind(key.rule.as_str()),
                sql.bind(key.lane.as_str()),
                sql.bind(key.sequence),
            ],
        }
    }

    /// The instance and the key, as values.
    pub(super) fn values(&self) -> String {
        format!("{}, {}", self.instance, self.parts.join(", "))
    }

    /// The lane, and the sequence compared with this one by `operator`.
    pub(super) fn sequences(&self, operator: &str) -> String {
        let [generation, rule, lane, sequence] = &self.parts;
        format!(
            "instance = {} and generation = {generation} and rule = {rule} and lane = {lane} \
             and sequence {operator} {sequence}",
            self.instance
        )
    }

    /// The one row.
    pub(super) fn is(&self) -> String {
        self.sequences("=")
    }
}

fn receipt_values(instance: &str, receipt: &Receipt, sql: &mut Sql) -> String {
    let Receipt { key, run, term, body, mac, rows, .. } = receipt;
    let key = BoundKey::new(instance, key, sql);
    let rest = [
        sql.bind(*term),
        sql.bind(run.as_str()),
        sql.bind(body.as_slice()),
        sql.bind(mac.as_slice()),
        sql.bind(Param::Bytes(rows.clone())),
    ];
    format!("{}, {}", key.values(), rest.join(", "))
}

/// The statement that inserts a receipt, in state `done` or, with a list of keys, `sealed`. `from` binds what stands behind
/// the values, and is empty where nothing does.
fn insert(
    names: &Names,
    instance: &str,
    receipt: &Receipt,
    keys: Option<&str>,
    from: impl FnOnce(&mut Sql) -> String,
) -> Sql {
    let mut sql = Sql::default();
    let values = receipt_values(instance, receipt, &mut sql);
    let state = if keys.is_some() { "sealed" } else { "done" };
    let keys = sql.bind(Param::Text(keys.map(str::to_owned)));
    let from = from(&mut sql);
    let text = format!(
        "insert into {} ({COLUMNS}, `keys`, state, created_at) select {values}, {keys}, '{state}', utc_timestamp(6) {from}",
        names.table("receipt")
    );
    sql.say(text)
}

/// The statements that move the lane's cursor as the receipt says, each where `only` holds.
pub(super) fn move_cursor(
    names: &Names,
    instance: &str,
    receipt: &Receipt,
    only: impl Fn(&mut Sql) -> String,
) -> Vec<Sql> {
    if receipt.cursor == CursorMove::Keep {
        return vec![];
    }
    let table = names.table("cursor");
    let mut statements = vec![];
    if let Some(position) = receipt.cursor.position() {
        let mut sql = Sql::default();
        let key = BoundKey::new(instance, &receipt.key, &mut sql);
        let position = sql.bind(position.as_text());
        let only = only(&mut sql);
        let text = format!(
            "insert into {table} (instance, {KEY}, position) select {}, {position} {only} \
             on duplicate key update position = {position}",
            key.values()
        );
        statements.push(sql.say(text));
    }
    let mut sql = Sql::default();
    let key = BoundKey::new(instance, &receipt.key, &mut sql);
    let only = only(&mut sql);
    let only = if only.is_empty() { only } else { format!(" and exists (select 1 {only})") };
    let text = format!("delete from {table} where {}{only}", key.sequences("<"));
    statements.push(sql.say(text));
    statements
}

impl Shared {
    /// The statements that insert the receipt of a batch and move the lane's cursor, in a transaction that holds the fence.
    /// The first inserts the receipt.
    pub(crate) fn receipt_of_batch(&self, receipt: &Receipt) -> Vec<Sql> {
        let instance = &self.link.context.instance;
        let mut statements = vec![insert(&self.names, instance, receipt, None, |_| String::new())];
        statements.extend(move_cursor(&self.names, instance, receipt, |_| String::new()));
        statements
    }
}

pub(super) fn read_key(row: &Row, at: usize, place: &str) -> Result<ReceiptKey, Fault> {
    Ok(ReceiptKey {
        generation: Generation(get(row, at, place)?),
        rule: get(row, at + 1, place)?,
        lane: get(row, at + 2, place)?,
        sequence: get(row, at + 3, place)?,
    })
}

/// Keys, each with a number and a text in hexadecimal digits, as a table `w` of the columns of [`KEY`], `number` and `hash`.
pub(super) fn key_table<'a>(
    keys: impl Iterator<Item = (&'a ReceiptKey, u64, Option<String>)>,
    sql: &mut Sql,
) -> String {
    let rows: Vec<_> = keys
        .map(|(key, number, hash)| json!([key.generation.0, key.rule, key.lane, key.sequence, number, hash]))
        .collect();
    let list = sql.bind(serde_json::Value::from(rows).to_string().as_str());
    format!(
        "json_table({list}, '$[*]' columns (generation varchar(64) path '$[0]', rule varchar(128) path '$[1]', \
         lane varchar(64) path '$[2]', sequence bigint unsigned path '$[3]', number bigint unsigned path '$[4]', \
         hash varchar(64) path '$[5]')) as w"
    )
}

pub(super) fn read_mac(row: &Row, at: usize, place: &str) -> Result<[u8; 32], Fault> {
    get::<Vec<u8>>(row, at, place)?.try_into().map_err(|_| odd(place))
}

impl MyControl {
    /// The statements that insert a receipt under the fence: the second does.
    pub(super) fn insert_fenced(&self, receipt: &Receipt, keys: Option<&str>) -> [Sql; 2] {
        let from = |sql: &mut Sql| only_under(&self.shared, receipt.term, sql);
        let insert = insert(&self.shared.names, self.instance(), receipt, keys, from);
        [self.shared.fence(receipt.term), insert]
    }

    fn read_pending(&self, rows: &[Row]) -> Result<Vec<Pending>, Fault> {
        let place = self.place();
        let read = |row| {
            Ok(Pending { key: read_key(row, 0, &place)?, body: get(row, 4, &place)?, mac: read_mac(row, 5, &place)? })
        };
        rows.iter().map(read).collect()
    }
}

/// Where [`MyControl::insert_fenced`] says whether it did.
pub(super) const INSERTED_AT: usize = 1;

#[async_trait]
impl Receipts for MyControl {
    async fn append(&self, receipt: &Receipt) -> Commit {
        let [fence, insert] = self.insert_fenced(receipt, None);
        self.write("append receipt", &[&fence, &insert]).await.commit(INSERTED_AT, &self.place())
    }

    async fn append_late(&self, receipt: &Receipt) -> Commit {
        let insert = insert(&self.shared.names, self.instance(), receipt, None, |_| String::new());
        self.write("append late receipt", &[&insert]).await.commit(0, &self.place())
    }

    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault> {
        let mut sql = Sql::default();
        let (instance, rule, lane) = (sql.bind(self.instance()), sql.bind(rule), sql.bind(lane));
        let text = format!(
            "select coalesce(max(sequence), 0) + 1 from {} where instance = {instance} \
             and generation = (select generation from {}) and rule = {rule} and lane = {lane}",
            self.table("receipt"),
            self.table("control")
        );
        self.number("next sequence", &sql.say(text)).await
    }

    async fn cursor(&self, rule: &str, lane: &str) -> Result<Option<Cursor>, Fault> {
        let mut sql = Sql::default();
        let (instance, rule, lane) = (sql.bind(self.instance()), sql.bind(rule), sql.bind(lane));
        let text = format!(
            "select c.position from {cursor} as c where c.instance = {instance} \
             and c.generation = (select generation from {control}) and c.rule = {rule} and c.lane = {lane} \
             and not exists (select 1 from {receipt} as r where r.instance = c.instance \
               and r.generation = c.generation and r.rule = c.rule and r.lane = c.lane \
               and r.sequence = c.sequence and r.state = 'sealed') \
             order by c.sequence desc limit 1",
            cursor = self.table("cursor"),
            control = self.table("control"),
            receipt = self.table("receipt"),
        );
        let rows = self.read("read cursor", &sql.say(text)).await?;
        rows.first().map(|row| Ok(Cursor::from_text(get::<String>(row, 0, &self.place())?))).transpose()
    }

    async fn settle(&self, key: &ReceiptKey) -> Settled {
        self.settle_receipt(key).await
    }

    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault> {
        let mut sql = Sql::default();
        let key = BoundKey::new(self.instance(), key, &mut sql);
        let text = format!("select term, mac from {} where {}", self.table("receipt"), key.is());
        let rows = self.read("read receipt", &sql.say(text)).await?;
        let place = self.place();
        let stamp = |row| Ok(Stamp { term: get(row, 0, &place)?, mac: read_mac(row, 1, &place)? });
        rows.first().map(stamp).transpose()
    }

    async fn seal(&self, receipt: &Receipt, keys: &[Key], _deadline: &dyn Deadline) -> Commit {
        self.insert_sealed(receipt, keys).await
    }

    async fn unseal(&self, receipt: &Receipt) -> SealEnd {
        self.finish_sealed(receipt).await
    }

    async fn adopt(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        self.adopt_sealed(term).await
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Pending>, Fault> {
        let mut sql = Sql::default();
        let (instance, limit) = (sql.bind(self.instance()), sql.bind(u64::from(limit)));
        let text = format!(
            "select {KEY}, body, mac from {} where instance = {instance} and state = 'done' and leaf_index is null \
             order by {KEY} limit {limit}",
            self.table("receipt")
        );
        self.read_pending(&self.read("read pending receipts", &sql.say(text)).await?)
    }

    async fn pending_count(&self) -> Result<u64, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!(
            "select count(*) from {} where instance = {instance} and state = 'done' and leaf_index is null",
            self.table("receipt")
        );
        self.number("count pending receipts", &sql.say(text)).await
    }

    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let acked = key_table(acks.iter().map(|(key, index)| (key, *index, None)), &mut sql);
        let text = format!(
            "update {acked} straight_join {} as r on r.instance = {instance} and r.generation = w.generation \
             and r.rule = w.rule and r.lane = w.lane and r.sequence = w.sequence \
             set r.leaf_index = w.number, r.acked_at = utc_timestamp(6) where not r.leaf_index <=> w.number",
            self.table("receipt")
        );
        self.write("acknowledge receipts", &[&sql.say(text)]).await.answers()?;
        Ok(())
    }

    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!(
            "select generation, rule, lane, max(sequence) from {} where instance = {instance} \
             group by generation, rule, lane order by generation, rule, lane",
            self.table("receipt")
        );
        let rows = self.read("read newest receipts", &sql.say(text)).await?;
        rows.iter().map(|row| read_key(row, 0, &self.place())).collect()
    }

    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault> {
        let mut sql = Sql::default();
        let (instance, limit) = (sql.bind(self.instance()), sql.bind(u64::from(limit)));
        let beyond = after.map_or_else(String::new, |key| format!("and {}", beyond(key, &mut sql)));
        let text = format!(
            "select {KEY}, body, mac from {} where instance = {instance} and state = 'done' {beyond} \
             order by {KEY} limit {limit}",
            self.table("receipt")
        );
        self.read_pending(&self.read("read receipts", &sql.say(text)).await?)
    }

    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        let mut sql = Sql::default();
        let key = BoundKey::new(self.instance(), key, &mut sql);
        let text = format!("select `rows` from {} where {}", self.table("receipt"), key.is());
        let rows = self.read("read row commitments", &sql.say(text)).await?;
        rows.first().map_or(Ok(None), |row| get(row, 0, &self.place()))
    }

    async fn prune(&self, covered: u64, keep_secs: u64) -> Result<u64, Fault> {
        let mut sql = Sql::default();
        let (instance, covered) = (sql.bind(self.instance()), sql.bind(covered));
        let (keep, limit) = (sql.bind(keep_secs), sql.bind(PRUNE_MAX));
        let text = format!(
            "delete r from {receipt} as r join (select o.generation, o.rule, o.lane, o.sequence from {receipt} as o \
               where o.instance = {instance} and o.state = 'done' and o.leaf_index < {covered} \
               and o.acked_at < utc_timestamp(6) - interval {keep} second \
               and exists (select 1 from {receipt} as later where later.instance = o.instance \
                 and later.generation = o.generation and later.rule = o.rule and later.lane = o.lane \
                 and later.sequence > o.sequence) \
               order by o.generation, o.rule, o.lane, o.sequence limit {limit}) as old \
             on r.generation = old.generation and r.rule = old.rule and r.lane = old.lane \
             and r.sequence = old.sequence where r.instance = {instance}",
            receipt = self.table("receipt")
        );
        let answers = self.write("prune receipts", &[&sql.say(text)]).await.answers()?;
        Ok(answers.first().map_or(0, |answer| answer.affected))
    }
}

/// Behind this key, in the order of keys. Spelled out: rows compared as a whole are not looked up in an index here.
fn beyond(key: &ReceiptKey, sql: &mut Sql) -> String {
    let generation = sql.bind(key.generation.0.as_str());
    let (rule, lane) = (sql.bind(key.rule.as_str()), sql.bind(key.lane.as_str()));
    let sequence = sql.bind(key.sequence);
    format!(
        "(generation > {generation} or (generation = {generation} and (rule > {rule} or (rule = {rule} \
         and (lane > {lane} or (lane = {lane} and sequence > {sequence}))))))"
    )
}
