//! Transforms: rows stay, what is announced is written once, and nothing else happens.

use std::sync::Arc;

use forgetd_connector::{
    Action, Atomicity, Cause, Compare, Count, Cutoff, Except, FaultClass, Grain, Lane, LockWait, Marker, Order, Path,
    Place, Put, Rewrite, RowCap, RowLock, Selection, Shape, Step, Undone, Value, WhenNull,
};
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::fence::{day, late, order};
use crate::oracle::Native;
use crate::{Arena, Cell, Fixture, Kind, Snare, TAG, TableSpec, Tagger, Wanted};

fn place(path: &str, put: Put) -> Place {
    Place { path: Path::parse(path).unwrap(), put, samples: vec![] }
}

fn other(path: &str, shape: Shape) -> Undone {
    Undone::Other { path: Path::parse(path).unwrap(), shape }
}

/// A rewrite of these places, and the signs that follow from what is put there.
fn rewrite(places: &[(&str, Put)]) -> (Rewrite, Vec<Undone>) {
    let undone = places.iter().map(|(path, put)| match put {
        Put::Constant(Value::Null) => other(path, Shape::Nothing),
        Put::Constant(value) => other(path, Shape::Constant(value.clone())),
        Put::Coarser(grain) => other(path, Shape::Coarse(grain.clone())),
        Put::Computed => other(path, Tagger::shape()),
    });
    let rewrite = Rewrite {
        marker: None,
        version: None,
        places: places.iter().map(|(path, put)| place(path, put.clone())).collect(),
        follows: vec![],
    };
    (rewrite, undone.collect())
}

