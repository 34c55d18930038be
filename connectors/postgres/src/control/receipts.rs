//! Receipts and cursors.

use async_trait::async_trait;
use forgetd_connector::{
    Commit, Cursor, CursorMove, Deadline, Fault, Generation, Key, OpenSeal, Pending, Receipt, ReceiptKey, Receipts,
    SealEnd, Settled, Stamp,
};
use tokio_postgres::Row;

use super::{PgControl, fence};
use crate::connect::Answer;
use crate::connector::Names;
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

/// The most receipts one call prunes.
const PRUNE_MAX: u64 = 10_000;

/// The columns of a receipt's key.
pub(super) const KEY: &str = "generation, rule, lane, sequence";

/// Binds the instance and a receipt's key: `$1` to `$5`.
fn bind_key(instance: &str, key: &ReceiptKey) -> Sql {
    Sql::new(
        "",
        vec![
            instance.into(),
            key.generation.0.as_str().into(),
            key.rule.as_str().into(),
            key.lane.as_str().into(),
            key.sequence.into(),
        ],
    )
}

/// Binds a receipt for `insert`: `$1` to `$10`, in the order of [`COLUMNS`].
pub(super) fn bind(instance: &str, receipt: &Receipt) -> Sql {
    let Receipt { key, run, term, body, mac, rows, .. } = receipt;
    let mut sql = bind_key(instance, key);
    let rest: [Param; 5] = [
        (*term).into(),
        run.as_str().into(),
        Param::Bytes(Some(body.clone())),
        Param::Bytes(Some(mac.to_vec())),
        Param::Bytes(rows.clone()),
    ];
    for param in rest {
        sql.bind(param);
    }
    sql
}

/// What [`bind`] binds.
pub(super) const COLUMNS: &str = "instance, generation, rule, lane, sequence, term, run, body, mac, rows";
pub(super) const VALUES: &str = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10";

/// The parts that move the lane's cursor as the receipt says, each where `only` holds. The receipt's key is bound.
pub(super) fn move_cursor(names: &Names, receipt: &Receipt, only: &str, sql: &mut Sql) -> Vec<String> {
    if receipt.cursor == CursorMove::Keep {
        return vec![];
    }
    let cursor = names.table("cursor");
    let mut parts = vec![format!(
        "gone as (delete from {cursor} where instance = $1 and generation = $2 and rule = $3 and lane = $4 \
         and sequence < $5 and {only})"
    )];
    if let Some(position) = receipt.cursor.position() {
        let position = sql.bind(position.as_text().into());
        parts.push(format!(
            "here as (insert into {cursor} (instance, generation, rule, lane, sequence, position) \
             select $1, $2, $3, $4, $5, {position} where {only} \
             on conflict (instance, generation, rule, lane, sequence) do update set position = excluded.position)"
        ));
    }
    parts
}

/// Inserts the receipt of a batch and moves the lane's cursor, in the transaction `xid` and in no other. Whether it did
/// is in the command's tag, which counts receipts.
///
/// Nothing is joined: with the transaction's number read once in a part of its own, and the other parts joined to it,
/// the server took twice as long to plan this.
pub(crate) fn insert_in(names: &Names, instance: &str, receipt: &Receipt, xid: &str) -> Sql {
    let mut sql = bind(instance, receipt);
    let same = format!("pg_current_xact_id_if_assigned()::text = {}", sql.bind(xid.into()));
    let parts = move_cursor(names, receipt, &same, &mut sql);
    let with = if parts.is_empty() { String::new() } else { format!("with {} ", parts.join(", ")) };
    let text =
        format!("{with}insert into {} ({COLUMNS}, state) select {VALUES}, 'done' where {same}", names.table("receipt"));
    sql.say(text)
}

/// How many receipts an inserting statement says it inserted.
pub(super) fn inserted(answer: &Answer) -> i64 {
    answer.rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0)
}

pub(super) fn read_key(row: &Row, at: usize, place: &str) -> Result<ReceiptKey, Fault> {
    Ok(ReceiptKey {
        generation: Generation(get(row, at, place)?),
        rule: get(row, at + 1, place)?,
        lane: get(row, at + 2, place)?,
        sequence: get::<i64>(row, at + 3, place)?.unsigned_abs(),
    })
}

