//! Rows that stay: what is written beside what was asked, and what keeps them from it.

use forgetd_connector::{Action, Cause, Compare, FaultClass, Key, LockWait, Order, RowCap, Value};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::{arena, order, step};
use crate::server::Product;
use crate::steps::{sealed, tagging};

const ITEM: &str = "create table item (id int primary key, at datetime(3) not null, email varchar(50), done datetime, \
   seen timestamp not null default current_timestamp on update current_timestamp, key (at)) ENGINE; \
   insert into item (id, at, email, seen) values (1, '2020-01-01', 'a', '2020-01-01'), \
   (2, '2020-01-02', '\u{1F600}', '2020-01-01'), (3, '2020-01-03', null, '2020-01-01'), (4, '2026-01-01', 'd', '2020-01-01')";

fn item(engine: &str) -> String {
    ITEM.replace("ENGINE", &format!("engine = {engine}"))
}

/// Columns that the engine sets to the current moment keep theirs: rows would escape their rules otherwise.
#[tokio::test]
async fn clocks_of_the_engine_stand_still() {
    for product in Product::each() {
        for marker in [None, Some("done")] {
            let (arena, database) = arena(product, &item("innodb")).await;
            let step = tagging(&arena, "item", marker).await;
            let due = if marker.is_some() { 3 } else { 2 };
            assert_eq!(arena.connector.measure(&step, RowCap(None)).await.unwrap().due.rows(), Some(due));
            assert_eq!(arena.drain(&step, 2).await.changed, due);
            assert_eq!(database.texts("select distinct seen from item").await, ["2020-01-01 00:00:00"]);
            let emails = database.texts("select email from item order by id").await;
            assert_eq!(emails, ["p1.a", "p1.\u{1F600}", "NULL", "d"]);
            let done = database.number("select count(*) from item where done = '2025-01-01'").await;
            assert_eq!(done, if marker.is_some() { 3 } else { 0 });
        }
    }
}

/// A trigger that puts the old value back leaves the row as it was: it is not counted as written.
#[tokio::test]
async fn what_a_trigger_puts_back_is_found() {
    let back = "; create trigger back before update on item for each row set new.email = old.email";
    for product in Product::each() {
        for (marker, cause) in [(None, Cause::TriggerCancels), (Some("done"), Cause::EffectDiffers)] {
            let (arena, database) = arena(product, &format!("{}{back}", item("innodb"))).await;
            let step = tagging(&arena, "item", marker).await;
            let mut lane = arena.transforming(&step).await;
            for compare in [Compare::All, Compare::Announced] {
                let fault = lane.change(&Order { compare, ..order(10) }).await.unwrap_err();
                assert!(fault.cause() == cause || fault.cause() == Cause::TriggerCancels, "{product:?} {fault}");
            }
            assert_eq!(database.number("select count(*) from item where email like 'p1.%'").await, 0);
            assert_eq!(database.number("select count(*) from item where done is not null").await, 0);
        }
    }
}

/// A trigger that moves the moment rolls back, whatever the role can see of it.
#[tokio::test]
async fn a_moment_that_moves_is_found() {
    let moves = "; create trigger moves before update on item for each row set new.at = old.at + interval 1 second";
    for product in Product::each() {
        let (arena, database) = arena(product, &format!("{}{moves}", item("innodb"))).await;
        let step = tagging(&arena, "item", None).await;
        let mut lane = arena.transforming(&step).await;
        let fault = lane.change(&Order { compare: Compare::Announced, ..order(10) }).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::SinceMoved), "{fault}");
        assert_eq!(database.number("select count(*) from item where email like 'p1.%'").await, 0);
    }
}

/// A value that does not fit costs its row, in every mode of the server's.
#[tokio::test]
async fn a_value_that_does_not_fit_costs_its_row() {
    for product in Product::each() {
        let sql = item("innodb").replace("varchar(50)", "varchar(4)");
        let (arena, database) = arena(product, &sql).await;
        database.sql("update item set email = 'abcd' where id = 2").await;
        let step = tagging(&arena, "item", None).await;
        let done = arena.drain(&step, 4).await;
        assert_eq!((done.changed, done.passed), (1, 1), "{product:?}");
        assert_eq!(database.texts("select email from item where id = 2").await, ["abcd"]);
    }
}

/// Without locks, a row that was changed after it was picked is met by what it holds now; and one that is no longer due
/// stays as it is.
#[tokio::test]
async fn rows_without_locks_are_judged_when_they_are_written() {
    for product in Product::each() {
        let (arena, database) = arena(product, &item("myisam")).await;
        let step = tagging(&arena, "item", Some("done")).await;
        let mut lane = sealed(&arena, &step).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        assert_eq!(keys.len(), 3);
        database.sql("update item set at = '2026-01-01' where id = 1").await;
        let outcome = lane.finish(&keys).await.unwrap();
        assert_eq!((outcome.changed, outcome.gone, outcome.kept), (2, 3, 0));
        let emails = database.texts("select email from item order by id").await;
        assert_eq!(emails, ["a", "p1.\u{1F600}", "NULL", "d"]);
        // A key that no row has is nobody's row; one that no row can have is not looked for.
        let outcome = lane.finish(&[Key(vec![Value::Int(77)])]).await.unwrap();
        assert_eq!((outcome.changed, outcome.kept), (0, 0));
        let strange = [Key(vec![Value::Text("1) or (1".into())]), Key(vec![Value::Int(77)])];
        let fault = lane.finish(&strange).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Blocked(Cause::CatalogDrift), "{fault}");
    }
}

