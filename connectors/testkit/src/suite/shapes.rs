//! Transforms, looked at: how rows look is counted, and what would be written is shown without its values.

use forgetd_connector::{Action, Marker, Path, Place, Put, Rewrite, Selection, Shape, Step, TableRef, Undone, Value};
use serde_json::json;

use super::fence::{day, late};
use crate::{Arena, Cell, Fixture, Kind, TableSpec};

fn like(patterns: &[&str]) -> Shape {
    Shape::Like(patterns.iter().map(|pattern| (*pattern).to_owned()).collect())
}

/// Rows are counted by how a value looks, in a column and inside JSON; nothing has no looks.
pub async fn rows_are_counted_by_how_they_look(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let text = |text: &str| Cell::Text(text.into());
    let rows = [
        (text("p1.a"), json!({"items": [{"email": "p1.a"}, {"email": "p1.b"}]})),
        (text("p1_a"), json!({"items": [{"email": "a@b"}, {"email": "p1.b"}]})),
        (text("P1.a"), json!({"items": [null, {"email": null}, 5]})),
        (text(r"p1\.a"), json!({"items": {"email": "p1.a"}})),
        (Cell::Null, json!(null)),
    ];
    let rows = (0..).zip(rows).map(|(n, (name, document))| vec![day(n), name, Cell::Json(document)]);
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("name", Kind::LaxText)
        .nullable("doc", Kind::Json)
        .rows(rows);
    if !table.fits(fixture) {
        return;
    }
    arena.create(fixture, &table).await;
    let name = TableRef::parse("item");
    let described = arena.connector.describe(std::slice::from_ref(&name)).await.unwrap().tables.remove(0);
    for (path, shape, rows) in [
        ("name", like(&["p1.%"]), 1),
        ("name", like(&["p1_a"]), 2),
        ("name", like(&["p1.%", "%a"]), 4),
        ("name", like(&[r"p1\.%"]), 1),
        ("name", Shape::Constant(Value::Text("p1.a".into())), 1),
        ("name", Shape::Nothing, 0),
        ("doc.items[].email", like(&["p1.%"]), 2),
        ("doc.items[].email", like(&["p1.a", "a@_"]), 2),
        ("doc.items[].email", like(&["%@%"]), 1),
        ("doc.items[].email", Shape::Nothing, 0),
    ] {
        let path = Path::parse(path).unwrap();
        let counted = arena.connector.count_shaped(&described, &path, &shape).await.unwrap();
        assert_eq!(counted, rows, "{path} {shape:?}");
    }
}

/// Statements say which columns are written, and hold neither constant nor marker.
pub async fn statements_hold_nothing_that_is_written(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let row = vec![day(0), Cell::Text("a".into()), Cell::Text("b".into()), Cell::Null];
    let table = TableSpec::new("item")
        .column("at", Kind::Instant)
        .nullable("email", Kind::Text)
        .nullable("note", Kind::Text)
        .nullable("done", Kind::Text)
        .rows([row]);
    arena.create(fixture, &table).await;
    let constant = Value::Text("hushed constant".into());
    let place = |column: &str, put: Put| Place { path: Path::column(column), put, samples: vec![] };
    let selection = Selection {
        undone: vec![
            Undone::Unmarked("done".into()),
            Undone::Other { path: Path::column("note"), shape: Shape::Constant(constant.clone()) },
        ],
        ..table.selection(fixture, "at", late())
    };
    let rewrite = Rewrite {
        marker: Some(Marker { column: "done".into(), value: Value::Text("hushed marker".into()) }),
        version: None,
        places: vec![place("email", Put::Computed), place("note", Put::Constant(constant))],
        follows: vec![],
    };
    let step = Step { action: Action::Transform(rewrite), ..arena.step(selection).await };
    let statements = arena.connector.statements(&step).unwrap();
    for column in ["email", "note", "done"] {
        assert!(statements.change.contains(column), "{}", statements.change);
    }
    assert!(statements.change.to_lowercase().contains("update"), "{}", statements.change);
    let explained = arena.connector.explain(&step).await.unwrap();
    assert!(explained.iter().any(|explained| explained.statement == "change"));
    assert!(!format!("{statements:?}").contains("hushed"), "{statements:?}");
}
