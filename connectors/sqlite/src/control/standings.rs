//! How each rule stands.

use async_trait::async_trait;
use forgetd_connector::{Commit, Fault, StandingRow, Standings};
use rusqlite::Connection;

use super::{SqliteControl, Tables, execute};

#[async_trait]
impl Standings for SqliteControl {
    async fn standings(&self) -> Result<Vec<StandingRow>, Fault> {
        self.read("read standings", |connection, tables| {
            let sql = format!("select rule, body from {} where instance = ?1 order by rule", tables.standing);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows =
                statement.query_map([&tables.instance], |row| Ok(StandingRow { rule: row.get(0)?, body: row.get(1)? }));
            rows?.collect()
        })
        .await
    }

    async fn keep_standing(&self, row: &StandingRow, term: u64) -> Commit {
        let StandingRow { rule, body } = row.clone();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, term, None)?;
            let sql = format!("insert or replace into {} (instance, rule, body) values (?1, ?2, ?3)", tables.standing);
            execute(connection, place, "keep standing", &sql, &[&tables.instance, &rule, &body])
        };
        self.write_at_point("standing.keep", "keep standing", work).await.into_commit()
    }

    async fn drop_standing(&self, rule: &str, term: u64) -> Commit {
        let rule = rule.to_owned();
        let work = move |connection: &Connection, tables: &Tables, place: &str| {
            tables.fence(connection, place, term, None)?;
            let sql = format!("delete from {} where instance = ?1 and rule = ?2", tables.standing);
            execute(connection, place, "drop standing", &sql, &[&tables.instance, &rule])
        };
        self.write("drop standing", work).await.into_commit()
    }
}
