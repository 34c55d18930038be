//! A number that counts a document's versions is compared instead of the values that are replaced.

use std::sync::Arc;

use forgetd_connector::{Action, Key, Lane, NewRow, OldRow, Path, Place, Put, Rewrite, Step, Transform, Undone, Value};
use forgetd_testkit::{Arena, Tagger};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use crate::fixture::{arena, due_by};
use crate::server;

async fn step(arena: &Arena, version: Option<&str>) -> Step {
    let path = Path::parse("mail").unwrap();
    let mut selection = due_by("at", None, None);
    selection.undone.push(Undone::Other { path: path.clone(), shape: Tagger::shape() });
    let places = vec![Place { path, put: Put::Computed, samples: vec![] }];
    let rewrite = Rewrite { marker: None, version: version.map(ToOwned::to_owned), places, follows: vec![] };
    Step { action: Action::Transform(rewrite), ..arena.step(selection).await }
}

/// The application writes between a batch's reading and its writing.
struct Meanwhile {
    handle: Handle,
    items: Collection<Document>,
    writes: Vec<(Document, Document)>,
    tagger: Tagger,
}

impl Transform for Meanwhile {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        self.handle.block_on(async {
            for (filter, update) in &self.writes {
                self.items.update_one(filter.clone(), update.clone()).await.unwrap();
            }
        });
        self.tagger.compute(rows)
    }
}

/// Whatever counts the version up keeps its document from being written; what is written without it is seen only where old
/// values are compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_application_writes_meanwhile_is_seen_by_its_version() {
    let Some(_) = server::url() else { return };
    for (version, written) in [(Some("v"), &[1_i64, 3][..]), (None, &[1, 2])] {
        let (arena, database) = arena().await;
        let old = json!({ "$date": { "$numberLong": "1704067200000" } });
        let item = |id: i64| json!({ "_id": id, "at": old, "mail": format!("m{id}"), "v": 1 });
        database.fill(&(1..=3).map(item).collect::<Vec<_>>()).await;
        let step = step(&arena, version).await;
        let other = Meanwhile {
            handle: Handle::current(),
            items: database.collection("item").await,
            writes: vec![
                // By the book: nothing that is replaced, and the version.
                (doc! { "_id": 2 }, doc! { "$set": { "other": 1 }, "$inc": { "v": 1 } }),
                // Not so.
                (doc! { "_id": 3 }, doc! { "$set": { "mail": "another" } }),
            ],
            tagger: Tagger::new(step.rewrite().unwrap()),
        };
        let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(other)).await.unwrap() else {
            panic!("no sealed lane")
        };
        let keys: Vec<Key> = (1..=3).map(|id| Key(vec![Value::Int(id)])).collect();
        let outcome = lane.finish(&keys).await.unwrap();
        assert_eq!((outcome.changed, outcome.kept), (2, 1), "{version:?}");
        for item in database.left().await {
            let tagged = item["mail"].as_str().unwrap().starts_with("p1.");
            assert_eq!(tagged, written.contains(&item["_id"].as_i64().unwrap()), "{version:?}: {item}");
        }
        let versions: Vec<Json> = database.left().await.iter().map(|item| item["v"].clone()).collect();
        // Each write counted once, ours where the rule says so.
        let counted = if version.is_some() { json!([2, 2, 2]) } else { json!([1, 2, 1]) };
        assert_eq!(Json::Array(versions), counted, "{version:?}");
    }
}
