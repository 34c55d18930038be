//! Transforms as only this engine does them: types, versions of rows, plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{
    Action, AtomicLane, Atomicity, Cause, Child, Compare, Count, Except, FaultClass, Grain, Joined, Lane, Latest,
    LockWait, Marker, NewRow, OldRow, Order, Path, Place, Put, Rewrite, RowCap, Selection, Shape, Since, SinceColumn,
    Stays, Step, TableRef, Transform, Undone, Value,
};
use forgetd_testkit::{Arena, Tagger, TestDatabase as _};

use crate::fixture::{Database, arena, order, selection};
use crate::server::Server;

fn writes(places: &[(&str, Put, Shape)]) -> (Rewrite, Vec<Undone>) {
    let path = |path: &str| Path::parse(path).unwrap();
    let place = |(at, put, _): &(&str, Put, Shape)| Place { path: path(at), put: put.clone(), samples: vec![] };
    let other = |(at, _, shape): &(&str, Put, Shape)| Undone::Other { path: path(at), shape: shape.clone() };
    let rewrite = Rewrite { marker: None, version: None, places: places.iter().map(place).collect(), follows: vec![] };
    (rewrite, places.iter().map(other).collect())
}

pub(crate) fn tag(column: &str) -> (&str, Put, Shape) {
    (column, Put::Computed, Tagger::shape())
}

pub(crate) fn constant(column: &str, value: Value) -> (&str, Put, Shape) {
    let shape = if value == Value::Null { Shape::Nothing } else { Shape::Constant(value.clone()) };
    (column, Put::Constant(value), shape)
}

pub(crate) async fn transform_of(arena: &Arena, mut selection: Selection, places: &[(&str, Put, Shape)]) -> Step {
    let (rewrite, undone) = writes(places);
    selection.undone = undone;
    let step = arena.step(selection).await;
    Step { action: Action::Transform(rewrite), ..step }
}

pub(crate) async fn lane_with(arena: &Arena, step: &Step, transform: impl Transform + 'static) -> Box<dyn AtomicLane> {
    match arena.connector.lane(step, &arena.claim(), Arc::new(transform)).await.unwrap() {
        Lane::Atomic(lane) => lane,
        Lane::Sealed(_) => panic!("an atomic step"),
    }
}

/// Puts the same values into every row, one for each of its columns.
pub(crate) struct Always(pub(crate) Vec<Value>);

impl Transform for Always {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        rows.iter().map(|_| NewRow::Values(self.0.clone())).collect()
    }
}

/// Tells what it was given, and changes nothing.
struct Spy(std::sync::Mutex<Vec<OldRow>>);

impl Transform for Spy {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        self.0.lock().unwrap().extend(rows.iter().cloned());
        vec![NewRow::Same; rows.len()]
    }
}

/// Each type comes as text, or as an integer, and goes back into its own type.
#[tokio::test]
async fn every_type_goes_out_and_comes_back() {
    let text = |text: &str| Value::Text(text.into());
    for (type_name, old, read, new, stored) in [
        ("varchar(12)", "'a%_\\'", text("a%_\\"), text("é漢🙂"), "é漢🙂"),
        ("char(5)", "'ab'", text("ab"), text("abc"), "abc  "),
        ("integer", "-7", Value::Int(-7), Value::Int(8), "8"),
        ("bigint", "9223372036854775807", Value::Int(i64::MAX), Value::Int(i64::MIN), "-9223372036854775808"),
        ("numeric(8,2)", "1.50", text("1.50"), text("2.25"), "2.25"),
        (
            "uuid",
            "'DEADBEEF-0000-4000-8000-000000000000'",
            text("deadbeef-0000-4000-8000-000000000000"),
            text("00000000-0000-8000-9000-000000000001"),
            "00000000-0000-8000-9000-000000000001",
        ),
        ("inet", "'10.0.0.1'", text("10.0.0.1"), text("fd00::1"), "fd00::1"),
        ("inet", "'10.0.0.1/8'", text("10.0.0.1/8"), text("fd00::/64"), "fd00::/64"),
        ("date", "'2020-02-29'", text("2020-02-29"), text("2020-01-01"), "2020-01-01"),
        (
            "timestamptz",
            "'2020-02-29 12:00:00.5+02'",
            text("2020-02-29T10:00:00.5"),
            text("2020-01-01T00:00:00"),
            "2020-01-01 00:00:00+00",
        ),
        (
            "json",
            "'{\"b\": 1,  \"a\":\"x\"}'",
            text("{\"b\": 1,  \"a\":\"x\"}"),
            text("{\"a\": 1.50}"),
            "{\"a\": 1.50}",
        ),
        ("jsonb", "'{\"b\":1}'", text("{\"b\": 1}"), text("{\"a\":1.50}"), "{\"a\": 1.50}"),
        ("mood", "'sad'", text("sad"), text("glad"), "glad"),
        ("short", "'a'", text("a"), text("bb"), "bb"),
    ] {
        let (arena, database) = arena(&format!(
            "create type mood as enum ('sad', 'glad'); create domain short as varchar(3) check (value <> 'no');
             create table item (id int primary key, at date not null, v {type_name});
             insert into item values (1, '2024-01-01', {old}), (2, '2024-01-01', null)"
        ))
        .await;
        let places = [("v", Put::Computed, Shape::Nothing)];
        let step = transform_of(&arena, selection("item"), &places).await;
        let spy = Arc::new(Spy(std::sync::Mutex::default()));
        let Lane::Atomic(mut lane) =
            arena.connector.lane(&step, &arena.claim(), Arc::<Spy>::clone(&spy)).await.unwrap()
        else {
            panic!("an atomic step")
        };
        let effect = lane.change(&order(10)).await.unwrap();
        assert_eq!(effect.changed, 0);
        lane.undo().await.unwrap();
        assert_eq!(*spy.0.lock().unwrap(), [OldRow { values: vec![read], marked: false }], "{type_name}");
        let mut lane = lane_with(&arena, &step, Always(vec![new])).await;
        assert_eq!(lane.change(&order(10)).await.unwrap().changed, 1);
        lane.commit(&arena.receipt("0", 1, None)).await;
        assert_eq!(database.texts("select v from item where id = 1").await, [stored], "{type_name}");
    }
}

