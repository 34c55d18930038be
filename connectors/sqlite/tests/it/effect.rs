//! What happened against what was announced, with everything SQLite can do behind a delete.

use forgetd_connector::{Cause, Commit, Fault, FaultClass, Receipt};
use forgetd_testkit::Arena;

use crate::fixture::{arena, dated, ids, order};

const TEN: &str = "create table item (id integer primary key, at date, boss integer);
  insert into item (at) with recursive s (n) as (select 1 union all select n + 1 from s where n < 10)
  select '2024-01-01' from s;";

async fn change(sql: &str) -> (Result<forgetd_connector::Effect, Fault>, Arena, crate::fixture::File) {
    let (arena, file) = arena(&format!("{TEN} {sql}")).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&order(100)).await;
    if effect.is_ok() {
        assert_eq!(lane.commit(&arena.receipt("0", 1, None)).await, Commit::Committed);
    }
    (effect, arena, file)
}

fn cascaded(effect: &forgetd_connector::Effect) -> Vec<(String, u64)> {
    effect.cascaded.iter().map(|(table, rows)| (table.to_string(), *rows)).collect()
}

#[tokio::test]
async fn cascades_are_counted_with_and_without_row_ids() {
    let tag = |name: &str| {
        format!(
            "create table {name} (item int references item (id) on delete cascade, tag text, primary key (item, tag))
             without rowid; insert into {name} values (1, 'a'), (1, 'b'), (2, 'a'), (10, 'z');"
        )
    };
    let call = "create table call (id integer primary key, item int references item (id) on delete cascade);
      create table note (id integer primary key, call int references call (id) on delete cascade);
      insert into call values (1, 1), (2, 1), (3, 9); insert into note (call) values (1), (1), (3);";
    let (effect, ..) = change(call).await;
    assert_eq!(cascaded(&effect.unwrap()), [("call".into(), 3), ("note".into(), 3)]);
    let (effect, ..) = change(&format!("{call} {}", tag("tag"))).await;
    assert_eq!(cascaded(&effect.unwrap()), [("call".into(), 3), ("note".into(), 3), ("tag".into(), 4)]);
    let (effect, _, file) = change(&format!("{} {}", tag("tag"), tag("mark"))).await;
    assert_eq!(cascaded(&effect.unwrap()), [("mark".into(), 4), ("tag".into(), 4)]);
    assert_eq!(ids(&file, "item"), [0; 0]);
}

#[tokio::test]
async fn what_sets_null_loses_nothing() {
    let (effect, _, file) = change(
        "create table call (id integer primary key, item int references item (id) on delete set null);
         insert into call values (1, 1), (2, 3)",
    )
    .await;
    let effect = effect.unwrap();
    assert_eq!((effect.changed, cascaded(&effect)), (10, vec![]));
    assert_eq!(ids(&file, "call"), [1, 2]);
}

#[tokio::test]
async fn references_that_are_set_are_counted_without_row_ids_too() {
    let set = |name: &str, action: &str| {
        format!(
            "create table {name} (id integer primary key, item int references item (id) on delete {action}) without rowid;
             insert into {name} values (1, 1), (2, 1), (3, 10), (4, null);"
        )
    };
    let one = [("call".to_owned(), 3)];
    let two = [one[0].clone(), ("note".to_owned(), 3)];
    for (sql, expected) in [
        (set("call", "set null"), &one[..]),
        (set("call", "set default"), &one),
        (format!("{} {}", set("call", "set null"), set("note", "set null")), &two),
    ] {
        let (effect, ..) = change(&sql).await;
        let effect = effect.unwrap();
        let counts: Vec<_> = effect.references_set.iter().map(|(table, rows)| (table.to_string(), *rows)).collect();
        assert_eq!((counts.as_slice(), cascaded(&effect)), (expected, vec![]), "{sql}");
    }
}

/// An index for searching keeps what it knows in tables without row ids, whose rows are nobody's references.
#[tokio::test]
async fn references_are_told_from_what_an_index_for_searching_writes() {
    let found = "create virtual table found using fts5 (body, content = '');
      insert into found (rowid, body) select id, 'words of ' || id from item;
      create trigger t after delete on item begin
        insert into found (found, rowid, body) values ('delete', old.id, 'words of ' || old.id); end;";
    let call =
        "create table call (id integer primary key, item int references item (id) on delete set null) without rowid;
      insert into call values (1, 1), (2, 1), (3, 10), (4, null);";
    // Of its rows one goes, with its reference, and one stays.
    let tag = "create table tag (id integer primary key, item int references item (id) on delete cascade,
        other int references item (id) on delete set null) without rowid;
      insert into tag values (1, 1, 2), (2, null, 3);";
    for (sql, set, gone) in [
        (format!("{found} {call}"), vec![("call", 3)], vec![]),
        (format!("{found} {tag}"), vec![("tag", 1)], vec![("tag", 1)]),
        (format!("{found} {call} {tag}"), vec![("call", 3), ("tag", 1)], vec![("tag", 1)]),
    ] {
        let (effect, ..) = change(&sql).await;
        let effect = effect.unwrap();
        let named = |rows: &std::collections::BTreeMap<forgetd_connector::TableRef, u64>| {
            rows.iter().map(|(table, rows)| (table.to_string(), *rows)).collect::<Vec<_>>()
        };
        let owned = |rows: Vec<(&str, u64)>| rows.into_iter().map(|(table, rows)| (table.to_owned(), rows)).collect();
        let expected: (Vec<_>, Vec<_>) = (owned(set), owned(gone));
        assert_eq!((named(&effect.references_set), named(&effect.cascaded)), expected, "{sql}");
    }
}

