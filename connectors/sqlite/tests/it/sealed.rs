//! The sealed lane's data side on this engine's kinds of keys and effects.

use std::sync::Arc;

use forgetd_connector::{Atomicity, Cause, FaultClass, Key, Lane, LaneClaim, Outcome, SealedLane, Untouched, Value};
use forgetd_testkit::{Arena, Ends};

use crate::fixture::{File, arena, dated, order};

async fn lane(sql: &str) -> (Box<dyn SealedLane>, Arena, File) {
    let (arena, file) = arena(sql).await;
    let mut step = dated(&arena, "item").await;
    step.atomicity = Atomicity::Sealed;
    let Lane::Sealed(lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await.unwrap() else {
        panic!("atomic")
    };
    (lane, arena, file)
}

#[tokio::test]
async fn keys_of_any_shape_find_their_rows() {
    for key in ["primary key (part, id))", "primary key (part, id)) without rowid", "unique (part, id))"] {
        let (mut lane, _arena, file) = lane(&format!(
            "create table item (part text not null collate nocase, id blob not null, at date, {key};
             insert into item values ('a', 1, '2024-01-01'), ('a', '1', '2024-01-01'), ('a', x'31', '2024-01-01'),
               ('a', 0.1, '2024-01-01'), ('b', 1, '2024-01-01'), ('c', 1, '2026-01-01')"
        ))
        .await;
        let picked = lane.pick(&order(10)).await.unwrap().keys;
        assert_eq!(picked.len(), 5, "{key}");
        let some: Vec<Key> = picked.iter().filter(|key| key.0[1] != Value::Text("1".into())).cloned().collect();
        assert_eq!(lane.look(&some).await.unwrap(), Outcome { changed: 0, gone: 0, kept: 4, ..Outcome::default() });
        assert_eq!(
            lane.finish(&some).await.unwrap(),
            Outcome { changed: 4, gone: 4, kept: 0, ..Outcome::default() },
            "{key}"
        );
        let left: i64 = file.open().query_row("select count(*) from item", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 2);
        assert_eq!(lane.finish(&[]).await.unwrap(), Outcome::default());
    }
}

#[tokio::test]
async fn a_refused_row_leaves_the_whole_call_undone() {
    let (mut lane, _arena, file) = lane(
        "create table item (id integer primary key, at date);
         insert into item (at) values ('2024-01-01'), ('2024-01-02'), ('2024-01-03');
         create table bill (id integer primary key, item int references item (id)); insert into bill values (1, 2)",
    )
    .await;
    let keys = lane.pick(&order(10)).await.unwrap().keys;
    assert_eq!(lane.finish(&keys).await.unwrap_err().class, FaultClass::Row(Cause::ForeignKey));
    assert_eq!(crate::fixture::ids(&file, "item"), [1, 2, 3]);
    assert_eq!(lane.finish(&keys[..1]).await.unwrap().changed, 1);
}

#[tokio::test]
async fn effects_are_compared_here_too() {
    let (mut lane, _arena, file) = lane(
        "create table item (id integer primary key, at date); insert into item (at) values ('2024-01-01');
         create table other (id integer primary key); insert into other values (1);
         create trigger t after delete on item begin delete from other; end",
    )
    .await;
    let keys = lane.pick(&order(10)).await.unwrap().keys;
    assert_eq!(lane.finish(&keys).await.unwrap_err().cause(), Cause::EffectDiffers);
    assert_eq!((crate::fixture::ids(&file, "item"), crate::fixture::ids(&file, "other")), (vec![1], vec![1]));
}

#[tokio::test]
async fn a_cancelled_row_is_kept_and_counted() {
    let (mut lane, _arena, _file) = lane(
        "create table item (id integer primary key, at date); insert into item (at) values ('2024-01-01'), ('2024-01-02');
         create trigger t before delete on item when old.id = 1 begin select raise(ignore); end",
    )
    .await;
    let keys = lane.pick(&order(10)).await.unwrap().keys;
    assert_eq!(lane.finish(&keys).await.unwrap(), Outcome { changed: 1, gone: 1, kept: 1, ..Outcome::default() });
}

/// The statement is stopped where it would outlast the lease, and not only what it did taken back.
#[tokio::test]
async fn a_statement_ends_before_the_lease_does() {
    let (mut lane, arena, file) = lane(
        "create table item (id integer primary key, at date);
         insert into item (at) values ('2024-01-01'), ('2024-01-02'), ('2024-01-03'), ('2024-01-04');
         create table work (n integer);
         with recursive c(n) as (select 1 union all select n + 1 from c where n < 120) insert into work select n from c;
         create trigger slow before delete on item begin
           select count(*) from work a, work b, work c where a.n + b.n + c.n > 5;
         end",
    )
    .await;
    let keys = lane.pick(&order(10)).await.unwrap().keys;
    let mut step = dated(&arena, "item").await;
    step.atomicity = Atomicity::Sealed;
    let claim = LaneClaim { deadline: Arc::new(Ends::in_ms(100)), ..arena.claim() };
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &claim, Arc::new(Untouched)).await.unwrap() else {
        panic!("atomic")
    };
    let fault = lane.finish(&keys).await.unwrap_err();
    assert_eq!((fault.class, lane.owed()), (FaultClass::Timeout, 0), "{fault}");
    assert_eq!(crate::fixture::ids(&file, "item"), [1, 2, 3, 4]);
    assert_eq!(lane.look(&keys).await.unwrap().kept, 4, "what comes later has its time again");
}

#[tokio::test]
async fn a_table_without_a_key_is_refused() {
    let (arena, _file) = arena("create table item (n text primary key, at date)").await;
    let mut step = dated(&arena, "item").await;
    step.atomicity = Atomicity::Sealed;
    let fault = arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await.err().unwrap();
    assert_eq!(fault.cause(), Cause::NoKey);
}
