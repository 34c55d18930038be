//! The control tables themselves. Only `install` runs this.
//!
//! The engine commits each statement of it by itself, so each can be run again: a crash in between is mended by the next
//! `install`.

use async_trait::async_trait;
use forgetd_connector::{Cause, Control, ControlState, Fault, FaultClass, Generation, Installed};

use super::{MyControl, grants};
use crate::answer::{get, odd};
use crate::connect::Ask;
use crate::query::Sql;

/// The version of the tables that this binary works with.
const VERSION: u32 = 1;

/// How the tables are kept, whatever the server's defaults are. Names are compared by their code points.
const OPTIONS: &str = "engine = InnoDB row_format = dynamic default character set = utf8mb4 collate = utf8mb4_bin";

/// The tables, each with its columns and indexes.
const TABLES: &[(&str, &str)] = &[
    (
        "control",
        "only_row tinyint unsigned not null primary key, version int unsigned not null, \
         generation varchar(64) not null, installed_at datetime(6) not null",
    ),
    (
        "lease",
        "instance varchar(128) not null primary key, holder varchar(255) not null, term bigint unsigned not null, \
         expires_at datetime(6) not null",
    ),
    (
        "fence",
        "instance varchar(128) not null primary key, term bigint unsigned not null, \
         beat bigint unsigned not null default 0",
    ),
    ("heartbeat", "instance varchar(128) not null primary key, beaten_at datetime(6) not null"),
    (
        "session",
        "instance varchar(128) not null, server varchar(255) not null, id bigint unsigned not null, \
         seen_at datetime(6) not null, primary key (instance, server, id)",
    ),
    (
        "receipt",
        "instance varchar(128) not null, generation varchar(64) not null, rule varchar(128) not null, \
         lane varchar(64) not null, sequence bigint unsigned not null, state enum('done', 'sealed') not null, \
         term bigint unsigned not null, run varchar(64) not null, body longblob not null, mac varbinary(64) not null, \
         `rows` longblob, `keys` longtext, created_at datetime(6) not null, acked_at datetime(6), \
         leaf_index bigint unsigned, primary key (instance, generation, rule, lane, sequence), \
         key receipt_state (instance, state, leaf_index, generation, rule, lane, sequence), \
         key receipt_run (instance, run)",
    ),
    (
        "cursor",
        "instance varchar(128) not null, generation varchar(64) not null, rule varchar(128) not null, \
         lane varchar(64) not null, sequence bigint unsigned not null, position mediumtext not null, \
         primary key (instance, generation, rule, lane, sequence)",
    ),
    (
        "run",
        "instance varchar(128) not null, run varchar(64) not null, rule varchar(128) not null, \
         cutoff datetime(6) not null, rule_digest varchar(128) not null, catalog_digest varchar(128) not null, \
         started_at datetime(6) not null, result longtext, primary key (instance, run), \
         key run_unfinished (instance, result(1), started_at), key run_rule (instance, rule, run)",
    ),
    (
        "rulebook",
        "instance varchar(128) not null, rule varchar(128) not null, approved_digest varchar(128), \
         definition longtext, catalog_digest varchar(128), how mediumtext, who mediumtext, reason mediumtext, \
         approved_at datetime(6), pending_digest varchar(128), pending_since datetime(6), once mediumtext, \
         last_cutoff datetime(6), last_at datetime(6), recent mediumtext not null, primary key (instance, rule)",
    ),
    (
        "standing",
        "instance varchar(128) not null, rule varchar(128) not null, body mediumtext not null, \
         primary key (instance, rule)",
    ),
    (
        "request",
        "instance varchar(128) not null, id varchar(64) not null, body mediumtext not null, \
         state enum('open', 'taken', 'done') not null, answer mediumtext not null, posted_at datetime(6) not null, \
         primary key (instance, id), key request_open (instance, state, posted_at)",
    ),
    (
        "log_head",
        "origin varchar(255) not null primary key, size bigint unsigned not null, root varbinary(64) not null, \
         place varchar(512) not null, changed_at datetime(6) not null",
    ),
    (
        "log_object",
        "origin varchar(255) not null, path varchar(255) not null, bytes longblob not null, \
         primary key (origin, path)",
    ),
    (
        "log_leaf",
        "instance varchar(128) not null, generation varchar(64) not null, rule varchar(128) not null, \
         lane varchar(64) not null, sequence bigint unsigned not null, origin varchar(255) not null, \
         `index` bigint unsigned not null, hash varbinary(64) not null, \
         primary key (instance, generation, rule, lane, sequence), unique key log_leaf_index (origin, `index`)",
    ),
    (
        "head_copy",
        "origin varchar(255) not null primary key, size bigint unsigned not null, root varbinary(64) not null, \
         changed_at datetime(6) not null",
    ),
];

/// A name for a set of control tables that no other has.
const GENERATION: &str = "left(sha2(concat(uuid(), rand(), uuid()), 256), 32)";