#[tokio::test]
async fn values_that_do_not_fit_cost_their_rows() {
    let text = |text: &str| Value::Text(text.into());
    for (type_name, value) in [
        ("varchar(3)", text("abcd")),
        ("short", text("abcd")),
        ("smallint", Value::Int(40_000)),
        ("numeric(3,1)", text("1000")),
        ("uuid", text("none")),
        ("inet", text("none")),
        ("jsonb", text("{")),
        ("date", text("2020-02-30")),
        ("mood", text("none")),
    ] {
        let (arena, _) = arena(&format!(
            "create type mood as enum ('sad'); create domain short as varchar(3);
             create table item (id int primary key, at date not null, v {type_name});
             insert into item values (1, '2024-01-01', null), (2, '2024-01-01', null)"
        ))
        .await;
        let places = [("v", Put::Computed, Shape::Nothing)];
        let mut step = transform_of(&arena, selection("item"), &places).await;
        step.selection.undone.clear();
        let mut lane = lane_with(&arena, &step, Always(vec![value])).await;
        let fault = lane.change(&order(10)).await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Row(Cause::TransformUnfit), "{type_name} {fault}");
        assert_eq!(lane.pass(&order(1)).await.unwrap().0, 1);
    }
}

/// Writes a row behind the batch's back, once, between its turns.
struct Meddling {
    sql: &'static str,
    database: Database,
    tagger: Tagger,
}

impl Transform for Meddling {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        let work = self.database.sql(self.sql);
        tokio::runtime::Handle::current().block_on(work);
        self.tagger.compute(rows)
    }
}

/// What the application writes while values are computed is not written over, and stays due.
#[tokio::test]
async fn a_row_that_changed_meanwhile_is_not_written() {
    for (sql, changed, locked, email) in [
        ("update item set email = 'new' where id = 2", 2, 1, "new"),
        ("update item set other = 'x' where id = 2", 2, 1, "b"),
        ("delete from item where id = 2", 2, 1, "p1.c"),
        ("update item set email = 'new' where id = 4", 3, 0, "new"),
    ] {
        let (arena, database) = arena(
            "create table item (id int primary key, at date not null, email text, other text);
             insert into item select n, case when n < 4 then '2024-01-01' else '2030-01-01' end::date, chr(96 + n)
               from generate_series(1, 4) n",
        )
        .await;
        let step = transform_of(&arena, selection("item"), &[tag("email")]).await;
        let tagger = Tagger::new(step.rewrite().unwrap());
        let mut lane = lane_with(&arena, &step, Meddling { sql, database: database.clone(), tagger }).await;
        let effect = lane.change(&order(10)).await.unwrap();
        assert_eq!((effect.changed, effect.locked), (changed, locked), "{sql}");
        lane.commit(&arena.receipt("0", 1, None)).await;
        let found = format!("select count(*) from item where email = '{email}'");
        assert_eq!(database.number(&found).await, 1, "{sql}");
    }
}

