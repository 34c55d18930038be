//! Receipts that are sealed first and done later.

use forgetd_connector::{Cause, Commit, Cursor, Fault, FaultClass, Key, OpenSeal, Receipt, SealEnd, fault_point};
use tokio_postgres::Row;

use super::receipts::{COLUMNS, KEY, VALUES, bind, move_cursor, read_key, read_mac};
use super::{PgControl, Written, fence};
use crate::query::Sql;
use crate::survey::{get, odd};

impl PgControl {
    /// Step 2: the receipt in state sealed, its private key list, and its cursor, which counts once it is done.
    pub(super) async fn insert_sealed(&self, receipt: &Receipt, keys: &[Key]) -> Commit {
        let place = self.place();
        let Ok(list) = serde_json::to_string(keys) else { return Commit::RolledBack(odd(&place)) };
        let mut sql = bind(self.instance(), receipt);
        let (term, list) = (sql.bind(receipt.term.into()), sql.bind(list.as_str().into()));
        let mut parts = vec![
            fence(&self.table("fence"), "$1", &term),
            format!(
                "put as (insert into {} ({COLUMNS}, state, keys) select {VALUES}, 'sealed', {list}::text::jsonb \
                 from fence returning 1)",
                self.table("receipt")
            ),
        ];
        if let Some(position) = receipt.cursor.position() {
            let position = sql.bind(position.as_text().into());
            parts.push(format!(
                "here as (insert into {} (instance, generation, rule, lane, sequence, position) \
                 select $1, $2, $3, $4, $5, {position} from fence \
                 on conflict (instance, generation, rule, lane, sequence) do update set position = excluded.position)",
                self.table("cursor")
            ));
        }
        let sql = sql.say(format!("with {} select (select count(*) from put)", parts.join(", ")));
        if let Err(fault) = fault_point::before("seal") {
            return Commit::Unknown(fault);
        }
        let written = self.write("seal receipt", &[&sql]).await;
        match fault_point::after("seal") {
            Ok(()) => written.commit(&place),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    /// Step 5: the outcome replaces what was sealed, unless somebody adopted it. Repeating it is answered with done.
    pub(super) async fn finish_sealed(&self, receipt: &Receipt) -> SealEnd {
        let receipts = self.table("receipt");
        let mut sql = bind(self.instance(), receipt);
        let term = sql.bind(receipt.term.into());
        let cursor = move_cursor(&self.shared.names, receipt, "exists (select from ended)", &mut sql);
        let key = "r.instance = $1 and r.generation = $2 and r.rule = $3 and r.lane = $4 and r.sequence = $5";
        let text = format!(
            "with {fence}, ended as (update {receipts} r set state = 'done', run = $7, body = $8, mac = $9, \
               rows = $10, keys = null from fence where {key} and r.state = 'sealed' and r.term = {term} returning 1){cursor} \
             select (select count(*) from ended), (select count(*) from fence), \
               (select count(*) from {receipts} r where {key} and r.state = 'done' and r.term = {term} and r.mac = $9)",
            fence = fence(&self.table("fence"), "$1", &term),
            cursor = cursor.iter().map(|part| format!(", {part}")).collect::<String>(),
        );
        if let Err(fault) = fault_point::before("unseal") {
            return SealEnd::Failed(fault);
        }
        let written = self.write("unseal receipt", &[&sql.say(text)]).await;
        if let Err(fault) = fault_point::after("unseal") {
            return SealEnd::Failed(fault);
        }
        let answers = match written {
            Written::Done(answers) => answers,
            Written::Refused { fault, .. } | Written::Lost(fault) => return SealEnd::Failed(fault),
        };
        let place = self.place();
        let count = |n: usize| {
            let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&place))?;
            get::<i64>(row, n, &place)
        };
        match (count(0), count(1), count(2)) {
            (Ok(1), _, _) | (_, _, Ok(1)) => SealEnd::Done,
            // Adopted or not yet: whoever raised the fence takes it.
            (Ok(_), Ok(_), Ok(_)) => SealEnd::Adopted,
            (Err(fault), _, _) | (_, Err(fault), _) | (_, _, Err(fault)) => SealEnd::Failed(fault),
        }
    }

    /// Takes every open seal into `term`, so that its old holder's unseal changes nothing. Whoever adopts may not have
    /// raised the fence here yet; only a later holder is in the way.
    pub(super) async fn adopt_sealed(&self, term: u64) -> Result<Vec<OpenSeal>, Fault> {
        let receipts = self.table("receipt");
        let take = Sql::new(
            format!(
                "with later as materialized (select 1 from {fence} where instance = $1 and term > $2 for share), \
                 taken as (update {receipts} r set term = $2 where r.instance = $1 and r.state = 'sealed' \
                   and not exists (select from later) returning 1) \
                 select (select count(*) from later), (select count(*) from taken)",
                fence = self.table("fence")
            ),
            vec![self.instance().into(), term.into()],
        );
        let look = Sql::new(
            format!(
                "select {KEY}, run, body, mac, rows, keys::text, (select position from {cursor} c \
                   where c.instance = r.instance and c.generation = r.generation and c.rule = r.rule \
                   and c.lane = r.lane and c.sequence = r.sequence) \
                 from {receipts} r where instance = $1 and state = 'sealed' and term = $2 order by {KEY}",
                cursor = self.table("cursor")
            ),
            vec![self.instance().into(), term.into()],
        );
        let answers = self.write("adopt receipts", &[&take, &look]).await.answers()?;
        let place = self.place();
        let [took, looked] = answers.as_slice() else { return Err(odd(&place)) };
        if get::<i64>(took.rows.first().ok_or_else(|| odd(&place))?, 0, &place)? != 0 {
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
