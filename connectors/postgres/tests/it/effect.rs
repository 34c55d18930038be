//! What happened against what was announced.

use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Cause, Commit, Compare, FaultClass, Key, Lane, LockWait, Order, Step, TableRef, Untouched,
};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{arena, attempt, order, step};

const ITEM: &str = "create table item (id int primary key, at date not null, parent int);
  insert into item select n, date '2024-01-01' + n % 10 from generate_series(1, 200) n;
  create table other (id int primary key, n int); insert into other select n, 0 from generate_series(1, 50) n;";

async fn differs(arena: &Arena, table: &str) {
    let step = step(arena, "item").await;
    let before = arena.count("item").await;
    let fault = attempt(arena, &step, &order(10)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::EffectDiffers), "{fault}");
    assert_eq!(fault.detail.as_deref(), Some(table), "{fault}");
    assert_eq!(arena.count("item").await, before);
}

fn trigger(when: &str, body: &str) -> String {
    format!(
        "{ITEM} create function f() returns trigger language plpgsql as $$ begin {body}; return old; end $$;
         create trigger f {when} delete on item for each row execute function f()"
    )
}

#[tokio::test]
async fn rows_lost_or_changed_elsewhere_roll_back() {
    for (body, table) in [
        ("delete from other where id = old.id", "public.other"),
        ("update other set n = n + 1 where id = 1", "public.other"),
        ("update item set at = at where id = old.id + 100", "crm.item"),
        ("delete from item where id = old.id + 100", "crm.item"),
    ] {
        let (arena, _) = arena(&trigger("after", body)).await;
        differs(&arena, table).await;
    }
}

#[tokio::test]
async fn an_audit_trigger_may_insert() {
    let (arena, _) = arena(&trigger("after", "insert into other select max(id) + 1 from other")).await;
    let step = step(&arena, "item").await;
    assert_eq!(arena.drain(&step, 50).await.changed, 200);
    assert_eq!(arena.count("other").await, 250);
}

#[tokio::test]
async fn a_trigger_outside_the_closure_is_seen_when_all_tables_are_compared() {
    let (arena, database) = arena(&trigger("after", "delete from other where id = old.id")).await;
    let step = step(&arena, "item").await;
    let announced = Order { compare: Compare::Announced, ..order(10) };
    assert_eq!(attempt(&arena, &step, &announced).await.unwrap().changed, 10);
    differs(&arena, "public.other").await;
    assert_eq!(database.number("select count(*) from other").await, 50);
}

#[tokio::test]
async fn cascades_go_down_and_children_may_be_set_null() {
    let (arena, database) = arena(&format!(
        "{ITEM} create table child (id int primary key, item int references item on delete cascade);
         create table grandchild (id int, child int references child on delete cascade);
         create table note (id int, item int references item on delete set null, child int references child on delete set default);
         insert into child select n, n from generate_series(1, 100) n;
         insert into grandchild select n, n from generate_series(1, 30) n;
         insert into note select n, n, n from generate_series(1, 40) n"
    ))
    .await;
    let mut step = step(&arena, "item").await;
    step.may_cascade = vec![TableRef::parse("public.child"), TableRef::parse("public.grandchild")];
    let mut names: Vec<_> = step.table.cascades_to().iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["public.child", "public.grandchild"]);
    let findings = arena.connector.preflight(&step).await.unwrap();
    assert!(findings.iter().all(|finding| finding.blocking_cause().is_none()), "{findings:?}");
    for compare in [Compare::All, Compare::Announced] {
        let effect = attempt(&arena, &step, &Order { compare, ..order(200) }).await.unwrap();
        assert_eq!(effect.changed, 200);
        let cascaded: Vec<_> = effect.cascaded.iter().map(|(table, n)| (table.to_string(), *n)).collect();
        assert_eq!(cascaded, [("public.child".into(), 100), ("public.grandchild".into(), 30)]);
    }
    let sealed = Step { atomicity: Atomicity::Sealed, ..step.clone() };
    let Lane::Sealed(mut lane) = arena.connector.lane(&sealed, &arena.claim(), Arc::new(Untouched)).await.unwrap()
    else {
        panic!("a sealed step")
    };
    let picked = lane.pick(&order(200)).await.unwrap();
    let some: Vec<Key> = picked.keys.into_iter().filter(|key| key.0[0].canonical_text().len() == 1).collect();
    let outcome = lane.finish(&some).await.unwrap();
    let cascaded: Vec<_> = outcome.cascaded.iter().map(|(table, n)| (table.to_string(), *n)).collect();
    assert_eq!((outcome.changed, cascaded), (9, vec![("public.child".into(), 9), ("public.grandchild".into(), 9)]));
    arena.drain(&step, 50).await;
    assert_eq!(database.number("select count(*) from note where item is null and child is null").await, 40);
}

