//! How each rule stands.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, StandingRow, Standings, fault_point};

use super::fence::only_under;
use super::{MyControl, Written};
use crate::answer::get;
use crate::query::Sql;

#[async_trait]
impl Standings for MyControl {
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault> {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text =
            format!("select rule, body from {} where instance = {instance} order by rule", self.table("standing"));
        let rows = self.read("read standings", &sql.say(text)).await?;
        let place = self.place();
        rows.iter().map(|row| Ok(StandingRow { rule: get(row, 0, &place)?, body: get(row, 1, &place)? })).collect()
    }

    async fn keep_standing(&self, row: &StandingRow, term: u64) -> Commit {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let (rule, body) = (sql.bind(row.rule.as_str()), sql.bind(row.body.as_str()));
        let only = only_under(&self.shared, term, &mut sql);
        let text = format!(
            "insert into {} (instance, rule, body) select {instance}, {rule}, {body} {only} \
             on duplicate key update body = {body}",
            self.table("standing")
        );
        if let Err(fault) = fault_point::before("standing.keep") {
            return Commit::Unknown(fault);
        }
        let written = self.write("keep standing", &[&self.shared.fence(term), &sql.say(text)]).await;
        match fault_point::after("standing.keep") {
            Ok(()) => written.commit(1, &self.place()),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn drop_standing(&self, rule: &str, term: u64) -> Commit {
        let mut sql = Sql::default();
        let (instance, rule) = (sql.bind(self.instance()), sql.bind(rule));
        let only = only_under(&self.shared, term, &mut sql);
        let text = format!(
            "delete from {} where instance = {instance} and rule = {rule} and exists (select 1 {only})",
            self.table("standing")
        );
        let written = self.write("drop standing", &[&self.shared.fence(term), &sql.say(text)]).await;
        self.as_the_fence_says(written)
    }
}

// === impl MyControl ===

impl MyControl {
    /// The fate of a write that had perhaps nothing to change: what the fence answered before it.
    pub(super) fn as_the_fence_says(&self, written: Written) -> Commit {
        match &written {
            Written::Done(answers) if answers.first().is_some_and(|fence| self.shared.fence_holds(fence)) => {
                Commit::Committed
            }
            Written::Done(_) => Commit::Fenced,
            _ => written.commit(0, &self.place()),
        }
    }
}
