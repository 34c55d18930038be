//! What is remembered about each rule.

use async_trait::async_trait;
use forgetd_connector::{ApprovedRow, Commit, Fault, LastRow, PendingRow, Rulebook, RulebookRow, fault_point};
use jiff::Timestamp;
use mysql_async::Row;

use super::MyControl;
use super::fence::only_under;
use super::runs::{micros, moment};
use crate::answer::{get, odd};
use crate::codec;
use crate::query::{Param, Sql};

/// What is replaced when the rule is there already, in the order in which [`MyControl::keep`] binds it.
const KEPT: [&str; 13] = [
    "approved_digest",
    "definition",
    "catalog_digest",
    "how",
    "who",
    "reason",
    "approved_at",
    "pending_digest",
    "pending_since",
    "once",
    "last_cutoff",
    "last_at",
    "recent",
];

#[async_trait]
impl Rulebook for MyControl {
    async fn rule(&self, rule: &str) -> Result<Option<RulebookRow>, Fault> {
        let columns = KEPT.map(|name| match name {
            "approved_at" | "pending_since" | "last_cutoff" | "last_at" => micros(name),
            name => codec::quote(name),
        });
        let mut sql = Sql::default();
        let (instance, bound) = (sql.bind(self.instance()), sql.bind(rule));
        let text = format!(
            "select {} from {} where instance = {instance} and rule = {bound}",
            columns.join(", "),
            self.table("rulebook")
        );
        let rows = self.read("read rulebook", &sql.say(text)).await?;
        rows.first().map(|row| read_rule(rule, row, &self.place())).transpose()
    }

    async fn keep_rule(&self, row: &RulebookRow, term: u64) -> Commit {
        if let Err(fault) = fault_point::before("rulebook.keep") {
            return Commit::Unknown(fault);
        }
        let written = self.write("keep rule", &[&self.shared.fence(term), &self.keep(row, term)]).await;
        match fault_point::after("rulebook.keep") {
            Ok(()) => written.commit(1, &self.place()),
            Err(fault) => Commit::Unknown(fault),
        }
    }
}

impl MyControl {
    fn keep(&self, row: &RulebookRow, term: u64) -> Sql {
        let (approved, pending) = (row.approved.as_ref(), row.pending.as_ref());
        let mut sql = Sql::default();
        let (instance, rule) = (sql.bind(self.instance()), sql.bind(row.rule.as_str()));
        let approved_text = |of: fn(&ApprovedRow) -> &String| Param::Text(approved.map(of).cloned());
        let values = [
            sql.bind(approved_text(|approved| &approved.digest)),
            sql.bind(approved_text(|approved| &approved.definition)),
            sql.bind(approved_text(|approved| &approved.catalog_digest)),
            sql.bind(approved_text(|approved| &approved.how)),
            sql.bind(approved_text(|approved| &approved.who)),
            sql.bind(approved_text(|approved| &approved.reason)),
            maybe(&mut sql, approved.map(|approved| approved.at)),
            sql.bind(Param::Text(pending.map(|pending| pending.digest.clone()))),
            maybe(&mut sql, pending.map(|pending| pending.since)),
            sql.bind(Param::Text(row.once.clone())),
            maybe(&mut sql, row.last.map(|last| last.cutoff)),
            maybe(&mut sql, row.last.map(|last| last.at)),
            sql.bind(row.recent.as_str()),
        ];
        let names = KEPT.map(codec::quote);
        let replaced: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
        let only = only_under(&self.shared, term, &mut sql);
        let text = format!(
            "insert into {} (instance, rule, {}) select {instance}, {rule}, {} {only} on duplicate key update {}",
            self.table("rulebook"),
            names.join(", "),
            values.join(", "),
            replaced.join(", ")
        );
        sql.say(text)
    }
}

fn maybe(sql: &mut Sql, at: Option<Timestamp>) -> String {
    at.map_or_else(|| "null".into(), |at| moment(sql, at))
}

fn read_rule(rule: &str, row: &Row, place: &str) -> Result<RulebookRow, Fault> {
    let text = |n| get::<Option<String>>(row, n, place);
    let moment = |n| -> Result<Option<Timestamp>, Fault> {
        let micros: Option<i64> = get(row, n, place)?;
        micros.map(|micros| Timestamp::from_microsecond(micros).map_err(|_| odd(place))).transpose()
    };
    let approved = match (text(0)?, text(1)?, text(2)?, moment(6)?) {
        (Some(digest), Some(definition), Some(catalog_digest), Some(at)) => Some(ApprovedRow {
            digest,
            definition,
            catalog_digest,
            how: text(3)?.unwrap_or_default(),
            who: text(4)?.unwrap_or_default(),
            reason: text(5)?.unwrap_or_default(),
            at,
        }),
        _ => None,
    };
    let pending = match (text(7)?, moment(8)?) {
        (Some(digest), Some(since)) => Some(PendingRow { digest, since }),
        _ => None,
    };
    let last = match (moment(10)?, moment(11)?) {
        (Some(cutoff), Some(at)) => Some(LastRow { cutoff, at }),
        _ => None,
    };
    Ok(RulebookRow { rule: rule.into(), approved, pending, once: text(9)?, last, recent: get(row, 12, place)? })
}
