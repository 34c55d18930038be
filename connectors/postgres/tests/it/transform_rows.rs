//! What becomes of single rows of a transform: those that triggers write into, those that stay as they are, those whose
//! keys are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{
    Action, Atomicity, Cause, Count, Effect, Fault, FaultClass, Grain, Key, Lane, Marker, NewRow, OldRow, Order,
    Outcome, Put, RowCap, Shape, Step, Transform, Undone, Value, WhenNull,
};
use forgetd_testkit::{Arena, Tagger, TestDatabase as _};

use crate::fixture::{Database, arena, order, selection};
use crate::transform::{Always, constant, lane_with, tag, transform_of};

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The step with the marker `done`, which alone says what is done.
fn marked(mut step: Step) -> Step {
    if let Action::Transform(rewrite) = &mut step.action {
        rewrite.marker = Some(Marker { column: "done".into(), value: text("2027-01-01T00:00:00Z") });
    }
    step.selection.undone = vec![Undone::Unmarked("done".into())];
    step
}

/// The first batch of the step, undone again.
async fn attempt(arena: &Arena, step: &Step, transform: impl Transform + 'static, keys: bool) -> Result<Effect, Fault> {
    let mut lane = lane_with(arena, step, transform).await;
    let effect = lane.change(&Order { want_keys: keys, ..order(10) }).await;
    lane.undo().await.unwrap();
    effect
}

/// The same by the sealed lane, which commits.
async fn finish(arena: &Arena, step: &Step, transform: impl Transform + 'static) -> Result<Outcome, Fault> {
    let step = Step { atomicity: Atomicity::Sealed, ..step.clone() };
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(transform)).await? else {
        panic!("a sealed step")
    };
    let picked = lane.pick(&order(10)).await?;
    lane.finish(&picked.keys).await
}

fn before_update(body: &str) -> String {
    format!(
        "create function f() returns trigger language plpgsql as $$ begin {body}; return new; end $$;
         create trigger f before update on item for each row execute function f()"
    )
}

/// The column that stands in for a missing moment is what the row counts from.
#[tokio::test]
async fn a_moment_that_stands_in_may_not_move_either() {
    for places in [vec![tag("email")], vec![constant("email", Value::Null)]] {
        for (at, moved) in [("null", true), ("'2020-01-01'", true), ("null", false)] {
            let trigger = before_update(if moved { "new.made := now()" } else { "new.made := old.made" });
            let (arena, _) = arena(&format!(
                "create table item (id int primary key, at timestamptz, made timestamptz, email text);
                 insert into item values (1, {at}, '2020-01-01', 'a'); {trigger}"
            ))
            .await;
            let mut selection = selection("item");
            selection.terms.when_null = WhenNull::Use("made".into());
            let step = transform_of(&arena, selection, &places).await;
            let tagger = Tagger::new(step.rewrite().unwrap());
            let cause = attempt(&arena, &step, tagger, false).await.map_err(|fault| fault.class);
            let expected = if moved { Err(FaultClass::Blocked(Cause::SinceMoved)) } else { Ok(1) };
            assert_eq!(cause.map(|effect| effect.changed), expected, "{places:?} {at}");
        }
    }
}

async fn one_of(type_name: &str, old: &str, trigger: &str) -> (Arena, Database, Step) {
    let (arena, database) = arena(&format!(
        "create table item (id int primary key, at date not null, v {type_name}, done timestamptz, touched int);
         insert into item values (1, '2024-01-01', {old}), (2, '2024-01-01', {old}); {trigger}"
    ))
    .await;
    let step = marked(transform_of(&arena, selection("item"), &[("v", Put::Computed, Shape::Nothing)]).await);
    (arena, database, step)
}

