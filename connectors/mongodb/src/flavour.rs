//! Which product this is, in which version and shape, and everything that follows from it. Differences live here alone.

use mongodb::bson::Document;

use crate::codec::Fields as _;

/// A product that speaks the protocol and that we work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Mongo,
    Ferret,
    /// DocumentDB, from Amazon.
    Amazon,
}

/// How a server's nodes belong together, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Standalone,
    ReplicaSet,
    Sharded,
}

/// One product in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    pub(crate) product: Product,
    pub(crate) shape: Shape,
    /// As it writes it itself.
    pub(crate) version: String,
}

/// The oldest MongoDB that knows the server's clock inside an update.
const MONGODB_MIN: (u16, u16) = (4, 2);

/// The first FerretDB over documentdb: the one before it was another program.
const FERRETDB_MIN: (u16, u16) = (2, 0);

/// Others that speak the protocol, by how their hosts' names end.
const OTHERS: &[(&str, &str)] = &[
    (".mongo.cosmos.azure.com", "Azure Cosmos DB"),
    (".cosmos.azure.com", "Azure DocumentDB"),
    (".firestore.goog", "Firestore"),
    (".oraclecloudapps.com", "Oracle's API for MongoDB"),
];

/// Amazon's, by the same.
const DOCUMENTDB_HOSTS: &[&str] = &[".docdb.amazonaws.com", ".docdb-elastic.amazonaws.com", ".docdb.amazonaws.com.cn"];

// === impl Product ===

impl Product {
    /// As it names itself.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mongo => "MongoDB",
            Self::Ferret => "FerretDB",
            Self::Amazon => "Amazon DocumentDB",
        }
    }
}

// === impl Shape ===

impl Shape {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::ReplicaSet => "replica set",
            Self::Sharded => "sharded",
        }
    }
}

// === impl Flavour ===

impl Flavour {
    /// Reads the answers to `hello` and `buildInfo`, and the hosts of the URL. What we do not work with is said by its name,
    /// if it has one that we know.
    pub(crate) fn read(hello: &Document, build: &Document, hosts: &[String]) -> Result<Self, String> {
        let said = ["me", "primary"].into_iter().filter_map(|key| hello.get_str(key).ok());
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).chain(said).map(host).collect();
        let ends = |suffix: &str| hosts.iter().any(|host| host.ends_with(suffix));
        if let Some((_, name)) = OTHERS.iter().find(|(suffix, _)| ends(suffix)) {
            return Err(format!("{name} is not MongoDB"));
        }
        let shape = if hello.says("msg", "isdbgrid") {
            Shape::Sharded
        } else if hello.contains_key("setName") {
            Shape::ReplicaSet
        } else {
            Shape::Standalone
        };
        if let Ok(ferret) = build.get_document("ferretdb") {
            let version = ferret.get_str("version").unwrap_or_default().trim_start_matches('v').to_owned();
            return at_least(
                &version,
                FERRETDB_MIN,
                "FerretDB 2.0",
                Self { product: Product::Ferret, shape, version: version.clone() },
            );
        }
        let version = build.get_str("version").unwrap_or_default().to_owned();
        if DOCUMENTDB_HOSTS.iter().any(|suffix| ends(suffix)) {
            return Ok(Self { product: Product::Amazon, shape, version });
        }
        // MongoDB says what it was built with, and which engines it has; those who imitate it leave one of them out.
        if !build.contains_key("storageEngines") || build.get_str("gitVersion").map_or(true, str::is_empty) {
            return Err("the server speaks MongoDB's protocol and is no product that is known".into());
        }
        at_least(
            &version,
            MONGODB_MIN,
            "MongoDB 4.2",
            Self { product: Product::Mongo, shape, version: version.clone() },
        )
    }
}

fn at_least(version: &str, oldest: (u16, u16), words: &str, flavour: Flavour) -> Result<Flavour, String> {
    let mut parts = version.split(['.', '-']).map_while(|part| part.parse::<u16>().ok());
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next()) < oldest { Err(format!("{words} or later is needed")) } else { Ok(flavour) }
}

