use forgetd_connector::{
    Atomicity, Catalog, Cause, ColumnKind, Except, Joined, Latest, OnDelete, Predicate, Since, SinceColumn, SinceForm,
    Stays, Step, Table, TableKind, TableRef, Value, WhenNull,
};
use jiff::{Timestamp, tz::TimeZone};

use super::step;
use crate::plan::tables_below;
use crate::plan::testing::{reference, rule, table};
use crate::rules::{Action, Mode, Period, Policy, RowEvidence, Rule};

const NOW: &str = "2026-06-30T12:00:00Z";

fn plan(rule: &Rule, table: Table) -> Result<Step, Vec<Cause>> {
    plan_in(rule, table, Atomicity::Atomic, &Policy::default())
}

fn plan_in(rule: &Rule, table: Table, atomicity: Atomicity, policy: &Policy) -> Result<Step, Vec<Cause>> {
    let now: Timestamp = NOW.parse().unwrap();
    let catalog = Catalog { tables: vec![table, self::table("call", ColumnKind::Instant)] };
    step(rule, &catalog, "crm", now, atomicity, policy)
        .map_err(|findings| findings.iter().map(|finding| finding.blocking_cause().unwrap()).collect())
}

#[test]
fn a_step_holds_the_resolved_table_and_the_cutoff() {
    let step = plan(&rule("leads", "lead"), table("lead", ColumnKind::Instant)).unwrap();
    assert_eq!(step.selection.table, TableRef { schema: Some("main".into()), name: "lead".into() });
    assert_eq!(step.selection.terms.cutoff.0.to_string(), "2026-05-31T12:00:00Z");
    assert_eq!(step.selection.terms.when_null, WhenNull::Keep);
    assert_eq!(step.place("crm"), "crm.main.lead");
}

#[test]
fn a_table_that_is_not_there_or_not_plain_is_refused() {
    assert_eq!(plan(&rule("r", "other"), table("lead", ColumnKind::Instant)), Err(vec![Cause::TableMissing]));
    for kind in [TableKind::Partitioned, TableKind::View, TableKind::Foreign] {
        let table = Table { kind, ..table("lead", ColumnKind::Instant) };
        assert_eq!(plan(&rule("r", "lead"), table), Err(vec![Cause::TableKind]));
    }
}

#[test]
fn since_fits_its_column_or_the_plan_refuses() {
    use ColumnKind::{Bool, Date, Instant, Integer, NaiveTime, Number, Other, Text};
    use SinceForm::{Iso8601, Timestamp, UnixMs, UnixS};
    let zone = TimeZone::get("Europe/Stockholm").ok();
    for (kind, form, zoned, refused) in [
        (Instant, None, false, None),
        (Instant, None, true, None),
        (NaiveTime, None, false, Some(Cause::ZoneMissing)),
        (NaiveTime, None, true, None),
        (Date, None, false, Some(Cause::ZoneMissing)),
        (Date, Some(SinceForm::Date), true, None),
        (Date, Some(Timestamp), true, Some(Cause::ColumnType)),
        (Text, None, true, Some(Cause::ColumnType)),
        (Text, Some(Timestamp), true, None),
        (Text, Some(Timestamp), false, Some(Cause::ZoneMissing)),
        (Text, Some(SinceForm::Date), false, Some(Cause::ZoneMissing)),
        (Text, Some(Iso8601), false, None),
        (Text, Some(UnixS), false, Some(Cause::ColumnType)),
        (Integer, None, false, Some(Cause::ColumnType)),
        (Integer, Some(UnixS), false, None),
        (Number, Some(UnixMs), false, None),
        (Integer, Some(Iso8601), false, Some(Cause::ColumnType)),
        (Bool, None, false, Some(Cause::ColumnType)),
        (Other, None, false, Some(Cause::ColumnType)),
    ] {
        let mut rule = rule("r", "lead");
        let zone = zone.clone().filter(|_| zoned);
        rule.since = Since::Column(SinceColumn { column: "closed_at".into(), zone, form });
        let found = plan(&rule, table("lead", kind));
        assert_eq!(found.err(), refused.map(|cause| vec![cause]), "{kind:?} {form:?} zone {zoned}");
    }
}

