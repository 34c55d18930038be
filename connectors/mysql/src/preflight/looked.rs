//! What a look at the server and the table showed.

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Step, TableRef};

use super::group::ActingKey;
use super::rights::Rights;
use super::server::Settings;
use super::statements::{changed_with, deleted_with};
use super::storage::{self, Part, Storage, of_indexes};
use super::triggers::{Event, Trigger};
use super::words::Routine;
use super::{group, keys, sql};
use crate::answer::{Answer, get, odd};
use crate::codec;
use crate::connect::{Ask, Session};
use crate::connector::Shared;
use crate::facts::BATCH_ROWS_MAX;
use crate::query::{Sql, table_name};

/// Everything that a few turns brought.
pub(super) struct Looked {
    pub(super) settings: Settings,
    /// The account, quoted.
    pub(super) role: String,
    pub(super) rights: Rights,
    /// The step's own table first.
    tables: Vec<TableRef>,
    /// Of each table; absent: it is gone, or out of sight.
    storage: Vec<Option<Storage>>,
    triggers: Vec<Trigger>,
    /// Asked for where one stops a run.
    acting_keys: Vec<ActingKey>,
    indexes: Vec<Part>,
    /// What triggers and events could call.
    pub(super) routines: Vec<Routine>,
    mariadb: bool,
    batch_rows_max: u32,
}

// === impl Looked ===

impl Looked {
    /// Asks for it.
    pub(super) async fn read(session: &mut Session, shared: &Shared, step: &Step, place: &str) -> Result<Self, Fault> {
        let mariadb = shared.looked.flavour.is_mariadb();
        let mut tables = vec![step.table.name.clone()];
        for key in &step.table.referenced_by {
            if !tables.contains(&key.child) {
                tables.push(key.child.clone());
            }
        }
        let asked = [
            Sql::plain(super::server::SETTINGS),
            Sql::plain("select current_user(), current_role()"),
            Sql::plain("show grants"),
            sql::tables(&tables),
            sql::triggers(&tables),
            sql::indexes(&step.table.name, mariadb),
            Sql::plain(sql::ROUTINES),
        ];
        let answers = session.read("preflight", place, &asked.iter().collect::<Vec<_>>()).await?;
        let [settings, account_row, grants, of_tables, triggers, indexes, routines] = answers.as_slice() else {
            return Err(odd(place));
        };
        let row = account_row.rows.first().ok_or_else(|| odd(place))?;
        let user: String = get(row, 0, place)?;
        let roles: Option<String> = get(row, 1, place)?;
        let mut lines = texts(grants, place)?;
        // MariaDB adds what the role gives by itself.
        if let Some(roles) = roles.filter(|roles| !mariadb && roles != "NONE") {
            let sql = Sql::plain(format!("show grants for current_user() using {roles}"));
            let answers = session.read("preflight", place, &[&sql]).await?;
            lines.extend(texts(answers.first().ok_or_else(|| odd(place))?, place)?);
        }
        let mut storage: Vec<Option<Storage>> = tables.iter().map(|_| None).collect();
        for row in &of_tables.rows {
            if let Some(of_table) = storage.get_mut(get::<usize>(row, 0, place)?) {
                *of_table = Some(Storage::read(row, place)?);
            }
        }
        let settings = Settings::read(&settings.rows, place)?;
        let mut acting_keys = vec![];
        if settings.refuses_acting_keys() {
            let answers = session.read("preflight", place, &[&sql::acting_keys(&tables)]).await?;
            let rows = &answers.first().ok_or_else(|| odd(place))?.rows;
            acting_keys = rows.iter().map(|row| ActingKey::read(row, place)).collect::<Result<_, _>>()?;
        }
        let triggers: Vec<Option<Trigger>> =
            triggers.rows.iter().map(|row| Trigger::read(row, place)).collect::<Result<_, _>>()?;
        Ok(Self {
            settings,
            role: codec::account(&user),
            rights: Rights::read(lines.iter().map(String::as_str)),
            tables,
            storage,
            triggers: triggers.into_iter().flatten().collect(),
            acting_keys,
            indexes: indexes.rows.iter().map(|row| Part::read(row, place)).collect::<Result<_, _>>()?,
            routines: routines.rows.iter().map(|row| Routine::read(row, place)).collect::<Result<_, _>>()?,
            mariadb,
            batch_rows_max: shared.link.context.batch_rows_max.min(BATCH_ROWS_MAX),
        })
    }