/// A row that a trigger refuses stays, and on a table without transactions those before it are gone all the same: they are
/// counted as gone when the rest is tried again.
#[tokio::test]
async fn a_refused_row_of_a_table_without_transactions() {
    let refuses = "; create trigger refuses before delete on item for each row begin \
         if old.id = 2 then signal sqlstate '45000' set message_text = 'marker of a row'; end if; end";
    for product in Product::each() {
        let (arena, database) = arena(product, &format!("{}{refuses}", item("myisam"))).await;
        let step = step(&arena, "item").await;
        let mut lane = sealed(&arena, &step).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        let fault = lane.finish(&keys).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Row(Cause::RowRefused), "{fault}");
        let (mut changed, mut kept) = (0, 0);
        for key in &keys {
            match lane.finish(std::slice::from_ref(key)).await {
                Ok(outcome) => {
                    assert_eq!((outcome.gone, outcome.kept), (1, 0));
                    changed += outcome.changed;
                }
                Err(_) => kept += lane.look(std::slice::from_ref(key)).await.unwrap().kept,
            }
        }
        assert_eq!((changed, kept), (2, 1), "{product:?}");
        assert_eq!(database.texts("select id from item order by id").await, ["2", "4"]);
    }
}

/// What comes too late keeps no row: without transactions it is deleted, or written, and told so.
#[tokio::test]
async fn an_error_behind_the_change_keeps_no_row() {
    for product in Product::each() {
        for event in ["delete", "update"] {
            let refuses = format!(
                "; create trigger refuses after {event} on item for each row begin \
                 if old.id = 2 then signal sqlstate '45000' set message_text = 'marker of a row'; end if; end"
            );
            let (arena, database) = arena(product, &format!("{}{refuses}", item("myisam"))).await;
            let step = match event {
                "delete" => step(&arena, "item").await,
                _ => tagging(&arena, "item", Some("done")).await,
            };
            let mut lane = sealed(&arena, &step).await;
            let keys = lane.pick(&order(10)).await.unwrap().keys;
            let (mut changed, mut gone, mut parts) = (0, 0, vec![keys.as_slice()]);
            while let Some(part) = parts.pop() {
                match lane.finish(part).await {
                    Ok(outcome) => (changed, gone) = (changed + outcome.changed, gone + outcome.gone),
                    Err(fault) => {
                        assert!(part.len() > 1, "{product:?} {event}: {fault}");
                        let (left, right) = part.split_at(part.len() / 2);
                        parts.extend([right, left]);
                    }
                }
            }
            assert_eq!((changed, gone), (3, 3), "{product:?} {event}");
            let left = database.number("select count(*) from item where at < '2025-01-01' and done is null").await;
            assert_eq!(left, 0, "{product:?} {event}");
        }
    }
}

/// What was read is compared with what a row holds as texts, whatever character set the column has.
#[tokio::test]
async fn texts_of_other_character_sets_are_compared() {
    for product in Product::each() {
        for charset in ["latin1", "utf16", "utf8mb4"] {
            let sql = item("myisam").replace("varchar(50)", &format!("varchar(50) character set {charset}"));
            let (arena, database) = arena(product, &sql.replace('\u{1F600}', "Jos\u{e9}")).await;
            let step = tagging(&arena, "item", None).await;
            let mut lane = sealed(&arena, &step).await;
            let keys = lane.pick(&order(10)).await.unwrap().keys;
            let outcome = lane.finish(&keys).await.unwrap();
            assert_eq!((outcome.changed, outcome.gone, outcome.kept), (2, 2, 0), "{product:?} {charset}");
            assert_eq!(database.texts("select email from item where id = 2").await, ["p1.Jos\u{e9}"]);
        }
    }
}

fn rows(tables: &std::collections::BTreeMap<forgetd_connector::TableRef, u64>) -> Vec<(&str, u64)> {
    tables.iter().map(|(table, rows)| (table.name.as_str(), *rows)).collect()
}

