//! The control tables themselves. Only `install` runs this.

use async_trait::async_trait;
use forgetd_connector::{Cause, Control, ControlState, Fault, FaultClass, Generation, Installed};

use super::{PgControl, grants};
use crate::codec;
use crate::connect::Ask;
use crate::error;
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

/// The version of the tables that this binary works with.
const VERSION: u32 = 1;

/// The tables, each with its columns. Names sort by code points, as keys of receipts do everywhere.
const TABLES: &[(&str, &str)] = &[
    (
        "control",
        "only_row boolean primary key default true check (only_row), version integer not null, \
         generation text not null, installed_at timestamptz not null default clock_timestamp()",
    ),
    (
        "lease",
        "instance text collate \"C\" primary key, holder text not null, term bigint not null, \
         expires_at timestamptz not null",
    ),
    ("fence", "instance text collate \"C\" primary key, term bigint not null"),
    ("heartbeat", "instance text collate \"C\" primary key, beaten_at timestamptz not null"),
    (
        "receipt",
        "instance text collate \"C\" not null, generation text collate \"C\" not null, \
         rule text collate \"C\" not null, lane text collate \"C\" not null, \
         sequence bigint not null check (sequence > 0), state text not null check (state in ('done', 'sealed')), \
         term bigint not null, run text not null, body bytea not null, mac bytea not null, rows bytea, keys jsonb, \
         created_at timestamptz not null default clock_timestamp(), acked_at timestamptz, leaf_index bigint, \
         primary key (instance, generation, rule, lane, sequence)",
    ),
    (
        "cursor",
        "instance text collate \"C\" not null, generation text collate \"C\" not null, \
         rule text collate \"C\" not null, lane text collate \"C\" not null, sequence bigint not null, \
         position text not null, primary key (instance, generation, rule, lane, sequence)",
    ),
    (
        "run",
        "instance text collate \"C\" not null, run text collate \"C\" not null, rule text collate \"C\" not null, \
         cutoff timestamptz not null, rule_digest text not null, catalog_digest text not null, \
         started_at timestamptz not null, result text, primary key (instance, run)",
    ),
    (
        "rulebook",
        "instance text collate \"C\" not null, rule text collate \"C\" not null, approved_digest text, \
         definition text, catalog_digest text, how text, who text, reason text, approved_at timestamptz, \
         pending_digest text, pending_since timestamptz, once text, last_cutoff timestamptz, last_at timestamptz, \
         recent text not null, primary key (instance, rule)",
    ),
    (
        "standing",
        "instance text collate \"C\" not null, rule text collate \"C\" not null, body text not null, \
         primary key (instance, rule)",
    ),
    (
        "request",
        "instance text collate \"C\" not null, id text collate \"C\" not null, body text not null, \
         state text not null check (state in ('open', 'taken', 'done')), answer text not null, \
         posted_at timestamptz not null default clock_timestamp(), primary key (instance, id)",
    ),
    (
        "log_head",
        "origin text collate \"C\" primary key, size bigint not null, root bytea not null, \
         table_oid bigint not null, system_identifier text not null, timeline text not null, \
         changed_at timestamptz not null default clock_timestamp()",
    ),
    (
        "log_object",
        "origin text collate \"C\" not null, path text collate \"C\" not null, bytes bytea not null, \
         primary key (origin, path)",
    ),
    (
        "log_leaf",
        "instance text collate \"C\" not null, generation text collate \"C\" not null, \
         rule text collate \"C\" not null, lane text collate \"C\" not null, sequence bigint not null, \
         origin text collate \"C\" not null, index bigint not null, hash bytea not null, \
         primary key (instance, generation, rule, lane, sequence)",
    ),
    (
        "head_copy",
        "origin text collate \"C\" primary key, size bigint not null, root bytea not null, \
         changed_at timestamptz not null default clock_timestamp()",
    ),
];

/// Indexes beside the keys: name, table, what it covers.
const INDEXES: &[(&str, &str, &str)] = &[
    (
        "receipt_pending",
        "receipt",
        "(instance, generation, rule, lane, sequence) where state = 'done' and leaf_index is null",
    ),
    ("receipt_sealed", "receipt", "(instance) where state = 'sealed'"),
    ("run_unfinished", "run", "(instance, started_at) where result is null"),
    ("run_rule", "run", "(instance, rule, run)"),
    ("request_open", "request", "(instance, posted_at, id) where state <> 'done'"),
    ("log_leaf_index", "log_leaf", "(origin, index)"),
];