#[test]
fn null_is_never_guessed_about() {
    let nullable = || {
        let mut table = table("lead", ColumnKind::Instant);
        table.columns[1].nullable = true;
        table.columns.push(crate::plan::testing::column("created_at", ColumnKind::Instant));
        table
    };
    let said = |when_null: Option<WhenNull>| Rule { when_null, ..rule("r", "lead") };
    assert_eq!(plan(&said(None), nullable()), Err(vec![Cause::WhenNullMissing]));
    assert_eq!(plan(&said(Some(WhenNull::Use("nope".into()))), nullable()), Err(vec![Cause::ColumnMissing]));
    assert_eq!(plan(&said(Some(WhenNull::Use("id".into()))), nullable()), Err(vec![Cause::ColumnType]));
    for when_null in [WhenNull::Keep, WhenNull::Delete, WhenNull::Use("created_at".into())] {
        let step = plan(&said(Some(when_null.clone())), nullable()).unwrap();
        assert_eq!(step.selection.terms.when_null, when_null);
    }
}

#[test]
fn literals_are_of_their_columns_type() {
    let equal = |column: &str, value: Value| Predicate::equal(column, value);
    for (predicate, refused) in [
        (equal("status", Value::Text("closed".into())), None),
        (equal("status", Value::Int(1)), Some(Cause::ColumnType)),
        (equal("id", Value::Int(1)), None),
        (equal("id", Value::Real(1.5)), Some(Cause::ColumnType)),
        (equal("score", Value::Int(1)), None),
        (equal("score", Value::Real(1.5)), None),
        (equal("active", Value::Bool(true)), None),
        (equal("active", Value::Text("true".into())), Some(Cause::ColumnType)),
        (equal("closed_at", Value::Text("2026-01-01".into())), Some(Cause::ColumnType)),
        (equal("nope", Value::Int(1)), Some(Cause::ColumnMissing)),
        (Predicate::one_of("id", vec![Value::Int(1), Value::Bool(true)]), Some(Cause::ColumnType)),
    ] {
        let rule = Rule { predicate: Predicate::All(vec![predicate.clone()]), ..rule("r", "lead") };
        let found = plan(&rule, table("lead", ColumnKind::Instant));
        assert_eq!(found.err(), refused.map(|cause| vec![cause]), "{predicate:?}");
    }
}

#[test]
fn sealed_batches_and_commitments_need_a_key() {
    let keyless = || Table { key: vec![], ..table("lead", ColumnKind::Instant) };
    let committed = Rule { row_evidence: RowEvidence::Commitments, ..rule("r", "lead") };
    assert!(plan(&rule("r", "lead"), keyless()).is_ok());
    assert_eq!(plan(&committed, keyless()), Err(vec![Cause::NoKey]));
    let sealed = plan_in(&rule("r", "lead"), keyless(), Atomicity::Sealed, &Policy::default());
    assert_eq!(sealed, Err(vec![Cause::NoKey]));
}

#[test]
fn a_cascade_needs_a_rule_that_deletes_there() {
    let parent = || {
        let mut table = table("lead", ColumnKind::Instant);
        table.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
        table.referenced_by.push(reference("note", "lead", OnDelete::Refuse));
        table
    };
    let with = |mode: Mode| Policy { rules: vec![Rule { mode, ..rule("calls", "call") }], ..Policy::default() };
    let plan_with = |policy: &Policy| plan_in(&rule("leads", "lead"), parent(), Atomicity::Atomic, policy);
    assert_eq!(plan_with(&Policy::default()), Err(vec![Cause::Cascade]));
    assert_eq!(plan_with(&with(Mode::Observe)), Err(vec![Cause::Cascade]));
    let step = plan_with(&with(Mode::Enforce)).unwrap();
    assert_eq!(step.may_cascade.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["call"]);
    let elsewhere =
        Policy { rules: vec![Rule { database: "other".into(), ..rule("calls", "call") }], ..Policy::default() };
    assert_eq!(plan_with(&elsewhere), Err(vec![Cause::Cascade]));
}

