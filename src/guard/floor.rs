//! From which moment on a transform looks: rows that were looked at and left clean are left alone until the next sweep. Pure.

use forgetd_connector::Cutoff;
use jiff::{SignedDuration, Timestamp};

use super::{Book, Clean};
use crate::rules::Rule;

/// The floor lies this much before the last clean cutoff: columns without a zone, and dates, are off by less.
const MARGIN: SignedDuration = SignedDuration::from_hours(48);

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
    /// Notes that a run of a transform ended clean at `cutoff`; `floor` is the one that it had.
    pub fn cleaned(&mut self, rule: &Rule, catalog: &str, cutoff: Timestamp, floor: Option<Cutoff>, now: Timestamp) {
        let before = self.clean.take();
        // A run that looked at part of the table takes over when the whole was looked at.
        let swept = before.filter(|_| floor.is_some()).map_or(now, |clean| clean.swept);
        self.clean = Some(Clean { digest: rule.digest(), catalog: catalog.into(), cutoff, swept });
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::floor;
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
        book.cleaned(&rule, "c", at("2026-05-01T00:00:00Z"), None, at("2026-06-01T00:00:00Z"));
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
        book.cleaned(&rule, "c", at("2026-05-01T00:00:00Z"), None, at("2026-06-01T00:00:00Z"));
        let narrowed = floor(&rule, &book, "c", at("2026-06-20T00:00:00Z"));
        book.cleaned(&rule, "c", at("2026-05-20T00:00:00Z"), narrowed, at("2026-06-20T00:00:00Z"));
        let found = |now: &str| floor(&rule, &book, "c", at(now)).map(|floor| floor.0);
        assert_eq!(found("2026-06-30T23:00:00Z"), Some(at("2026-05-18T00:00:00Z")));
        assert_eq!(found("2026-07-01T00:00:00Z"), None);
        assert_eq!(Book::read(Some(book.row("leads"))), book);
    }
}
