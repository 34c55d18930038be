//! Native conditions: what they mean, and that they stay where they are put.

use forgetd_connector::{Cause, Cutoff, Except, FaultClass, LockWait, RowCap};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::{arena, attempt, due, order, selection};

const ITEM: &str = "create table item (id int primary key, at date not null default '2024-01-01', c0 int, forgetd_n int, due int, v int,
    term int, c text);
  insert into item (id, c0, forgetd_n, due, v, term, c) select n, n, n, n, n, n, case n % 3 when 0 then 'a' when 1 then 'b' end
    from generate_series(1, 12) n;
  insert into item (id, at, c) values (100, '2026-01-01', 'a'), (101, '2026-01-01', 'b');
  create index on item (at);";

#[tokio::test]
async fn a_native_condition_is_one_of_many() {
    let (arena, _) = arena(ITEM).await;
    for (native, ids) in [
        ("c = 'a' or c = 'b'", "1 3 4 6 7 9 10 12"),
        ("c <> 'a' -- )", "1 4 7 10"),
        ("/* ) or ( */ t.c is null", "2 5 8 11"),
        // Names of columns mean the table's own, whatever a statement calls things of its own.
        ("c0 < 3 and forgetd_n < 3 and due < 3 and v < 3 and term < 3", "1 2"),
        ("exists (select from item o where o.id = t.id + 11)", "1"),
        ("c ~ '^[a]$' and c like E'\\x61'", "3 6 9 12"),
        ("null", ""),
    ] {
        let mut wanted = selection("item");
        wanted.terms.native = Some(native.into());
        let step = arena.step(wanted).await;
        let expected: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
        assert_eq!(due(&arena, step.clone()).await.unwrap(), expected, "{native}");
        for cap in [None, Some(3)] {
            let measure = arena.connector.measure(&step, RowCap(cap)).await.unwrap();
            assert_eq!(measure.due.rows(), Some(expected.len().min(cap.unwrap_or(100) as usize) as u64), "{native}");
        }
        for locks in [LockWait::Wait, LockWait::Skip] {
            let order = forgetd_connector::Order { locks, ..order(100) };
            assert_eq!(attempt(&arena, &step, &order).await.unwrap().changed, expected.len() as u64, "{native}");
        }
        // Exact lookups name columns of their own beside the table's.
        let mut lane = arena.lane(&step).await;
        lane.pass(&order(1)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_condition_is_refused_by_its_name() {
    let (arena, database) = arena(ITEM).await;
    database.sql("delete from item").await;
    for native in [
        "c = 'a') or (c = 'b'",
        "c = $1",
        "true; delete from item",
        "no_such_column = 1",
        "c0",
        "c = = 'a'",
        "count(*) > 1",
        "exists (select from no_such_table)",
        "",
    ] {
        let mut wanted = selection("item");
        wanted.terms.native = Some(native.into());
        let step = arena.step(wanted).await;
        let fault = due(&arena, step.clone()).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::Native), "{native}: {fault}");
        assert!(fault.detail.as_deref().unwrap().starts_with("where_native: "), "{native}: {fault}");
        let findings = arena.connector.preflight(&step).await.unwrap();
        let causes: Vec<_> = findings.iter().filter_map(forgetd_connector::Finding::blocking_cause).collect();
        assert_eq!(causes, [Cause::Native], "{native}: {findings:?}");
    }
}

/// A condition of another rule is named by that rule, and means what it means there.
#[tokio::test]
async fn a_condition_of_a_rule_that_keeps() {
    let (arena, _) = arena(ITEM).await;
    let keeping = |native: &str| {
        let mut wanted = selection("item");
        let mut terms = selection("item").terms;
        terms.cutoff = Cutoff("2020-01-01T00:00:00Z".parse().unwrap());
        terms.native = Some(native.into());
        wanted.except = vec![Except::Kept { rule: "longer".into(), terms }];
        wanted
    };
    let step = arena.step(keeping("c = 'a' or c = 'b' -- )")).await;
    assert_eq!(due(&arena, step).await.unwrap(), ["2", "5", "8", "11"]);
    for native in ["c", "c = 'a') or (true"] {
        let fault = due(&arena, arena.step(keeping(native)).await).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::Native));
        assert!(fault.detail.as_deref().unwrap().starts_with("where_native of the rule longer: "), "{fault}");
    }
}

/// The word at which the server stops reading can be somebody's name.
#[tokio::test]
async fn a_complaint_repeats_no_literal() {
    let (arena, _) = arena(ITEM).await;
    for native in ["c in ('a' 'MARKER')", "c = 'a' 'MARKER'", "c0 = 'MARKER'"] {
        let mut wanted = selection("item");
        wanted.terms.native = Some(native.into());
        let step = arena.step(wanted).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        assert!(findings.iter().any(|finding| finding.blocking_cause().is_some()), "{native}: {findings:?}");
        assert!(!format!("{findings:?}").contains("MARKER"), "{native}: {findings:?}");
    }
}
