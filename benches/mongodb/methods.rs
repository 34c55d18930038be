//! What stands beside forgetd: one command, and the sealed steps alone, as a script has them that keeps the same promises:
//! keys from one sorted cursor, announced, changed by keys and filter, counted where some stayed, and the end told.

use std::time::Instant;

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Collection, Database};

use crate::data::{COLLECTION, DATABASE, cutoff};
use crate::forgetd::Deed;
use crate::server::Server;

/// One deleteMany of everything that is due, or one updateMany with a pipeline that cuts the three fields short.
pub(crate) async fn one(server: &Server, deed: Deed) -> f64 {
    let database = server.client().await.database(DATABASE);
    let due = due();
    let command = match deed {
        Deed::Delete => doc! { "delete": COLLECTION, "deletes": [{ "q": due, "limit": 0 }] },
        Deed::Transform => {
            let token = |field: &str| doc! { "$concat": ["gone ", { "$substrCP": [field, 0, 20] }] };
            let fields = doc! {
                "profile.email": token("$profile.email"), "profile.name": token("$profile.name"),
                "profile.phone": token("$profile.phone"),
            };
            doc! { "update": COLLECTION, "updates": [{ "q": due, "u": [{ "$set": fields }], "multi": true }] }
        }
    };
    let started = Instant::now();
    assert!(write(&database, command).await > 0);
    started.elapsed().as_secs_f64()
}

/// The steps of forgetd's batches by the driver alone.
pub(crate) async fn sealed(server: &Server, deed: Deed, batch: u32) -> f64 {
    let client = server.client().await;
    let (people, control) = (client.database(DATABASE), client.database("control"));
    let documents: Collection<Document> = people.collection(COLLECTION);
    let due = due();
    let started = Instant::now();
    let mut changed = 0;
    let shown = match deed {
        Deed::Delete => doc! { "_id": 1 },
        Deed::Transform => doc! { "_id": 1, "profile": 1 },
    };
    let mut cursor =
        documents.find(due.clone()).sort(doc! { "_id": 1 }).projection(shown).batch_size(batch).await.unwrap();
    for step in 0_i64.. {
        let mut found = vec![];
        while found.len() < batch as usize && cursor.advance().await.unwrap() {
            found.push(cursor.deserialize_current().unwrap());
        }
        if found.is_empty() {
            break;
        }
        let keys: Vec<Bson> = found.iter().map(|document| document.get("_id").unwrap().clone()).collect();
        let announced = doc! { "_id": step, "state": "sealed", "keys": &keys };
        write(&control, doc! { "insert": "receipt", "documents": [announced] }).await;
        let among = doc! { "_id": { "$in": &keys } };
        let met = match deed {
            Deed::Delete => {
                let statement = doc! { "q": { "$and": [among.clone(), due.clone()] }, "limit": 0 };
                write(&people, doc! { "delete": COLLECTION, "deletes": [statement] }).await
            }
            Deed::Transform => transform(&people, &due, &found).await,
        };
        let left = if met == keys.len() as u64 { 0 } else { documents.count_documents(among).await.unwrap() };
        changed += met;
        #[allow(clippy::cast_possible_wrap, reason = "documents")]
        let done = doc! { "$set": { "state": "done", "left": left as i64 }, "$unset": { "keys": "" } };
        let end = doc! { "q": { "_id": step, "state": "sealed" }, "u": done };
        write(&control, doc! { "update": "receipt", "updates": [end] }).await;
    }
    assert!(changed > 0);
    started.elapsed().as_secs_f64()
}

/// One command of single updates, each guarded by the values that it replaces.
async fn transform(people: &Database, due: &Document, found: &[Document]) -> u64 {
    let mut changed = 0;
    for some in found.chunks(1_000) {
        let statement = |document: &Document| {
            let profile = document.get_document("profile").unwrap();
            let mut holds = vec![doc! { "_id": document.get("_id").unwrap().clone() }, due.clone()];
            let mut sets = Document::new();
            for (field, value) in profile {
                holds.push(doc! { format!("profile.{field}"): { "$eq": value.clone() } });
                sets.insert(format!("profile.{field}"), format!("gone {}", value.as_str().unwrap()));
            }
            doc! { "q": { "$and": holds }, "u": { "$set": sets }, "multi": false }
        };
        let statements: Vec<Document> = some.iter().map(statement).collect();
        changed += write(people, doc! { "update": COLLECTION, "updates": statements, "ordered": false }).await;
    }
    changed
}

fn due() -> Document {
    doc! { "at": { "$lt": cutoff() } }
}

/// Sends a write that a majority's journals have before it is answered; says how many documents it met.
async fn write(database: &Database, mut command: Document) -> u64 {
    command.insert("writeConcern", doc! { "w": "majority", "j": true });
    let reply = database.run_command(command).await.unwrap();
    assert!(!reply.contains_key("writeErrors"), "{reply}");
    match reply.get("n") {
        Some(Bson::Int32(n)) => u64::try_from(*n).unwrap(),
        Some(Bson::Int64(n)) => u64::try_from(*n).unwrap(),
        other => panic!("{other:?}"),
    }
}
