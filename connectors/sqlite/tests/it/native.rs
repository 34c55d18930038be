//! Conditions in SQLite's own language: kept in their parentheses, and checked before anything runs.

use std::sync::Arc;

use forgetd_connector::{
    Cause, Except, FaultClass, Finding, Predicate, RowCap, Selection, SinceForm, Untouched, Value,
};

use crate::fixture::{arena, due, selection};

const ITEMS: &str =
    "create table item (id integer primary key, at int not null default 0, state text, `say \"x\"` int);
    insert into item (id, state) values (1, 'a'), (2, 'b'), (3, null), (4, ') or (1');
    insert into item values (5, 4102444800, 'a', 1);
    create table other (item int, state text); insert into other values (1, 'z'), (4, 'z')";

fn native(text: &str) -> Selection {
    let mut selection = selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
    selection.terms.native = Some(text.into());
    selection
}

#[tokio::test]
async fn it_narrows_and_never_widens() {
    let (arena, _file) = arena(ITEMS).await;
    for (text, expected) in [
        ("1", &[1, 2, 3, 4][..]),
        ("state = 'a'", &[1]),
        ("state <> 'a'", &[2, 4]),
        ("state = 'a' or 1", &[1, 2, 3, 4]),
        ("null", &[]),
        ("0", &[]),
        ("'text'", &[]),
        ("state = 'a' -- and a comment", &[1]),
        ("state = 'a' /* and ( another */ or state = ') or (1'", &[1, 4]),
        ("item.state = 'a' or main.item.state = 'b'", &[1, 2]),
        ("exists (select 1 from other where other.item = item.id)", &[1, 4]),
        ("id in (select item from other)", &[1, 4]),
        ("\"state\" = 'a'", &[1]),
        ("[state] = 'a' or `state` = 'b'", &[1, 2]),
        ("\"say \"\"x\"\"\" is null and state glob '[ab]'", &[1, 2]),
        ("json_extract('{\"a\": \"b\"}', '$.a') = state", &[2]),
        ("at < unixepoch('now')", &[1, 2, 3, 4]),
    ] {
        assert_eq!(due(&arena, native(text)).await, expected, "{text}");
    }
    let mut both = native("state = 'a' or state = 'b'");
    both.terms.predicate = Predicate::equal("state", Value::Text("b".into()));
    assert_eq!(due(&arena, both).await, [2]);
}

#[tokio::test]
async fn what_is_no_expression_blocks_the_rule_before_a_run() {
    let (arena, file) = arena(ITEMS).await;
    for (text, said) in [
        ("state = 'a') or (1", "a parenthesis is closed that was not opened"),
        ("state = 'a", "a quote does not end"),
        ("1 /* ", "a comment does not end"),
        ("1; delete from item", "a semicolon"),
        ("id = ?1", "a parameter"),
        ("id = :id", "a parameter"),
    ] {
        let step = arena.step(native(text)).await;
        for fault in [
            arena.connector.statements(&step).unwrap_err(),
            arena.connector.preflight(&step).await.unwrap_err(),
            arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await.err().unwrap(),
        ] {
            assert_eq!((fault.cause(), fault.place.as_str()), (Cause::Native, "crm.item"), "{text}");
            assert!(fault.detail.as_ref().unwrap().contains(said), "{fault}");
        }
    }
    for (text, said) in [
        ("gone = 'marker'", "no such column: gone"),
        ("\"a\" = state", "no such column: a"),
        ("id in (select id from gone)", "no such table: gone"),
        ("app_function(id)", "no such function: app_function"),
        ("state = = 'marker'", "it is no expression of SQLite"),
        ("count(*) > 'marker'", "it is no expression of SQLite"),
        ("delete from item", "it is no expression of SQLite"),
        ("random() % 2 or 'marker'", "calls random()"),
        ("id < RANDOM()", "calls random()"),
        ("state = hex(randomblob(4))", "calls randomblob()"),
        ("last_insert_rowid() > 0", "calls last_insert_rowid()"),
        ("load_extension('marker')", "calls load_extension()"),
    ] {
        let findings = arena.connector.preflight(&arena.step(native(text)).await).await.unwrap();
        let blocking: Vec<&Finding> = findings.iter().filter(|finding| finding.blocking_cause().is_some()).collect();
        let [finding] = blocking.as_slice() else { panic!("{text}: {findings:?}") };
        assert_eq!((finding.blocking_cause(), finding.place.as_str()), (Some(Cause::Native), "crm.item"), "{text}");
        assert!(finding.message.contains(said) && !finding.message.contains("marker"), "{text}: {finding:?}");
    }
    assert_eq!(crate::fixture::ids(&file, "item").len(), 5);
}

#[tokio::test]
async fn another_rule_s_condition_is_checked_and_named_too() {
    let (arena, _file) = arena(ITEMS).await;
    let mut selection = native("1");
    selection.except.push(Except::Kept { rule: "keeper".into(), terms: native("gone").terms });
    let findings = arena.connector.preflight(&arena.step(selection).await).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.contains("where_native of the rule keeper: no such column: gone"), "{findings:?}");
}

#[tokio::test]
async fn what_fails_on_a_row_is_said_to() {
    let (arena, file) = arena(ITEMS).await;
    let step = arena.step(native("json_extract(state, '$.marker') is null")).await;
    assert_eq!(arena.connector.preflight(&step).await.unwrap(), []);
    let mut lane = arena.lane(&step).await;
    for fault in [
        arena.connector.measure(&step, RowCap(None)).await.unwrap_err(),
        arena.connector.survivors(&step).await.unwrap_err(),
        lane.change(&crate::fixture::order(10)).await.unwrap_err(),
    ] {
        assert_eq!(fault.class, FaultClass::Blocked(Cause::Native));
        assert!(!format!("{fault} {fault:?}").contains("marker"), "{fault}");
    }
    assert_eq!(crate::fixture::ids(&file, "item").len(), 5);
}