#[test]
fn a_table_that_cascades_into_itself_is_refused() {
    let mut table = table("lead", ColumnKind::Instant);
    table.referenced_by.push(reference("lead", "lead", OnDelete::Cascade));
    assert_eq!(plan(&rule("r", "lead"), table), Err(vec![Cause::Cascade]));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut rule = rule("r", "lead");
    rule.since = Since::column("nope");
    rule.predicate = Predicate::equal("gone", Value::Int(1));
    let table = Table { kind: TableKind::View, ..table("lead", ColumnKind::Instant) };
    assert_eq!(plan(&rule, table), Err(vec![Cause::TableKind, Cause::ColumnMissing, Cause::ColumnMissing]));
}

#[test]
fn a_period_beyond_the_calendar_is_refused() {
    let rule = Rule { keep_for: Period::parse("19000y").unwrap(), ..rule("r", "lead") };
    assert_eq!(plan(&rule, table("lead", ColumnKind::Instant)), Err(vec![Cause::ColumnType]));
}

#[test]
fn a_child_that_is_kept_longer_or_only_in_part_forbids_the_cascade() {
    let mut parent = table("lead", ColumnKind::Instant);
    parent.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
    let calls = || rule("calls", "call");
    let keep_for = |text: &str| Period::parse(text).unwrap();
    let partial = Predicate::equal("status", Value::Text("closed".into()));
    for (child, allowed) in [
        (calls(), true),
        (Rule { keep_for: keep_for("29d"), ..calls() }, true),
        (Rule { keep_for: keep_for("31d"), ..calls() }, false),
        (Rule { keep_for: keep_for("7y"), ..calls() }, false),
        (Rule { predicate: partial, ..calls() }, false),
        (Rule { native: Some("true".into()), ..calls() }, false),
        (Rule { action: Action::Keep, keep_for: keep_for("1d"), ..calls() }, false),
    ] {
        let policy = Policy::new(vec![child.clone()]);
        let found = plan_in(&rule("leads", "lead"), parent.clone(), Atomicity::Atomic, &policy);
        assert_eq!(found.is_ok(), allowed, "{} {:?} {:?}", child.keep_for, child.predicate, child.action);
    }
}

/// Half a year ago the clocks of Sydney were one hour ahead of where they are now.
#[test]
fn the_same_period_in_another_zone_is_not_longer() {
    let mut parent = table("lead", ColumnKind::Instant);
    parent.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
    let half_a_year = |rule| Rule { keep_for: Period::parse("6mo").unwrap(), ..rule };
    let mut child = half_a_year(rule("calls", "call"));
    let zone = TimeZone::get("Australia/Sydney").ok();
    child.since = Since::Column(SinceColumn { column: "closed_at".into(), zone, form: None });
    let policy = Policy::new(vec![child]);
    plan_in(&half_a_year(rule("leads", "lead")), parent, Atomicity::Atomic, &policy).unwrap();
}

#[test]
fn rules_that_keep_stand_in_every_step_of_their_table() {
    let keeper = Rule {
        action: Action::Keep,
        keep_for: Period::parse("7y").unwrap(),
        predicate: Predicate::equal("status", Value::Text("won".into())),
        mode: Mode::Observe,
        ..rule("won", "lead")
    };
    let elsewhere = Rule { action: Action::Keep, ..rule("calls", "call") };
    let policy = Policy::new(vec![keeper.clone(), elsewhere]);
    let step = plan_in(&rule("leads", "lead"), table("lead", ColumnKind::Instant), Atomicity::Atomic, &policy).unwrap();
    let [Except::Kept { rule: name, terms }] = step.selection.except.as_slice() else {
        panic!("{:?}", step.selection.except)
    };
    assert_eq!((name.as_str(), &terms.predicate), ("won", &keeper.predicate));
    assert_eq!(terms.cutoff.0.to_string(), "2019-06-30T12:00:00Z");
    // A rule that cannot keep what it says stops the others.
    let broken = Policy::new(vec![Rule { since: Since::column("nope"), ..keeper }]);
    let found = plan_in(&rule("leads", "lead"), table("lead", ColumnKind::Instant), Atomicity::Atomic, &broken);
    assert_eq!(found, Err(vec![Cause::ColumnMissing]));
}