/// The rows of the table itself that were set before they went as well are not among those that stay.
#[tokio::test]
async fn a_tree_counts_the_references_of_rows_that_stay() {
    for (table, expected) in [("", Ok(1)), (" without rowid", Err(Cause::EffectDiffers))] {
        let (arena, file) = arena(&format!(
            "create table item (id integer primary key, at date, boss int references item (id) on delete set null){table};
             insert into item values (1, '2024-01-01', null), (2, '2026-01-01', 1), (3, '2024-01-01', 1), (4, '2026-01-01', 2)",
        ))
        .await;
        let step = dated(&arena, "item").await;
        let mut lane = arena.lane(&step).await;
        let effect = lane.change(&order(10)).await;
        let effect = effect.map(|effect| effect.references_set.values().sum::<u64>());
        assert_eq!(effect.map_err(|fault| fault.cause()), expected);
        drop(lane);
        assert_eq!(ids(&file, "item").len(), 4);
    }
}

#[tokio::test]
async fn a_tree_that_sets_null_may_change_rows_that_stay() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date, boss int references item (id) on delete set null);
         insert into item values (1, '2024-01-01', null), (2, '2026-01-01', 1), (3, '2024-01-01', 2)",
    )
    .await;
    let step = dated(&arena, "item").await;
    assert_eq!(arena.drain(&step, 10).await.changed, 2);
    assert_eq!(ids(&file, "item"), [2]);
}

#[tokio::test]
async fn losses_that_nobody_announced_roll_back() {
    for (sql, table) in [
        ("create trigger t after delete on item when old.id = 7 begin delete from other where n = 1; end", "other"),
        ("create trigger t after delete on item begin delete from other; end", "other"),
        ("create trigger t before delete on item begin delete from pair; end", "pair"),
        // Back under another key: in the table's own count.
        (
            "create trigger t after delete on item when old.id = 2 begin insert into item (id, at) values (99, '2026-01-01'); end",
            "item",
        ),
        (
            "create trigger t after delete on item when old.id = 2 begin update item set boss = 1 where id = 5; end",
            "item",
        ),
        ("create trigger t after delete on item when old.id = 2 begin delete from item where id = 9; end", "item"),
    ] {
        let (effect, _, file) = change(&format!(
            "create table other (id integer primary key, n int); insert into other (n) values (1), (2);
             create table pair (a int, b int, primary key (a, b)) without rowid; insert into pair values (1, 1); {sql};"
        ))
        .await;
        let fault = effect.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::EffectDiffers), "{sql}");
        assert_eq!(fault.detail.as_deref(), Some(table), "{sql}");
        assert_eq!((ids(&file, "item").len(), ids(&file, "other").len()), (10, 2), "{sql}");
    }
}

#[tokio::test]
async fn an_index_for_searching_forgets_with_its_rows() {
    let tag = "create table tag (item int references item (id) on delete cascade, tag text, primary key (item, tag))
      without rowid; insert into tag values (1, 'a'), (1, 'b'), (2, 'a')";
    let found =
        "create virtual table found using fts5 (body, content = ''); create virtual table kept using fts5 (body);
      insert into found (rowid, body) select id, 'item ' || id from item;
      insert into kept (rowid, body) select id, 'item ' || id from item";
    for forgets in [
        "insert into found (found, rowid, body) values ('delete', old.id, 'item ' || old.id)",
        "delete from kept where rowid = old.id",
    ] {
        let trigger = format!("create trigger t after delete on item begin {forgets}; end");
        let (effect, ..) = change(&format!("{found}; {tag}; {trigger};")).await;
        let effect = effect.unwrap();
        assert_eq!((effect.changed, cascaded(&effect)), (10, vec![("tag".into(), 3)]), "{forgets}");
    }
    // A table that only looks like a part of the index is nobody's shadow.
    let stranger = "create table kept_mine (item int); insert into kept_mine values (1)";
    let trigger =
        "create trigger t after delete on item begin delete from kept where rowid = old.id; delete from kept_mine; end";
    let (effect, ..) = change(&format!("{found}; {stranger}; {trigger};")).await;
    assert_eq!(effect.unwrap_err().detail.as_deref(), Some("kept_mine"));
}

