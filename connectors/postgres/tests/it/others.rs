//! Other tables: what the role needs there, who guards them, and who locks them.

use forgetd_connector::{Cause, FaultClass, Finding, Joined, LockWait, Order, RowCap, Severity, Since, Step, WhenNull};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::blind::{as_role, blocking};
use crate::fixture::{arena, due, order};
use crate::since::{counted_from, latest};

const SHOP: &str = "create table item (id int primary key, note text); create schema shop;
  create table shop.orders (item int references item, made timestamptz, secret text); create index on shop.orders (item);
  insert into item select n from generate_series(1, 9) n; insert into shop.orders select n, '2024-01-01' from generate_series(1, 4) n;
  create function gone() returns trigger language plpgsql security definer as $$ begin delete from shop.orders where item = old.id; return old; end $$;";

async fn in_shop(arena: &Arena) -> Step {
    let Since::Latest(mut since) = latest(None) else { unreachable!() };
    since.table = forgetd_connector::TableRef::parse("shop.orders");
    arena.step(counted_from(Since::Latest(since), WhenNull::Delete)).await
}

#[tokio::test]
async fn the_printed_grants_suffice_for_other_tables_too() {
    let (arena, database) = arena(SHOP).await;
    database.sql("delete from shop.orders where item > 2").await;
    let step = in_shop(&arena).await;
    let grants = arena.connector.step_grants(&step, "ROLE").replace("\"ROLE\"", "ROLE");
    let (arena, role) = as_role(arena, &database, &grants).await;
    assert_eq!(blocking(&*arena.connector, &step).await, []);
    // What is read is enough.
    database
        .sql(&format!("revoke select on shop.orders from {role}; grant select (item, made) on shop.orders to {role}"))
        .await;
    assert_eq!(blocking(&*arena.connector, &step).await, []);
    assert_eq!(due(&arena, step.clone()).await.unwrap().len(), 9);
    for revoke in ["select (made) on shop.orders", "usage on schema shop"] {
        database.sql(&format!("revoke {revoke} from {role}")).await;
        assert_eq!(blocking(&*arena.connector, &step).await, [Cause::Privilege], "{revoke}");
        let fault = due(&arena, step.clone()).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::Privilege), "{revoke}: {fault}");
        database.sql(&format!("grant {revoke} to {role}")).await;
    }
    // The two with orders are held back by them.
    let drained = arena.drain(&step, 4).await;
    assert_eq!((drained.changed, drained.passed), (7, 2));
}

#[tokio::test]
async fn activity_that_the_role_cannot_see_is_blindness() {
    let (arena, database) = arena(SHOP).await;
    let step = in_shop(&arena).await;
    let grants = arena.connector.step_grants(&step, "ROLE").replace("\"ROLE\"", "ROLE");
    let (arena, _role) = as_role(arena, &database, &grants).await;
    database.sql("alter table shop.orders enable row level security").await;
    assert_eq!(blocking(&*arena.connector, &step).await, [Cause::RowSecurity]);
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.due, forgetd_connector::Count::Blind(Cause::RowSecurity));
    let fault = due(&arena, step.clone()).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blind(Cause::RowSecurity), "{fault}");
    assert_eq!(
        arena.connector.profile(&step, RowCap(None)).await.unwrap_err().class,
        FaultClass::Blind(Cause::RowSecurity)
    );
}

#[tokio::test]
async fn only_a_foreign_key_guards_what_comes_at_the_same_moment() {
    let on = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(other, own)| Joined { other: (*other).into(), own: (*own).into() }).collect::<Vec<_>>()
    };
    let by_item = on(&[("item", "id")]);
    let by_both = on(&[("item", "id"), ("region", "region")]);
    for (orders, joined, guarded) in [
        ("orders (item int references item, region text, made date)", &by_item, true),
        (
            "orders (item int, region text, made date, foreign key (item) references item on delete cascade)",
            &by_both,
            true,
        ),
        (
            "orders (item int, region text, made date, foreign key (item, region) references item (id, region))",
            &by_both,
            true,
        ),
        (
            "orders (item int, region text, made date, foreign key (item, region) references item (id, region))",
            &by_item,
            false,
        ),
        ("orders (item int, region text, made date, other int references item)", &by_item, false),
        ("orders (item int, region text, made date)", &by_item, false),
        // Here the row's parent is asked, and nobody can insert a second one.
        (
            "orders (item int unique, region text, made date); alter table item add foreign key (id) references orders (item)",
            &by_item,
            true,
        ),
        (
            "orders (item int references item, region text, made date); alter table orders disable trigger all",
            &by_item,
            false,
        ),
        (
            "orders (item int references item, region text, made date); create table more () inherits (orders)",
            &by_item,
            false,
        ),
        (
            "orders (item int references item, region text, made date) partition by list (region); create table more partition of orders for values in ('a')",
            &by_item,
            true,
        ),
    ] {
        let (arena, _) = arena(&format!(
            "create table item (id int primary key, region text, unique (id, region)); create table {orders}"
        ))
        .await;
        let Since::Latest(mut since) = latest(None) else { unreachable!() };
        since.on = joined.clone();
        let step = arena.step(counted_from(Since::Latest(since), WhenNull::Keep)).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        let found: Vec<&Finding> = findings.iter().filter(|finding| finding.id == "latest_unguarded").collect();
        assert_eq!(found.is_empty(), guarded, "{orders} {joined:?}: {findings:?}");
        assert!(
            found.iter().all(|finding| finding.severity == Severity::Warning && finding.place == "crm.public.orders")
        );
    }
}

#[tokio::test]
async fn a_table_that_is_read_can_be_locked_whole() {
    let (arena, database) = arena(
        "create table item (id int primary key); create table orders (item int, region text, made date) partition by list (region);
         create table orders_a partition of orders for values in ('a'); insert into item values (1); insert into orders values (1, 'a', '2024-01-01')",
    )
    .await;
    let step = arena.step(counted_from(latest(None), WhenNull::Keep)).await;
    let mut lane = arena.lane(&step).await;
    let other = database.session().await;
    for table in ["orders", "orders_a"] {
        other.batch_execute(&format!("begin; lock table {table} in access exclusive mode")).await.unwrap();
        assert_eq!(lane.change(&order(1_000)).await.unwrap_err().class, FaultClass::Locked, "{table}");
        let skip = Order { locks: LockWait::Skip, ..order(1_000) };
        assert_eq!(lane.change(&skip).await.unwrap_err().class, FaultClass::LockedWhole, "{table}");
        other.batch_execute("rollback").await.unwrap();
    }
    // Whoever only writes there keeps nobody from reading.
    other.batch_execute("begin; lock table orders in exclusive mode").await.unwrap();
    assert_eq!(lane.change(&order(1_000)).await.unwrap().changed, 1);
    lane.undo().await.unwrap();
}
