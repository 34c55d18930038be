//! A marker stands for the places that do not show by themselves that a row is done: those that there were when it was set.
//! Where a rule has more of them since, or treats one otherwise, rows that are marked would keep what stands there. Pure.

use std::collections::BTreeMap;

use forgetd_connector::Cause;

use super::{Book, Stop, book::Marked};
use crate::rules::{Rule, Transform};
use crate::transform::{Holder, shape};

/// What stops the run, if the marker is older than one of its places.
pub(super) fn check(rule: &Rule, book: &Book) -> Option<Stop> {
    let now = marked(rule)?;
    let before = book.marked.as_ref().filter(|before| before.marker == now.marker)?;
    let fresh: Vec<&str> = now
        .places
        .iter()
        .filter(|(place, words)| before.places.get(*place) != Some(*words))
        .map(|(place, _)| place.as_str())
        .collect();
    if fresh.is_empty() {
        return None;
    }
    let text = format!(
        "rows that {} marks as done were done without {}, and would keep what stands there: name another marker; or approve \
         that they do",
        now.marker,
        fresh.join(", ")
    );
    Some((Cause::NoShape, text))
}

/// What the rule's marker stands for.
pub(super) fn marked(rule: &Rule) -> Option<Marked> {
    let transform = rule.transform()?;
    let marker = transform.marker.clone()?;
    let words = Transform::details(transform);
    let silent = transform.places.iter().filter(|(_, treatment)| shape(treatment, Holder::Text).is_none());
    let places: BTreeMap<String, String> = silent
        .filter_map(|(path, _)| words.get_key_value(&path.to_string()))
        .map(|(a, b)| (a.clone(), b.clone()))
        .collect();
    Some(Marked { marker, places })
}

// === impl Book ===

impl Book {
    /// Notes that a run sets the rule's marker.
    pub fn marks(&mut self, rule: &Rule) {
        self.marked = marked(rule);
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, Path, Value};

    use super::check;
    use crate::guard::Book;
    use crate::rules::{Action, Period, Rule, Transform, testing::rule};
    use crate::transform::{TokenKind, Treatment};

    fn leads(marker: &str, places: &[(&str, TokenKind)]) -> Rule {
        let token = |kind: TokenKind| Treatment::Pseudonymize { kind, domain: "people".into() };
        let mut places: std::collections::BTreeMap<Path, Treatment> =
            places.iter().map(|(path, kind)| (Path::column(path), token(*kind))).collect();
        places.insert(Path::column("name"), Treatment::Redact(Value::Null));
        let transform = Transform {
            places,
            marker: Some(marker.into()),
            version: None,
            sweep: Period::parse("30d").unwrap(),
            references_follow: false,
        };
        Rule { action: Action::Transform(Box::new(transform)), ..rule("leads", "lead") }
    }

    #[test]
    fn a_marker_does_not_stand_for_what_came_later() {
        let integer = |max| TokenKind::Integer { max };
        let first = leads("done", &[("phone", TokenKind::Phone), ("number", integer(None))]);
        let mut book = Book::default();
        assert_eq!(check(&first, &book), None, "nothing is marked yet");
        book.marks(&first);
        assert_eq!(Book::read(Some(book.row("leads"))), book);
        for (what, changed, stops) in [
            ("the same", first.clone(), false),
            ("one fewer", leads("done", &[("phone", TokenKind::Phone)]), false),
            (
                "one more that shows itself",
                leads("done", &[("phone", TokenKind::Phone), ("email", TokenKind::Email)]),
                false,
            ),
            ("one more that does not", leads("done", &[("phone", TokenKind::Phone), ("fax", TokenKind::Phone)]), true),
            ("another form", leads("done", &[("phone", TokenKind::Digits { check: None })]), true),
            ("another limit", leads("done", &[("number", integer(Some(5000)))]), true),
            ("another marker", leads("gone", &[("fax", TokenKind::Phone)]), false),
        ] {
            let found = check(&changed, &book);
            assert_eq!(found.as_ref().map(|(cause, _)| *cause), stops.then_some(Cause::NoShape), "{what}");
        }
    }
}