/// Without its port.
fn host(place: &str) -> &str {
    place.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(place, |(host, _)| host)
}

/// Whether collections can lie in shards.
pub(crate) fn is_sharded(facts: &forgetd_connector::Facts) -> bool {
    facts.version.ends_with(&format!("({})", Shape::Sharded.words()))
}

/// Whether writes take a hint and a comment: MongoDB's do from 4.4 on, Amazon's never.
pub(crate) fn takes_hints(facts: &forgetd_connector::Facts) -> bool {
    let mut numbers = facts.version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Product::Ferret.name() == facts.product || (Product::Mongo.name() == facts.product && version >= (4, 4))
}

/// Whether reads go along an index that they name by its keys. Amazon's was not tried.
pub(crate) fn pages_by_hint(facts: &forgetd_connector::Facts) -> bool {
    Product::Amazon.name() != facts.product
}

/// Whether what one member has can still be taken back by the others.
pub(crate) fn replicates(facts: &forgetd_connector::Facts) -> bool {
    !facts.version.ends_with(&format!("({})", Shape::Standalone.words()))
}

/// Whether a `$lookup` takes fields and a pipeline both. Without the fields no index serves it everywhere.
pub(crate) fn joins_by_field(facts: &forgetd_connector::Facts) -> bool {
    let mongo = Product::Mongo.name() == facts.product;
    let major = facts.version.split('.').next().and_then(|major| major.parse::<u16>().ok());
    Product::Ferret.name() == facts.product || (mongo && major.is_some_and(|major| major >= 5))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Document, doc};

    use super::{Flavour, Product, Shape};

    fn mongod(version: &str) -> Document {
        doc! { "version": version, "gitVersion": "8dc5cd2a30c4524132e2d44bb314544dc477e611", "storageEngines": ["wiredTiger"] }
    }

    #[test]
    fn products_versions_and_shapes_are_told_apart() {
        let (alone, member) = (doc! { "isWritablePrimary": true }, doc! { "setName": "rs0", "me": "db1:27017" });
        let ferret = doc! { "version": "7.0.77", "gitVersion": "", "ferretdb": { "version": "v2.7.0" } };
        for (hello, build, host, product, shape, version) in [
            (&alone, mongod("8.0.4"), "h", Product::Mongo, Shape::Standalone, "8.0.4"),
            (&member, mongod("7.0.12-rc1"), "h:27017", Product::Mongo, Shape::ReplicaSet, "7.0.12-rc1"),
            (&doc! { "msg": "isdbgrid" }, mongod("4.2.0"), "h", Product::Mongo, Shape::Sharded, "4.2.0"),
            (&alone, ferret, "h", Product::Ferret, Shape::Standalone, "2.7.0"),
            (
                &member,
                doc! { "version": "5.0.0" },
                "c.x.eu-north-1.docdb.amazonaws.com:27017",
                Product::Amazon,
                Shape::ReplicaSet,
                "5.0.0",
            ),
        ] {
            let expected = Flavour { product, shape, version: version.into() };
            assert_eq!(Flavour::read(hello, &build, &[host.into()]), Ok(expected));
        }
    }

    #[test]
    fn what_we_do_not_work_with_is_named() {
        let alone = doc! { "isWritablePrimary": true };
        let bare = doc! { "version": "7.0.0" };
        for (build, host, word) in [
            (mongod("4.0.28"), "h", "MongoDB 4.2"),
            (doc! { "version": "7.0.42", "ferretdb": { "version": "v1.24.0" } }, "h", "FerretDB 2.0"),
            (bare.clone(), "acc.mongo.cosmos.azure.com:10255", "Cosmos DB"),
            (bare.clone(), "x.mongocluster.cosmos.azure.com", "Azure DocumentDB"),
            (bare, "h", "no product that is known"),
            (Document::new(), "h", "no product that is known"),
        ] {
            let reason = Flavour::read(&alone, &build, &[host.into()]).unwrap_err();
            assert!(reason.contains(word), "{host}: {reason}");
        }
    }
}
