//! From which moment on a transform looks: rows that were looked at and left clean are left alone until the next sweep. Pure.

use forgetd_connector::{Cutoff, Predicate, Selection, Since, Step};
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

/// What a run of a transform knows of the runs before it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Digest of what the rule depends on in the described tables, see [`crate::plan::depends`].
    pub catalog: &'a str,
    /// The generation of the database's control tables, where they lie in it: another one, and the rows were put back. Absent
    /// where they lie elsewhere, and nobody would notice.
    pub generation: Option<&'a str>,
    /// The clock of the rule's database.
    pub now: Timestamp,
}

/// Whether all rows have to be looked at, and their tokens with the keys: nothing is known of this rule in these tables, or it is
/// time for it.
pub fn sweep_is_due(rule: &Rule, book: &Book, known: &Known<'_>) -> bool {
    let Some((transform, clean)) = rule.transform().zip(book.clean.as_ref()) else { return true };
    let Known { catalog, generation, now } = *known;
    let same = clean.digest == rule.digest() && clean.catalog == catalog;
    let same = same && generation.is_none_or(|generation| clean.generation == generation);
    let sweeps = transform.sweep.after(clean.swept);
    !same || now < clean.swept || sweeps.is_none_or(|sweeps| now >= sweeps)
}

/// The moment before which no row has to be looked at; nothing: all of them have to.
///
/// There is one only where time alone makes rows due: behind a condition, a rule that keeps, or activity in another table, a row can become
/// due long after its moment has passed the cutoff.
pub fn floor(rule: &Rule, step: &Step, book: &Book, known: &Known<'_>) -> Option<Cutoff> {
    let Selection { terms, except, .. } = &step.selection;
    let by_time_alone = except.is_empty()
        && terms.native.is_none()
        && terms.predicate == Predicate::always()
        && !matches!(terms.since, Since::Latest(_));
    if !by_time_alone || known.generation.is_none() || sweep_is_due(rule, book, known) {
        return None;
    }
    book.clean.as_ref()?.cutoff.checked_sub(MARGIN).ok().map(Cutoff)
}

// === impl Book ===

impl Book {
    /// Notes that a run of a transform ended clean at `cutoff`. One that was no sweep takes over when the last one was;
    /// where the rule had none as it is and in these tables, nothing is noted: it is still to come.
    pub fn cleaned(&mut self, rule: &Rule, known: &Known<'_>, cutoff: Timestamp, reach: Reach) {
        let digest = rule.digest();
        let Known { catalog, generation, now } = *known;
        let generation = generation.unwrap_or_default();
        let same =
            |clean: &&Clean| clean.digest == digest && clean.catalog == catalog && clean.generation == generation;
        let swept = match reach {
            Reach::Whole => Some(now),
            Reach::Part => self.clean.as_ref().filter(same).map(|clean| clean.swept),
        };
        if let Some(swept) = swept {
            self.clean = Some(Clean { digest, catalog: catalog.into(), generation: generation.into(), cutoff, swept });
        }
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Atomicity, Catalog, ColumnKind, Predicate, Step, Value};
    use jiff::Timestamp;

    use super::{Known, Reach, floor, sweep_is_due};
    use crate::guard::Book;
    use crate::plan::{step, testing::table};
    use crate::rules::{Action, Period, Policy, Rule, Transform, testing::rule};
    use crate::transform::Treatment;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn leads() -> Rule {
        let path = forgetd_connector::Path::column("status");
        let transform = Transform {
            places: [(path, Treatment::Redact(Value::Text("gone".into())))].into(),
            marker: None,
            version: None,
            sweep: Period::parse("30d").unwrap(),
            references_follow: false,
        };
        Rule { action: Action::Transform(Box::new(transform)), ..rule("leads", "lead") }
    }

    fn planned(rule: &Rule, others: &[Rule]) -> Step {
        let policy = Policy::new([std::slice::from_ref(rule), others].concat());
        let catalog = Catalog { tables: vec![table("lead", ColumnKind::Instant)] };
        step(rule, &catalog, "crm", at("2026-06-01T00:00:00Z"), Atomicity::Atomic, &policy).unwrap()
    }

