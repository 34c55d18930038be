//! How each rule stands.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, StandingRow, Standings, fault_point};

use super::{PgControl, fence};
use crate::query::Sql;
use crate::survey::get;

#[async_trait]
impl Standings for PgControl {
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault> {
        let sql = Sql::new(
            format!("select rule, body from {} where instance = $1 order by rule", self.table("standing")),
            vec![self.instance().into()],
        );
        let rows = self.read("read standings", &sql).await?;
        let place = self.place();
        rows.iter().map(|row| Ok(StandingRow { rule: get(row, 0, &place)?, body: get(row, 1, &place)? })).collect()
    }

    async fn keep_standing(&self, row: &StandingRow, term: u64) -> Commit {
        let text = format!(
            "with {}, kept as (insert into {} (instance, rule, body) select $1, $2, $4 from fence \
             on conflict (instance, rule) do update set body = excluded.body) select count(*) from fence",
            fence(&self.table("fence"), "$1", "$3"),
            self.table("standing")
        );
        let (rule, body) = (row.rule.as_str(), row.body.as_str());
        let sql = Sql::new(text, vec![self.instance().into(), rule.into(), term.into(), body.into()]);
        if let Err(fault) = fault_point::before("standing.keep") {
            return Commit::Unknown(fault);
        }
        let written = self.write("keep standing", &[&sql]).await;
        match fault_point::after("standing.keep") {
            Ok(()) => written.commit(&self.place()),
            Err(fault) => Commit::Unknown(fault),
        }
    }

    async fn drop_standing(&self, rule: &str, term: u64) -> Commit {
        let text = format!(
            "with {}, gone as (delete from {} using fence where instance = $1 and rule = $2) select count(*) from fence",
            fence(&self.table("fence"), "$1", "$3"),
            self.table("standing")
        );
        let sql = Sql::new(text, vec![self.instance().into(), rule.into(), term.into()]);
        self.write("drop standing", &[&sql]).await.commit(&self.place())
    }
}
