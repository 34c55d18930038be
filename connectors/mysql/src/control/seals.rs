//! Receipts that are sealed first and done later.

use forgetd_connector::{Cause, Commit, Cursor, Fault, FaultClass, Key, OpenSeal, Receipt, SealEnd, fault_point};
use mysql_async::Row;

use super::fence::only_under;
use super::receipts::{BoundKey, INSERTED_AT, KEY, move_cursor, read_key, read_mac};
use super::{MyControl, Written};
use crate::answer::{get, odd};
use crate::query::{Param, Sql};

impl MyControl {
    /// Step 2: the receipt in state sealed, its private key list, and its cursor, which counts once it is done.
    pub(super) async fn insert_sealed(&self, receipt: &Receipt, keys: &[Key]) -> Commit {
        let place = self.place();
        let Ok(list) = serde_json::to_string(keys) else { return Commit::RolledBack(odd(&place)) };
        let [fence, insert] = self.insert_fenced(receipt, Some(&list));
        let mut statements = vec![fence, insert];
        if let Some(position) = receipt.cursor.position() {
            let mut sql = Sql::default();
            let key = BoundKey::new(self.instance(), &receipt.key, &mut sql);
            let position = sql.bind(position.as_text());
            let only = only_under(&self.shared, receipt.term, &mut sql);
            let text = format!(
                "insert into {} (instance, {KEY}, position) select {}, {position} {only} \
                 on duplicate key update position = {position}",
                self.table("cursor"),
                key.values()
            );
            statements.push(sql.say(text));
        }
        if let Err(fault) = fault_point::before("seal") {
            return Commit::Unknown(fault);
        }
        let written = self.write("seal receipt", &statements.iter().collect::<Vec<_>>()).await;
        match fault_point::after("seal") {
            Ok(()) => written.commit(INSERTED_AT, &place),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    /// Step 5: the outcome replaces what was sealed, unless somebody adopted it. Repeating it is answered with done.
    pub(super) async fn finish_sealed(&self, receipt: &Receipt) -> SealEnd {
        let mut statements = vec![self.shared.fence(receipt.term)];
        // Before the state changes, on which it depends.
        let receipts = self.table("receipt");
        statements.extend(move_cursor(&self.shared.names, self.instance(), receipt, |sql| {
            let key = BoundKey::new(self.instance(), &receipt.key, sql);
            let term = sql.bind(receipt.term);
            let fence = only_under(&self.shared, receipt.term, sql);
            format!(
                "from {receipts} as s where {} and s.state = 'sealed' and s.term = {term} and exists (select 1 {fence})",
                key.is()
            )
        }));
        statements.push(self.end_seal(receipt));
        statements.push(self.ended(receipt));
        if let Err(fault) = fault_point::before("unseal") {
            return SealEnd::Failed(fault);
        }
        let written = self.write("unseal receipt", &statements.iter().collect::<Vec<_>>()).await;
        if let Err(fault) = fault_point::after("unseal") {
            return SealEnd::Failed(fault);
        }
        let answers = match written {
            Written::Done(answers) => answers,
            Written::Refused { fault, .. } | Written::Lost(fault) => return SealEnd::Failed(fault),
        };
        let place = self.place();
        let done = answers.last().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&place));
        match done.and_then(|row| get::<u64>(row, 0, &place)) {
            Ok(1) => SealEnd::Done,
            // Adopted or not yet: whoever raised the fence takes it.
            Ok(_) => SealEnd::Adopted,
            Err(fault) => SealEnd::Failed(fault),
        }
    }

    fn end_seal(&self, receipt: &Receipt) -> Sql {
        let mut sql = Sql::default();
        let key = BoundKey::new(self.instance(), &receipt.key, &mut sql);
        let values = [
            sql.bind(receipt.run.as_str()),
            sql.bind(receipt.body.as_slice()),
            sql.bind(receipt.mac.as_slice()),
            sql.bind(Param::Bytes(receipt.rows.clone())),
        ];
        let [run, body, mac, rows] = &values;
        let term = sql.bind(receipt.term);
        let only = only_under(&self.shared, receipt.term, &mut sql);
        let text = format!(
            "update {} set state = 'done', run = {run}, body = {body}, mac = {mac}, `rows` = {rows}, `keys` = null \
             where {} and state = 'sealed' and term = {term} and exists (select 1 {only})",
            self.table("receipt"),
            key.is()
        );
        sql.say(text)
    }

    /// How many receipts are done as this one is, by this term: also when it was done before and the answer was lost.
    fn ended(&self, receipt: &Receipt) -> Sql {
        let mut sql = Sql::default();
        let key = BoundKey::new(self.instance(), &receipt.key, &mut sql);
        let (term, mac) = (sql.bind(receipt.term), sql.bind(receipt.mac.as_slice()));
        let text = format!(
            "select count(*) from {} where {} and state = 'done' and term = {term} and mac = {mac}",
            self.table("receipt"),
            key.is()
        );
        sql.say(text)
    }

    /// Takes every open seal into `term`, so that its old holder's unseal changes nothing. Whoever adopts may not have
    /// raised the fence here yet; only a later holder is in the way.
    pub(super) async fn adopt_sealed(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        let receipts = self.table("receipt");
        let fence = self.table("fence");
        let mut sql = Sql::default();
        let (instance, bound) = (sql.bind(self.instance()), sql.bind(term));
        let share = self.shared.looked.flavour.for_share();
        let later =
            sql.clone().say(format!("select term from {fence} where instance = {instance} and term > {bound} {share}"));
        let take = sql.clone().say(format!(
            "update {receipts} set term = {bound} where instance = {instance} and state = 'sealed' \
             and not exists (select 1 from {fence} as f where f.instance = {instance} and f.term > {bound})"
        ));
        let look = sql.say(format!(
            "select r.generation, r.rule, r.lane, r.sequence, r.run, r.body, r.mac, r.`rows`, r.`keys`, c.position \
             from {receipts} as r left join {cursor} as c on c.instance = r.instance and c.generation = r.generation \
             and c.rule = r.rule and c.lane = r.lane and c.sequence = r.sequence \
             where r.instance = {instance} and r.state = 'sealed' and r.term = {bound} \
             order by r.generation, r.rule, r.lane, r.sequence",
            cursor = self.table("cursor")
        ));
        let answers = self.write("adopt receipts", &[&later, &take, &look]).await.answers()?;
        let place = self.place();
        let [later, _, looked] = answers.as_slice() else { return Err(odd(&place)) };
        if !later.rows.is_empty() {
            return Err(Fault::new(FaultClass::Blocked(Cause::Fenced), "adopt receipts", place));
        }
        looked.rows.iter().map(|row| read_seal(row, term, &place)).collect()
    }
}

fn read_seal(row: &Row, term: u64, place: &str) -> Result<OpenSeal, Fault> {
    let keys: Option<String> = get(row, 8, place)?;
    let keys = serde_json::from_str(keys.as_deref().unwrap_or("[]")).map_err(|_| odd(place))?;
    let receipt = Receipt {
        key: read_key(row, 0, place)?,
        run: get(row, 4, place)?,
        term,
        body: get(row, 5, place)?,
        mac: read_mac(row, 6, place)?,
        rows: get(row, 7, place)?,
        cursor: get::<Option<String>>(row, 9, place)?.map(Cursor::from_text).into(),
    };
    Ok(OpenSeal { receipt, keys })
}