#[test]
fn activity_is_looked_for_in_a_described_table() {
    let latest = |table: &str, at: &str, or: Option<&str>| {
        let column = |name: &str| SinceColumn { column: name.into(), zone: None, form: None };
        Since::Latest(Box::new(Latest {
            table: TableRef::parse(table),
            at: column(at),
            on: vec![Joined { other: "id".into(), own: "id".into() }],
            or: or.map(column),
        }))
    };
    let rule = |since| Rule { since, ..rule("r", "lead") };
    let plan = |rule: &Rule| {
        let tables = vec![table("lead", ColumnKind::Instant), table("call", ColumnKind::Instant)];
        let now = NOW.parse().unwrap();
        step(rule, &Catalog { tables }, "crm", now, Atomicity::Atomic, &Policy::default())
            .map_err(|findings| findings.iter().map(|finding| finding.blocking_cause().unwrap()).collect::<Vec<_>>())
    };
    let fits = rule(latest("call", "closed_at", Some("closed_at")));
    assert_eq!(super::super::tables(&fits, &Policy::default()), [TableRef::parse("lead"), TableRef::parse("call")]);
    let step = plan(&fits).unwrap();
    assert_eq!(step.others.iter().map(|table| table.name.name.as_str()).collect::<Vec<_>>(), ["call"]);
    for (since, refused) in [
        (latest("call", "closed_at", None), Cause::WhenNullMissing),
        (latest("nope", "closed_at", Some("closed_at")), Cause::TableMissing),
        (latest("call", "status", Some("closed_at")), Cause::ColumnType),
        (latest("call", "gone", Some("closed_at")), Cause::ColumnMissing),
        (latest("call", "closed_at", Some("gone")), Cause::ColumnMissing),
    ] {
        assert_eq!(plan(&rule(since.clone())), Err(vec![refused]), "{since}");
    }
}

#[test]
fn children_that_are_not_due_by_their_own_rule_hold_their_parents() {
    let mut lead = table("lead", ColumnKind::Instant);
    lead.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
    let policy = Policy::new(vec![rule("calls", "call"), rule("leads", "lead")]);
    let step = plan_in(&rule("leads", "lead"), lead.clone(), Atomicity::Atomic, &policy).unwrap();
    let [Except::Child(child)] = step.selection.except.as_slice() else { panic!("{:?}", step.selection.except) };
    assert_eq!(child.on, [Joined { other: "lead_id".into(), own: "id".into() }]);
    let Stays::UnlessDue(due) = &child.stays else { panic!("{child:?}") };
    assert_eq!(due.iter().map(|step| step.rule.as_str()).collect::<Vec<_>>(), ["calls"]);
    assert!(step.selection.looks_elsewhere());
    let known = Catalog { tables: vec![lead.clone()] };
    assert_eq!(tables_below(&rule("leads", "lead"), &known, &policy), [TableRef::parse("call")]);
    let all = Catalog { tables: vec![lead, table("call", ColumnKind::Instant)] };
    assert_eq!(tables_below(&rule("leads", "lead"), &all, &policy), []);
}

#[test]
fn cascades_in_a_circle_are_refused() {
    let mut lead = table("lead", ColumnKind::Instant);
    lead.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
    let mut call = table("call", ColumnKind::Instant);
    call.referenced_by.push(reference("lead", "call", OnDelete::Cascade));
    let policy = Policy::new(vec![rule("calls", "call"), rule("leads", "lead")]);
    let catalog = Catalog { tables: vec![lead, call] };
    let found = step(&rule("leads", "lead"), &catalog, "crm", NOW.parse().unwrap(), Atomicity::Atomic, &policy);
    let findings = found.unwrap_err();
    assert!(findings[0].message.contains("in a circle"), "{findings:?}");
}