async fn step(arena: &Arena, mut selection: Selection, (rewrite, undone): (Rewrite, Vec<Undone>)) -> Step {
    selection.undone = undone;
    let step = arena.step(selection).await;
    Step { action: Action::Transform(rewrite), ..step }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// Rows with an e-mail each, or none.
fn leads(emails: &[Option<&str>]) -> TableSpec {
    let rows = (0..).zip(emails).map(|(n, email)| vec![day(n), email.map_or(Cell::Null, text)]);
    TableSpec::new("item").column("at", Kind::Instant).nullable("email", Kind::Text).rows(rows)
}

async fn tagged(arena: &Arena) -> i64 {
    arena.database.count("item", &[("email", Wanted::Begins(TAG))]).await
}

async fn due(arena: &Arena, step: &Step) -> Count {
    arena.connector.measure(step, RowCap(None)).await.unwrap().due
}

/// Each value is written once; NULL stays NULL, and a second run finds nothing to do.
pub async fn computed_values_are_written_once(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let emails = [Some("a@x"), None, Some("é漢🙂' \"\\ %_"), Some(""), Some("p1.done"), Some("A@X"), None];
    let table = leads(&emails);
    arena.create(fixture, &table).await;
    let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", Put::Computed)])).await;
    assert_eq!(due(&arena, &step).await, Count::Exact(4));
    let done = arena.drain(&step, 2).await;
    assert_eq!((done.changed, done.passed, done.unfit), (4, 0, 0));
    assert!(done.batch_rows_max <= 2);
    assert_eq!((tagged(&arena).await, arena.count("item").await), (5, 7));
    for (id, email) in [(3, "p1.é漢🙂' \"\\ %_"), (4, "p1.")] {
        let wanted = [("id", Wanted::Is(Cell::Int(id))), ("email", Wanted::Is(text(email)))];
        assert_eq!(arena.database.count("item", &wanted).await, 1, "row {id}");
    }
    assert_eq!(arena.database.count("item", &[("email", Wanted::Is(Cell::Null))]).await, 2);
    assert_eq!(due(&arena, &step).await, Count::Exact(0));
    assert_eq!(arena.connector.survivors(&step).await.unwrap(), Count::Exact(0));
    assert_eq!(arena.drain(&step, 2).await.changed, 0);
}

/// Places inside JSON are written, whatever lies beside them stays.
pub async fn places_inside_json_are_written(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let documents = [
        json!({"name": "n", "items": [{"email": "a", "n": 1.50}, {"email": null}, {"x": "y"}, {"email": "p1.b"}]}),
        json!({"name": "p1.n", "items": [{"email": "p1.a"}]}),
        json!({"items": "text"}),
        json!({"name": 5}),
    ];
    let rows = (0..).zip(documents).map(|(n, document)| vec![day(n), Cell::Json(document)]);
    let table = TableSpec::new("item").column("at", Kind::Instant).nullable("doc", Kind::Json).rows(rows);
    if !table.fits(fixture) {
        return;
    }
    arena.create(fixture, &table).await;
    let writes = rewrite(&[("doc.name", Put::Computed), ("doc.items[].email", Put::Computed)]);
    let step = step(&arena, table.selection(fixture, "at", late()), writes).await;
    // What is no text has no form: it is due, and nothing can be done about it.
    assert_eq!(due(&arena, &step).await, Count::Exact(2));
    let done = arena.drain(&step, 10).await;
    assert_eq!(done.changed, 1);
    let first = ("id", Wanted::Is(Cell::Int(1)));
    for part in ["\"p1.n\"", "\"p1.a\"", "\"p1.b\"", "null", "\"y\"", "1.5"] {
        let wanted = [first.clone(), ("doc", Wanted::Holds(part))];
        assert_eq!(arena.database.count("item", &wanted).await, 1, "{part}");
    }
    assert_eq!(arena.database.count("item", &[first, ("doc", Wanted::Holds("p1.p1."))]).await, 0);
    assert_eq!(due(&arena, &step).await, Count::Exact(1));
}

/// A constant is this very value; NULL is not written over, and a value can be taken away.
pub async fn constants_are_written_exactly(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let row = |n, name: Cell, age: Cell, note: Cell, ok: Cell| vec![day(n), name, age, note, ok];
    let int = Cell::Int;
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("name", Kind::LaxText)
        .nullable("age", Kind::Int)
        .nullable("note", Kind::Text)
        .nullable("ok", Kind::Bool)
        .rows([
            row(0, text("Ann"), int(42), text("x"), Cell::Bool(true)),
            row(1, text("GONE"), int(0), Cell::Null, Cell::Bool(false)),
            row(2, text("gone"), int(0), Cell::Null, Cell::Bool(false)),
            row(3, Cell::Null, Cell::Null, Cell::Null, Cell::Null),
        ]);
    arena.create(fixture, &table).await;
    let writes = rewrite(&[
        ("name", Put::Constant(Value::Text("gone".into()))),
        ("age", Put::Constant(Value::Int(0))),
        ("note", Put::Constant(Value::Null)),
        ("ok", Put::Constant(Value::Bool(false))),
    ]);
    let step = step(&arena, table.selection(fixture, "at", late()), writes).await;
    assert_eq!(due(&arena, &step).await, Count::Exact(2));
    assert_eq!(arena.drain(&step, 10).await.changed, 2);
    let null = || Wanted::Is(Cell::Null);
    let (gone, zero, no) = (Wanted::Is(text("gone")), Wanted::Is(int(0)), Wanted::Is(Cell::Bool(false)));
    let one = [("name", gone), ("age", zero), ("note", null()), ("ok", no)];
    assert_eq!(arena.database.count("item", &one).await, 3);
    let nothing = [("name", null()), ("age", null()), ("note", null()), ("ok", null())];
    assert_eq!(arena.database.count("item", &nothing).await, 1);
    assert_eq!(due(&arena, &step).await, Count::Exact(0));
}

/// What was made coarser once is done, negative numbers and NULL included.
pub async fn values_become_coarser_once(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let cells = [(-7, -0.3, "abcd"), (7, 0.3, "ab"), (10, 0.5, "é漢🙂"), (-10, -1.0, ""), (0, 0.0, "a")];
    let rows = (0..)
        .zip(cells)
        .map(|(n, (int, real, name))| vec![day(n), Cell::Int(int), Cell::Real(real), text(name), day(n)]);
    let nothing = vec![day(9), Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("n", Kind::Int)
        .nullable("r", Kind::Real)
        .nullable("name", Kind::Text)
        .nullable("born", Kind::Instant)
        .rows(rows.chain([nothing]));
    arena.create(fixture, &table).await;
    let step_of = |step: &str| Put::Coarser(Grain::Step(step.into()));
    let mut places = vec![("n", step_of("10")), ("r", step_of("0.5")), ("name", Put::Coarser(Grain::Prefix(2)))];
    if fixture.column(Kind::Instant).is_some_and(|column| column.form.is_none()) {
        places.push(("born", Put::Coarser(Grain::Month)));
    }
    let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&places)).await;
    let Count::Exact(before) = due(&arena, &step).await else { panic!("counted") };
    assert!(before >= 3);
    assert_eq!(arena.drain(&step, 2).await.changed, before);
    let expected = [(1, -10, -0.5, "ab"), (2, 0, 0.5, "ab"), (3, 10, 0.5, "é漢"), (4, -10, -1.0, ""), (5, 0, 0.0, "a")];
    for (id, int, real, name) in expected {
        let [id, int] = [id, int].map(|number| Wanted::Is(Cell::Int(number)));
        let (real, name) = (Wanted::Is(Cell::Real(real)), Wanted::Is(text(name)));
        let wanted = [("id", id), ("n", int), ("r", real), ("name", name)];
        assert_eq!(arena.database.count("item", &wanted).await, 1, "{wanted:?}");
    }
    let nothing = [("n", Wanted::Is(Cell::Null)), ("name", Wanted::Is(Cell::Null))];
    assert_eq!(arena.database.count("item", &nothing).await, 1);
    assert_eq!(due(&arena, &step).await, Count::Exact(0));
}