/// Keys as arrays for `unnest`, one per column of [`KEY`].
pub(super) fn key_arrays<'a>(keys: impl Iterator<Item = &'a ReceiptKey> + Clone) -> [Param; 4] {
    [
        Param::Texts(keys.clone().map(|key| Some(key.generation.0.clone())).collect()),
        Param::Texts(keys.clone().map(|key| Some(key.rule.clone())).collect()),
        Param::Texts(keys.clone().map(|key| Some(key.lane.clone())).collect()),
        Param::Ints(keys.map(|key| i64::try_from(key.sequence).unwrap_or(i64::MAX)).collect()),
    ]
}

pub(super) fn read_mac(row: &Row, at: usize, place: &str) -> Result<[u8; 32], Fault> {
    get::<&[u8]>(row, at, place)?.try_into().map_err(|_| odd(place))
}

impl PgControl {
    /// The statement that inserts a receipt under the fence, whatever else `parts` does beside it.
    pub(super) fn insert_fenced(&self, receipt: &Receipt, mut sql: Sql, parts: &[String]) -> Sql {
        let term = sql.bind(receipt.term.into());
        let mut with = vec![fence(&self.table("fence"), "$1", &term)];
        with.push(format!(
            "put as (insert into {} ({COLUMNS}, state) select {VALUES}, 'done' from fence returning 1)",
            self.table("receipt")
        ));
        with.extend_from_slice(parts);
        let text = format!("with {} select (select count(*) from put)", with.join(", "));
        sql.say(text)
    }

    fn read_pending(&self, rows: &[Row]) -> Result<Vec<Pending>, Fault> {
        let place = self.place();
        let read = |row| {
            Ok(Pending { key: read_key(row, 0, &place)?, body: get(row, 4, &place)?, mac: read_mac(row, 5, &place)? })
        };
        rows.iter().map(read).collect()
    }
}

#[async_trait]
impl Receipts for PgControl {
    async fn append(&self, receipt: &Receipt) -> Commit {
        let sql = self.insert_fenced(receipt, bind(self.instance(), receipt), &[]);
        self.write("append receipt", &[&sql]).await.commit(&self.place())
    }

    async fn append_late(&self, receipt: &Receipt) -> Commit {
        let text = format!(
            "with put as (insert into {} ({COLUMNS}, state) values ({VALUES}, 'done') returning 1) \
             select (select count(*) from put)",
            self.table("receipt")
        );
        let sql = bind(self.instance(), receipt).say(text);
        self.write("append late receipt", &[&sql]).await.commit(&self.place())
    }

    async fn next_sequence(&self, rule: &str, lane: &str) -> Result<u64, Fault> {
        let sql = Sql::new(
            format!(
                "select coalesce(max(sequence), 0) + 1 from {} where instance = $1 \
                 and generation = (select generation from {}) and rule = $2 and lane = $3",
                self.table("receipt"),
                self.table("control")
            ),
            vec![self.instance().into(), rule.into(), lane.into()],
        );
        self.number("next sequence", &sql).await
    }

    async fn cursor(&self, rule: &str, lane: &str) -> Result<Option<Cursor>, Fault> {
        let sql = Sql::new(
            format!(
                "select c.position from {cursor} c where c.instance = $1 \
                 and c.generation = (select generation from {control}) and c.rule = $2 and c.lane = $3 \
                 and not exists (select from {receipt} r where r.instance = c.instance \
                   and r.generation = c.generation and r.rule = c.rule and r.lane = c.lane \
                   and r.sequence = c.sequence and r.state = 'sealed') \
                 order by c.sequence desc limit 1",
                cursor = self.table("cursor"),
                control = self.table("control"),
                receipt = self.table("receipt"),
            ),
            vec![self.instance().into(), rule.into(), lane.into()],
        );
        let rows = self.read("read cursor", &sql).await?;
        rows.first().map(|row| Ok(Cursor::from_text(get::<String>(row, 0, &self.place())?))).transpose()
    }

    async fn settle(&self, key: &ReceiptKey) -> Settled {
        self.settle_receipt(key).await
    }

    async fn stamp(&self, key: &ReceiptKey) -> Result<Option<Stamp>, Fault> {
        let text = format!(
            "select term, mac from {} where instance = $1 and ({KEY}) = ($2, $3, $4, $5)",
            self.table("receipt")
        );
        let rows = self.read("read receipt", &bind_key(self.instance(), key).say(text)).await?;
        let place = self.place();
        let stamp =
            |row| Ok(Stamp { term: get::<i64>(row, 0, &place)?.unsigned_abs(), mac: read_mac(row, 1, &place)? });
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
        let sql = Sql::new(
            format!(
                "select {KEY}, body, mac from {} where instance = $1 and state = 'done' and leaf_index is null \
                 order by {KEY} limit $2",
                self.table("receipt")
            ),
            vec![self.instance().into(), u64::from(limit).into()],
        );
        self.read_pending(&self.read("read pending receipts", &sql).await?)
    }