#[tokio::test]
async fn a_foreign_key_made_after_the_plan_is_not_announced() {
    let (arena, file) = arena(TEN).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(1)).await.unwrap();
    lane.undo().await.unwrap();
    file.open()
        .execute_batch(
            "create table call (id integer primary key, item int references item (id) on delete cascade);
             insert into call values (1, 2)",
        )
        .unwrap();
    let fault = lane.change(&order(100)).await.unwrap_err();
    assert_eq!((fault.cause(), fault.detail.as_deref()), (Cause::EffectDiffers, Some("call")));
}

#[tokio::test]
async fn copies_that_a_trigger_makes_are_no_loss() {
    let (effect, _, file) = change(
        "create table log (id integer primary key, item int);
         create trigger t after delete on item begin insert into log (item) values (old.id); end;",
    )
    .await;
    assert_eq!(effect.unwrap().changed, 10);
    assert_eq!(ids(&file, "log").len(), 10);
}

#[tokio::test]
async fn a_trigger_that_cancels_all_stops_the_rule_and_one_that_chooses_costs_its_rows() {
    let cancels = "create trigger t before delete on item begin select raise(ignore); end;";
    let (effect, _, file) = change(cancels).await;
    assert_eq!(effect.unwrap_err().class, FaultClass::Blocked(Cause::TriggerCancels));
    assert_eq!(ids(&file, "item").len(), 10);

    let chooses = "create trigger t before delete on item when old.id in (4, 5) begin select raise(ignore); end;";
    let (arena, file) = arena(&format!("{TEN} {chooses}")).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(100)).await.unwrap_err().class, FaultClass::Row(Cause::TriggerCancels));
    drop(lane);
    let done = arena.drain(&step, 8).await;
    assert_eq!((done.changed, done.passed), (8, 2));
    assert_eq!(ids(&file, "item"), [4, 5]);
}

#[tokio::test]
async fn every_kind_of_forbidding_foreign_key_costs_one_row() {
    for clause in ["", "on delete restrict", "on delete no action"] {
        let (arena, file) = arena(&format!(
            "{TEN} create table bill (id integer primary key, item int references item (id) {clause});
             insert into bill values (1, 6)"
        ))
        .await;
        let step = dated(&arena, "item").await;
        let done = arena.drain(&step, 8).await;
        assert_eq!((done.changed, done.passed), (9, 1), "{clause}");
        assert_eq!(ids(&file, "item"), [6], "{clause}");
    }
}

#[tokio::test]
async fn a_deferred_foreign_key_fails_at_commit_and_takes_the_receipt_along() {
    let (arena, file) = arena(&format!(
        "{TEN} create table bill (id integer primary key,
           item int references item (id) deferrable initially deferred);
         insert into bill values (1, 1)"
    ))
    .await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let receipt = arena.receipt("0", 1, None);
    assert_eq!(lane.change(&order(5)).await.unwrap().changed, 5);
    let Commit::RolledBack(fault) = lane.commit(&receipt).await else { panic!("a child was orphaned") };
    assert_eq!(fault.class, FaultClass::Row(Cause::ForeignKey));
    assert_eq!(ids(&file, "item").len(), 10);
    assert_eq!(arena.connector.control().pending_count().await.unwrap(), 0);
    // Alone it is passed; the next order goes on behind it.
    assert_eq!(lane.change(&order(1)).await.unwrap().changed, 1);
    assert!(matches!(lane.commit(&receipt).await, Commit::RolledBack(_)));
    let (rows, next) = lane.pass(&order(1)).await.unwrap();
    assert_eq!(rows, 1);
    let effect = lane.change(&forgetd_connector::Order { from: next.cursor().cloned(), ..order(100) }).await.unwrap();
    assert_eq!(effect.changed, 9);
    assert_eq!(lane.commit(&receipt).await, Commit::Committed);
    assert_eq!(ids(&file, "item"), [1]);
}

#[tokio::test]
async fn a_taken_sequence_takes_the_delete_back() {
    let (arena, file) = arena(TEN).await;
    let first = arena.receipt("0", 1, None);
    assert_eq!(arena.connector.control().append(&first).await, Commit::Committed);
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(100)).await.unwrap().changed, 10);
    let second = Receipt { body: b"{}".to_vec(), ..first.clone() };
    assert_eq!(lane.commit(&second).await, Commit::Fenced);
    assert_eq!(ids(&file, "item").len(), 10);
    assert_eq!(arena.connector.control().bodies(None, 10).await.unwrap()[0].body, first.body);
}
