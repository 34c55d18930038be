//! Answers that are lost or half the truth: what is said afterwards is an interval that holds it.

use std::sync::Arc;

use forgetd_connector::{
    Action, Compare, FaultClass, Lane, LockWait, Order, Path, Place, Put, Rewrite, SealedLane, Step, Undone,
};
use forgetd_testkit::{Arena, Tagger};
use serde_json::{Value as Json, json};

use crate::fixture::{Database, arena, due_by};
use crate::middleman::{Middleman, Trick};
use crate::server;

const DOCUMENTS: u64 = 10;

/// Documents that are due, and a lane on them through somebody in the middle.
async fn begun(transforms: bool, version: Option<&str>) -> (Arena, Database, Middleman, Box<dyn SealedLane>) {
    let (arena, database) = arena().await;
    let old = json!({ "$date": "2024-01-01T00:00:00Z" });
    let documents: Vec<Json> =
        (1..=DOCUMENTS).map(|id| json!({ "_id": id, "at": old, "mail": format!("m{id}"), "v": 1 })).collect();
    database.fill(&documents).await;
    let url = server::url_of(&database.name.0);
    let authority = url.trim_start_matches("mongodb://").split('/').next().unwrap().to_owned();
    let middleman = Middleman::start(authority.parse().expect("a server at a plain address")).await;
    let through = url.replace(&authority, &middleman.address.to_string());
    let connector = database.connect_by(&through, "conformance").await.unwrap();
    let mut step = arena.step(due_by("at", None, None)).await;
    if transforms {
        let path = Path::column("mail");
        step.selection.undone.push(Undone::Other { path: path.clone(), shape: Tagger::shape() });
        let places = vec![Place { path, put: Put::Computed, samples: vec![] }];
        step.action = Action::Transform(Rewrite {
            marker: None,
            version: version.map(ToOwned::to_owned),
            places,
            follows: vec![],
        });
    }
    let lane = lane(&*connector, &arena, &step).await;
    (arena, database, middleman, lane)
}

async fn lane(connector: &dyn forgetd_connector::Connector, arena: &Arena, step: &Step) -> Box<dyn SealedLane> {
    let transform: Arc<dyn forgetd_connector::Transform> = match step.rewrite() {
        Some(rewrite) => Arc::new(Tagger::new(rewrite)),
        None => Arc::new(forgetd_connector::Untouched),
    };
    match connector.lane(step, &arena.claim(), transform).await.unwrap() {
        Lane::Sealed(lane) => lane,
        Lane::Atomic(_) => panic!("no sealed lane"),
    }
}

#[tokio::test]
async fn what_was_half_done_is_done_again_and_told_as_an_interval() {
    let Some(url) = server::url() else { return };
    if url.contains('@') || url.contains("tls=true") || url.contains("mongodb+srv") {
        return;
    }
    for (transforms, version) in [(false, None), (true, None), (true, Some("v"))] {
        for (trick, class, confirmed) in [
            (Trick::PartThenFailover, FaultClass::Disconnected, 5),
            (Trick::PartThenWriteError, FaultClass::Transient, 5),
            (Trick::AnswerLost, FaultClass::Disconnected, 0),
            (Trick::Unconfirmed, FaultClass::Disconnected, 0),
        ] {
            let (_arena, database, middleman, mut lane) = begun(transforms, version).await;
            let order = Order {
                from: None,
                rows_max: 100,
                locks: LockWait::Wait,
                compare: Compare::Announced,
                want_keys: false,
            };
            let picked = lane.pick(&order).await.unwrap();
            assert_eq!(picked.keys.len() as u64, DOCUMENTS);
            middleman.play(trick);
            let fault = lane.finish(&picked.keys).await.unwrap_err();
            assert_eq!(fault.class, class, "{trick:?}: {fault}");
            let outcome = lane.finish(&picked.keys).await.unwrap();
            assert_eq!(
                (outcome.changed, outcome.gone, outcome.kept),
                (confirmed, DOCUMENTS, 0),
                "{trick:?}, transforms: {transforms}"
            );
            let left = database.left().await;
            if transforms {
                // Each value was written once, however often it was asked for.
                assert!(
                    left.iter().all(|left| left["mail"].as_str().unwrap().starts_with("p1.m")),
                    "{trick:?} {left:?}"
                );
                let counted = if version.is_some() { 2 } else { 1 };
                assert!(left.iter().all(|left| left["v"] == counted), "{trick:?} {left:?}");
            } else {
                assert_eq!(left, Vec::<Json>::new());
            }
        }
    }
}
