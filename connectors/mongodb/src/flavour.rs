//! Which product this is, in which version and shape, and everything that follows from it. Differences live here alone;
//! which products there are stands in `products`.

use forgetd_connector::{Product, Sign, recognise};
use mongodb::bson::{Bson, Document};

use crate::codec::Fields as _;
use crate::products::PRODUCTS;

/// How a server's nodes belong together, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Standalone,
    ReplicaSet,
    Sharded,
}

/// One product in one version and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    pub(crate) known: &'static Product,
    pub(crate) shape: Shape,
    /// As it writes it itself.
    pub(crate) version: String,
}

/// The oldest MongoDB that knows the server's clock inside an update.
const MONGODB_MIN: (u16, u16) = (4, 2);

/// The first FerretDB over documentdb: the one before it was another program.
const FERRETDB_MIN: (u16, u16) = (2, 0);

const MONGODB: &str = "MongoDB";
const FERRETDB: &str = "FerretDB";

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
    /// Reads the answers to `hello` and `buildInfo`, and the hosts of the URL.
    pub(crate) fn read(hello: &Document, build: &Document, hosts: &[String]) -> Self {
        let said = ["me", "primary"].into_iter().filter_map(|key| hello.get_str(key).ok());
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).chain(said).map(host).collect();
        let ferret = build.get_document("ferretdb").ok();
        let shows = |sign: &Sign| match sign {
            Sign::Build(name) => {
                build.get(name).is_some_and(|value| !matches!(value, Bson::Null) && *value != Bson::from(""))
            }
            Sign::Greets(word) => hello.says("msg", word),
            sign => sign.is_host(hosts.iter().copied()),
        };
        let shape = if hello.says("msg", "isdbgrid") {
            Shape::Sharded
        } else if hello.contains_key("setName") {
            Shape::ReplicaSet
        } else {
            Shape::Standalone
        };
        let version = ferret.unwrap_or(build).get_str("version").unwrap_or_default();
        // A table ends in what is left.
        let known = recognise(PRODUCTS, shows).unwrap_or(&PRODUCTS[PRODUCTS.len() - 1]);
        Self { known, shape, version: version.trim_start_matches('v').to_owned() }
    }

    /// Which version is needed, where this one is too old.
    pub(crate) fn too_old(&self) -> Option<&'static str> {
        let mut parts = self.version.split(['.', '-']).map_while(|part| part.parse::<u16>().ok());
        let mut next = || parts.next().unwrap_or(0);
        let version = (next(), next());
        match self.known.name {
            MONGODB if version < MONGODB_MIN => Some("MongoDB 4.2 or later is needed"),
            FERRETDB if version < FERRETDB_MIN => Some("FerretDB 2.0 or later is needed"),
            _ => None,
        }
    }
}

/// Without its port.
fn host(place: &str) -> &str {
    place.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(place, |(host, _)| host)
}

/// Whether collections can lie in shards.
pub(crate) fn is_sharded(facts: &forgetd_connector::Facts) -> bool {
    facts.version.ends_with(&format!("({})", Shape::Sharded.words()))
}

/// Whether writes take a hint and a comment: MongoDB's do from 4.4 on, Amazon's never. Of others nothing is known.
pub(crate) fn takes_hints(facts: &forgetd_connector::Facts) -> bool {
    let mut numbers = facts.version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    facts.product == FERRETDB || (facts.product == MONGODB && version >= (4, 4))
}

/// Whether reads go along an index that they name by its keys. No other's was tried.
pub(crate) fn pages_by_hint(facts: &forgetd_connector::Facts) -> bool {
    facts.product == MONGODB || facts.product == FERRETDB
}

/// Whether what one member has can still be taken back by the others.
pub(crate) fn replicates(facts: &forgetd_connector::Facts) -> bool {
    !facts.version.ends_with(&format!("({})", Shape::Standalone.words()))
}

/// Whether a server says of its set what was written last, and what of it a majority has. A router has none.
pub(crate) fn tells_of_its_set(facts: &forgetd_connector::Facts) -> bool {
    facts.product == MONGODB && replicates(facts) && !is_sharded(facts)
}

/// Whether a `$lookup` takes fields and a pipeline both. Without the fields no index serves it everywhere.
pub(crate) fn joins_by_field(facts: &forgetd_connector::Facts) -> bool {
    let mongo = facts.product == MONGODB;
    let major = facts.version.split('.').next().and_then(|major| major.parse::<u16>().ok());
    facts.product == FERRETDB || (mongo && major.is_some_and(|major| major >= 5))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Document, doc};

    use super::{Flavour, Shape};

    fn mongod(version: &str) -> Document {
        doc! { "version": version, "gitVersion": "8dc5cd2a30c4524132e2d44bb314544dc477e611", "storageEngines": ["wiredTiger"] }
    }

    fn read(hello: &Document, build: &Document, host: &str) -> Flavour {
        Flavour::read(hello, build, &[host.into()])
    }

    #[test]
    fn products_versions_and_shapes_are_told_apart() {
        let (alone, member) = (doc! { "isWritablePrimary": true }, doc! { "setName": "rs0", "me": "db1:27017" });
        let (ferret, bare) = (
            doc! { "version": "7.0.77", "gitVersion": "", "ferretdb": { "version": "v2.7.0" } },
            doc! { "version": "5.0.0" },
        );
        let sharded = doc! { "msg": "isdbgrid" };
        for (hello, build, host, title, shape, version) in [
            (&alone, mongod("8.0.4"), "h", "MongoDB", Shape::Standalone, "8.0.4"),
            (&member, mongod("7.0.12-rc1"), "h:27017", "MongoDB", Shape::ReplicaSet, "7.0.12-rc1"),
            (&sharded, mongod("4.2.0"), "h", "MongoDB (sharded, through mongos)", Shape::Sharded, "4.2.0"),
            (&alone, ferret, "h", "FerretDB", Shape::Standalone, "2.7.0"),
            (
                &member,
                bare.clone(),
                "c.x.eu-north-1.docdb.amazonaws.com:27017",
                "Amazon DocumentDB",
                Shape::ReplicaSet,
                "5.0.0",
            ),
            (
                &alone,
                bare.clone(),
                "acc.mongo.cosmos.azure.com:10255",
                "Azure Cosmos DB for MongoDB",
                Shape::Standalone,
                "5.0.0",
            ),
            (&alone, bare.clone(), "x.mongocluster.cosmos.azure.com", "Azure DocumentDB", Shape::Standalone, "5.0.0"),
            (
                &alone,
                bare,
                "h",
                "a server of MongoDB's protocol (that is no product known)",
                Shape::Standalone,
                "5.0.0",
            ),
        ] {
            let found = read(hello, &build, host);
            assert_eq!((found.known.title().as_str(), found.shape, found.version.as_str()), (title, shape, version));
            assert_eq!(found.too_old(), None, "{title}");
        }
    }

    #[test]
    fn what_is_too_old_is_told_what_is_needed() {
        let alone = doc! { "isWritablePrimary": true };
        let ferret = doc! { "version": "7.0.42", "ferretdb": { "version": "v1.24.0" } };
        assert_eq!(read(&alone, &mongod("4.0.28"), "h").too_old(), Some("MongoDB 4.2 or later is needed"));
        assert_eq!(read(&alone, &ferret, "h").too_old(), Some("FerretDB 2.0 or later is needed"));
    }
}
