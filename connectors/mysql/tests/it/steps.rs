//! Steps on tables of a test's own, and what they leave.

use std::sync::Arc;

use forgetd_connector::{
    Action, Atomicity, Deadline, Endless, Lane, LaneClaim, Marker, Next, Path, Place, Put, Rewrite, SealedLane, Step,
    Transform, Undone, Untouched, Value,
};
use forgetd_testkit::{Arena, Tagger};

use crate::fixture::{order, selection};

/// The step that puts the tagger's form into `email`, and `marker` where there is one.
pub(crate) async fn tagging(arena: &Arena, table: &str, marker: Option<&str>) -> Step {
    let place = Place { path: Path::column("email"), put: Put::Computed, samples: vec![] };
    let marker = marker.map(|column| Marker { column: column.into(), value: Value::Text("2025-01-01".into()) });
    let mut selection = selection(table);
    selection.undone.push(Undone::Other { path: Path::column("email"), shape: Tagger::shape() });
    if let Some(marker) = &marker {
        selection.undone.push(Undone::Unmarked(marker.column.clone()));
    }
    let rewrite = Rewrite { marker, version: None, places: vec![place], follows: vec![] };
    Step { action: Action::Transform(rewrite), ..arena.step(selection).await }
}

/// The sealed lane of a step.
pub(crate) async fn sealed(arena: &Arena, step: &Step) -> Box<dyn SealedLane> {
    sealed_until(arena, step, Arc::new(Endless)).await
}

/// The sealed lane of a step, for a holder whose lease ends.
pub(crate) async fn sealed_until(arena: &Arena, step: &Step, deadline: Arc<dyn Deadline>) -> Box<dyn SealedLane> {
    let claim = LaneClaim { deadline, ..arena.claim() };
    let step = Step { atomicity: Atomicity::Sealed, ..step.clone() };
    let transform: Arc<dyn Transform> = match step.rewrite() {
        Some(rewrite) => Arc::new(Tagger::new(rewrite)),
        None => Arc::new(Untouched),
    };
    match arena.connector.lane(&step, &claim, transform).await.unwrap() {
        Lane::Sealed(lane) => lane,
        Lane::Atomic(_) => panic!("a sealed step opened an atomic lane"),
    }
}

/// Works a sealed lane to its end; how many rows were changed.
pub(crate) async fn drain_sealed(arena: &Arena, step: &Step, rows_max: u32) -> u64 {
    let mut lane = sealed(arena, step).await;
    let (mut order, mut changed) = (order(rows_max), 0);
    for _ in 0..1_000 {
        let picked = lane.pick(&order).await.unwrap();
        assert!(picked.keys.len() <= rows_max as usize);
        let outcome = lane.finish(&picked.keys).await.unwrap();
        assert_eq!((outcome.gone, outcome.kept), (picked.keys.len() as u64, 0));
        changed += outcome.changed;
        match picked.next {
            Next::At(cursor) => order.from = Some(cursor),
            Next::End => return changed,
        }
    }
    panic!("the lane does not end");
}