/// Where the value alone does not tell that a row is done, nothing else would show that it is not.
#[tokio::test]
async fn what_a_trigger_puts_back_stops_the_rule() {
    for (type_name, old, new) in [
        ("text", "'070-123'", text("070-456")),
        ("varchar(12)", "'070-123'", text("070-456")),
        ("integer", "7", Value::Int(8)),
        ("numeric(8,2)", "7", text("8")),
        ("uuid", "'deadbeef-0000-4000-8000-000000000000'", text("00000000-0000-8000-9000-000000000001")),
        ("inet", "'10.0.0.1'", text("fd00::1")),
        ("json", "'{\"a\": 1}'", text("{\"a\": 2}")),
        ("jsonb", "'{\"a\": 1}'", text("{\"a\": 2}")),
    ] {
        let trigger = before_update("if old.id = 2 then new.v := old.v; end if");
        let (arena, database, step) = one_of(type_name, old, &trigger).await;
        let new = || Always(vec![new.clone()]);
        let faults = [
            attempt(&arena, &step, new(), false).await.unwrap_err(),
            attempt(&arena, &step, new(), true).await.unwrap_err(),
            finish(&arena, &step, new()).await.unwrap_err(),
        ];
        for fault in faults {
            assert_eq!(fault.class, FaultClass::Blocked(Cause::EffectDiffers), "{type_name}");
            assert_eq!(fault.detail.as_deref(), Some("crm.item"), "{type_name}");
        }
        assert_eq!(database.number("select count(*) from item where done is not null").await, 0, "{type_name}");
    }
}

/// The form that a column gives its values is no trigger's doing.
#[tokio::test]
async fn a_value_in_the_columns_own_form_is_the_one_that_was_sent() {
    for (type_name, old, new) in [
        ("char(5)", "'x'", text("abc")),
        ("varchar(3)", "'x'", text("abc  ")),
        ("text", "null", Value::Null),
        ("numeric(8,2)", "7", text("2.255")),
        ("numeric", "7", text("2.50")),
        ("double precision", "7", text("2.50")),
        ("inet", "'10.0.0.1'", text("10.0.0.2/32")),
        ("json", "'{}'", text("{\"b\":1,  \"a\": 1.50}")),
        ("jsonb", "'{}'", text("{\"b\":1,  \"a\": 1.50}")),
    ] {
        let (arena, _, step) = one_of(type_name, old, &before_update("new.touched := 1")).await;
        let effect = attempt(&arena, &step, Always(vec![new]), true).await.unwrap();
        assert_eq!(effect.changed, 2, "{type_name}");
    }
}

/// Writes over one document, and leaves every other one.
struct Knows(&'static str);

impl Transform for Knows {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        let one = |row: &OldRow| match row.values.first() {
            Some(value) if *value == text(self.0) => NewRow::Values(vec![text("{\"email\": \"p1.y\"}")]),
            _ => NewRow::Same,
        };
        rows.iter().map(one).collect()
    }
}

