//! What tests of transforms begin with: steps that write, transforms that are easy to foretell, lanes walked to their end.

use std::collections::BTreeMap;
use std::sync::Arc;

use forgetd_connector::{
    Action, AtomicLane, Cause, Commit, Fault, FaultClass, Lane, Marker, NewRow, Next, OldRow, Order, Path, Place, Put,
    Rewrite, Selection, Shape, SinceForm, Step, Transform, Undone, Value,
};
use forgetd_testkit::Arena;

use crate::fixture::{File, order, selection};

/// Texts become `t_` and their length, the same text wherever it stands; `bad` cannot be read; other things stay.
pub(crate) struct Tokens;

impl Transform for Tokens {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        rows.iter().map(row).collect()
    }
}

fn row(old: &OldRow) -> NewRow {
    if old.values.contains(&Value::Text("bad".into())) {
        return NewRow::Unfit(Cause::ValueUnfit);
    }
    let new: Vec<Value> = old.values.iter().map(value).collect();
    if new == old.values { NewRow::Same } else { NewRow::Values(new) }
}

fn value(old: &Value) -> Value {
    let Value::Text(text) = old else { return old.clone() };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(mut json @ serde_json::Value::Object(_)) => {
            edit(&mut json);
            Value::Text(json.to_string())
        }
        _ => Value::Text(token(text)),
    }
}

/// Every member called `email`, at any depth.
fn edit(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                match member {
                    serde_json::Value::String(text) if name == "email" => *text = token(text),
                    member => edit(member),
                }
            }
        }
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(edit),
        _ => {}
    }
}

fn token(text: &str) -> String {
    if text.starts_with("t_") { text.to_owned() } else { format!("t_{}", text.chars().count()) }
}

/// The shape of those tokens.
pub(crate) fn token_shape() -> Shape {
    Shape::Like(vec!["t_%".into()])
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A place with the sign that it is not done.
pub(crate) fn place(path: &str, put: Put) -> (Place, Undone) {
    let path = Path::parse(path).unwrap();
    let shape = match &put {
        Put::Constant(Value::Null) => Shape::Nothing,
        Put::Constant(value) => Shape::Constant(value.clone()),
        Put::Coarser(grain) => Shape::Coarse(grain.clone()),
        Put::Computed => token_shape(),
    };
    (Place { path: path.clone(), put, samples: vec![] }, Undone::Other { path, shape })
}

/// What is due in `item` by the date `at`, before 2025.
pub(crate) fn dated() -> Selection {
    selection("item", "at", Some(SinceForm::Date), "2024-12-31T23:30:00Z")
}

/// The step that writes these places into the rows of `selection`.
pub(crate) async fn step_of(arena: &Arena, selection: Selection, places: Vec<(Place, Undone)>) -> Step {
    let (places, undone): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    let mut step = arena.step(Selection { undone, ..selection }).await;
    step.action = Action::Transform(Rewrite { marker: None, version: None, places, follows: vec![] });
    step
}

/// The same by the date `at`.
pub(crate) async fn step(arena: &Arena, places: Vec<(Place, Undone)>) -> Step {
    step_of(arena, dated(), places).await
}

/// The rewrite of a step.
pub(crate) fn rewrite(step: &mut Step) -> &mut Rewrite {
    let Action::Transform(rewrite) = &mut step.action else { panic!("a delete") };
    rewrite
}

/// The step with a marker.
pub(crate) fn marked(mut step: Step, column: &str, value: Value) -> Step {
    rewrite(&mut step).marker = Some(Marker { column: column.into(), value });
    step.selection.undone.insert(0, Undone::Unmarked(column.into()));
    step
}

pub(crate) async fn lane(arena: &Arena, step: &Step) -> Box<dyn AtomicLane> {
    match arena.connector.lane(step, &arena.claim(), Arc::new(Tokens)).await.unwrap() {
        Lane::Atomic(lane) => lane,
        Lane::Sealed(_) => panic!("sealed"),
    }
}

/// What a lane did until its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Walked {
    pub(crate) changed: u64,
    pub(crate) cascaded: u64,
    pub(crate) unfit: BTreeMap<Cause, u64>,
    /// Rows passed over because they could not be changed, by cause.
    pub(crate) passed: BTreeMap<Cause, u64>,
}

/// Walks a lane to its end as a run does.
pub(crate) async fn walk(arena: &Arena, step: &Step, rows_max: u32) -> Result<Walked, Fault> {
    let mut lane = lane(arena, step).await;
    let (mut from, mut size, mut walked) = (None, rows_max, Walked::default());
    let mut sequence = arena.connector.control().next_sequence(&step.rule, "0").await.unwrap();
    for _ in 0..10_000 {
        let order = Order { from: from.clone(), want_keys: true, ..order(size) };
        let next = match lane.change(&order).await {
            Ok(effect) => {
                assert!(effect.changed <= u64::from(size));
                assert_eq!(effect.keys.unwrap().len() as u64, effect.changed);
                if effect.changed == 0 {
                    lane.undo().await.unwrap();
                } else {
                    let receipt = arena.receipt("0", sequence, effect.next.cursor().cloned());
                    assert_eq!(lane.commit(&receipt).await, Commit::Committed);
                    sequence += 1;
                }
                walked.changed += effect.changed;
                walked.cascaded += effect.cascaded.values().sum::<u64>();
                for (cause, rows) in effect.unfit {
                    *walked.unfit.entry(cause).or_default() += rows;
                }
                size = rows_max;
                effect.next
            }
            Err(fault) => match fault.class {
                FaultClass::Row(cause) if size == 1 => {
                    let (rows, next) = lane.pass(&order).await.unwrap();
                    *walked.passed.entry(cause).or_default() += rows;
                    next
                }
                FaultClass::Row(_) => {
                    size /= 2;
                    continue;
                }
                _ => return Err(fault),
            },
        };
        match next {
            Next::End => return Ok(walked),
            Next::At(cursor) => from = Some(cursor),
        }
    }
    panic!("the lane does not end");
}

/// The rows that a statement finds, each as one text.
pub(crate) fn rows(file: &File, sql: &str) -> Vec<String> {
    let connection = file.open();
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let cells: Vec<String> = (0..width)
            .map(|at| match row.get_ref(at).unwrap() {
                rusqlite::types::ValueRef::Null => "-".into(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                rusqlite::types::ValueRef::Real(value) => format!("{value:?}"),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                rusqlite::types::ValueRef::Blob(bytes) => format!("x{}", bytes.len()),
            })
            .collect();
        Ok(cells.join(" "))
    };
    statement.query_map([], line).unwrap().collect::<Result<_, _>>().unwrap()
}