    /// The triggers of a table that were seen.
    pub(super) fn triggers_of<'a>(&'a self, table: &'a TableRef) -> impl Iterator<Item = &'a Trigger> {
        self.triggers.iter().filter(move |trigger| self.tables.get(trigger.at) == Some(table))
    }

    fn storage_of(&self, table: &TableRef) -> Option<&Storage> {
        let at = self.tables.iter().position(|name| name == table)?;
        self.storage.get(at)?.as_ref()
    }

    /// Every finding that needs no further question.
    pub(super) fn findings(&self, step: &Step, database: &str) -> Vec<Finding> {
        let place = step.place(database);
        let mut findings = self.settings.findings(database);
        let Some(storage) = self.storage_of(&step.table.name) else {
            let message = "the table does not exist, or the account cannot see it";
            return vec![Finding::blocks(Cause::TableMissing, place, message)];
        };
        findings.extend(storage.findings(&step.table.name, &self.settings, &place));
        findings.extend(storage::unnamed(step, &place));
        findings.extend(self.settings.limited(storage.row_bytes(), self.batch_rows_max, &place));
        findings.extend(group::acting(&self.acting_keys, &self.tables, step, &self.settings, database));
        for table in group::to_be_keyed(&self.tables, step, &self.settings) {
            let unkeyed = |storage: &Storage| storage.unkeyed(&table, &self.settings, &format!("{database}.{table}"));
            findings.extend(self.storage_of(&table).and_then(unkeyed));
        }
        for child in deleted_with(step) {
            let place = format!("{database}.{child}");
            if let Some(storage) = self.storage_of(&child) {
                findings.extend(storage.findings(&child, &self.settings, &place));
            }
        }
        findings.extend(of_indexes(&self.indexes, step, &place));
        findings.extend(keys::unseen(step, self, database));
        findings.extend(keys::past_triggers(step, self, database));
        let event = Event::of(step);
        for table in std::iter::once(step.table.name.clone()).chain(deleted_with(step)) {
            let place = format!("{database}.{table}");
            findings.extend(self.unshown(&table, Some(event), &place));
            for trigger in self.triggers_of(&table).filter(|trigger| trigger.fires == event) {
                findings.extend(trigger.findings(&table, &self.routines, &place));
            }
        }
        for table in changed_with(step) {
            findings.extend(self.unshown(&table, None, &format!("{database}.{table}")));
        }
        findings
    }

    /// Why triggers may be there that the account does not see: their texts, where they fire on `event`; their names, where
    /// what a foreign key does passes them over.
    ///
    /// MySQL shows triggers only to an account that may make some, MariaDB their names to all who may use the whole table.
    fn unshown(&self, table: &TableRef, event: Option<Event>, place: &str) -> Option<Finding> {
        let hidden = if self.mariadb {
            self.triggers_of(table).any(|trigger| Some(trigger.fires) == event && !trigger.is_shown())
                || !self.rights.sees_table(table)
        } else {
            !self.rights.on_table("TRIGGER", table)
        };
        if !hidden {
            return None;
        }
        let why = match event {
            Some(_) => "no trigger's text is shown: one could delete, keep copies or refuse",
            None => "no trigger is shown: one could be passed over",
        };
        let message = format!("the account {} lacks TRIGGER on {table}, without which {why}", self.role);
        let fix = format!("run `grant trigger on {} to {}`", table_name(table), self.role);
        Some(Finding::blocks(Cause::Privilege, place, message).with_fix(fix))
    }
}

/// What a statement would meet if it were run.
pub(super) enum Allowed {
    Yes,
    No,
}

/// Asks the server to run, or to explain, a statement that means no row.
pub(super) async fn allowed(session: &mut Session, sql: &Sql, place: &str) -> Result<Allowed, Fault> {
    let answers = session.turn("preflight", &[Ask::Query(sql)]).await?;
    match answers.into_iter().next() {
        Some(Err(error)) if error.fault("preflight", place).class == FaultClass::Blocked(Cause::Privilege) => {
            Ok(Allowed::No)
        }
        _ => Ok(Allowed::Yes),
    }
}

fn texts(answer: &Answer, place: &str) -> Result<Vec<String>, Fault> {
    answer.rows.iter().map(|row| get(row, 0, place)).collect()
}