fn marked() -> (Rewrite, Vec<Undone>) {
    let (mut writes, _) = rewrite(&[("email", Put::Computed)]);
    writes.marker = Some(Marker { column: "done".into(), value: Value::Text("2027-01-01T00:00:00Z".into()) });
    let before = Undone::MarkedBefore { marker: "done".into(), since: "at".into() };
    (writes, vec![Undone::Unmarked("done".into()), before])
}

/// The marker is set with the values, on rows without one too; a row that was used again is done again.
pub async fn a_marker_says_what_is_done(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let row = |n, email: Cell, done: Cell| vec![day(n), email, done];
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("email", Kind::Text)
        .nullable("done", Kind::Instant)
        .rows([
            row(0, text("a"), Cell::Null),
            row(1, Cell::Null, Cell::Null),
            row(2, text("b"), day(5)),
            row(9, text("c"), day(5)),
            row(5, text("p1.d"), day(5)),
        ]);
    arena.create(fixture, &table).await;
    let step = step(&arena, table.selection(fixture, "at", late()), marked()).await;
    assert_eq!(due(&arena, &step).await, Count::Exact(3));
    assert_eq!(arena.drain(&step, 2).await.changed, 3);
    let emails = Wanted::OneOf(&["p1.a", "b", "p1.c", "p1.d"]);
    assert_eq!(arena.database.count("item", &[("email", emails)]).await, 4);
    assert_eq!(arena.database.count("item", &[("done", Wanted::Is(Cell::Null))]).await, 0);
    assert_eq!(due(&arena, &step).await, Count::Exact(0));
    let key = forgetd_connector::Key(vec![Value::Int(3)]);
    let judged = arena.connector.judge(&step, &key).await.unwrap().unwrap();
    assert!(!judged.due, "{judged:?}");
    assert!(
        judged
            .clauses
            .iter()
            .any(|clause| { clause.what == forgetd_connector::ClauseOf::Undone && clause.holds == Some(false) })
    );
}

/// A value that is no such thing costs its row, which is counted and stays as it was.
pub async fn unfit_rows_are_passed_and_counted(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = leads(&[Some("a"), Some("unfit 1"), Some("b"), Some("unfit 2"), Some("c")]);
    arena.create(fixture, &table).await;
    let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", Put::Computed)])).await;
    let mut lane = arena.transforming(&step).await;
    let effect = lane.change(&order(10)).await.unwrap();
    assert_eq!((effect.changed, effect.locked), (3, 0));
    assert_eq!(effect.unfit.into_iter().collect::<Vec<_>>(), [(Cause::ValueUnfit, 2)]);
    lane.undo().await.unwrap();
    drop(lane);
    let done = arena.drain(&step, 1).await;
    assert_eq!((done.changed, done.unfit, done.passed), (3, 2, 0));
    assert_eq!(arena.database.count("item", &[("email", Wanted::Begins("unfit"))]).await, 2);
}

/// Two values that become one cost a row, not the rule; a value that the table does not take costs its row.
pub async fn values_that_the_table_refuses_cost_their_rows(fixture: &dyn Fixture) {
    for (clause, cause) in [("unique (email)", Cause::Unique), ("check (email <> 'p1.b')", Cause::Check)] {
        let arena = Arena::new(fixture).await;
        let mut table = leads(&[Some("a"), Some("b"), Some("c"), Some("d")]).constraint(clause);
        if cause == Cause::Unique {
            table.rows.push((5, vec![day(900), text("p1.b")]));
        }
        arena.create(fixture, &table).await;
        let soon = Timestamp::from_second(1_750_000_000).unwrap();
        let step = step(&arena, table.selection(fixture, "at", soon), rewrite(&[("email", Put::Computed)])).await;
        let mut lane = arena.transforming(&step).await;
        let fault = lane.change(&order(10)).await.expect_err("the table took it");
        assert_eq!(fault.class, FaultClass::Row(cause), "{fault}");
        drop(lane);
        let done = arena.drain(&step, 4).await;
        assert_eq!((done.changed, done.passed), (3, 1));
        assert_eq!(arena.database.count("item", &[("email", Wanted::Is(text("b")))]).await, 1);
    }
}

