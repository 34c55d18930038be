use forgetd_connector::{
    Atomicity, Catalog, Cause, ColumnKind, OnDelete, Predicate, SinceForm, Step, Table, TableKind, TableRef, Value,
    WhenNull,
};
use jiff::{Timestamp, tz::TimeZone};

use super::step;
use crate::plan::testing::{reference, rule, table};
use crate::rules::{Mode, Period, Policy, RowEvidence, Rule};

const NOW: &str = "2026-06-30T12:00:00Z";

fn plan(rule: &Rule, table: Table) -> Result<Step, Vec<Cause>> {
    plan_in(rule, table, Atomicity::Atomic, &Policy::default())
}

fn plan_in(rule: &Rule, table: Table, atomicity: Atomicity, policy: &Policy) -> Result<Step, Vec<Cause>> {
    let now: Timestamp = NOW.parse().unwrap();
    let catalog = Catalog { tables: vec![table] };
    step(rule, &catalog, "crm", now, atomicity, policy)
        .map_err(|findings| findings.iter().map(|finding| finding.blocking_cause().unwrap()).collect())
}

#[test]
fn a_step_holds_the_resolved_table_and_the_cutoff() {
    let step = plan(&rule("leads", "lead"), table("lead", ColumnKind::Instant)).unwrap();
    assert_eq!(step.selection.table, TableRef { schema: Some("main".into()), name: "lead".into() });
    assert_eq!(step.selection.cutoff.0.to_string(), "2026-05-31T12:00:00Z");
    assert_eq!(step.selection.when_null, WhenNull::Keep);
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
        rule.since.form = form;
        rule.since.zone = zone.clone().filter(|_| zoned);
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
        assert_eq!(step.selection.when_null, when_null);
    }
}

#[test]
fn literals_are_of_their_columns_type() {
    let equal = |column: &str, value: Value| Predicate::Equal { column: column.into(), value };
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
        (
            Predicate::In { column: "id".into(), values: vec![Value::Int(1), Value::Bool(true)] },
            Some(Cause::ColumnType),
        ),
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
    let with = |mode: Mode| Policy { rules: vec![Rule { mode, ..rule("calls", "call") }] };
    let plan_with = |policy: &Policy| plan_in(&rule("leads", "lead"), parent(), Atomicity::Atomic, policy);
    assert_eq!(plan_with(&Policy::default()), Err(vec![Cause::Cascade]));
    assert_eq!(plan_with(&with(Mode::Observe)), Err(vec![Cause::Cascade]));
    let step = plan_with(&with(Mode::Enforce)).unwrap();
    assert_eq!(step.may_cascade.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["call"]);
    let elsewhere = Policy { rules: vec![Rule { database: "other".into(), ..rule("calls", "call") }] };
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
    rule.since.column = "nope".into();
    rule.predicate = Predicate::Equal { column: "gone".into(), value: Value::Int(1) };
    let table = Table { kind: TableKind::View, ..table("lead", ColumnKind::Instant) };
    assert_eq!(plan(&rule, table), Err(vec![Cause::TableKind, Cause::ColumnMissing, Cause::ColumnMissing]));
}

#[test]
fn a_period_beyond_the_calendar_is_refused() {
    let rule = Rule { keep_for: Period::parse("19000y").unwrap(), ..rule("r", "lead") };
    assert_eq!(plan(&rule, table("lead", ColumnKind::Instant)), Err(vec![Cause::ColumnType]));
}