impl MyControl {
    /// The statement that makes the database.
    fn database_ddl(&self) -> String {
        format!(
            "create database if not exists {} default character set utf8mb4 collate utf8mb4_bin",
            self.shared.names.schema()
        )
    }

    /// The statements that make the tables, and the one row.
    fn tables_ddl(&self) -> Vec<String> {
        let table = |(name, columns): &(&str, &str)| {
            format!("create table if not exists {} ({columns}) {OPTIONS}", self.table(name))
        };
        let mut statements: Vec<String> = TABLES.iter().map(table).collect();
        statements.push(format!(
            "insert into {} (only_row, version, generation, installed_at) values (1, {VERSION}, {GENERATION}, \
             utc_timestamp(6)) on duplicate key update only_row = 1",
            self.table("control")
        ));
        statements
    }

    /// Whether the database is there, as far as the role can see, and which tables the role cannot.
    async fn missing(&self) -> Result<(bool, Vec<String>), Fault> {
        let mut sql = Sql::default();
        let schema = sql.bind(self.shared.names.plain());
        let text = format!(
            "select s.schema_name, t.table_name from information_schema.schemata as s left join \
             information_schema.tables as t on t.table_schema = s.schema_name and t.engine = 'InnoDB' \
             where s.schema_name = {schema}"
        );
        let rows = self.read("inspect", &sql.say(text)).await?;
        let mut found = vec![];
        for row in &rows {
            found.extend(get::<Option<String>>(row, 1, &self.place())?);
        }
        let missing = TABLES.iter().map(|(name, _)| *name).filter(|name| !found.iter().any(|there| there == name));
        Ok((!rows.is_empty(), missing.map(str::to_owned).collect()))
    }

    async fn create(&self, database_exists: bool) -> Result<(), Fault> {
        let mut statements = self.tables_ddl();
        if !database_exists {
            statements.insert(0, self.database_ddl());
        }
        let asks: Vec<Ask<'_>> = statements.iter().map(|text| Ask::Say(text)).collect();
        let mut held = self.shared.desk.take().await?;
        let answers = held.turn("install", &asks).await?;
        held.give_back();
        for answer in answers {
            answer.map_err(|error| error.fault("install", &self.place()))?;
        }
        Ok(())
    }

    async fn version(&self) -> Result<Option<(u32, Generation)>, Fault> {
        let sql = Sql::plain(format!("select version, generation from {}", self.table("control")));
        let rows = self.read("inspect", &sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((get(row, 0, &self.place())?, Generation(get(row, 1, &self.place())?))))
    }
}

#[async_trait]
impl Control for MyControl {
    fn ddl(&self) -> String {
        let mut text = self.database_ddl() + ";\n";
        for statement in self.tables_ddl() {
            text += &statement;
            text += ";\n";
        }
        text
    }

    fn grants(&self, role: &str) -> String {
        grants::text(&self.shared.names, role)
    }

    async fn install(&self) -> Result<Installed, Fault> {
        let (database_exists, missing) = self.missing().await?;
        let row_there = missing.is_empty() && self.version().await?.is_some();
        if !row_there {
            self.create(database_exists).await?;
        }
        match self.version().await? {
            Some((VERSION, generation)) if row_there => Ok(Installed::Unchanged(generation)),
            Some((VERSION, generation)) => Ok(Installed::Created(generation)),
            Some((other, _)) => Err(Fault::new(FaultClass::Blocked(Cause::ControlTables), "install", self.place())
                .with_detail(format!("version {other}, this binary knows {VERSION}"))),
            None => Err(odd(&self.place())),
        }
    }

    async fn inspect(&self) -> Result<ControlState, Fault> {
        let (database_exists, missing) = self.missing().await?;
        if !missing.is_empty() {
            // A role sees only what it has a privilege on.
            let hidden = grants::hidden(self, &missing).await?;
            if hidden {
                return Ok(ControlState::Denied(grants::denied(self).await?));
            }
            let all = vec![self.shared.names.plain().to_owned()];
            return Ok(ControlState::Missing(if database_exists { missing } else { all }));
        }
        let denied = grants::denied(self).await?;
        if !denied.is_empty() {
            return Ok(ControlState::Denied(denied));
        }
        Ok(match self.version().await? {
            Some((VERSION, generation)) => ControlState::Ready(generation),
            Some((other, _)) => ControlState::OtherVersion(other),
            None => ControlState::Missing(vec!["control".into()]),
        })
    }

    fn let_go(&self) {
        self.shared.desk.let_go();
    }

    async fn new_generation(&self) -> Result<Generation, Fault> {
        let update = Sql::plain(format!("update {} set generation = {GENERATION}", self.table("control")));
        let look = Sql::plain(format!("select generation from {}", self.table("control")));
        let answers = self.write("new generation", &[&update, &look]).await.answers()?;
        let row = answers.get(1).and_then(|answer| answer.rows.first());
        let row = row.ok_or_else(|| {
            Fault::new(FaultClass::Blocked(Cause::ControlTables), "new generation", self.place()).with_detail("control")
        })?;
        Ok(Generation(get(row, 0, &self.place())?))
    }
}
