//! Triggers that a change fires: what they can do to it, as far as the text of their functions tells. Pure.

use forgetd_connector::{Fault, Finding, Notice, Step, TableRef};
use tokio_postgres::Row;

use crate::survey::get;

/// Bits of `pg_trigger.tgtype`.
const FOR_EACH_ROW: i64 = 1;
const BEFORE: i64 = 2;

/// Words of functions that send something to where no table's name shows it.
const SENDERS: &[&str] =
    &["pg_notify", "notify", "execute", "dblink", "dblink_exec", "dblink_send_query", "http_post", "copy"];

/// What fires triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Delete,
    Update,
}

/// One trigger that a change fires.
#[derive(Debug)]
pub(super) struct Trigger {
    name: String,
    function: String,
    language: String,
    fires: i64,
    /// What the function calls the old rows of a statement, if anything.
    old_rows: Option<String>,
    /// The words of the function's text.
    words: Vec<String>,
    /// Tables whose names are words of it.
    tables: Vec<String>,
}

// === impl Event ===

impl Event {
    /// What a step does to the rows of its table.
    pub(super) fn of(step: &Step) -> Self {
        if step.rewrite().is_some() { Self::Update } else { Self::Delete }
    }

    /// Its bit of `pg_trigger.tgtype`.
    pub(super) const fn bit(self) -> i64 {
        match self {
            Self::Delete => 8,
            Self::Update => 16,
        }
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

    /// What a function has to return to let it happen.
    const fn lets(self) -> &'static str {
        match self {
            Self::Delete => "old",
            Self::Update => "new",
        }
    }
}

// === impl Trigger ===