    async fn pending_count(&self) -> Result<u64, Fault> {
        let sql = Sql::new(
            format!(
                "select count(*) from {} where instance = $1 and state = 'done' and leaf_index is null",
                self.table("receipt")
            ),
            vec![self.instance().into()],
        );
        self.number("count pending receipts", &sql).await
    }

    async fn acknowledge(&self, acks: &[(ReceiptKey, u64)]) -> Result<(), Fault> {
        let [generations, rules, lanes, sequences] = key_arrays(acks.iter().map(|(key, _)| key));
        let indexes = Param::Ints(acks.iter().map(|(_, index)| i64::try_from(*index).unwrap_or(i64::MAX)).collect());
        let sql = Sql::new(
            format!(
                "update {} r set leaf_index = a.leaf_index, acked_at = clock_timestamp() \
                 from unnest($2::text[], $3::text[], $4::text[], $5::int8[], $6::int8[]) \
                   as a(generation, rule, lane, sequence, leaf_index) \
                 where r.instance = $1 and r.generation = a.generation and r.rule = a.rule and r.lane = a.lane \
                 and r.sequence = a.sequence and r.leaf_index is distinct from a.leaf_index",
                self.table("receipt")
            ),
            vec![self.instance().into(), generations, rules, lanes, sequences, indexes],
        );
        self.write("acknowledge receipts", &[&sql]).await.answers()?;
        Ok(())
    }

    async fn newest(&self) -> Result<Vec<ReceiptKey>, Fault> {
        let sql = Sql::new(
            format!(
                "select generation, rule, lane, max(sequence) from {} where instance = $1 \
                 group by generation, rule, lane order by generation, rule, lane",
                self.table("receipt")
            ),
            vec![self.instance().into()],
        );
        let rows = self.read("read newest receipts", &sql).await?;
        rows.iter().map(|row| read_key(row, 0, &self.place())).collect()
    }

    async fn bodies(&self, after: Option<&ReceiptKey>, limit: u32) -> Result<Vec<Pending>, Fault> {
        let mut sql = Sql::new("", vec![self.instance().into(), u64::from(limit).into()]);
        let beyond = match after {
            None => String::new(),
            Some(key) => {
                let generation = sql.bind(key.generation.0.as_str().into());
                let (rule, lane) = (sql.bind(key.rule.as_str().into()), sql.bind(key.lane.as_str().into()));
                let sequence = sql.bind(key.sequence.into());
                format!("and ({KEY}) > ({generation}, {rule}, {lane}, {sequence})")
            }
        };
        let text = format!(
            "select {KEY}, body, mac from {} where instance = $1 and state = 'done' {beyond} order by {KEY} limit $2",
            self.table("receipt")
        );
        self.read_pending(&self.read("read receipts", &sql.say(text)).await?)
    }

    async fn rows(&self, key: &ReceiptKey) -> Result<Option<Vec<u8>>, Fault> {
        let text =
            format!("select rows from {} where instance = $1 and ({KEY}) = ($2, $3, $4, $5)", self.table("receipt"));
        let sql = bind_key(self.instance(), key).say(text);
        let rows = self.read("read row commitments", &sql).await?;
        rows.first().map_or(Ok(None), |row| get(row, 0, &self.place()))
    }

    async fn prune(&self, covered: u64, keep_secs: u64) -> Result<u64, Fault> {
        let sql = Sql::new(
            format!(
                "with old as materialized (select {KEY} from {receipt} r where instance = $1 and leaf_index < $2 \
                   and acked_at < clock_timestamp() - $3 * interval '1 second' \
                   and exists (select from {receipt} later where later.instance = r.instance \
                     and later.generation = r.generation and later.rule = r.rule and later.lane = r.lane \
                     and later.sequence > r.sequence) \
                   order by {KEY} limit $4) \
                 delete from {receipt} r using old where r.instance = $1 and r.generation = old.generation \
                 and r.rule = old.rule and r.lane = old.lane and r.sequence = old.sequence",
                receipt = self.table("receipt")
            ),
            vec![self.instance().into(), covered.into(), keep_secs.into(), PRUNE_MAX.into()],
        );
        let answers = self.write("prune receipts", &[&sql]).await.answers()?;
        Ok(answers.first().map_or(0, |answer| answer.affected))
    }
}