/// Whatever else a table does when its rows are updated: nothing of the batch remains.
pub async fn what_was_not_announced_rolls_back(fixture: &dyn Fixture) {
    for (snare, causes) in [
        (Snare::UpdateMoves { table: "item", column: "at" }, &[Cause::SinceMoved, Cause::EffectDiffers][..]),
        (Snare::UpdateReaches { table: "item", other: "bystander" }, &[Cause::EffectDiffers]),
        (Snare::UpdateCancels { table: "item" }, &[Cause::TriggerCancels, Cause::EffectDiffers]),
    ] {
        let Some(trap) = fixture.snare(&snare) else { continue };
        for computed in [true, false] {
            let arena = Arena::new(fixture).await;
            let table = leads(&[Some("a"), Some("b"), Some("c")]);
            arena.create(fixture, &table).await;
            let bystander = TableSpec::new("bystander").column("n", Kind::Int).rows([1, 2].map(|n| vec![Cell::Int(n)]));
            arena.create(fixture, &bystander).await;
            arena.database.sql(&trap).await;
            let put = if computed { Put::Computed } else { Put::Constant(Value::Null) };
            let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", put)])).await;
            let mut lane = arena.transforming(&step).await;
            let fault = lane.change(&Order { compare: Compare::All, ..order(5) }).await.expect_err("it went through");
            assert!(causes.contains(&fault.cause()), "{snare:?}: {fault}");
            drop(lane);
            assert_eq!(arena.database.count("item", &[("email", Wanted::OneOf(&["a", "b", "c"]))]).await, 3);
            for n in [1, 2] {
                assert_eq!(arena.database.count("bystander", &[("n", Wanted::Is(Cell::Int(n)))]).await, 1);
            }
        }
    }
}

/// A trigger that raises an error for one row costs that row.
pub async fn one_row_refused_by_a_trigger_stays_as_it_was(fixture: &dyn Fixture) {
    let Some(trap) = fixture.snare(&Snare::UpdateRefuses { table: "item", id: 2 }) else { return };
    let arena = Arena::new(fixture).await;
    let table = leads(&[Some("a"), Some("b"), Some("c")]);
    arena.create(fixture, &table).await;
    arena.database.sql(&trap).await;
    let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", Put::Computed)])).await;
    let done = arena.drain(&step, 4).await;
    assert_eq!((done.changed, done.passed, tagged(&arena).await), (2, 1, 2));
}

/// Where rows are locked one by one, the rest is written and the locked ones are counted.
pub async fn locked_rows_are_left_for_later(fixture: &dyn Fixture) {
    for put in [Put::Computed, Put::Constant(Value::Null)] {
        let arena = Arena::new(fixture).await;
        if arena.connector.capabilities().row_lock != RowLock::SkipLocked {
            return;
        }
        let table = leads(&[Some("a"), Some("b"), Some("c"), Some("d"), Some("unfit")]);
        arena.create(fixture, &table).await;
        let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", put.clone())])).await;
        let held = arena.database.hold("item", "id in (2, 3)").await;
        let mut lane = arena.transforming(&step).await;
        let fault = lane.change(&order(100)).await.expect_err("a locked row was written");
        assert_eq!(fault.class, FaultClass::Locked);
        let skip = Order { locks: LockWait::Skip, ..order(100) };
        let effect = lane.change(&skip).await.unwrap();
        let computed = put == Put::Computed;
        assert_eq!((effect.changed, effect.locked), (if computed { 2 } else { 3 }, 2));
        assert_eq!(effect.unfit.values().sum::<u64>(), u64::from(computed));
        lane.undo().await.unwrap();
        held.release().await;
        assert_eq!(lane.change(&order(100)).await.unwrap().changed, if computed { 4 } else { 5 });
        lane.undo().await.unwrap();
    }
}

/// Keys are told when they are wanted, one for each row that was written.
pub async fn keys_of_written_rows(fixture: &dyn Fixture) {
    for put in [Put::Computed, Put::Constant(Value::Null)] {
        let arena = Arena::new(fixture).await;
        let table = leads(&[Some("a"), None, Some("b"), Some("c")]);
        arena.create(fixture, &table).await;
        let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", put)])).await;
        let mut lane = arena.transforming(&step).await;
        let effect = lane.change(&Order { want_keys: true, ..order(10) }).await.unwrap();
        let mut ids: Vec<i64> = effect.keys.expect("keys were wanted").iter().map(super::effect::id).collect();
        ids.sort_unstable();
        assert_eq!((ids, effect.changed), (vec![1, 3, 4], 3));
        lane.undo().await.unwrap();
        assert_eq!(lane.change(&order(10)).await.unwrap().keys, None);
        lane.undo().await.unwrap();
    }
}