#[test]
fn a_rule_that_keeps_rows_nobody_can_find_stops_every_rule_of_its_database() {
    let keeper = |table: &str| Rule { action: Action::Keep, ..rule("kept", table) };
    let step_with = |keeper: Rule, kind: TableKind| {
        let tables = vec![
            table("lead", ColumnKind::Instant),
            Table { kind, rows_in: vec![TableRef::parse("main.call_1")], ..table("call", ColumnKind::Instant) },
        ];
        let policy = Policy::new(vec![rule("leads", "lead"), keeper]);
        step(&rule("leads", "lead"), &Catalog { tables }, "crm", NOW.parse().unwrap(), Atomicity::Atomic, &policy)
    };
    assert!(step_with(keeper("call"), TableKind::Plain).is_ok());
    let elsewhere = Rule { database: "other".into(), ..keeper("nope") };
    assert!(step_with(elsewhere, TableKind::Plain).is_ok());
    for (keeper, kind, cause, fix) in [
        (keeper("nope"), TableKind::Plain, Cause::TableMissing, "no rule of this database deletes"),
        (keeper("call"), TableKind::Partitioned, Cause::TableKind, "each of main.call_1"),
        (keeper("call"), TableKind::View, Cause::TableKind, "each of main.call_1"),
    ] {
        let findings = step_with(keeper, kind).unwrap_err();
        assert_eq!((findings.len(), findings[0].blocking_cause()), (1, Some(cause)), "{findings:?}");
        assert!(findings[0].fix.contains(fix), "{findings:?}");
    }
}

#[test]
fn a_name_without_a_schema_allows_the_table_that_it_means_and_no_other() {
    let mut lead = table("lead", ColumnKind::Instant);
    lead.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
    let policy = Policy::new(vec![rule("calls", "call"), rule("leads", "lead")]);
    let found = |call: TableRef| {
        let tables = vec![lead.clone(), Table { name: call, ..table("call", ColumnKind::Instant) }];
        step(&rule("leads", "lead"), &Catalog { tables }, "crm", NOW.parse().unwrap(), Atomicity::Atomic, &policy)
    };
    assert!(found(TableRef::parse("main.call")).is_ok());
    let findings = found(TableRef::parse("archive.call")).unwrap_err();
    assert_eq!(findings[0].blocking_cause(), Some(Cause::Cascade), "{findings:?}");
}

/// A collection declares nothing: any field can be missing and of any type, and only names that no path can hold are refused.
#[test]
fn fields_of_a_collection_are_taken_by_their_paths() {
    use SinceForm::{Date, ObjectId};
    let collection = || {
        let mut table = table("lead", ColumnKind::Any);
        table.kind = TableKind::Collection;
        table.columns.clear();
        table
    };
    let counted = |column: &str, form| Since::Column(SinceColumn { column: column.into(), zone: None, form });
    let said = |since| Rule { since, when_null: Some(WhenNull::Keep), ..rule("leads", "lead") };
    for (rule, refused) in [
        (said(counted("profile.seen_at", None)), vec![]),
        (said(counted("_id", Some(ObjectId))), vec![]),
        (said(counted("day", Some(Date))), vec![Cause::ZoneMissing]),
        (said(counted(r"a\.b", None)), vec![Cause::ColumnMissing]),
        (said(counted("a..b", None)), vec![Cause::ColumnMissing]),
        (Rule { when_null: None, ..said(counted("seen_at", None)) }, vec![Cause::WhenNullMissing]),
        (Rule { when_null: Some(WhenNull::Use("made.at".into())), ..said(counted("seen_at", None)) }, vec![]),
        (
            Rule { predicate: Predicate::equal("$where", Value::Int(1)), ..said(counted("at", None)) },
            vec![Cause::ColumnMissing],
        ),
        (Rule { predicate: Predicate::equal("tags", Value::Bool(true)), ..said(counted("at", None)) }, vec![]),
    ] {
        let found = plan_in(&rule, collection(), Atomicity::Sealed, &Policy::default());
        assert_eq!(found.map(|_| ()).err().unwrap_or_default(), refused, "{:?} {:?}", rule.since, rule.predicate);
    }
}