/// What the server cannot read is not done, and stops nothing.
#[tokio::test]
async fn documents_that_cannot_be_read_are_passed_over_and_counted() {
    let known = r#"{"email": "x"}"#;
    let documents = [
        (r#"{"email": "p1.\ud83d\ude00"}"#, true),
        (r#"{"email": "p1.\\ud83d"}"#, true),
        (r#"{"email": "p1.x", "b": "\\u0000"}"#, true),
        (r#"{"email": "p1.x", "\\udead": "\\\\udead"}"#, true),
        (known, false),
        (r#"{"email": "\ud83d"}"#, false),
        (r#"{"email": "p1.\uDE00"}"#, false),
        (r#"{"email": "p1.x", "b": "\u0000"}"#, false),
        (r#"{"email": "p1.\ud83d\\ude00"}"#, false),
        (r#"{"email": "p1.\\\ud83d"}"#, false),
        (r#"{"email": "p1.\ud83d\ud83d\ude00"}"#, false),
        (r#"{"email": "p1.\ud83d\ude00\ude00"}"#, false),
        (r#"{"email": "p1.x", "\udbff": 1}"#, false),
    ];
    let rows: Vec<String> =
        documents.iter().enumerate().map(|(n, (json, _))| format!("({}, '2024-01-01', '{json}')", n + 1)).collect();
    let (arena, database) = arena(&format!(
        "create table item (id int primary key, at date not null, j json); insert into item values {}",
        rows.join(", ")
    ))
    .await;
    let step = transform_of(&arena, selection("item"), &[tag("j.email")]).await;
    let undone = documents.iter().filter(|(_, done)| !done).count() as u64;
    assert_eq!(arena.connector.measure(&step, RowCap(None)).await.unwrap().due, Count::Exact(undone));
    let mut lane = lane_with(&arena, &step, Knows(known)).await;
    let effect = lane.change(&order(100)).await.unwrap();
    assert_eq!((effect.changed, effect.unfit), (1, BTreeMap::from([(Cause::ValueUnfit, undone - 1)])));
    lane.commit(&arena.receipt("0", 1, None)).await;
    assert_eq!(arena.connector.survivors(&step).await.unwrap(), Count::Exact(undone - 1));
    let outcome = finish(&arena, &step, Knows(known)).await.unwrap();
    assert_eq!((outcome.changed, outcome.unfit), (0, BTreeMap::from([(Cause::ValueUnfit, undone - 1)])));
    assert_eq!(database.number("select count(*) from item where id = 5 and j ->> 'email' = 'p1.y'").await, 1);
}

/// Leaves every row as it is.
struct Nothing;

impl Transform for Nothing {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        vec![NewRow::Same; rows.len()]
    }
}

/// A row that is due and into which nothing is to be written is told, by each run; its marker is set once.
#[tokio::test]
async fn a_due_row_that_stays_as_it_is_is_counted() {
    let year = || ("born", Put::Coarser(Grain::Year), Shape::Coarse(Grain::Year));
    for (places, marker, first) in [
        (vec![tag("v")], false, 0),
        (vec![tag("v")], true, 1),
        (vec![tag("v"), constant("name", Value::Null)], false, 1),
        (vec![tag("v"), year(), constant("name", text("gone"))], true, 1),
    ] {
        let (arena, database) = arena(
            "create table item (id int primary key, at date not null, v text, name text, born date, done timestamptz);
             insert into item values (1, '2024-01-01', 'x', 'y', '1990-05-05', null)",
        )
        .await;
        let mut step = transform_of(&arena, selection("item"), &places).await;
        if marker {
            let undone = step.selection.undone.clone();
            step = marked(step);
            step.selection.undone.extend(undone);
        }
        for changed in [first, 0] {
            let mut lane = lane_with(&arena, &step, Nothing).await;
            let effect = lane.change(&order(10)).await.unwrap();
            let unfit: BTreeMap<Cause, u64> = (changed == 0).then_some((Cause::ValueUnfit, 1)).into_iter().collect();
            assert_eq!((effect.changed, &effect.unfit), (changed, &unfit), "{places:?} {marker}");
            let receipt = arena.receipt("0", if changed == 1 { 1 } else { 2 }, None);
            lane.commit(&receipt).await;
        }
        let version = "select xmin::text::bigint from item";
        let before = database.number(version).await;
        let outcome = finish(&arena, &step, Nothing).await.unwrap();
        assert_eq!((outcome.changed, outcome.unfit), (0, BTreeMap::from([(Cause::ValueUnfit, 1)])));
        assert_eq!(database.number(version).await, before, "{places:?} {marker}");
    }
}

/// A key that is written is told as it was before: so it stands in the policy's evidence, and so it is picked.
#[tokio::test]
async fn keys_of_written_rows_are_those_from_before() {
    let month = ("day", Put::Coarser(Grain::Month), Shape::Coarse(Grain::Month));
    for (places, expected) in [
        (vec![tag("email")], ["a|2020-05-06", "b|2020-05-07"]),
        (vec![month.clone()], ["a|2020-05-06", "b|2020-05-07"]),
        (vec![tag("email"), month], ["a|2020-05-06", "b|2020-05-07"]),
        (vec![tag("name")], ["a|2020-05-06", "b|2020-05-07"]),
    ] {
        let (arena, _) = arena(
            "create table item (email text, day date, name text, at date not null, primary key (email, day));
             insert into item values ('a', '2020-05-06', 'x', '2024-01-01'), ('b', '2020-05-07', 'x', '2024-01-01')",
        )
        .await;
        let step = transform_of(&arena, selection("item"), &places).await;
        let effect = attempt(&arena, &step, Tagger::new(step.rewrite().unwrap()), true).await.unwrap();
        let written = |Key(values): &Key| {
            values.iter().map(|value| value.canonical_text().into_owned()).collect::<Vec<_>>().join("|")
        };
        let mut keys: Vec<String> = effect.keys.unwrap().iter().map(written).collect();
        keys.sort();
        assert_eq!(keys, expected, "{places:?}");
    }
}