    fn known<'a>(catalog: &'a str, generation: &'a str, now: &str) -> Known<'a> {
        Known { catalog, generation: Some(generation), now: at(now) }
    }

    fn cleaned(rule: &Rule) -> Book {
        let mut book = Book::default();
        book.cleaned(rule, &known("c", "g", "2026-06-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), Reach::Whole);
        book
    }

    #[test]
    fn a_clean_run_is_believed_until_the_next_sweep() {
        let rule = leads();
        let planned = planned(&rule, &[]);
        let found = |rule: &Rule, book: &Book, known: Known<'_>| {
            let floor = floor(rule, &planned, book, &known).map(|floor| floor.0);
            assert!(floor.is_none() || !sweep_is_due(rule, book, &known));
            floor
        };
        let book = cleaned(&rule);
        let later = "2026-06-02T00:00:00Z";
        assert_eq!(found(&rule, &Book::default(), known("c", "g", later)), None, "nothing is known");
        assert_eq!(found(&rule, &book, known("c", "g", later)), Some(at("2026-04-29T00:00:00Z")));
        assert_eq!(found(&rule, &book, known("other", "g", later)), None, "the tables changed");
        assert_eq!(found(&rule, &book, known("c", "h", later)), None, "the database was put back");
        assert_eq!(
            found(&rule, &book, Known { generation: None, ..known("c", "g", later) }),
            None,
            "nobody would notice"
        );
        assert_eq!(found(&rule, &book, known("c", "g", "2026-07-01T00:00:00Z")), None, "a sweep is due");
        let back = known("c", "g", "2026-05-31T00:00:00Z");
        assert_eq!(found(&rule, &book, back), None, "a clock that went back proves nothing");
        let changed = Rule { keep_for: Period::parse("20d").unwrap(), ..rule.clone() };
        assert_eq!(found(&changed, &book, known("c", "g", later)), None, "the rule changed");
    }

    #[test]
    fn only_time_alone_makes_a_floor() {
        let keeper = Rule { action: Action::Keep, ..rule("keeper", "lead") };
        let score = Predicate::equal("score", Value::Int(1));
        for (what, rule, others) in [
            ("a condition", Rule { predicate: score, ..leads() }, vec![]),
            ("a native condition", Rule { native: Some("true".into()), ..leads() }, vec![]),
            ("a rule that keeps", leads(), vec![keeper]),
        ] {
            let planned = planned(&rule, &others);
            let book = cleaned(&rule);
            let known = known("c", "g", "2026-06-02T00:00:00Z");
            assert_eq!(floor(&rule, &planned, &book, &known), None, "{what}");
            assert!(!sweep_is_due(&rule, &book, &known), "{what}: tokens are not asked for each night");
        }
    }

    #[test]
    fn only_a_run_over_all_rows_is_a_sweep() {
        let rule = leads();
        let planned = planned(&rule, &[]);
        let mut book = cleaned(&rule);
        book.cleaned(&rule, &known("c", "g", "2026-06-20T00:00:00Z"), at("2026-05-20T00:00:00Z"), Reach::Part);
        let found = |now: &str| floor(&rule, &planned, &book, &known("c", "g", now)).map(|floor| floor.0);
        assert_eq!(found("2026-06-30T23:00:00Z"), Some(at("2026-05-18T00:00:00Z")));
        assert_eq!(found("2026-07-01T00:00:00Z"), None);
        assert_eq!(Book::read(Some(book.row("leads"))), book);
    }

    #[test]
    fn a_run_that_was_no_sweep_stands_for_none() {
        let rule = leads();
        let mut book = Book::default();
        let part = |book: &mut Book, catalog: &str, generation: &str| {
            book.cleaned(
                &rule,
                &known(catalog, generation, "2026-06-20T00:00:00Z"),
                at("2026-05-20T00:00:00Z"),
                Reach::Part,
            );
        };
        part(&mut book, "c", "g");
        assert_eq!(book.clean, None, "no sweep came before it");
        let mut book = cleaned(&rule);
        let before = book.clean.clone();
        part(&mut book, "other", "g");
        part(&mut book, "c", "other");
        assert_eq!(book.clean, before, "the sweep was of other tables");
        part(&mut book, "c", "g");
        assert_ne!(book.clean, before);
    }
}