async fn big(more: &str) -> (Arena, Database) {
    arena(&format!(
        "create table item (id int primary key, at timestamptz not null, email text unique, name text, pad text);
         create table visit (id int primary key, item int references item, at timestamptz);
         insert into item select n, timestamptz '2020-01-01' + n * interval '1 minute', 'user' || n || '@x', 'name ' || n,
           repeat('x', 100) from generate_series(1, 20000) n; {more}; analyze item"
    ))
    .await
}

/// Rows are gone to one by one, by the ids that were read: never through the whole table, whatever is known of it.
#[tokio::test]
async fn a_batch_never_reads_the_whole_table() {
    let (arena, _) = big("create index on item (at)").await;
    let mut elsewhere = selection("item");
    elsewhere.terms.since = Since::Latest(Box::new(Latest {
        table: TableRef::parse("visit"),
        at: SinceColumn { column: "at".into(), zone: None, form: None },
        on: vec![Joined { other: "item".into(), own: "id".into() }],
        or: Some(SinceColumn { column: "at".into(), zone: None, form: None }),
    }));
    for selection in [selection("item"), elsewhere] {
        for places in [vec![tag("email"), tag("name")], vec![constant("name", Value::Null)]] {
            let step = transform_of(&arena, selection.clone(), &places).await;
            let explained = arena.connector.explain(&step).await.unwrap();
            let change = &explained.iter().find(|explained| explained.statement == "change").unwrap().text;
            let update = change.find("Update on item").expect("an update");
            let update = &change[update..];
            assert!(update.contains("Tid Scan on item"), "{change}");
            let reads = update.split("CTE forgetd_old").next().unwrap();
            assert!(!reads.contains("Seq Scan on item"), "{change}");
        }
    }
}

/// The same by the server's own count: a lane of many batches reads the table's blocks a few times over and not once for
/// each batch.
#[tokio::test]
async fn a_lane_reads_each_block_a_few_times() {
    // Before version 15 the counts come from another process, half a second late.
    if Server::get().version().await < 15 {
        return;
    }
    for index in ["create index on item (at)", "select 1"] {
        let (arena, database) = big(index).await;
        let places = [tag("email"), tag("name"), constant("pad", Value::Null)];
        let step = transform_of(&arena, selection("item"), &places).await;
        let scans = "select seq_scan from pg_stat_user_tables where relname = 'item'";
        let before = database.number(scans).await;
        let done = arena.drain(&step, 1_000).await;
        assert_eq!((done.changed, done.batch_rows_max), (20_000, 1_000));
        arena.connector.close().await;
        let gone = "select count(*) from pg_stat_activity where application_name = 'forgetd test' and datname = current_database()";
        while database.number(gone).await > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(database.number(scans).await, before, "{index}");
        assert_eq!(
            database.number("select count(*) from item where email like 'p1.user%' and pad is null").await,
            20_000
        );
    }
}

/// Locked first and judged again: a row that got activity while its lock was waited for stays as it is.
#[tokio::test]
async fn rows_whose_fate_hangs_on_others_are_judged_again() {
    for places in [vec![tag("email")], vec![constant("email", Value::Null)]] {
        let (arena, database) = big("insert into visit select n, n, '2020-06-01' from generate_series(1, 100) n").await;
        let mut selection = selection("item");
        selection.terms.since = Since::Latest(Box::new(Latest {
            table: TableRef::parse("visit"),
            at: SinceColumn { column: "at".into(), zone: None, form: None },
            on: vec![Joined { other: "item".into(), own: "id".into() }],
            or: None,
        }));
        let step = transform_of(&arena, selection, &places).await;
        let due = arena.connector.measure(&step, RowCap(None)).await.unwrap().due;
        assert_eq!(due, Count::Exact(100));
        database.sql("insert into visit values (1000, 7, '2030-01-01')").await;
        let done = arena.drain(&step, 30).await;
        assert_eq!((done.changed, done.passed), (99, 0));
        assert_eq!(database.number("select count(*) from item where email = 'user7@x'").await, 1);
    }
}

/// A row whose child must stay is left, as it is by a delete.
#[tokio::test]
async fn a_child_that_must_stay_keeps_its_parent() {
    let (arena, database) = big("insert into visit select n, n, '2030-01-01' from generate_series(1, 5) n").await;
    let on = vec![Joined { other: "item".into(), own: "id".into() }];
    let (table, stays) = (TableRef::parse("public.visit"), Stays::UnlessDue(vec![]));
    let child = Child { foreign_key: "visit_item_fkey".into(), table, on, stays };
    let mut selection = selection("item");
    selection.except = vec![Except::Child(child)];
    let mut step = transform_of(&arena, selection, &[tag("email")]).await;
    step.others = arena.connector.describe(&[TableRef::parse("public.visit")]).await.unwrap().tables;
    let done = arena.drain(&step, 5_000).await;
    assert_eq!((done.changed, done.passed), (19_995, 0));
    assert_eq!(database.number("select count(*) from item where email like 'user%'").await, 5);
}

