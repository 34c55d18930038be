use forgetd_connector::{
    Atomicity, Catalog, ColumnKind, Finding, Index, Joined, Latest, OnDelete, Predicate, Severity, Since, SinceColumn,
    Table, TableRef, Value, WhenNull,
};

use super::{notes::notes, overlaps, ranked};
use crate::plan::{
    step,
    testing::{column, reference, rule, table},
};
use crate::rules::{Mode, Policy, Rule};

/// What is noted of a rule on a table, as (id, severity).
fn noted(rule: &Rule, table: Table, policy: &Policy) -> Vec<(String, Severity)> {
    let now = "2026-06-30T12:00:00Z".parse().unwrap();
    let catalog = Catalog { tables: vec![table] };
    let step = step(rule, &catalog, "crm", now, Atomicity::Atomic, policy).unwrap();
    let index = |table: &TableRef, columns: &[String]| format!("index {table} {columns:?}");
    let notes = notes(rule, &step, "crm", policy, index);
    notes.into_iter().map(|finding| (finding.id, finding.severity)).collect()
}

fn ids(rule: &Rule, table: Table) -> Vec<String> {
    noted(rule, table, &Policy::default()).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn what_slows_or_surprises_is_noted() {
    let mut lead = table("lead", ColumnKind::Instant);
    assert_eq!(ids(&rule("r", "lead"), lead.clone()), ["since_not_indexed"]);
    lead.indexes.push(Index { name: "lead_closed_at".into(), columns: vec!["closed_at".into()], unique: false });
    assert_eq!(ids(&rule("r", "lead"), lead.clone()), [""; 0]);
    let observing = Rule { mode: Mode::Observe, when_null: Some(WhenNull::Delete), ..rule("r", "lead") };
    assert_eq!(ids(&observing, lead.clone()), ["null_is_due", "observes"]);
    let mut refused = reference("call", "lead", OnDelete::Refuse);
    refused.indexed = false;
    lead.referenced_by = vec![refused, reference("note", "lead", OnDelete::Set)];
    assert_eq!(
        ids(&rule("r", "lead"), lead),
        ["foreign_key_not_indexed", "references_keep_rows", "references_are_set"]
    );
}

#[test]
fn a_missing_index_is_a_warning_unless_the_table_is_known_to_be_small() {
    for (rows, severity) in [
        (None, Severity::Warning),
        (Some(0), Severity::Info),
        (Some(100_000), Severity::Info),
        (Some(100_001), Severity::Warning),
    ] {
        let lead = Table { rows_estimate: rows, ..table("lead", ColumnKind::Instant) };
        let noted = noted(&rule("r", "lead"), lead, &Policy::default());
        assert_eq!(noted, [("since_not_indexed".into(), severity)], "{rows:?}");
    }
}

#[test]
fn activity_in_another_table_wants_an_index_there() {
    let latest = Latest {
        table: TableRef::parse("visit"),
        at: SinceColumn { column: "closed_at".into(), zone: None, form: None },
        on: vec![Joined { other: "lead_id".into(), own: "id".into() }],
        or: None,
    };
    let since = Since::Latest(Box::new(latest));
    let rule = Rule { since, when_null: Some(WhenNull::Keep), ..rule("r", "lead") };
    for indexed in [false, true] {
        let mut visit = table("visit", ColumnKind::Instant);
        visit.columns.push(column("lead_id", ColumnKind::Integer));
        if indexed {
            visit.indexes.push(Index { name: "i".into(), columns: vec!["lead_id".into()], unique: false });
        }
        let catalog = Catalog { tables: vec![table("lead", ColumnKind::Instant), visit] };
        let now = "2026-06-30T12:00:00Z".parse().unwrap();
        let step = step(&rule, &catalog, "crm", now, Atomicity::Atomic, &Policy::default()).unwrap();
        let index = |table: &TableRef, columns: &[String]| format!("index {table} {columns:?}");
        let notes = notes(&rule, &step, "crm", &Policy::default(), index);
        let places: Vec<&str> = notes.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, if indexed { &[][..] } else { &["crm.main.visit.lead_id"] });
    }
}

#[test]
fn rules_overlap_unless_a_column_tells_them_apart() {
    let of = |name: &str, table: &str, values: &[&str]| {
        let values = values.iter().map(|value| Value::Text((*value).into())).collect();
        let predicate = Predicate::All(vec![Predicate::one_of("status", values)]);
        Rule { predicate, ..rule(name, table) }
    };
    for (a, b, overlap) in [
        (of("a", "lead", &["open"]), of("b", "lead", &["closed"]), false),
        (of("a", "lead", &["open", "closed"]), of("b", "lead", &["closed"]), true),
        (of("a", "lead", &["open"]), of("b", "call", &["open"]), false),
        (of("a", "lead", &["open"]), rule("b", "lead"), true),
        (rule("a", "lead"), Rule { database: "other".into(), ..rule("b", "lead") }, false),
    ] {
        let found = overlaps(&Policy { rules: vec![a.clone(), b.clone()], ..Policy::default() });
        assert_eq!(found.len(), usize::from(overlap), "{:?} {:?}", a.predicate, b.predicate);
    }
}

#[test]
fn findings_are_ranked_and_said_once() {
    let finding = |id: &str, severity, place: &str| Finding {
        id: id.into(),
        severity,
        place: place.into(),
        message: String::new(),
        fix: String::new(),
    };
    let found = ranked(vec![
        finding("b", Severity::Info, "x"),
        finding("a", Severity::Error, "y"),
        finding("a", Severity::Error, "x"),
        finding("b", Severity::Info, "x"),
        finding("c", Severity::Warning, "x"),
        Finding { message: "of another trigger".into(), ..finding("c", Severity::Warning, "x") },
    ]);
    let shown: Vec<_> = found.iter().map(|finding| (finding.id.as_str(), finding.place.as_str())).collect();
    assert_eq!(shown, [("a", "x"), ("a", "y"), ("c", "x"), ("c", "x"), ("b", "x")]);
}
