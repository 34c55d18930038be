//! What stops nothing and is worth knowing: one turn more, which may fail without harm.

use forgetd_connector::{Fault, FaultClass, Finding, Notice, Step, reference_names};

use super::copies::{self, Copies};
use super::jobs::{self, JobTables};
use super::keys;
use super::server::{self, Server};
use super::storage::{self, Storage};
use crate::connect::{Answer, Held};
use crate::query::{Param, Sql};
use crate::survey::odd;

/// The table whose advice is asked for.
pub(super) struct About<'a> {
    pub(super) step: &'a Step,
    pub(super) oid: i64,
    pub(super) role: &'a str,
    pub(super) database: &'a str,
    /// The schema of the control tables.
    pub(super) control: &'a str,
}

/// Findings of severity warning and info. Views of the server that the role may not read leave one that says so.
pub(super) async fn look(held: &Held, about: &About<'_>, tables: &JobTables) -> Result<Vec<Finding>, Fault> {
    let place = about.step.place(about.database);
    let columns: Vec<Option<String>> =
        about.step.selection.terms.since.columns().iter().map(|since| Some(since.column.clone())).collect();
    let table = || vec![Param::Int(about.oid)];
    let table_and_columns = || vec![Param::Int(about.oid), Param::Texts(columns.clone())];
    let mut asked = vec![
        Sql::new(storage::STORAGE, table_and_columns()),
        Sql::new(storage::INDEXES, table_and_columns()),
        Sql::new(copies::COPIES, table()),
        Sql::new(copies::SLOTS, vec![]),
        Sql::new(server::SETTINGS, vec![]),
        Sql::new(server::HOLDERS, vec![]),
        Sql::new(keys::NOT_WHOLE, table()),
        Sql::new(keys::LOOK_ALIKES, look_alikes(about)),
    ];
    asked.extend(jobs::statements(tables, about.oid));
    let answers = match held.read("advise", &place, "", &asked.iter().collect::<Vec<_>>()).await {
        Ok(answers) => answers,
        Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
        Err(fault) => return Ok(vec![incomplete(about, &fault)]),
    };
    findings(about, &answers, &place)
}

fn findings(about: &About<'_>, answers: &[Answer], place: &str) -> Result<Vec<Finding>, Fault> {
    let [storage, indexes, copies, slots, settings, holders, not_whole, look_alikes, jobs @ ..] = answers else {
        return Err(odd(place));
    };
    let first = |answer: &'_ Answer| answer.rows.first().cloned().ok_or_else(|| odd(place));
    let mut findings = Storage::read(&first(storage)?, &indexes.rows, place)?.findings(about);
    findings.extend(Copies::read(&first(copies)?, &slots.rows, place)?.findings(about));
    findings.extend(Server::read(&first(settings)?, &holders.rows, place)?.findings(about));
    for row in &not_whole.rows {
        findings.push(keys::not_whole(row, about, place)?);
    }
    for row in &look_alikes.rows {
        findings.push(keys::look_alike(row, about, place)?);
    }
    for row in jobs.iter().flat_map(|answer| &answer.rows) {
        findings.push(jobs::finding(row, place)?);
    }
    Ok(findings)
}

/// A key of several columns is referenced by several; only a single one is looked for by name.
fn look_alikes(about: &About<'_>) -> Vec<Param> {
    let table = &about.step.table;
    let (key, names) = match table.key.as_slice() {
        [key] => (key.as_str(), reference_names(&table.name.name, key)),
        _ => ("", vec![]),
    };
    vec![Param::Int(about.oid), Param::Texts(names.into_iter().map(Some).collect()), key.into(), about.control.into()]
}

fn incomplete(about: &About<'_>, fault: &Fault) -> Finding {
    Finding::informs(
        Notice::LookIncomplete,
        about.step.place(about.database),
        format!("what could be advised about the table could not be looked up: {fault}"),
        "let the role read the system catalogs and statistics views, as every role may by default",
    )
}
