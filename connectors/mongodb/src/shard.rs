//! Collections that lie in shards. An `_id` is unique inside a shard alone, and a write that names no shard key goes to all of
//! them and can miss a document that is on its way to another one. So there each document is a statement of its own, which
//! names what the document holds of the shard key. Counting asks every shard: a document that moved meanwhile is found.

use forgetd_connector::{Cause, Fault, FaultClass, TableRef};
use mongodb::bson::{Bson, Document, doc};

use crate::catalog;
use crate::codec::Fields as _;
use crate::connect::Link;
use crate::connector::Shared;
use crate::error::{Failure, unless_refused};
use crate::flavour;
use crate::query::Field;
use crate::values;

/// The fields that decide in which shard a document lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardKey(Vec<Field>);

/// Where the documents of a collection lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lies {
    Together,
    Apart(ShardKey),
    /// The server says neither.
    Unknown,
}

// === impl ShardKey ===

impl ShardKey {
    /// Reads a key as the server says it; absent: it names what is no field.
    fn read(key: &Document) -> Option<Self> {
        let plain = |name: &String| name.split('.').all(|part| !part.is_empty() && !part.starts_with('$'));
        if key.is_empty() || !key.keys().all(plain) {
            return None;
        }
        Some(Self(key.keys().map(|name| Field::of(name.split('.'))).collect()))
    }

    /// The fields beside the document's own key.
    pub(crate) fn beside_id(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(|field| field.dotted() != "_id")
    }

    /// The one document, and the shard that it lies in. What is missing is null to a shard key.
    pub(crate) fn holds(&self, document: &Document) -> Document {
        let mut holds = doc! { "_id": document.get("_id").cloned().unwrap_or(Bson::Null) };
        for field in self.beside_id() {
            let value = values::at(document, field.names()).cloned().unwrap_or(Bson::Null);
            holds.insert(field.dotted(), doc! { "$eq": value });
        }
        holds
    }

    /// Whether writing there would move a document.
    pub(crate) fn is_written_by(&self, path: &str) -> Option<String> {
        let meets =
            |one: &str, other: &str| one == other || one.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
        let names = self.0.iter().map(Field::dotted);
        names.into_iter().find(|name| meets(name, path) || meets(path, name))
    }
}

/// Asks the server.
pub(crate) async fn of(shared: &Shared, table: &TableRef, place: &str) -> Result<Lies, Fault> {
    let link = &shared.link;
    let found = catalog::look(link, table).await?.unwrap_or_default();
    if let Some(lies) = told(&found) {
        return Ok(lies);
    }
    if !flavour::is_sharded(&shared.facts) {
        return Ok(Lies::Together);
    }
    let database = link.database_of(table);
    let stats = database.run_command(doc! { "collStats": &table.name });
    let stats = unless_refused(link.call("describe", place, stats).await)?;
    let cluster = unless_refused(entry(link, table, place).await)?;
    Ok(lies(stats.as_ref(), cluster.as_ref().map(Option::as_ref)))
}

/// What the list of all sharded collections says of this one.
async fn entry(link: &Link, table: &TableRef, place: &str) -> Result<Option<Document>, Failure> {
    let schema = link.database_of(table).name().to_owned();
    let entries = link.client.database("config").collection::<Document>("collections");
    let wanted = doc! { "_id": format!("{schema}.{}", table.name) };
    link.call("describe", place, entries.find_one(wanted)).await
}

/// Whether the list of collections says it itself, as documentdb's does.
fn told(found: &Document) -> Option<Lies> {
    let key = found.get_document("info").ok()?.get_document("shardKey").ok()?;
    Some(ShardKey::read(key).map_or(Lies::Unknown, Lies::Apart))
}

