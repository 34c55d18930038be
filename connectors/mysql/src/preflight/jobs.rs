//! Other things that delete from the same table by a clock of their own: the server's events. Pure.

use forgetd_connector::{Fault, Finding, Notice, Severity, Step};
use mysql_async::Row;

use super::rights::Rights;
use super::server::Settings;
use super::words::{Routine, Text};
use crate::answer::get;
use crate::codec;

/// An event that is not switched off.
#[derive(Debug)]
pub(super) struct Event {
    schema: String,
    name: String,
    body: String,
}

// === impl Event ===

impl Event {
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        let body: Option<String> = get(row, 2, place)?;
        Ok(Self { schema: get(row, 0, place)?, name: get(row, 1, place)?, body: body.unwrap_or_default() })
    }

    /// What it does to the table.
    fn finding(&self, step: &Step, routines: &[Routine], runs: bool, place: &str) -> Option<Finding> {
        let text = Text::read(&self.body, routines);
        let takes = ["delete", "truncate", "drop"].iter().any(|word| text.has(word));
        if !takes || !text.names(&step.table.name, &self.schema) {
            return None;
        }
        let event = format!("{}.{}", codec::quote(&self.schema), codec::quote(&self.name));
        let message = format!(
            "the event {}.{} deletes from it too: rows go without a receipt, by another clock",
            self.schema, self.name
        );
        let fix = format!("once this rule enforces, run `alter event {event} disable`");
        let finding = Finding::warns(Notice::OtherRetention, place, message, fix);
        let severity = if runs { Severity::Warning } else { Severity::Info };
        Some(Finding { severity, ..finding })
    }
}

/// Every event that takes rows of the table. While the server runs none, they are good to know.
pub(super) fn findings(
    events: &[Event],
    step: &Step,
    routines: &[Routine],
    settings: &Settings,
    place: &str,
) -> Vec<Finding> {
    let runs = settings.is_on("event_scheduler");
    events.iter().filter_map(|event| event.finding(step, routines, runs, place)).collect()
}

/// MariaDB shows the events of a schema only to accounts that may make some.
pub(super) fn unseen(
    step: &Step,
    rights: &Rights,
    settings: &Settings,
    mariadb: bool,
    database: &str,
) -> Option<Finding> {
    let schema = step.table.name.schema.as_deref().unwrap_or_default();
    if !mariadb || !settings.is_on("event_scheduler") || rights.on_schema("EVENT", schema) {
        return None;
    }
    let message = format!("events of {schema} that delete too are not shown to the account");
    let fix = format!("look at `show events from {}` with an account that has EVENT there", codec::quote(schema));
    Some(Finding::informs(Notice::LookIncomplete, format!("{database}.{schema}"), message, fix))
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Severity;

    use super::super::testing::step;
    use super::Event;

    #[test]
    fn an_event_is_named_that_takes_rows_of_the_table() {
        for (schema, body, named) in [
            ("d", "delete from lead where at < now() - interval 1 year", true),
            ("d", "begin truncate lead; end", true),
            ("e", "delete from d.lead", true),
            ("e", "delete from lead", false),
            ("d", "insert into lead values (1)", false),
            ("d", "delete from leads", false),
        ] {
            let event = Event { schema: schema.into(), name: "x".into(), body: body.into() };
            for (runs, severity) in [(true, Severity::Warning), (false, Severity::Info)] {
                let found = event.finding(&step("d.lead"), &[], runs, "crm.d.lead");
                assert_eq!(found.map(|finding| finding.severity), named.then_some(severity), "{body}");
            }
        }
    }
}
