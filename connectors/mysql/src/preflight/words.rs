//! The words of SQL that is not ours: of triggers, routines and events. Pure.

use std::collections::BTreeSet;

use forgetd_connector::{Fault, TableRef};
use mysql_async::Row;

use crate::answer::get;

/// How many calls one inside the other are followed.
const DEPTH_MAX: usize = 4;

/// A procedure or function that can be seen.
#[derive(Debug)]
pub(super) struct Routine {
    /// In lower case.
    name: String,
    /// Absent: its text is not shown.
    words: Option<Vec<String>>,
}

/// A text together with what it calls.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) words: Vec<String>,
    /// What it calls and nobody can read.
    pub(super) unread: BTreeSet<String>,
}

// === impl Routine ===

impl Routine {
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        let body: Option<String> = get(row, 1, place)?;
        Ok(Self { name: get::<String>(row, 0, place)?.to_lowercase(), words: body.as_deref().map(words) })
    }
}

// === impl Text ===

impl Text {
    /// The words of a text, and behind them those of the routines that it names.
    pub(super) fn read(body: &str, routines: &[Routine]) -> Self {
        let mut text = Self { words: words(body), unread: BTreeSet::new() };
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut from = 0;
        for _ in 0..DEPTH_MAX {
            let fresh = text.words.get(from..).unwrap_or_default();
            let named: BTreeSet<&str> = fresh.iter().map(|word| last(word)).collect();
            let called = called(fresh);
            let mut more = vec![];
            for routine in routines.iter().filter(|routine| named.contains(routine.name.as_str())) {
                if known.insert(&routine.name) {
                    match &routine.words {
                        Some(words) => more.extend(words.iter().cloned()),
                        None => drop(text.unread.insert(routine.name.clone())),
                    }
                }
            }
            let unseen = called.into_iter().filter(|name| !known.contains(name.as_str()));
            text.unread.extend(unseen);
            if more.is_empty() {
                break;
            }
            from = text.words.len();
            text.words.extend(more);
        }
        text
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// Whether a table is named: by its name alone, where that means one of `schema`, or with its schema.
    pub(super) fn names(&self, table: &TableRef, schema: &str) -> bool {
        let own = table.schema.as_deref().unwrap_or_default();
        let alone = own.eq_ignore_ascii_case(schema) && self.has(&table.name.to_lowercase());
        alone || self.has(&format!("{own}.{}", table.name).to_lowercase())
    }

    /// Whether the text reads the row as it was.
    pub(super) fn sees_old(&self) -> bool {
        self.words.iter().any(|word| word.starts_with("old."))
    }

    /// What it deletes from, by the word behind.
    pub(super) fn deletes_from(&self) -> Option<String> {
        let at = self.words.iter().position(|word| word == "delete")?;
        self.words.iter().skip(at + 1).find(|word| !MODIFIERS.contains(&word.as_str())).cloned()
    }

    /// What it writes into.
    pub(super) fn writes_into(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = vec![];
        for (at, word) in self.words.iter().enumerate() {
            if !matches!(word.as_str(), "insert" | "replace" | "update") {
                continue;
            }
            let mut behind = self.words.iter().skip(at + 1).map(String::as_str);
            let target = behind.find(|word| !MODIFIERS.contains(word));
            // `on duplicate key update n = ..` writes into what was named before.
            let again = word == "update" && at > 0 && self.words.get(at - 1).is_some_and(|before| before == "key");
            tables.extend(target.filter(|target| !again && !tables.contains(target)));
        }
        tables
    }
}

/// Words that stand between a verb and its table.
const MODIFIERS: &[&str] = &["low_priority", "high_priority", "delayed", "quick", "ignore", "into", "from"];

/// What a text calls by CALL.
fn called(words: &[String]) -> Vec<String> {
    let calls = words.iter().zip(words.iter().skip(1)).filter(|(word, _)| *word == "call");
    calls.map(|(_, name)| last(name).to_owned()).collect()
}

/// A name without that of its schema.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// The words of a text, in lower case, without comments and without what stands in quotes for a text. Names in backquotes
/// are words; a name with dots is one.
pub(super) fn words(body: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word = String::new();
    let mut chars = body.chars().peekable();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            words.push(std::mem::take(word).to_lowercase());
        }
    };
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('-', Some('-')) | ('#', _) => {
                end(&mut word);
                chars.by_ref().find(|c| *c == '\n');
            }
            ('/', Some('*')) => {
                end(&mut word);
                chars.next();
                let mut star = false;
                chars.by_ref().find(|c| {
                    let closes = star && *c == '/';
                    star = *c == '*';
                    closes
                });
            }
            ('\'' | '"', _) => {
                end(&mut word);
                while let Some(inside) = chars.next() {
                    match inside {
                        '\\' => drop(chars.next()),
                        inside if inside == c => break,
                        _ => {}
                    }
                }
            }
            ('`', _) => {
                if !word.ends_with('.') {
                    end(&mut word);
                }
                word.extend(chars.by_ref().take_while(|c| *c != '`'));
                if chars.peek() != Some(&'.') {
                    end(&mut word);
                }
            }
            (c, _) if c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '.') => word.push(c),
            _ => end(&mut word),
        }
    }
    end(&mut word);
    words
}

