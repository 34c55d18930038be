//! From which moment on a transform looks: rows that were looked at and left clean are left alone until the next sweep. Pure.

use forgetd_connector::Cutoff;
use jiff::{SignedDuration, Timestamp};

use super::{Book, Clean};
use crate::rules::Rule;

/// The floor lies this much before the last clean cutoff: columns without a zone, and dates, are off by less.
const MARGIN: SignedDuration = SignedDuration::from_hours(48);

/// How far a run of a transform looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At every row of the table, and at each token with the keys that could have made it.
    Whole,
    /// At less.
    Part,
}

/// The moment before which no row has to be looked at; nothing: all of them have to, because the rule, what it depends on in
/// the tables (`catalog`, see [`crate::plan::depends`]) or the time (`now`, by the clock of the rule's database) says so.
pub fn floor(rule: &Rule, book: &Book, catalog: &str, now: Timestamp) -> Option<Cutoff> {
    let transform = rule.transform()?;
    let Clean { digest, catalog: known, cutoff, swept } = book.clean.as_ref()?;
    let sweeps = transform.sweep.after(*swept)?;
    if *digest != rule.digest() || known != catalog || now >= sweeps || now < *swept {
        return None;
    }
    cutoff.checked_sub(MARGIN).ok().map(Cutoff)
}

// === impl Book ===

impl Book {
    /// Notes that a run of a transform ended clean at `cutoff`. One that was no sweep takes over when the last one was;
    /// where the rule had none as it is and in these tables, nothing is noted: it is still to come.
    pub fn cleaned(&mut self, rule: &Rule, catalog: &str, cutoff: Timestamp, reach: Reach, now: Timestamp) {
        let digest = rule.digest();
        let known = |clean: &&Clean| clean.digest == digest && clean.catalog == catalog;
        let swept = match reach {
            Reach::Whole => Some(now),
            Reach::Part => self.clean.as_ref().filter(known).map(|clean| clean.swept),
        };
        if let Some(swept) = swept {
            self.clean = Some(Clean { digest, catalog: catalog.into(), cutoff, swept });
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Reach, floor};
    use crate::guard::Book;
    use crate::rules::{Action, Period, Rule, Transform, testing::rule};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn leads() -> Rule {
        let transform = Transform {
            places: std::collections::BTreeMap::new(),
            marker: None,
            sweep: Period::parse("30d").unwrap(),
            references_follow: false,
        };
        Rule { action: Action::Transform(Box::new(transform)), ..rule("leads", "lead") }
    }

    #[test]
    fn a_clean_run_is_believed_until_the_next_sweep() {
        let rule = leads();
        let mut book = Book::default();
        let found = |book: &Book, catalog: &str, now: &str| floor(&rule, book, catalog, at(now)).map(|floor| floor.0);
        assert_eq!(found(&book, "c", "2026-06-01T00:00:00Z"), None, "nothing is known");
        book.cleaned(&rule, "c", at("2026-05-01T00:00:00Z"), Reach::Whole, at("2026-06-01T00:00:00Z"));
        let expected = Some(at("2026-04-29T00:00:00Z"));
        assert_eq!(found(&book, "c", "2026-06-02T00:00:00Z"), expected);
        assert_eq!(found(&book, "other", "2026-06-02T00:00:00Z"), None, "the tables changed");
        assert_eq!(found(&book, "c", "2026-07-01T00:00:00Z"), None, "a sweep is due");
        assert_eq!(found(&book, "c", "2026-05-31T00:00:00Z"), None, "a clock that went back proves nothing");
        let changed = Rule { keep_for: Period::parse("20d").unwrap(), ..rule.clone() };
        assert_eq!(floor(&changed, &book, "c", at("2026-06-02T00:00:00Z")), None, "the rule changed");
    }

    #[test]
    fn only_a_run_over_all_rows_is_a_sweep() {
        let rule = leads();
        let mut book = Book::default();
        book.cleaned(&rule, "c", at("2026-05-01T00:00:00Z"), Reach::Whole, at("2026-06-01T00:00:00Z"));
        book.cleaned(&rule, "c", at("2026-05-20T00:00:00Z"), Reach::Part, at("2026-06-20T00:00:00Z"));
        let found = |now: &str| floor(&rule, &book, "c", at(now)).map(|floor| floor.0);
        assert_eq!(found("2026-06-30T23:00:00Z"), Some(at("2026-05-18T00:00:00Z")));
        assert_eq!(found("2026-07-01T00:00:00Z"), None);
        assert_eq!(Book::read(Some(book.row("leads"))), book);
    }

    #[test]
    fn a_run_that_was_no_sweep_stands_for_none() {
        let rule = leads();
        let mut book = Book::default();
        let part = |book: &mut Book, catalog: &str| {
            book.cleaned(&rule, catalog, at("2026-05-20T00:00:00Z"), Reach::Part, at("2026-06-20T00:00:00Z"));
        };
        part(&mut book, "c");
        assert_eq!(book.clean, None, "no sweep came before it");
        book.cleaned(&rule, "c", at("2026-05-01T00:00:00Z"), Reach::Whole, at("2026-06-01T00:00:00Z"));
        let before = book.clean.clone();
        part(&mut book, "other");
        assert_eq!(book.clean, before, "the sweep was of other tables");
        part(&mut book, "c");
        assert_ne!(book.clean, before);
    }
}