/// References that follow are counted apart, and only where the rule allows it.
#[tokio::test]
async fn references_follow_where_they_may() {
    let (arena, database) = arena(
        "create table item (id int primary key, at date not null, email text unique);
         create table mail (id int primary key, email text references item (email) on update cascade);
         insert into item values (1, '2024-01-01', 'a'), (2, '2024-01-01', 'b'), (3, '2030-01-01', 'c');
         insert into mail values (1, 'a'), (2, 'a'), (3, 'c')",
    )
    .await;
    let mut step = transform_of(&arena, selection("item"), &[tag("email")]).await;
    let mut lane = arena.transforming(&step).await;
    let fault = lane.change(&order(10)).await.unwrap_err();
    assert_eq!(fault.cause(), Cause::EffectDiffers, "{fault}");
    if let Action::Transform(rewrite) = &mut step.action {
        rewrite.follows = vec![TableRef::parse("public.mail")];
    }
    for compare in [Compare::Announced, Compare::All] {
        let mut lane = arena.transforming(&step).await;
        let effect = lane.change(&Order { compare, ..order(10) }).await.unwrap();
        assert_eq!(effect.changed, 2);
        let cascaded: Vec<_> = effect.cascaded.iter().map(|(table, n)| (table.to_string(), *n)).collect();
        assert_eq!(cascaded, [("public.mail".into(), 2)]);
        lane.undo().await.unwrap();
    }
    let sealed = Step { atomicity: Atomicity::Sealed, ..step.clone() };
    let Lane::Sealed(mut lane) =
        arena.connector.lane(&sealed, &arena.claim(), Arc::new(Tagger::new(step.rewrite().unwrap()))).await.unwrap()
    else {
        panic!("a sealed step")
    };
    let keys = lane.pick(&order(10)).await.unwrap().keys;
    let outcome = lane.finish(&keys[..1]).await.unwrap();
    let followed = BTreeMap::from([(TableRef::parse("public.mail"), 2)]);
    assert_eq!((outcome.changed, &outcome.cascaded), (1, &followed));
    assert_eq!(lane.finish(&keys[..1]).await.unwrap().cascaded, BTreeMap::new());
    arena.drain(&step, 1).await;
    assert_eq!(database.number("select count(*) from mail where email = 'p1.a'").await, 2);
}

/// Neither a constant nor a marker stands in what people are shown.
#[tokio::test]
async fn statements_hold_places_and_no_values() {
    let (arena, _) = big("alter table item add done timestamptz").await;
    let marker = Marker { column: "done".into(), value: Value::Text("2027-01-01T00:00:00Z".into()) };
    for places in [
        vec![tag("email"), constant("name", Value::Text("REDACTED".into()))],
        vec![
            constant("name", Value::Text("REDACTED".into())),
            ("pad", Put::Coarser(Grain::Prefix(2)), Shape::Coarse(Grain::Prefix(2))),
        ],
    ] {
        let mut step = transform_of(&arena, selection("item"), &places).await;
        if let Action::Transform(rewrite) = &mut step.action {
            rewrite.marker = Some(marker.clone());
        }
        step.selection.undone.push(Undone::Unmarked("done".into()));
        let statements = arena.connector.statements(&step).unwrap();
        assert_eq!(statements.walk, "key");
        assert!(statements.change.contains("update only \"public\".\"item\" as t set"), "{}", statements.change);
        for hidden in ["REDACTED", "2027", "p1."] {
            assert!(!format!("{statements:?}").contains(hidden), "{}", statements.change);
        }
        let done = arena.drain(&step, 7_000).await;
        assert_eq!(done.changed, 20_000);
        assert_eq!(arena.connector.survivors(&step).await.unwrap(), Count::Exact(0));
    }
}

/// Rows that others hold are passed, and met again by the next run.
#[tokio::test]
async fn locked_rows_do_not_stop_the_lane() {
    let (arena, database) = big("create index on item (at)").await;
    let step = transform_of(&arena, selection("item"), &[tag("email"), tag("name")]).await;
    let held = database.hold("item", "id in (10, 5000)").await;
    let done = arena.drain(&step, 3_000).await;
    assert_eq!((done.changed, done.locked, done.waited), (19_998, 2, true));
    held.release().await;
    let mut lane = arena.transforming(&step).await;
    let effect = lane.change(&Order { locks: LockWait::Skip, ..order(3_000) }).await.unwrap();
    assert_eq!((effect.changed, effect.locked), (1, 0));
    lane.undo().await.unwrap();
}
