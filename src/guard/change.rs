//! Whether a changed definition can make more rows due. Pure.

use serde_json::Value as Json;

use crate::rules::{Period, Rule, changes};

/// Parts of a definition that say nothing about which rows are due.
const FREE: &[&str] = &["purpose", "legal_basis", "evidence"];

/// Limits on numbers: each may be set or tightened, never loosened or dropped.
const LIMITS: &[&str] = &["rows_max", "share_max", "times_usual"];

/// Whether it can be seen that `rule` makes no more rows due than the approved definition. One that cannot be read tells
/// nothing.
pub(super) fn narrows(approved: &str, rule: &Rule) -> bool {
    let Ok(Json::Object(before)) = serde_json::from_str(approved) else { return false };
    let Json::Object(after) = rule.definition() else { return false };
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.into_iter().all(|name| match (name.as_str(), before.get(name), after.get(name)) {
        (_, before, after) if before == after => true,
        (name, ..) if FREE.contains(&name) => true,
        ("keep_for", Some(before), Some(after)) => match (period(before), period(after)) {
            (Some(before), Some(after)) => after.covers(&before),
            _ => false,
        },
        ("kept_by", Some(before), Some(after)) => keeps_as_much(before, after),
        ("cap", Some(before), Some(after)) => limits_as_much(before, after),
        ("guard", Some(before), Some(after)) => {
            LIMITS.iter().all(|limit| limits_as_much(&before[*limit], &after[*limit]))
        }
        _ => false,
    })
}

/// What changed since the approved definition, in words without literals; what can make rows due comes first.
pub(super) fn shown(approved: &str, rule: &Rule) -> String {
    let before = serde_json::from_str(approved).unwrap_or_default();
    let mut changes = changes(&before, &rule.definition());
    let free = |field: &str| FREE.contains(&field) || matches!(field, "cap" | "guard");
    changes.sort_by_key(|change| change.field.split('.').next().is_some_and(free));
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How long a definition lets its next change wait; absent where it lets it not.
pub(super) fn cool_off(definition: &str) -> Option<Period> {
    let definition: Json = serde_json::from_str(definition).ok()?;
    period(&definition["guard"]["cool_off"])
}

fn period(json: &Json) -> Option<Period> {
    Period::parse(json.as_str()?).ok()
}

/// Whether every rule that kept rows still does, as it did.
fn keeps_as_much(before: &Json, after: &Json) -> bool {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return false };
    before.iter().all(|(rule, digest)| after.get(rule) == Some(digest))
}

/// Whether a limit is at least as tight as it was; empty: none.
fn limits_as_much(before: &Json, after: &Json) -> bool {
    let limit = |json: &Json| json.as_str().map(str::to_owned).unwrap_or_default();
    let (before, after) = (limit(before), limit(after));
    before.is_empty()
        || matches!((before.parse::<f64>(), after.parse::<f64>()), (Ok(before), Ok(after)) if after <= before)
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Predicate, Since, TableRef, Value, WhenNull};

    use super::{narrows, shown};
    use crate::rules::testing::rule;
    use crate::rules::{CoolOff, LegalBasis, Mode, Period, RowEvidence, Rule};

    /// What is changed, whether that narrows, and how it is done.
    type Case<'a> = (&'a str, bool, &'a dyn Fn(&mut Rule));

    fn leads() -> Rule {
        Rule { predicate: Predicate::equal("status", Value::Text("closed".into())), ..rule("leads", "lead") }
    }

    #[test]
    fn only_what_the_structure_shows_to_mean_no_more_rows_narrows() {
        let keep = |text: &str| Period::parse(text).unwrap();
        let changes: [Case<'_>; 19] = [
            ("nothing", true, &|_| {}),
            ("longer", true, &|rule| rule.keep_for = keep("31d")),
            ("shorter", false, &|rule| rule.keep_for = keep("29d")),
            ("not to be told", false, &|rule| rule.keep_for = keep("1mo")),
            ("purpose", true, &|rule| rule.purpose = Some("another".into())),
            ("legal basis", true, &|rule| rule.legal_basis = Some(LegalBasis::Consent)),
            ("cap", true, &|rule| rule.cap.rows_per_run = Some(5)),
            ("guard", true, &|rule| rule.guard.cool_off = CoolOff::None),
            ("a limit set", true, &|rule| rule.guard.rows_max = Some(5)),
            ("evidence", true, &|rule| rule.row_evidence = RowEvidence::Commitments),
            ("one more rule keeps rows", true, &|rule| drop(rule.kept_by.insert("keeper".into(), "aa".into()))),
            ("no condition", false, &|rule| rule.predicate = Predicate::always()),
            ("another condition", false, &|rule| rule.predicate = Predicate::equal("n", Value::Int(1))),
            ("a native condition", false, &|rule| rule.native = Some("true".into())),
            ("another since", false, &|rule| rule.since = Since::column("opened_at")),
            ("NULL", false, &|rule| rule.when_null = Some(WhenNull::Delete)),
            ("another table", false, &|rule| rule.table = TableRef::parse("call")),
            ("another database", false, &|rule| rule.database = "shop".into()),
            ("mode", false, &|rule| rule.mode = Mode::Observe),
        ];
        let approved = leads().definition().to_string();
        for (what, expected, change) in changes {
            let mut changed = leads();
            change(&mut changed);
            assert_eq!(narrows(&approved, &changed), expected, "{what}");
        }
        let mut kept = leads();
        kept.kept_by.insert("keeper".into(), "aa".into());
        assert!(!narrows(&kept.definition().to_string(), &leads()), "a rule that kept rows is gone");
        assert!(!narrows("damaged", &leads()));
    }

    #[test]
    fn what_can_make_rows_due_is_said_first() {
        let mut changed = Rule { keep_for: Period::parse("29d").unwrap(), ..leads() };
        changed.guard.rows_max = Some(5);
        let text = shown(&leads().definition().to_string(), &changed);
        assert_eq!(text, "keep_for: 30d -> 29d, guard.rows_max: none -> 5");
    }

    #[test]
    fn limits_are_tightened_at_once_and_loosened_like_everything_else() {
        let limited = |cap: Option<u64>, rows: Option<u64>, share: Option<f64>| {
            let mut rule = leads();
            rule.cap.rows_per_run = cap;
            (rule.guard.rows_max, rule.guard.share_max) = (rows, share);
            rule
        };
        let approved = limited(Some(100), Some(1_000), Some(0.2)).definition().to_string();
        for (rule, narrower) in [
            (limited(Some(100), Some(1_000), Some(0.2)), true),
            (limited(Some(99), Some(999), Some(0.1)), true),
            (limited(Some(101), Some(1_000), Some(0.2)), false),
            (limited(Some(100), Some(1_001), Some(0.2)), false),
            (limited(Some(100), Some(1_000), Some(0.21)), false),
            (limited(None, Some(1_000), Some(0.2)), false),
            (limited(Some(100), None, Some(0.2)), false),
            (limited(Some(100), Some(1_000), None), false),
        ] {
            assert_eq!(narrows(&approved, &rule), narrower, "{:?} {:?}", rule.cap, rule.guard);
        }
    }
}