#[tokio::test]
async fn a_cascade_into_partitions_names_the_partitions() {
    let (arena, _) = arena(&format!(
        "{ITEM} create table child (id int, item int references item on delete cascade) partition by range (id);
         create table child_1 partition of child for values from (0) to (50);
         create table child_2 partition of child for values from (50) to (1000);
         insert into child select n, n from generate_series(1, 100) n"
    ))
    .await;
    let mut step = step(&arena, "item").await;
    step.may_cascade = step.table.cascades_to();
    let names: Vec<_> = step.may_cascade.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["public.child_1", "public.child_2"]);
    let effect = attempt(&arena, &step, &order(200)).await.unwrap();
    assert_eq!(effect.cascaded.values().sum::<u64>(), 100);
}

/// There the parent of the partitions alone holds the key, and a rule for it cannot be written: the plan refuses.
#[tokio::test]
async fn a_cascade_from_a_partition_into_partitions_names_their_parent() {
    let (arena, _) = arena(
        "create table whole (id int, at date not null, primary key (id)) partition by range (id);
         create table item partition of whole for values from (0) to (1000);
         create table child (id int, item int references whole on delete cascade) partition by range (id);
         create table child_1 partition of child for values from (0) to (1000)",
    )
    .await;
    let step = step(&arena, "item").await;
    let names: Vec<_> = step.table.cascades_to().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["public.child"]);
}

#[tokio::test]
async fn a_cascade_inside_the_table_takes_no_row_that_is_not_due() {
    let (arena, _) = arena(
        "create table item (id int primary key, at date not null, parent int references item on delete cascade);
         insert into item values (1, '2024-01-01', null), (2, '2026-01-01', 1)",
    )
    .await;
    differs(&arena, "crm.item").await;
}

#[tokio::test]
async fn a_deferred_key_is_met_before_the_receipt() {
    let (arena, _) = arena(&format!(
        "{ITEM} create table child (id int, item int references item deferrable initially deferred);
         insert into child values (1, 7)"
    ))
    .await;
    let step = step(&arena, "item").await;
    let fault = attempt(&arena, &step, &order(200)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Row(Cause::ForeignKey), "{fault}");
    assert_eq!(fault.detail.as_deref(), Some("public.child.child_item_fkey"));
    let drained = arena.drain(&step, 100).await;
    assert_eq!((drained.changed, drained.passed), (199, 1));
}

#[tokio::test]
async fn a_trigger_that_cancels_all_stops_the_rule_and_one_that_chooses_costs_its_rows() {
    let (arena, _) = arena(&trigger("before", "return null")).await;
    let cancelled = step(&arena, "item").await;
    let findings = arena.connector.preflight(&cancelled).await.unwrap();
    assert!(findings.iter().any(|finding| finding.id == "trigger_before_delete"), "{findings:?}");
    let fault = attempt(&arena, &cancelled, &order(200)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::TriggerCancels), "{fault}");
    assert_eq!(arena.count("item").await, 200);

    let (arena, _) = self::arena(&trigger("before", "if old.id in (77, 78) then return null; end if")).await;
    let chosen = step(&arena, "item").await;
    let fault = attempt(&arena, &chosen, &order(200)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Row(Cause::TriggerCancels), "{fault}");
    assert_eq!(arena.count("item").await, 200);
    let drained = arena.drain(&chosen, 100).await;
    assert_eq!((drained.changed, drained.passed), (198, 2));
}

#[tokio::test]
async fn a_locked_child_is_a_row_that_is_passed() {
    let (arena, database) = arena(&format!(
        "{ITEM} create table child (id int primary key, item int references item on delete cascade);
         insert into child values (1, 7)"
    ))
    .await;
    let held = database.hold("child", "id = 1").await;
    let step = step(&arena, "item").await;
    let fault = attempt(&arena, &step, &order(200)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Locked);
    let skip = Order { locks: LockWait::Skip, ..order(200) };
    let fault = attempt(&arena, &step, &skip).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Row(Cause::Locked));
    held.release().await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(200)).await.unwrap().changed, 200);
    assert_eq!(lane.commit(&arena.receipt("0", 1, None)).await, Commit::Committed);
}

/// A child's foreign key makes the server look at the child, so a lock on it stops every batch just as well.
#[tokio::test]
async fn a_table_locked_whole_is_no_row_to_blame() {
    let (arena, database) =
        arena(&format!("{ITEM} create table child (id int primary key, item int references item)")).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let skip = Order { locks: LockWait::Skip, ..order(200) };
    let other = database.session().await;
    for lock in ["lock table item in share mode", "lock table child in exclusive mode"] {
        other.batch_execute(&format!("begin; {lock}")).await.unwrap();
        assert_eq!(lane.change(&order(200)).await.unwrap_err().class, FaultClass::Locked, "{lock}");
        assert_eq!(lane.change(&skip).await.unwrap_err().class, FaultClass::LockedWhole, "{lock}");
        other.batch_execute("rollback").await.unwrap();
    }
    assert_eq!(lane.change(&skip).await.unwrap().changed, 200);
    lane.undo().await.unwrap();
}