#[cfg(test)]
mod tests {
    use forgetd_connector::TableRef;

    use super::{Routine, Text, words};

    #[test]
    fn comments_and_texts_are_no_words() {
        for (body, expected) in [
            ("delete from `My Log` where a='delete'", "delete|from|my log|where|a"),
            ("a/* delete */b -- delete\nc # delete\nd", "a|b|c|d"),
            ("'it''s' x \"y\\\"z\" w", "x|w"),
            ("insert into d.t(a)values(OLD.a)", "insert|into|d.t|a|values|old.a"),
            ("a /* never closed", "a"),
            ("from `d`.`t` x, `d`.t, d.`t`", "from|d.t|x|d.t|d.t"),
        ] {
            assert_eq!(words(body).join("|"), expected, "{body}");
        }
    }

    #[test]
    fn verbs_have_tables_behind_them() {
        let text = |body: &str| Text::read(body, &[]);
        for (body, writes, deletes) in [
            ("insert into h select old.a", &["h"][..], None),
            ("insert ignore h values (1); replace into i set a = 1; update n set a = 1", &["h", "i", "n"], None),
            ("insert into h values (1) on duplicate key update n = n + 1", &["h"], None),
            ("begin delete low_priority from h where a = old.a; end", &[], Some("h")),
            ("signal sqlstate '45000'", &[], None),
        ] {
            let text = text(body);
            assert_eq!(text.writes_into(), writes, "{body}");
            assert_eq!(text.deletes_from().as_deref(), deletes, "{body}");
        }
    }

    #[test]
    fn a_table_is_named_with_its_schema_or_where_its_name_alone_means_it() {
        for (body, schema, named) in [
            ("delete from lead", "d", true),
            ("delete from lead", "e", false),
            ("delete from `D`.Lead", "e", true),
            ("delete from e.lead", "e", false),
            ("delete from leads", "d", false),
        ] {
            assert_eq!(Text::read(body, &[]).names(&TableRef::parse("d.lead"), schema), named, "{body}");
        }
    }

    #[test]
    fn what_is_called_is_read_along() {
        let routine = |name: &str, body: Option<&str>| Routine { name: name.into(), words: body.map(words) };
        let routines = [
            routine("a", Some("begin call b(); end")),
            routine("b", Some("delete from gone; call a(); call c()")),
            routine("f", None),
        ];
        let text = Text::read("begin call A(old.id); set @x = f(1); end", &routines);
        assert_eq!(text.deletes_from().as_deref(), Some("gone"));
        assert_eq!(text.unread.iter().map(String::as_str).collect::<Vec<_>>(), ["c", "f"]);
        assert!(Text::read("select 1", &routines).unread.is_empty());
    }
}