/// Foreign keys that set columns to NULL, and those that follow: some versions count what these do, and others do not.
#[tokio::test]
async fn what_foreign_keys_change_is_counted() {
    for product in Product::each() {
        let (arena, database) = arena(
            product,
            "create table item (id int primary key, at datetime not null, email varchar(50) collate utf8mb4_bin unique, \
             key (at)); \
             create table child (id int primary key, item int, foreign key (item) references item (id) on delete set null); \
             create table letter (id int primary key, email varchar(50) collate utf8mb4_bin, \
             foreign key (email) references item (email) on update cascade on delete cascade); \
             insert into item values (1,'2020-01-01','a'), (2,'2020-01-01','b'), (3,'2026-01-01','c'); \
             insert into child values (1,1), (2,1), (3,2), (4,3); insert into letter values (1,'a'), (2,'a'), (3,'c')",
        )
        .await;
        let mut writes = tagging(&arena, "item", None).await;
        if let Action::Transform(rewrite) = &mut writes.action {
            rewrite.follows = writes.table.cascades_to();
        }
        let mut lane = arena.transforming(&writes).await;
        let effect = lane.change(&order(10)).await.unwrap();
        assert_eq!((effect.changed, rows(&effect.cascaded)), (2, vec![("letter", 2)]), "{product:?}");
        lane.undo().await.unwrap();
        let mut lane = sealed(&arena, &writes).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        let outcome = lane.finish(&keys).await.unwrap();
        assert_eq!((outcome.changed, rows(&outcome.cascaded)), (2, vec![("letter", 2)]), "{product:?}");
        assert_eq!(database.texts("select email from letter order by id").await, ["p1.a", "p1.a", "c"]);
        let mut deletes = step(&arena, "item").await;
        deletes.may_cascade = deletes.table.cascades_to();
        let mut lane = arena.lane(&deletes).await;
        let effect = lane.change(&order(10)).await.unwrap();
        assert_eq!((effect.changed, rows(&effect.cascaded)), (2, vec![("letter", 2)]), "{product:?}");
        assert_eq!(rows(&effect.references_set), [("child", 3)], "{product:?}");
        lane.undo().await.unwrap();
        let mut lane = sealed(&arena, &deletes).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        let outcome = lane.finish(&keys).await.unwrap();
        assert_eq!((outcome.changed, outcome.gone, outcome.kept), (2, 2, 0), "{product:?}");
        assert_eq!(rows(&outcome.references_set), [("child", 3)], "{product:?}");
        assert_eq!(database.texts("select item from child order by id").await, ["NULL", "NULL", "NULL", "3"]);
    }
}

/// Rows of the table itself that two cascades into one other table set are counted, each once.
#[tokio::test]
async fn what_two_cascades_set_is_counted() {
    for product in Product::each() {
        let (arena, database) = arena(
            product,
            "create table item (id int primary key, at datetime not null, last int, key (at)); \
             create table child (id int primary key, item int, other int, \
             constraint a foreign key (item) references item (id) on delete cascade, \
             constraint b foreign key (other) references item (id) on delete cascade); \
             insert into item values (1,'2020-01-01',null), (2,'2020-01-01',null), (3,'2026-01-01',1), (4,'2026-01-01',1), \
             (5,'2026-01-01',1), (6,'2026-01-01',2), (7,'2026-01-01',3); \
             insert into child values (1,1,3), (2,3,2), (3,3,4); \
             alter table item add foreign key (last) references child (id) on delete set null",
        )
        .await;
        let mut step = step(&arena, "item").await;
        step.may_cascade = step.table.cascades_to();
        let mut lane = arena.lane(&step).await;
        let effect = lane.change(&order(10)).await.unwrap();
        assert_eq!((effect.changed, rows(&effect.cascaded)), (2, vec![("child", 2)]), "{product:?}");
        assert_eq!(rows(&effect.references_set), [("item", 4)], "{product:?}");
        lane.undo().await.unwrap();
        let mut lane = sealed(&arena, &step).await;
        let keys = lane.pick(&order(10)).await.unwrap().keys;
        assert_eq!(rows(&lane.finish(&keys).await.unwrap().references_set), [("item", 4)], "{product:?}");
        let last = database.texts("select last from item order by id").await;
        assert_eq!(last, ["NULL", "NULL", "NULL", "NULL", "3"], "{product:?}");
    }
}

/// Ten parents and fifty children that a cascade would take without a word.
#[tokio::test]
async fn cascades_are_counted() {
    for product in Product::each() {
        let (arena, _) = arena(
            product,
            "create table item (id int primary key, code varchar(9) collate utf8mb4_general_ci not null unique, \
             at datetime not null, key (at)); \
             create table child (id int primary key, code varchar(9) collate utf8mb4_general_ci, \
             constraint a foreign key (code) references item (code) on delete cascade); \
             create table grandchild (id int primary key, child int, \
             constraint b foreign key (child) references child (id) on delete cascade); \
             insert into item values (1,'a','2020-01-01'), (2,'B','2020-01-01'), (3,'c','2026-01-01'); \
             insert into child values (1,'a'), (2,'A'), (3,'b'), (4,'c'), (5,null); \
             insert into grandchild values (1,1), (2,1), (3,2), (4,4), (5,null)",
        )
        .await;
        let mut step = step(&arena, "item").await;
        step.may_cascade = step.table.cascades_to();
        let mut lane = arena.lane(&step).await;
        for locks in [LockWait::Wait, LockWait::Skip] {
            let effect = lane.change(&Order { locks, ..order(10) }).await.unwrap();
            assert_eq!((effect.changed, rows(&effect.cascaded)), (2, vec![("child", 3), ("grandchild", 3)]));
            lane.undo().await.unwrap();
        }
        assert_eq!(arena.count("grandchild").await, 5);
    }
}