/// Indexes that no two rows may share.
const UNIQUE: &[&str] = &["log_leaf_index"];

impl PgControl {
    /// The DDL without the schema.
    fn tables_ddl(&self) -> String {
        let mut text = String::new();
        for (name, columns) in TABLES {
            text += &format!("create table if not exists {} ({columns});\n", self.table(name));
        }
        for (name, table, covers) in INDEXES {
            let unique = if UNIQUE.contains(name) { "unique " } else { "" };
            let table = self.table(table);
            text += &format!("create {unique}index if not exists {} on {table} {covers};\n", codec::quote(name));
        }
        // Rows come and go with every batch here; the defaults would look far too seldom.
        for name in ["cursor", "lease"] {
            let table = self.table(name);
            text += &format!(
                "alter table {table} set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);\n"
            );
        }
        text + &format!(
            "insert into {} (version, generation) values ({VERSION}, replace(gen_random_uuid()::text, '-', '')) \
             on conflict do nothing;\n",
            self.table("control")
        )
    }

    /// Which tables are missing; the schema's name if it is.
    async fn missing(&self) -> Result<(bool, Vec<String>), Fault> {
        let names = TABLES.iter().map(|(name, _)| Some((*name).to_owned())).collect();
        let sql = Sql::new(
            "select exists (select from pg_namespace where nspname = $1), \
               array(select w.name from unnest($2::text[]) with ordinality w(name, place) \
             where not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = $1 and c.relname = w.name and c.relkind = 'r') order by w.place)",
            vec![self.shared.names.plain().into(), Param::Texts(names)],
        );
        let rows = self.read("inspect", &sql).await?;
        let row = rows.first().ok_or_else(|| odd(&self.place()))?;
        Ok((get(row, 0, &self.place())?, get(row, 1, &self.place())?))
    }

    async fn create(&self, schema_exists: bool) -> Result<(), Fault> {
        let schema = self.shared.names.schema();
        let make_schema =
            if schema_exists { String::new() } else { format!("create schema if not exists {schema};\n") };
        // Two installs at once: the second waits and finds everything there.
        let text = format!(
            "begin; set local synchronous_commit = on; \
             select pg_advisory_xact_lock(hashtext('forgetd install'), hashtext({})); {make_schema}{} commit",
            codec::literal(self.shared.names.plain()),
            self.tables_ddl(),
        );
        let held = self.shared.desk.take().await?;
        let answers = held.turn("install", &[Ask::Batch(&text)]).await?;
        for answer in answers {
            // The session is dropped: its transaction is still open.
            answer.map_err(|error| error::fault(&error, "install", &self.place()))?;
        }
        held.give_back();
        Ok(())
    }

    async fn version(&self) -> Result<Option<(u32, Generation)>, Fault> {
        let sql = Sql::new(format!("select version::int8, generation from {}", self.table("control")), vec![]);
        let rows = self.read("inspect", &sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let version: i64 = get(row, 0, &self.place())?;
        Ok(Some((u32::try_from(version).unwrap_or(u32::MAX), Generation(get(row, 1, &self.place())?))))
    }
}

#[async_trait]
impl Control for PgControl {
    fn ddl(&self) -> String {
        format!("create schema if not exists {};\n{}", self.shared.names.schema(), self.tables_ddl())
    }

    fn grants(&self, role: &str) -> String {
        grants::text(&self.shared.names, role)
    }

    async fn install(&self) -> Result<Installed, Fault> {
        let (schema_exists, missing) = self.missing().await?;
        let row_there = missing.is_empty() && self.version().await?.is_some();
        if !row_there {
            self.create(schema_exists).await?;
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
        let (schema_exists, missing) = self.missing().await?;
        if !schema_exists {
            return Ok(ControlState::Missing(vec![self.shared.names.plain().to_owned()]));
        }
        if !missing.is_empty() {
            return Ok(ControlState::Missing(missing));
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
        let sql = Sql::new(
            format!(
                "update {} set generation = replace(gen_random_uuid()::text, '-', '') returning generation",
                self.table("control")
            ),
            vec![],
        );
        let answers = self.write("new generation", &[&sql]).await.answers()?;
        let row = answers.first().and_then(|answer| answer.rows.first());
        let row = row.ok_or_else(|| {
            Fault::new(FaultClass::Blocked(Cause::ControlTables), "new generation", self.place()).with_detail("control")
        })?;
        Ok(Generation(get(row, 0, &self.place())?))
    }
}