/// What follows from the collection's numbers and from its entry in the list of sharded ones, as far as the server gave them.
fn lies(stats: Option<&Document>, entry: Option<Option<&Document>>) -> Lies {
    let whole = |entry: &Document| entry.is_true("dropped") || entry.is_true("unsplittable");
    match (stats.and_then(|stats| stats.get_bool("sharded").ok()), entry) {
        (Some(false), _) | (None, Some(None)) => Lies::Together,
        (said, Some(Some(entry))) if whole(entry) => {
            if said == Some(true) {
                Lies::Unknown
            } else {
                Lies::Together
            }
        }
        (_, Some(Some(entry))) => {
            entry.get_document("key").ok().and_then(ShardKey::read).map_or(Lies::Unknown, Lies::Apart)
        }
        (Some(true), Some(None)) | (_, None) => Lies::Unknown,
    }
}

/// Why nothing is done where the shard key is not known.
pub(crate) const UNKNOWN: (&str, &str) = (
    "the server is sharded and does not say by which key the collection is",
    "grant `collStats` on the collection and `find` on config.collections",
);

/// The same as a fault.
pub(crate) fn unknown(operation: &'static str, place: &str) -> Fault {
    Fault::new(FaultClass::Blocked(Cause::Unsupported), operation, place).with_detail(UNKNOWN.0)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Document, doc};

    use super::{Lies, ShardKey, lies, told};

    fn apart(key: Document) -> Lies {
        Lies::Apart(ShardKey::read(&key).unwrap())
    }

    #[test]
    fn what_servers_say_of_shards_is_read() {
        let (sharded, whole) = (doc! { "sharded": true, "shards": {} }, doc! { "sharded": false, "primary": "a" });
        let entry = doc! { "_id": "d.c", "key": { "region": 1, "p.user": "hashed" }, "unique": false };
        let gone = doc! { "_id": "d.c", "key": { "region": 1 }, "dropped": true };
        let tracked = doc! { "_id": "d.c", "key": { "_id": 1 }, "unsplittable": true };
        let odd = doc! { "_id": "d.c", "key": { "a.$b": 1 } };
        for (stats, entry, expected) in [
            (Some(&whole), None, Lies::Together),
            (Some(&whole), Some(Some(&entry)), Lies::Together),
            (None, Some(None), Lies::Together),
            (Some(&sharded), Some(Some(&entry)), apart(doc! { "region": 1, "p.user": 1 })),
            (None, Some(Some(&entry)), apart(doc! { "region": 1, "p.user": 1 })),
            (None, Some(Some(&gone)), Lies::Together),
            (None, Some(Some(&tracked)), Lies::Together),
            (Some(&sharded), Some(Some(&gone)), Lies::Unknown),
            (Some(&sharded), Some(None), Lies::Unknown),
            (Some(&sharded), None, Lies::Unknown),
            (None, None, Lies::Unknown),
            (Some(&sharded), Some(Some(&odd)), Lies::Unknown),
        ] {
            assert_eq!(lies(stats, entry), expected, "{stats:?} {entry:?}");
        }
        assert_eq!(told(&doc! { "name": "c", "info": { "readOnly": false } }), None);
        assert_eq!(told(&doc! { "info": { "shardKey": { "a": "hashed" } } }), Some(apart(doc! { "a": 1 })));
    }

    #[test]
    fn a_statement_names_one_document_and_its_shard() {
        let document = doc! { "_id": 7, "region": "eu", "p": { "user": 5 }, "other": 1 };
        for (key, document, holds) in [
            (doc! { "_id": "hashed" }, &document, doc! { "_id": 7 }),
            (doc! { "region": 1, "_id": 1 }, &document, doc! { "_id": 7, "region": { "$eq": "eu" } }),
            (doc! { "p.user": 1 }, &document, doc! { "_id": 7, "p.user": { "$eq": 5 } }),
            // What is missing lies with null.
            (doc! { "region": 1 }, &doc! { "_id": 8 }, doc! { "_id": 8, "region": { "$eq": null } }),
        ] {
            assert_eq!(ShardKey::read(&key).unwrap().holds(document), holds, "{key}");
        }
        let key = ShardKey::read(&doc! { "p.user": 1, "region": 1 }).unwrap();
        for (path, written) in
            [("p", true), ("p.user", true), ("p.user.name", true), ("p.mail", false), ("regions", false)]
        {
            assert_eq!(key.is_written_by(path).is_some(), written, "{path}");
        }
    }
}