/// Every due row is met once, in bounded batches: ties, NULLs, with an index on the moment and without.
pub async fn every_row_is_walked_once(fixture: &dyn Fixture) {
    for (indexed, put) in [(true, Put::Computed), (false, Put::Computed), (false, Put::Constant(Value::Null))] {
        let arena = Arena::new(fixture).await;
        let moments = (0..130).map(|n| match n % 13 {
            0 => Cell::Null,
            1..=6 => day(1),
            n => day(n),
        });
        let rows = moments.map(|at| vec![at, text("a")]);
        let mut table = TableSpec::new("item").nullable("at", Kind::Instant).nullable("email", Kind::Text).rows(rows);
        if indexed {
            table = table.index(&["at"]);
        }
        arena.create(fixture, &table).await;
        let mut selection = table.selection(fixture, "at", late());
        selection.terms.when_null = WhenNull::Delete;
        let step = step(&arena, selection, rewrite(&[("email", put.clone())])).await;
        let done = arena.drain(&step, 7).await;
        assert_eq!((done.changed, done.passed), (130, 0), "{indexed} {put:?}");
        assert!(done.batch_rows_max <= 7);
        assert_eq!(due(&arena, &step).await, Count::Exact(0));
    }
}

/// Rows before the floor are left alone; what another rule keeps is too.
pub async fn floors_and_other_rules_keep_rows(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = leads(&[Some("a"), Some("b"), Some("c"), Some("d")]);
    arena.create(fixture, &table).await;
    let mut selection = table.selection(fixture, "at", late());
    selection.floor = Some(Cutoff(Timestamp::from_second(1_700_000_000).unwrap() + 48.hours()));
    let mut keeping = table.selection(fixture, "at", Timestamp::from_second(1_700_000_000).unwrap()).terms;
    keeping.predicate = super::predicate::text("email", "d");
    selection.except = vec![Except::Kept { rule: "keeper".into(), terms: keeping }];
    // Names only columns of the table, whatever else stands in the statement.
    selection.terms.native = Some(fixture.native(Native::Either).into());
    let step = step(&arena, selection, rewrite(&[("email", Put::Computed)])).await;
    assert_eq!(due(&arena, &step).await, Count::Exact(1));
    assert_eq!(arena.drain(&step, 10).await.changed, 1);
    assert_eq!(arena.database.count("item", &[("email", Wanted::OneOf(&["a", "b", "d", "p1.c"]))]).await, 4);
}

/// A sealed lane writes the rows of its keys, once however often it is asked, and none that stopped being due.
pub async fn sealed_rows_are_written_once(fixture: &dyn Fixture) {
    for put in [Put::Computed, Put::Constant(Value::Null)] {
        let computed = put == Put::Computed;
        let arena = Arena::new(fixture).await;
        let table = leads(&[Some("a"), Some("unfit"), Some("c"), Some("d"), Some("e")]);
        arena.create(fixture, &table).await;
        let step = step(&arena, table.selection(fixture, "at", late()), rewrite(&[("email", put)])).await;
        let step = Step { atomicity: Atomicity::Sealed, ..step };
        let transform = Arc::new(Tagger::new(step.rewrite().unwrap()));
        let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), transform).await.unwrap() else {
            panic!("a sealed step opened an atomic lane")
        };
        let keys = lane.pick(&order(4)).await.unwrap().keys;
        assert_eq!(keys.iter().map(super::effect::id).collect::<Vec<_>>(), [1, 2, 3, 4]);
        arena.database.change("item", &[3], "email", Cell::Null).await;
        let (changed, kept) = if computed { (2, 1) } else { (3, 0) };
        for changed in [changed, 0] {
            let outcome = lane.finish(&keys).await.unwrap();
            assert_eq!((outcome.changed, outcome.kept, outcome.gone), (changed, kept, 4 - kept));
            assert_eq!(outcome.unfit.values().sum::<u64>(), kept);
        }
        let looked = lane.look(&keys).await.unwrap();
        assert_eq!((looked.changed, looked.kept, looked.gone), (0, kept, 4 - kept));
        assert_eq!(arena.database.count("item", &[("email", Wanted::Is(text("e")))]).await, 1);
    }
}
