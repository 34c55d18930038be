//! Triggers that a change fires: what they can do to it, as far as their texts tell. Pure.
//!
//! The server says how many rows a statement changed, and nothing of what its triggers did. So one that deletes is
//! refused: nobody would notice what it takes along.

use forgetd_connector::{Cause, Fault, Finding, Notice, Step, TableRef};
use mysql_async::Row;

use super::statements::listed;
use super::words::{Routine, Text};
use crate::answer::get;

/// What fires triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Delete,
    Update,
}

/// One trigger.
#[derive(Debug)]
pub(super) struct Trigger {
    /// The number of its table among those that were asked about.
    pub(super) at: usize,
    name: String,
    pub(super) fires: Event,
    /// Absent: its text is not shown.
    body: Option<String>,
}

// === impl Event ===

impl Event {
    /// What a step does to the rows of its table.
    pub(super) fn of(step: &Step) -> Self {
        if step.rewrite().is_some() { Self::Update } else { Self::Delete }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Update => "update",
        }
    }

    /// What happened to a row.
    const fn done(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Update => "updated",
        }
    }
}

// === impl Trigger ===

impl Trigger {
    /// Reads one of a delete or an update; those of an insert are none of ours.
    pub(super) fn read(row: &Row, place: &str) -> Result<Option<Self>, Fault> {
        let fires = match get::<String>(row, 2, place)?.as_str() {
            "DELETE" => Event::Delete,
            "UPDATE" => Event::Update,
            _ => return Ok(None),
        };
        Ok(Some(Self { at: get(row, 0, place)?, name: get(row, 1, place)?, fires, body: get(row, 3, place)? }))
    }

    /// Whether its text is shown.
    pub(super) fn is_shown(&self) -> bool {
        self.body.is_some()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the trigger can do to changes of `own`.
    pub(super) fn findings(&self, own: &TableRef, routines: &[Routine], place: &str) -> Vec<Finding> {
        let Some(body) = &self.body else { return vec![] };
        let text = Text::read(body, routines);
        [
            self.refuses(&text, place),
            self.copies(&text, own, place),
            self.deletes(&text, place),
            self.unread(&text, place),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// A trigger that can raise an error for a row.
    fn refuses(&self, text: &Text, place: &str) -> Option<Finding> {
        if !text.has("signal") && !text.has("resignal") {
            return None;
        }
        let message = format!(
            "the trigger {} can refuse {}s: rows that it refuses are passed over and counted",
            self.name,
            self.fires.word()
        );
        let fix = "see that it raises nothing for rows that are due, or leave its rows out by `where`";
        Some(Finding::warns(Notice::TriggerBeforeDelete, place, message, fix))
    }

    /// A trigger that sees the old row and may keep it.
    fn copies(&self, text: &Text, own: &TableRef, place: &str) -> Option<Finding> {
        if !text.sees_old() {
            return None;
        }
        let others = text.writes_into().into_iter().filter(|table| !Self::is(table, own));
        let tables: Vec<String> = others.map(str::to_owned).collect();
        if tables.is_empty() {
            return None;
        }
        let (named, done) = (listed(&tables), self.fires.done());
        let message = format!(
            "the trigger {} reads {done} rows and writes into {named}: what it copies there is not {done} by this rule",
            self.name
        );
        Some(Finding::warns(
            Notice::TriggerCopies,
            place,
            message,
            format!("add a rule for {named} if it keeps copies"),
        ))
    }

    /// Whether a name in a text means the table.
    fn is(name: &str, table: &TableRef) -> bool {
        let own = table.name.to_lowercase();
        name == own || name == format!("{}.{own}", table.schema.as_deref().unwrap_or_default().to_lowercase())
    }

    /// A trigger that deletes other rows than those it was called for.
    fn deletes(&self, text: &Text, place: &str) -> Option<Finding> {
        let target = text.deletes_from()?;
        let message = format!(
            "the trigger {} deletes from {target}, and the server does not say what triggers delete: rows would go without \
             a receipt",
            self.name
        );
        let fix =
            "drop the trigger, and let a foreign key with ON DELETE CASCADE and a rule of their own take those rows";
        Some(Finding::blocks(Cause::EffectDiffers, place, message).with_fix(fix))
    }

    fn unread(&self, text: &Text, place: &str) -> Option<Finding> {
        if text.unread.is_empty() {
            return None;
        }
        let routines = listed(&text.unread.iter().cloned().collect::<Vec<_>>());
        let message = format!(
            "the trigger {} calls {routines}, whose text the account may not see: it could delete too",
            self.name
        );
        let fix = "see what it does; a routine's text is shown to an account that may alter it or see routines";
        Some(Finding::warns(Notice::LookIncomplete, place, message, fix))
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Severity::{Error, Warning};
    use forgetd_connector::TableRef;

    use super::{Event, Trigger};

    #[test]
    fn a_trigger_is_read_by_its_words() {
        let refuses = ("trigger_before_delete", Warning);
        let copies = ("trigger_copies", Warning);
        let deletes = ("effect_differs", Error);
        let unread = ("look_incomplete", Warning);
        for (body, expected) in [
            ("begin if old.a = 1 then signal sqlstate '45000'; end if; end", &[refuses][..]),
            ("insert into h values (old.id, old.email)", &[copies]),
            ("insert into told values (now())", &[]),
            ("update t set n = n - 1 where id = old.parent", &[]),
            ("update n set n = n - 1 where id = old.parent", &[copies]),
            ("delete from h where id = old.id", &[deletes]),
            ("begin insert into h select old.id; delete h from h; end", &[copies, deletes]),
            ("call gone(old.id)", &[unread]),
            ("set @n = @n + 1 /* delete from h */", &[]),
        ] {
            let trigger = Trigger { at: 0, name: "x".into(), fires: Event::Delete, body: Some(body.into()) };
            let found = trigger.findings(&TableRef::parse("d.t"), &[], "crm.d.t");
            let found: Vec<_> = found.iter().map(|finding| (finding.id.as_str(), finding.severity)).collect();
            assert_eq!(found, expected, "{body}");
        }
    }
}