impl Trigger {
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        Ok(Self {
            name: get(row, 0, place)?,
            function: get(row, 1, place)?,
            language: get(row, 2, place)?,
            fires: get(row, 3, place)?,
            old_rows: get(row, 4, place)?,
            words: words(get(row, 5, place)?),
            tables: get(row, 6, place)?,
        })
    }

    /// What the trigger can do to changes of `own`.
    pub(super) fn findings(&self, event: Event, own: &TableRef, place: &str) -> Vec<Finding> {
        [self.cancels(event, place), self.copies(event, own, place), self.deletes(place)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// A trigger that runs before each row is changed and can cancel that without an error.
    fn cancels(&self, event: Event, place: &str) -> Option<Finding> {
        if self.fires & (FOR_EACH_ROW | BEFORE) != FOR_EACH_ROW | BEFORE {
            return None;
        }
        let Self { name, function, .. } = self;
        let word = event.word();
        Some(if self.only_returns(event.lets()) {
            let row = event.lets().to_uppercase();
            let message =
                format!("the trigger {name} runs {function} before each {word}; it returns {row}, so it cancels none");
            let fix = "nothing to do; a change of the function can change that";
            Finding::informs(Notice::TriggerBeforeDelete, place, message, fix)
        } else {
            let message = format!("the trigger {name} runs {function} before each {word} and can cancel it");
            let fix = match event {
                Event::Delete => format!(
                    "see that {function} returns OLD for rows that are due (NEW is NULL in a delete, and cancels it); \
                     rows that it keeps are passed over and counted"
                ),
                Event::Update => format!(
                    "see that {function} returns NEW for rows that are due (OLD brings the old values back); rows that \
                     it keeps are passed over and counted"
                ),
            };
            Finding::warns(Notice::TriggerBeforeDelete, place, message, fix)
        })
    }

    /// A trigger that sees the old row and may keep it.
    fn copies(&self, event: Event, own: &TableRef, place: &str) -> Option<Finding> {
        let Self { name, function, language, .. } = self;
        let done = event.done();
        if !self.readable() {
            let message = format!(
                "the trigger {name} runs {function}, written in {language}, which may keep copies of {done} rows"
            );
            let fix = format!("see what {function} does; add a rule for the table if it keeps copies");
            return Some(Finding::warns(Notice::TriggerCopies, place, message, fix));
        }
        if !self.sees_old() {
            return None;
        }
        let own = own.to_string();
        let tables: Vec<&str> = self.tables.iter().map(String::as_str).filter(|table| *table != own).collect();
        if !tables.is_empty() {
            let named = tables.join(", ");
            let message = format!(
                "the trigger {name} runs {function}, which reads {done} rows and names {named}: \
                 what it copies there is not {done} by this rule"
            );
            let fix = format!("add a rule for {named} if it keeps copies");
            return Some(Finding::warns(Notice::TriggerCopies, place, message, fix));
        }
        let sender = self.words.iter().find(|word| SENDERS.contains(&word.as_str()))?;
        let message = format!("the trigger {name} runs {function}, which reads {done} rows and calls {sender}");
        let fix = format!("see that {function} sends no copies to where they stay");
        Some(Finding::informs(Notice::TriggerCopies, place, message, fix))
    }

    /// A trigger that deletes other rows than those it was called for.
    fn deletes(&self, place: &str) -> Option<Finding> {
        let Self { name, function, .. } = self;
        let target = (0..self.words.len()).find_map(|n| self.deleted_at(n))?;
        let message = format!(
            "the trigger {name} runs {function}, which deletes from {target}: a batch in which it does is rolled back"
        );
        let fix = format!(
            "change {function}, or let a foreign key with ON DELETE CASCADE take those rows and add a rule for them"
        );
        Some(Finding::warns(Notice::TriggerDeletes, place, message, fix))
    }

    /// The table of the DELETE that stands at the `n`th word.
    fn deleted_at(&self, n: usize) -> Option<&String> {
        let mut words = self.words.iter().skip(n).map(String::as_str);
        if (words.next(), words.next()) != (Some("delete"), Some("from")) {
            return None;
        }
        let mut words = words.skip_while(|word| *word == "only");
        let (first, second) = (words.next()?, words.next().unwrap_or_default());
        let (whole, last) = (format!("{first}.{second}"), format!(".{first}"));
        self.tables.iter().find(|table| {
            let table = table.to_lowercase();
            table == whole || table.ends_with(&last)
        })
    }

    /// Whether the function's text says what it does.
    fn readable(&self) -> bool {
        matches!(self.language.as_str(), "plpgsql" | "sql")
    }

    /// Whether the function reads the old row, or the old rows of its statement. To return OLD alone is no reading.
    fn sees_old(&self) -> bool {
        let reads_old = self.words.iter().enumerate().any(|(n, word)| {
            word == "old" && n.checked_sub(1).and_then(|before| self.words.get(before)).is_none_or(|b| b != "return")
        });
        let old_rows = self.old_rows.as_deref().map(str::to_lowercase);
        reads_old || self.words.iter().any(|word| Some(word) == old_rows.as_ref())
    }

    /// Whether every RETURN of the function gives this row back.
    fn only_returns(&self, row: &str) -> bool {
        let words = self.words.iter();
        let mut returned = words.clone().zip(words.skip(1)).filter(|(word, _)| *word == "return").peekable();
        self.language == "plpgsql" && returned.peek().is_some() && returned.all(|(_, what)| what == row)
    }
}

/// The words of a function's text, in lower case, without its comments.
fn words(body: &str) -> Vec<String> {
    let mut text = String::new();
    let mut rest = body;
    while let Some(at) = rest.find("/*") {
        text.push_str(&rest[..at]);
        text.push(' ');
        rest = rest[at..].split_once("*/").map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let code = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join(" ").to_lowercase();
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    code.split(|c| !part_of_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Severity::{Info, Warning};
    use forgetd_connector::TableRef;

    use super::{Event, Trigger, words};

    fn own() -> TableRef {
        TableRef::parse("public.t")
    }

    fn trigger(fires: i64, body: &str, tables: &[&str]) -> Trigger {
        Trigger {
            name: "t".into(),
            function: "public.f".into(),
            language: "plpgsql".into(),
            fires,
            old_rows: None,
            words: words(body),
            tables: tables.iter().map(|table| (*table).into()).collect(),
        }
    }

    #[test]
    fn a_function_is_read_by_its_words() {
        let (before, after) = (11, 9);
        let cancels = ("trigger_before_delete", Warning);
        let harmless = ("trigger_before_delete", Info);
        let copies = ("trigger_copies", Warning);
        let sends = ("trigger_copies", Info);
        let deletes = ("trigger_deletes", Warning);
        for (fires, body, tables, expected) in [
            (before, "begin return null; end", &[][..], vec![cancels]),
            (before, "begin return new; end", &[], vec![cancels]),
            (before, "begin return old; end", &[], vec![harmless]),
            (before, "begin /* return null */ return old; -- return new\n end", &[], vec![harmless]),
            (before, "begin if old.kept then return null; end if; return old; end", &[], vec![cancels]),
            (before, "begin raise exception 'no'; end", &[], vec![cancels]),
            (before, "begin insert into h select old.*; return old; end", &["public.h"], vec![harmless, copies]),
            (after, "begin insert into h select (OLD).*; return null; end", &["public.h"], vec![copies]),
            (after, "begin perform pg_notify('gone', old.email); return null; end", &[], vec![sends]),
            (after, "begin update n set rows = rows - 1; return null; end", &["public.n"], vec![]),
            (after, "begin insert into told values (now()); return old; end", &["public.told"], vec![]),
            (after, "begin delete from h where id = old.id; return null; end", &["public.h"], vec![copies, deletes]),
            (after, "begin delete from only app.h; return null; end", &["app.h"], vec![deletes]),
            (after, "begin delete from t where id = old.twin; return null; end", &["public.t"], vec![deletes]),
            (after, "begin delete from", &["public.h"], vec![]),
            (10, "begin return null; end", &[], vec![]),
        ] {
            let found = trigger(fires, body, tables).findings(Event::Delete, &own(), "main.t");
            let found: Vec<_> = found.iter().map(|finding| (finding.id.as_str(), finding.severity)).collect();
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn an_update_wants_the_new_row_back() {
        for (body, expected) in [
            ("begin new.changed := now(); return new; end", vec![("trigger_before_delete", Info)]),
            ("begin return old; end", vec![("trigger_before_delete", Warning)]),
            ("begin return null; end", vec![("trigger_before_delete", Warning)]),
            (
                "begin insert into h select old.*; return new; end",
                vec![("trigger_before_delete", Info), ("trigger_copies", Warning)],
            ),
        ] {
            let found = trigger(19, body, &["public.h"]).findings(Event::Update, &own(), "main.t");
            let found: Vec<_> = found.iter().map(|finding| (finding.id.as_str(), finding.severity)).collect();
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn old_rows_of_a_statement_and_other_languages_may_be_copied() {
        let body = "begin insert into h select * from Gone; return null; end";
        let of_statement = Trigger { old_rows: Some("gone".into()), ..trigger(8, body, &["public.h"]) };
        assert_eq!(of_statement.findings(Event::Delete, &own(), "main.t").len(), 1);
        let foreign = Trigger { language: "c".into(), ..trigger(9, "f", &[]) };
        assert!(foreign.findings(Event::Delete, &own(), "main.t")[0].message.contains("written in c"));
    }
}
