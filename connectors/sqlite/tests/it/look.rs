//! Looking: describe, preflight, measure and statements.

use forgetd_connector::{Cause, Count, Finding, RowCap, Severity};

use crate::fixture::{arena, dated};

async fn findings(sql: &str) -> Vec<Finding> {
    let (arena, _file) = arena(sql).await;
    let step = dated(&arena, "item").await;
    arena.connector.preflight(&step).await.unwrap()
}

fn blocking(findings: &[Finding]) -> Vec<Cause> {
    findings.iter().filter_map(Finding::blocking_cause).collect()
}

const ITEM: &str = "create table item (id integer primary key, at date); create index item_at on item (at);";

#[tokio::test]
async fn an_ordinary_table_has_no_findings() {
    assert_eq!(findings(ITEM).await, []);
}

#[tokio::test]
async fn views_and_virtual_tables_have_no_statements() {
    let (arena, _file) = arena(&format!("{ITEM} create view seen as select * from item")).await;
    let mut step = dated(&arena, "item").await;
    step.table.kind = forgetd_connector::TableKind::View;
    assert_eq!(arena.connector.preflight(&step).await.unwrap_err().cause(), Cause::TableKind);
    assert_eq!(arena.connector.statements(&step).unwrap_err().cause(), Cause::TableKind);
}

#[tokio::test]
async fn triggers_are_named_by_what_they_can_do() {
    let sql = format!(
        "{ITEM} create table log (id integer primary key); create table side (id integer primary key);
         create trigger quiet before delete on item begin select RAISE ( IGNORE ); end;
         create trigger loud before delete on item when old.id = 5 begin select raise(abort, 'marker'); end;
         create trigger copies after delete on item begin insert into log values (old.id); end;
         create trigger takes after delete on item begin delete from side; end;
         create trigger elsewhere after update on item begin select raise(abort, 'no'); end"
    );
    let findings = findings(&sql).await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:?}");
    let mut ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["trigger_before_delete", "trigger_before_delete", "trigger_copies", "trigger_deletes"]);
    let text = format!("{findings:?}");
    for named in
        ["trigger quiet can cancel", "trigger loud can refuse", "takes deletes from side", "copies writes to log"]
    {
        assert!(text.contains(named), "{named}: {text}");
    }
    assert!(!text.contains("marker") && !text.contains("elsewhere"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_prepared_is_found_before_the_run() {
    let sql = format!("{ITEM} create trigger t after delete on item begin insert into gone values (old.id); end");
    assert_eq!(blocking(&findings(&sql).await), [Cause::TableMissing]);
    let sql = format!(
        "{ITEM} create table call (id integer primary key, other text references item (at)); create index c on call (other)"
    );
    assert_eq!(blocking(&findings(&sql).await), [Cause::ForeignKey]);
    let sql = format!("{ITEM} create trigger t after delete on item begin select app_function(old.id); end");
    assert_eq!(blocking(&findings(&sql).await), [Cause::Unsupported]);
}

#[tokio::test]
async fn counting_stops_at_its_cap() {
    let (arena, file) = arena(&format!(
        "{ITEM} insert into item (at) values ('2024-01-01'), ('2024-01-02'), ('2024-01-03'), ('2026-01-01')"
    ))
    .await;
    let step = dated(&arena, "item").await;
    let capped = arena.connector.measure(&step, RowCap(Some(2))).await.unwrap();
    assert_eq!((capped.due, capped.total), (Count::Capped(2), Count::Capped(2)));
    let exact = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!((exact.due, exact.total), (Count::Exact(3), Count::Exact(4)));
    file.open().execute_batch("analyze").unwrap();
    let step = dated(&arena, "item").await;
    let estimated = arena.connector.measure(&step, RowCap(Some(2))).await.unwrap();
    assert_eq!((estimated.due, estimated.total), (Count::Capped(2), Count::Estimate(4)));
}

#[tokio::test]
async fn statements_are_readable_and_hold_no_literal() {
    let (arena, _file) = arena(&format!("{ITEM} create table plain (n int, at date)")).await;
    let shown = arena.connector.statements(&dated(&arena, "item").await).unwrap();
    assert_eq!(shown.walk, "since");
    assert_eq!(
        shown.change,
        format!(
            "delete from main.`item` indexed by `item_at`\nwhere `at` >= ?2\n  and `at` < ?3\n  and {}",
            shown.predicate
        )
    );
    assert!(!shown.count.contains("2025"), "{}", shown.count);
    let plain = arena.connector.statements(&dated(&arena, "plain").await).unwrap();
    assert_eq!(plain.walk, "physical");
    assert!(plain.change.contains("rowid > ?2\n  and rowid <= ?3"), "{}", plain.change);
}
